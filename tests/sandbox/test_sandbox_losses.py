"""Cells that die under their runs: whose fault it is, and what is judged again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from typing import Any

import pytest
from sandbox_box import VARIANTS, LocalBox, Variant, cases_in, run_in, until
from sandbox_life import HELLO, SLEEP, busy, started, within_a_second

from basanite_sandboxes.process import ProcessPool, cgroup, procfs
from basanite_sandboxes.process.bubblewrap import AGENT
from basanite_sandboxes.process.lent import ATTEMPTS, KILLS
from basanite_sandboxes.spec import Ended, PythonProgram, SandboxError


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


@pytest.mark.parametrize("seconds", [0, pytest.param(1, marks=pytest.mark.full)])
def test_a_run_that_has_the_kernel_kill_it_is_its_own_fault(local_box: LocalBox, seconds: int) -> None:
    source = f"""
        import resource
        resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
        while True: pass
    """
    for report in (local_box.run(source), *local_box.cases(source, [b"", b""])):
        assert (report.ended, report.signal) == (Ended.SIGNALED, signal.SIGKILL)


def test_runs_leave_no_descriptors_in_service_or_agent(local_box: LocalBox) -> None:
    def count() -> list[int]:
        agents = [procfs.descendants(cell.processes.pid)[-1] for cell in local_box.pool._idle]
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
