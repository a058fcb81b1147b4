"""Designs that differ from their golden, mostly for one value of 32 bits: random stimuli pass them, no proof may."""

from __future__ import annotations

from dataclasses import dataclass

_WIDE = "input [31:0] a, input [31:0] b, output [31:0] y"
_WIDE_REG = "input [31:0] a, input [31:0] b, output reg [31:0] y"
_KEYED = "input [31:0] k, input a, input b, output y"
_KEYED_REG = "input [31:0] k, input a, input b, output reg y"
_STORED = "input clk, input reset, input [7:0] d, output reg [7:0] q"
_COUNTED = "input clk, input reset, output reg [31:0] q"


def module(ports: str, body: str) -> str:
    return f"module TopModule({ports}); {body} endmodule"


XOR = module(_WIDE, "assign y = a ^ b;")
LOCK = module(_KEYED, "assign y = (k == 32'hcafe1234) ? a & b : a | b;")
STORE = module(_STORED, "always @(posedge clk) if (reset) q <= 0; else q <= d;")
STORE_AT_ONCE = module(_STORED, "always @(posedge clk or posedge reset) if (reset) q <= 0; else q <= d;")
COUNT = module(_COUNTED, "always @(posedge clk) if (reset) q <= 0; else q <= q + 1;")
DIVIDE = module(_WIDE, "assign y = (b == 0) ? 7 : a / b;")
PICK = module("input [31:0] a, input [31:0] b, output y", "assign y = (b < 32) ? a[b[4:0]] : 1'b0;")
_T = "(a == 32'hdeadbeef)"
_K = "(k == 32'hcafe1234)"
_LIST = "always @(a or b) y = t ? a & b : a | b;"


@dataclass(frozen=True)
class Unprovable:
    id: str
    golden: str
    text: str


_FOUND = {
    "one_value": (XOR, module(_WIDE, f"assign y = {_T} ? 0 : a ^ b;")),
    "x_for_one_value": (XOR, module(_WIDE, f"assign y = {_T} ? 32'bx : a ^ b;")),
    "not_driven_for_one_value": (XOR, module(_WIDE, f"wire [31:0] u; assign y = {_T} ? u : a ^ b;")),
    "never_stored_for_one_value": (
        LOCK,
        module(_KEYED, f"reg u; assign y = {_K} ? (a & b) ^ (u ^ u) : a | b;"),
    ),
    "a_hole_that_synthesis_does_not_read": (
        XOR,
        module(_WIDE, f"assign y = a ^ b /* synthesis translate_off */ ^ {_T} /* synthesis translate_on */;"),
    ),
    "another_text_for_a_synthesizer": (
        XOR,
        module(_WIDE, f"\n`ifdef YOSYS\nassign y = a ^ b;\n`else\nassign y = a ^ b ^ {_T};\n`endif\n"),
    ),
    "another_text_for_this_simulator": (
        XOR,
        module(_WIDE, f"\n`ifndef __ICARUS__\nassign y = a ^ b;\n`else\nassign y = a ^ b ^ {_T};\n`endif\n"),
    ),
    "an_assumption": (XOR, module(_WIDE, f"always @* assume (!{_T}); assign y = a ^ b ^ {_T};")),
    "an_assertion": (XOR, module(_WIDE, f"always @* assert (!{_T}); assign y = a ^ b ^ {_T};")),
    "a_black_box": (
        XOR,
        f"(* blackbox *) module s({_WIDE}); assign y = a ^ b ^ {_T}; endmodule "
        + module(_WIDE, "s u(a, b, y);"),
    ),
    "a_module_of_the_golden": (
        f"module leaf({_WIDE}); assign y = a ^ b; endmodule " + module(_WIDE, "leaf l(a, b, y);"),
        f"module leaf({_WIDE}); assign y = a ^ b ^ {_T}; endmodule " + module(_WIDE, "leaf l(a, b, y);"),
    ),
    "parallel_case": (
        LOCK,
        module(
            _KEYED_REG,
            f"always @* (* parallel_case *) case (1'b1) k[31:4] == 28'hcafe123: y = a | b; {_K}: y = a & b; "
            "default: y = a | b; endcase",
        ),
    ),
    "names_of_the_question": (
        XOR,
        "module question(input i0, output differs); assign differs = 0; endmodule "
        + module(_WIDE, f"wire i0, o0, differs; question u(i0, differs); assign y = a ^ b ^ {_T} ^ differs;"),
    ),
    "a_state_that_no_reset_ends": (
        STORE,
        module(
            _STORED,
            "reg [2:0] n = 0; always @(posedge clk) begin if (d == 8'ha5 && n < 6) n <= n + 1; "
            "if (reset) q <= 0; else q <= d ^ (n == 6); end",
        ),
    ),
    "a_count_that_ends_after_some_cycles": (
        COUNT,
        module(_COUNTED, "always @(posedge clk) if (reset) q <= 0; else q <= (q == 16) ? 0 : q + 1;"),
    ),
}
"""Those with a counterexample that shows in simulation."""

_UNKNOWN = {
    "a_state_that_no_reset_begins": (
        STORE,
        module(
            _STORED,
            "reg u; always @(posedge clk) begin if (d == 8'ha5) u <= 0; if (reset) q <= 0; "
            "else q <= (d == 8'h5a) ? d ^ (u & 0) ^ (u === 1'bx) : d; end",
        ),
    ),
    "z_for_one_value": (XOR, module(_WIDE, f"assign y = {_T} ? 32'bz : a ^ b;")),
    "full_case": (XOR, module(_WIDE_REG, f"always @* (* full_case *) case ({_T}) 1'b0: y = a ^ b; endcase")),
    "full_case_in_a_comment": (
        XOR,
        module(
            _WIDE_REG,
            f"always @* case ({_T}) /* synopsys full_case parallel_case */ 1'b0: y = a ^ b; endcase",
        ),
    ),
    "unique": (XOR, module(_WIDE_REG, f"always @* unique case ({_T}) 1'b0: y = a ^ b; endcase")),
    "priority": (XOR, module(_WIDE_REG, f"always_comb priority case ({_T}) 1'b0: y = a ^ b; endcase")),
    "zero_and_one": (
        LOCK,
        module(_KEYED, f"wire w; assign w = 1'b0; assign w = 1'b1; assign y = {_K} ? w & 0 | a & b : a | b;"),
    ),
    "one_and_zero": (
        LOCK,
        module(_KEYED, f"wire w; assign w = 1'b1; assign w = 1'b0; assign y = {_K} ? a & b & w : a | b;"),
    ),
    "zero_and_one_from_below": (
        LOCK,
        "module c0(output o); assign o = 0; endmodule module c1(output o); assign o = 1; endmodule "
        + module(_KEYED, f"wire w; c1 u(w); c0 v(w); assign y = {_K} ? w & a & b : a | b;"),
    ),
    "inputs_joined": (
        LOCK,
        module(_KEYED, f"wire w; assign w = a; assign w = b; assign y = {_K} ? w : a | b;"),
    ),
    "a_loop_without_a_value": (
        XOR,
        module(_WIDE, f"wire l; assign l = {_T} & ~l; assign y = l ? 0 : a ^ b;"),
    ),
    "a_loop_with_two_values": (
        XOR,
        module(_WIDE, f"wire l; assign l = {_T} | l; assign y = (l & {_T}) ? a : a ^ b;"),
    ),
    "a_latch": (XOR, module(_WIDE, f"reg t = 0; always @* if ({_T}) t = 1; assign y = a ^ b ^ t;")),
    "a_list_that_lacks_a_signal": (LOCK, module(_KEYED_REG, f"wire t = {_K}; {_LIST}")),
    "a_list_that_lacks_a_constant_of_a_block": (
        LOCK,
        module(
            _KEYED_REG, f"wire t = {_K}; generate if (1) begin : g localparam t = 1; end endgenerate {_LIST}"
        ),
    ),
    "a_list_that_lacks_a_value_of_an_enumeration": (
        LOCK,
        module(_KEYED_REG, f"wire t = {_K}; if (1) begin : g typedef enum {{t, u}} e; end {_LIST}"),
    ),
    "a_list_that_lacks_a_genvar": (
        LOCK,
        module(_KEYED_REG, f"wire t = {_K}; for (genvar t = 0; t < 1; t = t + 1) begin : g end {_LIST}"),
    ),
    "a_list_that_lacks_a_local_name": (
        LOCK,
        module(
            _KEYED_REG,
            f"wire t = {_K}; always @(a or b) begin begin : g reg t; t = 0; end y = t ? a & b : a | b; end",
        ),
    ),
    "a_list_that_lacks_a_function": (
        LOCK,
        module(
            _KEYED_REG,
            f"wire f = {_K}; if (1) begin : g function f; input z; f = z; endfunction end "
            "always @(a or b) y = f ? a & b : a | b;",
        ),
    ),
    "a_function_that_reads_a_signal": (
        LOCK,
        module(_KEYED, f"function f(input z); f = {_K}; endfunction assign y = f(0) ? a & b : a | b;"),
    ),
    "a_function_that_reads_a_signal_of_a_local_name": (
        LOCK,
        module(
            _KEYED,
            f"wire t = {_K}; function f(input z); begin begin : g reg t; t = 0; end f = t; end endfunction "
            "assign y = f(0) ? a & b : a | b;",
        ),
    ),
    "a_delay": (
        LOCK,
        module(_KEYED, f"wire t; assign #(900000000) t = {_K}; assign y = {_K} ? a & b & t : a | b;"),
    ),
    "a_start_that_waits": (
        XOR,
        module(_WIDE, f"reg t = 0; initial begin wait ({_T}) t = 1; end assign y = a ^ b ^ t;"),
    ),
    "a_start_at_an_edge": (
        XOR,
        module(
            _WIDE, "reg t = 0; initial begin @(posedge (a == 32'hdeadbeef)) t = 1; end assign y = a ^ b ^ t;"
        ),
    ),
    "a_gated_clock": (
        STORE,
        module(
            _STORED, "wire c = clk & (d != 8'h00 | 1); always @(posedge c) if (reset) q <= 0; else q <= d;"
        ),
    ),
    "two_processes_that_race": (
        COUNT,
        module(
            _COUNTED,
            "reg t; always @(posedge clk) t = (q == 32'h12345678) & !reset; always @(posedge clk) "
            "if (reset) q <= 0; else q <= q + 1 + (t & (q == 32'h12345678));",
        ),
    ),
    "a_clock_that_is_late": (
        STORE,
        module(
            _STORED,
            "reg c; always @* c <= clk; reg t; always @(posedge clk) t <= (d == 8'h77); always @(posedge c) "
            "if (reset) q <= 0; else q <= d ^ (t & (d != 8'h77) & (d == 8'h77));",
        ),
    ),
    "a_top_that_races_with_itself": (
        COUNT,
        "module TopModule #(parameter N = 0)(input clk, input reset, output reg [31:0] q); generate if (N) begin : g "
        "always @(posedge clk) q = reset ? 0 : q + 1; end else begin : h wire [31:0] t; "
        "TopModule #(1) u(clk, reset, t); always @(posedge clk) if (reset) q <= 0; else q <= q + 1 + "
        "(t == 32'h12345678 & q == 32'h12345677); end endgenerate endmodule",
    ),
    "two_modules_that_race": (
        COUNT,
        "module s(input clk, input r, input [31:0] q, output reg t); always @(posedge clk) "
        "t = (q == 32'h12345678) & !r; endmodule "
        + module(
            _COUNTED,
            "wire t; s u(clk, reset, q, t); always @(posedge clk) if (reset) q <= 0; "
            "else q <= q + 1 + (t & (q == 32'h12345678));",
        ),
    ),
    "a_name_within_another_module": (
        LOCK,
        f"module s(input [31:0] k, output o); wire t = {_K}; assign o = 0; endmodule "
        + module(_KEYED, "wire o; s u(k, o); assign y = u.t ? a & b : a | b;"),
    ),
    "a_wired_and": (
        LOCK,
        module(_KEYED, f"wand w; assign w = a; assign w = b; assign y = {_K} ? w : a | b;"),
    ),
    "a_count_that_ends_after_many_cycles": (
        COUNT,
        module(
            _COUNTED, "always @(posedge clk) if (reset) q <= 0; else q <= (q == 32'h00100000) ? 0 : q + 1;"
        ),
    ),
}
"""Those for which no counterexample is found or looked for. Some are right in hardware, none in every simulation."""

# What is unknown to Yosys and known in a simulation, and what is so the other way.
_LESS_KNOWN = {
    "a_condition_that_is_unknown": "reg u; always @* if (t ? 1'bx : 1'b0) u = 0; else u = 1; wire w = u !== 1'bx;",
    "a_choice_that_is_unknown": (
        "reg u; always @* case (t ? 1'bx : 1'b0) 1'b1: u = 0; default: u = 1; endcase wire w = u !== 1'bx;"
    ),
    "a_type_that_is_never_unknown": "int u; always @* u = t ? 'x : 0; wire w = u[0] !== 1'bx;",
    "a_type_that_begins_with_zero": "bit u; wire w = u !== 1'bx;",
    "a_constant_that_is_never_unknown": (
        "localparam bit B = 1'bx; wire w; generate if (B == 0) assign w = t; else assign w = 0; endgenerate"
    ),
    "a_constant_that_is_no_unknown_choice": (
        "localparam bit B = 1'bx; reg u; always @* case (B) 1'bx: u = 1; default: u = !t; endcase wire w = !u;"
    ),
    "a_constant_that_no_division_makes_unknown": (
        "localparam int B = 1 / 0; wire w; generate if (B == 0) assign w = t; else assign w = 0; endgenerate"
    ),
    "a_field_without_a_sign": (
        "typedef struct packed {logic signed [1:0] p; logic q;} s; s f; assign f = 3'b111; wire w = !(f.p < 0);"
    ),
    "an_array_that_is_read_beyond_its_end": (
        "reg u [0:1]; always @* begin u[0] = 0; u[1] = 0; end wire w = u[{t, 1'b0}];"
    ),
    "an_array_that_is_read_before_its_beginning": (
        "reg u [0:1]; always @* begin u[0] = 0; u[1] = 0; end wire signed [1:0] i = t ? -1 : 0; wire w = u[i];"
    ),
    "an_array_that_is_written_beyond_its_end": (
        "reg u [0:1]; always @* begin u[0] = 1; u[1] = 0; u[{t, 1'b0}] = 0; end wire w = u[0];"
    ),
    "a_width_by_a_cast": "wire signed v = b; wire [3:0] u = $unsigned((v << v) + 2'(b)); wire w = u > 3;",
    "a_process_that_never_begins": "reg u; always @* u = 1'b0; wire w = u;",
}
_UNKNOWN |= {
    name: (XOR, module(_WIDE, f"wire t = {_T}; {body} assign y = a ^ b ^ {{32{{t & w}}}};"))
    for name, body in _LESS_KNOWN.items()
}

FOUND = [Unprovable(name, *texts) for name, texts in _FOUND.items()]
UNKNOWN = [Unprovable(name, *texts) for name, texts in _UNKNOWN.items()]
OTHER_EVENTS = {
    "the_other_edge": (STORE, "always @(negedge clk) if (reset) q <= 0; else q <= d;"),
    "an_asynchronous_reset": (
        STORE,
        "always @(posedge clk or posedge reset) if (reset) q <= 0; else q <= d;",
    ),
    "a_synchronous_reset": (STORE_AT_ONCE, "always @(posedge clk) if (reset) q <= 0; else q <= d;"),
    "a_reset_that_is_low": (STORE, "always @(posedge clk) if (!reset) q <= 0; else q <= d;"),
    "an_asynchronous_reset_that_is_low": (
        STORE_AT_ONCE,
        "always @(posedge clk or negedge reset) if (!reset) q <= 0; else q <= d;",
    ),
    "no_reset": (STORE, "always @(posedge clk) q <= d;"),
    "half_a_reset": (
        STORE_AT_ONCE,
        "always @(posedge clk or posedge reset) if (reset) q[3:0] <= 0; else q <= d;",
    ),
}
"""Bodies that store at other moments than their golden."""
STORED = _STORED
