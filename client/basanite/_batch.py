"""A batch: items in, Results in the same order out."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final

import grpc

from basanite._errors import ItemFormatError
from basanite._results import Assurance, Result
from basanite._run import Entry, Member, Run, Sending, encode, invalid, item_limit, request_bytes, unsent
from basanite._server_info import RequestLimits
from basanite._tasks import Item
from basanite._transport import RpcFailed, Transport
from basanite._window import Window
from basanite.v1 import verifier_pb2

_MAX_CALLS: Final = 4  # of one batch at one time
_MESSAGE_BYTES: Final = 8 << 20  # a server can start on a message only when all of it is there
_DEFAULT_ITEMS: Final = 1_000  # where a server does not state its limit
_WORK_SECONDS: Final = 0.01  # how long the event loop may be kept busy
_END_SECONDS: Final = 0.25  # how long to wait for the end of a call that has answered everything


async def verify_batch(
    transport: Transport,
    items: Sequence[Item],
    seconds: float | None,
    assurance: Assurance,
    on_progress: Callable[[int, int], None] | None,
) -> list[Result]:
    """One Result per item, in order. For errors see AsyncClient.verify_batch."""
    return await _Batch(transport, items, seconds, assurance, on_progress).run()


class _Batch(Run):
    def __init__(
        self,
        transport: Transport,
        items: Sequence[Item],
        seconds: float | None,
        assurance: Assurance,
        on_progress: Callable[[int, int], None] | None,
    ) -> None:
        super().__init__(transport, self._put, seconds)
        self._items = items
        self._assurance = assurance
        self._results: list[Result | None] = [None] * len(items)
        self._on_progress = on_progress
        self._reported = 0
        self._callback_error: Exception | None = None
        self._delivered = 0
        self._ready: deque[Entry] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()  # whose calls have answered everything
        self._most_items: int | None = None  # of one call, as a full server taught us

    async def run(self) -> list[Result]:
        try:
            entries = await self._prepare()
            if entries:
                if not self.transport.connected:
                    # Before any deadline is watched: a server that is not there is an error, not many
                    # Failures.
                    await self.transport.ready(self.remaining())
                for entry in entries:
                    self.enter(entry, self.start)
                self.push(entries)
                await self.finished
                if self._closing:
                    await asyncio.wait(self._closing)
            self._report()
            if self._callback_error is not None:  # it came after the last result
                raise self._callback_error
        finally:
            self.release()
            for worker in self._workers:
                worker.cancel()
            if self._workers:
                await asyncio.gather(*self._workers, return_exceptions=True)
        return list(map(_present, self._results))

    # Preparing

    async def _prepare(self) -> list[Entry]:
        """Convert the items. Those that cannot be sent get their Failures."""
        given = Counter(item.id for item in self._items if isinstance(item.id, str) and item.id)
        entries: list[Entry] = []
        same: dict[bytes, Entry] = {}
        pause = self.loop.time() + _WORK_SECONDS
        for index, item in enumerate(self._items):
            item_id = item.id if isinstance(item.id, str) and item.id else _automatic_id(index, given)
            try:
                body, required = encode(item, self._assurance)
                if given[item.id] > 1:
                    raise ItemFormatError(
                        "id", f"must be unique in its batch, but {given[item.id]} items have it"
                    )
            except ItemFormatError as error:
                self._put(index, unsent(item_id, error))
                continue
            member = Member(index, item_id, item.deadline_seconds)
            entry = same.get(body) if item.cache else None
            if entry is not None:
                entry.members.append(member)
            else:
                entry = Entry(item_id, body, required, [member])
                entries.append(entry)
                if item.cache:
                    same[body] = entry
            if self.loop.time() > pause:
                await asyncio.sleep(0)
                pause = self.loop.time() + _WORK_SECONDS
        return entries

    # Delivering

    def _put(self, key: int, result: Result) -> None:
        self._results[key] = result
        self._delivered += 1

    def _report(self) -> None:
        if self._on_progress is None or self._delivered == self._reported or self._callback_error is not None:
            return
        self._reported = self._delivered
        try:
            self._on_progress(self._delivered, len(self._items))
        except Exception as error:
            self._callback_error = error
            self.stop(error)

    def settled(self, entry: Entry) -> None:
        pass

    # Sending

    def push(self, entries: list[Entry]) -> None:
        self._ready.extend(entries)
        self._start_worker(2 * _MAX_CALLS)  # what is tried again need not wait for a long call to end

    def _start_worker(self, most: int = _MAX_CALLS) -> None:
        if self._ready and len(self._workers) < most:
            worker = self.loop.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._worker_ended)

    def _worker_ended(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._closing.discard(worker)
        self.task_ended(worker)
        self._start_worker()  # for what came while it was ending

    async def _work(self) -> None:
        while self._ready:
            try:
                info = await self.transport.ready(self.remaining())
            except RpcFailed as error:
                waiting = list(self._ready)
                self._ready.clear()
                self.call_ended(waiting, error)
                return
            if not self._ready:  # another worker took it meanwhile
                break
            limits = info.request_limits
            window = self.transport.window
            aim = min(
                len(self._ready), limits.max_batch_items if limits.max_batch_items > 0 else _DEFAULT_ITEMS
            )
            if len(self._ready) > window.capacity:
                aim = min(aim, max(1, window.capacity // _MAX_CALLS))  # one call fills up while others empty
            if self._most_items is not None:
                aim = min(aim, self._most_items)
            granted = await window.acquire(min(aim, max(1, window.capacity // 8)), aim)
            chunk = self._cut(granted, limits)
            window.release(granted - len(chunk))
            self._start_worker()
            if chunk:
                await self._send(chunk, window)
        self.check_finished()

    def _cut(self, count: int, limits: RequestLimits) -> list[Entry]:
        """Take what fits in one call."""
        most = item_limit(limits)
        room = min(_MESSAGE_BYTES, limits.max_message_bytes if limits.max_message_bytes > 0 else most)
        chunk: list[Entry] = []
        while self._ready and len(chunk) < count:
            entry = self._ready[0]
            if not entry.done and entry.size <= most:
                room -= entry.message_size()
                if room < 0 and chunk:
                    break
                chunk.append(entry)
            self._ready.popleft()
            if not entry.done and entry.size > most:
                rule = f"must be at most {most} bytes"
                self.fail(entry, invalid(ItemFormatError("item", rule)))
        return chunk

    async def _send(self, chunk: list[Entry], window: Window) -> None:
        call = self.transport.start(request_bytes(chunk), len(chunk) == 1, self.call_seconds(chunk))
        sending = Sending(call, chunk)
        held = len(chunk)
        error: RpcFailed | None = None
        try:
            while messages := await self._take(sending):
                answered = 0
                for message in messages:
                    for proto in message.results:
                        answered += self.receive(sending, proto)
                window.release(answered)
                held -= answered
                self._report()
                self.check_finished()
        except RpcFailed as failed:
            error = failed
        finally:
            window.release(held)
            call.cancel()
        if error is not None and error.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            # A batch is admitted whole or not at all: a smaller one may find room.
            self._most_items = max(1, len(chunk) // 2)
        self.call_ended(list(sending.entries.values()), error)
        self._report()

    async def _take(self, sending: Sending) -> list[verifier_pb2.VerifyBatchResponse]:
        if sending.entries:
            return await sending.call.take()
        task = asyncio.current_task()
        assert task is not None
        self._closing.add(task)
        try:
            async with asyncio.timeout(_END_SECONDS):
                return await sending.call.take()
        except TimeoutError:
            return []
        finally:
            self._closing.discard(task)


def _automatic_id(index: int, given: Counter[str]) -> str:
    item_id = f"item-{index}"
    while item_id in given:
        item_id += "+"
    return item_id


def _present(result: Result | None) -> Result:
    if result is None:
        raise AssertionError("an item was left without a result")
    return result
