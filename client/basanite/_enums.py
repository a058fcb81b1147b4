"""The contract's enums, in both directions. Numbers this version does not know are in none of the tables."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, TypeVar

from basanite._results import Assurance, FailureReason, Outcome, PartState, Severity, TestStatus
from basanite.v1 import result_pb2, tasks_pb2

_EnumT = TypeVar("_EnumT", bound=StrEnum)


def _table(ours: type[_EnumT], prefix: str, theirs: Sequence[tuple[str, int]]) -> dict[int, _EnumT]:
    return {number: ours[name.removeprefix(prefix)] for name, number in theirs if number}


def _names(prefix: str, theirs: Sequence[tuple[str, int]]) -> dict[str, int]:
    return {name.removeprefix(prefix).lower(): number for name, number in theirs if number}


OUTCOMES: Final = _table(Outcome, "OUTCOME_", result_pb2.Outcome.items())
ASSURANCES: Final = _table(Assurance, "ASSURANCE_", result_pb2.Assurance.items())
REASONS: Final = _table(FailureReason, "REASON_", result_pb2.Failure.Reason.items())
STATES: Final = _table(PartState, "STATE_", result_pb2.Part.State.items())
TEST_STATUSES: Final = _table(TestStatus, "TEST_STATUS_", tasks_pb2.TestStatus.items())
SEVERITIES: Final = _table(Severity, "SEVERITY_", result_pb2.Diagnostic.Severity.items())

OUTCOME_NUMBERS: Final = {member: number for number, member in OUTCOMES.items()}
ASSURANCE_NUMBERS: Final = {member: number for number, member in ASSURANCES.items()}
REASON_NUMBERS: Final = {member: number for number, member in REASONS.items()}
STATE_NUMBERS: Final = {member: number for number, member in STATES.items()}
TEST_STATUS_NUMBERS: Final = {member: number for number, member in TEST_STATUSES.items()}
SEVERITY_NUMBERS: Final = {member: number for number, member in SEVERITIES.items()}

TEXT_POLICIES: Final = _names("POLICY_", tasks_pb2.TextComparison.Policy.items())
VALUE_POLICIES: Final = _names("POLICY_", tasks_pb2.ValueComparison.Policy.items())
CLOCK_EDGES: Final = _names("EDGE_", tasks_pb2.ClockPort.Edge.items())
# The first of each is what an unset field means.
FRAMEWORKS: Final = _names("TEST_FRAMEWORK_", tasks_pb2.TestFramework.items())
MODES: Final = _names("TEST_MODE_", tasks_pb2.TestMode.items())
SCORINGS: Final = _names("TEST_SCORING_", tasks_pb2.TestScoring.items())
FLAKY_POLICIES: Final = _names("FLAKY_POLICY_", tasks_pb2.FlakyPolicy.items())
