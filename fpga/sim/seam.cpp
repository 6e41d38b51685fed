// What Rust calls.
#include "harness.hpp"

extern "C" {
Device* wirematch_fpga_new(uint32_t which, const char* wave) {
    switch (which) {
    case 0: return make_offload(wave);
    case 1: return make_small(wave);
    case 2: return make_many(wave);
    case 3: return make_wire(wave);
    default: return nullptr;
    }
}
void wirematch_fpga_free(Device* device) { delete device; }
void wirematch_fpga_cycle(Device* device, const Inputs* in, Outputs* out) { device->cycle(*in, *out); }
}
