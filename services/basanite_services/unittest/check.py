"""What a task of the kind unittest must satisfy. Errors are InvalidItem, but for what is the candidate's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from basanite.v1 import tasks_pb2
from basanite.v1.tasks_pb2 import FlakyPolicy, TestFramework, TestScoring, TestStatus
from basanite_services.chassis.verifier import InvalidItem

MAX_FILES = 100
MAX_CANDIDATE_BYTES = 1 << 20
MAX_TRUSTED_BYTES = 4 << 20
MAX_PATCH_BYTES = 4 << 20
MAX_TESTS = 20_000
MAX_NAMES = 2 << 20
"""Characters of the names of all tests of a suite."""
MAX_PATTERNS = 1_000
MAX_RUNS = 10
MAX_OPINION_TESTS, MAX_OPINION_MUTATIONS = 100, 20
_MAX_NAME = 200
_NAME = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")
_CLASS = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


class BadFiles(Exception):
    """The candidate's files break a rule; the message says which, for the candidate."""


def is_pytest(task: tasks_pb2.UnittestTask) -> bool:
    if task.framework not in TestFramework.values():
        raise InvalidItem("unittest.framework", "must be TEST_FRAMEWORK_PYTEST or TEST_FRAMEWORK_UNITTEST")
    return task.framework != TestFramework.TEST_FRAMEWORK_UNITTEST


def scoring_of(task: tasks_pb2.UnittestTask) -> TestScoring.ValueType:
    if task.scoring not in TestScoring.values():
        raise InvalidItem("unittest.scoring", "must be a TestScoring")
    is_by_statuses = task.scoring == TestScoring.TEST_SCORING_STATUSES
    if is_by_statuses and task.WhichOneof("form") != "repository":
        raise InvalidItem("unittest.scoring", "must be TEST_SCORING_ALL or TEST_SCORING_FRACTION for a suite")
    return task.scoring or TestScoring.TEST_SCORING_ALL


def repeats_of(task: tasks_pb2.UnittestTask) -> tuple[int, FlakyPolicy.ValueType]:
    """-> (runs, what becomes of flaky tests)"""
    if not task.HasField("repeats"):
        return 1, FlakyPolicy.FLAKY_POLICY_FAIL
    if not 2 <= task.repeats.runs <= MAX_RUNS:
        raise InvalidItem("unittest.repeats.runs", f"must be 2 to {MAX_RUNS}")
    if task.repeats.flaky not in FlakyPolicy.values():
        raise InvalidItem("unittest.repeats.flaky", "must be FLAKY_POLICY_FAIL or FLAKY_POLICY_EXCLUDE")
    return task.repeats.runs, task.repeats.flaky or FlakyPolicy.FLAKY_POLICY_FAIL


def trusted_files(field: str, files: Iterable[tasks_pb2.SourceFile]) -> dict[str, bytes]:
    """Content by path."""
    return _read(files, MAX_TRUSTED_BYTES, lambda where, rule: InvalidItem(f"{field}{where}", rule))


def candidates_files(files: Iterable[tasks_pb2.SourceFile]) -> dict[str, bytes]:
    """Content by path. Raises BadFiles."""
    return _read(files, MAX_CANDIDATE_BYTES, lambda where, rule: BadFiles(f"the files{where} {rule}"))


def _read(
    files: Iterable[tasks_pb2.SourceFile], most: int, refused: type[Exception] | object
) -> dict[str, bytes]:
    assert callable(refused)
    found: dict[str, bytes] = {}
    size = 0
    for number, file in enumerate(files):
        name = file.name
        parts = name.split("/")
        if not 1 <= len(name) <= _MAX_NAME or not _NAME.fullmatch(name) or "." in parts or ".." in parts:
            raise refused(
                f"[{number}].name",
                f"must be a relative path of 1 to {_MAX_NAME} letters, digits and _.-, with / between its parts and no "
                'part "." or ".."',
            )
        if name in found:
            raise refused(f"[{number}].name", f"must not be that of another file: {name}")
        found[name] = file.content.encode()
        size += len(found[name])
    if not 1 <= len(found) <= MAX_FILES:
        raise refused("", f"must be 1 to {MAX_FILES} files")
    if size > most:
        raise refused("", f"must be at most {most} bytes together")
    folders = {str(folder) for name in found for folder in PurePosixPath(name).parents}
    if both := sorted(folders & found.keys()):
        raise refused("", f"must not be both a file and a folder: {both[0]}")
    return found


def check_classes(classes: Sequence[str]) -> None:
    for number, name in enumerate(classes):
        if len(name) > _MAX_NAME or _CLASS.fullmatch(name) is None:
            raise InvalidItem(f"unittest.suite.classes[{number}]", 'must be "module.Class"')


def check_folders(field: str, folders: Sequence[str]) -> None:
    """Relative directories or files of a repository."""
    if len(folders) > MAX_FILES:
        raise InvalidItem(field, f"must be at most {MAX_FILES}")
    for number, name in enumerate(folders):
        parts = name.rstrip("/").split("/")
        if len(name) > _MAX_NAME or any(part in ("", ".", "..") for part in parts) or name.startswith("-"):
            raise InvalidItem(f"{field}[{number}]", "must be a relative path inside the repository")


def check_patterns(field: str, patterns: Sequence[str]) -> None:
    if len(patterns) > MAX_PATTERNS or any(len(pattern) > _MAX_NAME for pattern in patterns):
        raise InvalidItem(field, f"must be at most {MAX_PATTERNS} patterns of at most {_MAX_NAME} characters")


def check_statuses(field: str, statuses: Iterable[int]) -> None:
    known = set(TestStatus.values()) - {TestStatus.TEST_STATUS_UNSPECIFIED}
    if any(status not in known for status in statuses):
        raise InvalidItem(field, "must have a TestStatus for each test")
