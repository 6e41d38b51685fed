`default_nettype none
// One write port and one read port of a synchronous block RAM; what is read in the cycle of a write
// to its own address is not to be used.
module ram #(
    parameter integer ADDRESS_BITS = 12,
    parameter integer DATA_BITS = 32
) (
    input  wire logic                    clock,
    input  wire logic                    write,
    input  wire logic [ADDRESS_BITS-1:0] write_address,
    input  wire logic [DATA_BITS-1:0]    write_data,
    input  wire logic [ADDRESS_BITS-1:0] read_address,
    output logic [DATA_BITS-1:0]         read_data
);
    (* no_rw_check *) logic [DATA_BITS-1:0] held [0:(1 << ADDRESS_BITS)-1];

`ifdef FORMAL
    integer at;
    initial for (at = 0; at < (1 << ADDRESS_BITS); at = at + 1) held[at] = '0;
`endif

    always @(posedge clock) begin
        if (write) held[write_address] <= write_data;
`ifdef COLLISION_SPOILS
        // A simulation that shows whoever leans on what a collision reads.
        read_data <= (write && write_address == read_address)
            ? ~write_data : held[read_address];
`else
        read_data <= held[read_address];
`endif
    end
endmodule
`default_nettype wire
