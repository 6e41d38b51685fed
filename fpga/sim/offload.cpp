// The device behind the host's seam, in one of its sizes; MODEL names the verilated class.
#include "harness.hpp"
#define STRING(x) #x
#define HEADER(x) STRING(x.h)
#include HEADER(MODEL)
#include "verilated.h"

namespace {
class Offload : public Device {
    VerilatedContext context;
    MODEL model{&context};

public:
    void cycle(const Inputs& in, Outputs& out) override {
        model.clock = 0;
        model.reset = in.reset;
        model.setting_write = in.setting_write;
        model.setting_address = in.setting_address;
        model.setting_data = in.setting_data;
        model.command_valid = in.command_valid;
        put(model.command_data, in.command, 8);
        model.event_ready = in.event_ready;
        model.commit = 1;
        model.forget = 0;
        model.verdict = 0;
        model.stamps = 0;
        model.eval();
        out.command_ready = model.command_ready;
        out.event_valid = model.event_valid;
        if (out.event_valid) get(out.event, model.event_data, 8);
        out.started = model.started;
        out.stepped = model.stepped;
        out.idle = model.idle;
        out.top = model.top;
        out.counters[0] = model.commands_count;
        out.counters[1] = model.map_full_count;
        model.clock = 1;
        model.eval();
    }
};
}

Device* MAKE(const char*) { return new Offload; }
