"""A VerifierService that does as the items tell it, for tests of the client.

An item's source is a script of words: each run of the item (as told by its id) performs one word, and the last word
again after that.

    pass, fail, guarded, completed, unknown, empty, nan   a verdict of that sort, or what is no verdict
    sandbox, overloaded, internal, invalid                a Failure
    hang                     no answer until the call ends
    lost                     never answered; the call ends well
    twice, stranger          passes, answered twice; passes, beside a result nobody asked for
    die                      the server process ends at once
    slow=S                   passes after S seconds
    status=NAME              the whole call ends with this status
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import math
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc

from basanite.v1 import result_pb2, verifier_pb2, verifier_pb2_grpc


@dataclass
class Behaviour:
    """How a fake server behaves as a whole."""

    token: str = ""
    contract_version: str = "1.0"
    max_batch_items: int = 10_000
    max_message_bytes: int = 64 << 20
    max_item_bytes: int = 8 << 20
    max_queued_items: int = 10_000
    chunk: int = 64
    refuse: list[str] = field(default_factory=list)
    """Statuses with which the next calls end, e.g. "UNAVAILABLE" or "RESOURCE_EXHAUSTED:50" (retry after 50 ms)."""


@functools.cache
def _event_loop() -> asyncio.AbstractEventLoop:
    """One for all servers of the process, never closed: grpc.aio loses events where loops come and go."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="fake-servers", daemon=True).start()
    return loop


class FakeServer:
    """Runs in this process, beside others in one thread."""

    def __init__(
        self,
        address: str,
        behaviour: Behaviour | None = None,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self.credentials = credentials
        self.asked = address
        self.address = address
        self.behaviour = behaviour or Behaviour()
        self.runs: Counter[str] = Counter()
        """How often each item was run, by id."""
        self.calls: list[tuple[str, int]] = []
        """Each call's method and number of items (messages' items for streams), as they came."""
        self.ids: list[str] = []
        self.ended: list[str] = []
        """Methods of calls that ended well."""
        self.cancelled = threading.Event()
        """Set when a call was cancelled by the client."""
        self.arrived = threading.Event()
        """Set when an item arrived."""
        self.in_flight = 0
        self.most_in_flight = 0
        self.sources: dict[str, str] = {}
        self.items: list[verifier_pb2.Item] = []
        self.deadlines: list[float | None] = []
        self._server: grpc.aio.Server

    def start(self) -> FakeServer:
        asyncio.run_coroutine_threadsafe(self._start(), _event_loop()).result(10)
        return self

    async def _start(self) -> None:
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
                ("grpc.http2.min_ping_interval_without_data_ms", 100),
            ]
        )
        verifier_pb2_grpc.add_VerifierServiceServicer_to_server(_Service(self), self._server)
        if self.credentials is None:
            port = self._server.add_insecure_port(self.asked)
        else:
            port = self._server.add_secure_port(self.asked, self.credentials)
        if not self.asked.startswith("unix:"):
            self.address = f"{self.asked.rsplit(':', 1)[0]}:{port}"
        await self._server.start()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(None), _event_loop()).result(10)

    def __enter__(self) -> FakeServer:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()


class _Service(verifier_pb2_grpc.VerifierServiceServicer):
    def __init__(self, server: FakeServer) -> None:
        self.server = server

    async def admit(self, context: Any, method: str, items: int) -> None:
        server = self.server
        behaviour = server.behaviour
        server.calls.append((method, items))
        server.deadlines.append(context.time_remaining())
        if behaviour.token and dict(context.invocation_metadata()).get("authorization") != (
            f"Bearer {behaviour.token}"
        ):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong token")
        if method != "Describe" and behaviour.refuse:
            name, _, after = behaviour.refuse.pop(0).partition(":")
            await context.abort(
                grpc.StatusCode[name], "as told", (("retry-after-ms", after),) if after else ()
            )
        if items > behaviour.max_batch_items:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "too many items")
        if items and server.in_flight + items > behaviour.max_queued_items:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", (("retry-after-ms", "20"),))

    async def Describe(self, request: Any, context: Any) -> verifier_pb2.DescribeResponse:
        await self.admit(context, "Describe", 0)
        behaviour = self.server.behaviour
        return verifier_pb2.DescribeResponse(
            contract_version=behaviour.contract_version,
            server_version="0.0.fake",
            verifiers=[verifier_pb2.VerifierInfo(kind="code", forms=["stdio"], languages=["python"])],
            isolation=verifier_pb2.IsolationInfo(runtime="fake", weaknesses=["isolates nothing"]),
            request_limits=verifier_pb2.RequestLimits(
                max_batch_items=behaviour.max_batch_items,
                max_message_bytes=behaviour.max_message_bytes,
                max_item_bytes=behaviour.max_item_bytes,
                max_queued_items=behaviour.max_queued_items,
                max_value_depth=1000,
                max_cases=10_000,
            ),
        )

    async def Verify(self, request: Any, context: Any) -> verifier_pb2.VerifyResponse:
        await self.admit(context, "Verify", 1)
        results = [result async for result in self.judge([request.item], context) if result is not None]
        self.server.ended.append("Verify")
        return verifier_pb2.VerifyResponse(result=results[-1] if results else None)

    async def VerifyBatch(
        self, request: Any, context: Any
    ) -> AsyncIterator[verifier_pb2.VerifyBatchResponse]:
        await self.admit(context, "VerifyBatch", len(request.items))
        chunk: list[result_pb2.Result] = []
        async for result in self.judge(request.items, context):
            if result is not None:
                chunk.append(result)
            if result is None or len(chunk) >= self.server.behaviour.chunk:
                yield verifier_pb2.VerifyBatchResponse(results=chunk)
                chunk = []
        if chunk:
            yield verifier_pb2.VerifyBatchResponse(results=chunk)
        self.server.ended.append("VerifyBatch")

    async def VerifyStream(
        self, requests: Any, context: Any
    ) -> AsyncIterator[verifier_pb2.VerifyStreamResponse]:
        await self.admit(context, "VerifyStream", 0)
        done: asyncio.Queue[result_pb2.Result | None] = asyncio.Queue()
        tasks: set[asyncio.Task[None]] = set()

        async def one(item: verifier_pb2.Item) -> None:
            async for result in self.judge([item], context):
                if result is not None:
                    done.put_nowait(result)

        async def read() -> None:
            async for request in requests:
                self.server.calls.append(("VerifyStream message", len(request.items)))
                for item in request.items:
                    tasks.add(asyncio.create_task(one(item)))
            await asyncio.gather(*tasks)
            done.put_nowait(None)

        reader = asyncio.create_task(read())
        try:
            while (result := await done.get()) is not None:
                yield verifier_pb2.VerifyStreamResponse(results=[result])
            self.server.ended.append("VerifyStream")
        except asyncio.CancelledError:
            self.server.cancelled.set()
            raise
        finally:
            for task in (reader, *tasks):
                task.cancel()

    async def judge(self, items: Any, context: Any) -> AsyncIterator[result_pb2.Result | None]:
        """Results of items, in order; those of items that take their time last. None: send what you have."""
        server = self.server
        server.in_flight += len(items)
        server.most_in_flight = max(server.most_in_flight, server.in_flight)
        late: list[tuple[float, verifier_pb2.Item]] = []
        left = len(items)
        try:
            for item in items:
                server.items.append(item)
                server.ids.append(item.id)
                words = item.code.source.split() or ["pass"]
                word = words[min(server.runs[item.id], len(words) - 1)]
                server.runs[item.id] += 1
                server.arrived.set()
                name, _, value = word.partition("=")
                if name == "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                if name == "hang":
                    late.append((math.inf, item))
                elif name == "slow":
                    late.append((float(value), item))
                elif name == "status":
                    await context.abort(grpc.StatusCode[value], "as told")
                elif name != "lost":
                    server.in_flight -= 1
                    left -= 1
                    for result in _results(item.id, name):
                        yield result
            yield None
            waited = 0.0
            for seconds, item in sorted(late, key=lambda pair: pair[0]):
                await (asyncio.Event().wait() if seconds == math.inf else asyncio.sleep(seconds - waited))
                waited = seconds
                server.in_flight -= 1
                left -= 1
                yield _results(item.id, "pass")[0]
                yield None
        except asyncio.CancelledError:
            server.cancelled.set()
            raise
        finally:
            server.in_flight -= left


_FAILURES = {
    "sandbox": (result_pb2.Failure.REASON_SANDBOX, True),
    "overloaded": (result_pb2.Failure.REASON_OVERLOADED, True),
    "internal": (result_pb2.Failure.REASON_INTERNAL, False),
    "invalid": (result_pb2.Failure.REASON_INVALID_ITEM, False),
}


def _results(item_id: str, word: str) -> list[result_pb2.Result]:
    result = result_pb2.Result(id=item_id, digest="d" * 64, usage=result_pb2.Usage(cpu_seconds=0.25))
    if word in _FAILURES:
        reason, retryable = _FAILURES[word]
        result.failure.reason = reason
        result.failure.message = f"{word} as told"
        result.failure.retryable = retryable
        return [result]
    if word == "empty":
        return [result]
    verdict = result.verdict
    verdict.assurance = result_pb2.ASSURANCE_GUARDED if word == "guarded" else result_pb2.ASSURANCE_SEPARATED
    verdict.outcome = result_pb2.OUTCOME_PASSED
    verdict.score = 1.0
    if word == "fail":
        verdict.outcome, verdict.score = result_pb2.OUTCOME_FAILED, 0.5
    elif word == "completed":
        verdict.outcome = result_pb2.OUTCOME_COMPLETED
        verdict.ClearField("score")
    elif word == "unknown":
        verdict.outcome = 77  # type: ignore[assignment]
    elif word == "nan":
        verdict.outcome, verdict.score = result_pb2.OUTCOME_FAILED, math.nan
    verdict.cases.add(
        outcome=verdict.outcome,
        weight=1,
        usage=result_pb2.Usage(cpu_seconds=0.01, wall_seconds=0.02),
        output=result_pb2.CapturedOutput(stdout=b"1\n"),
        exit_status=0,
    )
    verdict.score_policy = "weighted_fraction"
    if word == "twice":
        return [result, result]
    if word == "stranger":
        return [result_pb2.Result(id="nobody asked", verdict=verdict), result]
    return [result]


def main() -> None:
    """Serve in a process of its own. Says "up" with the address on standard output; ends with standard input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--behaviour", default="{}")
    parser.add_argument("--watch-stdin", action="store_true")
    arguments = parser.parse_args()
    server = FakeServer(arguments.address, Behaviour(**json.loads(arguments.behaviour))).start()
    print("up", server.address, flush=True)
    print("the fake server is up", file=sys.stderr, flush=True)
    if arguments.watch_stdin:
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    signal.sigwait([signal.SIGTERM])
    server.stop()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    main()
