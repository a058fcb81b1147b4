"""What a run may use: CPU, wall time, memory, processes, disk, files, descriptors."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from sandbox_box import Box, LocalBox

from basanite_sandboxes.process import procfs
from basanite_sandboxes.spec import Command, Ended, Report

MIB = 1 << 20
SPIN = "while True: pass"


def ran_out_of_memory(report: Report) -> bool:
    """By the kernel's word, or by an allocation that was refused."""
    if report.ended is Ended.EXITED:
        return report.exit_status == 1 and report.stderr.rstrip().splitlines()[-1].startswith(b"MemoryError")
    return report.ended is Ended.MEMORY_LIMIT


# CPU and wall time ---------------------------------------------------------------------------------------


def test_spinning_ends_by_cpu_time(box: Box) -> None:
    report = box.run(SPIN, cpu_seconds=0.3)
    assert report.ended is Ended.CPU_LIMIT
    assert 0.3 <= report.cpu_seconds < 5


def test_spinning_in_many_processes_ends_by_their_sum(box: Box) -> None:
    report = box.run("import os\nfor _ in range(3): os.fork()\nwhile True: pass", cpu_seconds=0.2)
    assert report.ended is Ended.CPU_LIMIT


def test_spinning_below_processes_that_sleep_ends_by_cpu_time(box: Box) -> None:
    report = box.run(
        """
        import os, signal, time
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        if os.fork() == 0:
            if os.fork() == 0:
                os.setsid()
                while True: pass
            os._exit(0)
        time.sleep(1000)
        """,
        cpu_seconds=0.3,
    )
    assert report.ended is Ended.CPU_LIMIT


def test_cpu_time_of_children_that_nobody_waited_for_is_counted(box: Box) -> None:
    if not box.has_cgroups:
        pytest.skip("only a cgroup sees it; Isolation.weaknesses says so")
    report = box.run("""
        import os, signal, time
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        reader, writer = os.pipe()
        for _ in range(3):
            if os.fork() == 0:
                while time.process_time() < 0.1: pass
                os._exit(0)
        os.close(writer)
        os.read(reader, 1)
    """)
    assert report.ended is Ended.EXITED
    assert report.cpu_seconds >= 0.3


def test_many_short_children_that_nobody_waits_for_end_by_cpu_time(box: Box) -> None:
    if not box.has_cgroups:
        pytest.skip("only a cgroup sees it; Isolation.weaknesses says so")
    report = box.run(
        """
        import os, signal, time
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            reader, writer = os.pipe()
            if os.fork() == 0:
                while time.process_time() < 0.03: pass
                os._exit(0)
            os.close(writer); os.read(reader, 1); os.close(reader)
        """,
        cpu_seconds=0.4,
    )
    assert report.ended is Ended.CPU_LIMIT


def test_the_cpu_time_of_one_case_is_not_charged_to_the_next(box: Box) -> None:
    source = "import time\nwhile time.process_time() < 0.12: pass"
    reports = box.cases(source, [b""] * 5, cpu_seconds=0.4)
    assert [report.ended for report in reports] == [Ended.EXITED] * 5
    assert all(report.cpu_seconds < 0.4 for report in reports)


def test_a_process_with_a_name_that_is_no_text_is_still_counted(box: Box) -> None:
    report = box.run(
        r"""
        import ctypes, os, time
        ctypes.CDLL(None).prctl(15, b"\xff) R \n\xfe")
        if os.fork() == 0:
            while True: pass
        time.sleep(1000)
        """,
        cpu_seconds=0.2,
        wall_seconds=10,
    )
    assert report.ended is Ended.CPU_LIMIT


def test_closing_its_outputs_costs_a_program_no_cpu_time(box: Box) -> None:
    report = box.run("import os, time\nos.close(1); os.close(2)\ntime.sleep(0.4)")
    assert report.ended is Ended.EXITED
    assert report.cpu_seconds < 0.2


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.sleep(1000)",
        "import threading\nthreading.Lock().acquire()\nl = threading.Lock(); l.acquire(); l.acquire()",
        "import os\nr, w = os.pipe()\nos.read(r, 1)",
        "import os, time\nif os.fork(): os.wait()\ntime.sleep(1000)",
        "import os, time\nos.close(0), os.close(1), os.close(2)\ntime.sleep(1000)",
        """
            import signal, time
            for n in range(1, 65):
             try: signal.signal(n, signal.SIG_IGN)
             except (OSError, ValueError): pass
            time.sleep(1000)
        """,
    ],
)
def test_idling_ends_by_wall_time(box: Box, source: str) -> None:
    report = box.run(source, wall_seconds=0.2)
    assert report.ended is Ended.WALL_LIMIT
    assert 0.2 <= report.wall_seconds < 10


def test_idling_case_ends_by_wall_time_and_the_next_runs(box: Box) -> None:
    reports = box.cases(
        "import time\nif input() == 'sleep': time.sleep(1000)", [b"go", b"sleep", b"go"], wall_seconds=0.3
    )
    assert [report.ended for report in reports] == [Ended.EXITED, Ended.WALL_LIMIT, Ended.EXITED]


def test_waiting_of_the_agent_is_not_taken_for_that_of_the_run(local_box: LocalBox) -> None:
    """The agent's run delay of its whole life would make a sleeping run look starved."""
    asked: list[int] = []

    def record(pids: list[int]) -> dict[int, float]:
        asked.extend(pids)
        return {}

    trusted = [procfs.descendants(cell.processes.pid) for cell in local_box.pool._idle]
    with mock.patch.object(procfs, "waits_for_core", record):
        assert local_box.run("import time\ntime.sleep(1000)", wall_seconds=0.2).ended is Ended.WALL_LIMIT
        local_box.cases("import time\ntime.sleep(1000)", [b""], wall_seconds=0.2)
    assert asked
    assert not set(asked) & {pid for pids in trusted for pid in pids}


def test_a_limit_on_wall_time_ends_soon_after_it(box: Box) -> None:
    began = time.monotonic()
    box.run("import time\ntime.sleep(1000)", wall_seconds=0.1)
    assert time.monotonic() - began < 10


# Memory --------------------------------------------------------------------------------------------------


def test_memory_of_one_process(box: Box) -> None:
    assert ran_out_of_memory(box.run("x = b'1' * (1 << 30)", memory_bytes=64 * MIB))


def test_memory_of_many_small_allocations(box: Box) -> None:
    assert ran_out_of_memory(box.run("x = []\nwhile True: x.append(bytes(100))", memory_bytes=64 * MIB))


def test_memory_of_many_processes_together(box: Box) -> None:
    report = box.run(
        """
        import os, time
        for _ in range(6):
            if os.fork() == 0: break
        x = b"1" * (50 << 20)
        time.sleep(1000)
        """,
        memory_bytes=128 * MIB,
        wall_seconds=20,
    )
    assert report.ended is Ended.MEMORY_LIMIT


def test_shared_anonymous_memory(box: Box) -> None:
    """RLIMIT_DATA does not count it."""
    report = box.run(
        """
            import mmap
            m = mmap.mmap(-1, 1 << 30)
            for i in range(0, 1 << 30, 4096): m[i] = 1
            import time
            time.sleep(1000)
        """,
        memory_bytes=128 * MIB,
        wall_seconds=20,
    )
    assert report.ended is Ended.MEMORY_LIMIT


def test_memory_that_forked_processes_share_counts_once(box: Box) -> None:
    report = box.run(
        """
        import os, time
        x = b"1" * (60 << 20)
        for _ in range(5):
            if os.fork() == 0: break
        time.sleep(0.3)
        """,
        memory_bytes=160 * MIB,
    )
    assert report.ended is Ended.EXITED


def test_memory_of_a_native_program(box: Box, compiled: Callable[[str], bytes]) -> None:
    main = compiled(
        "#include <stdlib.h>\n#include <string.h>\n"
        "int main() { for (;;) { char *p = malloc(1 << 20); if (!p) return 7; memset(p, 1, 1 << 20); } }"
    )
    report = box.run(
        Command(("/bin/sh", "-c", "chmod +x main && exec ./main")),
        files={"main": main},
        memory_bytes=64 * MIB,
    )
    assert report.ended is Ended.MEMORY_LIMIT or report.exit_status == 7


def test_memory_in_kernel_buffers(box: Box) -> None:
    if not box.has_cgroups:
        pytest.skip("only a cgroup counts it")
    report = box.run(
        """
        import socket, time
        pairs = []
        while True:
            pairs.append(socket.socketpair())
            for end in pairs[-1]:
                end.setblocking(False)
                try:
                    while True: end.send(bytes(65536))
                except BlockingIOError: pass
        """,
        memory_bytes=32 * MIB,
    )
    assert report.ended is Ended.MEMORY_LIMIT


@pytest.mark.parametrize("size", [1, 1 * MIB, 4 * MIB])
def test_a_limit_that_nothing_fits_in_is_no_fault_of_the_sandbox(box: Box, size: int) -> None:
    report = box.run("print(1)", memory_bytes=size)
    assert report.ended in (Ended.MEMORY_LIMIT, Ended.EXITED, Ended.SIGNALED)
    assert box.out("print(1)") == "1\n"


def test_files_and_memory_of_the_last_run_do_not_count_in_the_next(box: Box) -> None:
    for _ in range(4):
        box.out("f = open('x', 'wb')\nfor _ in range(40): f.write(bytes(1 << 20))", memory_bytes=96 * MIB)
        box.out("x = b'1' * (60 << 20)", memory_bytes=96 * MIB)
        box.out("print(1)", memory_bytes=32 * MIB)


def test_peak_memory_is_that_of_this_run(box: Box) -> None:
    big = box.run("x = b'1' * (60 << 20)")
    small = box.run("print(1)")
    assert big.peak_memory_bytes >= 60 * MIB
    assert 0 < small.peak_memory_bytes < 40 * MIB


# Processes, disk, files ----------------------------------------------------------------------------------


def test_fork_bomb_meets_its_limit_and_leaves_nothing(box: Box) -> None:
    out = box.out(
        """
        import os, sys, time
        made = 0
        try:
            while made < 1000:
                if os.fork() == 0: time.sleep(1000)
                made += 1
        except BlockingIOError: pass
        print(made, flush=True)
        os._exit(0)
        """,
        processes=20,
    )
    assert 10 <= int(out) <= 20


def test_exponential_fork_bomb(box: Box) -> None:
    report = box.run("import os\nwhile True:\n try: os.fork()\n except OSError: pass", cpu_seconds=0.2)
    assert report.ended is Ended.CPU_LIMIT
    assert box.out("print(1)") == "1\n"


def test_threads_count_as_processes(box: Box) -> None:
    out = box.out(
        """
        import threading, time
        made = 0
        try:
            while made < 1000:
                threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
                made += 1
        except RuntimeError: print(made)
        """,
        processes=20,
    )
    assert 10 <= int(out) <= 20


def test_processes_of_the_last_run_do_not_count_in_the_next(box: Box) -> None:
    for _ in range(3):
        box.run(
            "import os, time\nfor _ in range(15):\n if os.fork() == 0: time.sleep(1000)\nos._exit(0)",
            processes=20,
        )
        assert (
            box.out("import os\nif os.fork() == 0: os._exit(3)\nprint(os.wait()[1])", processes=20) == "768\n"
        )


def test_disk(box: Box) -> None:
    out = box.out(
        """
        import os
        written = 0
        try:
            while written < 100:
                with open(f"f{written}", "wb") as f: f.write(bytes(1 << 20))
                written += 1
        except OSError as e: print(e.errno, written)
        """,
        disk_bytes=8 * MIB,
    )
    assert out in ("28 7\n", "28 8\n")


def test_disk_in_deleted_files_counts(box: Box) -> None:
    out = box.out(
        """
        import os
        held = []
        try:
            while len(held) < 100:
                held.append(open("f", "wb")); os.unlink("f")
                held[-1].write(bytes(1 << 20)); held[-1].flush()
        except OSError as e: print(e.errno, len(held))
        os._exit(0) if not print(end="", flush=True) else 0
        """,
        disk_bytes=8 * MIB,
    )
    assert int(out.split()[1]) <= 9


def test_number_of_files(box: Box) -> None:
    out = box.out("""
        import os
        try:
            for made in range(100_000): os.close(os.open(str(made), os.O_CREAT))
        except OSError as e: print(e.errno, made)
    """)
    assert out.startswith("28 ")
    assert int(out.split()[1]) < 10_000


def test_file_size(box: Box) -> None:
    out = box.out(
        """
        f = open("x", "wb", buffering=0)
        n = 0
        try:
            while n < 64 << 20: n += f.write(bytes(1 << 20))
        except OSError as e: print(e.errno, n)
        """,
        file_bytes=2 * MIB,
    )
    assert out == f"27 {2 * MIB}\n"


def test_open_files(box: Box) -> None:
    out = box.out(
        "import os\ntry:\n while True: n = os.dup(0)\nexcept OSError as e: print(e.errno, n)", open_files=50
    )
    assert out == "24 49\n"


def test_limits_cannot_be_raised(box: Box) -> None:
    out = box.out("""
        import resource
        for name in ("CPU", "NPROC", "FSIZE", "NOFILE", "CORE", "MEMLOCK", "MSGQUEUE", "DATA"):
            what = getattr(resource, "RLIMIT_" + name, 12)
            soft, hard = resource.getrlimit(what)
            if hard == resource.RLIM_INFINITY: continue
            try:
                resource.setrlimit(what, (hard + 1, hard + 1))
                print(name)
            except (ValueError, OSError): pass
    """)
    assert out == ""


def test_a_tree_3000_directories_deep_leaves_nothing(box: Box) -> None:
    box.out("import os\nfor _ in range(3000):\n os.mkdir('d'); os.chdir('d')")
    assert box.out("import os\nprint(os.listdir('/tmp'))") == "[]\n"


def test_core_dumps_are_off(box: Box) -> None:
    report = box.run("import os\nif os.fork() == 0: os.abort()\nprint(os.wait()[1], os.listdir('.'))")
    assert report.stdout == b"6 []\n"


def test_memory_is_not_locked(box: Box) -> None:
    assert box.out("import ctypes\nprint(ctypes.CDLL(None).mlockall(3))") == "-1\n"


def test_no_cell_uses_swap_or_the_memory_of_the_service(local_box: LocalBox) -> None:
    for cell in local_box.pool._idle:
        if cell._group is not None and cell._group.counts_memory:
            members = {
                int(word) for word in Path(cell._group.directories[0], "cgroup.procs").read_text().split()
            }
            assert set(procfs.descendants(cell.processes.pid)) <= members
