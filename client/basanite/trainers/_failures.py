"""What Failures become, and when there are too many to go on."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Literal

from basanite._errors import ConfigurationError, RewardUnavailable
from basanite._results import Result
from basanite._scores import unavailable
from basanite.trainers._checks import Rollout


def check_policy(on_failure: Literal["raise"] | float | None, max_failure_fraction: float) -> None:
    """Raises ConfigurationError for what is no policy."""
    number = isinstance(on_failure, (int, float)) and not isinstance(on_failure, bool)
    if not (on_failure is None or on_failure == "raise" or (number and math.isfinite(float(on_failure)))):
        raise ConfigurationError('on_failure must be "raise", None or a finite number')
    if not 0 <= max_failure_fraction <= 1:
        raise ConfigurationError("max_failure_fraction must be in [0, 1]")


def stop_if_any(rollouts: Sequence[Rollout]) -> None:
    """Raises RewardUnavailable if a rollout has a Failure."""
    if failed := _failed(rollouts):
        raise unavailable(failed, len(rollouts))


def stop_if_too_many(rollouts: Sequence[Rollout], max_fraction: float) -> None:
    """Raises RewardUnavailable if more than this share of the rollouts have a Failure."""
    failed = _failed(rollouts)
    if len(failed) > max_fraction * len(rollouts):
        raise _too_many(failed, len(rollouts), max_fraction)


def _failed(rollouts: Sequence[Rollout]) -> list[Result]:
    return [result for rollout in rollouts if (result := rollout.failed_result) is not None]


class RecentFailures:
    """For trainers that ask for one reward at a time: the share of Failures among the last rollouts.

    Once it was too large that is so for good: a trainer may go on without the samples whose call raised.
    """

    def __init__(self, max_fraction: float, window: int = 256, least: int = 32) -> None:
        """window: how many rollouts count. least: so many are taken for judged from the start, so that the first
        Failure of a run is not half of all."""
        self._max_fraction = max_fraction
        self._least = least
        self._recent: deque[Result | None] = deque(maxlen=window)  # None where there was no Failure
        self._error: RewardUnavailable | None = None

    def check(self) -> None:
        """Raises RewardUnavailable if the share is, or was, too large."""
        if self._error is not None:
            raise RewardUnavailable(str(self._error), self._error.counts)

    def add(self, rollout: Rollout) -> None:
        """Raises RewardUnavailable if the share is, or was, too large."""
        failed_result = rollout.failed_result
        self._recent.append(failed_result)
        if failed_result is not None and self._error is None:
            recent = list(self._recent)  # at once: other threads add to it
            failed = [result for result in recent if result is not None]
            if len(failed) > self._max_fraction * max(len(recent), self._least):
                self._error = _too_many(failed, len(recent), self._max_fraction)
        self.check()


def _too_many(failed: list[Result], total: int, max_fraction: float) -> RewardUnavailable:
    error = unavailable(failed, total)
    return RewardUnavailable(f"{error} (max_failure_fraction is {max_fraction:g})", error.counts)
