"""The bounded queue: how many items the server has taken on and not yet delivered.

A batch is taken whole or refused at once. A stream waits for its turn instead, item by item, so that its
caller is slowed down by flow control. Streams together hold at most half of the places: else one stream
that sends without end would lock every batch out.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

_WINDOW_SECONDS = 10.0
_MIN_RETRY_SECONDS = 0.05
_MAX_RETRY_SECONDS = 60.0
_UNKNOWN_RETRY_SECONDS = 1.0


class QueueFull(Exception):
    """There is no room for the batch now."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Closed(Exception):
    """The server is draining and takes nothing more."""


class Admission:
    """Counts places. All methods are for the event loop's thread."""

    def __init__(self, capacity: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity = capacity
        self.refused_batches = 0
        self._used = 0
        self._in_streams = 0
        self._stream_capacity = max(1, capacity // 2)
        self._clock = clock
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._empty = asyncio.Event()
        self._empty.set()
        # [second, items delivered in it], the oldest first.
        self._delivered: deque[list[float]] = deque()

    @property
    def used(self) -> int:
        """Places taken."""
        return self._used

    def take(self, count: int) -> None:
        """Take `count` places now. Raises QueueFull or Closed."""
        if self._closed:
            raise Closed
        if self._used + count > self.capacity:
            self.refused_batches += 1
            raise QueueFull(
                f"the queue is full: {self._used} of {self.capacity} places are taken and {count} are needed",
                self._retry_after(count),
            )
        self._occupy(count)

    async def take_for_stream(self) -> None:
        """Take one place, waiting for it behind the streams that already wait. Raises Closed."""
        if self._closed:
            raise Closed
        if not self._waiters and self._room_for_stream():
            self._in_streams += 1
            self._occupy(1)
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # The place was given in the same moment: pass it on.
                self.give_back(1, stream=True)
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            raise

    def force_for_stream(self) -> None:
        """Take a place whether there is one or not: for what must be answered though we are closed."""
        self._in_streams += 1
        self._occupy(1)

    def give_back(self, count: int, *, stream: bool = False, delivered: bool = False) -> None:
        """Free `count` places; `delivered` if their results went out, which tells how fast we are."""
        self._used -= count
        if stream:
            self._in_streams -= count
        if delivered:
            self._note(count)
        self._wake()
        if self._used == 0:
            self._empty.set()

    def close(self) -> None:
        """Take nothing more; streams that wait for a place get Closed."""
        self._closed = True
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(Closed())

    async def wait_empty(self) -> None:
        """Wait until every item was delivered."""
        await self._empty.wait()

    def _occupy(self, count: int) -> None:
        self._used += count
        if count:
            self._empty.clear()

    def _room_for_stream(self) -> bool:
        return self._used < self.capacity and self._in_streams < self._stream_capacity

    def _wake(self) -> None:
        while self._waiters and self._room_for_stream():
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._in_streams += 1
                self._occupy(1)
                waiter.set_result(None)

    def _note(self, count: int) -> None:
        now = self._clock()
        if self._delivered and now - self._delivered[-1][0] < 1.0:
            self._delivered[-1][1] += count
        else:
            self._delivered.append([now, count])
        while self._delivered[0][0] < now - _WINDOW_SECONDS:
            self._delivered.popleft()

    def _retry_after(self, count: int) -> float:
        now = self._clock()
        recent = [(second, items) for second, items in self._delivered if second >= now - _WINDOW_SECONDS]
        if not recent:
            return _UNKNOWN_RETRY_SECONDS
        per_second = sum(items for _, items in recent) / max(1.0, now - recent[0][0])
        missing = self._used + count - self.capacity
        return min(_MAX_RETRY_SECONDS, max(_MIN_RETRY_SECONDS, missing / per_second))
