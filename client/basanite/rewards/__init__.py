"""What a Result is worth to a trainer: small pure functions.

    from basanite.rewards import binary, fraction, weighted, well_formed

    shape = weighted((binary, 1.0), (well_formed, 0.1))
    reward = shape(result)

A Shape makes a number from one Result with a Verdict. A Failure has none: shapes raise ResultHasNoScore for it, and
so they do for a verdict on a run that nobody asked to judge. What a Failure becomes is decided where the numbers are
handed over (see scores() and the adapters in basanite.trainers).
"""

from __future__ import annotations

from basanite.rewards._groups import GroupStatistics, group_statistics
from basanite.rewards._lengths import LengthShape, overlong_penalty
from basanite.rewards._shapes import Shape, binary, fraction, threshold, timely, weighted, well_formed
from basanite.rewards._sums import weighted_sum

__all__ = [
    "GroupStatistics",
    "LengthShape",
    "Shape",
    "binary",
    "fraction",
    "group_statistics",
    "overlong_penalty",
    "threshold",
    "timely",
    "weighted",
    "weighted_sum",
    "well_formed",
]
