"""The equivalence form on real designs, in real sandboxes."""

from __future__ import annotations

import random
import re

import pytest
from verilog_judge import SHORT, Judge, equivalence, explain, name_of, outcome, outcomes

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import Diagnostic
from basanite_sandboxes.spec import Environment
from basanite_services.chassis.verifier import InvalidItem, TaskFault

COUNTER = """
module TopModule(input clk, input reset, input en, output reg [3:0] q, output wrapped);
  always @(posedge clk) if (reset) q <= 0; else if (en) q <= q + 1;
  assign wrapped = &q;
endmodule
"""
ADDER = "module TopModule(input [7:0] a, input [7:0] b, output [8:0] s); assign s = a + b; endmodule"


def passes(judge: Judge, candidate: str, golden: str, **task: object) -> None:
    verdict = judge(equivalence(candidate, golden, **task))  # type: ignore[arg-type]
    assert outcome(verdict) == "PASSED", explain(verdict)
    assert verdict.score == 1


def fails(judge: Judge, candidate: str, golden: str, **task: object) -> result_pb2.Verdict:
    verdict = judge(equivalence(candidate, golden, **task))  # type: ignore[arg-type]
    assert outcome(verdict) == "FAILED", explain(verdict)
    assert verdict.score < 1
    return verdict


# Verdicts --------------------------------------------------------------------------------------------------


def test_a_right_design_passes_with_a_case_an_output(judge: Judge) -> None:
    verdict = judge(equivalence(COUNTER, COUNTER))
    assert (outcome(verdict), verdict.score, outcomes(verdict)) == ("PASSED", 1, ["PASSED", "PASSED"])
    assert verdict.assurance == result_pb2.ASSURANCE_SEPARATED
    assert verdict.score_policy == "weighted_fraction"
    assert not verdict.diagnostics
    assert verdict.cases[0].usage.cpu_seconds > 0


def test_a_wrong_output_is_told_with_what_came_before(judge: Judge) -> None:
    wrong = COUNTER.replace("&q", "~&q")
    verdict = fails(judge, wrong, COUNTER)
    assert (outcomes(verdict), verdict.score) == (["PASSED", "FAILED"], 0.5)
    told = verdict.cases[1].mismatch
    assert (told.port, list(told.hints)) == ("wrapped", ["inverted"])
    assert told.mismatched_samples == told.compared_samples > 2000
    assert (told.expected, told.got) == ("1'b0", "1'b1")
    assert set(told.window[-1].values) == {"clk", "reset", "en", "wrapped"}
    assert "output wrapped: " in verdict.cases[1].message
    assert "inverted" in verdict.cases[1].message


def test_a_design_that_does_not_compile_is_rejected_with_its_own_lines(judge: Judge) -> None:
    broken = {"rtl/top.sv": "module TopModule(input a, output y);\n  leaf l(a, y);\nendmodule\n"}
    broken["rtl/leaf.sv"] = "// a leaf\nmodule leaf(input a, output y);\n  assign y = b;\nendmodule\n"
    golden = "module TopModule(input a, output y); assign y = ~a; endmodule"
    verdict = judge(equivalence(broken, golden))
    assert (outcome(verdict), verdict.score) == ("REJECTED", 0)
    assert {(one.file, one.line) for one in verdict.diagnostics} == {("rtl/leaf.sv", 3)}
    assert "`b'" in verdict.diagnostics[0].message
    assert verdict.cases[0].message == verdict.diagnostics[0].message


def test_what_the_simulator_cannot_do_is_named_so(judge: Judge) -> None:
    text = """module TopModule(input a, output y);
  typedef struct { logic u; logic v; } pair;
  pair p;
  assign p.u = a, y = p.u;
endmodule"""
    verdict = judge(equivalence(text, "module TopModule(input a, output y); assign y = a; endmodule"))
    assert outcome(verdict) == "REJECTED"
    assert any(one.message.startswith("not supported by Icarus Verilog: ") for one in verdict.diagnostics)


def test_what_a_design_must_not_say_is_forbidden_with_line_and_column(judge: Judge) -> None:
    text = "module TopModule(input a, output y);\n  assign y = a;\n  initial #5 $finish;\nendmodule"
    verdict = judge(equivalence(text, "module TopModule(input a, output y); assign y = a; endmodule"))
    assert (outcome(verdict), verdict.score) == ("FORBIDDEN", 0)
    assert [(one.file, one.line, one.column) for one in verdict.diagnostics] == [("top.sv", 3, 14)]


def test_nothing_that_is_said_names_the_harness_or_the_host(judge: Judge) -> None:
    golden = "module TopModule(input a, output y, output z); assign y = a, z = ~a; endmodule"
    candidates = [
        "module TopModule(input a, output y, output z); assign y = nope, z = TopModule.b.c; endmodule",
        "module TopModule(input a, output y); assign y = a; endmodule",
        "module TopModule(input a, output y, output z); assign a = 1; endmodule",
        "module TopModule(input a, output y, output z) assign y = a; endmodule",
        "module TopModule(input a, output y, output z); other o(a); endmodule",
        "module TopModule(input a, output y, output z); always @(posedge) y = 1; endmodule",
        "module TopModule(input [2:0] a, output y, output z); assign y = a; endmodule",
        "module TopModule(input a, output y, output z); TopModule t(a, y, z); endmodule",
        "module TopModule(input a, output reg [1:0] y, output z); always @* y = a; endmodule",
    ]
    for candidate in candidates:
        verdict = judge(equivalence(candidate, golden))
        assert outcome(verdict) in ("REJECTED", "FAILED"), explain(verdict)
        told = str(verdict)
        assert not re.search(
            r"h[0-9a-f]{16}|/usr|/tmp|/proc|golden|design\.v|Unable to assign to unres", told
        ), told


@pytest.mark.parametrize(
    ("ports", "message"),
    [
        ("input clk, input reset, output [3:0] q", "input en is missing"),
        ("input clk, input reset, input en, output [2:0] q", "q has 3 bits, and should have 4 bits"),
        ("input clk, input reset, input [1:0] en, output [3:0] q", "en has 2 bits, and should have 1 bit"),
        ("input clk, input reset, output en, output [3:0] q", "en is an output, and should be an input"),
        ("input clk, input reset, input en, input [3:0] q", "q is an input, and should be an output"),
        ("input clk, input reset, input en, inout [3:0] q", "q is an inout, and should be an output"),
        ("input clk, input reset, input en, output [3:0] Q", "there is Q: case counts"),
    ],
)
def test_ports_that_were_not_asked_for_are_rejected(judge: Judge, ports: str, message: str) -> None:
    golden = """module TopModule(input clk, input reset, input en, output reg [3:0] q);
  always @(posedge clk) if (reset) q <= 0; else if (en) q <= q + 1; endmodule"""
    verdict = judge(equivalence(f"module TopModule({ports}); endmodule", golden))
    assert (outcome(verdict), verdict.score) == ("REJECTED", 0), explain(verdict)
    assert message in " ".join(one.message for one in verdict.diagnostics)


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ("(input [7:0] a, inout [7:0] y); assign y = a;", "y is an inout, and should be an output"),
        ("(a, y); input [7:0] a; inout [7:0] y; assign y = a;", "y is an inout, and should be an output"),
        ("(a, y); input [7:0] a; output y; real y; always @* y = a;", "output y is real"),
        ("(input [7:0] a, output wire real y); assign y = a;", "output y is real, and should have 8 bits"),
        ("(input [7:0] a, output r y); assign y = a;", "output y is real, and should have 8 bits"),
        ("(input real a, output [7:0] y); assign y = a;", "input a is real, and should have 8 bits"),
    ],
)
def test_ports_of_another_kind_are_rejected_though_they_have_the_values(
    judge: Judge, design: str, message: str
) -> None:
    golden = "module TopModule(input [7:0] a, output [7:0] y); assign y = a; endmodule"
    verdict = judge(equivalence(f"typedef real r; module TopModule{design} endmodule", golden))
    assert (outcome(verdict), verdict.score) == ("REJECTED", 0), explain(verdict)
    assert message in " ".join(one.message for one in verdict.diagnostics), explain(verdict)


def test_ports_beside_those_that_were_asked_for_are_left_unconnected_and_told(judge: Judge) -> None:
    golden = "module TopModule(input a, output y); assign y = a; endmodule"
    text = "module TopModule(input a, input clk, output y, output [3:0] state); assign y = a; endmodule"
    verdict = judge(equivalence(text, golden))
    assert (outcome(verdict), verdict.score) == ("PASSED", 1), explain(verdict)
    assert [one.message for one in verdict.diagnostics] == [
        "input clk is not among the ports that were asked for: left unconnected",
        "output state is not among the ports that were asked for: left unconnected",
    ]


def test_ports_may_stand_in_another_order_and_style(judge: Judge) -> None:
    passes(
        judge,
        """module TopModule(q, wrapped, en, reset, clk);
  output reg [3:0] q; output wrapped; input clk, reset, en;
  wire [3:0] next = reset ? 4'd0 : en ? q + 4'd1 : q;
  always @(posedge clk) q <= next;
  and (wrapped, q[0], q[1], q[2], q[3]);
endmodule""",
        COUNTER,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "module TopModule(input a, output reg y); always @* begin : l while (1) y = a; end endmodule",
            "TIME_LIMIT",
        ),
        ("module TopModule(input a, output reg y); initial forever y = a; endmodule", "TIME_LIMIT"),
        ("module TopModule(input a, output reg y); initial y = 0; always #1 y = ~y; endmodule", "TIME_LIMIT"),
        (
            """module TopModule(input a, output y); function f(input g); while (1) f = g; endfunction
            localparam X = f(1); assign y = X; endmodule""",
            "TIME_LIMIT",
        ),
    ],
)
def test_limits_end_what_never_ends(judge: Judge, text: str, expected: str) -> None:
    golden = "module TopModule(input a, output y); assign y = a; endmodule"
    verdict = judge(equivalence(text, golden), **SHORT)
    assert (outcome(verdict), verdict.score) == (expected, 0), explain(verdict)
    assert " took more than " in verdict.cases[0].message


def test_memory_has_a_limit(judge: Judge) -> None:
    golden = "module TopModule(input a, output y); assign y = a; endmodule"
    text = "module TopModule(input a, output y); reg [7:0] m [0:40000000]; assign y = m[a]; endmodule"
    verdict = judge(equivalence(text, golden), memory_bytes=128 << 20, cpu_seconds=60)
    assert (outcome(verdict), verdict.score) == ("MEMORY_LIMIT", 0), explain(verdict)


# The harness -----------------------------------------------------------------------------------------------


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


ASYNC = """module TopModule(input clk, input rst_n, input d, output reg q);
  always @(posedge clk, negedge rst_n) if (!rst_n) q <= 1; else q <= d; endmodule"""


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


# The task --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("golden", "message"),
    [
        ("module TopModule(input a, output y); assign y = ; endmodule", "golden.sv"),
        ("module Other(input a, output y); assign y = a; endmodule", "TopModule"),
        ("module TopModule(input a); endmodule", "no outputs"),
        ("module TopModule(input a, inout y); assign y = a; endmodule", "inout ports are not supported"),
        ("module TopModule(input a, output y); nothing n(a, y); endmodule", "nothing"),
        ("module TopModule(input a, output real y); assign y = a; endmodule", "not supported"),
        ("module TopModule(input a, output y); endmodule", "unknown (x) all the time"),
        (
            "module TopModule(input clk, output reg y); always @(posedge clk) y <= ~y; endmodule",
            "unknown (x) all the time",
        ),
        (
            "module TopModule(input a, output reg y); initial forever y = a; endmodule",
            "more than 1 s of CPU time",
        ),
        ("not verilog at all", "TopModule"),
        ("", "TopModule"),
    ],
)
def test_a_golden_that_does_not_work_is_the_tasks_fault(judge: Judge, golden: str, message: str) -> None:
    right = "module TopModule(input a, output y); assign y = a; endmodule"
    with pytest.raises(TaskFault, match=re.escape(message)) as caught:
        judge(equivalence(right, golden), **SHORT)
    assert caught.value.field == "verilog.equivalence.golden"


def test_the_task_is_looked_at_before_the_candidate(judge: Judge) -> None:
    with pytest.raises(TaskFault):
        judge(equivalence("module nonsense", "module TopModule(input a, output y); endmodule"))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"top": "1x"}, "verilog.top"),
        ({"golden_top": "a b"}, "verilog.equivalence.golden_top"),
        ({"golden": {"../x.v": ""}}, "verilog.equivalence.golden"),
        ({"parameters": {"W": "four"}}, "verilog.equivalence.parameters['W']"),
        ({"parameters": {"W)": "4"}}, "verilog.equivalence.parameters['W)']"),
        ({"cycles": 100_001}, "verilog.equivalence.stimuli.cycles"),
        ({"cycles": -1}, "verilog.equivalence.stimuli.cycles"),
        ({"directed": [({"a": "1'bx"}, 1)]}, "verilog.equivalence.stimuli.directed[0].inputs['a']"),
        ({"directed": [({"a": "1"}, 10_001)]}, "verilog.equivalence.stimuli.directed[0].cycles"),
        ({"directed": [({"c": "1"}, 1)]}, "verilog.equivalence.stimuli"),
        ({"directed": [({"a": "256"}, 1)]}, "verilog.equivalence.stimuli"),
        ({"cycles": 5, "directed": [({"a": "1"}, 6)]}, "verilog.equivalence.stimuli"),
        (
            {"clocking": tasks_pb2.Clocking(clocks=[{"port": "a"}])},
            "verilog.equivalence.clocking.clocks[0].port",
        ),
        (
            {"clocking": tasks_pb2.Clocking(resets=[{"port": "s"}])},
            "verilog.equivalence.clocking.resets[0].port",
        ),
        ({"data": {"a": "", "a/b": ""}}, "verilog.data[1].name"),
        ({"include_directories": ["/etc"]}, "verilog.include_directories[0]"),
        ({"defines": {"A": "1\n`include x"}}, "verilog.defines['A']"),
        ({"defines": {"A B": "1"}}, "verilog.defines['A B']"),
        ({"top": "module"}, "verilog.top"),
        ({"golden_top": "wire"}, "verilog.equivalence.golden_top"),
    ],
)
def test_a_task_that_breaks_a_rule_is_refused(judge: Judge, change: dict[str, object], field: str) -> None:
    arguments: dict[str, object] = {"candidate": ADDER, "golden": ADDER, **change}
    with pytest.raises(InvalidItem) as caught:
        judge(equivalence(**arguments))  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.parametrize(
    "body",
    [
        "always begin #999999 r = a + 1; #1 r = 0; end",
        "always @(a) begin r = 0; #1000000 r = a + 1; #1 r = 0; end",
    ],
)
def test_no_design_knows_when_it_is_sampled(judge: Judge, body: str) -> None:
    golden = "module TopModule(input [7:0] a, output [7:0] y); assign y = a + 1; endmodule"
    header = "module TopModule(input [7:0] a, output [7:0] y); reg [7:0] r = 0; assign y = r;"
    fails(judge, f"{header} {body} endmodule", golden)


def test_a_memory_whose_file_a_parameter_names(judge: Judge) -> None:
    golden = """module TopModule(input [1:0] a, output [7:0] y);
      reg [7:0] m [0:3]; initial $readmemh("rom.hex", m); assign y = m[a]; endmodule"""
    candidate = """module rom #(parameter FILE = "") (input [1:0] a, output [7:0] y);
      reg [7:0] m [0:3]; initial if (FILE != "") $readmemh(FILE, m); assign y = m[a]; endmodule
      module TopModule(input [1:0] a, output [7:0] y); rom #(.FILE("rom.hex")) r(a, y); endmodule"""
    passes(judge, candidate, golden, data={"rom.hex": "01 23 45 67"})


def test_an_environment_is_refused_rather_than_ignored(judge: Judge) -> None:
    with pytest.raises(InvalidItem, match="must be empty") as caught:
        judge(equivalence(ADDER, ADDER), environment=Environment("science"))
    assert caught.value.field == "environment"


def test_outputs_that_cannot_be_written_down_are_refused_before_they_run(judge: Judge) -> None:
    with pytest.raises(InvalidItem, match=r"must be at least \d+ for what the outputs are") as caught:
        judge(equivalence(ADDER, ADDER), output_bytes=10_000)
    assert caught.value.field == "limits.output_bytes"
    wide = "module TopModule(input [60000:0] a, output y); assign y = ^a; endmodule"
    with pytest.raises(InvalidItem, match="must be at most 8947 for 60001 bits of inputs"):
        judge(equivalence(wide, wide, cycles=100_000))


def test_a_form_must_be_set_and_its_proof_within_limits(judge: Judge) -> None:
    with pytest.raises(InvalidItem, match="must be set: equivalence"):
        judge(tasks_pb2.VerilogTask(top="TopModule"))
    proof = equivalence(ADDER, ADDER)
    for field, wrong in (
        ("cpu_seconds", -1.0),
        ("cpu_seconds", float("nan")),
        ("cpu_seconds", 301),
        ("depth", 201),
    ):
        proof.equivalence.formal.Clear()
        setattr(proof.equivalence.formal, field, wrong)
        with pytest.raises(InvalidItem) as caught:
            judge(proof)
        assert caught.value.field == f"verilog.equivalence.formal.{field}"


# The candidate's files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"a b.v": ADDER},
        {"/etc/passwd": ADDER},
        {"top.vh": ADDER},
        {"top.v": ""},
        {"top.v": "\0\1\2\ufffd" * 100},
        {"top.v": "x" * (1 << 20)},
        {"top.v": "(" * 500_000},
        {f"f{number}.v": ADDER for number in range(101)},
        {"top.v": "`protected\nabcdef\n`endprotected\n"},
    ],
    ids=lambda files: " ".join(files)[:20] or "none",
)
def test_files_that_are_no_design_are_the_candidates(judge: Judge, files: dict[str, str]) -> None:
    task = equivalence(files, ADDER)
    verdict = judge(task)
    assert (outcome(verdict), verdict.score) == ("REJECTED", 0), explain(verdict)
    assert name_of(verdict.cases[0].outcome) == "REJECTED"
    assert len(verdict.SerializeToString()) < 10_000


def test_two_files_of_one_name_are_the_candidates(judge: Judge) -> None:
    task = equivalence(ADDER, ADDER)
    task.files.extend(list(task.files))
    assert outcome(judge(task)) == "REJECTED"


def test_ten_megabytes_are_the_candidates(judge: Judge) -> None:
    assert outcome(judge(equivalence("// x\n" * 2_000_000, ADDER))) == "REJECTED"


def test_a_verdict_on_a_thousand_wrong_outputs_can_be_sent(judge: Judge) -> None:
    def design(expression: str) -> str:
        ports = ", ".join(f"output [99:0] y{number}" for number in range(1000))
        body = " ".join(f"assign y{number} = {expression};" for number in range(1000))
        return f"module TopModule(input [99:0] a, input [255:0] b, {ports}); {body} endmodule"

    verdict = judge(equivalence(design("a + b[7:0]"), design("a"), cycles=40))
    assert outcome(verdict) == "FAILED"
    assert len(verdict.SerializeToString()) < 1 << 20
    assert [len(case.mismatch.window) > 0 for case in verdict.cases].count(True) == 16


def test_whatever_a_candidate_writes_gets_a_verdict(judge: Judge) -> None:
    """Texts that were right once, broken at random: nothing but a Verdict may come of them."""
    draw = random.Random(7)
    pieces = [
        "",
        " ",
        "\n",
        ";",
        "end",
        "begin",
        "(",
        ")",
        "`",
        '"',
        "\\",
        "$",
        "#",
        "[",
        "'",
        "module",
        "endmodule",
    ]
    pieces += [
        "input",
        "output",
        "inout",
        "\u00e9",
        "\x7f",
        "\0",
        "`line 3",
        "`include",
        "`define x",
        "//",
        "/*",
        "= 1;",
    ]
    pieces += [
        "generate",
        "for (;;)",
        "1'bx",
        "9999999999",
        "\\a+b ",
        "interface i;",
        "package p;",
        "import p::*;",
        "x.y",
    ]
    texts = []
    for _ in range(150):
        text = draw.choice([COUNTER, ASYNC, ADDER])
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(text))
            text = text[:at] + draw.choice(pieces) + text[at + draw.choice([0, 0, 1, 5, 20]) :]
        texts.append(text)
    for verdict in judge.all(equivalence(text, COUNTER, cycles=20) for text in texts):
        assert outcome(verdict) in ("PASSED", "FAILED", "REJECTED", "FORBIDDEN"), explain(verdict)
