"""What came of one run of a test suite, the same for all modes: what ../unittest is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from basanite.v1.tasks_pb2 import TestStatus
from basanite_sandboxes.spec import Report

FAILING = (TestStatus.TEST_STATUS_FAILED, TestStatus.TEST_STATUS_ERROR)


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, by its path in the directory in which the tests run; 1-based."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How one test ended."""

    status: TestStatus.ValueType
    seconds: float = 0.0
    message: str = ""
    """Why, in the words of the framework: an assertion's message, an exception, the reason of a skip."""
    place: Place | None = None
    """The last line of the candidate's files that the exception came through."""


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """What one run of a suite said of its tests."""

    collected: tuple[str, ...]
    """Names of the tests that there are, in the order in which they run."""
    tests: Mapping[str, Ended]
    """By name, of those that ended."""
    broken: Mapping[str, Ended] = field(default_factory=dict)
    """By path, of test files that cannot be imported."""
    complete: bool = False
    """The framework came to its end: what has not ended did not run."""
    refused: str = ""
    """Why nothing of this is believed, for people: results were forged or tampered with. Empty: nothing found."""
    changed: tuple[str, ...] = ()
    """Of a trusted run: what it changed of what decides, which candidates may change then as well."""
    gone: bool = False
    """Isolated: the candidate's process ended, or said what it was not asked, before the tests were through."""
    report: Report | None = None
    """Of the candidate's process."""
