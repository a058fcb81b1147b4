"""Tasks of the kind "unittest" to and from protobuf."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from basanite._enums import FLAKY_POLICIES, FRAMEWORKS, MODES, SCORINGS, TEST_STATUS_NUMBERS, TEST_STATUSES
from basanite._errors import CandidateRefused, ItemFormatError
from basanite._fields import UNICODE_RULE, integer, is_unicode, mapping, string, text, texts
from basanite._files import (
    MAX_CANDIDATE_BYTES,
    files_from_proto,
    files_to_proto,
    named_files,
    trusted_to_proto,
)
from basanite._results import TestStatus
from basanite._unittest_tasks import RepositoryTask, SecondOpinion, UnittestSuiteTask, UnittestTask
from basanite.v1 import tasks_pb2

_MAX_PATCH_BYTES: Final = 4 << 20
_MAX_RUNS: Final = 10
_MAX_OPINION_TESTS: Final = 100
_MAX_OPINION_MUTATIONS: Final = 20
_SOLUTION: Final = "solution.py"
_TESTS: Final = "test_solution.py"
_SUITE: Final = "unittest.suite"
_REPOSITORY: Final = "unittest.repository"


def put_unittest(task: UnittestTask, proto: tasks_pb2.UnittestTask) -> None:
    """Fill in the message. Raises ItemFormatError."""
    framework = _choice(task.framework, FRAMEWORKS, "unittest.framework")
    proto.framework = tasks_pb2.TestFramework.ValueType(framework)
    proto.scoring = tasks_pb2.TestScoring.ValueType(_choice(task.scoring, SCORINGS, "unittest.scoring"))
    runs = integer(task.runs, "unittest.repeats.runs", 1, _MAX_RUNS)
    flaky = _choice(task.flaky, FLAKY_POLICIES, "unittest.repeats.flaky")
    if runs > 1:
        proto.repeats.runs = runs
        proto.repeats.flaky = tasks_pb2.FlakyPolicy.ValueType(flaky)
    if isinstance(task, UnittestSuiteTask):
        _put_suite(task, proto)
    else:
        _put_repository(task, proto)


def _choice(value: Any, known: Mapping[str, int], field: str) -> int:
    if not isinstance(value, str) or value not in known:
        raise ItemFormatError(field, f"must be one of {', '.join(known)}")
    return known[value]


def _put_suite(task: UnittestSuiteTask, proto: tasks_pb2.UnittestTask) -> None:
    proto.files.extend(
        files_to_proto(
            task.files, _SOLUTION, "unittest.files", MAX_CANDIDATE_BYTES, CandidateRefused, "the program"
        )
    )
    form = proto.suite
    form.tests.extend(trusted_to_proto(task.tests, _TESTS, f"{_SUITE}.tests"))
    form.selected.extend(texts(task.selected, f"{_SUITE}.selected", "names"))
    form.mode = tasks_pb2.TestMode.ValueType(_choice(task.mode, MODES, f"{_SUITE}.mode"))
    form.classes.extend(texts(task.classes, f"{_SUITE}.classes", "names"))
    if task.reference is not None:
        form.reference.extend(trusted_to_proto(task.reference, _SOLUTION, f"{_SUITE}.reference"))


def _put_repository(task: RepositoryTask, proto: tasks_pb2.UnittestTask) -> None:
    patch = string(task.patch, "unittest.patch")
    if not is_unicode(patch):
        raise CandidateRefused("unittest.patch", UNICODE_RULE, "the patch")
    if len(patch) > _MAX_PATCH_BYTES or len(patch.encode()) > _MAX_PATCH_BYTES:
        raise CandidateRefused("unittest.patch", f"must be at most {_MAX_PATCH_BYTES} bytes", "the patch")
    proto.patch = patch
    form = proto.repository
    snapshot = text(task.snapshot, f"{_REPOSITORY}.snapshot")
    directory = text(task.directory, f"{_REPOSITORY}.directory")
    if bool(snapshot) == bool(directory):
        raise ItemFormatError(f"{_REPOSITORY}.source", "must be either snapshot or directory")
    if snapshot:
        form.snapshot = snapshot
    else:
        form.directory = directory
    for name in ("fail_to_pass", "pass_to_pass", "protected", "python_path", "test_paths"):
        field = f"{_REPOSITORY}.{name}"
        getattr(form, name).extend(texts(getattr(task, name), field, "texts"))
    if tests := mapping(task.tests, f"{_REPOSITORY}.tests", "paths to texts"):
        form.tests.extend(trusted_to_proto(tests, _TESTS, f"{_REPOSITORY}.tests"))
    form.reference_patch = text(task.reference_patch, f"{_REPOSITORY}.reference_patch")
    field = f"{_REPOSITORY}.expected_statuses"
    for name, status in mapping(task.expected_statuses, field, "names to TestStatus").items():
        if not isinstance(status, TestStatus):
            raise ItemFormatError(f'{field}["{name}"]', "must be a TestStatus")
        form.expected_statuses[name] = tasks_pb2.TestStatus.ValueType(TEST_STATUS_NUMBERS[status])
    if task.second_opinion is not None:
        _put_opinion(task.second_opinion, form.second_opinion, f"{_REPOSITORY}.second_opinion")


def _put_opinion(opinion: SecondOpinion, proto: tasks_pb2.SecondOpinion, field: str) -> None:
    if not isinstance(opinion, SecondOpinion):
        raise ItemFormatError(field, "must be a SecondOpinion")
    proto.tests = integer(opinion.tests, f"{field}.tests", 0, _MAX_OPINION_TESTS)
    proto.mutations = integer(opinion.mutations, f"{field}.mutations", 0, _MAX_OPINION_MUTATIONS)
    proto.SetInParent()


# From protobuf


def unittest_from_proto(proto: tasks_pb2.UnittestTask) -> UnittestTask:
    """The task that a message describes. Raises ItemFormatError if it is none that this version knows."""
    form = proto.WhichOneof("form")
    shared: dict[str, Any] = {
        "framework": _name(proto.framework, FRAMEWORKS, "unittest.framework"),
        "scoring": _name(proto.scoring, SCORINGS, "unittest.scoring"),
        "runs": (proto.repeats.runs or 1) if proto.HasField("repeats") else 1,
        "flaky": _name(proto.repeats.flaky, FLAKY_POLICIES, "unittest.repeats.flaky"),
    }
    if form == "suite":
        suite = proto.suite
        return UnittestSuiteTask(
            **shared,
            files=files_from_proto(proto.files, _SOLUTION, "unittest.files", "the program"),
            tests=files_from_proto(suite.tests, _TESTS, f"{_SUITE}.tests"),
            selected=tuple(suite.selected),
            mode=_name(suite.mode, MODES, f"{_SUITE}.mode"),
            classes=tuple(suite.classes),
            reference=files_from_proto(suite.reference, _SOLUTION, f"{_SUITE}.reference")
            if suite.reference
            else None,
        )
    if form == "repository":
        return _repository_from_proto(shared, proto)
    raise ItemFormatError("unittest.form", "must be suite or repository")


def _repository_from_proto(shared: dict[str, Any], proto: tasks_pb2.UnittestTask) -> RepositoryTask:
    form = proto.repository
    statuses = {}
    for name, number in sorted(form.expected_statuses.items()):
        if number not in TEST_STATUSES:
            raise ItemFormatError(f'{_REPOSITORY}.expected_statuses["{name}"]', "must be a TestStatus")
        statuses[name] = TEST_STATUSES[number]
    return RepositoryTask(
        **shared,
        patch=proto.patch,
        snapshot=form.snapshot,
        directory=form.directory,
        fail_to_pass=tuple(form.fail_to_pass),
        pass_to_pass=tuple(form.pass_to_pass),
        tests=named_files(form.tests, f"{_REPOSITORY}.tests"),
        protected=tuple(form.protected),
        reference_patch=form.reference_patch,
        expected_statuses=statuses,
        python_path=tuple(form.python_path),
        test_paths=tuple(form.test_paths),
        second_opinion=SecondOpinion(form.second_opinion.tests, form.second_opinion.mutations)
        if form.HasField("second_opinion")
        else None,
    )


def _name(number: int, known: Mapping[str, int], field: str) -> Any:
    """The first is what an unset field means."""
    if number == 0:
        return next(iter(known))
    for name, value in known.items():
        if value == number:
            return name
    raise ItemFormatError(field, f"must be one of {', '.join(known)}")
