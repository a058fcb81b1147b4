"""What batches and streams have in common: every item gets exactly one Result, whatever happens to calls.

An Entry is what the server is asked about. It stands for one item of the caller's, or for several whose
bytes are the same. It is settled by a result from the server, by the deadline of the last item it stands
for, or when retrying has come to its end; and once only, so that late, repeated or unknown results have no
effect.
"""

from __future__ import annotations

import asyncio
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Final

import grpc

from basanite._convert import check_id, item_to_proto
from basanite._errors import CandidateRefused, ItemFormatError
from basanite._parse import result_from_proto
from basanite._results import (
    Assurance,
    Diagnostic,
    Failure,
    FailureReason,
    Outcome,
    Result,
    Severity,
    Verdict,
)
from basanite._server_info import RequestLimits
from basanite._tasks import Item
from basanite._transport import RpcFailed, Transport, VerifyCall
from basanite.v1 import result_pb2

MAX_ATTEMPTS: Final = 3
"""How often an item is sent at most, where the server answers but not with a verdict."""
PATIENCE_SECONDS: Final = 60.0
"""How long a server may be gone or full before items without a deadline are given up."""
FOREVER: Final = 1e9
"""Deadlines of so many seconds, some thirty years, are none: gRPC takes those beyond for passed."""

_FIRST_BACKOFF: Final = 0.1
_LAST_BACKOFF: Final = 5.0
_DEADLINE_GRAIN: Final = 0.01
_SERVER_SLACK: Final = 0.1  # seconds by which a call outlives the deadline, so that we are who ends it
_TRANSIENT: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


class Member:
    """One item of the caller's."""

    __slots__ = ("deadline", "deadline_seconds", "item_id", "key", "open")

    def __init__(self, key: int, item_id: str, deadline_seconds: float | None) -> None:
        self.key = key
        self.item_id = item_id
        self.deadline_seconds = deadline_seconds
        self.deadline = math.inf  # in loop time
        self.open = True


class Entry:
    """What the server is asked about, once, for all members."""

    __slots__ = ("attempts", "body", "call", "done", "head", "members", "required", "said", "size", "wire_id")

    def __init__(self, wire_id: str, body: bytes, required: Assurance, members: list[Member]) -> None:
        encoded = wire_id.encode()
        self.wire_id = wire_id
        self.head = b"\x0a" + _varint(len(encoded)) + encoded  # the field Item.id
        self.body = body  # the Item without its id
        self.size = len(self.head) + len(body)
        self.required = required
        self.members = members
        self.attempts = 0
        self.said = ""  # what the last attempt came to
        self.done = False
        self.call: Sending | None = None

    def message_size(self) -> int:
        """Bytes that it takes in a request."""
        return self.size + 6


class Sending:
    """A call in flight and the entries that it has yet to answer."""

    __slots__ = ("call", "ended", "entries")

    def __init__(self, call: VerifyCall, entries: Iterable[Entry]) -> None:
        self.call = call
        self.ended = False
        self.entries: dict[str, Entry] = {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """One more is sent by this call."""
        self.entries[entry.wire_id] = entry
        entry.call = self

    def drop(self, entry: Entry) -> None:
        """Nobody waits for this entry any more. If that was the last one, the call ends, so that the server
        stops working."""
        entry.call = None
        if self.entries.pop(entry.wire_id, None) is not None and not self.entries:
            self.ended = True
            self.call.cancel()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def request_bytes(entries: Iterable[Entry]) -> bytes:
    """A VerifyBatchRequest (or VerifyStreamRequest, or for one entry VerifyRequest).

    Put together from the items' bytes, which stay as they are: what is sent again is not converted again.
    Any order of fields is a valid message.
    """
    parts: list[bytes] = []
    for entry in entries:
        parts += (b"\x0a", _varint(entry.size), entry.head, entry.body)
    return b"".join(parts)


def item_limit(limits: RequestLimits) -> int:
    """Bytes that one item may have on this server."""
    most = [size for size in (limits.max_item_bytes, limits.max_message_bytes) if size > 0]
    return min(most, default=4 << 20)


def encode(item: Item, assurance: Assurance) -> tuple[bytes, Assurance]:
    """The item's bytes without its id, and the assurance it requires. Raises ItemFormatError."""
    seconds = item.deadline_seconds
    if seconds is not None and not (issubclass(type(seconds), (int, float)) and seconds >= 0):
        raise ItemFormatError("deadline_seconds", "must be a number of seconds, not negative")
    if type(item.id) is not str or item.id:
        check_id(item.id)
    required = assurance if item.require_assurance is None else item.require_assurance
    # Deterministic: of maps, too, equal items have equal bytes, and are sent once.
    return item_to_proto(item, required).SerializeToString(deterministic=True), required


def unsent(item_id: str, error: ItemFormatError) -> Result:
    """The Result of an item that is not sent: REJECTED if the candidate's text is why, else a Failure."""
    if not isinstance(error, CandidateRefused):
        return Result(item_id, None, invalid(error))
    return Result(item_id, rejected(error))


def rejected(error: CandidateRefused) -> Verdict:
    """The Verdict on a candidate whose text is not sent."""
    score = 0.0 if error.scored else None
    remark = Diagnostic(Severity.ERROR, f"{error.what} {error.rule}")
    return Verdict(Outcome.REJECTED, score, Assurance.SEPARATED, diagnostics=(remark,))


def invalid(error: ItemFormatError) -> Failure:
    """The Failure of an item that is not sent."""
    return Failure(
        FailureReason.INVALID_ITEM, f"the item was not sent: {error}", error.field or "item", error.rule
    )


class Run(ABC):
    """One call of the caller's: a batch or a stream. Lives in one event loop."""

    def __init__(
        self,
        transport: Transport,
        deliver: Callable[[int, Result], None],
        seconds: float | None,
    ) -> None:
        """`deliver` is called with each item's key and Result. `seconds` is the time that all items have."""
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.start = self.loop.time()
        self.seconds = seconds
        self.open_members = 0
        self.finished: asyncio.Future[None] = self.loop.create_future()
        self._deliver = deliver
        self._deadlines: dict[float, list[tuple[Entry, Member]]] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._trouble_since: float | None = None

    # What batches and streams do differently

    @abstractmethod
    def push(self, entries: list[Entry]) -> None:
        """Send these, now or as soon as possible."""

    @abstractmethod
    def settled(self, entry: Entry) -> None:
        """Called once per entry, when it is done."""

    # Starting and ending

    def enter(self, entry: Entry, started: float) -> None:
        """Take responsibility for an entry whose members' deadlines count from `started` (loop time)."""
        self.open_members += len(entry.members)
        for member in entry.members:
            deadline = math.inf if self.seconds is None else self.start + self.seconds
            if member.deadline_seconds is not None and member.deadline_seconds < FOREVER:
                deadline = min(deadline, started + member.deadline_seconds)
            if deadline < math.inf:
                # Rounded up, so that many items share a timer.
                member.deadline = math.ceil(deadline / _DEADLINE_GRAIN) * _DEADLINE_GRAIN
                self._watch(entry, member)

    def remaining(self) -> float | None:
        """Seconds until the deadline of the whole call, None without one."""
        return None if self.seconds is None else max(0.0, self.start + self.seconds - self.loop.time())

    def call_seconds(self, entries: Iterable[Entry]) -> float | None:
        """The deadline of a call with these entries, None if one of them has no deadline."""
        latest = max(member.deadline for entry in entries for member in entry.members)
        return None if latest == math.inf else max(0.0, latest - self.loop.time()) + _SERVER_SLACK

    def stop(self, error: BaseException) -> None:
        """End the call with an error."""
        if not self.finished.done():
            self.finished.set_exception(error)

    def task_ended(self, task: asyncio.Task[None]) -> None:
        """Done callback of the tasks that work for this call: their errors are its errors."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.stop(error)

    def release(self) -> None:
        """Forget timers. Nothing is delivered after this."""
        self._deliver = lambda key, result: None
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._deadlines.clear()
        if self.finished.done() and not self.finished.cancelled():
            self.finished.exception()  # seen, even if another error came first

    # Deadlines

    def _watch(self, entry: Entry, member: Member) -> None:
        deadline = member.deadline
        waiting = self._deadlines.get(deadline)
        if waiting is None:
            waiting = self._deadlines[deadline] = []
            self._at(deadline, lambda: self._expire(self._deadlines.pop(deadline, [])))
        waiting.append((entry, member))

    def _at(self, when: float, action: Callable[[], None]) -> None:
        def fire() -> None:
            self._timers.discard(timer)
            action()

        timer = self.loop.call_at(when, fire)
        self._timers.add(timer)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after a time, unless the call ends before."""
        self._at(self.loop.time() + seconds, action)

    def _expire(self, waiting: list[tuple[Entry, Member]]) -> None:
        for entry, member in waiting:
            if not member.open:
                continue
            own = member.deadline_seconds
            whole = self.seconds is not None and (own is None or own >= self.seconds)
            said = f" (before that: {entry.said})" if entry.said else ""
            self._close(
                member,
                Failure(
                    FailureReason.DEADLINE,
                    f"no verdict within the {'call' if whole else 'item'}'s deadline of"
                    f" {self.seconds if whole else own:g} s{said}",
                ),
            )
            if not any(other.open for other in entry.members):
                self._settle(entry)
        self.check_finished()

    # Results

    def receive(self, sending: Sending, proto: result_pb2.Result) -> bool:
        """Take a result from the server. False if it is about nothing that was asked of this call, or was
        answered before."""
        entry = sending.entries.pop(proto.id, None)
        if entry is None:
            return False
        entry.call = None
        self._trouble_since = None
        members = entry.members
        result = result_from_proto(proto, members[0].item_id, entry.required)
        failure = result.failure
        if failure is not None and failure.retryable and self._try_again(entry, failure.message):
            return True
        for member in members:
            if member is members[0]:
                self._finish(member, result)
            else:
                self._finish(
                    member,
                    Result(
                        member.item_id,
                        result.verdict,
                        result.failure,
                        result.usage,
                        result.cached,
                        result.digest,
                        result.environment_digest,
                    ),
                )
        self._settle(entry)
        return True

    def _try_again(self, entry: Entry, said: str) -> bool:
        """Plan another attempt if there may be one."""
        entry.attempts += 1
        entry.said = said
        if entry.attempts >= MAX_ATTEMPTS:
            return False
        delay = _FIRST_BACKOFF * 3 ** (entry.attempts - 1) * random.uniform(0.5, 1.5)
        left = self.remaining()
        if left is not None and left <= delay:
            return False
        self.later(delay, lambda: None if entry.done else self.push([entry]))
        return True

    def fail(self, entry: Entry, failure: Failure) -> None:
        """Settle an entry with a Failure."""
        for member in entry.members:
            self._close(member, failure)
        self._settle(entry)

    def _close(self, member: Member, failure: Failure) -> None:
        self._finish(member, Result(member.item_id, None, failure))

    def _finish(self, member: Member, result: Result) -> None:
        if member.open:
            member.open = False
            self.open_members -= 1
            self._deliver(member.key, result)

    def _settle(self, entry: Entry) -> None:
        if entry.done:
            return
        entry.done = True
        entry.body = b""  # may be long, and is not sent again
        if entry.call is not None:
            entry.call.drop(entry)
        self.settled(entry)

    def check_finished(self) -> None:
        """Called after whatever may have been the last result."""
        if not self.open_members:
            self.all_delivered()

    def all_delivered(self) -> None:
        """No entered item is without its Result."""
        if not self.finished.done():
            self.finished.set_result(None)

    # Calls that did not end well

    def call_ended(self, entries: Iterable[Entry], error: RpcFailed | None) -> float:
        """A call ended and left these entries without a result; `error` is None if it ended well.

        Plans what can be tried again. Returns after how many seconds; 0 if nothing was planned.
        """
        left = [entry for entry in entries if not entry.done]
        for entry in left:
            entry.call = None
        if error is not None and error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
            # Those whose deadline it was are about to be settled by their timers.
            overdue = self.loop.time() + _SERVER_SLACK
            left = [entry for entry in left if any(member.deadline > overdue for member in entry.members)]
        if not left:
            return 0.0
        delay = 0.0
        if error is not None and (refusal := self.transport.refusal(error)) is not None:
            self.stop(refusal)
        elif error is not None and error.code in _TRANSIENT:
            delay = self._server_gone(left, error)
        else:
            # A new server may know better what it takes.
            self.transport.forget()
            said = "the server ended the call without a result for this item" if error is None else str(error)
            for entry in left:
                if not self._try_again(entry, said):
                    self.fail(entry, Failure(FailureReason.INTERNAL, said, retryable=error is None))
        self.check_finished()
        return delay

    def _server_gone(self, entries: list[Entry], error: RpcFailed) -> float:
        """The server is not there, or full. That says nothing about the items, so that it counts as no
        attempt."""
        full = error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        if not full:
            self.transport.forget()
        now = self.loop.time()
        if self._trouble_since is None:
            self._trouble_since = now
        trouble = now - self._trouble_since
        # Growing with the time the trouble has lasted makes it exponential, however many calls fail at one
        # time.
        delay = min(max(trouble, _FIRST_BACKOFF), _LAST_BACKOFF)
        delay = max(delay, error.retry_after or 0.0) * random.uniform(1.0, 1.5)
        again: list[Entry] = []
        for entry in entries:
            entry.said = str(error)
            patient = all(member.deadline < math.inf for member in entry.members)
            if error.hopeless or (trouble > PATIENCE_SECONDS and not patient):
                reason = FailureReason.OVERLOADED if full else FailureReason.INTERNAL
                gone = "full" if full else "gone"
                message = f"the server at {self.transport.address} is {gone}: {error.details}"
                self.fail(entry, Failure(reason, message, retryable=True))
            else:
                again.append(entry)
        if again:
            self.later(delay, lambda: self.push([entry for entry in again if not entry.done]))
        return delay if again else 0.0
