"""What Failures become, and when there are too many to go on."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Literal

from basanite._errors import ConfigurationError, RewardUnavailable
from basanite._scores import unavailable
from basanite.trainers._checks import Rollout


def check_policy(on_failure: Literal["raise"] | float | None, max_failure_fraction: float) -> None:
    """Raises ConfigurationError for what is no policy."""
    number = isinstance(on_failure, (int, float)) and not isinstance(on_failure, bool)
    if not (on_failure is None or on_failure == "raise" or (number and math.isfinite(float(on_failure)))):
        raise ConfigurationError('on_failure must be "raise", None or a finite number')
    if not 0 <= max_failure_fraction <= 1:
        raise ConfigurationError("max_failure_fraction must be in [0, 1]")


def stop_if_too_many(rollouts: Sequence[Rollout], max_fraction: float) -> None:
    """Raises RewardUnavailable if more than this share of the rollouts have a Failure."""
    failed = [rollout for rollout in rollouts if rollout.failure is not None]
    if len(failed) > max_fraction * len(rollouts):
        raise too_many(failed, len(rollouts), max_fraction)


class RecentFailures:
    """For trainers that ask for one reward at a time: the share of Failures among the last rollouts."""

    def __init__(self, max_fraction: float, window: int = 256, least: int = 32) -> None:
        """window: how many rollouts count. least: so many are taken for judged from the start, so that the first
        Failure of a run is not half of all."""
        self._max_fraction = max_fraction
        self._least = least
        self._recent: deque[Rollout] = deque(maxlen=window)

    def add(self, rollout: Rollout) -> None:
        """Raises RewardUnavailable if the share is too large now."""
        self._recent.append(rollout)
        if rollout.failure is None:
            return
        failed = [each for each in self._recent if each.failure is not None]
        if len(failed) > self._max_fraction * max(len(self._recent), self._least):
            raise too_many(failed, len(self._recent), self._max_fraction)


def too_many(failed: Sequence[Rollout], total: int, max_fraction: float) -> RewardUnavailable:
    """The error for so many Failures."""
    error = unavailable(
        [result for rollout in failed for result in rollout.results if result.failure is not None][
            : len(failed)
        ],
        total,
    )
    return RewardUnavailable(f"{error} (max_failure_fraction is {max_fraction:g})", error.counts)
