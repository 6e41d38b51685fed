// The device behind frames: from the MAC, to the MAC, and its mirror.
#include "harness.hpp"
#include "Vwire.h"
#include "verilated.h"
#include "verilated_vcd_c.h"

namespace {
class Wire : public Device {
    VerilatedContext context;
    Vwire model{&context};
    VerilatedVcdC* trace = nullptr;
    uint64_t edges = 0;

public:
    explicit Wire(const char* wave) {
        if (!wave) return;
        context.traceEverOn(true);
        trace = new VerilatedVcdC;
        model.trace(trace, 3);
        trace->open(wave);
    }
    ~Wire() override {
        if (trace) {
            trace->close();
            delete trace;
        }
    }
    void cycle(const Inputs& in, Outputs& out) override {
        model.clock = 0;
        model.reset = in.reset;
        model.setting_write = in.setting_write;
        model.setting_address = in.setting_address;
        model.setting_data = in.setting_data;
        model.now = in.time;
        model.frame_valid = in.frame_valid;
        model.frame_data = in.frame_data;
        model.frame_keep = in.frame_keep;
        model.frame_last = in.frame_last;
        model.frame_bad = in.frame_bad;
        model.report_ready = in.report_ready;
        model.command_valid = in.command_valid;
        put(model.command_data, in.command, 8);
        model.event_ready = in.event_ready;
        model.eval();
        if (trace) trace->dump(edges++);
        out.command_ready = model.command_ready;
        out.event_valid = model.event_valid;
        if (out.event_valid) get(out.event, model.event_data, 8);
        out.report_valid = model.report_valid;
        out.report_data = model.report_data;
        out.report_keep = model.report_keep;
        out.report_last = model.report_last;
        out.started = model.started;
        out.stepped = model.stepped;
        out.idle = model.idle;
        out.top = model.top;
        for (int i = 0; i < 24; i++) out.counters[i] = model.counters[i];
        model.clock = 1;
        model.eval();
        if (trace) trace->dump(edges++);
    }
};
}

Device* MAKE(const char* wave) { return new Wire(wave); }
