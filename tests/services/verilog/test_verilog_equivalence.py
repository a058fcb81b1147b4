"""The equivalence form on real designs, in real sandboxes."""

from __future__ import annotations

import re

import pytest
from verilog_equivalences import COUNTER, fails, passes
from verilog_judge import SHORT, Judge, equivalence, explain, outcome, outcomes

from basanite.v1 import result_pb2


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
