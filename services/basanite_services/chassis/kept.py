"""What is made once for a task and used for all its candidates."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from basanite_sandboxes.spec import Limits
from basanite_services.chassis.verifier import TaskFault

Key: TypeAlias = tuple[bytes, Limits]
"""The seed, which follows from all that is trusted; and the limits, within which one may work and not within others."""
_MAX_FAULTS = 1_000


class Kept(Protocol):
    @property
    def memory_bytes(self) -> int:
        """About what it takes to keep it."""


T = TypeVar("T", bound=Kept)


class Store(Generic[T]):
    """The last used, as many as fit. One that several ask for at one time is made once, and so is one that cannot be
    made because it does not work."""

    def __init__(self, memory_bytes: int) -> None:
        self._room = memory_bytes
        self._kept: OrderedDict[bytes, T] = OrderedDict()
        self._faults: OrderedDict[Key, tuple[str, str]] = OrderedDict()
        """Field and message of the TaskFault that came of making it."""
        self._making: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def get(self, key: Key, make: Callable[[], Awaitable[T]]) -> T:
        """What belongs to a key, made if it is not kept. Raises what `make` raises, of which a TaskFault is kept."""
        if (found := self._find(key)) is not None:
            return found
        lock = self._making.get(key)
        if lock is None:
            lock = self._making[key] = asyncio.Lock()
        # Who waits makes it itself if the one before could not: it may have been cancelled.
        async with lock:
            if (found := self._find(key)) is not None:
                return found
            try:
                made = await make()
            except TaskFault as fault:
                self._faults[key] = (fault.field, str(fault))
                if len(self._faults) > _MAX_FAULTS:
                    self._faults.popitem(last=False)
                raise
            self._keep(key[0], made)
            return made

    def _find(self, key: Key) -> T | None:
        if key in self._faults:
            raise TaskFault(*self._faults[key])
        found = self._kept.get(key[0])
        if found is not None:
            self._kept.move_to_end(key[0])
        return found

    def _keep(self, seed: bytes, made: T) -> None:
        if made.memory_bytes > self._room:
            return
        self._kept[seed] = made
        while sum(one.memory_bytes for one in self._kept.values()) > self._room:
            self._kept.popitem(last=False)
