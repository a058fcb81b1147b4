"""Which groups of rollouts can teach anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from basanite._results import Result


@dataclass(frozen=True, slots=True)
class GroupStatistics:
    """How many groups there are of each sort. A group is the rollouts of one prompt; those with a Failure do not
    count."""

    groups: int
    all_pass: int
    """Too easy: every advantage is 0."""
    all_fail: int
    """Too hard: with a binary reward every advantage is 0."""
    mixed: int
    """What training learns from."""
    unjudged: int
    """Groups of Failures alone."""


def group_statistics(results: Sequence[Result], group_size: int) -> GroupStatistics:
    """Sort groups by whether their rollouts passed.

    results: group after group, each `group_size` long.

    Raises ValueError if the results are no whole number of groups.
    """
    if group_size < 1 or len(results) % group_size:
        raise ValueError(f"{len(results)} results are no whole number of groups of {group_size}")
    kinds = [
        {result.passed for result in results[start : start + group_size] if result.verdict is not None}
        for start in range(0, len(results), group_size)
    ]
    return GroupStatistics(
        groups=len(kinds),
        all_pass=kinds.count({True}),
        all_fail=kinds.count({False}),
        mixed=kinds.count({True, False}),
        unjudged=kinds.count(set()),
    )
