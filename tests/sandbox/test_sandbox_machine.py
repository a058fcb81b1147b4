"""What the runtime does on machines unlike this one, played with files and small stand-ins."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from sandbox_box import STANDARD, LocalBox, limits_of
from sandbox_needs import require_sandbox

from basanite_sandboxes.process import ProcessPool, cgroup, native, procfs, profile, seccomp
from basanite_sandboxes.process.python import find_interpreter
from basanite_sandboxes.spec import PythonProgram, SandboxUnavailable


def test_isolation_says_what_is_in_force(local_box: LocalBox) -> None:
    isolation = local_box.isolation
    assert (isolation.runtime, isolation.seccomp) == ("process", True)
    assert set(isolation.namespaces) == {"user", "pid", "mount", "net", "ipc", "uts"}
    assert bool(isolation.weaknesses) is not local_box.has_cgroups


def test_each_process_of_a_cell_is_in_the_namespaces_that_are_claimed(local_box: LocalBox) -> None:
    for cell in local_box.pool._idle:
        _, agent = procfs.descendants(cell.processes.pid)
        for name in ("user", "pid", "mnt", "net", "ipc", "uts"):
            assert os.readlink(f"/proc/{agent}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}")


def test_without_bubblewrap_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile.shutil, "which", lambda name: None)
    with pytest.raises(SandboxUnavailable, match="install"):
        asyncio.run(ProcessPool(1).start())


def test_where_bubblewrap_fails_its_words_are_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_sandbox()
    script = tmp_path / "bwrap"
    script.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    for path in (tmp_path, *list(tmp_path.parents)[:2]):
        path.chmod(0o755)
    script.chmod(0o755)
    monkeypatch.setattr(profile.shutil, "which", lambda name: str(script))

    async def main() -> None:
        with pytest.raises(
            SandboxUnavailable, match=r"No permissions to create new namespace|Permission denied"
        ):
            await ProcessPool(2, isolation="full").start()

    before = procfs.descendants(os.getpid())
    asyncio.run(main())
    assert procfs.descendants(os.getpid()) == before


def test_an_interpreter_that_cells_cannot_use_is_named() -> None:
    with pytest.raises(SandboxUnavailable, match="no interpreter /no/such"):
        find_interpreter(Path("/no/such"), None)
    with pytest.raises(SandboxUnavailable, match="does not run"):
        find_interpreter(Path("/bin/false"), None)


def test_without_a_compiler_there_is_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native.shutil, "which", lambda name: None)
    assert native.library.__wrapped__() is None


@pytest.mark.parametrize("who", ["others", "group"])
def test_a_library_that_others_could_have_written_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    if native.library() is None:
        pytest.skip("no C compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    real = native.library.__wrapped__()
    (cached,) = (tmp_path / "basanite").glob("cell-*.so")
    assert cached.read_bytes() == real
    cached.write_bytes(b"evil")
    assert native.library.__wrapped__() == b"evil"  # ours alone: taken as it is
    cached.chmod(0o664 if who == "group" else 0o646)
    assert native.library.__wrapped__() == real


def test_numbers_of_new_system_calls_are_those_of_listed_ones() -> None:
    listed = {name for names in seccomp._REFUSED.values() for name in names.split()}
    assert set(seccomp._NUMBERS) <= listed


# cgroup v2, in a directory of plain files ----------------------------------------------------------------


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with cgroup v2, memory controller delegated to /service."""
    mount = tmp_path / "cgroup"
    (mount / "service").mkdir(parents=True)
    (mount / "service" / "cgroup.controllers").write_text("cpu memory pids\n")
    (mount / "service" / "cgroup.subtree_control").write_text("")
    mounts, own = tmp_path / "mounts", tmp_path / "own"
    mounts.write_text(f"proc /proc proc rw 0 0\ncgroup2 {mount} cgroup2 rw 0 0\n")
    own.write_text("0::/service\n")
    monkeypatch.setattr(cgroup, "_MOUNTS", mounts)
    monkeypatch.setattr(cgroup, "_OWN", own)
    return mount / "service"


def test_v2_is_found_where_memory_is_delegated(machine: Path) -> None:
    control = cgroup.find_control()
    assert (control.version, control.parents) == ("v2", {"": machine})
    assert (control.memory, control.cpu) == ("cgroup-v2", "cgroup-v2")
    assert (machine / "cgroup.subtree_control").read_text() == "+memory"


def test_v2_without_the_memory_controller_is_not_used(machine: Path) -> None:
    (machine / "cgroup.controllers").write_text("cpu\n")
    control = cgroup.find_control()
    assert (control.version, control.memory, control.cpu) == ("none", "rlimit", "proc")
    assert control.make() is None


def test_v1_takes_the_controllers_that_there_are(tmp_path: Path, machine: Path) -> None:
    (machine / "cgroup.controllers").write_text("hugetlb\n")
    (tmp_path / "cpuacct").mkdir()
    with cgroup._MOUNTS.open("a") as file:
        file.write(
            f"cgroup {tmp_path}/cpuacct cgroup rw,cpu,cpuacct 0 0\ncgroup {tmp_path}/none cgroup rw,memory 0 0\n"
        )
    control = cgroup.find_control()
    assert (control.version, control.memory, control.cpu) == ("v1", "rlimit", "cgroup-v1")


def test_v2_readings(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    control = cgroup.find_control()
    files = {
        "cpu.stat": "usage_usec 2500000\nuser_usec 1\nsystem_usec 2\n",
        "memory.max": "max\n",
        "memory.events": "low 0\nhigh 0\nmax 7\noom 5\noom_kill 3\noom_group_kill 1\n",
        "memory.peak": "4096\n",
        "memory.swap.max": "max\n",
        "cgroup.procs": "12\n7\n",
    }
    real = Path.mkdir

    def mkdir(path: Path, *arguments: object, **keywords: object) -> None:
        real(path, *arguments, **keywords)  # type: ignore[arg-type]
        for name, text in files.items():
            (path / name).write_text(text)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    group = control.make()
    assert group is not None
    assert group.cpu_seconds() == 2.5
    assert (group.out_of_memory_kills(), group.processes(), group.counts_memory) == (3, [7, 12], True)
    group.limit_memory(12345)
    assert (group.directories[0] / "memory.max").read_text() == "12345"
    assert (group.directories[0] / "memory.swap.max").read_text() == "0"
    other = control.make()
    assert other is not None
    assert other.directories != group.directories
    for each in (group, other):
        for name in files:
            (each.directories[0] / name).unlink()
        each.remove()
        assert not each.directories[0].exists()


def test_groups_of_dead_servers_are_swept_and_those_of_living_ones_kept(machine: Path) -> None:
    dead = machine / "basanite-99999999-0"
    living = machine / f"basanite-{os.getppid()}-0"
    other = machine / "basanite-x-0"
    for directory in (dead, living, other):
        directory.mkdir()
    cgroup.find_control()
    assert [directory.exists() for directory in (dead, living, other)] == [False, True, True]


def test_a_group_that_cannot_be_made_is_our_failure_and_loses_no_cell(
    local_box: LocalBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from basanite_sandboxes.spec import SandboxError

    pool = local_box.pool

    def refuse(control: object) -> None:
        raise OSError(28, "No space left on device")

    async def main() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(cgroup.Control, "make", refuse)
            for cell in list(pool._idle):
                cell.kill()
            for _ in range(3):
                async with pool.sandbox(STANDARD) as sandbox:
                    with pytest.raises(SandboxError):
                        await sandbox.run(PythonProgram(b""), limits_of())
        async with pool.sandbox(STANDARD) as one, pool.sandbox(STANDARD) as two:
            for sandbox in (one, two):
                assert (await sandbox.run(PythonProgram(b"print(1)"), limits_of())).stdout == b"1\n"

    local_box.do(main())


def test_a_watcher_that_fails_on_one_cell_goes_on_with_the_others(
    local_box: LocalBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from basanite_sandboxes.process.cell import Cell
    from basanite_sandboxes.spec import Ended

    real, failed = Cell.look, []

    def look(cell: Cell) -> None:
        if cell._watch is not None and not failed:
            failed.append(cell)
            raise OSError(19, "No such device")
        real(cell)

    monkeypatch.setattr(Cell, "look", look)
    assert local_box.run("import time\ntime.sleep(1000)", wall_seconds=0.2).ended is Ended.WALL_LIMIT
    assert failed
