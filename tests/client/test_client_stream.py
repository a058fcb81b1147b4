"""Streams: items are taken while results come."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from building import item, numbered
from fake_server import FakeServer

from basanite import AsyncClient, Client, FailureReason, Item, Result, StdioCase, StdioTask

Serve = Callable[..., FakeServer]


def test_results_come_as_they_are_ready(client: Client) -> None:
    ids = [r.id for r in client.stream([item("slow=0.2", "slow"), item("pass", "quick")])]
    assert ids == ["quick", "slow"]


def test_every_item_gets_exactly_one_result(client: Client) -> None:
    results = list(client.stream(iter(numbered(3000))))
    assert sorted(r.id for r in results) == sorted(f"n{n}" for n in range(3000))
    assert all(r.passed for r in results)


def test_an_item_is_sent_before_the_next_one_exists(client: Client, server: FakeServer) -> None:
    def source() -> Iterator[Item]:
        for n in range(5):
            server.arrived.clear()
            yield item("pass", f"n{n}")
            assert server.arrived.wait(5)

    assert len(list(client.stream(source()))) == 5


def test_items_may_follow_from_results(client: Client) -> None:
    answered = threading.Semaphore(1)

    def source() -> Iterator[Item]:
        for n in range(5):
            assert answered.acquire(timeout=5)
            yield item("pass", f"n{n}")

    for result in client.stream(source()):
        assert result.passed
        answered.release()


def test_asynchronous_sources_are_taken(server: FakeServer) -> None:
    async def source() -> AsyncIterator[Item]:
        for n in range(5):
            await asyncio.sleep(0)
            yield item("pass", f"n{n}")

    async def main() -> list[Result]:
        async with AsyncClient(server.address) as client:
            return [result async for result in client.stream(source())]

    assert len(asyncio.run(main())) == 5


def test_a_source_that_blocks_does_not_block_the_event_loop(server: FakeServer) -> None:
    go = threading.Event()

    def source() -> Iterator[Item]:
        yield item("pass", "a")
        assert go.wait(5)
        yield item("pass", "b")

    async def main() -> list[str]:
        ids = []
        async with AsyncClient(server.address) as client:
            async for result in client.stream(source()):
                ids.append(result.id)
                go.set()
        return ids

    assert asyncio.run(main()) == ["a", "b"]


def test_an_empty_source_gives_no_results(client: Client) -> None:
    assert list(client.stream([])) == []


def test_bad_items_get_failures_and_the_rest_is_judged(client: Client) -> None:
    bad = Item(StdioTask("pass", [StdioCase("\ud800", "")]))
    results = {r.id: r for r in client.stream([bad, item("fail"), item("pass", "x"), bad])}
    assert len(results) == 4
    assert results["item-1"].score == 0.5
    assert results["x"].passed
    for refused in ("item-0", "item-3"):
        failure = results[refused].failure
        assert failure is not None
        assert failure.field == "code.stdio.cases[0].stdin"


def test_an_id_in_flight_is_not_taken_twice_and_is_free_again_after(client: Client) -> None:
    first, second = client.stream([item("slow=0.2", "x"), item("pass", "x")])
    assert first.failure is not None
    assert (first.failure.reason, first.failure.field) == (FailureReason.INVALID_ITEM, "id")
    assert second.passed
    assert [r.passed for r in client.stream([item("pass", "x")])] == [True]


@pytest.mark.parametrize(
    "script",
    ["sandbox pass", "status=UNKNOWN pass", "status=UNAVAILABLE pass", "twice", "stranger"],
)
def test_trouble_is_retried_and_results_are_never_doubled(client: Client, script: str) -> None:
    results = list(
        client.stream([*numbered(5), item(script, "x"), *[item("pass", f"m{n}") for n in range(5)]])
    )
    assert len(results) == 11
    assert all(r.passed for r in results)


def test_the_deadline_ends_the_source_and_what_is_in_flight(client: Client, server: FakeServer) -> None:
    def source() -> Iterator[Item]:
        yield item("pass", "a")
        yield item("hang", "b")
        while True:
            threading.Event().wait(0.01)
            yield item("\ud800")

    results = {r.id: r for r in client.stream(source(), deadline_seconds=0.5)}
    assert results["a"].passed
    failure = results["b"].failure
    assert failure is not None
    assert failure.reason is FailureReason.DEADLINE
    assert server.cancelled.wait(5)


def test_an_items_deadline_counts_from_when_it_was_taken(client: Client, server: FakeServer) -> None:
    results = {
        r.id: r for r in client.stream([item("hang", "a", deadline_seconds=0.1), item("slow=0.3", "b")])
    }
    assert results["a"].failure is not None
    assert results["a"].failure.reason is FailureReason.DEADLINE
    assert results["b"].passed


def test_an_error_of_the_source_reaches_the_consumer(client: Client) -> None:
    def source() -> Iterator[Item]:
        yield item("pass", "a")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        list(client.stream(source()))
    with pytest.raises(TypeError, match="Item"):
        list(client.stream(["print(1)"]))  # type: ignore[list-item]


def test_leaving_early_cancels_the_call_and_closes_the_source(client: Client, server: FakeServer) -> None:
    closed = threading.Event()

    def source() -> Iterator[Item]:
        try:
            for n in itertools.count():
                yield item("pass" if n == 0 else "hang", f"n{n}")
        finally:
            closed.set()

    for result in client.stream(source()):
        assert result.passed
        break
    assert server.cancelled.wait(5)
    assert closed.wait(5)


def test_leaving_early_cancels_the_call_of_the_asynchronous_client(server: FakeServer) -> None:
    async def main() -> None:
        async with AsyncClient(server.address) as client:
            results = client.stream([item("pass"), item("hang")])
            async for _ in results:
                break
            await results.aclose()
            assert await asyncio.to_thread(server.cancelled.wait, 5)

    asyncio.run(main())


def test_no_more_is_taken_than_the_servers_queue_holds(serve: Serve) -> None:
    server = serve(max_queued_items=8)
    with Client(server.address) as client:
        assert len(list(client.stream(iter(numbered(60, "slow=0.005"))))) == 60
    assert server.most_in_flight <= 8


def test_a_consumer_that_does_not_consume_stops_the_source(client: Client) -> None:
    taken = 0

    def source() -> Iterator[Item]:
        nonlocal taken
        for n in range(5000):
            taken = n
            yield item("pass", f"n{n}")

    results = client.stream(source())
    next(results)
    seen = -1
    while seen != taken:  # until it stands still
        seen = taken
        threading.Event().wait(0.3)
    assert taken < 2500
    assert len(list(results)) == 4999


def test_a_stream_that_is_cancelled_while_it_ends_gives_its_places_back(serve: Serve) -> None:
    server = serve(max_queued_items=3)
    client = AsyncClient(server.address)

    async def leave_in_haste() -> None:
        taking = asyncio.create_task(anext(client.stream(numbered(3, "hang"))))
        await asyncio.to_thread(server.arrived.wait, 10)
        taking.cancel()
        await asyncio.sleep(0)
        taking.cancel()
        await asyncio.wait([taking])

    asyncio.run(leave_in_haste())
    assert asyncio.run(client.verify(item(), deadline_seconds=10)).passed
