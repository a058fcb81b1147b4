"""What is made once for a task and used for all its candidates."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar
from weakref import WeakValueDictionary


class Kept(Protocol):
    @property
    def memory_bytes(self) -> int:
        """About what it takes to keep it."""


T = TypeVar("T", bound=Kept)


class Store(Generic[T]):
    """The last used, as many as fit. One that several ask for at one time is made once."""

    def __init__(self, memory_bytes: int) -> None:
        self._room = memory_bytes
        self._kept: OrderedDict[bytes, T] = OrderedDict()
        self._making: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def get(self, key: bytes, make: Callable[[], Awaitable[T]]) -> T:
        """What belongs to a key, made if it is not kept. Raises what `make` raises, of which nothing is kept."""
        if (found := self._find(key)) is not None:
            return found
        lock = self._making.get(key)
        if lock is None:
            lock = self._making[key] = asyncio.Lock()
        # Who waits makes it itself if the one before could not: it may have been cancelled.
        async with lock:
            if (found := self._find(key)) is not None:
                return found
            made = await make()
            self._keep(key, made)
            return made

    def _find(self, key: bytes) -> T | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def _keep(self, key: bytes, made: T) -> None:
        if made.memory_bytes > self._room:
            return
        self._kept[key] = made
        while sum(one.memory_bytes for one in self._kept.values()) > self._room:
            self._kept.popitem(last=False)
