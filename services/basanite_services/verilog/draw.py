"""Random draws that follow from a seed alone, whatever the version of Python."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """A stream of random draws. Only `getrandbits` is used, whose results no version of Python changes."""

    def __init__(self, seed: bytes) -> None:
        self._random = random.Random(int.from_bytes(seed, "big"))

    def bits(self, width: int) -> int:
        """0 to 2 ** width - 1, all equally likely."""
        return self._random.getrandbits(width)

    def below(self, end: int) -> int:
        """0 to end - 1; for ends far below 2 ** 32."""
        return (self._random.getrandbits(32) * end) >> 32

    def between(self, first: int, last: int) -> int:
        """first to last."""
        return first + self.below(last - first + 1)

    def one_in(self, count: int) -> bool:
        return self.below(count) == 0

    def pick(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        mixed = list(items)
        for end in range(len(mixed) - 1, 0, -1):
            other = self.below(end + 1)
            mixed[end], mixed[other] = mixed[other], mixed[end]
        return mixed
