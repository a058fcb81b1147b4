"""Shapes: from one Result to a number."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias

from basanite._results import PartState, Result

Shape: TypeAlias = Callable[[Result], float]
"""Raises ResultHasNoScore where there is nothing to shape."""

FORMAT_PART: Final = "format"
"""Name of the part that says whether a completion held an answer at all."""


def binary(result: Result) -> float:
    """1 if the candidate passed everything, else 0."""
    return 1.0 if result.score == 1.0 else 0.0


def fraction(result: Result) -> float:
    """The share of the cases that passed, by weight: the verdict's score, in [0, 1]."""
    return result.score


def threshold(minimum: float) -> Shape:
    """1 if the score is at least `minimum`, which is in (0, 1], else 0. Raises ValueError."""
    if not 0 < minimum <= 1:
        raise ValueError("minimum must be above 0 and at most 1")
    return lambda result: 1.0 if result.score >= minimum else 0.0


def well_formed(result: Result) -> float:
    """1 if the completion held an answer in the form that was asked for, else 0. Says nothing about the answer."""
    _ = result.score
    parts = () if result.verdict is None else result.verdict.parts
    bad = any(part.name == FORMAT_PART and part.state is PartState.FAIL for part in parts)
    return 0.0 if bad else 1.0


def timely(full_until_seconds: float, least_from_seconds: float, least: float = 0.5) -> Shape:
    """1 for a candidate that passed within `full_until_seconds` of CPU time over all its cases, `least` from
    `least_from_seconds` on, linear in between; 0 for one that did not pass, however fast it was.

    CPU time varies by some per cent from run to run, so leave room between the two. Raises ValueError.
    """
    if not 0 <= full_until_seconds < least_from_seconds < math.inf:
        raise ValueError("full_until_seconds must be at least 0 and below least_from_seconds")
    if not 0 <= least <= 1:
        raise ValueError("least must be in [0, 1]")

    def shape(result: Result) -> float:
        if result.score < 1.0:
            return 0.0
        late = (result.usage.cpu_seconds - full_until_seconds) / (least_from_seconds - full_until_seconds)
        return 1.0 - (1.0 - least) * min(max(late, 0.0), 1.0)

    return shape


def weighted(*terms: tuple[Shape, float]) -> Shape:
    """The sum of shapes of one Result, each times its weight. Raises ValueError."""
    if not terms:
        raise ValueError("at least one (shape, weight) is needed")
    if not all(math.isfinite(weight) for _, weight in terms):
        raise ValueError("weights must be finite numbers")
    return lambda result: sum(weight * shape(result) for shape, weight in terms)
