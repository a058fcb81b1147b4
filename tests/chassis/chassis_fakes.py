"""A pool without sandboxes, a verifier that does as it is told, and a real server around them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from basanite.v1 import blob_pb2_grpc, result_pb2, tasks_pb2, verifier_pb2, verifier_pb2_grpc
from basanite.v1.result_pb2 import CaseResult, Failure, Result, Usage, Verdict
from basanite_sandboxes.spec import (
    Environment,
    Isolation,
    Limits,
    Program,
    PythonProgram,
    Report,
    Sandbox,
    SandboxError,
    SandboxPool,
)
from basanite_services.chassis import logs
from basanite_services.chassis.server import Server
from basanite_services.chassis.settings import Settings
from basanite_services.chassis.verifier import (
    Context,
    InvalidItem,
    Overloaded,
    TaskFault,
    ToolchainError,
    Verifier,
)

ECHO = "test.example/echo"


class FakeSandbox(Sandbox):
    async def run(
        self,
        program: Program,
        limits: Limits,
        *,
        stdin: bytes = b"",
        files: Mapping[str, bytes] | None = None,
    ) -> Report:
        raise NotImplementedError

    def run_cases(
        self, program: PythonProgram, limits: Limits, stdins: Sequence[bytes]
    ) -> AsyncGenerator[Report, None]:
        raise NotImplementedError

    async def run_pair(
        self, candidate: Program, limits: Limits, tests: Program, tests_limits: Limits
    ) -> tuple[Report, Report]:
        raise NotImplementedError


class FakePool(SandboxPool):
    def __init__(self, size: int = 2) -> None:
        self._size = size
        self._lent = 0
        self._free = asyncio.Semaphore(size)
        self.closed = False

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        self.closed = True

    @contextlib.asynccontextmanager
    async def _lend(self) -> AsyncIterator[Sandbox]:
        async with self._free:
            self._lent += 1
            try:
                yield FakeSandbox()
            finally:
                self._lent -= 1

    def sandbox(self, environment: Environment) -> contextlib.AbstractAsyncContextManager[Sandbox]:
        return self._lend()

    @property
    def isolation(self) -> Isolation:
        return Isolation("fake", "full", ("pid",), True, "cgroup-v2", "cgroup-v2", ())

    @property
    def python_version(self) -> str:
        return "3.11.0"

    @property
    def size(self) -> int:
        return self._size

    @property
    def in_use(self) -> int:
        return self._lent


class Gate:
    """Lets a test see that an item runs, let it go, and see that it was cancelled."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.release = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.count = 0


class EchoVerifier(Verifier[tasks_pb2.ExtensionTask]):
    """The payload, JSON, says what to do: nothing passes, "score" scores, "raise" raises, "wait" waits.

    "sleep", in seconds, is for measurements."""

    kind = ECHO
    forms = ("echo",)
    languages = ("json",)
    default_limits = Limits()
    max_limits = Limits(cpu_seconds=60.0, wall_seconds=600.0)
    version: ClassVar[str] = "1.0"
    gates: ClassVar[dict[str, Gate]] = {}
    runs: ClassVar[list[dict[str, Any]]] = []
    limits_seen: ClassVar[list[Limits]] = []

    def toolchain(self, pool: SandboxPool) -> tuple[tuple[str, str], ...]:
        return (("echo", self.version),)

    async def verify(self, task: tasks_pb2.ExtensionTask, context: Context) -> Verdict:
        order = json.loads(task.payload or b"{}")
        self.runs.append(order)
        self.limits_seen.append(context.limits)
        async with context.sandbox() as sandbox:
            sandbox.near_limit = order.get("near_limit", False)
            if "wait" in order:
                await self._wait(self.gates[order["wait"]])
            if "sleep" in order:
                await asyncio.sleep(order["sleep"])
        times = sum(1 for run in self.runs if run == order) if "raise" in order else 0
        if "raise" in order and times <= order.get("times", 1000):
            raise _error(order["raise"])
        if "verdict" in order:
            return _broken_verdict(order["verdict"])
        return _verdict(order)

    async def _wait(self, gate: Gate) -> None:
        gate.count += 1
        gate.started.set()
        try:
            await gate.release.wait()
        except asyncio.CancelledError:
            gate.cancelled.set()
            raise

    @classmethod
    def reset(cls) -> None:
        cls.gates, cls.runs, cls.limits_seen, cls.version = {}, [], [], "1.0"

    @classmethod
    def gate(cls, name: str) -> Gate:
        gate = cls.gates[name] = Gate()
        return gate


def _error(name: str) -> BaseException:
    return {
        "invalid": InvalidItem("extension.payload", "must be nice"),
        "task_fault": TaskFault("extension.payload", "the reference does not work"),
        "toolchain": ToolchainError("install echo"),
        "overloaded": Overloaded(),
        "sandbox": SandboxError("the cell is gone"),
        "cancelled": asyncio.CancelledError(),
        "bug": KeyError("the candidate's secret text"),
    }[name]


def _verdict(order: dict[str, Any]) -> Verdict:
    score = order.get("score", 1)
    outcome = result_pb2.OUTCOME_PASSED if score == 1 else result_pb2.OUTCOME_FAILED
    verdict = Verdict(
        outcome=outcome,
        score=score,
        assurance=result_pb2.ASSURANCE_GUARDED if order.get("guarded") else result_pb2.ASSURANCE_SEPARATED,
        guards=["a fence"] if order.get("guarded") else [],
        score_policy="weighted_fraction",
        cases=[
            CaseResult(
                outcome=outcome,
                weight=1,
                usage=Usage(cpu_seconds=0.25, wall_seconds=0.5, peak_memory_bytes=1000 * (index + 1)),
                output=result_pb2.CapturedOutput(stdout=b"x" * order.get("output", 0)),
            )
            for index in range(order.get("cases", 2))
        ],
    )
    if order.get("completed"):
        verdict.outcome = result_pb2.OUTCOME_COMPLETED
        del verdict.cases[:]
        verdict.ClearField("score")
    return verdict


def _broken_verdict(what: str) -> Any:
    passed = {
        "outcome": result_pb2.OUTCOME_PASSED,
        "score": 1.0,
        "assurance": result_pb2.ASSURANCE_SEPARATED,
    }
    changes: dict[str, dict[str, Any]] = {
        "no_outcome": {"outcome": 0},
        "unknown_outcome": {"outcome": 77},
        "not_run": {"outcome": result_pb2.OUTCOME_NOT_RUN, "score": 0.0},
        "nan": {"outcome": result_pb2.OUTCOME_FAILED, "score": float("nan")},
        "above_one": {"score": 1.5},
        "negative": {"outcome": result_pb2.OUTCOME_FAILED, "score": -0.1},
        "full_score_failed": {"outcome": result_pb2.OUTCOME_FAILED},
        "passed_without_full_score": {"score": 0.5},
        "passed_without_score": {"score": None},
        "scored_completed": {"outcome": result_pb2.OUTCOME_COMPLETED, "score": 0.5},
        "no_assurance": {"assurance": 0},
        "guarded_by_nothing": {"assurance": result_pb2.ASSURANCE_GUARDED},
        "weightless_case": {"cases": [CaseResult(outcome=result_pb2.OUTCOME_PASSED)]},
        "failed_case": {"cases": [CaseResult(outcome=result_pb2.OUTCOME_CRASHED, weight=1)]},
        "case_not_run": {"cases": [CaseResult(outcome=result_pb2.OUTCOME_NOT_RUN, weight=1)]},
        "bad_usage": {
            "cases": [
                CaseResult(outcome=result_pb2.OUTCOME_PASSED, weight=1, usage=Usage(cpu_seconds=float("nan")))
            ]
        },
        "bad_part": {"parts": [result_pb2.Part(name="formal", score=0.5)]},
    }
    if what == "none":
        return None
    return Verdict(**{**passed, **changes[what]})


def item(
    item_id: str, order: dict[str, Any] | None = None, *, kind: str = ECHO, **fields: Any
) -> verifier_pb2.Item:
    payload = json.dumps(order or {}).encode()
    return verifier_pb2.Item(
        id=item_id, kind=kind, extension=tasks_pb2.ExtensionTask(kind=kind, payload=payload), **fields
    )


class Harness:
    """A running server and stubs to call it with."""

    def __init__(self, server: Server, pool: FakePool, channel: grpc.aio.Channel) -> None:
        self.server = server
        self.pool = pool
        self.channel = channel
        self.stub: Any = verifier_pb2_grpc.VerifierServiceStub(channel)
        self.blobs: Any = blob_pb2_grpc.BlobServiceStub(channel)
        self.health: Any = health_pb2_grpc.HealthStub(channel)

    async def batch(self, *items: verifier_pb2.Item, **options: Any) -> dict[str, Result]:
        request = verifier_pb2.VerifyBatchRequest(items=items)
        results: dict[str, Result] = {}
        async for response in self.stub.VerifyBatch(request, **options):
            for result in response.results:
                assert result.id not in results
                results[result.id] = result
        return results

    async def verify(self, one: verifier_pb2.Item, **options: Any) -> Result:
        response = await self.stub.Verify(verifier_pb2.VerifyRequest(item=one), **options)
        result: Result = response.result
        return result

    async def health_of(self, service: str = "") -> str:
        response = await self.health.Check(health_pb2.HealthCheckRequest(service=service))
        return health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)


def settings_for(tmp_path: Path, **changes: Any) -> Settings:
    given = {"listen": f"unix:{tmp_path}/s", "cells": 2, "blob_dir": tmp_path / "blobs", "log_format": "json"}
    return Settings(**{**given, **changes})


@contextlib.asynccontextmanager
async def serving(
    tmp_path: Path,
    *,
    verifiers: Sequence[type[Verifier[Any]]] = (EchoVerifier,),
    credentials: grpc.ChannelCredentials | None = None,
    **changes: Any,
) -> AsyncIterator[Harness]:
    EchoVerifier.reset()
    settings = settings_for(tmp_path, **changes)
    pool = FakePool(settings.cells)
    log = logs.configure(settings.log_level, settings.log_format)
    server = Server(settings, verifiers, pool, log)
    await server.start()
    EchoVerifier.runs.clear()
    EchoVerifier.limits_seen.clear()
    try:
        # A proxy of the machine must not come between.
        options = (("grpc.enable_http_proxy", 0),)
        channel = (
            grpc.aio.insecure_channel(str(server.address), options=options)
            if credentials is None
            else grpc.aio.secure_channel(str(server.address), credentials, options=options)
        )
        async with channel:
            yield Harness(server, pool, channel)
    finally:
        server.hurry()
        await server.drain()


def reason(result: Result) -> str:
    assert result.WhichOneof("outcome") == "failure", result
    return Failure.Reason.Name(result.failure.reason).removeprefix("REASON_")


def outcome(result: Result) -> str:
    assert result.WhichOneof("outcome") == "verdict", result
    return result_pb2.Outcome.Name(result.verdict.outcome).removeprefix("OUTCOME_")
