"""Form `cocotb`: honest designs pass their tests, wrong ones fail, and whose fault anything is."""

from __future__ import annotations

import pytest
from verilog_judge import SHORT, Judge, cocotb, explain, outcome, outcomes

from basanite.v1 import result_pb2
from basanite_services.chassis.verifier import InvalidItem, TaskFault

COUNTER = """
module top #(parameter WIDTH = 4)(input clk, input rst, input enable, output reg [WIDTH-1:0] q);
  always @(posedge clk)
    if (rst) q <= 0;
    else if (enable) q <= q + 1;
endmodule
"""
WRONG = COUNTER.replace("else if (enable)", "else")
"""It counts always."""
TESTS = """
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer


async def start(dut):
    dut.enable.value = 0
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    await FallingEdge(dut.clk)
    await FallingEdge(dut.clk)
    dut.rst.value = 0


@cocotb.test()
async def resets(dut):
    await start(dut)
    await FallingEdge(dut.clk)
    assert dut.q.value == 0, f"after a reset q is {dut.q.value}"


@cocotb.test()
async def counts(dut):
    await start(dut)
    dut.enable.value = 1
    for expected in range(1, 40):
        await FallingEdge(dut.clk)
        got = dut.q.value.to_unsigned()
        assert got == expected % 2 ** len(dut.q), f"q is {got}, and should be {expected}"


@cocotb.test()
async def holds(dut):
    await start(dut)
    expected = 0
    for _ in range(40):
        dut.enable.value = go = random.randint(0, 1)
        await FallingEdge(dut.clk)
        expected = (expected + go) % 2 ** len(dut.q)
        assert dut.q.value.to_unsigned() == expected
"""
NAMES = ("resets", "counts", "holds")
PASSES = """
import cocotb
from cocotb.triggers import Timer
@cocotb.test()
async def passes(dut):
    await Timer(1, "ns")
"""
EMPTY = "module top(input a, output y); assign y = a; endmodule"


def test_a_right_design_passes_all_tests(judge: Judge) -> None:
    verdict = judge(cocotb(COUNTER, TESTS, NAMES))
    assert outcomes(verdict) == ["PASSED"] * 3, explain(verdict)
    assert outcome(verdict) == "PASSED"
    assert verdict.score == 1
    assert verdict.assurance == result_pb2.ASSURANCE_GUARDED
    assert verdict.cases[0].usage.cpu_seconds > 0


def test_a_wrong_design_fails_the_tests_that_find_it_and_hears_what_they_say(judge: Judge) -> None:
    verdict = judge(cocotb(WRONG, TESTS, NAMES))
    assert outcomes(verdict) == ["FAILED", "PASSED", "FAILED"], explain(verdict)
    assert verdict.cases[0].message == "test_it.resets: AssertionError: after a reset q is 0001"
    assert "random.randint" not in str(verdict)
    assert verdict.cases[2].message == "test_it.holds: AssertionError"
    assert verdict.score == pytest.approx(1 / 3)


def test_cases_are_in_the_order_of_the_expected_tests(judge: Judge) -> None:
    verdict = judge(cocotb(WRONG, TESTS, ("holds", "resets", "counts")))
    assert outcomes(verdict) == ["FAILED", "FAILED", "PASSED"], explain(verdict)


def test_parameters_are_set(judge: Judge) -> None:
    wide = TESTS.replace("after a reset q is", "{len(dut.q)}") + (
        "\n@cocotb.test()\nasync def is_wide(dut):\n    assert len(dut.q) == 7\n"
    )
    verdict = judge(cocotb(COUNTER, wide, (*NAMES, "is_wide"), parameters={"WIDTH": "7"}))
    assert outcome(verdict) == "PASSED", explain(verdict)
    without = COUNTER.replace("#(parameter WIDTH = 4)", "").replace("WIDTH", "7")
    verdict = judge(cocotb(without, wide, (*NAMES, "is_wide"), parameters={"WIDTH": "7"}))
    assert outcome(verdict) == "REJECTED", explain(verdict)
    assert verdict.cases[0].message == "has no parameter WIDTH"


@pytest.mark.parametrize("scale", ["", "`timescale 1s/1s\n", "`timescale 1us/1ns\n", "`timescale 1ns/1fs\n"])
def test_no_time_scale_of_a_design_is_in_the_way_of_the_tests(judge: Judge, scale: str) -> None:
    picoseconds = TESTS.replace("10, unit", "0.01, unit")
    verdict = judge(cocotb(scale + COUNTER, picoseconds, NAMES))
    assert outcome(verdict) == "PASSED", explain(verdict)


def test_a_reference_that_passes_is_tried_once(judge: Judge) -> None:
    task = cocotb(COUNTER, TESTS, NAMES, reference=COUNTER)
    verdicts = judge.all([task, task])
    assert [outcome(verdict) for verdict in verdicts] == ["PASSED"] * 2


def test_a_reference_that_does_not_pass_is_the_fault_of_the_task(judge: Judge) -> None:
    with pytest.raises(TaskFault, match=r"does not pass test_it\.resets: failed: AssertionError"):
        judge(cocotb(COUNTER, TESTS, NAMES, reference=WRONG))
    with pytest.raises(TaskFault, match="does not compile"):
        judge(cocotb(COUNTER, TESTS, NAMES, reference="module top(; endmodule"))


def test_tests_that_a_dead_design_passes_are_told(judge: Judge) -> None:
    dead = judge(cocotb(EMPTY, PASSES, ["passes"], reference=EMPTY))
    assert [said.message for said in dead.diagnostics] == [
        "the check is vacuous: the tests also pass a design of which all outputs are 0",
        "the check is vacuous: the tests also pass a design of which all outputs are unknown (x)",
    ]
    assert outcome(dead) == "PASSED"
    tests = """import cocotb
from cocotb.triggers import Timer

@cocotb.test()
async def knows(dut):
    await Timer(1, "ns")
    assert dut.q.value == 0
"""
    zero = COUNTER.replace("endmodule", "initial q = 0; endmodule")
    (told,) = judge(cocotb(zero, tests, ["knows"], reference=zero)).diagnostics
    assert told.message == "the check is vacuous: the tests also pass a design of which all outputs are 0"


@pytest.mark.parametrize(
    "tests", ["import nothing_like_it\n" + PASSES, "def (", "raise SystemExit(0)", "import os; os._exit(0)"]
)
def test_tests_that_cannot_be_imported_are_the_fault_of_the_task(judge: Judge, tests: str) -> None:
    with pytest.raises(TaskFault):
        judge(cocotb(EMPTY, tests, ["passes"]))


@pytest.mark.parametrize("expected", [["passes", "more"], ["other"], ["passes", "more", "many"]])
@pytest.mark.parametrize("reference", [None, EMPTY])
def test_other_tests_than_expected_are_the_fault_of_the_task(
    judge: Judge, expected: list[str], reference: str | None
) -> None:
    with pytest.raises(TaskFault, match="there is no test"):
        judge(cocotb(EMPTY, PASSES, expected, reference=reference))


def test_more_tests_than_expected_are_the_fault_of_the_task(judge: Judge) -> None:
    with pytest.raises(TaskFault, match=r"not expected: test_it\.counts"):
        judge(cocotb(COUNTER, TESTS, ["resets", "holds"]))


def test_two_tests_of_one_name_are_the_fault_of_the_task(judge: Judge) -> None:
    twice = PASSES + "again = passes\n"
    with pytest.raises(TaskFault, match=r"several tests test_it\.passes"):
        judge(cocotb(EMPTY, twice, ["passes"]))


def test_tests_of_several_modules_and_with_parameters(judge: Judge) -> None:
    many = """
import cocotb
from common import settle
@cocotb.test()
@cocotb.parametrize(a=[0, 1])
async def follows(dut, a):
    dut.a.value = a
    await settle()
    assert dut.y.value == a
"""
    common = "from cocotb.triggers import Timer\nasync def settle():\n    await Timer(1, 'ns')\n"
    tests = {"test_it.py": PASSES, "sub/test_more.py": many, "common.py": common, "sub/__init__.py": ""}
    expected = ["test_it.passes", "sub.test_more.follows/a=0", "sub.test_more.follows/a=1"]
    verdict = judge(cocotb(EMPTY, tests, expected, modules=["test_it", "sub.test_more"]))
    assert outcomes(verdict) == ["PASSED"] * 3, explain(verdict)


def test_a_port_that_is_missing_is_the_candidates_fault(judge: Judge) -> None:
    verdict = judge(cocotb(COUNTER.replace("enable", "en"), TESTS, NAMES))
    assert outcomes(verdict) == ["FAILED"] * 3, explain(verdict)
    assert "AttributeError" in verdict.cases[0].message


def test_tests_that_look_at_the_design_when_imported_do_not_blame_the_task(judge: Judge) -> None:
    looks = "import cocotb\nif hasattr(cocotb.top, 'clk'):\n    raise ValueError(1)\n" + PASSES
    verdict = judge(cocotb(COUNTER, looks, ["passes"]))
    assert outcome(verdict) == "FAILED", explain(verdict)
    adds = PASSES + "if hasattr(cocotb.top, 'clk'):\n    more = cocotb.test(name='more')(passes.func)\n"
    verdict = judge(cocotb(COUNTER, adds, ["passes"]))
    assert outcome(verdict) == "FAILED", explain(verdict)


def test_a_test_that_is_skipped_has_not_passed(judge: Judge) -> None:
    tests = PASSES.replace("test()", "test(skip=True)")
    verdict = judge(cocotb(EMPTY, tests, ["passes"]))
    assert outcomes(verdict) == ["FAILED"], explain(verdict)
    tests = PASSES.replace("await Timer", "import pytest; pytest.skip('not now')\n    await Timer")
    verdict = judge(cocotb(EMPTY, tests, ["passes"]))
    assert verdict.cases[0].message == "test_it.passes was skipped: not now"


def test_a_failure_that_is_expected_is_a_pass(judge: Judge) -> None:
    tests = PASSES.replace("test()", "test(expect_fail=True)") + "    assert dut.y.value == 5\n"
    assert outcome(judge(cocotb(EMPTY, tests, ["passes"]))) == "PASSED"
    verdict = judge(cocotb(EMPTY, tests.replace("== 5", "is not None"), ["passes"]))
    assert outcome(verdict) == "FAILED", explain(verdict)


def test_a_test_that_waits_for_what_never_comes_has_failed(judge: Judge) -> None:
    waits = PASSES.replace("passes(", "waits(").replace("await Timer(1, 'ns')", "")
    waits += "    from cocotb.triggers import RisingEdge\n    await RisingEdge(dut.y)\n"
    verdict = judge(cocotb(EMPTY, waits, ["waits"]))
    assert outcomes(verdict) == ["FAILED"], explain(verdict)
    assert "ended prematurely" in verdict.cases[0].message


@pytest.mark.parametrize("expected", ["expect_fail=True", "expect_error=BaseException"])
def test_the_end_of_the_simulation_is_no_failure_that_was_expected(judge: Judge, expected: str) -> None:
    tests = PASSES.replace("test()", f"test({expected})")
    tests += "    from cocotb.triggers import RisingEdge\n    await RisingEdge(dut.y)\n"
    verdict = judge(cocotb(EMPTY, tests, ["passes"]))
    assert outcomes(verdict) == ["FAILED"], explain(verdict)


def test_a_test_that_never_ends_is_over_its_time_and_the_tests_before_it_count(judge: Judge) -> None:
    tests = TESTS + (
        "\n@cocotb.test()\nasync def waits(dut):\n"
        "    await start(dut)\n    while True:\n        await FallingEdge(dut.clk)\n"
        "\n@cocotb.test()\nasync def after(dut):\n    pass\n"
    )
    verdict = judge(cocotb(COUNTER, tests, (*NAMES, "waits", "after")), **SHORT)
    assert outcomes(verdict) == ["PASSED"] * 3 + ["TIME_LIMIT"] * 2, explain(verdict)
    assert outcome(verdict) == "TIME_LIMIT"


def test_a_design_that_never_settles_is_over_its_time(judge: Judge) -> None:
    loops = "module top(input a, output y); reg r = 0; always @(r) r <= ~r; initial r = 1; assign y = r; endmodule"
    verdict = judge(cocotb(loops, PASSES, ["passes"]), **SHORT)
    assert outcomes(verdict) == ["TIME_LIMIT"], explain(verdict)


def test_a_design_that_does_not_compile_is_rejected_with_its_own_lines(judge: Judge) -> None:
    verdict = judge(cocotb("module top(input a);\nassign b = ;\nendmodule", PASSES, ["passes"]))
    assert outcome(verdict) == "REJECTED", explain(verdict)
    assert (verdict.diagnostics[0].file, verdict.diagnostics[0].line) == ("top.sv", 2)


def test_random_values_are_the_same_for_all_candidates_and_unknown_outside(judge: Judge) -> None:
    tests = PASSES + "    import random\n    assert False, str(random.getrandbits(64))\n"
    one, other = (judge(cocotb(text, tests, ["passes"])) for text in (EMPTY, EMPTY.replace("= a", "= ~a")))
    assert one.cases[0].message == other.cases[0].message
    elsewhere = Judge("another secret")
    assert elsewhere(cocotb(EMPTY, tests, ["passes"])).cases[0].message != one.cases[0].message
    elsewhere.close()


def test_messages_are_bounded(judge: Judge) -> None:
    tests = PASSES + "    assert False, '\\0' + 'x' * 100_000\n"
    verdict = judge(cocotb(EMPTY, tests, ["passes"]))
    assert len(verdict.cases[0].message) < 1100


def test_a_failure_that_cannot_be_said_is_one_of_its_test_alone(judge: Judge) -> None:
    odd = """    class Odd(Exception):
        def __str__(self):
            raise ValueError

    raise Odd
"""
    tests = PASSES + odd + "\n\n@cocotb.test()\nasync def next(dut): pass\n"
    verdict = judge(cocotb(EMPTY, tests, ["passes", "next"]))
    assert [case.message for case in verdict.cases] == ["test_it.passes: Odd", ""]
    assert outcomes(verdict) == ["FAILED", "PASSED"]


def test_data_of_the_task_can_be_read(judge: Judge) -> None:
    rom = 'module top(input a, output y); reg m [0:0]; initial $readmemb("rom.mem", m); assign y = m[0]; endmodule'
    tests = PASSES + "    assert dut.y.value == 1\n    assert open('rom.mem').read() == '1'\n"
    verdict = judge(cocotb(rom, tests, ["passes"], data={"rom.mem": "1"}))
    assert outcome(verdict) == "PASSED", explain(verdict)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("tests", {"tests": {"a.txt": ""}}),
        ("modules", {"modules": []}),
        ("modules[0]", {"modules": ["a-b"]}),
        ("expected_tests", {"expected": []}),
        ("expected_tests[0]", {"expected": ["other.passes"]}),
        ("expected_tests", {"expected": ["passes", "passes"]}),
        ("modules", {"modules": ["test_it", "test_it"]}),
        ("tests", {"data": {"test_it.py": ""}}),
        ("reference", {"reference": {"a b": ""}}),
        ("parameters", {"parameters": {"W": "x"}}),
    ],
)
def test_bad_input_is_refused_by_field(judge: Judge, field: str, change: dict[str, object]) -> None:
    given = {"candidate": EMPTY, "tests": PASSES, "expected": ["passes"], **change}
    with pytest.raises(InvalidItem) as caught:
        judge(cocotb(**given))  # type: ignore[arg-type]
    assert str(caught.value.args[0]).startswith(f"verilog.cocotb.{field}") or field in str(caught.value)
