`default_nettype none
// What the match core is asked, and what the events are made from.
package core_pkg;
    // Operations.
    localparam logic [2:0] REFUSE = 3'd0;
    localparam logic [2:0] ENTER = 3'd1;
    localparam logic [2:0] REPLACE = 3'd2;
    localparam logic [2:0] REDUCE_TO = 3'd3;
    localparam logic [2:0] REMARK = 3'd4;

    // Whose words an event has: the command's as it came; the order's that the command makes; a
    // replacement's, with the old order's reference and number, told or not to have kept its
    // place; a resting order's; a resting order's, which its replacement did not outlive.
    localparam logic [2:0] FORM_ANSWER = 3'd0;
    localparam logic [2:0] FORM_OWN = 3'd1;
    localparam logic [2:0] FORM_REPLACED = 3'd2;
    localparam logic [2:0] FORM_KEPT = 3'd3;
    localparam logic [2:0] FORM_SLOT = 3'd4;
    localparam logic [2:0] FORM_OUTRUN = 3'd5;
endpackage
`default_nettype wire
