"""Identical items at the same time: judged once, each caller with a Result of its own, and none at another's mercy."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from chassis_fakes import ECHO, EchoVerifier, FakePool, Harness, item, outcome, reason, serving

from basanite.v1 import result_pb2, tasks_pb2, verifier_pb2, verifier_pb2_grpc
from basanite.v1.result_pb2 import Result, Verdict
from basanite_sandboxes.spec import Environment
from basanite_services.chassis import logs
from basanite_services.chassis.admission import Admission
from basanite_services.chassis.cache import VerdictCache
from basanite_services.chassis.judge import Judge
from basanite_services.chassis.metrics import Metrics
from basanite_services.chassis.scheduler import Call, Scheduler
from basanite_services.chassis.seeds import Seeds
from basanite_services.chassis.served import serve
from basanite_services.chassis.verifier import Context, Verifier

BYPASS = verifier_pb2.CACHE_POLICY_BYPASS


class Desk:
    """Scheduler and judge without a server: what a test does happens at once, and in its order."""

    def __init__(self, verifier: Verifier[Any] | None = None, *, cells: int = 2) -> None:
        EchoVerifier.reset()
        self.pool = FakePool(cells)
        self.metrics = Metrics()
        self.admission = Admission(100_000)
        self.judge = Judge(
            pool=self.pool,
            environments={"": Environment()},
            max_item_bytes=1 << 20,
            cache=VerdictCache(1 << 20),
            metrics=self.metrics,
            seeds=Seeds(),
            log=logs.configure("error", "json"),
        )
        self.judge.served[ECHO] = serve(verifier or EchoVerifier(), self.pool)
        self.scheduler = Scheduler(self.judge, self.admission, max_in_flight=2 * cells)

    @contextlib.contextmanager
    def call(self, *items: verifier_pb2.Item, stream: bool = False) -> Iterator[Call]:
        """A call with these items, closed at the end."""
        self.admission.take(len(items))
        call = self.scheduler.open(stream=stream)
        for one in items:
            call.submit(one.id, one)
        with contextlib.closing(call):
            yield call

    async def settle(self) -> None:
        """Let everything happen that does not wait for a gate."""
        for _ in range(20):
            await asyncio.sleep(0)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


async def _results(call: Call, count: int) -> dict[str, Result]:
    results: list[Result] = []
    while len(results) < count:
        chunk = await asyncio.wait_for(call.next_chunk(), 10)
        assert chunk is not None
        results += verifier_pb2.VerifyBatchResponse.FromString(chunk[0]).results
        call.sent(chunk[1])
    assert len({result.id for result in results}) == len(results) == count
    return {result.id: result for result in results}


async def test_identical_items_of_a_batch_are_judged_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        gate = EchoVerifier.gate("g")
        names = [f"i{n}" for n in range(20)]
        order = {"wait": "g", "score": 0.5, "near_limit": True}
        request = verifier_pb2.VerifyBatchRequest(
            items=[*(item(name, order) for name in names), item("marker")]
        )
        call = harness.stub.VerifyBatch(request)
        results = await _read(call, 1)
        # Its result says that what came before it has had its turn.
        assert list(results) == ["marker"]
        gate.release.set()
        results |= await _read(call, 20)
        assert gate.count == 1
        copies = [results[name] for name in names]
        assert [result.id for result in copies] == names
        assert [result.cached for result in copies] == [False] + [True] * 19
        for result in copies[1:]:
            assert result.verdict == copies[0].verdict
            assert (result.digest, result.usage) == (copies[0].digest, copies[0].usage)
        # It was near its limit: shared, but not kept.
        again = await harness.verify(item("again", order))
        assert not again.cached
        assert gate.count == 2


async def test_identical_items_of_two_clients_are_judged_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness, _other_client(harness) as other:
        gate = EchoVerifier.gate("g")
        first = asyncio.create_task(harness.verify(item("first", {"wait": "g"})))
        await gate.started.wait()
        request = verifier_pb2.VerifyBatchRequest(items=[item("second", {"wait": "g"}), item("marker")])
        call = other.VerifyBatch(request)
        assert list(await _read(call, 1)) == ["marker"]
        gate.release.set()
        second = (await _read(call, 1))["second"]
        assert (await first).cached is False
        assert (second.id, second.cached, outcome(second)) == ("second", True, "PASSED")
        assert gate.count == 1


@pytest.mark.parametrize("who", ["leader", "follower"])
@pytest.mark.parametrize("how", ["cancels", "times out"])
async def test_a_client_that_goes_away_does_not_take_the_verdict_from_another(
    who: str, how: str, tmp_path: Path
) -> None:
    async with serving(tmp_path) as harness, _other_client(harness) as other:
        gate = EchoVerifier.gate("g")
        timeouts = {who: 0.5} if how == "times out" else {}

        def start(name: str, stub: Any) -> Any:
            request = verifier_pb2.VerifyRequest(item=item(name, {"wait": "g"}))
            return stub.Verify(request, timeout=timeouts.get(name))

        calls = {"leader": start("leader", harness.stub)}
        await gate.started.wait()
        calls["follower"] = start("follower", other)
        leaving, staying = calls.pop(who), next(iter(calls.values()))
        if how == "cancels":
            await _until_queued(harness, 2)
            leaving.cancel()
        assert await leaving.code() is not grpc.StatusCode.OK
        await _until_queued(harness, 1)
        gate.release.set()
        assert outcome((await staying).result) == "PASSED"
        assert gate.count == 1
        assert not gate.cancelled.is_set()


@contextlib.asynccontextmanager
async def _other_client(harness: Harness) -> Any:
    options = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))
    async with grpc.aio.insecure_channel(str(harness.server.address), options=options) as channel:
        yield verifier_pb2_grpc.VerifierServiceStub(channel)


async def _read(call: Any, count: int) -> dict[str, Result]:
    """Results of a call to the server, in order of arrival."""
    results: dict[str, Result] = {}
    while len(results) < count:
        results |= {result.id: result for result in (await call.read()).results}
    assert len(results) == count
    return results


async def _until_queued(harness: Harness, count: int) -> None:
    for _ in range(5000):
        if harness.server.metrics.registry.get_sample_value("basanite_queue_items") == count:
            return
        await asyncio.sleep(0.002)
    raise AssertionError(f"the server never had {count} items")


@pytest.mark.parametrize("leaving", [0, 1, 2])
async def test_a_flight_goes_on_for_whoever_is_left(leaving: int) -> None:
    desk = Desk()
    gate = EchoVerifier.gate("g")
    with contextlib.ExitStack() as stack:
        calls = [stack.enter_context(desk.call(item(f"i{n}", {"wait": "g"}))) for n in range(3)]
        await gate.started.wait()
        await desk.settle()
        calls[leaving].close()
        await desk.settle()
        gate.release.set()
        for n in {0, 1, 2} - {leaving}:
            results = await _results(calls[n], 1)
            assert outcome(results[f"i{n}"]) == "PASSED"
            assert results[f"i{n}"].cached is (n != 0)
    await desk.settle()
    assert gate.count == 1
    assert (desk.scheduler.running, desk.pool.in_use, desk.admission.used) == (0, 0, 0)
    first_left = leaving == 0
    assert desk.count("basanite_items_total", kind=ECHO, outcome="PASSED", cached="false") == 1 - first_left
    assert desk.count("basanite_items_total", kind=ECHO, outcome="PASSED", cached="true") == 1 + first_left
    assert desk.count("basanite_run_seconds_count", kind=ECHO) == 1


class Lingering(EchoVerifier):
    """Takes its time to be cancelled, as a cell does that is swept."""

    may_go: asyncio.Event

    async def verify(self, task: tasks_pb2.ExtensionTask, context: Context) -> Verdict:
        try:
            return await super().verify(task, context)
        except asyncio.CancelledError:
            await self.may_go.wait()
            raise


async def test_the_last_to_leave_ends_the_run_and_its_end_is_waited_for() -> None:
    Lingering.may_go = asyncio.Event()
    desk = Desk(Lingering())
    gate = EchoVerifier.gate("g")
    with contextlib.ExitStack() as stack:
        calls = [stack.enter_context(desk.call(item(f"i{n}", {"wait": "g"}))) for n in range(3)]
        await gate.started.wait()
        await desk.settle()
        for call in calls:
            assert not gate.cancelled.is_set()
            call.close()
        await asyncio.wait_for(gate.cancelled.wait(), 5)
        assert desk.scheduler.running == 1
        # An identical item that comes now must not be taken along.
        with desk.call(item("late", {"wait": "g"})) as late:
            gate.release.set()
            results = await _results(late, 1)
            assert (outcome(results["late"]), results["late"].cached) == ("PASSED", False)
            with desk.call(item("later", {"wait": "g"})) as later:
                assert (await _results(later, 1))["later"].cached
        gone = asyncio.create_task(desk.scheduler.wait_tasks(10))
        await desk.settle()
        assert not gone.done()
        Lingering.may_go.set()
        await gone
        await desk.settle()
    assert gate.count == 2
    assert desk.scheduler.running == 0


async def test_a_drain_answers_all_that_wait_and_leaves_nothing_running() -> None:
    desk = Desk()
    gate = EchoVerifier.gate("g")
    with (
        desk.call(item("a", {"wait": "g"}), item("b", {"wait": "g"})) as one,
        desk.call(item("c", {"wait": "g"})) as two,
    ):
        await gate.started.wait()
        await desk.settle()
        desk.scheduler.cancel_all()
        await desk.scheduler.wait_tasks(10)
        await desk.settle()
        results = await _results(one, 2) | await _results(two, 1)
        assert [reason(results[name]) for name in "abc"] == ["CANCELLED"] * 3
        assert gate.cancelled.is_set()
        assert desk.scheduler.running == 0


@pytest.mark.parametrize("who", ["leader", "follower"])
async def test_an_id_used_twice_spoils_its_own_items_and_not_those_that_wait_with_them(who: str) -> None:
    desk = Desk()
    gate = EchoVerifier.gate("g")
    with (
        desk.call(item("leader", {"wait": "g"}), stream=True) as one,
        desk.call(item("follower", {"wait": "g"}), stream=True) as two,
    ):
        await gate.started.wait()
        await desk.settle()
        spoiled, other = (one, two) if who == "leader" else (two, one)
        desk.admission.take(1)
        spoiled.submit(who, item(who, {"other": 1}))
        # Both are answered without waiting for the run, which goes on.
        await spoiled.next_chunk()
        assert spoiled.counts == {"INVALID_ITEM": 2}
        gate.release.set()
        (result,) = (await _results(other, 1)).values()
        assert outcome(result) == "PASSED"
        await desk.settle()
        assert spoiled.delivered == 2
    assert gate.count == 1


async def test_an_id_used_twice_is_answered_once_each_when_the_first_was_judged_already() -> None:
    desk = Desk()
    with desk.call(item("a"), stream=True) as call:
        await desk.settle()
        desk.admission.take(1)
        call.submit("a", item("a"))
        await call.next_chunk()
        assert call.counts == {"INVALID_ITEM": 2}


@pytest.mark.parametrize(
    ("error", "name", "runs"),
    [
        ("task_fault", "TASK_FAULT", 1),
        ("sandbox", "SANDBOX", 2),
        ("overloaded", "OVERLOADED", 1),
        ("bug", "INTERNAL", 1),
        ("cancelled", "INTERNAL", 1),
    ],
)
async def test_a_failure_is_that_of_all_who_waited(error: str, name: str, runs: int) -> None:
    desk = Desk()
    gate = EchoVerifier.gate("g")
    order = {"wait": "g", "raise": error}
    with (
        desk.call(item("a", order), item("b", order)) as one,
        desk.call(item("c", order)) as two,
    ):
        await gate.started.wait()
        await desk.settle()
        gate.release.set()
        results = await _results(one, 2) | await _results(two, 1)
        assert [reason(results[name]) for name in "abc"] == [name] * 3
        assert not any(result.cached for result in results.values())
        assert len({result.failure.SerializeToString() for result in results.values()}) == 1
        assert len(EchoVerifier.runs) == runs
        await desk.settle()
        assert desk.scheduler.running == 0
    if error != "cancelled":
        assert desk.count("basanite_failures_total", kind=ECHO, reason=name) == 3


async def test_a_bypass_is_judged_anew_and_shared_with_nobody() -> None:
    desk = Desk()
    gate = EchoVerifier.gate("g")
    order = {"wait": "g"}
    items = [item("used", order), *(item(f"bypass{n}", order, cache_policy=BYPASS) for n in range(2))]
    # Whichever comes first.
    with desk.call(*items, item("bypass2", order, cache_policy=BYPASS)) as call:
        await desk.settle()
        assert gate.count == 2
        gate.release.set()
        results = await _results(call, 4)
        assert gate.count == 4
        assert not any(result.cached for result in results.values())


@pytest.mark.parametrize("first", ["strict", "lenient"])
async def test_each_caller_gets_what_its_own_required_assurance_allows(first: str) -> None:
    desk = Desk()
    gate = EchoVerifier.gate("g")
    order = {"wait": "g", "guarded": True}
    items = {
        "strict": item("strict", order),
        "lenient": item("lenient", order, require_assurance=result_pb2.ASSURANCE_GUARDED),
    }
    with desk.call(items.pop(first)) as one, desk.call(*items.values()) as two:
        await gate.started.wait()
        await desk.settle()
        gate.release.set()
        results = await _results(one, 1) | await _results(two, 1)
    assert reason(results["strict"]) == "INVALID_ITEM"
    assert results["strict"].failure.field == "require_assurance"
    assert outcome(results["lenient"]) == "PASSED"
    assert gate.count == 1
    assert desk.count("basanite_failures_total", kind=ECHO, reason="INVALID_ITEM") == 1
    cached = "true" if first == "strict" else "false"
    assert desk.count("basanite_items_total", kind=ECHO, outcome="PASSED", cached=cached) == 1


async def test_what_differs_is_not_shared() -> None:
    desk = Desk(cells=8)
    gate = EchoVerifier.gate("g")
    order = {"wait": "g"}
    different = [
        item("default", order),
        item("limits", order, limits=verifier_pb2.Limits(cpu_seconds=1)),
        item("task", {**order, "n": 1}),
    ]
    same = [
        item("same", order),
        item("spelled out", order, limits=verifier_pb2.Limits(cpu_seconds=10)),
    ]
    with desk.call(*different, *same) as call:
        await desk.settle()
        gate.release.set()
        results = await _results(call, 5)
    assert gate.count == 3
    assert {name for name, result in results.items() if result.cached} == {one.id for one in same}


async def test_ten_thousand_copies_of_a_slow_item_keep_nobody_else_waiting() -> None:
    desk = Desk(cells=2)
    gate = EchoVerifier.gate("g")
    with (
        desk.call(*(item(f"i{n}", {"wait": "g", "output": 100_000}) for n in range(10_000))) as slow,
        desk.call(item("other")) as other,
    ):
        assert outcome((await _results(other, 1))["other"]) == "PASSED"
        while slow.waiting:
            await desk.settle()
        gate.release.set()
        await desk.settle()
        # One verdict, not a gigabyte of copies.
        answers = [job.answer for job in slow._ready if job.answer is not None]
        assert len(answers) == 10_000
        assert len({id(answer.body) for answer in answers}) == 1
    assert gate.count == 1


async def test_nothing_is_kept_of_a_flight_that_ended() -> None:
    desk = Desk()
    for order in ({}, {"raise": "bug"}, {"raise": "cancelled"}):
        with desk.call(*(item(f"i{n}", order) for n in range(3))) as call:
            await _results(call, 3)
    await desk.settle()
    assert len(desk.judge._flights) == 0
    assert desk.scheduler.running == 0
