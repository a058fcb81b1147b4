"""Form `equivalence`: how designs are driven and sampled."""

from __future__ import annotations

import pytest
from verilog_equivalences import ASYNC, COUNTER, fails, passes
from verilog_judge import Judge, equivalence, outcome

from basanite.v1 import tasks_pb2
from basanite.v1.result_pb2 import Diagnostic


def test_both_edges(judge: Judge) -> None:
    golden = """module TopModule(input clk, input d, output q); reg p, n;
  always @(posedge clk) p <= d; always @(negedge clk) n <= d; assign q = clk ? p : n; endmodule"""
    passes(
        judge,
        """module TopModule(input clk, input d, output q); reg p = 0, n = 0;
  always @(posedge clk) p <= d ^ n; always @(negedge clk) n <= d ^ p; assign q = p ^ n; endmodule""",
        golden,
    )
    fails(
        judge,
        "module TopModule(input clk, input d, output reg q); always @(posedge clk) q <= d; endmodule",
        golden,
    )


def test_the_other_edge_is_wrong(judge: Judge) -> None:
    verdict = fails(judge, COUNTER.replace("posedge", "negedge"), COUNTER)
    assert "right only after the other edge of `clk`" in verdict.cases[0].mismatch.hints
    passes(judge, COUNTER.replace("posedge", "negedge"), COUNTER.replace("posedge", "negedge"))


ENABLED = """module TopModule(input clk, input en, input [7:0] d, output reg [7:0] q);
  always @(posedge clk) if (en) q <= d; endmodule"""


@pytest.mark.parametrize(
    "body",
    [
        "always @* if (clk & en) q = d;",
        "always @(clk or en or d) if (clk) begin if (en) q <= d; end",
        "always @(posedge clk) if (en) q <= d; always @(d) if (clk && d == 0) q <= ~q;",
        "wire g = clk & en; always @(posedge g) q <= d;",
    ],
)
def test_what_an_input_changes_at_the_clocks_other_level_is_seen(judge: Judge, body: str) -> None:
    header = ENABLED.split(";")[0]
    verdict = fails(judge, f"{header}; {body} endmodule", ENABLED)
    assert verdict.cases[0].mismatch.mismatched_samples > 5


def test_a_gated_clock_is_as_good_as_an_enable_where_the_golden_has_one(judge: Judge) -> None:
    gated = ENABLED.replace("always @(posedge clk) if (en)", "wire g = clk & en; always @(posedge g)")
    passes(judge, ENABLED, gated)
    passes(judge, gated, gated)


def test_a_reset_is_asynchronous_or_it_is_not(judge: Judge) -> None:
    synchronous = ASYNC.replace(", negedge rst_n", "")
    passes(judge, ASYNC, ASYNC)
    fails(judge, synchronous, ASYNC)
    fails(judge, ASYNC, synchronous)
    fails(judge, ASYNC.replace("negedge rst_n) if (!rst_n)", "posedge rst_n) if (rst_n)"), ASYNC)


def test_several_clocks(judge: Judge) -> None:
    golden = """module TopModule(input wclk, input rclk, input we, input [7:0] d, output reg [7:0] q);
  reg [7:0] m; always @(posedge wclk) if (we) m <= d; always @(posedge rclk) q <= m; endmodule"""
    passes(judge, golden, golden)
    fails(judge, golden.replace("always @(posedge rclk)", "always @(posedge wclk)"), golden)
    fails(judge, golden.replace("always @(posedge rclk)", "always @(negedge rclk)"), golden)


def test_latches(judge: Judge) -> None:
    golden = (
        "module TopModule(input en, input [3:0] d, output reg [3:0] q); always @* if (en) q = d; endmodule"
    )
    passes(
        judge,
        "module TopModule(input en, input [3:0] d, output [3:0] q); assign q = en ? d : q; endmodule",
        golden,
    )
    fails(judge, "module TopModule(input en, input [3:0] d, output [3:0] q); assign q = d; endmodule", golden)


@pytest.mark.parametrize(
    "scale", ["", "`timescale 1ns/1ps\n", "`timescale 1ps/1fs\n", "`timescale 10us/1us\n"]
)
def test_delays_of_a_design_do_not_matter(judge: Judge, scale: str) -> None:
    delayed = COUNTER.replace("q <= 0", "q <= #1 0").replace("q <= q", "q <= #1 q")
    passes(judge, scale + delayed.replace("assign", "assign #2"), COUNTER)
    passes(judge, COUNTER, scale + delayed)


def test_glitches_without_delay_do_not_matter(judge: Judge) -> None:
    golden = "module TopModule(input a, input b, output y); assign y = a & b; endmodule"
    passes(
        judge,
        """module TopModule(input a, input b, output reg y);
  always @* begin y = 1; y = 0; y = ~y; y = a & b; end endmodule""",
        golden,
    )
    passes(
        judge,
        """module TopModule(input a, input b, output y); wire n, t, u;
  not (n, b); xor (t, b, n); and (u, a, b, t); assign y = u & (a | n); endmodule""",
        golden,
    )


def test_initial_values_count(judge: Judge) -> None:
    golden = """module TopModule(input clk, output reg [3:0] q); initial q = 5;
  always @(posedge clk) q <= q + 3; endmodule"""
    passes(judge, golden.replace("reg [3:0] q", "reg [3:0] q = 5").replace("initial q = 5;", ""), golden)
    fails(judge, golden.replace("initial q = 5;", "initial q = 4;"), golden)
    verdict = fails(judge, golden.replace("initial q = 5;", ""), golden)
    assert (
        "unknown (x): a register without reset or initial value, or two drivers?"
        in verdict.cases[0].mismatch.hints
    )


def test_what_is_unknown_in_the_golden_is_free(judge: Judge) -> None:
    golden = """module TopModule(input [1:0] s, input [3:0] d, output reg [3:0] y);
  always @* case (s) 0: y = d; 1: y = ~d; default: y = 4'bxxxx; endcase endmodule"""
    passes(
        judge,
        "module TopModule(input [1:0] s, input [3:0] d, output [3:0] y); assign y = d ^ {4{s[0]}}; endmodule",
        golden,
    )
    fails(
        judge,
        golden,
        "module TopModule(input [1:0] s, input [3:0] d, output [3:0] y); assign y = d ^ {4{s[0]}}; endmodule",
    )


def test_tri_state_outputs(judge: Judge) -> None:
    golden = "module TopModule(input en, input d, output y); assign y = en ? d : 1'bz; endmodule"
    passes(judge, "module TopModule(input en, input d, output y); bufif1 (y, d, en); endmodule", golden)
    fails(judge, "module TopModule(input en, input d, output y); assign y = d; endmodule", golden)
    fails(judge, "module TopModule(input en, input d, output y); assign y = en ? d : 1'bx; endmodule", golden)


def test_signed_and_wide_ports(judge: Judge) -> None:
    golden = """module TopModule(input signed [4:0] a, input [4095:0] w, output signed [9:0] s, output [4095:0] r);
  assign s = a * a, r = ~w; endmodule"""
    passes(judge, golden, golden, cycles=200)
    verdict = fails(judge, golden.replace("~w", "~w ^ (4096'b1 << 4000)"), golden, cycles=200)
    assert verdict.cases[1].mismatch.hints == ["wrong only in bit 4000"]
    assert set(verdict.cases[1].mismatch.window[0].values) == {"a", "r"}
    fails(judge, golden.replace("signed [4:0]", "[4:0]"), golden, cycles=200)


def test_no_inputs(judge: Judge) -> None:
    golden = "module TopModule(output [2:0] y); assign y = 5; endmodule"
    verdict = judge(equivalence("module TopModule(output [2:0] y); assign y = 3'b101; endmodule", golden))
    assert outcome(verdict) == "PASSED"
    assert [one.severity for one in verdict.diagnostics] == [Diagnostic.SEVERITY_WARNING]
    fails(judge, "module TopModule(output [2:0] y); assign y = 4; endmodule", golden)


def test_odd_names_of_ports(judge: Judge) -> None:
    golden = r"""module TopModule(input clk, input \a+b , input mem, output reg y$, output top);
  always @(posedge clk) y$ <= \a+b ; assign top = mem; endmodule"""
    passes(judge, golden.replace("assign top = mem", "buf (top, mem)"), golden)


def test_types_of_ports(judge: Judge) -> None:
    golden = """module TopModule(input [1:0] op, input [15:0] p, output [7:0] y);
  assign y = op[0] ? p[15:8] : p[7:0]; endmodule"""
    passes(
        judge,
        """typedef enum logic [1:0] {LOW, HIGH, ALSO_LOW, ALSO_HIGH} op_t;
typedef struct packed { logic [7:0] high; logic [7:0] low; } pair_t;
module TopModule(input op_t op, input pair_t p, output logic [7:0] y);
  always_comb case (op) HIGH, ALSO_HIGH: y = p.high; default: y = p.low; endcase
endmodule""",
        golden,
    )


def test_parameters_are_set_in_both(judge: Judge) -> None:
    golden = """module Gold #(parameter W = 4, parameter INC = 1) (input [W-1:0] a, output [W-1:0] y);
  assign y = a + INC; endmodule"""
    candidate = golden.replace("Gold", "TopModule").replace("a + INC", "INC + a")
    parameters = {"W": "12", "INC": "8'h55"}
    passes(judge, candidate, golden, golden_top="Gold", parameters=parameters)
    verdict = fails(
        judge, candidate.replace("INC +", "1 +"), golden, golden_top="Gold", parameters=parameters
    )
    assert verdict.cases[0].mismatch.got.startswith("12'h")


def test_files_folders_and_macros(judge: Judge) -> None:
    files = {
        "rtl/top.v": """`include "width.vh"
module TopModule(input [`W-1:0] a, output [`W-1:0] y); inv i(a, y); endmodule""",
        "rtl/parts/inv.v": "module inv(input [`W-1:0] a, output [`W-1:0] y); assign y = `OP a; endmodule",
        "headers/width.vh": "`define W 5\n",
    }
    golden = "module TopModule(input [4:0] a, output [4:0] y); assign y = ~a; endmodule"
    passes(judge, files, golden, include_directories=["headers"], defines={"OP": "~"})  # type: ignore[arg-type]


def test_clocking_can_be_given(judge: Judge) -> None:
    # A gated clock that nobody would take for one.
    golden = """module TopModule(input tick, input go, input d, output reg q);
  wire c = tick & go; always @(posedge c) q <= d; endmodule"""
    clocking = tasks_pb2.Clocking(clocks=[tasks_pb2.ClockPort(port="tick")])
    passes(judge, golden, golden, clocking=clocking)
    fails(judge, golden.replace("posedge", "negedge"), golden, clocking=clocking)


def test_directed_vectors_reach_what_chance_does_not(judge: Judge) -> None:
    golden = "module TopModule(input [31:0] key, output open); assign open = ^key; endmodule"
    trojan = golden.replace("^key", "^key ^ (key == 32'hc0ffee42)")
    passes(judge, trojan, golden)  # as the documentation says
    verdict = fails(judge, trojan, golden, directed=[({"key": "32'hc0ffee42"}, 1)])
    assert verdict.cases[0].mismatch.mismatched_samples == 1


def test_more_cycles_reach_what_counts_far(judge: Judge) -> None:
    golden = """module TopModule(input clk, output reg q); reg [13:0] n = 0;
  always @(posedge clk) begin n <= n + 1; q <= n[0]; end endmodule"""
    trojan = golden.replace("n[0]", "n[0] ^ (n > 5000)")
    passes(judge, trojan, golden)
    fails(judge, trojan, golden, cycles=6000)


def test_numbers_of_the_golden_are_tried(judge: Judge) -> None:
    golden = "module TopModule(input [31:0] word, output hit); assign hit = word == 32'hdeadbeef; endmodule"
    fails(judge, "module TopModule(input [31:0] word, output hit); assign hit = 0; endmodule", golden)
