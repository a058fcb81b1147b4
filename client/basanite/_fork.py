"""What each process must have for itself, although fork() copies it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

_T = TypeVar("_T")

_lock = threading.Lock()
_inherited: Final[list[Any]] = []


def _reset() -> None:
    # Another thread of the parent may have held it.
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_reset)


class PerProcess(Generic[_T]):
    """One object per process, made when first asked for.

    A forked child that asks gets a new object. The parent's is neither used nor destroyed there: threads
    that it needs are missing, and its clean-up could disturb the parent.
    """

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._held: tuple[int, _T] | None = None

    def get(self) -> _T:
        """This process' object."""
        held = self._held
        if held is not None and held[0] == os.getpid():
            return held[1]
        with _lock:
            held = self._held
            if held is None or held[0] != os.getpid():
                if held is not None:
                    _inherited.append(held[1])
                held = self._held = (os.getpid(), self._make())
            return held[1]

    def peek(self) -> _T | None:
        """This process' object if it was made."""
        held = self._held
        return held[1] if held is not None and held[0] == os.getpid() else None
