"""Cells and pools from their start to their end, whenever that comes: nothing may be left."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from sandbox_box import (
    STANDARD,
    VARIANTS,
    LocalBox,
    Variant,
    cases_in,
    limits_of,
    make_pool,
    run_in,
    start_pool,
    until,
)
from sandbox_needs import require_sandbox

from basanite_sandboxes.process import ProcessPool, cgroup, procfs
from basanite_sandboxes.process import cell as cell_module
from basanite_sandboxes.process.bubblewrap import AGENT
from basanite_sandboxes.process.lent import ATTEMPTS, KILLS
from basanite_sandboxes.spec import Ended, Environment, PythonProgram, SandboxError, SandboxUnavailable

SPIN = PythonProgram(b"while True: pass")
SLEEP = PythonProgram(b"import time\ntime.sleep(1000)")
HELLO = PythonProgram(b"print('hello')")


def census() -> dict[str, object]:
    """All that a pool could leave on this machine."""
    groups = {
        str(path)
        for top in Path("/sys/fs/cgroup").glob("*")
        for path in top.rglob(f"basanite-{os.getpid()}-*")
    }
    return {
        "processes": set(procfs.descendants(os.getpid())),
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "cgroups": groups,
        "descriptors": Counter(_target(name) for name in os.listdir("/proc/self/fd")),
        "files": set(os.listdir(tempfile.gettempdir())),
        "threads": threading.active_count(),
    }


def _target(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{name}").split(":")[0]
    except OSError:
        return "listing"


@pytest.fixture
def _nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    require_sandbox()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where nobody else leaves anything
    gc.collect()  # event loops and channels of other tests hold descriptors until they are collected
    before = census()
    yield
    gc.collect()
    after = census()
    assert {name: (before[name], after[name]) for name in before if after[name] != before[name]} == {}


@pytest.fixture(params=VARIANTS[:3], ids=lambda variant: variant.name)
def variant(request: pytest.FixtureRequest) -> Variant:
    return request.param


@contextlib.asynccontextmanager
async def started(variant: Variant, cells: int = 2) -> AsyncIterator[ProcessPool]:
    pool = make_pool(variant, cells)
    await start_pool(pool)
    try:
        yield pool
    finally:
        await pool.close()


async def busy(pool: ProcessPool, depth: int = 3) -> Any:
    """A cell whose run has begun."""
    return await until(
        lambda: next(
            (c for c in pool._busy if c.alive and len(procfs.descendants(c.processes.pid)) >= depth), None
        )
    )


def lives(pid: int) -> bool:
    """Zombies do not: whoever adopted them reaps them when it likes."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def within_a_second(pids: list[int]) -> Callable[[], bool]:
    began = time.monotonic()

    def gone() -> bool:
        assert time.monotonic() - began < 5  # a second, on a machine that is not busy
        return not any(map(lives, pids))

    return gone


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


# A cell dies ---------------------------------------------------------------------------------------------


def _victims(cell: Any) -> dict[str, int]:
    init, agent, *_ = procfs.descendants(cell.processes.pid)
    return {"bubblewrap": cell.processes.pid, "pid 1 of the cell": init, "the agent": agent}


@pytest.mark.usefixtures("_nothing_left")
@pytest.mark.parametrize("victim", ["bubblewrap", "pid 1 of the cell", "the agent"])
def test_a_run_whose_cell_is_killed_is_made_again(variant: Variant, victim: str) -> None:
    async def main() -> None:
        async with started(variant) as pool:
            program = PythonProgram(b"import time\ntime.sleep(0.2)\nprint('done')")
            task = asyncio.create_task(run_in(pool, program))
            cell = await busy(pool)
            pids = procfs.descendants(cell.processes.pid)
            os.kill(_victims(cell)[victim], signal.SIGKILL)
            report = await task
            assert (report.ended, report.stdout) == (Ended.EXITED, b"done\n")
            await until(within_a_second(pids))
            reports = await asyncio.gather(*(run_in(pool, HELLO) for _ in range(4)))
            assert {report.stdout for report in reports} == {b"hello\n"}

    asyncio.run(main())


async def kill_runs(pool: ProcessPool, task: asyncio.Task[Any], count: int) -> None:
    """Kill a process of the cell in which the only run is, or the run itself, so often."""
    for number in range(count):
        cell = await busy(pool)
        await asyncio.sleep(0.2)  # as long as it takes to be looked at
        pids = [cell.processes.pid, *procfs.descendants(cell.processes.pid)[:3]]
        os.kill(pids[number % 4], signal.SIGKILL)
        await until(lambda cell=cell: not cell.alive or task.done())


@pytest.fixture(params=VARIANTS[:2], ids=lambda variant: variant.name)
def counting(request: pytest.FixtureRequest) -> Variant:
    """Without cgroups, who else runs out of memory on this machine would make a difference."""
    return request.param


@pytest.mark.usefixtures("_nothing_left")
def test_a_run_is_made_again_though_others_kill_it_and_its_cells(counting: Variant) -> None:
    async def main() -> None:
        async with started(counting) as pool:
            source = b"import sys, time\ntime.sleep(float(input()))\nprint('done')"
            for make in (
                lambda: run_in(pool, PythonProgram(source), stdin=b"0.6"),
                lambda: cases_in(pool, PythonProgram(source), [b"0.6"], None),
            ):
                task = asyncio.create_task(make())
                await kill_runs(pool, task, 4)
                found = await task
                report = found[0] if isinstance(found, list) else found
                assert (report.ended, report.stdout) == (Ended.EXITED, b"done\n")

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
def test_a_run_that_others_kill_again_and_again_is_a_failure_of_ours(counting: Variant) -> None:
    async def main() -> None:
        async with started(counting) as pool:
            for make in (lambda: run_in(pool, SLEEP), lambda: cases_in(pool, SLEEP, [b""], None)):
                task = asyncio.create_task(make())
                await kill_runs(pool, task, KILLS)
                with pytest.raises(SandboxError, match="killed from outside"):
                    await task
            assert (await run_in(pool, HELLO)).stdout == b"hello\n"

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
def test_a_run_that_may_have_been_killed_for_its_memory_is_its_own_fault(variant: Variant) -> None:
    """Or it could have itself killed on a machine that is short of memory, and leave a baseline."""

    async def main() -> None:
        async with started(variant) as pool:
            large = PythonProgram(b"import time\nx = b'1' * (48 << 20)\ntime.sleep(1000)")
            task = asyncio.create_task(run_in(pool, large, memory_bytes=64 << 20))
            await kill_runs(pool, task, ATTEMPTS)
            assert (await task).ended in (Ended.CELL_LOST, Ended.SIGNALED)
            assert (await run_in(pool, HELLO)).stdout == b"hello\n"

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
def test_a_large_run_that_others_kill_less_often_loses_nothing(variant: Variant) -> None:
    async def main() -> None:
        async with started(variant) as pool:
            large = PythonProgram(
                b"import time\nx = b'1' * (48 << 20)\ntime.sleep(float(input()))\nprint('done')"
            )
            task = asyncio.create_task(run_in(pool, large, stdin=b"0.6", memory_bytes=64 << 20))
            await kill_runs(pool, task, ATTEMPTS - 1)
            assert (await task).stdout == b"done\n"

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
def test_memory_that_others_lack_is_no_memory_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that has less memory than its cells may use together."""
    control = cgroup.find_control()
    parent = control.parents.get("memory", control.parents.get(""))
    if parent is None:
        pytest.skip("no memory control group may be made here")
    outer = parent / f"basanite-{os.getpid()}-outer"
    outer.mkdir()
    if control.version == "v2":
        (outer / "cgroup.subtree_control").write_text("+memory")
    name = "memory.max" if control.version == "v2" else "memory.limit_in_bytes"
    (outer / name).write_text(str(48 << 20))
    narrow = cgroup.Control(control.version, {"" if control.version == "v2" else "memory": outer})
    monkeypatch.setattr(cgroup, "find_control", lambda: narrow)

    async def main() -> None:
        pool = ProcessPool(2)
        await pool.start()
        try:
            over_own = await run_in(pool, PythonProgram(b"x = b'1' * (40 << 20)"), memory_bytes=16 << 20)
            assert over_own.ended is Ended.MEMORY_LIMIT
            over_outer = await run_in(pool, PythonProgram(b"x = b'1' * (99 << 20)"), memory_bytes=1 << 30)
            assert over_outer.ended is Ended.CELL_LOST
            assert (await run_in(pool, HELLO)).stdout == b"hello\n"
        finally:
            await pool.close()

    asyncio.run(main())
    outer.rmdir()


@pytest.mark.usefixtures("_nothing_left")
def test_cells_that_are_killed_while_they_start_are_nobodys_fault(variant: Variant) -> None:
    async def main() -> None:
        chance = random.Random(5)
        async with started(variant) as pool:
            for _ in range(12):
                for cell in list(pool._idle):
                    cell.kill()
                task = asyncio.create_task(run_in(pool, HELLO))
                starting = await until(lambda: [cell for cell in pool._numbers if cell.alive])
                await asyncio.sleep(chance.random() * 0.06)
                pids = [starting[0].processes.pid, *procfs.descendants(starting[0].processes.pid)]
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(pids), signal.SIGKILL)
                assert (await task).stdout == b"hello\n"
        assert not procfs.orphaned_inits(AGENT.encode())

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
def test_cells_that_died_while_they_were_idle_are_cleared_away(variant: Variant) -> None:
    async def main() -> None:
        async with started(variant) as pool:
            for cell in pool._idle:
                os.kill(cell.processes.pid, signal.SIGKILL)
            await until(lambda: not pool._numbers)

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
def test_cases_go_on_where_a_cell_was_killed(variant: Variant) -> None:
    async def main() -> None:
        async with started(variant) as pool:
            program = PythonProgram(b"import time\nif input() == 'long': time.sleep(0.2)\nprint('done')")
            task = asyncio.create_task(cases_in(pool, program, [b"a", b"long", b"b"], None))
            cell = await busy(pool, depth=4)
            os.kill(cell.processes.pid, signal.SIGKILL)
            assert [report.stdout for report in await task] == [b"done\n"] * 3

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
def test_cells_that_died_while_they_were_idle_are_nobodys_fault(variant: Variant) -> None:
    async def main() -> None:
        async with started(variant) as pool:
            for number in range(9):
                for cell in list(pool._idle):
                    if len(procfs.descendants(cell.processes.pid)) == 2:
                        os.kill(list(_victims(cell).values())[number % 3], signal.SIGKILL)
                reports = await asyncio.gather(*(run_in(pool, HELLO) for _ in range(4)))
                assert {report.stdout for report in reports} == {b"hello\n"}

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
def test_a_stopped_agent_does_not_hold_a_run_for_ever(variant: Variant) -> None:
    async def main() -> None:
        async with started(variant) as pool:
            task = asyncio.create_task(run_in(pool, SLEEP, wall_seconds=0.2))
            cell = await busy(pool)
            os.kill(_victims(cell)["the agent"], signal.SIGSTOP)
            assert (await asyncio.wait_for(task, 20)).ended is Ended.WALL_LIMIT
            assert not cell.alive

    asyncio.run(main())


@pytest.mark.usefixtures("_nothing_left")
def test_ended_cells_leave_no_zombies_to_a_service_that_adopts(variant: Variant) -> None:
    """As pid 1 of a container does."""
    import ctypes

    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    try:

        async def main() -> None:
            async with started(variant) as pool:
                for _ in range(3):
                    task = asyncio.create_task(run_in(pool, SLEEP))
                    await busy(pool)
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    await run_in(pool, HELLO)
            assert procfs.descendants(os.getpid()) == []

        asyncio.run(main())
    finally:
        ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_run_that_has_the_kernel_kill_it_is_its_own_fault(local_box: LocalBox, seconds: int) -> None:
    source = f"""
        import resource
        resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
        while True: pass
    """
    # A second of CPU time is used up anew in each attempt.
    for report in (local_box.run(source), *local_box.cases(source, [b"", b""] if not seconds else [])):
        assert (report.ended, report.signal) == (Ended.SIGNALED, signal.SIGKILL)


def test_runs_leave_no_descriptors_in_service_or_agent(local_box: LocalBox) -> None:
    def count() -> list[int]:
        agents = [
            procfs.descendants(cell.processes.pid)[cell.processes.above_run - 1]
            for cell in local_box.pool._idle
        ]
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (os.getpid(), *sorted(agents))]

    local_box.run("print(1)")
    before = count()
    for _ in range(10):
        local_box.run("print(1)")
        local_box.run("x = = 1")
        local_box.run("import os\nos.close(1)\nos.kill(0, 9)", stdin=b"x" * 100_000)
        local_box.run("import os\nos.write(1, bytes(100_000))", output_bytes=9)
        local_box.cases("print(1)", [b"", b""])
        local_box.cases("x = = 1", [b"", b""])
    assert count() == before


def test_a_cell_starts_below_any_descriptors_of_the_service(local_box: LocalBox) -> None:
    """Its agent must not mistake its own numbers for those that a candidate is given (0 to 5)."""
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(300)]
    for fd in held[::2]:
        os.close(fd)

    async def fresh() -> Any:
        for cell in list(local_box.pool._idle):
            cell.kill()
        return await run_in(local_box.pool, PythonProgram(b"print(input())"), stdin=b"x")

    try:
        assert local_box.do(fresh()).stdout == b"x\n"
    finally:
        for fd in held[1::2]:
            os.close(fd)


# The service dies ----------------------------------------------------------------------------------------

_SERVICE = """
import asyncio, os, sys
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


# Environments --------------------------------------------------------------------------------------------


@pytest.fixture
def packages() -> Iterator[Callable[[str, str], Path]]:
    with tempfile.TemporaryDirectory(prefix="basanite-packages-") as top:
        Path(top).chmod(0o755)

        def make(name: str, source: str) -> Path:
            directory = Path(top, name)
            (directory / "thing").mkdir(parents=True)
            (directory / "thing" / "__init__.py").write_text(textwrap.dedent(source))
            for path in (directory, directory / "thing", directory / "thing" / "__init__.py"):
                path.chmod(0o777)  # what protects them is the mount
            return directory

        yield make


def test_environments_are_importable_read_only_and_do_not_mix(
    local_box: LocalBox, packages: Callable[[str, str], Path]
) -> None:
    source = """
        import thing
        print(thing.name, thing.__file__)
        try: open("/environment/x", "w")
        except OSError as e: print(e.errno)
        try: open("/environment/thing/__init__.py", "a")
        except OSError as e: print(e.errno)
    """
    environments = [
        Environment(name, packages(name, f"name = {name!r}"), preload, digest=name)
        for name, preload in (("a", ()), ("b", ("thing",)), ("c", ("thing", "json")))
    ]
    refused = errno.EACCES if local_box.isolation.profile == "reduced" else errno.EROFS
    for _ in range(2):
        for environment in environments:
            assert local_box.out(source, environment=environment) == (
                f"{environment.name} /environment/thing/__init__.py\n{refused}\n{refused}\n"
            )
        report = local_box.run("import thing")
        assert b"No module named 'thing'" in report.stderr
    assert local_box.pool.in_use == 0


def test_preloaded_modules_are_there_and_fresh_in_each_run(
    local_box: LocalBox, packages: Callable[[str, str], Path]
) -> None:
    environment = Environment(
        "p", packages("p", "import random\nvalues = []\nmade = random.random()"), ("thing", "random")
    )
    source = """
        import sys
        print("thing" in sys.modules)
        import thing
        thing.values.append(1)
        print(thing.values)
    """
    for _ in range(2):
        assert local_box.out(source, environment=environment) == "True\n[1]\n"
    source = "import random\nprint(random.random())"
    assert local_box.out(source, environment=environment) != local_box.out(source, environment=environment)


@pytest.mark.usefixtures("_nothing_left")
@pytest.mark.parametrize("broken", ["no directory", "preload", "preload that exits", "preload that hangs up"])
def test_an_environment_that_does_not_work_is_unavailable_and_harms_no_other(
    variant: Variant, broken: str, packages: Callable[[str, str], Path]
) -> None:
    sources = {
        "preload": "1 / 0",
        "preload that exits": "raise SystemExit",
        "preload that hangs up": "import os; os._exit(0)",
    }
    path = packages("x", sources[broken]) if broken in sources else Path("/no/such/directory")

    async def main() -> None:
        async with started(variant) as pool:
            for _ in range(3):
                with pytest.raises(SandboxUnavailable):
                    await run_in(pool, HELLO, Environment("x", path, ("thing",)))
                assert (await run_in(pool, HELLO)).stdout == b"hello\n"
            assert pool.in_use == 0

    asyncio.run(main())


def test_more_environments_than_cells(local_box: LocalBox, packages: Callable[[str, str], Path]) -> None:
    environments = [Environment(str(n), packages(f"n{n}", f"n = {n}")) for n in range(5)]

    async def all_at_once() -> list[Any]:
        program = PythonProgram(b"import thing\nprint(thing.n)")
        return await asyncio.gather(*(run_in(local_box.pool, program, e) for e in environments * 2))

    assert [report.stdout for report in local_box.do(all_at_once())] == [
        f"{n}\n".encode() for n in [*range(5)] * 2
    ]
