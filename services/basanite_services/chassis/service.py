"""VerifierService: the four RPCs. Messages stay bytes here; wire.py says why."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import itertools
import time
from collections.abc import Iterable
from typing import NoReturn

import grpc

from basanite.v1 import verifier_pb2
from basanite_services.chassis import failures
from basanite_services.chassis.admission import Admission, Closed, QueueFull
from basanite_services.chassis.check import check_id
from basanite_services.chassis.logs import Logger
from basanite_services.chassis.scheduler import Call, Scheduler
from basanite_services.chassis.verifier import InvalidItem
from basanite_services.chassis.wire import BrokenItem, Entry, Malformed, read_batch, read_single

NAME = "basanite.v1.VerifierService"
RETRY_AFTER = "retry-after-ms"

Context = grpc.aio.ServicerContext[bytes, bytes]


class State(enum.Enum):
    """Where the server is in its life."""

    STARTING = "the server is starting: its self tests are running"
    SERVING = ""
    DRAINING = "the server is shutting down"


class VerifierService:
    """Reads requests, has places taken for their items, and writes results as they come."""

    def __init__(self, scheduler: Scheduler, admission: Admission, max_batch_items: int, log: Logger) -> None:
        self.state = State.STARTING
        self.description = b""
        """The serialized DescribeResponse."""
        self._scheduler = scheduler
        self._admission = admission
        self._max_batch_items = max_batch_items
        self._log = log
        self._numbers = itertools.count(1)
        self._readers: set[asyncio.Task[None]] = set()

    def handler(self) -> grpc.GenericRpcHandler[bytes, bytes]:
        """What the gRPC server is given."""
        return grpc.method_handlers_generic_handler(
            NAME,
            {
                "Describe": grpc.unary_unary_rpc_method_handler(self._describe),
                "Verify": grpc.unary_unary_rpc_method_handler(self._verify),
                "VerifyBatch": grpc.unary_stream_rpc_method_handler(self._verify_batch),
                "VerifyStream": grpc.stream_stream_rpc_method_handler(self._verify_stream),
            },
        )

    def drain(self) -> None:
        """Take no new call and read no more from streams; what was read is still answered."""
        self.state = State.DRAINING
        for reader in list(self._readers):
            reader.cancel()

    async def _describe(self, request: bytes, context: Context) -> bytes:
        if self.state is State.STARTING:
            await self._unavailable(context)
        return self.description

    async def _verify(self, request: bytes, context: Context) -> bytes:
        await self._check_open(context)
        try:
            entry = read_single(request)
        except Malformed as error:
            await self._malformed(context, "VerifyRequest", error)
        with contextlib.closing(await self._admit([entry], context)) as call:
            chunk = await call.next_chunk()
            assert chunk is not None
            call.sent(1)
            return chunk[0]

    async def _verify_batch(self, request: bytes, context: Context) -> None:
        await self._check_open(context)
        try:
            entries = read_batch(request, verifier_pb2.VerifyBatchRequest)
        except Malformed as error:
            await self._malformed(context, "VerifyBatchRequest", error)
        del request
        if len(entries) > self._max_batch_items:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"a batch must be at most {self._max_batch_items} items, this one is {len(entries)}",
            )
        started, count, number = time.monotonic(), len(entries), next(self._numbers)
        call = await self._admit(entries, context)
        del entries
        try:
            await _write_results(call, context)
        finally:
            call.close()
            self._report("batch", number, call, count, started)

    async def _verify_stream(self, requests: object, context: Context) -> None:
        await self._check_open(context)
        started, number = time.monotonic(), next(self._numbers)
        call = self._scheduler.open(stream=True)
        reader = asyncio.create_task(self._read_stream(call, context))
        self._readers.add(reader)

        def ended(reader: asyncio.Task[None]) -> None:
            # Whatever ends the reader ends the call's input; else the writer would wait for ever.
            if not reader.cancelled():
                # Raised below if somebody still listens.
                reader.exception()
            call.end_of_input()

        reader.add_done_callback(ended)
        try:
            await _write_results(call, context)
            with contextlib.suppress(asyncio.CancelledError):
                await reader
        except Malformed as error:
            await self._malformed(context, "VerifyStreamRequest", error)
        finally:
            self._readers.discard(reader)
            reader.cancel()
            call.close()
            self._report("stream", number, call, call.delivered, started)
        if reader.cancelled():
            await self._unavailable(context)

    async def _read_stream(self, call: Call, context: Context) -> None:
        while True:
            message = await context.read()
            if message is grpc.aio.EOF:  # type: ignore[attr-defined]
                return
            entries = read_batch(message, verifier_pb2.VerifyStreamRequest)
            if len(entries) > self._max_batch_items:
                raise Malformed(f"a message must be at most {self._max_batch_items} items")
            taken = 0
            try:
                for entry in entries:
                    await self._admission.take_for_stream()
                    taken += 1
                    _enter(call, entry)
            except (Closed, asyncio.CancelledError):
                # Draining, or the call is over. What was read must not vanish in a drain; the places it needs
                # are not waited for.
                for entry in [] if call.closed else entries[taken:]:
                    self._admission.force_for_stream()
                    call.refuse(entry.id, failures.draining())
                raise asyncio.CancelledError from None

    async def _admit(self, entries: list[Entry], context: Context) -> Call:
        try:
            self._admission.take(len(entries))
        except QueueFull as error:
            milliseconds = max(1, round(error.retry_after_seconds * 1000))
            self._log.warning("batch refused", items=len(entries), retry_after_ms=milliseconds)
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{error}: try again in {milliseconds} ms",
                ((RETRY_AFTER, str(milliseconds)),),
            )
        except Closed:
            await self._unavailable(context)
        call = self._scheduler.open(stream=False)
        _enter_all(call, entries)
        return call

    async def _check_open(self, context: Context) -> None:
        if self.state is not State.SERVING:
            await self._unavailable(context)

    async def _unavailable(self, context: Context) -> NoReturn:
        await context.abort(grpc.StatusCode.UNAVAILABLE, self.state.value)
        raise AssertionError

    async def _malformed(self, context: Context, name: str, error: Malformed) -> NoReturn:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"the request is not a valid {name}: {error}")
        raise AssertionError

    def _report(self, what: str, number: int, call: Call, items: int, started: float) -> None:
        self._log.info(
            what,
            call=number,
            items=items,
            delivered=call.delivered,
            seconds=round(time.monotonic() - started, 3),
            outcomes=call.counts,
        )


async def _write_results(call: Call, context: Context) -> None:
    while (chunk := await call.next_chunk()) is not None:
        message, count = chunk
        await context.write(message)
        call.sent(count)


def _enter_all(call: Call, entries: Iterable[Entry]) -> None:
    for entry in entries:
        _enter(call, entry)


def _enter(call: Call, entry: Entry) -> None:
    if isinstance(entry, BrokenItem):
        call.refuse(entry.id, failures.invalid(entry.field, entry.rule))
        return
    item_id = entry.id
    try:
        check_id(item_id)
    except InvalidItem as error:
        call.refuse(item_id, failures.invalid(error.field, error.rule))
        return
    call.submit(item_id, entry)
