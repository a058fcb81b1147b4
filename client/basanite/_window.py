"""How much of the server's queue this process may fill."""

from __future__ import annotations

import asyncio
import threading
from collections import deque


class _Waiter:
    __slots__ = ("future", "granted", "least", "loop", "most")

    def __init__(self, least: int, most: int) -> None:
        self.least = least
        self.most = most
        self.granted = 0
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[int] = self.loop.create_future()

    def wake(self) -> None:
        if not self.future.done():
            self.future.set_result(self.granted)


class Window:
    """A counter of places, shared by all calls of a connection, whatever their thread and event loop.
    Waiters are served in order."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._used = 0
        self._lock = threading.Lock()
        self._waiters: deque[_Waiter] = deque()

    def resize(self, capacity: int) -> None:
        """Set the number of places, at least 1."""
        if capacity != self.capacity:
            with self._lock:
                self.capacity = capacity
                self._grant()

    async def acquire(self, least: int, most: int) -> int:
        """Wait for `least` places (or all there are), take up to `most`, return how many were taken. Both are at
        least 1."""
        if least < 1 or most < 1:
            raise ValueError("at least one place")
        with self._lock:
            if not self._waiters and (got := self._take(least, most)):
                return got
            waiter = _Waiter(least, most)
            self._waiters.append(waiter)
        try:
            return await waiter.future
        except asyncio.CancelledError:
            with self._lock:
                if waiter.granted:
                    self._used -= waiter.granted
                else:
                    self._waiters.remove(waiter)
                self._grant()
            raise

    def release(self, count: int) -> None:
        """Give places back."""
        if count:
            with self._lock:
                self._used -= count
                self._grant()

    def _take(self, least: int, most: int) -> int:
        free = self.capacity - self._used
        if free < min(least, self.capacity):
            return 0
        got = min(free, most)
        self._used += got
        return got

    def _grant(self) -> None:
        while self._waiters:
            waiter = self._waiters[0]
            got = self._take(waiter.least, waiter.most)
            if not got:
                return
            self._waiters.popleft()
            waiter.granted = got
            try:
                waiter.loop.call_soon_threadsafe(waiter.wake)
            except RuntimeError:  # its event loop is closed
                self._used -= got
