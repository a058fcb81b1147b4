"""How long to search, and what all targets are fed with."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

_F = TypeVar("_F", bound=Callable[..., Any])

settings.register_profile(
    "fuzz", derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.register_profile("long", settings.get_profile("fuzz"), derandomize=False, print_blob=True)
LONG = os.environ.get("BASANITE_FUZZ") == "long"
_PROFILE = settings.get_profile("long" if LONG else "fuzz")


def fuzz(examples: int) -> Callable[[_F], _F]:
    """As hypothesis.settings: so many examples, a hundred times as many in a long run."""
    return settings(_PROFILE, max_examples=examples * (100 if LONG else 1))


@st.composite
def mutated(draw: st.DrawFn, documents: st.SearchStrategy[bytes], tokens: Sequence[bytes]) -> bytes:
    """A valid document with a few mistakes in it."""
    data = bytearray(draw(documents))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 8)))
        what = draw(st.sampled_from(("replace", "repeat", "bit", "cut")))
        if what == "replace":
            data[start:end] = draw(st.sampled_from(tokens) | st.binary(max_size=4))
        elif what == "repeat":
            data[start:start] = data[start:end] * draw(st.integers(1, 50))
        elif what == "bit" and start < len(data):
            data[start] ^= 1 << draw(st.integers(0, 7))
        elif what == "cut":
            del data[start : start + draw(st.integers(0, 200))]
    return bytes(data)
