"""The places in the server's queue: never more taken than there are, none lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from basanite._window import Window


def run(work: Coroutine[Any, Any, int | None]) -> int | None:
    return asyncio.run(asyncio.wait_for(work, 5))


def test_as_many_places_are_taken_as_are_free_up_to_the_wish() -> None:
    async def main() -> None:
        window = Window(10)
        assert await window.acquire(1, 4) == 4
        assert await window.acquire(1, 100) == 6
        window.release(3)
        assert await window.acquire(3, 3) == 3

    run(main())


def test_who_waits_is_served_in_order_when_enough_is_free() -> None:
    async def main() -> None:
        window = Window(4)
        await window.acquire(4, 4)
        served: list[str] = []

        async def wait(name: str, least: int) -> None:
            await window.acquire(least, least)
            served.append(name)

        tasks = [asyncio.create_task(wait("large", 3)), asyncio.create_task(wait("small", 1))]
        await asyncio.sleep(0)
        window.release(2)
        await asyncio.sleep(0.01)
        assert served == []
        window.release(2)
        await asyncio.gather(*tasks)
        assert served == ["large", "small"]

    run(main())


def test_who_stops_waiting_takes_nothing() -> None:
    async def main() -> None:
        window = Window(2)
        await window.acquire(2, 2)
        before, granted = (asyncio.create_task(window.acquire(2, 2)) for _ in range(2))
        await asyncio.sleep(0)
        before.cancel()
        await asyncio.sleep(0)
        window.release(2)  # granted to the second, which is cancelled before it wakes
        granted.cancel()
        await asyncio.gather(before, granted, return_exceptions=True)
        assert await window.acquire(2, 2) == 2

    run(main())


def test_more_than_there_are_means_all_there_are() -> None:
    async def main() -> None:
        window = Window(3)
        assert await window.acquire(10, 20) == 3
        waiting = asyncio.create_task(window.acquire(5, 5))
        await asyncio.sleep(0)
        window.resize(8)
        assert await waiting == 5

    run(main())


def test_nothing_is_no_wish() -> None:
    with pytest.raises(ValueError, match="one place"):
        run(Window(1).acquire(0, 0))


def test_threads_with_event_loops_of_their_own_share_the_places() -> None:
    window = Window(3)
    used = most = 0
    lock = threading.Lock()

    async def work() -> None:
        nonlocal used, most
        for _ in range(50):
            got = await window.acquire(1, 2)
            with lock:
                used += got
                most = max(most, used)
            await asyncio.sleep(0)
            with lock:
                used -= got
            window.release(got)

    threads = [threading.Thread(target=run, args=(work(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert most <= 3
    assert used == 0


def test_a_waiter_whose_event_loop_is_gone_takes_nothing() -> None:
    window = Window(1)

    async def give_up() -> None:
        await window.acquire(1, 1)
        waiting = asyncio.get_running_loop().create_task(window.acquire(1, 1))
        await asyncio.sleep(0)
        waiting.cancel()

    run(give_up())
    window.release(1)
    assert run(window.acquire(1, 1)) == 1
