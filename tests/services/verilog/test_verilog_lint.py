"""What Verilator says of a design: in its own lines and columns, and never in the compiler's place."""

from __future__ import annotations

import pytest
from verilog_judge import SHORT, Judge, compiling, explain, outcome, parts
from verilog_tables import CHEATS, HONEST, Cheat, problems

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import Diagnostic
from basanite_services.verilog.guard import Level, guard
from basanite_services.verilog.preprocess import Sources
from basanite_services.verilog.tokens import Place
from basanite_services.verilog.write import write_in_columns

pytestmark = pytest.mark.usefixtures("verilator")

CLEAN = "module TopModule(input [3:0] a, output [3:0] y);\n  assign y = ~a;\nendmodule\n"
ODD = """`define SUM(l, r) l + r
module TopModule(input [3:0] a, input unread, output reg [3:0] y);
\talways @(*) begin
    if (a[0])   y = `SUM(a, 5'd3);   // wider than y, and a latch
  end
endmodule
"""
UNSUPPORTED = (
    "assign y = {<<{a}};",
    "always_comb for (int i = 0; i < 4; i++) begin if (i == 2) continue; y[i] = a[i]; end",
    "typedef struct {logic [3:0] x;} s; s v; assign v.x = a; assign y = v.x;",
)


def said(verdict: result_pb2.Verdict) -> set[tuple[str, str, int, int]]:
    """By Verilator: code, file, line and column."""
    return {(one.code, one.file, one.line, one.column) for one in verdict.diagnostics if one.code}


def test_a_clean_design_passes_both(judge: Judge) -> None:
    verdict = judge(compiling(CLEAN, verilator=True))
    assert (outcome(verdict), parts(verdict)) == ("PASSED", {"compile": "PASS", "lint": "PASS"})
    assert not verdict.diagnostics


def test_warnings_have_codes_and_stand_where_they_are_in_the_designs_text(judge: Judge) -> None:
    verdict = judge(compiling({"rtl/top.sv": ODD}, verilator=True))
    assert (outcome(verdict), verdict.score) == ("PASSED", 1)
    assert parts(verdict) == {"compile": "PASS", "lint": "FAIL"}
    assert {one.severity for one in verdict.diagnostics} == {Diagnostic.SEVERITY_WARNING}
    assert said(verdict) == {
        ("UNUSEDSIGNAL", "rtl/top.sv", 2, 39),
        ("WIDTH", "rtl/top.sv", 4, 19),
        ("LATCH", "rtl/top.sv", 3, 2),
    }
    messages = {one.code: one.message for one in verdict.diagnostics}
    assert messages["UNUSEDSIGNAL"] == "Signal is not used: 'unread'"
    assert not any("verilator.org" in message or "@design" in message for message in messages.values())


def test_nothing_of_it_is_there_unless_asked_for(judge: Judge) -> None:
    verdict = judge(compiling(ODD))
    assert (list(verdict.parts), said(verdict)) == ([], set())


@pytest.mark.parametrize("body", UNSUPPORTED)
def test_what_verilator_alone_accepts_is_rejected_and_told_so(judge: Judge, body: str) -> None:
    text = f"module TopModule(input [3:0] a, output logic [3:0] y);\n  {body}\nendmodule\n"
    plain, verdict = judge(compiling(text)), judge(compiling(text, verilator=True))
    assert (outcome(verdict), verdict.score) == ("REJECTED", 0), explain(verdict)
    assert (verdict.cases[0].message, parts(verdict)["compile"]) == (plain.cases[0].message, "FAIL")
    last = verdict.diagnostics[-1]
    assert last.severity == Diagnostic.SEVERITY_INFO
    assert "may be SystemVerilog that Icarus Verilog 1" in last.message


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (CLEAN.replace("~a", "b"), "FAIL"),
        (CLEAN.replace("endmodule", "missing m(a); endmodule"), "FAIL"),
        (CLEAN.replace("endmodule", "covergroup g; endgroup endmodule"), "UNKNOWN"),
        (CLEAN.replace("endmodule", ""), "NOT_RUN"),
        (CLEAN.replace("TopModule", "Other"), "NOT_RUN"),
        (CLEAN.replace("endmodule", "initial $finish; endmodule"), "NOT_RUN"),
    ],
)
def test_no_design_that_does_not_compile_gets_more_by_it(judge: Judge, text: str, state: str) -> None:
    plain, verdict = judge(compiling(text)), judge(compiling(text, verilator=True))
    assert (verdict.outcome, verdict.score, verdict.cases[0].message) == (
        plain.outcome,
        0,
        plain.cases[0].message,
    )
    assert parts(verdict) == {"compile": "FAIL", "lint": state}
    assert not any("may be SystemVerilog" in one.message for one in verdict.diagnostics)


def test_no_comment_makes_it_silent(judge: Judge) -> None:
    off = ODD.replace("module TopModule", "/* verilator lint_off WIDTH */ module TopModule", 1)
    assert "WIDTH" in {code for code, *_ in said(judge(compiling(off, verilator=True)))}


def test_no_honest_design_is_a_worse_one_by_it(judge: Judge) -> None:
    tasks = []
    for honest in HONEST:
        task = compiling(honest.text, verilator=True)
        for name, text in honest.data.items():
            task.data.add(name=name, content=text)
        tasks.append(task)
    for verdict, honest in zip(judge.all(tasks), HONEST, strict=True):
        assert outcome(verdict) == "PASSED", (honest.id, explain(verdict))
        assert parts(verdict)["lint"] in ("PASS", "FAIL", "UNKNOWN")
        assert Diagnostic.SEVERITY_ERROR not in {one.severity for one in verdict.diagnostics}


@pytest.mark.full
@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.id)
def test_no_text_is_more_than_a_verdict(judge: Judge, cheat: Cheat) -> None:
    plain, verdict = (judge(compiling(cheat.text, verilator=asked), **SHORT) for asked in (False, True))
    assert (verdict.outcome, verdict.score) == (plain.outcome, plain.score)


def test_the_references_of_the_sample_have_no_errors(judge: Judge) -> None:
    found = problems()
    if not found:
        pytest.skip("the sample is not there")
    verdicts = judge.all([compiling(one.reference, "RefModule", verilator=True) for one in found])
    assert {outcome(verdict) for verdict in verdicts} == {"PASSED"}
    states = [parts(verdict)["lint"] for verdict in verdicts]
    assert states.count("PASS") > states.count("FAIL") > 0
    assert "UNKNOWN" not in states
    assert not any(code == "ERROR" for verdict in verdicts for code, *_ in said(verdict))


def test_tokens_keep_their_columns_where_they_can() -> None:
    guarded = guard(Sources({"a.v": ODD}, {}), "TopModule", Level.ALONE)
    text, places = write_in_columns(guarded.tokens)
    assert "if (a[0])   y = a + 5 'd3    ;" in text
    kept = {token.place for token in guarded.tokens} & places
    assert Place("a.v", 4, 9) in kept
    assert {place.line for place in kept} == {2, 3, 4, 5, 6}
    lines = ODD.splitlines()
    assert all(lines[place.line - 1][place.column - 1] not in " \t" for place in kept)
