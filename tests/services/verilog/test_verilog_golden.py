"""Goldens are simulated once for all who need them, and kept while there is room."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from basanite_sandboxes.spec import Limits
from basanite_services.chassis.verifier import TaskFault
from basanite_services.verilog.compare import Expectation
from basanite_services.verilog.design import Design, Port
from basanite_services.verilog.golden import Golden, GoldenStore
from basanite_services.verilog.stimuli import Plan, make_stimuli
from basanite_services.verilog.waves import Waves

PORTS = (Port("a", "input", 8, False), Port("y", "output", 8, False))
LIMITS = Limits()
DESIGN = Design("T", PORTS, (), ())


def golden(cycles: int = 100) -> Golden:
    stimuli = make_stimuli(DESIGN, Plan(cycles), b"s" * 32)
    waves = Waves((PORTS[1],), tuple(b"00000000" for _ in stimuli.rows))
    return Golden(DESIGN, (), stimuli, Expectation(waves))


def in_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(test())

    return functools.wraps(test)(run)


class Maker:
    def __init__(self) -> None:
        self.count = 0
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> Golden:
        self.count += 1
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return golden()


@in_a_loop
async def test_many_who_ask_at_one_time_get_one() -> None:
    store, make = GoldenStore(1 << 20), Maker()
    asking = [asyncio.ensure_future(store.get((b"k", LIMITS), make)) for _ in range(20)]
    await asyncio.sleep(0)
    make.go.set()
    found = await asyncio.gather(*asking)
    assert make.count == 1
    assert len({id(one) for one in found}) == 1
    assert await store.get((b"k", LIMITS), make) is found[0]
    assert make.count == 1


@in_a_loop
async def test_who_waits_makes_it_if_the_first_is_cancelled() -> None:
    store, make = GoldenStore(1 << 20), Maker()
    first, second = (asyncio.ensure_future(store.get((b"k", LIMITS), make)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    make.go.set()
    assert isinstance(await second, Golden)
    assert first.cancelled()


@in_a_loop
async def test_one_that_does_not_work_is_tried_once_within_the_same_limits() -> None:
    store, make = GoldenStore(1 << 20), Maker()
    make.go.set()
    make.error = TaskFault("a.field", "does not compile")
    for _ in range(3):
        with pytest.raises(TaskFault, match="does not compile") as caught:
            await store.get((b"k", LIMITS), make)
        assert caught.value.field == "a.field"
    assert make.count == 1
    make.error = None
    assert isinstance(await store.get((b"k", Limits(cpu_seconds=20)), make), Golden)
    with pytest.raises(TaskFault):
        await store.get((b"k", LIMITS), make)


@in_a_loop
async def test_what_cannot_be_made_is_not_kept() -> None:
    store, make = GoldenStore(1 << 20), Maker()
    make.go.set()
    make.error = ValueError("broken")
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            await store.get((b"k", LIMITS), make)
    make.error = None
    assert isinstance(await store.get((b"k", LIMITS), make), Golden)
    assert make.count == 3


@in_a_loop
async def test_other_keys_do_not_wait() -> None:
    store, slow, quick = GoldenStore(1 << 20), Maker(), Maker()
    waiting = asyncio.ensure_future(store.get((b"slow", LIMITS), slow))
    await asyncio.sleep(0)
    quick.go.set()
    assert isinstance(await store.get((b"quick", LIMITS), quick), Golden)
    assert not waiting.done()
    slow.go.set()
    await waiting


@in_a_loop
async def test_the_last_used_are_kept_as_many_as_fit() -> None:
    size = golden().memory_bytes
    store, make = GoldenStore(3 * size), Maker()
    make.go.set()
    for key in (b"1", b"2", b"3", b"1", b"4"):
        await store.get((key, LIMITS), make)
    assert make.count == 4
    await store.get((b"1", LIMITS), make)
    assert make.count == 4
    await store.get((b"2", LIMITS), make)
    assert make.count == 5


@in_a_loop
async def test_one_that_is_larger_than_the_room_is_not_kept() -> None:
    store, make = GoldenStore(golden().memory_bytes - 1), Maker()
    make.go.set()
    await store.get((b"k", LIMITS), make)
    await store.get((b"k", LIMITS), make)
    assert make.count == 2
