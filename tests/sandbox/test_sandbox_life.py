"""Cells and pools from their start to their end, whenever that comes: nothing may be left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from sandbox_box import STANDARD, Variant, cases_in, limits_of, make_pool, run_in, start_pool, until
from sandbox_life import HELLO, SLEEP, SPIN, busy, lives, started, within_a_second
from sandbox_needs import require_sandbox

from basanite_sandboxes.process import cell as cell_module
from basanite_sandboxes.process import cgroup, procfs
from basanite_sandboxes.spec import PythonProgram, SandboxError, SandboxUnavailable

# A pool ends ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_nothing_left")
def test_a_pool_that_ran_all_sorts_leaves_nothing(variant: Variant) -> None:
    async def main() -> None:
        async with started(variant) as pool:
            for program in (HELLO, PythonProgram(b"x = = 1"), PythonProgram(b"import os\nos.fork()")):
                await run_in(pool, program)
                await cases_in(pool, program, [b"", b""], None)
            await run_in(pool, SLEEP, wall_seconds=0.1)
            await run_in(pool, SPIN, cpu_seconds=0.1)
            await run_in(pool, PythonProgram(b"x = b'1' * (1 << 30)"), memory_bytes=64 << 20)
            await run_in(
                pool, PythonProgram(b"import os\nwhile True: os.write(1, bytes(9999))"), output_bytes=99
            )

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
@pytest.mark.parametrize(
    "program", [SPIN, SLEEP, PythonProgram(b"import os, time\nfor _ in range(4): os.fork()\ntime.sleep(99)")]
)
def test_closing_in_the_middle_of_runs_ends_them_and_leaves_nothing(
    variant: Variant, program: PythonProgram
) -> None:
    async def main() -> None:
        async with started(variant) as pool:
            tasks = [asyncio.create_task(run_in(pool, program)) for _ in range(4)]
            tasks.append(asyncio.create_task(cases_in(pool, program, [b""], None)))
            await busy(pool)
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        assert all(isinstance(result, SandboxError) for result in results), results
        assert not procfs.descendants(os.getpid())

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
def test_closing_at_any_moment_of_a_run_leaves_nothing(variant: Variant) -> None:
    async def main() -> None:
        for moment in range(6):
            async with started(variant) as pool:
                tasks = [asyncio.create_task(run_in(pool, HELLO)) for _ in range(6)]
                tasks.append(asyncio.create_task(cases_in(pool, HELLO, [b""] * 5, None)))
                await asyncio.sleep(random.Random(moment).random() * 0.02)
            await asyncio.gather(*tasks, return_exceptions=True)
            assert not procfs.descendants(os.getpid())

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
def test_cancelling_the_start_at_any_moment_leaves_nothing(variant: Variant) -> None:
    async def main() -> None:
        for moment in range(10):
            pool = make_pool(variant)
            task = asyncio.create_task(start_pool(pool))
            await asyncio.sleep(moment * 0.007)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await pool.close()
            await until(lambda: not procfs.descendants(os.getpid()))

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
def test_a_start_that_fails_in_one_cell_leaves_nothing_of_the_others(
    variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, count = cell_module.Cell.start, 0

    async def start(cell: cell_module.Cell) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise SandboxUnavailable("as if")
        await real(cell)

    monkeypatch.setattr(cell_module.Cell, "start", start)

    async def main() -> None:
        pool = make_pool(variant, 3)
        with pytest.raises(SandboxUnavailable):
            await start_pool(pool)
        assert not procfs.descendants(os.getpid())

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
def test_closing_twice_and_using_a_closed_pool(variant: Variant) -> None:
    async def main() -> None:
        async with started(variant) as pool:
            assert (await run_in(pool, HELLO)).stdout == b"hello\n"
        await pool.close()
        with pytest.raises(SandboxError):
            await run_in(pool, HELLO)

    asyncio.run(main())


# A run is cancelled --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_nothing_left")
def test_cancelling_a_run_leaves_no_process_of_it(variant: Variant) -> None:
    async def main() -> None:
        async with started(variant) as pool:
            for make in (
                lambda: run_in(pool, SPIN),
                lambda: run_in(pool, SLEEP),
                lambda: run_in(
                    pool, PythonProgram(b"import os\nfor _ in range(3): os.fork()\nwhile True: pass")
                ),
                lambda: cases_in(pool, SLEEP, [b"", b""], None),
            ):
                task = asyncio.create_task(make())
                cell = await busy(pool)
                pids = [cell.processes.pid, *procfs.descendants(cell.processes.pid)]
                assert len(pids) >= 4
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await until(within_a_second(pids))
                assert (await run_in(pool, HELLO)).stdout == b"hello\n"
                assert pool.in_use == 0

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
def test_cancelling_at_any_moment_leaves_a_pool_that_works(variant: Variant) -> None:
    async def main() -> None:
        chance = random.Random(7)
        async with started(variant) as pool:
            for _ in range(15):
                jobs: list[Coroutine[Any, Any, Any]] = [
                    run_in(pool, HELLO),
                    cases_in(pool, HELLO, [b"", b""], None),
                    run_in(pool, PythonProgram(b"x = = 1")),
                ]
                tasks = [asyncio.create_task(job) for job in jobs]
                await asyncio.sleep(chance.random() * 0.01)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                assert pool.in_use == 0
            reports = await asyncio.gather(*(run_in(pool, HELLO) for _ in range(6)))
            assert [report.stdout for report in reports] == [b"hello\n"] * 6

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
def test_waiting_for_a_sandbox_is_in_order_and_can_be_cancelled(variant: Variant) -> None:
    async def main() -> None:
        async with started(variant, cells=1) as pool:
            order: list[int] = []

            async def use(number: int) -> None:
                async with pool.sandbox(STANDARD) as sandbox:
                    order.append(number)
                    await sandbox.run(HELLO, limits_of())

            tasks = [asyncio.create_task(use(number)) for number in range(6)]
            await asyncio.sleep(0)
            tasks[2].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert order == [0, 1, 3, 4, 5]
            assert (pool.size, pool.in_use) == (1, 0)

    asyncio.run(main())


# The service dies ----------------------------------------------------------------------------------------

_SERVICE = """
import asyncio, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has none
sys.path.insert(0, sys.argv[1])
from sandbox_box import *
from basanite_sandboxes.process import procfs
async def main():
    pool = make_pool([v for v in VARIANTS if v.name == sys.argv[2]][0])
    await start_pool(pool)
    spin = PythonProgram(b"import os, time\\nif os.fork() == 0: os.setsid()\\nwhile True: time.sleep(.01)")
    tasks = [asyncio.create_task(run_in(pool, spin)), asyncio.create_task(cases_in(pool, spin, [b""], None))]
    while len(procfs.descendants(os.getpid())) < 10: await asyncio.sleep(.01)
    print(*procfs.descendants(os.getpid()), flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
"""


def test_a_killed_service_leaves_no_process_and_its_cgroups_are_swept(variant: Variant) -> None:
    require_sandbox()
    folder = str(Path(__file__).parent)
    service = subprocess.Popen([sys.executable, "-c", _SERVICE, folder, variant.name], stdout=subprocess.PIPE)
    assert service.stdout is not None
    pids = [int(word) for word in service.stdout.readline().split()]
    assert len(pids) >= 10
    poll = select.poll()
    waiting = set()
    for pid in pids:
        fd = os.pidfd_open(pid)
        waiting.add(fd)
        poll.register(fd, select.POLLIN)
    service.kill()
    service.wait()
    service.stdout.close()
    end = time.monotonic() + 20
    while waiting and time.monotonic() < end:
        for fd, _ in poll.poll(1000):
            poll.unregister(fd)
            os.close(fd)
            waiting.discard(fd)
    assert not waiting

    def left() -> list[Path]:
        return [
            path
            for top in Path("/sys/fs/cgroup").glob("*")
            for path in top.rglob(f"basanite-{service.pid}-*")
        ]

    if os.geteuid() == 0 and variant.cgroups and cgroup.find_control().parents:
        # find_control has swept once; the kernel may still have held a dying process then.
        end = time.monotonic() + 5
        while left() and time.monotonic() < end:
            cgroup.find_control()
    assert left() == []


def test_a_terminated_service_leaves_no_process_either(variant: Variant) -> None:
    """Ctrl-C reaches the whole process group of a terminal."""
    require_sandbox()
    folder = str(Path(__file__).parent)
    service = subprocess.Popen(
        [sys.executable, "-c", _SERVICE, folder, variant.name],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert service.stdout is not None
    pids = [int(word) for word in service.stdout.readline().split()]
    os.killpg(service.pid, signal.SIGINT)
    service.wait(20)
    service.stdout.close()
    end = time.monotonic() + 10
    while any(map(lives, pids)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(map(lives, pids))
