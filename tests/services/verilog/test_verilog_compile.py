"""The compile form: the compiler's word, in the candidate's own lines."""

from __future__ import annotations

import pytest
from verilog_judge import SHORT, Judge, compiling, explain, outcome
from verilog_tables import CHEATS, HONEST, TOP, Cheat, Honest, problems

from basanite.v1.result_pb2 import Diagnostic
from basanite_services.chassis.verifier import InvalidItem

TYPO = "module TopModule(input a, output y);\n  wire t;\n  assign y = b;\nendmodule\n"
ODD = """module TopModule(input [3:0] a, output [3:0] y);
  assign undeclared = a[0];
  reg [3:0] t;
  always @(*) t = a;
  leaf one(.i(a), .o(y[0]));
  assign y[3:1] = t[3:1];
endmodule
module leaf(input i, output o, output unused);
  assign o = i;
endmodule
"""


@pytest.mark.parametrize("honest", HONEST, ids=lambda honest: honest.id)
def test_an_honest_design_compiles(judge: Judge, honest: Honest) -> None:
    task = compiling(honest.text, lint=True)
    for name, text in honest.data.items():
        task.data.add(name=name, content=text)
    verdict = judge(task)
    assert (outcome(verdict), verdict.score, len(verdict.cases)) == ("PASSED", 1, 1), explain(verdict)
    assert all(one.severity == Diagnostic.SEVERITY_WARNING for one in verdict.diagnostics)


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.id)
def test_no_text_is_more_than_an_outcome(judge: Judge, cheat: Cheat) -> None:
    verdict = judge(compiling(cheat.text), **SHORT)
    assert outcome(verdict) in (
        ("FORBIDDEN", "REJECTED")
        if cheat.alone == "refuse"
        else ("PASSED", "REJECTED", "TIME_LIMIT", "MEMORY_LIMIT", "CRASHED", "OUTPUT_LIMIT")
    ), explain(verdict)


def test_every_reference_of_the_sample_compiles(judge: Judge) -> None:
    found = problems()
    if not found:
        pytest.skip("the sample is not there")
    verdicts = judge.all([compiling(one.reference, "RefModule") for one in found])
    assert {outcome(verdict) for verdict in verdicts} == {"PASSED"}


def test_errors_are_in_the_designs_own_lines(judge: Judge) -> None:
    verdict = judge(compiling({"rtl/top.v": TYPO}))
    assert (outcome(verdict), verdict.score) == ("REJECTED", 0)
    assert ("rtl/top.v", 3) in {(one.file, one.line) for one in verdict.diagnostics}
    assert verdict.cases[0].message == verdict.diagnostics[0].message
    assert "`b'" in verdict.cases[0].message


def test_warnings_come_with_lint(judge: Judge) -> None:
    plain, lint = judge(compiling(ODD)), judge(compiling(ODD, lint=True))
    assert (outcome(plain), outcome(lint)) == ("PASSED", "PASSED")
    assert {one.severity for one in lint.diagnostics} == {Diagnostic.SEVERITY_WARNING}
    said = {one.line: one.message for one in lint.diagnostics}
    assert "implicit definition of wire 'undeclared'" in said[2]
    assert "expects 1 bits, got 4" in said[5]
    assert len(plain.diagnostics) < len(lint.diagnostics)


def test_no_module_of_the_name_is_the_candidates(judge: Judge) -> None:
    verdict = judge(compiling(TYPO.replace(TOP, "Other")))
    assert (outcome(verdict), verdict.cases[0].message) == ("REJECTED", "there is no module TopModule")


def test_limits_hold(judge: Judge) -> None:
    endless = """module TopModule(output y);
  function integer f(input integer n); begin f = 0; while (1) f = f + 1; end endfunction
  localparam L = f(1);
  assign y = L;
endmodule"""
    assert outcome(judge(compiling(endless), **SHORT)) == "TIME_LIMIT"


def test_what_breaks_the_contract_is_an_invalid_item(judge: Judge) -> None:
    with pytest.raises(InvalidItem) as raised:
        judge(compiling(ODD, "a b"))
    assert raised.value.field == "verilog.top"
