"""From results to the numbers a trainer wants, where no Failure becomes a number by itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Literal, overload

from basanite._errors import RewardUnavailable
from basanite._results import Result

_MESSAGES_SHOWN = 3


@overload
def scores(results: Iterable[Result], *, on_failure: Literal["raise"] | float = "raise") -> list[float]: ...
@overload
def scores(results: Iterable[Result], *, on_failure: None) -> list[float | None]: ...
def scores(
    results: Iterable[Result], *, on_failure: Literal["raise"] | float | None = "raise"
) -> list[float] | list[float | None]:
    """The scores of results, in order.

    `on_failure` says what a Failure becomes: "raise", None, or a finite number. A number gives candidates
    whom our own trouble hit a reward they did not earn, so set it only where the trainer knows which ones
    those are.

    Raises RewardUnavailable if there are Failures and `on_failure` is "raise"; ResultHasNoScore for verdicts
    on runs that nobody asked to judge, always; ValueError if `on_failure` is none of the above.
    """
    if on_failure is not None and on_failure != "raise":
        if isinstance(on_failure, (bool, str)) or not isinstance(on_failure, (int, float)):
            raise ValueError('on_failure must be "raise", None or a number')
        if not math.isfinite(on_failure):
            raise ValueError("on_failure must be a finite number")
        on_failure = float(on_failure)
    results = list(results)
    failed = [result for result in results if result.verdict is None]
    if on_failure != "raise":
        return [on_failure if result.verdict is None else result.score for result in results]
    if failed:
        raise unavailable(failed, len(results))
    return [result.score for result in results]


def unavailable(failed: list[Result], total: int) -> RewardUnavailable:
    """The error that says which Failures there are among so many results."""
    counts = Counter("UNKNOWN" if r.failure is None else r.failure.reason.name for r in failed)
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    messages = dict.fromkeys(f"{r.id}: {r.failure.message}" for r in failed if r.failure is not None)
    shown = "; ".join(list(messages)[:_MESSAGES_SHOWN])
    return RewardUnavailable(
        f"{len(failed)} of {total} results are Failures ({reasons}). First: {shown}", counts
    )
