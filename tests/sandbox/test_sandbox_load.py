"""Time limits are the same on an idle and on a loaded machine.

What only chance would bring about, a run that load alone takes over its limit, is brought about by programs that do
something until a moment, and so do not do it again when they are run once more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from sandbox_box import STANDARD, LocalBox, limits_of, python, until

from basanite_sandboxes.process import ProcessPool, procfs
from basanite_sandboxes.process.procfs import WaitForCore
from basanite_sandboxes.process.slots import Slots
from basanite_sandboxes.spec import Ended, PythonProgram, Report, Sandbox, SandboxError

LATER = 2.5
"""Seconds from now; programs that do something once do it until then."""
BURN_ONCE = """
import time
end = float(input())
while time.time() < end and time.process_time() < 0.38: pass
print('through')
"""
SLEEP_ONCE = """
import time
start, end = time.monotonic(), float(input())
while time.time() < end and time.monotonic() - start < 0.65: time.sleep(0.01)
print('through')
"""
BURN = "import time\nwhile time.process_time() < {}: pass\nprint('through')"
REST = PythonProgram(b"import time\ntime.sleep(1000)")


@contextlib.asynccontextmanager
async def company(pool: ProcessPool, sandbox: Sandbox) -> AsyncIterator[bytes]:
    """A run beside, that uses nothing, until the sandbox waits to be alone and LATER has come. -> LATER, as input"""
    end = time.time() + LATER
    beside, over = asyncio.Event(), asyncio.Event()

    async def stay() -> None:
        async with pool.sandbox(STANDARD) as other:
            rest = asyncio.create_task(other.run(REST, limits_of(wall_seconds=1000.0)))
            beside.set()
            await until(lambda: over.is_set() or (sandbox.near_limit and time.time() > end))
            rest.cancel()
            await asyncio.gather(rest, return_exceptions=True)

    other = asyncio.create_task(stay())
    await beside.wait()
    try:
        yield f"{end}\n".encode()
    finally:
        over.set()
        await other


def in_company(box: LocalBox, program: str, **limits: float) -> tuple[Report, bool]:
    """-> (report, near_limit)"""

    async def run() -> tuple[Report, bool]:
        async with box.pool.sandbox(STANDARD) as sandbox, company(box.pool, sandbox) as end:
            report = await sandbox.run(python(program), limits_of(**limits), stdin=end)
            return report, sandbox.near_limit

    result: tuple[Report, bool] = box.do(run())
    return result


def test_what_load_alone_took_over_its_cpu_limit_passes(local_box: LocalBox) -> None:
    report, near = in_company(local_box, BURN_ONCE, cpu_seconds=0.3)
    assert (report.ended, report.stdout, near) == (Ended.EXITED, b"through\n", True)


def test_what_load_alone_took_over_its_wall_limit_passes(local_box: LocalBox) -> None:
    report, near = in_company(local_box, SLEEP_ONCE, wall_seconds=0.5)
    assert (report.ended, report.stdout, near) == (Ended.EXITED, b"through\n", True)


def test_what_is_near_its_limit_also_alone_is_over_it(local_box: LocalBox) -> None:
    report, near = in_company(local_box, BURN.format(0.5), cpu_seconds=0.4)
    assert (report.ended, near) == (Ended.CPU_LIMIT, True)


@pytest.mark.parametrize("limit", ["cpu_seconds", "wall_seconds"])
def test_what_is_far_over_its_limit_is_not_run_again(local_box: LocalBox, limit: str) -> None:
    report, near = in_company(local_box, "while True: pass", **{limit: 0.25})
    expected = Ended.CPU_LIMIT if limit == "cpu_seconds" else Ended.WALL_LIMIT
    assert (report.ended, near) == (expected, False)


def test_what_is_far_under_its_limit_is_not_run_again(local_box: LocalBox) -> None:
    report, near = in_company(local_box, BURN.format(0.2), cpu_seconds=0.6)
    assert (report.ended, near) == (Ended.EXITED, False)


def test_a_run_alone_is_stopped_at_its_limit_and_not_run_again(local_box: LocalBox) -> None:
    async def main() -> None:
        async with local_box.pool.sandbox(STANDARD) as sandbox:
            report = await sandbox.run(python(BURN.format(0.4)), limits_of(cpu_seconds=0.3))
            assert (report.ended, sandbox.near_limit) == (Ended.CPU_LIMIT, False)

    local_box.do(main())


def test_a_case_near_its_limit_is_run_alone_and_the_others_go_on(local_box: LocalBox) -> None:
    async def main() -> None:
        async with local_box.pool.sandbox(STANDARD) as sandbox, company(local_box.pool, sandbox) as end:
            program = PythonProgram(BURN_ONCE.encode())
            cases = sandbox.run_cases(program, limits_of(cpu_seconds=0.3), [b"0\n", end, b"0\n"])
            assert [report.stdout async for report in cases] == [b"through\n"] * 3
            assert sandbox.near_limit

    local_box.do(main())


def test_a_pair_near_its_limit_is_run_alone(local_box: LocalBox) -> None:
    async def main() -> None:
        async with local_box.pool.sandbox(STANDARD) as sandbox, company(local_box.pool, sandbox) as end:
            candidate = f"""
                import os, time
                while time.time() < {end.decode().strip()} and time.process_time() < 0.38: pass
                os.write(7, b'through')
                time.sleep(1000)
            """
            tests = "import os\nprint(os.read(6, 100).decode())"
            one, two = await sandbox.run_pair(
                python(candidate), limits_of(cpu_seconds=0.3), python(tests), limits_of()
            )
            assert (one.ended, two.stdout, sandbox.near_limit) == (Ended.DISMISSED, b"through\n", True)

    local_box.do(main())


@pytest.fixture
def crowded(compiled_box: LocalBox) -> Iterator[LocalBox]:
    """Eight times as many cells as cores."""
    box = LocalBox(compiled_box.variant, cells=8 * (os.cpu_count() or 1))
    yield box
    box.close()


def test_spinning_under_overload_ends_by_time_and_never_by_load(crowded: LocalBox) -> None:
    async def one() -> Report:
        async with crowded.pool.sandbox(STANDARD) as sandbox:
            return await sandbox.run(PythonProgram(b"while True: pass"), limits_of(wall_seconds=0.2))

    async def main() -> list[Report]:
        return await asyncio.gather(*(one() for _ in range(crowded.pool.size)))

    assert {report.ended for report in crowded.do(main())} == {Ended.WALL_LIMIT}


def test_waiting_of_processes_that_ended_meanwhile_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    wait, clock = WaitForCore(), iter([10.0, 11.0, 12.0, 13.0])
    monkeypatch.setattr(procfs.time, "monotonic", lambda: next(clock))
    for waits in ({7: 0.1, 8: 4.0}, {7: 0.2, 8: 4.9}, {7: 0.3}, {7: 0.3, 9: 0.5}):
        monkeypatch.setattr(procfs, "waits_for_core", lambda pids, waits=waits: waits)
        wait.look([])
    assert wait.seconds == pytest.approx(4.0 + 0.9 + 0.1 + 0.5)


def test_whom_somebody_outside_kills_is_run_again(local_box: LocalBox) -> None:
    """As the host's memory killer does."""

    async def main() -> None:
        async with local_box.pool.sandbox(STANDARD) as sandbox:
            end = time.time() + 1
            program = PythonProgram(
                b"import time\nif time.time() < float(input()): time.sleep(1000)\nprint('well')"
            )
            run = asyncio.create_task(sandbox.run(program, limits_of(), stdin=f"{end}\n".encode()))
            (cell,) = await until(lambda: [cell for cell in local_box.pool._busy if cell._watch is not None])
            (candidate,) = await until(lambda: cell.processes.of_run(prepared=False))
            await until(lambda: time.time() > end)
            os.kill(candidate, signal.SIGKILL)
            assert (await run).stdout == b"well\n"

    local_box.do(main())


def test_whom_somebody_outside_kills_while_it_compiles_is_compiled_again(local_box: LocalBox) -> None:
    async def main() -> None:
        source = b"x = 1\n" * 120_000 + b"print(input())"  # compiles for a moment
        async with local_box.pool.sandbox(STANDARD) as sandbox:
            cases = sandbox.run_cases(PythonProgram(source), limits_of(), [b"1", b"2"])
            first = asyncio.create_task(anext(cases))
            (cell,) = await until(lambda: [cell for cell in local_box.pool._busy if cell._watch is not None])
            (compiler,) = await until(lambda: cell.processes.of_run(prepared=False))
            assert cell._watch is not None
            assert cell._watch.preparing
            os.kill(compiler, signal.SIGKILL)
            assert [(await first).stdout, (await anext(cases)).stdout] == [b"1\n", b"2\n"]
            await cases.aclose()

    local_box.do(main())


# Slots ---------------------------------------------------------------------------------------------------


async def _take(slots: Slots, count: int, order: list[int]) -> None:
    await slots.take(count)
    order.append(count)


def test_who_wants_all_slots_waits_for_those_before_and_keeps_back_those_after() -> None:
    async def main() -> None:
        slots = Slots(3)
        order: list[int] = []
        await slots.take()
        await slots.take()
        everything = asyncio.create_task(_take(slots, 3, order))
        after = asyncio.create_task(_take(slots, 1, order))
        await asyncio.sleep(0)
        assert order == []
        slots.give_back()
        slots.give_back()
        await everything
        await asyncio.sleep(0)
        assert (order, slots.used) == ([3], 3)
        slots.give_back(3)
        await after
        assert (order, slots.used) == ([3, 1], 1)

    asyncio.run(main())


def test_who_no_longer_wants_all_slots_lets_those_after_pass() -> None:
    async def main() -> None:
        slots = Slots(2)
        order: list[int] = []
        await slots.take()
        everything = asyncio.create_task(_take(slots, 2, order))
        after = asyncio.create_task(_take(slots, 1, order))
        await asyncio.sleep(0)
        everything.cancel()
        await after
        assert (order, slots.used) == ([1], 2)

    asyncio.run(main())


def test_a_slot_given_in_the_moment_of_a_cancellation_is_not_lost() -> None:
    async def main() -> None:
        slots = Slots(1)
        await slots.take()
        waiter = asyncio.create_task(slots.take())
        await asyncio.sleep(0)
        slots.give_back()
        waiter.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiter
        assert slots.used == 0

    asyncio.run(main())


def test_alone_is_who_had_no_company_at_any_time() -> None:
    async def main() -> None:
        slots = Slots(2)
        before = time.monotonic()
        await slots.take()
        assert slots.alone_since(before)
        await slots.take()
        assert not slots.alone_since(before)
        slots.give_back()
        assert not slots.alone_since(before)
        assert slots.alone_since(time.monotonic())

    asyncio.run(main())


def test_whoever_waits_when_the_pool_closes_is_told() -> None:
    async def main() -> None:
        slots = Slots(1)
        await slots.take()
        waiter = asyncio.create_task(slots.take())
        await asyncio.sleep(0)
        slots.close()
        with pytest.raises(SandboxError):
            await waiter

    asyncio.run(main())
