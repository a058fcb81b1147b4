"""Items from many calls, sent together.

Trainers that ask for one reward at a time ask for many side by side. All items in flight of an event loop share one
VerifyStream call, in which those of one turn of the loop leave in one message, and a Result comes back as soon as it
is there, whatever its neighbours do. The first item opens the call; it ends when nobody waits any more, and takes no
more than a thousand items.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Final

from basanite._client import AsyncClient
from basanite._errors import ConnectionFailed
from basanite._results import Failure, FailureReason, Result
from basanite._tasks import Item

_CALL_ITEMS: Final = 1_000  # of one call; with another, a balancer can choose anew where the next ones go
_SLACK_SECONDS: Final = 0.1  # by which we outlive items' deadlines: their Failures say more than ours


class Together:
    """May be used from any thread and event loop, and on both sides of a fork."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._here = threading.local()
        self._tasks: set[asyncio.Task[None]] = set()  # kept, for their loops hold them weakly

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._client,)

    async def verify(self, items: Sequence[Item], seconds: float) -> list[Result]:
        """One Result per item, in order. What has no verdict after so many seconds gets a DEADLINE Failure.

        Cancelling it disturbs no other call. Errors as in AsyncClient.stream.
        """
        for item in items:
            if not isinstance(item, Item):
                raise TypeError(f"an Item is expected, not {type(item).__name__}")
        if not items:
            return []
        shared = self._shared()
        asked = [shared.add(item, seconds) for item in items]
        try:
            await asyncio.wait([future for _, future in asked], timeout=seconds + _SLACK_SECONDS)
            results = [future.result() if future.done() else self._late(seconds) for _, future in asked]
        finally:
            shared.leave([wire_id for wire_id, _ in asked])
        return [dataclasses.replace(result, id=item.id) for item, result in zip(items, results, strict=True)]

    def _shared(self) -> _Shared:
        place = (os.getpid(), asyncio.get_running_loop())
        shared: _Shared | None = getattr(self._here, "shared", None)
        if shared is None or shared.full or self._here.place != place:
            shared = _Shared(self._client)
            self._here.place, self._here.shared = place, shared
            self._tasks.add(shared.task)
            shared.task.add_done_callback(self._tasks.discard)
        return shared

    def _late(self, seconds: float) -> Result:
        if not self._client._transport.connected:
            raise ConnectionFailed(
                f"no Basanite server answered at {self._client.address} within {seconds:g} s"
            )
        failure = Failure(FailureReason.DEADLINE, f"no verdict within the item's deadline of {seconds:g} s")
        return Result("", None, failure)


class _Shared:
    """A stream that the calls of one event loop share."""

    def __init__(self, client: AsyncClient) -> None:
        self.full = False
        """True if it takes no more items."""
        self._client = client
        self._taken = 0
        self._waiting: dict[str, asyncio.Future[Result]] = {}
        self._unsent: deque[Item] = deque()
        self._unsent_or_end = asyncio.Event()
        self._abandoned: set[str] = set()  # sent, while nobody waits for them
        self._ending = False
        self.task = asyncio.get_running_loop().create_task(self._run())

    def add(self, item: Item, seconds: float) -> tuple[str, asyncio.Future[Result]]:
        """Send an item. Returns the id that it is sent under, and what becomes its Result."""
        wire_id = str(self._taken)
        self._taken += 1
        self.full = self._taken >= _CALL_ITEMS
        future = self._waiting[wire_id] = self.task.get_loop().create_future()
        own = item.deadline_seconds
        self._unsent.append(
            dataclasses.replace(item, id=wire_id, deadline_seconds=seconds if own is None else own)
        )
        self._unsent_or_end.set()
        return wire_id, future

    def leave(self, wire_ids: Iterable[str]) -> None:
        """Nobody waits for these any more."""
        for wire_id in wire_ids:
            if self._waiting.pop(wire_id, None) is not None:
                self._abandoned.add(wire_id)
        if self._abandoned and not self._waiting and not self._ending:
            self._end()
            self.task.cancel()  # and with it the runs on the server

    def _end(self) -> None:
        self.full = self._ending = True
        self._unsent_or_end.set()

    async def _items(self) -> AsyncIterator[Item]:
        while not self._ending:
            await self._unsent_or_end.wait()
            self._unsent_or_end.clear()
            while self._unsent:
                item = self._unsent.popleft()
                if item.id in self._waiting:
                    yield item
                else:
                    self._abandoned.discard(item.id)

    async def _run(self) -> None:
        try:
            async with aclosing(self._client.stream(self._items())) as results:
                async for result in results:
                    self._abandoned.discard(result.id)
                    future = self._waiting.pop(result.id, None)
                    if future is not None:
                        future.set_result(result)
                    if not self._waiting:
                        self._end()
                        if self._abandoned:
                            break
        except Exception as error:
            for future in self._waiting.values():
                future.set_exception(error)
                future.exception()  # seen, though a call may stop at the first of several
        finally:
            self._end()
            for future in self._waiting.values():
                future.cancel()
