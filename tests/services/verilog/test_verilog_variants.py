"""The service in every kind of sandbox: the same verdicts by the compiled agent, the one in Python, without control
groups, and where isolation is reduced."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from verilog_judge import Judge, compiling, explain, in_testbench, name_of, outcome, parts

from basanite_services.chassis.selftest import Example, examples_directory, load_examples
from basanite_services.verilog.verifier import VerilogVerifier

sys.path.insert(0, str(Path(__file__).parents[2] / "sandbox"))
try:
    from sandbox_box import REDUCED, VARIANTS, Variant, make_pool, start_pool
    from sandbox_needs import require_sandbox
finally:
    sys.path.pop(0)

EXAMPLES = [
    example
    for folder in load_examples(examples_directory(VerilogVerifier), VerilogVerifier.kind).values()
    for example in folder
]
OTHERS = [variant for variant in VARIANTS if variant.uid is None and variant != VARIANTS[0]]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(variant, marks=() if variant is REDUCED else pytest.mark.full) for variant in OTHERS
    ],
    ids=lambda variant: variant.name,
)
def judge(request: pytest.FixtureRequest, iverilog: None) -> Iterator[Judge]:
    variant: Variant = request.param
    if variant is not REDUCED:
        require_sandbox()
    made = Judge(pool=make_pool(variant), start=start_pool)
    yield made
    made.close()


@pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda example: f"{example.path.parent.name}/{example.path.stem}"
)
def test_an_example_comes_out_as_it_says_in_every_sandbox(judge: Judge, example: Example) -> None:
    limits = {field.name: value for field, value in example.item.limits.ListFields()}
    verdict = judge(example.item.verilog, **limits)
    assert outcome(verdict) == name_of(example.outcome), explain(verdict)


def test_verilators_linter_speaks_in_every_sandbox(judge: Judge, verilator: None) -> None:
    verdict = judge(
        compiling(
            "module top(input a, output reg y);\n  always @(*) if (a) y = 1;\nendmodule",
            "top",
            verilator=True,
        )
    )
    assert (outcome(verdict), parts(verdict)) == ("PASSED", {"compile": "PASS", "lint": "FAIL"}), explain(
        verdict
    )
    assert [(one.code, one.line, one.column) for one in verdict.diagnostics] == [("LATCH", 2, 3)]


def test_a_dump_is_made_in_every_sandbox(judge: Judge) -> None:
    bench = 'module tb; wire y; top t(y); initial begin #1 $display("Failed"); $finish; end endmodule'
    task = in_testbench("module top(output y); assign y = 1; endmodule", bench, "top", rule=("Passed", ""))
    task.testbench.vcd = True
    assert judge(task).vcd.endswith("1!\n$end\n#1\n")
