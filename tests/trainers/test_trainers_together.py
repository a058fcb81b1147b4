"""What asks at one time is sent together, and nothing that happens to one concerns the others."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "client"))

from building import item
from fake_server import Behaviour, FakeServer

from basanite import AsyncClient, AuthenticationFailed, ConnectionFailed, FailureReason, Result
from basanite.trainers._together import Together


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with (
        tempfile.TemporaryDirectory(prefix="bt-") as folder,
        FakeServer(f"unix:{folder}/s", Behaviour(max_queued_items=100)) as server,
    ):
        yield server


@pytest.fixture
def client(server: FakeServer) -> AsyncClient:
    return AsyncClient(server.address)


@pytest.fixture
def together(client: AsyncClient) -> Together:
    return Together(client)


async def ask(together: Together, script: str = "pass", seconds: float = 30.0, **more: Any) -> Result:
    [result] = await together.verify([item(script, **more)], seconds)
    return result


async def rest() -> None:
    """Wait until nothing else runs in this event loop."""
    async with asyncio.timeout(10):
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)


def calls(server: FakeServer) -> list[tuple[str, int]]:
    return [call for call in server.calls if call[0] != "Describe"]


def test_what_asks_in_one_turn_of_the_event_loop_leaves_in_one_message(
    together: Together, server: FakeServer
) -> None:
    async def many() -> list[Result]:
        return await asyncio.gather(*(ask(together) for _ in range(80)))

    assert all(result.passed for result in asyncio.run(many()))
    assert calls(server) == [("VerifyStream", 0), ("VerifyStream message", 80)]


def test_more_than_the_server_takes_at_a_time_are_all_judged(together: Together, server: FakeServer) -> None:
    async def many() -> list[Result]:
        asked = (
            ask(together, "fail" if number % 3 else "pass", item_id=f"n{number}") for number in range(2_000)
        )
        return await asyncio.gather(*asked)

    results = asyncio.run(many())
    assert [result.passed for result in results] == [number % 3 == 0 for number in range(2_000)]
    assert [result.id for result in results] == [f"n{number}" for number in range(2_000)]
    assert server.most_in_flight <= 100
    assert calls(server).count(("VerifyStream", 0)) == 2  # so that a balancer may send them to two servers


def test_results_of_several_items_come_in_their_order_whatever_their_ids(together: Together) -> None:
    async def one() -> list[Result]:
        scripts = ["pass", "fail", "slow=0.05", "invalid"]
        return await together.verify([item(script, "same") for script in scripts], 30)

    results = asyncio.run(one())
    assert [result.passed for result in results] == [True, False, True, False]
    assert results[3].failure is not None
    assert {result.id for result in results} == {"same"}


def test_no_items_need_no_server() -> None:
    assert asyncio.run(Together(AsyncClient("unix:/nonexistent/s")).verify([], 1)) == []


def test_nothing_waits_for_a_slow_neighbour(together: Together, server: FakeServer) -> None:
    async def many() -> None:
        slow = asyncio.create_task(ask(together, "hang"))
        assert all(result.passed for result in await asyncio.gather(*(ask(together) for _ in range(50))))
        assert (await ask(together)).passed
        assert not slow.done()
        slow.cancel()
        await asyncio.wait([slow])

    asyncio.run(many())
    assert calls(server).count(("VerifyStream", 0)) == 1


def test_each_call_has_a_deadline_of_its_own(together: Together) -> None:
    async def many() -> list[Result]:
        asked = [ask(together, "hang", 0.2), ask(together, "hang", 0.4), ask(together, "slow=0.6", 30)]
        began = asyncio.get_running_loop().time()
        ends = []
        for done in asyncio.as_completed(asked):
            await done
            ends.append(asyncio.get_running_loop().time() - began)
        assert ends[0] >= 0.2
        assert ends[1] >= 0.4
        return await asyncio.gather(ask(together, "hang", 0.1), ask(together, "slow=0.2"))

    late, right = asyncio.run(many())
    assert late.failure is not None
    assert late.failure.reason is FailureReason.DEADLINE
    assert "0.1 s" in late.failure.message
    assert right.passed


def test_a_call_ends_at_its_deadline_also_where_the_servers_queue_is_full(together: Together) -> None:
    async def many() -> list[Result]:
        full = [asyncio.create_task(ask(together, "hang")) for _ in range(100)]
        results = await asyncio.gather(*(ask(together, "pass", 0.2) for _ in range(3)))
        for task in full:
            task.cancel()
        await asyncio.wait(full)
        return [*results, await ask(together)]

    *late, after = asyncio.run(many())
    assert [result.failure.reason for result in late if result.failure] == [FailureReason.DEADLINE] * 3
    assert after.passed


def test_a_cancelled_call_disturbs_no_other(together: Together, server: FakeServer) -> None:
    async def many() -> list[Result]:
        gone = [asyncio.create_task(ask(together, "slow=0.1")) for _ in range(3)]
        kept = [asyncio.create_task(ask(together, "slow=0.2")) for _ in range(3)]
        await asyncio.to_thread(server.arrived.wait, 10)
        for task in gone:
            task.cancel()
        return await asyncio.gather(*kept)

    assert all(result.passed for result in asyncio.run(many()))


def test_the_last_one_who_is_cancelled_ends_the_work_of_the_server(
    together: Together, server: FakeServer
) -> None:
    async def many() -> None:
        asked = [asyncio.create_task(ask(together, "hang")) for _ in range(3)]
        await asyncio.to_thread(server.arrived.wait, 10)
        for task in asked:
            task.cancel()
        await asyncio.wait(asked)
        assert await asyncio.to_thread(server.cancelled.wait, 10)
        assert (await ask(together)).passed

    asyncio.run(many())


def test_a_call_that_is_full_ends_like_any_other(together: Together, server: FakeServer) -> None:
    async def many() -> None:
        asked = [asyncio.create_task(ask(together, "slow=0.2" if n else "hang")) for n in range(1_001)]
        results = await asyncio.gather(*asked[1:])
        assert all(result.passed for result in results)
        asked[0].cancel()
        await asyncio.wait([asked[0]])
        await rest()

    server.behaviour.max_queued_items = 10_000
    asyncio.run(many())
    assert server.cancelled.wait(10)


def test_what_was_cancelled_before_it_left_is_not_sent(together: Together, server: FakeServer) -> None:
    async def two() -> Result:
        gone = asyncio.create_task(ask(together, "hang"))
        kept = asyncio.create_task(ask(together))
        await asyncio.sleep(0)
        gone.cancel()
        return await kept

    assert asyncio.run(two()).passed
    assert len(server.items) == 1


def test_trouble_of_the_server_is_retried(together: Together, server: FakeServer) -> None:
    async def many() -> list[Result]:
        scripts = ["sandbox pass", "twice", "stranger", "pass"]
        return await asyncio.gather(*(ask(together, script) for script in scripts))

    server.behaviour.refuse += ["UNAVAILABLE"]
    assert all(result.passed for result in asyncio.run(many()))


def test_what_is_no_item_is_an_error_of_its_call_alone(together: Together) -> None:
    async def two() -> list[Any]:
        return await asyncio.gather(
            ask(together, "slow=0.1"),
            together.verify(["print()"], 30),  # type: ignore[list-item]
            ask(together, "pass", require_assurance="all"),
            return_exceptions=True,
        )

    right, error, invalid = asyncio.run(two())
    assert right.passed
    assert isinstance(error, TypeError)
    assert invalid.failure.reason is FailureReason.INVALID_ITEM


def test_a_refused_token_is_an_error_of_every_call(together: Together, server: FakeServer) -> None:
    server.behaviour.token = "secret"

    async def many() -> list[Any]:
        return await asyncio.gather(*(ask(together) for _ in range(5)), return_exceptions=True)

    assert [type(error) for error in asyncio.run(many())] == [AuthenticationFailed] * 5


def test_an_absent_server_is_an_error_also_where_the_deadline_comes_first() -> None:
    began = time.monotonic()
    with pytest.raises(ConnectionFailed, match=r"unix:/nonexistent/s within 0\.2 s"):
        asyncio.run(ask(Together(AsyncClient("unix:/nonexistent/s")), "pass", 0.2))
    assert time.monotonic() - began < 4


def test_a_server_that_comes_back_is_found(server: FakeServer, together: Together) -> None:
    async def around_a_restart() -> list[Result]:
        asked = asyncio.create_task(ask(together, "hang pass"))
        await asyncio.to_thread(server.arrived.wait, 10)
        await asyncio.to_thread(server.stop)
        more = asyncio.create_task(ask(together))
        await asyncio.to_thread(server.start)
        return [await asked, await more, await ask(together)]

    assert all(result.passed for result in asyncio.run(around_a_restart()))


def test_nothing_runs_on_when_all_is_answered(together: Together, server: FakeServer) -> None:
    async def twice() -> None:
        for number in range(2):
            assert (await ask(together)).passed
            await rest()
            assert calls(server).count(("VerifyStream", 0)) == number + 1

    asyncio.run(twice())
