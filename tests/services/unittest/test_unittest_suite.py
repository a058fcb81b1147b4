"""Form `suite`: what is asked of tasks, and of a candidate's files, whatever the mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unittest_judge import ISOLATED, SHARED, Judge, said, suite

from basanite.v1 import result_pb2, tasks_pb2
from basanite_sandboxes.spec import Environment
from basanite_services.chassis.verifier import InvalidItem, TaskFault

FILES = {"a.py": "def f():\n    return 1\n"}
TESTS = {
    "test_a.py": "from a import f\n\n\ndef test_f():\n    assert f() == 1\n\n\ndef test_g():\n    assert f() == 2\n"
}
MODES = pytest.mark.parametrize("mode", [ISOLATED, SHARED])
BAD: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no tests": ({"tests": {}}, InvalidItem, r"unittest\.suite\.tests must be 1 to 100 files"),
    "no file of tests": (
        {"tests": {"helpers.py": ""}},
        InvalidItem,
        r"must have a file whose name is test_\*\.py",
    ),
    "a name outside": (
        {"tests": {"../test_a.py": ""}},
        InvalidItem,
        r"unittest\.suite\.tests\[0\]\.name must be",
    ),
    "tests that do not compile": (
        {"tests": {"test_a.py": "def"}},
        TaskFault,
        "test_a.py does not compile: SyntaxError",
    ),
    "an empty suite": ({"tests": {"test_a.py": "x = 1"}}, TaskFault, "the suite has no tests"),
    "an unknown test": ({"selected": ["test_a.py::test_x"]}, TaskFault, "there is no test test_a.py::test_x"),
    "a name twice": ({"selected": ["test_a.py::test_f"] * 2}, InvalidItem, "must not name a test twice"),
    "a name that is none": ({"selected": ["/etc/x::y"]}, InvalidItem, "must be as pytest names it"),
    "a class that is none": ({"classes": ["A B"]}, InvalidItem, r'must be "module\.Class"|must be empty'),
    "a mode that is none": ({"mode": 9}, InvalidItem, "must be TEST_MODE_ISOLATED or TEST_MODE_SHARED"),
    "scoring of repositories": (
        {"scoring": tasks_pb2.TEST_SCORING_STATUSES},
        InvalidItem,
        "must be TEST_SCORING_ALL or TEST_SCORING_FRACTION for a suite",
    ),
    "one run": (
        {"repeats": tasks_pb2.TestRepeats(runs=1)},
        InvalidItem,
        r"unittest\.repeats\.runs must be 2 to 10",
    ),
    "a framework that is none": ({"framework": 7}, InvalidItem, r"unittest\.framework must be"),
}


@MODES
@pytest.mark.parametrize("name", BAD)
def test_a_task_that_cannot_work_is_said_to_be_so(judge: Judge, mode: Any, name: str) -> None:
    change, kind, words = BAD[name]
    given = {"tests": TESTS, "mode": mode, **change}
    with pytest.raises(kind, match=words):
        judge(suite(FILES, given.pop("tests"), given.pop("mode"), **given))


@MODES
@pytest.mark.parametrize(
    "files",
    [
        {},
        {"../a.py": ""},
        {"/a.py": ""},
        {"a b.py": ""},
        {"x" * 201: ""},
        {"a": "", "a/b.py": ""},
        {"a.py": "x" * (1 << 21)},
    ],
    ids=range(7),
)
def test_what_is_wrong_with_the_candidates_files_is_the_candidates(
    judge: Judge, mode: Any, files: dict[str, str]
) -> None:
    verdict = judge(suite(files, TESTS, mode))
    assert verdict.outcome == result_pb2.OUTCOME_REJECTED
    assert verdict.score == 0
    assert verdict.cases[0].message


@MODES
def test_a_part_of_a_suite_can_be_selected(judge: Judge, mode: Any) -> None:
    verdict = judge(suite(FILES, TESTS, mode, selected=["test_a.py::test_f"]))
    assert verdict.outcome == result_pb2.OUTCOME_PASSED, said(verdict)
    assert [case.test.name for case in verdict.cases] == ["test_a.py::test_f"]
    whole = judge(suite(FILES, TESTS, mode, scoring=tasks_pb2.TEST_SCORING_FRACTION))
    assert whole.score == 0.5


@MODES
def test_a_candidate_that_lacks_a_module_fails_all_tests(judge: Judge, mode: Any) -> None:
    verdict = judge(suite({"b.py": ""}, TESTS, mode))
    assert verdict.outcome == result_pb2.OUTCOME_FAILED
    assert [case.test.name for case in verdict.cases] == ["test_a.py::test_f", "test_a.py::test_g"]
    assert "its file cannot be imported: ModuleNotFoundError: No module named 'a'" in verdict.cases[0].message


@MODES
def test_environments_must_have_what_is_asked_of_them(judge: Judge, mode: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidItem, match="must have pytest among its packages"):
        judge(suite(FILES, TESTS, mode), Environment("bare", tmp_path))
    with pytest.raises(InvalidItem, match="must not be an image"):
        judge(suite(FILES, TESTS, mode), Environment("image", root=tmp_path, python="/usr/bin/python3"))


@MODES
def test_limits_hold(judge: Judge, mode: Any) -> None:
    verdict = judge(suite({"a.py": "def f():\n    while True: pass\n"}, TESTS, mode), cpu_seconds=0.5)
    assert verdict.outcome == result_pb2.OUTCOME_TIME_LIMIT
    verdict = judge(
        suite({"a.py": "def f():\n    return len(bytearray(1 << 31))\n"}, TESTS, mode), memory_bytes=128 << 20
    )
    assert verdict.outcome in (result_pb2.OUTCOME_MEMORY_LIMIT, result_pb2.OUTCOME_FAILED)
    assert verdict.score == 0
