`timescale 1ns / 1ns
`default_nettype none
// A directed test for a second simulator: rest, cross two prices, cancel, and refuse, by hand. It runs
// on what Yosys has read and written as plain Verilog, for Icarus takes no packages in ports; so the
// messages are bits here.
module directed;
    logic clock = 1'b0;
    logic reset = 1'b1;
    always #5 clock = !clock;

    logic setting_write = 1'b0;
    logic [15:0] setting_address = 16'd0;
    logic [63:0] setting_data = 64'd0;
    logic command_valid = 1'b0;
    logic [511:0] command;
    logic command_ready, event_valid, started, stepped, idle;
    logic [511:0] event_data;
    wire [63:0] told_price = event_data[128 +: 64];
    wire [31:0] told_number = event_data[288 +: 32];
    wire [31:0] told_quantity = event_data[448 +: 32];
    wire [7:0] told_kind = event_data[480 +: 8];
    logic [3:0] top;
    logic [31:0] commands_count, map_full_count;

    offload book (
        .clock(clock), .reset(reset), .setting_write(setting_write),
        .setting_address(setting_address), .setting_data(setting_data),
        .command_valid(command_valid), .command_ready(command_ready), .command_data(command),
        .commit(1'b1), .forget(1'b0), .verdict(8'd0), .stamps(1'b0), .stamp_seq(64'd0),
        .stamp_time(64'd0), .stamp_post_only(1'b0), .event_valid(event_valid),
        .event_ready(1'b1), .event_data(event_data), .started(started), .stepped(stepped),
        .idle(idle), .top(top), .commands_count(commands_count),
        .map_full_count(map_full_count));

    integer wrong = 0;
    integer seq = 0;

    task set(input [15:0] address, input [63:0] data);
        begin
            @(negedge clock);
            setting_address = address;
            setting_data = data;
            setting_write = 1'b1;
            @(negedge clock);
            setting_write = 1'b0;
        end
    endtask

    task send(input [7:0] kind, input [7:0] side, input [31:0] number, input [63:0] price,
        input [31:0] quantity);
        begin
            seq = seq + 1;
            @(negedge clock);
            command = 512'd0;
            command[63:0] = {32'd0, seq};
            command[448 +: 8] = kind;
            command[456 +: 8] = side;
            command[224 +: 32] = 32'd1;
            command[256 +: 32] = number;
            command[288 +: 32] = number;
            command[352 +: 32] = 32'd1;
            command[384 +: 32] = number;
            command[128 +: 64] = price;
            command[416 +: 32] = quantity;
            command_valid = 1'b1;
            while (!command_ready) @(negedge clock);
            @(negedge clock);
            command_valid = 1'b0;
        end
    endtask

    task expects(input [7:0] kind, input [31:0] number, input [31:0] quantity,
        input [63:0] price);
        integer patience;
        begin
            patience = 0;
            while (!event_valid && patience < 200) begin
                @(negedge clock);
                patience = patience + 1;
            end
            if (!event_valid || told_kind !== kind || told_number !== number
                    || told_quantity !== quantity || told_price !== price) begin
                wrong = wrong + 1;
                $display("seq %0d: kind %0d number %0d quantity %0d price %0d; not %0d %0d %0d %0d",
                    seq, told_kind, told_number, told_quantity, told_price, kind, number,
                    quantity, price);
            end
            @(negedge clock);
        end
    endtask

    initial begin
        repeat (4) @(negedge clock);
        reset = 1'b0;
        set(16'h0000, 64'd1);
        set(16'h0001, 64'd1024);
        set(16'h2000, 64'd1000000);
        set(16'h3000, {28'd0, 28'd2684355, 8'd100});
        // Two sellers at two prices, 900 ticks apart, and a buyer who takes one and a half.
        send(8'd1, 8'd1, 32'd10, 64'd1000500, 32'd5);
        expects(8'd1, 32'd10, 32'd5, 64'd1000500);
        send(8'd1, 8'd1, 32'd11, 64'd1090500, 32'd6);
        expects(8'd1, 32'd11, 32'd6, 64'd1090500);
        send(8'd1, 8'd0, 32'd12, 64'd1100000, 32'd8);
        expects(8'd1, 32'd12, 32'd8, 64'd1100000);
        expects(8'd4, 32'd10, 32'd5, 64'd1000500);
        expects(8'd4, 32'd12, 32'd5, 64'd1000500);
        expects(8'd4, 32'd11, 32'd3, 64'd1090500);
        expects(8'd4, 32'd12, 32'd3, 64'd1090500);
        // What is left of the second is cancelled, and then there is nothing to cancel.
        send(8'd3, 8'd0, 32'd11, 64'd0, 32'd0);
        expects(8'd5, 32'd11, 32'd3, 64'd1090500);
        send(8'd3, 8'd0, 32'd11, 64'd0, 32'd0);
        expects(8'd7, 32'd11, 32'd0, 64'd0);
        // Off the tick.
        send(8'd1, 8'd0, 32'd13, 64'd1000001, 32'd1);
        expects(8'd2, 32'd13, 32'd1, 64'd1000001);
        if (top !== 4'd0) wrong = wrong + 1;
        if (wrong == 0) $display("passed: %0d commands", seq);
        else $display("failed: %0d wrong", wrong);
        $finish;
    end
endmodule
`default_nettype wire
