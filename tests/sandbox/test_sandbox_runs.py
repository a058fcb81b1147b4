"""One run and the next, one run and another beside it, the cases of one program."""

from __future__ import annotations

import asyncio
import os
import secrets
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_box import STANDARD, Box, LocalBox, limits_of, run_in, until

from basanite_sandboxes.spec import Command, Ended, PythonProgram


def running(name: str) -> list[int]:
    """Processes of this machine that call themselves by this name."""
    found = []
    for directory in Path("/proc").iterdir():
        try:
            if directory.name.isdigit() and (directory / "comm").read_text().strip() == name:
                found.append(int(directory.name))
        except (OSError, UnicodeDecodeError):
            pass
    return found


@pytest.fixture
def name() -> Iterator[str]:
    """A name for processes of this test; none may be left at its end."""
    name = f"t{secrets.token_hex(4)}"
    yield name
    assert running(name) == []


def naming(name: str) -> str:
    return f"import ctypes, os, signal, sys, time\nctypes.CDLL(None).prctl(15, b'{name}')\n"


# After a run ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "daemon",
    [
        "if os.fork() == 0: time.sleep(1000)",
        "if os.fork() == 0:\n os.setsid()\n if os.fork(): os._exit(0)\n time.sleep(1000)",
        "if os.fork() == 0:\n for n in range(1, 65):\n  try: signal.signal(n, signal.SIG_IGN)\n"
        "  except (OSError, ValueError): pass\n while True: time.sleep(1)",
        "for _ in range(20):\n if os.fork() == 0:\n  os.setpgid(0, 0)\n  while True: pass",
        "pid = os.fork()\nif pid == 0: time.sleep(1000)\nos.kill(pid, signal.SIGSTOP)",
        "import threading\nfor _ in range(9): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
    ],
)
def test_nothing_that_it_started_outlives_a_run(box: Box, name: str, daemon: str) -> None:
    report = box.run(naming(name) + textwrap.dedent(daemon))
    assert (report.ended, report.exit_status) == (Ended.EXITED, 0)
    assert running(name) == []
    box.cases(naming(name) + textwrap.dedent(daemon), [b""] * 2)
    assert running(name) == []


def test_nothing_outlives_a_run_that_was_stopped(box: Box, name: str) -> None:
    source = naming(name) + "os.fork(); os.fork()\ntime.sleep(1000)"
    assert box.run(source, wall_seconds=0.2).ended is Ended.WALL_LIMIT
    assert running(name) == []


def test_files_are_gone_in_the_next_run(box: Box) -> None:
    look = "import os\nprint([d for d, s, f in os.walk('/tmp') if s or f])"
    assert (
        box.out(
            """
                import os
                os.mkdir('.hidden')
                open('.hidden/x', 'w').write('1')
                open('/dev/shm/y', 'w')
                os.chmod('/tmp', 0)
            """
        )
        == ""
    )
    assert box.out(look) == "[]\n"
    assert [report.stdout for report in box.cases(look + "\nopen('x', 'w')", [b""] * 3)] == [b"[]\n"] * 3
    assert box.out(look) == "[]\n"


def test_names_between_runs_are_gone(box: Box) -> None:
    """Those of System V are the cell's, as are abstract sockets; those of POSIX lie in /dev/shm."""
    leave = """
        import ctypes, socket
        from multiprocessing import shared_memory
        s = socket.socket(socket.AF_UNIX); s.bind("\\0left"); s.listen()
        libc = ctypes.CDLL(None)
        print(libc.shmget(77, 4096, 0o1777), libc.msgget(77, 0o1777), libc.semget(77, 1, 0o1777))
        print(libc.mq_open(b"/left", 0o102, 0o600, None))
        open("/dev/shm/left", "w")
    """
    assert box.out(leave) == "-1 -1 -1\n-1\n"
    assert box.out(leave) == "-1 -1 -1\n-1\n"


def test_memory_tells_nothing_of_earlier_runs(box: Box) -> None:
    """Program, arguments, files, input and output of a run are not in what the next one inherits of the agent."""
    head, tail = secrets.token_hex(8), secrets.token_hex(8)
    secret = head + tail
    source = f"import sys\nx = '{secret}'\nprint(x, sys.stdin.read())\nprint(x, file=sys.stderr)"
    box.run(
        PythonProgram(source.encode(), (secret,)), stdin=secret.encode(), files={"main.txt": secret.encode()}
    )
    box.run(f"x = '{secret}\n", stdin=secret.encode())
    box.cases(source, [secret.encode()] * 2)
    look = f"""
        head, tail = b"{head}", b"{tail}"
        found = 0
        with open("/proc/self/mem", "rb", buffering=0) as mem:
            for line in open("/proc/self/maps"):
                start, end = (int(x, 16) for x in line.split()[0].split("-"))
                try:
                    mem.seek(start)
                    data = mem.read(end - start)
                except (OSError, ValueError, OverflowError): continue
                at = data.find(head)
                while at >= 0:
                    if data[at + 16:at + 32] == tail: print(line)
                    found += 1
                    at = data.find(head, at + 1)
        print("looked", found > 0)
    """
    for _ in range(3):
        assert box.out(look) == "looked True\n"


def test_what_a_run_does_to_the_interpreter_is_gone(box: Box) -> None:
    box.run("""
        import builtins, json, os, signal, sys
        builtins.print = json.dumps = os.write = None
        sys.path.insert(0, "/evil"); sys.modules["math"] = 3; sys.setrecursionlimit(50)
        signal.signal(signal.SIGTERM, signal.SIG_IGN); os.umask(0o777); os.environ["X"] = "1"
    """)
    assert (
        box.out("""
        import json, math, os, signal, sys
        print(json.dumps(1), math.floor(1.5), sys.getrecursionlimit(), oct(os.umask(0)), "X" in os.environ)
        print(signal.getsignal(15) is signal.SIG_DFL)
    """)
        == "1 1 1000 0o22 False\nTrue\n"
    )


# Beside each other ---------------------------------------------------------------------------------------


def test_runs_at_one_time_do_not_see_or_reach_each_other(local_box: LocalBox, name: str) -> None:
    first = """
        import ctypes, os, socket, time
        open("/tmp/mine", "w").write("1")
        s = socket.socket(socket.AF_UNIX); s.bind("\\0here"); s.listen()
        print(os.listdir("/tmp"), flush=True)
        ctypes.CDLL(None).prctl(15, NAME)
        time.sleep(0.3)
        print("alive")
    """.replace("NAME", repr(name.encode()))
    second = """
        import os, signal, socket
        for call in ((-1, 9), (2, 9), (3, 9)):
            try: os.kill(*call)
            except OSError: pass
        try:
            socket.socket(socket.AF_UNIX).connect("\\0here")
            print("reached")
        except OSError: pass
        print(os.listdir("/tmp"), [n for n in os.listdir("/proc") if n.isdigit()])
    """

    async def both() -> tuple[object, object]:
        pool = local_box.pool
        one = asyncio.create_task(run_in(pool, PythonProgram(_text(first))))
        await until(lambda: running(name))
        return await run_in(pool, PythonProgram(_text(second))), await one

    late, early = local_box.do(both())
    assert early.stdout == b"['mine']\nalive\n"
    assert late.stdout == b"[] ['1']\n"


def _text(source: str) -> bytes:
    return textwrap.dedent(source).encode()


@pytest.mark.parametrize("target", [0, -1, 1, 2, -2, -3])
def test_killing_everybody_hurts_only_itself(box: Box, target: int) -> None:
    box.run(f"import os\nfor n in (15, 9, 19, 11):\n try: os.kill({target}, n)\n except OSError: pass")
    box.run(f"import os\nif os.fork() == 0:\n os.kill({target}, 9)\nos.wait()")
    box.run(Command(("/bin/sh", "-c", f"kill -9 {target}; kill -9 0; kill -9 -1")))
    assert box.out("print(1)") == "1\n"


def test_two_pools_in_one_process_do_not_touch_each_other(local_box: LocalBox) -> None:
    """They would share names of cgroups, and closing one would kill the cells of the other."""
    other = LocalBox(local_box.variant, cells=2)
    groups = [cell._group.directories for cell in (*local_box.pool._idle, *other.pool._idle) if cell._group]
    assert len(set(groups)) == len(groups)
    cells = list(local_box.pool._idle)
    other.close()
    assert all(cell.alive for cell in cells)
    assert local_box.out("print(1)") == "1\n"


# Cases ---------------------------------------------------------------------------------------------------


def test_each_case_has_a_fresh_process_and_directory(box: Box) -> None:
    source = "import os\nn = 0\nn += 1\nprint(n, os.getpid(), os.listdir('.'), input())\nopen('left', 'w')"
    reports = box.cases(source, [b"a", b"b", b"c"])
    assert [report.stdout.decode() for report in reports] == [f"1 1 [] {name}\n" for name in "abc"]
    assert {report.ended for report in reports} == {Ended.EXITED}


def test_a_case_that_ends_badly_does_not_end_the_others(box: Box) -> None:
    source = "import os, sys\nexec(input())"
    cases = [
        b"1 / 0",
        b"os._exit(9)",
        b"os.kill(0, 9)",
        b"x = b'1' * (1 << 30)",
        b"while True: pass",
        b"print('fine')",
    ]
    reports = box.cases(source, cases, cpu_seconds=0.3, memory_bytes=64 << 20)
    assert len(reports) == 6
    assert reports[1].exit_status == 9
    assert reports[4].ended is Ended.CPU_LIMIT
    assert (reports[5].ended, reports[5].stdout) == (Ended.EXITED, b"fine\n")


def test_many_cases(box: Box) -> None:
    reports = box.cases("print(int(input()) * 2)", [str(n).encode() for n in range(60)])
    assert [int(report.stdout) for report in reports] == [n * 2 for n in range(60)]


def test_no_cases(box: Box) -> None:
    assert box.cases("print(1)", []) == []


def test_closing_early_frees_the_cell(box: Box) -> None:
    for take in (1, 2):
        reports = box.cases("print(input())", [b"a", b"b", b"c"], take=take)
        assert [report.stdout for report in reports] == [b"a\n", b"b\n"][:take]
        assert box.out("print('other')") == "other\n"


def test_a_generator_that_nobody_closed_does_not_hand_its_program_to_the_next(local_box: LocalBox) -> None:
    async def abandon() -> None:
        async with local_box.pool.sandbox(STANDARD) as sandbox:
            stream = sandbox.run_cases(PythonProgram(b"print('first')"), limits_of(), [b"", b""])
            async for _ in stream:
                break
        report = await run_in(local_box.pool, PythonProgram(b"print('second')"))
        assert report.stdout == b"second\n"
        await stream.aclose()
        report = await run_in(local_box.pool, PythonProgram(b"print('third')"))
        assert report.stdout == b"third\n"

    local_box.do(abandon())


def test_the_death_of_the_preparing_child_ends_the_cell_and_its_run(local_box: LocalBox, name: str) -> None:
    """Its run would live on beside the next ones. The kernel's memory killer can choose it."""

    async def kill_preparer() -> list[object]:
        pool = local_box.pool
        reports = []

        async def collect() -> None:
            async with pool.sandbox(STANDARD) as sandbox:
                source = (
                    naming(name)
                    + "if input() == 'wait' and not os.path.exists('/x'): time.sleep(0.3)\nprint('ran')"
                )
                async for report in sandbox.run_cases(
                    PythonProgram(source.encode()), limits_of(), [b"wait", b"go"]
                ):
                    reports.append(report)

        task = asyncio.create_task(collect())
        await until(lambda: running(name))
        (cell,) = pool._busy
        os.kill(cell.processes.of_run(prepared=False)[0], 9)
        await task
        assert not cell.alive
        return reports

    reports = local_box.do(kill_preparer())
    assert [(report.ended, report.stdout) for report in reports] == [(Ended.EXITED, b"ran\n")] * 2


def test_a_killer_for_memory_that_takes_the_preparing_child_spoils_no_other_case(box: Box) -> None:
    source = (
        f"x = '''{'x' * 3_000_000}'''\nimport os, socket\n"
        + """
pairs = []
while input() == "bomb":
    for _ in range(100):
        pairs.append(socket.socketpair())
        for end in pairs[-1]:
            end.setblocking(False)
            try:
                while True: end.send(bytes(65536))
            except BlockingIOError: pass
print("fine")
"""
    )
    reports = box.cases(source, [b"go", b"bomb\nx", b"go", b"bomb\nx", b"go"], memory_bytes=48 << 20)
    assert [report.stdout for report in reports[::2]] == [b"fine\n"] * 3
    assert {report.ended for report in reports[1::2]} <= {Ended.MEMORY_LIMIT, Ended.EXITED}


def test_a_source_that_takes_for_ever_to_compile_is_charged_once_for_all_cases(local_box: LocalBox) -> None:
    members = ",".join(map(str, range(2000)))
    source = "\n".join(f"def f{n}(a): return [x for x in a if x in ({members})]" for n in range(400))
    reports = local_box.cases(source, [b""] * 100, cpu_seconds=0.2)
    assert [report.ended for report in reports] == [Ended.CPU_LIMIT] * 100
    assert sum(report.cpu_seconds for report in reports) == 0.2
