`default_nettype none
// The highest set bit of a 64-bit word, found in two steps of eight.
module find_last (
    input  wire logic [63:0] word,
    output logic [5:0]       index,
    output logic             found
);
    logic [7:0] any;
    logic [2:0] inner [0:7];

    genvar group;
    generate
        for (group = 0; group < 8; group = group + 1) begin : groups
            wire [7:0] bits = word[group*8 +: 8];
            assign any[group] = |bits;
            assign inner[group] = bits[7] ? 3'd7 : bits[6] ? 3'd6 : bits[5] ? 3'd5
                : bits[4] ? 3'd4 : bits[3] ? 3'd3 : bits[2] ? 3'd2 : bits[1] ? 3'd1 : 3'd0;
        end
    endgenerate

    wire [2:0] outer = any[7] ? 3'd7 : any[6] ? 3'd6 : any[5] ? 3'd5 : any[4] ? 3'd4
        : any[3] ? 3'd3 : any[2] ? 3'd2 : any[1] ? 3'd1 : 3'd0;

    assign found = |any;
    assign index = {outer, inner[outer]};

`ifdef FORMAL
    always @* begin
        assert (found == (word != 64'd0));
        if (found) assert (word[index]);
        if (found) assert ((word >> index) == 64'd1);
        cover (found && index == 6'd63);
        cover (found && index == 6'd0);
    end
`endif
endmodule
`default_nettype wire
