"""Tasks that test suites judge: to and from protobuf and JSON, and what is refused before it is sent."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from basanite import (
    CaseResult,
    Item,
    ItemFormatError,
    Outcome,
    RepositoryTask,
    Result,
    SecondOpinion,
    TestResult,
    TestStatus,
    UnittestSuiteTask,
)
from basanite._convert import item_from_proto, item_to_proto
from basanite._errors import CandidateRefused
from basanite._results import Assurance, Verdict
from basanite._upload import pack

SUITE = UnittestSuiteTask(
    {"pkg/a.py": "x = 1\n", "b.py": ""},
    {"test_a.py": "def test(): pass\n"},
    "unittest",
    ("test_a.A.test",),
    "shared",
    ("pkg.a.A",),
    {"b.py": "y"},
    "fraction",
    3,
    "exclude",
)
REPOSITORY = RepositoryTask(
    "--- a/x\n+++ b/x\n",
    "0" * 64,
    ("t.py::a",),
    ("t.py::b",),
    tests={"t.py": ""},
    protected=("*.cfg",),
    reference_patch="x",
    expected_statuses={"t.py::a": TestStatus.XFAILED},
    python_path=("src",),
    test_paths=("t.py",),
    second_opinion=SecondOpinion(2, 3),
    scoring="statuses",
)
TASKS = [
    SUITE,
    REPOSITORY,
    UnittestSuiteTask("x = 1", "def test(): pass"),
    RepositoryTask("", directory="/testbed", fail_to_pass=("t.py::a",)),
]


@pytest.mark.parametrize("task", TASKS)
def test_a_task_comes_back_as_it_was(task: Any) -> None:
    item = Item(task, id="a")
    assert item_from_proto(item_to_proto(item, Assurance.GUARDED)).task == task
    assert Item.from_json(item.to_json()).task == task


@pytest.mark.parametrize(
    ("task", "field"),
    [
        (UnittestSuiteTask("x", {"../t.py": ""}), "unittest.suite.tests[0].name"),
        (UnittestSuiteTask("x", "t", framework="nose"), "unittest.framework"),  # type: ignore[arg-type]
        (UnittestSuiteTask("x", "t", mode="other"), "unittest.suite.mode"),  # type: ignore[arg-type]
        (UnittestSuiteTask("x", "t", runs=11), "unittest.repeats.runs"),
        (UnittestSuiteTask("x", "t", selected="test_a"), "unittest.suite.selected"),
        (UnittestSuiteTask("x", "t" * (5 << 20)), "unittest.suite.tests"),
        (RepositoryTask("x"), "unittest.repository.source"),
        (RepositoryTask("x", "0" * 64, tests="x"), "unittest.repository.tests"),  # type: ignore[arg-type]
        (RepositoryTask("x", "0" * 64, directory="/a"), "unittest.repository.source"),
        (
            RepositoryTask("x", "0" * 64, second_opinion=SecondOpinion(101)),
            "unittest.repository.second_opinion.tests",
        ),
        (
            RepositoryTask("x", "0" * 64, expected_statuses={"a": "passed"}),  # type: ignore[dict-item]
            'unittest.repository.expected_statuses["a"]',
        ),
    ],
)
def test_what_is_no_item_is_refused_with_its_field(task: Any, field: str) -> None:
    with pytest.raises(ItemFormatError) as caught:
        item_to_proto(Item(task), Assurance.GUARDED)
    assert caught.value.field == field
    assert not isinstance(caught.value, CandidateRefused)


@pytest.mark.parametrize(
    "task",
    [
        UnittestSuiteTask({"../x.py": ""}, "t"),
        UnittestSuiteTask({}, "t"),
        UnittestSuiteTask("x" * (2 << 20), "t"),
        UnittestSuiteTask("\ud800", "t"),
        RepositoryTask("\ud800", "0" * 64),
        RepositoryTask("x" * (5 << 20), "0" * 64),
    ],
)
def test_what_the_candidate_did_wrong_is_the_candidates(task: Any) -> None:
    with pytest.raises(CandidateRefused):
        item_to_proto(Item(task), Assurance.GUARDED)


@pytest.mark.parametrize("form", ["suite", "repository"])
def test_trusted_files_of_one_name_are_refused_and_none_is_chosen(form: str) -> None:
    proto = item_to_proto(Item(SUITE if form == "suite" else REPOSITORY), Assurance.GUARDED)
    tests = proto.unittest.suite.tests if form == "suite" else proto.unittest.repository.tests
    tests.add(name=tests[0].name, content="other")
    with pytest.raises(ItemFormatError) as caught:
        item_from_proto(proto)
    assert caught.value.field == f"unittest.{form}.tests"
    assert not isinstance(caught.value, CandidateRefused)


def test_a_tests_result_comes_back_as_it_was() -> None:
    test = TestResult("t.py::a", TestStatus.XPASSED, 0.5, True)
    case = CaseResult(Outcome.FAILED, test=test)
    verdict = Verdict(Outcome.FAILED, 0.0, Assurance.GUARDED, ("x",), (case,))
    assert Result.from_json(Result("a", verdict).to_json()).verdict == verdict


def test_a_directory_gives_the_same_archive_whoever_packs_it(tmp_path: Path) -> None:
    digests = set()
    for number, name in enumerate(("one", "two")):
        folder = tmp_path / name
        for path in sorted(("a/b.py", ".git/config", "a/__pycache__/b.pyc", "z"), reverse=bool(number)):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text("text")
            os.utime(folder / path, (number, number))
        (folder / "link").symlink_to("a/b.py")
        (folder / "empty").mkdir()
        (folder / "z").chmod(0o700 if number else 0o755)
        made = io.BytesIO()
        pack(folder, made)
        digests.add(hashlib.sha256(made.getvalue()).hexdigest())
        made.seek(0)
        with tarfile.open(fileobj=made) as archive:
            assert archive.getnames() == ["a", "empty", "link", "z", "a/b.py"]
    assert len(digests) == 1
