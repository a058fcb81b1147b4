"""Suites of all styles in mode `isolated`: honest candidates pass, and what cannot be is said."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from unittest_judge import Judge, said, suite

from basanite.v1 import result_pb2, tasks_pb2
from basanite_services.chassis.verifier import TaskFault

STYLES: dict[str, dict[str, dict[str, str]]] = tomllib.loads(
    Path(__file__).with_name("honest.toml").read_text()
)


@pytest.mark.parametrize("style", STYLES)
def test_an_honest_candidate_passes(judge: Judge, style: str) -> None:
    files, tests = STYLES[style].values()
    verdict = judge(suite(files, tests))
    assert verdict.outcome == result_pb2.OUTCOME_PASSED, said(verdict)
    with_reference = judge(suite(files, tests, reference=files))
    assert with_reference.outcome == result_pb2.OUTCOME_PASSED, said(with_reference)


@pytest.mark.parametrize("style", STYLES)
def test_a_candidate_that_gives_nothing_fails(judge: Judge, style: str) -> None:
    files, tests = STYLES[style].values()
    verdict = judge(
        suite(dict.fromkeys(files, "def __getattr__(name):\n    return lambda *a, **k: None\n"), tests)
    )
    assert verdict.outcome == result_pb2.OUTCOME_FAILED, said(verdict)
    assert verdict.score == 0


NEEDS = {
    "derives a class": "class Mine(Stack):\n    pass\ndef test_a():\n    assert Mine()\n",
    "patches the module": "def test_a(monkeypatch):\n    monkeypatch.setattr(stack, 'LIMIT', 3)\n",
    "patches by name": "def test_a():\n    with mock.patch('stack.Stack'):\n        assert Stack()\n",
    "sets a name of the module": "def test_a():\n    stack.LIMIT = 3\n",
    "compares objects": "def test_a():\n    assert Stack(1) == Stack(1)\n",
    "compares with a list of objects": "def test_a():\n    assert Stack(1).halves() == [Stack(1), Stack(1)]\n",
}


@pytest.mark.parametrize("name", NEEDS)
def test_what_needs_the_other_mode_is_said_before_any_candidate_runs(judge: Judge, name: str) -> None:
    tests = {
        "test_stack.py": f"import stack\nfrom unittest import mock\nfrom stack import Stack\n{NEEDS[name]}"
    }
    for reference in (None, {"stack.py": "class Stack:\n    def __init__(self, *a): pass\n"}):
        with pytest.raises(TaskFault, match=r"test_stack\.py, line \d+, .*needs the mode shared"):
            judge(suite({"stack.py": "raise SystemExit"}, tests, reference=reference))


def test_a_reference_that_does_not_pass_is_the_tasks_fault(judge: Judge) -> None:
    tests = {"test_a.py": "from a import f\ndef test_a():\n    assert f() == 1\n"}
    with pytest.raises(TaskFault, match=r"unittest\.suite\.reference: it does not pass: test_a\.py::test_a"):
        judge(suite({"a.py": "f = lambda: 1"}, tests, reference={"a.py": "f = lambda: 2"}))


def test_messages_tell_nothing_that_the_tests_expect(judge: Judge) -> None:
    tests = {
        "test_a.py": "from a import f\ndef test_a():\n    assert f(1) == 'the secret', 'not the secret'\n"
    }
    verdict = judge(suite({"a.py": "def f(x): return 2"}, tests))
    assert "secret" not in said(verdict)
    assert "an assertion does not hold (test_a.py, line 3)" in verdict.cases[0].message


STATUSES = """
import pytest
from a import f
def test_pass(): assert f(1) == 1
def test_fail(): assert f(1) == 2
@pytest.fixture
def bad(): f("x", 2)
def test_error(bad): pass
@pytest.mark.skip
def test_skip(): pass
@pytest.mark.xfail
def test_xfail(): assert f(1) == 2
@pytest.mark.xfail
def test_xpass(): assert f(1) == 1
"""


def test_the_frameworks_statuses_are_told(judge: Judge) -> None:
    tests = {"test_a.py": STATUSES}
    verdict = judge(suite({"a.py": "def f(x): return x"}, tests, scoring=tasks_pb2.TEST_SCORING_FRACTION))
    statuses = {case.test.name.rpartition("_")[2]: case.test.status for case in verdict.cases}
    names = {
        name: tasks_pb2.TestStatus.Name(status).removeprefix("TEST_STATUS_")
        for name, status in statuses.items()
    }
    assert names == {
        "pass": "PASSED",
        "fail": "FAILED",
        "error": "ERROR",
        "skip": "SKIPPED",
        "xfail": "XFAILED",
        "xpass": "XPASSED",
    }
    assert verdict.score == pytest.approx(2 / 6)


def test_where_the_candidate_raised_is_a_diagnostic(judge: Judge) -> None:
    tests = {"test_a.py": "from pkg.a import f\ndef test_a():\n    assert f(0) == 1\n"}
    verdict = judge(suite({"pkg/a.py": "def f(x):\n    return 1 / x\n"}, tests))
    assert "ZeroDivisionError: division by zero (test_a.py, line 3)" in verdict.cases[0].message
    assert [(one.file, one.line) for one in verdict.diagnostics] == [("pkg/a.py", 2)]
    verdict = judge(suite({"pkg/a.py": "def f(x):\n    return (1\n"}, tests))
    assert [(one.file, one.line) for one in verdict.diagnostics] == [("pkg/a.py", 2)], said(verdict)
