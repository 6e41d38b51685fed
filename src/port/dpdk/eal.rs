//! DPDK's start, once in a process: with huge pages or without, and no card that was not named.
//!
//! EAL pins the thread that starts it and keeps its arguments; so a thread of its own does it, and
//! the arguments are never given back.

use std::ffi::{CStr, CString, c_int};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::port::device::{BypassDevice, BypassKind};
use crate::port::dpdk::{DpdkError, ffi};

/// MiB that DPDK takes.
const MEMORY_MIB: u64 = 256;

/// Where DPDK's memory is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Huge pages: one of them is a whole table's entry.
    Huge,
    /// Pages as any program has.
    Plain,
}

impl std::fmt::Display for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Pages::Huge => "huge pages",
            Pages::Plain => "plain pages, for huge ones are not reserved (wirematch host init)",
        })
    }
}

/// DPDK at work in this process.
#[derive(Clone, Copy, Debug)]
pub struct Eal {
    /// Where its memory is from.
    pub pages: Pages,
    has_cards: bool,
}

static EAL: OnceLock<Result<Eal, String>> = OnceLock::new();

/// Devices are probed one at a time.
static PROBING: Mutex<u32> = Mutex::new(0);

/// Starts DPDK for these devices, if it has not been started; a card not among them is not touched.
///
/// # Errors
/// Why it does not start, with the cure.
pub fn start(devices: &[&BypassDevice]) -> Result<Eal, DpdkError> {
    let cards: Vec<String> = devices
        .iter()
        .filter(|device| device.kind == BypassKind::Card)
        .map(|device| device.argument.clone())
        .collect();
    let wants_cards = !cards.is_empty();
    let started = EAL.get_or_init(|| {
        let thread = std::thread::Builder::new().name("dpdk-start".into());
        let thread = thread.spawn(move || start_here(&cards)).map_err(|e| e.to_string())?;
        thread.join().map_err(|_| "it panicked".to_owned())?
    });
    match started {
        Ok(eal) if wants_cards && !eal.has_cards => Err(DpdkError::CardTooLate),
        Ok(eal) => Ok(*eal),
        Err(why) => Err(DpdkError::Start(why.clone())),
    }
}

fn start_here(cards: &[String]) -> Result<Eal, String> {
    let pages = if huge_mib() >= MEMORY_MIB { Pages::Huge } else { Pages::Plain };
    if pages == Pages::Plain && !cards.is_empty() {
        return Err(format!(
            "a card needs {MEMORY_MIB} MiB of huge pages for its rings, and {} MiB are free: \
             wirematch host init reserves them (or: echo 256 > /proc/sys/vm/nr_hugepages)",
            huge_mib()
        ));
    }
    let mut arguments = vec!["wirematch".to_owned(), "-l".into(), main_cpu().to_string()];
    match pages {
        Pages::Huge => arguments.push("--in-memory".into()),
        Pages::Plain => arguments.extend(["--no-huge".into(), "--no-shconf".into()]),
    }
    // Telemetry would be a thread and a socket of DPDK's own; what is to be told, counters tell.
    arguments.extend(["-m".into(), MEMORY_MIB.to_string(), "--no-telemetry".into()]);
    arguments.push("--log-level=*:error".into());
    match cards {
        [] => arguments.push("--no-pci".into()),
        cards => cards.iter().for_each(|card| arguments.extend(["-a".into(), card.clone()])),
    }
    let text = |argument: &String| CString::new(argument.as_str()).map(CString::into_raw);
    let arguments: Result<Vec<_>, _> = arguments.iter().map(text).collect();
    let arguments = arguments.map_err(|_| "an argument has a zero byte".to_owned())?.leak();
    // SAFETY: the arguments are C strings that live as long as the process.
    #[allow(unsafe_code, reason = "DPDK has no other door")]
    let code = unsafe { ffi::wm_start(arguments.len() as c_int, arguments.as_mut_ptr()) };
    match code {
        0 => Ok(Eal { pages, has_cards: !cards.is_empty() }),
        code => Err(format!("{}; its own words are above", reason(code))),
    }
}

/// The CPU that DPDK's control threads keep off: the one that the system gives to stages first.
fn main_cpu() -> usize {
    core_affinity::get_core_ids().and_then(|cpus| cpus.last().map(|cpu| cpu.id)).unwrap_or(0)
}

/// Free MiB in huge pages.
fn huge_mib() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let value = |key: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    };
    value("HugePages_Free:") * value("Hugepagesize:") / 1024
}

/// What an error number means, in DPDK's words.
pub(super) fn reason(code: c_int) -> String {
    // SAFETY: DPDK gives a C string that lives as long as the thread.
    #[allow(unsafe_code, reason = "DPDK has no other door")]
    let text = unsafe { CStr::from_ptr(ffi::wm_error(code)) };
    text.to_string_lossy().into_owned()
}

/// The right to probe, with a number that no virtual device had before.
pub(super) fn turn() -> (MutexGuard<'static, u32>, u32) {
    let mut guard = PROBING.lock().unwrap_or_else(PoisonError::into_inner);
    *guard += 1;
    let number = *guard;
    (guard, number)
}
