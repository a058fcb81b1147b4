"""What a trainer's log gets to know about its rewards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from basanite._results import FailureReason, Outcome, Result
from basanite.trainers._checks import Rollout

PREFIX: Final = "basanite/"


def step_metrics(rollouts: Sequence[Rollout], seconds: float) -> dict[str, float]:
    """Numbers about one step, by name.

    seconds: how long the step waited for its verdicts.

        pass_rate           share of passed among the rollouts with a verdict; absent if there are none
        unparsable_rate     share without an answer, among the same
        failure_rate        share of rollouts with a Failure
        failures/REASON     the same by reason; all of them each time, so that averages over steps are right
        queue_seconds       mean from an item's arrival at the server to its start
        verdict_seconds     mean from an item's arrival to its verdict
        step_seconds        as given
    """
    reasons = Counter(rollout.failure.reason for rollout in rollouts if rollout.failure is not None)
    judged = [rollout for rollout in rollouts if rollout.failure is None]
    asked = [
        result
        for rollout in rollouts
        for result, sent in zip(rollout.results, rollout.sent, strict=True)
        if sent and result.verdict is not None
    ]
    values = {"step_seconds": seconds}
    if rollouts:
        values["failure_rate"] = (len(rollouts) - len(judged)) / len(rollouts)
        values |= {f"failures/{reason}": reasons[reason] / len(rollouts) for reason in FailureReason}
    if judged:
        values["pass_rate"] = sum(rollout.passed for rollout in judged) / len(judged)
        values["unparsable_rate"] = sum(not all(rollout.sent) for rollout in judged) / len(judged)
    if asked:
        values["queue_seconds"] = sum(result.usage.queue_seconds for result in asked) / len(asked)
        values["verdict_seconds"] = sum(map(_until_verdict, asked)) / len(asked)
    return {PREFIX + name: value for name, value in values.items()}


def _until_verdict(result: Result) -> float:
    return result.usage.queue_seconds + result.usage.wall_seconds


def queue_seconds_of(rollout: Rollout) -> float:
    """From its items' arrival at the server to their start, the longest; 0 if there was none."""
    return max((result.usage.queue_seconds for result in rollout.results), default=0.0)


def verdict_seconds_of(rollout: Rollout) -> float:
    """From its items' arrival at the server to their verdicts, the longest; 0 if there was none."""
    return max(map(_until_verdict, rollout.results), default=0.0)


def outcome_of(rollout: Rollout) -> str:
    """What became of it, in a word or two: "passed", "time_limit", "failure: overloaded"."""
    if rollout.failure is not None:
        return f"failure: {rollout.failure.reason}"
    return rollout.verdict.outcome.value if rollout.verdict is not None else Outcome.NOT_RUN.value


def message_of(rollout: Rollout) -> str:
    """Why it did not pass, in one sentence; "" if it did."""
    if rollout.failure is not None:
        return rollout.failure.message
    verdict = rollout.verdict
    if verdict is None or verdict.outcome is Outcome.PASSED:
        return ""
    if verdict.diagnostics:
        return verdict.diagnostics[0].message
    return next((case.message for case in verdict.cases if case.outcome is verdict.outcome), "")
