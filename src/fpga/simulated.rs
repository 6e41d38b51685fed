//! The verilated device: the same Verilog that is synthesised, a clock at a time.

use std::ffi::{CString, c_char};
use std::ptr::NonNull;

use crate::fpga::device::{Capacity, Device, Setting};
use crate::model::{Command, Event};

/// What goes in before a clock edge; the layout of `fpga/sim/harness.hpp`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
#[allow(missing_docs, reason = "the ports are named and explained in the Verilog")]
pub struct Inputs {
    pub command: [u64; 8],
    pub setting_data: u64,
    pub frame_data: u64,
    pub time: u64,
    pub setting_address: u16,
    pub setting_write: u8,
    pub command_valid: u8,
    pub event_ready: u8,
    pub reset: u8,
    pub frame_valid: u8,
    pub frame_keep: u8,
    pub frame_last: u8,
    pub frame_bad: u8,
    pub report_ready: u8,
    pub host_ready: u8,
    spare: [u8; 4],
}

/// What is there before a clock edge.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
#[allow(missing_docs, reason = "the ports are named and explained in the Verilog")]
pub struct Outputs {
    pub event: [u64; 8],
    pub report_data: u64,
    pub counters: [u32; 24],
    pub command_ready: u8,
    pub event_valid: u8,
    pub started: u8,
    pub stepped: u8,
    pub idle: u8,
    pub top: u8,
    pub frame_ready: u8,
    pub report_valid: u8,
    pub report_keep: u8,
    pub report_last: u8,
    spare: [u8; 6],
}

#[repr(C)]
struct Raw {
    private: [u8; 0],
}

#[allow(unsafe_code, reason = "Verilator's models are C++")]
unsafe extern "C" {
    fn wirematch_fpga_new(which: u32, wave: *const c_char) -> *mut Raw;
    fn wirematch_fpga_free(device: *mut Raw);
    fn wirematch_fpga_cycle(device: *mut Raw, inputs: *const Inputs, outputs: *mut Outputs);
}

/// A device in one of the sizes that are compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Size {
    /// One instrument, 4,096 orders: what is placed and routed.
    One,
    /// Four instruments, 32 orders, 6 fills: where every limit is met often.
    Small,
    /// 64 instruments, 65,536 orders.
    Many,
    /// One instrument behind frames.
    Wire,
}

impl Size {
    /// What it holds.
    pub const fn capacity(self) -> Capacity {
        let one = Capacity {
            symbols: 1,
            orders: 1 << 12,
            fills: 256,
            sessions: 1 << 10,
            accounts: 1 << 16,
        };
        match self {
            Self::One | Self::Wire => one,
            Self::Small => Capacity { symbols: 4, orders: 1 << 5, fills: 6, ..one },
            Self::Many => Capacity { symbols: 64, orders: 1 << 16, ..one },
        }
    }
}

/// A verilated device and its clock.
#[derive(Debug)]
pub struct Simulated {
    raw: NonNull<Raw>,
    size: Size,
    /// Clock edges so far.
    pub cycles: u64,
    /// What the next edge sees.
    pub inputs: Inputs,
    /// What the last one saw.
    pub outputs: Outputs,
    /// When the core took its last command.
    pub started: u64,
    /// When it told each of that command's steps.
    pub steps: Vec<u64>,
}

// SAFETY: a model has its own context and nothing else touches it.
#[allow(unsafe_code, reason = "the model lives in memory of its own")]
unsafe impl Send for Simulated {}

#[allow(unsafe_code, reason = "Verilator's models are C++")]
impl Simulated {
    /// A device after reset, its memories cleared; `wave` is where its waveform goes, if it can.
    pub fn new(size: Size, wave: Option<&str>) -> Self {
        let path = wave.and_then(|path| CString::new(path).ok());
        let path = path.as_ref().map_or(std::ptr::null(), |path| path.as_ptr());
        // SAFETY: the number is one of those the harness knows, and the path lives over the call.
        let raw = unsafe { wirematch_fpga_new(size as u32, path) };
        let raw = NonNull::new(raw).expect("the harness knows the size");
        let (inputs, outputs) = (Inputs::default(), Outputs::default());
        let steps = Vec::with_capacity(1 << 10);
        let mut simulated = Self { raw, size, cycles: 0, inputs, outputs, started: 0, steps };
        simulated.inputs.reset = 1;
        for _ in 0..4 {
            simulated.cycle();
        }
        simulated.inputs.reset = 0;
        while simulated.outputs.idle == 0 {
            simulated.cycle();
        }
        simulated
    }

    /// One clock.
    #[inline]
    pub fn cycle(&mut self) {
        // SAFETY: the model is alive, and both blocks have the harness's layout.
        unsafe {
            wirematch_fpga_cycle(self.raw.as_ptr(), &self.inputs, &mut self.outputs);
        }
        if self.outputs.started == 1 {
            self.started = self.cycles;
            self.steps.clear();
        }
        if self.outputs.stepped == 1 {
            self.steps.push(self.cycles);
        }
        self.cycles += 1;
    }
}

#[allow(unsafe_code, reason = "Verilator's models are C++")]
impl Drop for Simulated {
    fn drop(&mut self) {
        // SAFETY: it was made by the harness and is not used again.
        unsafe { wirematch_fpga_free(self.raw.as_ptr()) }
    }
}

impl Device for Simulated {
    fn capacity(&self) -> Capacity {
        self.size.capacity()
    }

    fn set(&mut self, setting: Setting) {
        (self.inputs.setting_address, self.inputs.setting_data) = setting.word();
        self.inputs.setting_write = 1;
        self.cycle();
        self.inputs.setting_write = 0;
    }

    fn offer(&mut self, command: &Command) -> bool {
        self.inputs.command = bytemuck::cast(*command);
        self.inputs.command_valid = 1;
        self.inputs.event_ready = 0;
        self.cycle();
        self.inputs.command_valid = 0;
        self.outputs.command_ready == 1
    }

    fn take(&mut self) -> Option<Event> {
        self.inputs.event_ready = 1;
        self.cycle();
        (self.outputs.event_valid == 1).then(|| bytemuck::cast(self.outputs.event))
    }

    fn first_event_after(&self) -> Option<u64> {
        Some(self.steps.first()?.saturating_sub(self.started))
    }
}
