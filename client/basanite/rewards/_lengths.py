"""Shaping by the length of a completion, which no verifier sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

LengthShape: TypeAlias = Callable[[int], float]
"""From a number of tokens to what is added to the reward."""


def overlong_penalty(max_tokens: int, buffer_tokens: int, weight: float = 1.0) -> LengthShape:
    """Nothing up to max_tokens - buffer_tokens, then linearly down to -weight at `max_tokens`, and -weight beyond.

    DAPO's soft overlong punishment (Yu et al. 2025, arXiv 2503.14476, equation 13). verl's DAPORewardManager
    (verl/experimental/reward_loop/reward_manager/dapo.py) goes on falling beyond `max_tokens`; the paper does not.

    Raises ValueError unless 0 < buffer_tokens <= max_tokens and weight >= 0.
    """
    if not 0 < buffer_tokens <= max_tokens:
        raise ValueError("buffer_tokens must be above 0 and at most max_tokens")
    if not weight >= 0:
        raise ValueError("weight must be at least 0")
    free = max_tokens - buffer_tokens

    def shape(token_count: int) -> float:
        return -weight * min(max(0, token_count - free) / buffer_tokens, 1.0)

    return shape
