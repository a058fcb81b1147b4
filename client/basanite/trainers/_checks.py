"""How completions are judged, the same for every trainer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from basanite._errors import ConfigurationError
from basanite._results import (
    Assurance,
    Diagnostic,
    Failure,
    Outcome,
    Part,
    PartState,
    Result,
    Severity,
    Verdict,
)
from basanite._tasks import Item
from basanite.rewards import Shape, binary
from basanite.rewards._shapes import FORMAT_PART
from basanite.trainers._extract import Extractor, NoAnswer, whole_text
from basanite.trainers._items import ItemBuilder


@dataclass(frozen=True, slots=True)
class Check:
    """One way in which a completion is judged, and what that is worth."""

    items: ItemBuilder
    extract: Extractor = whole_text
    shape: Shape = binary
    weight: float = 1.0
    """Raises ConfigurationError unless it is a finite number."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight):
            raise ConfigurationError("the weight of a Check must be a finite number")


@dataclass(frozen=True, slots=True)
class Rollout:
    """A completion that was judged."""

    results: tuple[Result, ...]
    """One per Check."""
    sent: tuple[bool, ...]
    """Whether a server was asked, per Check."""

    @property
    def failure(self) -> Failure | None:
        """The first Failure among the results. With one there is no reward."""
        failed = self.failed_result
        return None if failed is None else failed.failure

    @property
    def failed_result(self) -> Result | None:
        """The first Result with a Failure."""
        return next((result for result in self.results if result.failure is not None), None)

    @property
    def passed(self) -> bool:
        """Whether every Check passed."""
        return all(result.passed for result in self.results)

    @property
    def verdict(self) -> Verdict | None:
        """The first that did not pass, else the first; None if there is a Failure."""
        if self.failure is not None:
            return None
        verdicts = [result.verdict for result in self.results if result.verdict is not None]
        return next((v for v in verdicts if v.outcome is not Outcome.PASSED), verdicts[0])


class Step:
    """The completions that are judged in one go.

    `items` are to be sent; rollouts() wants their Results.
    """

    def __init__(
        self, checks: Sequence[Check], completions: Sequence[str], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """rows: of the data set, one per completion. Raises ConfigurationError if they lack a column."""
        self.items: list[Item] = []
        self._checks = checks
        self._plan = [
            [self._place(check, completion, row) for check in checks]
            for completion, row in zip(completions, rows, strict=True)
        ]

    def _place(self, check: Check, completion: str, row: Mapping[str, Any]) -> Result | int:
        """The Result, if it is clear already, or where the item's will be."""
        answer: object = check.extract(completion)
        if isinstance(answer, NoAnswer):
            return _unparsable(answer)
        if not isinstance(answer, str):  # as an item it would be a Failure, and leave the baseline
            raise TypeError(
                f"the extractor {_name(check.extract)} gave {type(answer).__name__}; a str or NoAnswer is needed"
            )
        item = check.items(answer, row)
        if isinstance(item, Failure):
            return Result("", None, item)
        self.items.append(item)
        return len(self.items) - 1

    def rollouts(self, results: Sequence[Result]) -> list[Rollout]:
        """The completions with their Results, in their order.

        results: of `items`, in their order.
        """
        return [
            Rollout(
                tuple(results[place] if isinstance(place, int) else place for place in plan),
                tuple(isinstance(place, int) for place in plan),
            )
            for plan in self._plan
        ]


def reward_of(rollout: Rollout, checks: Sequence[Check]) -> float:
    """The weighted sum over the Checks of a rollout without a Failure.

    Raises ResultHasNoScore for verdicts without a score, ValueError if a shape or the sum is no finite number.
    """
    total = 0.0
    for check, result in zip(checks, rollout.results, strict=True):
        total += check.weight * finite(check.shape(result), f"the shape {_name(check.shape)}")
    return finite(total, "the weighted sum")


def finite(value: float, what: str) -> float:
    """The number. Raises ValueError if it is none: trainers take NaN for a reward that is missing."""
    try:
        if math.isfinite(value):
            return float(value)
    except (TypeError, OverflowError):
        pass
    raise ValueError(f"{what} gave {value!r}, where a finite number is needed")


def _unparsable(answer: NoAnswer) -> Result:
    verdict = Verdict(
        Outcome.REJECTED,
        0.0,
        Assurance.SEPARATED,
        parts=(Part(FORMAT_PART, PartState.FAIL, 0.0),),
        score_policy=FORMAT_PART,
        diagnostics=(Diagnostic(Severity.ERROR, answer.message, line=answer.line),),
    )
    return Result("", verdict)


def _name(function: Callable[..., object]) -> str:
    return getattr(function, "__name__", type(function).__name__)
