"""Which item runs next, and the way of its result back to the call it came with.

A Call is one RPC: its items wait in order of arrival, and calls take turns, so that a single item does not
wait behind a batch of ten thousand. Only so many items are judged at a time as keep the sandboxes busy: each is
one asyncio task, cancelled when nobody waits for it any more, which is when its call ends unless identical items
wait for it too (flights.py). What cells there are is the pool's business.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

from basanite.v1 import verifier_pb2
from basanite.v1.result_pb2 import Failure, Result
from basanite_services.chassis import failures
from basanite_services.chassis.admission import Admission
from basanite_services.chassis.flights import Flight
from basanite_services.chassis.wire import frame_start

# A chunk goes out when it has this many results or bytes, when nothing more is to come, or after this time:
# writing a message costs about as much CPU as all else that the chassis does for an item.
_FLUSH_RESULTS = 64
_FLUSH_SECONDS = 0.005
_CHUNK_BYTES = 1 << 20


class Answer(NamedTuple):
    """What became of an item."""

    head: bytes
    """The first fields of a serialized Result: those that are this item's own."""
    body: bytes
    """The others: one object for all items with the same verdict, which may be thousands at a time."""
    outcome: str
    """Name of the verdict's outcome or of the failure's reason, for logs."""


def refusal(item_id: str, failure: Failure) -> Answer:
    """An answer that is a Failure."""
    payload = Result(id=item_id, failure=failure).SerializeToString()
    return Answer(b"", payload, failures.reason_name(failure.reason))


def _internal(item_id: str, what: str) -> Answer:
    return refusal(item_id, failures.failure(Failure.REASON_INTERNAL, f"internal error ({what})"))


class Job:
    """One item on its way."""

    __slots__ = ("answer", "arrived", "call", "flight", "id", "item", "task")

    def __init__(self, call: Call, item_id: str, item: verifier_pb2.Item | None) -> None:
        self.call = call
        self.id = item_id
        self.item = item
        self.arrived = time.monotonic()
        self.task: asyncio.Task[Answer | None] | None = None
        self.flight: Flight | None = None
        """What it waits for, if that may be another job's task."""
        self.answer: Answer | None = None
        """Set early for an item that must not run, or whose run is being cancelled."""


class Call:
    """The items of one RPC."""

    def __init__(self, scheduler: Scheduler, *, stream: bool) -> None:
        self.stream = stream
        self.waiting: deque[Job] = deque()
        self.running: set[Job] = set()
        self.counts: dict[str, int] = {}
        """Delivered answers by outcome."""
        self.more_to_come = stream
        """True while the caller may still send items."""
        self._scheduler = scheduler
        self._in_flight: dict[str, Job] = {}
        self._ready: deque[Job] = deque()
        self._ready_bytes = 0
        self._held = 0
        self._closed = False
        self._wake = asyncio.Event()
        self._flush = asyncio.Event()

    @property
    def closed(self) -> bool:
        """True once nobody hears of its items any more."""
        return self._closed

    @property
    def delivered(self) -> int:
        return sum(self.counts.values())

    def submit(self, item_id: str, item: verifier_pb2.Item) -> None:
        """Queue an item for which a place was taken. An id that is in flight already spoils both items."""
        job = self._place(item_id, item)
        if job.answer is not None:
            self._done(job)
            return
        self.waiting.append(job)
        self._scheduler.enlist(self)

    def refuse(self, item_id: str, failure: Failure) -> None:
        """Answer an item, for which a place was taken, without judging it."""
        job = self._place(item_id, None)
        if job.answer is None:
            job.answer = refusal(item_id, failure)
        self._done(job)

    def _place(self, item_id: str, item: verifier_pb2.Item | None) -> Job:
        self._held += 1
        job = Job(self, item_id, item)
        # An empty id is refused for what it is.
        other = self._in_flight.setdefault(item_id, job) if item_id else job
        if other is not job:
            job.answer = refusal(item_id, failures.invalid("id", "must be unique among the items in flight"))
            other.answer = job.answer
            self._cancel(other)
        return job

    def end_of_input(self) -> None:
        """The caller sends nothing more."""
        self.more_to_come = False
        self._notify()

    def answered(self, job: Job, answer: Answer) -> None:
        """Called when the run that a job waited for has ended; of no effect if it waits no longer."""
        if job not in self.running:
            return
        self.running.discard(job)
        if not self._closed:
            job.answer = job.answer or answer
            self._done(job)

    def spoiled(self, job: Job) -> None:
        """Called instead of a run, for a job that has its answer when its turn comes."""
        self._done(job)

    def _cancel(self, job: Job) -> None:
        """End the run of a job that has its answer, or of any job of a closed call."""
        if job.flight is None:
            if job.task is not None:
                job.task.cancel()
        elif job in self.running:
            # What it waited for may go on for others, so it does not wait for the end.
            job.flight.leave(job)
            self.running.discard(job)
            if not self._closed:
                self._done(job)

    def _done(self, job: Job) -> None:
        assert job.answer is not None
        job.item = None
        self._ready.append(job)
        self._ready_bytes += len(job.answer.head) + len(job.answer.body)
        self._notify()

    def _notify(self) -> None:
        self._wake.set()
        if self._chunk_is_due():
            self._flush.set()

    def _chunk_is_due(self) -> bool:
        ready = len(self._ready)
        return ready >= _FLUSH_RESULTS or ready == self._held or self._ready_bytes >= _CHUNK_BYTES

    async def next_chunk(self) -> tuple[bytes, int] | None:
        """Wait for results: (a serialized response message, how many are in it), None at the end.

        The caller frees their places with `sent` when the message is out.
        """
        while not self._ready:
            if not self._held and not self.more_to_come:
                return None
            self._wake.clear()
            await self._wake.wait()
        if not self._chunk_is_due():
            self._flush.clear()
            timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._flush.set)
            try:
                await self._flush.wait()
            finally:
                timer.cancel()
        frames: list[bytes] = []
        count = size = 0
        while self._ready and size < _CHUNK_BYTES:
            job = self._ready.popleft()
            assert job.answer is not None
            head, body, outcome = job.answer
            answer_size = len(head) + len(body)
            if self._in_flight.get(job.id) is job:
                del self._in_flight[job.id]
            self.counts[outcome] = self.counts.get(outcome, 0) + 1
            frames += (frame_start(answer_size), head, body)
            size += answer_size
            count += 1
        self._ready_bytes = max(0, self._ready_bytes - size) if self._ready else 0
        return b"".join(frames), count

    def sent(self, count: int) -> None:
        """`count` results went out."""
        if not self._closed:
            self._held -= count
            self._scheduler.admission.give_back(count, stream=self.stream, delivered=True)

    def cancel_items(self) -> None:
        """Answer everything that is not done with a CANCELLED Failure."""
        failure = failures.draining()
        for job in list(self.running):
            job.answer = job.answer or refusal(job.id, failure)
            self._cancel(job)
        while self.waiting:
            job = self.waiting.popleft()
            job.answer = job.answer or refusal(job.id, failure)
            self._done(job)

    def close(self) -> None:
        """The call is over: end what still waits or runs; nobody hears of it."""
        if self._closed:
            return
        self._closed = True
        self.waiting.clear()
        for job in list(self.running):
            self._cancel(job)
        self._ready.clear()
        self._in_flight.clear()
        self._scheduler.admission.give_back(self._held, stream=self.stream)
        self._held = 0
        self._scheduler.forget(self)


class Scheduler:
    """Gives the calls their turns."""

    def __init__(
        self,
        judge: Callable[[Job], Coroutine[Any, Any, Answer | None]],
        admission: Admission,
        max_in_flight: int,
    ) -> None:
        self.admission = admission
        self._judge = judge
        self._free = max_in_flight
        self._turns: deque[Call] = deque()
        self._calls: set[Call] = set()
        self._tasks: set[asyncio.Task[Answer | None]] = set()
        self._pump_is_due = False

    @property
    def running(self) -> int:
        """Items being judged."""
        return len(self._tasks)

    def open(self, *, stream: bool) -> Call:
        """A call whose items will come; close it whatever happens."""
        call = Call(self, stream=stream)
        self._calls.add(call)
        return call

    def forget(self, call: Call) -> None:
        self._calls.discard(call)

    def enlist(self, call: Call) -> None:
        """The call got an item that waits."""
        if len(call.waiting) == 1:
            self._turns.append(call)
        if self._free and not self._pump_is_due:
            # Later, so that all items of a message have arrived before the first of them runs.
            self._pump_is_due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def cancel_all(self) -> None:
        """Answer every item that is not done with a CANCELLED Failure."""
        for call in list(self._calls):
            call.cancel_items()

    async def wait_tasks(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for cancelled runs to be gone."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)

    def _pump(self) -> None:
        self._pump_is_due = False
        while self._free and self._turns:
            call = self._turns.popleft()
            if not call.waiting:
                continue
            job = call.waiting.popleft()
            if call.waiting:
                self._turns.append(call)
            if job.answer is not None:
                call.spoiled(job)
                continue
            self._free -= 1
            task = asyncio.get_running_loop().create_task(self._judge(job))
            job.task = task
            call.running.add(job)
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, job))

    def _ended(self, job: Job, task: asyncio.Task[Answer | None]) -> None:
        self._free += 1
        self._tasks.discard(task)
        job.task = None
        if task.cancelled():
            # If it was us, nobody waits any more, or who waits has an answer already, and this one is not used.
            _answer_all(job, "the verifier cancelled itself")
        elif (error := task.exception()) is not None:
            _answer_all(job, type(error).__name__)
        elif (answer := task.result()) is not None:
            job.call.answered(job, answer)
        self._pump()


def _answer_all(job: Job, what: str) -> None:
    """Answer a job, and all that still wait for it, with an INTERNAL Failure."""
    for waiting in (job,) if job.flight is None else tuple(job.flight.jobs):
        waiting.call.answered(waiting, _internal(waiting.id, what))
