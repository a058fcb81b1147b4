"""The last look at a verdict before it leaves: a verifier's mistake must not become a reward."""

from __future__ import annotations

import math
from collections.abc import Iterable

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import Usage, Verdict

_VERDICT_OUTCOMES = frozenset(result_pb2.Outcome.values()) - {
    result_pb2.OUTCOME_UNSPECIFIED,
    result_pb2.OUTCOME_NOT_RUN,
}
_CASE_OUTCOMES = _VERDICT_OUTCOMES | {result_pb2.OUTCOME_NOT_RUN}
_ASSURANCES = frozenset({result_pb2.ASSURANCE_GUARDED, result_pb2.ASSURANCE_SEPARATED})
_PART_STATES = frozenset(result_pb2.Part.State.values()) - {result_pb2.Part.STATE_UNSPECIFIED}
_MAX_WEIGHT = 10**6


def flaw(verdict: Verdict) -> str | None:
    """The first rule of the contract that this verdict breaks, or None."""
    outcome = verdict.outcome
    if outcome not in _VERDICT_OUTCOMES:
        return "outcome is not set, unknown or NOT_RUN"
    if verdict.assurance not in _ASSURANCES:
        return "assurance is not set or unknown"
    if verdict.assurance == result_pb2.ASSURANCE_GUARDED and not verdict.guards:
        return "assurance is GUARDED, but guards names none"
    passed = outcome == result_pb2.OUTCOME_PASSED
    if verdict.HasField("score"):
        score = verdict.score
        # Written so that NaN is refused too.
        if not 0.0 <= score <= 1.0:
            return "score is not in [0, 1]"
        if (score == 1.0) != passed:
            return "score is 1 without PASSED, or PASSED without score 1"
        if outcome == result_pb2.OUTCOME_COMPLETED:
            return "COMPLETED has a score"
    elif passed:
        return "PASSED has no score"
    return _cases_flaw(verdict) or _parts_flaw(verdict)


def _cases_flaw(verdict: Verdict) -> str | None:
    first = None
    for index, case in enumerate(verdict.cases):
        outcome = case.outcome
        if outcome not in _CASE_OUTCOMES:
            return f"cases[{index}].outcome is not set or unknown"
        if not 1 <= case.weight <= _MAX_WEIGHT:
            return f"cases[{index}].weight is not in 1 to {_MAX_WEIGHT}"
        if first is None and outcome not in (result_pb2.OUTCOME_PASSED, result_pb2.OUTCOME_NOT_RUN):
            first = outcome
        elif outcome == result_pb2.OUTCOME_NOT_RUN and verdict.outcome == result_pb2.OUTCOME_PASSED:
            return f"PASSED, but cases[{index}] is NOT_RUN"
    if first is not None and first != verdict.outcome:
        return "outcome is not that of the first case that did not pass"
    return None


def _parts_flaw(verdict: Verdict) -> str | None:
    for index, part in enumerate(verdict.parts):
        if part.state not in _PART_STATES:
            return f"parts[{index}].state is not set or unknown"
        if part.HasField("score") and not 0.0 <= part.score <= 1.0:
            return f"parts[{index}].score is not in [0, 1]"
    return None


def sum_usage(cases: Iterable[result_pb2.CaseResult], queue_seconds: float) -> Usage:
    """Usage of an item: time is summed over its cases, of memory the peak counts.

    Raises ValueError if a case's usage is negative, infinite or not a number.
    """
    cpu = wall = 0.0
    peak = 0
    for case in cases:
        usage = case.usage
        cpu += usage.cpu_seconds
        wall += usage.wall_seconds
        if usage.peak_memory_bytes > peak:
            peak = usage.peak_memory_bytes
    if not (math.isfinite(cpu) and math.isfinite(wall) and cpu >= 0 and wall >= 0):
        raise ValueError("usage of a case is negative or not finite")
    return Usage(cpu_seconds=cpu, wall_seconds=wall, queue_seconds=queue_seconds, peak_memory_bytes=peak)


def fit_outputs(verdict: Verdict, max_bytes: int) -> None:
    """Drop captured output of the last cases, marked as truncated, until all of it is at most `max_bytes`.

    A result of thousands of cases, each with 64 KiB of output, would not fit in any message.
    """
    if verdict.ByteSize() <= max_bytes:
        return
    left = max_bytes
    for case in verdict.cases:
        if not case.HasField("output"):
            continue
        output = case.output
        for name in ("stdout", "stderr"):
            data = getattr(output, name)
            if len(data) > left:
                setattr(output, name, data[:left])
                setattr(output, f"{name}_truncated", True)
                left = 0
            else:
                left -= len(data)
