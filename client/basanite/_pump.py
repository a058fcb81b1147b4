"""Items from whatever a caller gives: a list, a generator that blocks, or an asynchronous iterable."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Final, Generic, TypeVar

_T = TypeVar("_T")
_AHEAD: Final = 16  # items taken from an iterable before they are asked for


async def iterate(source: Iterable[_T] | AsyncIterable[_T]) -> AsyncIterator[_T]:
    """The items of a source, without blocking the event loop: iterables that may block run in a thread."""
    if isinstance(source, AsyncIterable):
        async for item in source:
            yield item
    elif isinstance(source, (list, tuple)):
        for item in source:
            yield item
    else:
        pump = _Pump(iter(source))
        try:
            while items := await pump.take():
                for item in items:
                    yield item
        finally:
            pump.stop()


class _Pump(Generic[_T]):
    """A daemon thread that iterates: one that waits for its source for ever must not keep the process
    alive."""

    def __init__(self, source: Iterator[_T]) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._items: deque[_T] = deque()
        self._slots = threading.Semaphore(_AHEAD)
        self._stopped = False
        self._ended = False
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="basanite-source", daemon=True).start()

    async def take(self) -> list[_T]:
        """Wait for items and return those that are here; [] at the end. Raises what the source raised."""
        while not self._items and not self._ended:
            self._news.clear()
            if not self._items and not self._ended:
                await self._news.wait()
        items = [self._items.popleft() for _ in range(len(self._items))]
        for _ in items:
            self._slots.release()
        if not items and self._error is not None:
            raise self._error
        return items

    def stop(self) -> None:
        """Take nothing more from the source."""
        self._stopped = True
        self._slots.release()

    def _run(self) -> None:
        try:
            while self._slots.acquire() and not self._stopped:
                self._items.append(next(self._source))
                self._wake()
        except StopIteration:
            pass
        except BaseException as error:  # goes to who takes
            self._error = error
        finally:
            self._ended = True
            self._wake()
            if self._stopped and hasattr(self._source, "close"):
                self._source.close()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:  # the event loop is closed: nobody takes any more
            self._stopped = True
