"""Start, self tests, health, metrics, logs, drain, signals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import grpc
import pytest
from chassis_fakes import (
    ECHO,
    EchoVerifier,
    FakePool,
    Gate,
    Harness,
    item,
    outcome,
    reason,
    serving,
    settings_for,
)
from google.protobuf import json_format

from basanite.v1 import result_pb2, verifier_pb2
from basanite_sandboxes.spec import SandboxPool, SandboxUnavailable
from basanite_services.chassis import logs
from basanite_services.chassis.main import run
from basanite_services.chassis.server import NoVerifierWorks, Server
from basanite_services.chassis.verifier import Context, ToolchainError

SERVICE = "basanite.v1.VerifierService"


class NoTools(EchoVerifier):
    kind: ClassVar[str] = "test.example/no-tools"

    def toolchain(self, pool: SandboxPool) -> tuple[tuple[str, str], ...]:
        raise ToolchainError("install the frobnicator: apt install frobnicator")


class Raises(EchoVerifier):
    kind: ClassVar[str] = "test.example/raises"

    def toolchain(self, pool: SandboxPool) -> tuple[tuple[str, str], ...]:
        raise RuntimeError("a bug")


class NoExamples(EchoVerifier):
    kind: ClassVar[str] = "test.example/no-examples"


class AlwaysPasses(EchoVerifier):
    async def verify(self, task: Any, context: Context) -> result_pb2.Verdict:
        return result_pb2.Verdict(
            outcome=result_pb2.OUTCOME_PASSED, score=1, assurance=result_pb2.ASSURANCE_SEPARATED
        )


class Slow(EchoVerifier):
    """Its self test waits."""

    gate: ClassVar[Gate]  # type: ignore[assignment]

    async def verify(self, task: Any, context: Context) -> result_pb2.Verdict:
        self.gate.started.set()
        await self.gate.release.wait()
        return await super().verify(task, context)


async def test_healthy_only_after_the_self_tests_came_out_right(tmp_path: Path) -> None:
    Slow.gate = Gate()
    EchoVerifier.reset()
    server = Server(settings_for(tmp_path), [Slow], FakePool(), logs.configure("info", "json"))
    starting = asyncio.create_task(server.start())
    await Slow.gate.started.wait()
    async with grpc.aio.insecure_channel(str(server.address)) as channel:
        harness = Harness(server, FakePool(), channel)
        assert await harness.health_of() == await harness.health_of(SERVICE) == "NOT_SERVING"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await harness.verify(item("a"))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        Slow.gate.release.set()
        await starting
        assert await harness.health_of() == await harness.health_of(SERVICE) == "SERVING"
        assert outcome(await harness.verify(item("a"))) == "PASSED"
        await server.drain()


@pytest.mark.parametrize("verifier", [NoTools, Raises, NoExamples, AlwaysPasses])
async def test_a_server_without_a_working_verifier_does_not_start(
    verifier: type[EchoVerifier], tmp_path: Path
) -> None:
    pool = FakePool()
    server = Server(settings_for(tmp_path), [verifier], pool, logs.configure("info", "json"))
    with pytest.raises(NoVerifierWorks):
        await server.start()
    assert pool.closed
    assert not (tmp_path / "s").exists()


async def test_a_broken_verifier_does_not_take_the_others_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(tmp_path, verifiers=[NoTools, Raises, EchoVerifier, NoExamples]) as harness:
        results = await harness.batch(
            item("good"), item("tools", kind=NoTools.kind), item("examples", kind=NoExamples.kind)
        )
        described = await harness.stub.Describe(verifier_pb2.DescribeRequest())
    assert outcome(results["good"]) == "PASSED"
    assert reason(results["tools"]) == "TOOLCHAIN"
    assert "apt install frobnicator" in results["tools"].failure.message
    assert reason(results["examples"]) == "TOOLCHAIN"
    assert "self test" in results["examples"].failure.message
    assert [one.kind for one in described.verifiers] == [ECHO]
    log = capsys.readouterr().err
    assert "apt install frobnicator" in log
    assert "has no example of kind" in log


async def test_describe_tells_what_is_in_force(tmp_path: Path) -> None:
    changes = {"seed_secret": "seed-secret-seed-secret", "max_batch_items": 7, "queue_items": 70}
    async with serving(tmp_path, **changes) as harness:
        described = await harness.stub.Describe(verifier_pb2.DescribeRequest())
    assert described.contract_version == "1.0"
    assert described.server_version
    (one,) = described.verifiers
    assert (one.kind, list(one.forms), list(one.languages)) == (ECHO, ["echo"], ["json"])
    assert (one.toolchain[0].name, one.toolchain[0].version) == ("echo", "1.0")
    assert (one.default_limits.cpu_seconds, one.max_limits.cpu_seconds) == (10, 60)
    assert [environment.name for environment in one.environments] == [""]
    assert (described.isolation.runtime, described.isolation.memory_control) == ("fake", "cgroup-v2")
    assert described.request_limits.max_batch_items == 7
    assert described.request_limits.max_queued_items == 70
    assert described.request_limits.max_cases == 10_000
    assert len(described.seed_fingerprint) == 16
    assert "seed-secret" not in str(described)
    async with serving(tmp_path, seed_secret="seed-secret-seed-secret") as harness:
        replica = await harness.stub.Describe(verifier_pb2.DescribeRequest())
    assert replica.seed_fingerprint == described.seed_fingerprint


async def test_metrics_tell_items_failures_times_and_cells(tmp_path: Path) -> None:
    async with serving(tmp_path, metrics_listen="127.0.0.1:0") as harness:
        gate = EchoVerifier.gate("g")
        await harness.batch(
            item("a"), item("b", {"score": 0.5}), item("c", kind="evil label"), item("d", {"raise": "bug"})
        )
        await harness.verify(item("a"))
        waiting = asyncio.create_task(harness.verify(item("w", {"wait": "g"})))
        await gate.started.wait()
        address = harness.server.metrics_address

        def read() -> str:
            with urllib.request.urlopen(f"http://{address}/metrics") as response:
                return str(response.read().decode())

        shown = await asyncio.to_thread(read)
        gate.release.set()
        await waiting
    for line in (
        f'basanite_items_total{{cached="false",kind="{ECHO}",outcome="FAILED"}} 1.0',
        f'basanite_items_total{{cached="true",kind="{ECHO}",outcome="PASSED"}} 1.0',
        f'basanite_failures_total{{kind="{ECHO}",reason="INTERNAL"}} 1.0',
        'basanite_failures_total{kind="other",reason="UNSUPPORTED_KIND"} 1.0',
        f'basanite_queue_seconds_count{{kind="{ECHO}"}}',
        f'basanite_run_seconds_bucket{{kind="{ECHO}",le="0.1"}}',
        "basanite_cells 2.0",
        "basanite_cells_in_use 1.0",
        "basanite_queue_items 1.0",
    ):
        assert line in shown
    assert "evil label" not in shown


async def test_logs_are_json_with_item_ids_and_without_contents(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = {"token": "correct-horse-battery"}
    metadata = (("authorization", "Bearer correct-horse-battery"),)
    async with serving(tmp_path, log_level="debug", **secret) as harness:
        await harness.batch(
            item("item-1", {"note": "SOURCE"}),
            item("item-2", {"raise": "bug", "note": "SOURCE"}),
            metadata=metadata,
        )
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    events = {line["event"] for line in lines}
    assert {"self test passed", "serving", "batch", "item", "internal error", "draining", "stopped"} <= events
    assert {line["item"] for line in lines if line["event"] == "item"} >= {"item-1", "item-2"}
    (bug,) = (line for line in lines if line["event"] == "internal error")
    assert bug["item"] == "item-2"
    assert "KeyError" in bug["trace"]
    text = json.dumps(lines)
    assert "SOURCE" not in text
    assert "secret text" not in text
    assert "correct-horse" not in text


async def test_a_flood_of_bad_items_is_a_few_lines_of_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(tmp_path) as harness:
        await harness.batch(*(item(f"i{n}", kind="no") for n in range(2000)))
    assert len(capsys.readouterr().err.splitlines()) < 40


async def test_drain_lets_items_finish_and_refuses_new_calls(tmp_path: Path) -> None:
    async with serving(tmp_path, cells=1) as harness:
        gates = [EchoVerifier.gate(f"g{n}") for n in range(4)]
        batch = asyncio.create_task(harness.batch(*(item(f"i{n}", {"wait": f"g{n}"}) for n in range(4))))
        await gates[0].started.wait()
        draining = asyncio.create_task(harness.server.drain())
        watch = harness.health.Watch(_health_request())
        async for response in watch:
            if response.status == response.NOT_SERVING:
                break
        watch.cancel()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await harness.verify(item("late"))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        for gate in gates:
            gate.release.set()
        results = await batch
        assert {outcome(result) for result in results.values()} == {"PASSED"}
        assert len(results) == 4
        await draining
        assert harness.pool.closed


def _health_request() -> Any:
    from grpc_health.v1 import health_pb2

    return health_pb2.HealthCheckRequest(service="")


async def test_drain_loses_nothing(tmp_path: Path) -> None:
    """After drain_seconds whatever is not done comes back as CANCELLED, running or waiting."""
    async with serving(tmp_path, cells=2, drain_seconds=0.1) as harness:
        gate, other = EchoVerifier.gate("never"), EchoVerifier.gate("other")
        single = asyncio.create_task(harness.verify(item("single", {"wait": "other"})))
        await other.started.wait()
        orders: list[dict[str, Any]] = [{"n": 1}, {"wait": "never"}, *({"n": n} for n in range(2, 200))]
        batch = asyncio.create_task(harness.batch(*(item(f"i{n}", o) for n, o in enumerate(orders))))
        await gate.started.wait()
        await harness.server.drain()
        results = await batch
        assert len(results) == 200
        assert outcome(results["i0"]) == "PASSED"
        assert {reason(results[f"i{n}"]) for n in range(1, 200)} == {"CANCELLED"}
        assert not any(result.failure.retryable for result in results.values())
        assert reason(await single) == "CANCELLED"
        assert gate.cancelled.is_set()
        assert other.cancelled.is_set()


async def test_drain_answers_what_a_stream_sent_and_then_says_unavailable(tmp_path: Path) -> None:
    async with serving(tmp_path, cells=1, queue_items=8, max_batch_items=8, drain_seconds=0.1) as harness:
        gate = EchoVerifier.gate("never")
        call = harness.stub.VerifyStream()
        # More than the stream's half of the queue, in one message: some are read, but have no place yet.
        items = [item("first"), *(item(f"i{n}", {"wait": "never", "n": n}) for n in range(7))]
        await call.write(verifier_pb2.VerifyStreamRequest(items=items))
        await gate.started.wait()
        draining = asyncio.create_task(harness.server.drain())
        results: dict[str, Any] = {}
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for response in call:
                results |= {result.id: result for result in response.results}
        await draining
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert outcome(results.pop("first")) == "PASSED"
        assert {reason(result) for result in results.values()} == {"CANCELLED"}
        assert len(results) == 7


async def test_an_idle_stream_does_not_hold_a_drain_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        call = harness.stub.VerifyStream()
        await call.write(verifier_pb2.VerifyStreamRequest(items=[item("a")]))
        assert (await call.read()).results[0].id == "a"
        await asyncio.wait_for(harness.server.drain(), 5)
        assert await call.code() is grpc.StatusCode.UNAVAILABLE


class Process:
    """A server in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, harness: Harness) -> None:
        self.process = process
        self.harness = harness

    async def log(self) -> list[dict[str, Any]]:
        assert self.process.stderr is not None
        return [json.loads(line) for line in (await self.process.stderr.read()).splitlines()]


@contextlib.asynccontextmanager
async def _process(tmp_path: Path, *argv: str, **environment: str) -> AsyncIterator[Process]:
    path = tmp_path / "p"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("chassis_process.py")),
        "--listen",
        f"unix:{path}",
        "--blob-dir",
        str(tmp_path / "blobs"),
        *argv,
        env={"BASANITE_LOG_FORMAT": "json", **environment},
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        while b'"serving"' not in (line := await process.stderr.readline()):
            assert line, "the server ended"
        async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
            yield Process(process, Harness(None, None, channel))  # type: ignore[arg-type]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _running(harness: Harness, *items: verifier_pb2.Item) -> asyncio.Task[dict[str, Any]]:
    """Send items, the first of which is quick, and return when it is back."""
    first = asyncio.Event()
    results: dict[str, Any] = {}

    async def collect() -> dict[str, Any]:
        async for response in harness.stub.VerifyBatch(verifier_pb2.VerifyBatchRequest(items=items)):
            results.update({result.id: result for result in response.results})
            first.set()
        return results

    task = asyncio.create_task(collect())
    await first.wait()
    return task


async def test_sigterm_finishes_what_runs_and_exits_with_0(tmp_path: Path) -> None:
    async with _process(tmp_path, BASANITE_TOKEN="x" * 20) as server:
        harness = server.harness
        metadata = (("authorization", "Bearer " + "x" * 20),)
        harness.stub.VerifyBatch = _with(harness.stub.VerifyBatch, metadata)
        task = await _running(harness, item("quick"), item("slow", {"wait": "slow"}))
        server.process.send_signal(signal.SIGTERM)
        results = await task
        assert {name: outcome(result) for name, result in results.items()} == {
            "quick": "PASSED",
            "slow": "PASSED",
        }
        assert await asyncio.wait_for(server.process.wait(), 10) == 0
        assert [line["event"] for line in await server.log()][-1] == "stopped"
    assert not (tmp_path / "p").exists()


def _with(method: Any, metadata: Any) -> Any:
    return lambda request: method(request, metadata=metadata)


async def test_after_drain_seconds_the_rest_is_cancelled(tmp_path: Path) -> None:
    async with _process(tmp_path, "--drain-seconds", "0.2", "--cells", "1") as server:
        task = await _running(
            server.harness, item("quick"), *(item(f"i{n}", {"wait": "never", "n": n}) for n in range(5))
        )
        server.process.send_signal(signal.SIGTERM)
        results = await task
        assert outcome(results.pop("quick")) == "PASSED"
        assert [reason(result) for result in results.values()] == ["CANCELLED"] * 5
        assert await asyncio.wait_for(server.process.wait(), 10) == 0


async def test_a_second_signal_ends_the_drain_at_once(tmp_path: Path) -> None:
    async with _process(tmp_path, "--drain-seconds", "600") as server:
        task = await _running(server.harness, item("quick"), item("stuck", {"wait": "never"}))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.stderr is not None
        while b'"draining"' not in await server.process.stderr.readline():
            pass
        server.process.send_signal(signal.SIGINT)
        results = await task
        assert reason(results["stuck"]) == "CANCELLED"
        assert await asyncio.wait_for(server.process.wait(), 10) == 128 + signal.SIGINT


async def test_the_end_of_standard_input_is_a_drain(tmp_path: Path) -> None:
    async with _process(tmp_path, "--watch-stdin") as server:
        assert outcome(await server.harness.verify(item("a"))) == "PASSED"
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert await asyncio.wait_for(server.process.wait(), 10) == 0


class _NoSandboxes(FakePool):
    async def start(self) -> None:
        raise SandboxUnavailable("allow user namespaces")


@pytest.mark.parametrize(
    ("verifiers", "argv", "pool", "status", "text"),
    [
        ([NoTools], [], FakePool, 3, "frobnicator"),
        ([AlwaysPasses], [], FakePool, 3, "OUTCOME_PASSED instead of OUTCOME_FAILED"),
        ([EchoVerifier], ["--listen", "0.0.0.0:0"], FakePool, 2, "--insecure"),
        ([EchoVerifier], ["--environments-dir", "/nonexistent"], FakePool, 2, "/nonexistent"),
        ([EchoVerifier], [], _NoSandboxes, 4, "allow user namespaces"),
    ],
)
def test_exit_codes_say_why_a_server_did_not_start(
    verifiers: list[type[EchoVerifier]],
    argv: list[str],
    pool: type[FakePool],
    status: int,
    text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    EchoVerifier.reset()
    argv = ["--listen", f"unix:{tmp_path}/s", *argv]
    assert run(verifiers, argv, make_pool=lambda settings: pool(settings.cells)) == status
    assert text in capsys.readouterr().err


def test_examples_are_protobuf_json() -> None:
    for path in (Path(__file__).parent / "examples").glob("*/*.json"):
        json_format.ParseDict(json.loads(path.read_text())["item"], verifier_pb2.Item())
