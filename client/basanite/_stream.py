"""A stream: items are taken from a source while Results come back, as they are ready."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Iterable
from contextlib import aclosing
from typing import Final

from basanite._errors import ItemFormatError
from basanite._pump import iterate
from basanite._results import Assurance, Result
from basanite._run import Entry, Member, Run, Sending, encode, invalid, item_limit, request_bytes, unsent
from basanite._tasks import Item
from basanite._transport import DuplexCall, RpcFailed, Transport
from basanite._window import Window

_IN_HAND: Final = 1_024  # items in flight and Results not taken; beyond, the source waits
_UNSENT_BYTES: Final = 8 << 20  # beyond, the source waits
_MESSAGE_BYTES: Final = 1 << 20
_END_SECONDS: Final = 0.25


class Stream(Run):
    """One VerifyStream call at a time, opened when there is something to send and again when it broke."""

    def __init__(
        self,
        transport: Transport,
        source: Iterable[Item] | AsyncIterable[Item],
        seconds: float | None,
        assurance: Assurance,
    ) -> None:
        super().__init__(transport, self._put, seconds)
        self._source = source
        self._assurance = assurance
        self._taken = 0
        self._source_ended = False
        self._ids: set[str] = set()  # in flight
        self._ready: deque[Entry] = deque()
        self._ready_bytes = 0
        self._flush_planned = False
        self._wanted = asyncio.Event()  # a call is
        self._call: DuplexCall | None = None
        self._sending: Sending | None = None
        self._window: Window = transport.window
        self._room = asyncio.Event()
        self._out: list[Result] = []
        self._news = asyncio.Event()
        self.finished.add_done_callback(lambda _: self._news.set())
        self._tasks = [self.loop.create_task(self._pump()), self.loop.create_task(self._connect())]
        for task in self._tasks:
            task.add_done_callback(self.task_ended)

    async def take(self) -> list[Result]:
        """Wait for Results and return those that are here; [] at the end."""
        while not self._out:
            if self.finished.done():
                self.finished.result()
                return []
            self._news.clear()
            await self._news.wait()
        results, self._out = self._out, []
        self._room.set()
        return results

    async def close(self) -> None:
        """End the stream. Items in flight are abandoned."""
        ended_well = self.finished.done() and self.finished.exception() is None
        self.release()
        pump, connection = self._tasks
        pump.cancel()
        try:
            if ended_well and self._call is not None:
                self._call.finish()
                await asyncio.wait([connection], timeout=_END_SECONDS)
        finally:
            connection.cancel()
            try:
                await asyncio.gather(pump, connection, return_exceptions=True)
            finally:
                self._window.release(len(self._ids))
                self._ids.clear()

    # The source

    async def _pump(self) -> None:
        if not self.transport.connected:
            # Before the deadline is watched: a server that is not there is an error, not an empty stream.
            await self.transport.ready(self.remaining())
        left = self.remaining()
        if left is not None:
            self.later(left, self._end_source)
        async with aclosing(iterate(self._source)) as items:  # type: ignore[type-var]
            async for item in items:
                await self._accept(item)
        self._source_ended = True
        self.check_finished()

    def _end_source(self) -> None:
        self._source_ended = True
        self._tasks[0].cancel()
        self.check_finished()

    async def _accept(self, item: Item) -> None:
        if not isinstance(item, Item):
            raise TypeError(f"an Item is expected, not {type(item).__name__}")
        taken_at = self.loop.time()
        index = self._taken
        self._taken += 1
        item_id = item.id if isinstance(item.id, str) and item.id else f"item-{index}"
        while not item.id and item_id in self._ids:
            item_id += "+"
        try:
            body, required = encode(item, self._assurance)
            if item_id in self._ids:
                raise ItemFormatError("id", "must be unique among the items in flight")
        except ItemFormatError as error:
            self._put(index, unsent(item_id, error))
            return
        entry = Entry(item_id, body, required, [Member(index, item_id, item.deadline_seconds)])
        await self._wait_for_room()
        await self._window.acquire(1, 1)
        self._ids.add(item_id)
        self.enter(entry, taken_at)
        self.push([entry])

    async def _wait_for_room(self) -> None:
        while (
            self.open_members + len(self._out) >= _IN_HAND
            or self._ready_bytes + (self._call.unsent_bytes if self._call is not None else 0) >= _UNSENT_BYTES
        ):
            self._room.clear()
            await self._room.wait()

    # Results

    def _put(self, key: int, result: Result) -> None:
        self._out.append(result)
        self._news.set()

    def settled(self, entry: Entry) -> None:
        self._ids.discard(entry.wire_id)
        self._window.release(1)
        self._room.set()

    def all_delivered(self) -> None:
        if self._source_ended:
            super().all_delivered()

    # The call

    def push(self, entries: list[Entry]) -> None:
        self._ready.extend(entries)
        self._ready_bytes += sum(entry.size for entry in entries)
        if self._sending is None or self._sending.ended:
            self._wanted.set()
        elif not self._flush_planned:
            # Soon, not now: what the source gives at one go leaves in one message.
            self._flush_planned = True
            self.loop.call_soon(self._flush)

    async def _connect(self) -> None:
        while not self.finished.done():
            await self._wanted.wait()
            self._wanted.clear()
            if not self._ready:
                continue
            try:
                await self.transport.ready(self.remaining())
            except RpcFailed as error:
                waiting = list(self._ready)
                self._ready.clear()
                self._ready_bytes = 0
                self.call_ended(waiting, error)
                continue
            await self._converse()
            if self._ready:
                self._wanted.set()

    async def _converse(self) -> None:
        """Send and receive until the call ends."""
        call = self._call = self.transport.start_stream(self._room.set)
        sending = self._sending = Sending(call, ())
        error: RpcFailed | None = None
        try:
            self._flush()
            while messages := await call.take():
                for message in messages:
                    for proto in message.results:
                        self.receive(sending, proto)
                self.check_finished()
        except RpcFailed as failed:
            error = failed
        finally:
            self._call = self._sending = None
            call.cancel()
        self.call_ended(list(sending.entries.values()), error)

    def _flush(self) -> None:
        self._flush_planned = False
        sending, call = self._sending, self._call
        if sending is None or call is None or sending.ended:
            if self._ready:
                self._wanted.set()
            return
        info = self.transport.last_info
        most = item_limit(info.request_limits) if info is not None else _MESSAGE_BYTES
        message: list[Entry] = []
        size = 0
        while self._ready:
            entry = self._ready.popleft()
            self._ready_bytes -= entry.size
            if entry.done:
                continue
            if entry.size > most:
                self.fail(entry, invalid(ItemFormatError("item", f"must be at most {most} bytes")))
                continue
            if message and size + entry.message_size() > _MESSAGE_BYTES:
                call.send(request_bytes(message))
                message, size = [], 0
            message.append(entry)
            size += entry.message_size()
            sending.add(entry)
        if message:
            call.send(request_bytes(message))
        self.check_finished()
