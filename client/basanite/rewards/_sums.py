"""The reward of rollouts that several verifiers judged."""

from __future__ import annotations

from collections.abc import Sequence

from basanite._results import Result
from basanite.rewards._shapes import Shape


def weighted_sum(*terms: tuple[Sequence[Result], Shape, float]) -> list[float | None]:
    """For each rollout the sum over verifiers of weight times shape, None where one of its results is a Failure: a sum
    without it would be a lower reward that the rollout did not earn.

    terms: (results, shape, weight) of each verifier, the results in the order of the rollouts.

    Raises ValueError if the verifiers have judged different numbers of rollouts.
    """
    if len({len(results) for results, _, _ in terms}) > 1:
        raise ValueError("every verifier must have a result for every rollout")
    rollouts = zip(*(results for results, _, _ in terms), strict=True)
    return [
        None
        if any(result.verdict is None for result in rollout)
        else sum(weight * shape(result) for result, (_, shape, weight) in zip(rollout, terms, strict=True))
        for rollout in rollouts
    ]
