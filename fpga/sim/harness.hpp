// One clock of a verilated device for Rust: what goes in before the edge, what is there before it.
#pragma once
#include <cstdint>
#include <cstring>

extern "C" {
struct Inputs {
    uint64_t command[8];
    uint64_t setting_data;
    uint64_t frame_data;
    uint64_t time;
    uint16_t setting_address;
    uint8_t setting_write, command_valid, event_ready, reset;
    uint8_t frame_valid, frame_keep, frame_last, frame_bad, report_ready, host_ready;
    uint8_t spare[4];
};
struct Outputs {
    uint64_t event[8];
    uint64_t report_data;
    uint32_t counters[24];
    uint8_t command_ready, event_valid, started, stepped, idle, top;
    uint8_t frame_ready, report_valid, report_keep, report_last, spare[6];
};
}

class Device {
public:
    virtual ~Device() {}
    virtual void cycle(const Inputs& in, Outputs& out) = 0;
};

Device* make_offload(const char* wave);
Device* make_small(const char* wave);
Device* make_many(const char* wave);
Device* make_wire(const char* wave);

template <typename Words> void put(Words& words, const uint64_t* from, int count) {
    for (int i = 0; i < count; i++) {
        words[2 * i] = uint32_t(from[i]);
        words[2 * i + 1] = uint32_t(from[i] >> 32);
    }
}

template <typename Words> void get(uint64_t* to, Words& words, int count) {
    for (int i = 0; i < count; i++) to[i] = uint64_t(words[2 * i + 1]) << 32 | words[2 * i];
}
