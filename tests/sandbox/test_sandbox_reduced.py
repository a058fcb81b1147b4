"""Cells without namespaces: what holds there that the other tests of this folder cannot show, and attacks on it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sandbox_box import CANARY, REDUCED, STANDARD, LocalBox, limits_of, python, run_in, until

from basanite_sandboxes.guest import wire
from basanite_sandboxes.process import procfs, remedy
from basanite_sandboxes.process.reduced.cell import Reduced
from basanite_sandboxes.process.reduced.roots import Roots, empty, trash_of
from basanite_sandboxes.process.reduced.users import Users
from basanite_sandboxes.spec import Command, Ended, PythonCalls, Report, SandboxUnavailable

MIB = 1 << 20
FOLDER = Path(__file__).parent
SLEEP = "import time; print(end='', flush=True); time.sleep(1000)"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="not root: there would be no other users")


@pytest.fixture
def box(reduced_box: LocalBox) -> LocalBox:
    return reduced_box


def cells(box: LocalBox) -> list[Reduced]:
    found = [cell.processes for cell in box.pool._numbers]
    assert all(isinstance(processes, Reduced) for processes in found)
    return found


def users(box: LocalBox) -> set[int]:
    return {number for processes in cells(box) for number in (processes._user, processes._hunter)}


def processes_of(box: LocalBox) -> list[int]:
    """All processes of this machine that belong to a user of runs."""
    ours = {processes._user for processes in cells(box)}
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                lines = (directory / "status").read_text().splitlines()
            except (OSError, UnicodeDecodeError):
                continue
            # The real one: who ends a run is for a moment that user as well, but not really.
            if next(int(line.split()[1]) for line in lines if line.startswith("Uid:")) in ours:
                found.append(int(directory.name))
    return found


def while_it_sleeps(box: LocalBox, look: Any, source: str = SLEEP, **keywords: Any) -> list[Any]:
    """What `look` says of each process of a run that sleeps."""

    async def main() -> list[Any]:
        task = asyncio.create_task(run_in(box.pool, python(source), STANDARD, **keywords))
        try:
            (cell,) = await until(lambda: [cell for cell in box.pool._busy if cell._watch is not None])
            await until(lambda: cell.processes.of_run(prepared=False))
            await asyncio.sleep(0.1)  # until the candidate's own code runs; there is nothing else to wait for
            return [look(pid) for pid in cell.processes.of_run(prepared=False)]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return box.do(main())


# What a run is ------------------------------------------------------------------------------------------


DESCRIPTORS = """
import os, stat
def held():
    found = []
    for fd in range(256):
        try: found.append((fd, stat.S_IFMT(os.fstat(fd).st_mode) >> 12))
        except OSError: pass
    return found
"""
PIPE, FILE, DEVICE = 1, 8, 2


def test_a_run_holds_its_streams_and_nothing_else(box: LocalBox) -> None:
    streams = [(1, PIPE), (2, PIPE)]
    source = DESCRIPTORS + "print(held())"
    assert box.out(source) == f"{[(0, DEVICE), *streams]}\n"
    assert box.out(source, stdin=b"x") == f"{[(0, FILE), *streams]}\n"
    for report in box.cases(source, [b"", b"x"]):
        assert report.stdout.decode() in (f"{[(0, DEVICE), *streams]}\n", f"{[(0, FILE), *streams]}\n")
    counted = (DESCRIPTORS + "def f(): return [fd for fd, _ in held()]").encode()
    report = box.run(PythonCalls(counted, "f", b'{"args": [], "kwargs": {}, "after": false}'))
    assert json.loads(report.answers) == {"value": [0, 1, 2, 5]}

    async def pair() -> tuple[Report, Report]:
        both = python(source + "\nos.close(7)\nos.read(6, 1)")
        async with box.pool.sandbox(STANDARD) as sandbox:
            return await sandbox.run_pair(both, limits_of(), both, limits_of())

    for report in box.do(pair()):
        assert report.stdout.decode() == f"{[(0, DEVICE), *streams, (6, PIPE), (7, PIPE)]}\n"
    assert box.out(source) == f"{[(0, DEVICE), *streams]}\n"


def test_a_command_holds_its_streams_and_nothing_else(box: LocalBox) -> None:
    script = 'for n in 0 1 2 3 4 5 6 7 8 9; do (eval "true <&$n") 2>/dev/null && echo $n; done; true'
    assert box.out(Command(("/bin/sh", "-c", script))).split() == ["0", "1", "2"]


@pytest.mark.parametrize("program", [SLEEP, Command(("/bin/sleep", "1000"))], ids=["python", "command"])
def test_a_run_has_a_user_of_its_own_and_no_other_right(box: LocalBox, program: Any) -> None:
    def look(pid: int) -> dict[str, str]:
        text = Path(f"/proc/{pid}/status").read_text()
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)

    (status,) = while_it_sleeps(box, look, program)
    assert len(set(status["Uid"].split()) | set(status["Gid"].split())) == 1
    assert int(status["Uid"].split()[0]) in {processes._user for processes in cells(box)}
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"], status["Groups"].split()) == ("1", "2", [])


def test_its_memory_tells_nothing_of_the_service_or_of_earlier_runs(box: LocalBox) -> None:
    secret = secrets.token_hex(16)
    box.run(
        f"import sys\nx = {secret!r}\nprint(x, sys.stdin.read())",
        stdin=secret.encode(),
        files={"a": secret.encode()},
    )
    box.cases(f"print(input(), {secret!r})", [secret.encode()] * 2)

    def look(pid: int) -> int:
        read = 0
        # As the watcher does: in a container even root needs to be that user.
        with procfs.as_user(procfs.user_of(pid)), open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                first, _, end = line.split()[0].partition("-")
                try:
                    memory.seek(int(first, 16))
                    data = memory.read(int(end, 16) - int(first, 16))
                except (OSError, ValueError, OverflowError):
                    continue
                read += len(data)
                assert secret.encode() not in data
                assert CANARY.encode() not in data
        return read

    for _ in range(2):  # both cells
        (read,) = while_it_sleeps(box, look)
        assert read > 4 * MIB


def test_rights_cannot_be_had_again(box: LocalBox) -> None:
    out = box.out("""
        import ctypes, os, shutil, subprocess
        for change in (os.setuid, os.setgid, os.setegid, os.seteuid):
            for target in (0, os.getuid() + 1, 1000):
                try: change(target); print(change, target)
                except OSError: pass
        try: os.setgroups([0]); print("groups")
        except OSError: pass
        try: os.chroot("/tmp"); print("chroot")
        except OSError: pass
        try: os.mknod("/tmp/null", 0o20666, os.makedev(1, 3)); print("mknod")
        except OSError: pass
        libc = ctypes.CDLL(None)
        print(libc.prctl(4, 0), libc.prctl(38, 0, 0, 0, 0), libc.unshare(0x10000000), libc.ptrace(0, 0, 0, 0))
        shutil.copy("/usr/bin/id", "/tmp/id"); os.chmod("/tmp/id", 0o6755)
        print(subprocess.run(["/tmp/id", "-u"], capture_output=True, text=True).stdout == f"{os.getuid()}\\n")
    """)
    assert out == "-1 -1 -1 -1\nTrue\n"


# What it sees -------------------------------------------------------------------------------------------


def test_nothing_in_the_root_is_its_own_or_gives_rights(box: LocalBox) -> None:
    out = box.out("""
        import os, stat
        devices = []
        for top, directories, files in os.walk("/"):
            for name in (*directories, *files):
                path = os.path.join(top, name)
                found = os.lstat(path)
                if found.st_uid != 0 or found.st_gid != 0: print("owned", path)
                if found.st_mode & 0o6000: print("setuid", path)
                if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode): devices.append(path)
                elif not stat.S_ISLNK(found.st_mode) and os.access(path, os.W_OK) and path[:4] not in ("/tmp", "/dev"):
                    print("writable", path)
        print(sorted(devices))
        print(os.listdir("/tmp"), os.path.exists("/proc"), os.path.exists("/sys"))
    """)
    assert out == "['/dev/null', '/dev/random', '/dev/urandom', '/dev/zero']\n[] False False\n"


@pytest.mark.parametrize(
    "way",
    [
        "os.chdir('/..')",
        "os.chdir('../' * 50)",
        "os.fchdir(os.open('/', os.O_RDONLY)); os.chdir('../..')",
        "os.mkdir('x'); fd = os.open('.', os.O_RDONLY); os.chroot('x'); os.fchdir(fd); os.chdir('../' * 50)",
        "os.symlink('/../../..', 'up'); os.chdir('up')",
        "os.chdir('/.trash')",
    ],
)
def test_there_is_no_way_out_of_the_root(box: LocalBox, way: str) -> None:
    out = box.out(f"""
        import os
        try: {way}
        except OSError: pass
        print(os.path.exists("etc/shadow"), os.path.exists("/etc/shadow"), os.path.exists("../store"))
    """)
    assert out == "False False False\n"


def test_it_is_somebody_with_a_name(box: LocalBox) -> None:
    assert box.out("import getpass, os; print(getpass.getuser(), os.path.expanduser('~'))") == "cell /tmp\n"
    assert box.out(Command(("/usr/bin/id", "-un"))) == "cell\n"


def test_streams_can_be_opened_by_name_and_belong_to_one_run(box: LocalBox) -> None:
    source = """
        import sys
        print(open("/dev/stdin").read())
        with open("/dev/stdout", "w") as out: out.write("by name")
        with open("/dev/stderr", "a") as err: err.write("")
    """
    for _ in range(2):
        assert box.out(source, stdin=b"secret") == "by namesecret\n"
        assert box.out(source) == "by name\n"
        assert [report.stdout for report in box.cases(textwrap.dedent(source), [b"a", b"b"])] == [
            b"by namea\n",
            b"by nameb\n",
        ]
    box.run("import os\nos.pwrite(0, b'for the next', 0)", stdin=b"x")
    assert box.out("print(open('/dev/stdin').read())") == "\n"
    assert box.out("try: open('/dev/stdout').read()\nexcept OSError as e: print(e.errno)") == "13\n"


def test_sockets_reach_nothing(box: LocalBox) -> None:
    """Neither the network nor a name; pairs are for the run itself."""
    out = box.out("""
        import socket
        def refused(call, *arguments):
            try: call(*arguments); print("works:", call, arguments)
            except OSError: pass
        for family in range(1, 46):
            for kind in (1, 2, 3, 5): refused(socket.socket, family, kind)
        for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC):
            refused(socket.socketpair, socket.AF_UNIX, kind)
        for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
            for address in ("\\0name", "/tmp/name"):
                a, b = socket.socketpair(socket.AF_UNIX, kind)
                refused(a.bind, address); refused(a.connect, address); refused(a.listen)
            a.sendall(b"x"); print(b.recv(9))
        refused(a.sendto, b"x", "\\0name") if kind == 1 else None
    """)
    assert out == "b'x'\nb'x'\n"


# What it leaves -----------------------------------------------------------------------------------------


STRAYS = {
    "daemon": """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                while True: pass
            os._exit(0)""",
    "deaf": """
        if os.fork() == 0:
            for n in range(1, 65):
                try: signal.signal(n, signal.SIG_IGN)
                except (OSError, ValueError): pass
            time.sleep(1000)""",
    "stopped": """
        if os.fork() == 0: os.kill(os.getpid(), 19)""",
    "many": """
        for _ in range(40):
            if os.fork() == 0: time.sleep(1000)""",
    "bomb": """
        if os.fork() == 0:
            while True:
                try: os.fork()
                except OSError: pass""",
    "gunman": """
        for _ in range(5):
            if os.fork() == 0:
                while True:
                    try: os.kill(-1, 9)
                    except OSError: pass""",
    "brother": """
        libc.syscall(56, 0x8000 | 17, 0, 0, 0, 0) or time.sleep(1000)""",
    "silent brother": """
        libc.syscall(56, 0x8000, 0, 0, 0, 0) or time.sleep(1000)""",
    "silent": """
        libc.syscall(56, 0, 0, 0, 0, 0) or time.sleep(1000)""",
    "patron": """
        libc.prctl(36, 1)
        if os.fork() == 0:
            libc.prctl(36, 1)
            if os.fork() == 0: time.sleep(1000)
            time.sleep(1000)""",
    "heir": """
        signal.signal(17, signal.SIG_IGN)
        if os.fork() == 0:
            if os.fork() == 0: time.sleep(1000)
            os._exit(0)""",
}
X86_CALLS = os.uname().machine == "x86_64"


@pytest.mark.parametrize("kind", [kind for kind in STRAYS if X86_CALLS or "syscall" not in STRAYS[kind]])
def test_no_process_outlives_its_run(box: LocalBox, kind: str) -> None:
    source = "import ctypes, os, signal, time\nlibc = ctypes.CDLL(None)"
    source += textwrap.dedent(STRAYS[kind]) + "\nos._exit(3)"
    for _ in range(3):
        report = box.run(source)
        assert processes_of(box) == []
        assert report.exit_status == 3 or report.signal == 9  # a gunman may be faster
    for report in box.cases(source, [b""] * 2):
        assert report.exit_status == 3 or report.signal == 9
        assert processes_of(box) == []
    assert box.out("print(1)") == "1\n"


def test_cpu_time_of_processes_nobody_waited_for_counts(box: LocalBox) -> None:
    spin = "import os, time\ndef burn():\n end = time.process_time() + 0.2\n while time.process_time() < end: pass\n"
    report = box.run(spin + "if os.fork() == 0: burn(); os._exit(0)\ntime.sleep(1.5)")
    assert report.cpu_seconds > 0.05
    report = box.run(spin + "if os.fork() == 0:\n while True: pass\ntime.sleep(1)")
    assert report.cpu_seconds > 0.05


def test_it_cannot_signal_its_agent_nor_anything_else(box: LocalBox) -> None:
    out = box.out("""
        import os
        reached = set()
        for pid in range(1, 100_000):
            if pid != os.getpid():
                try: os.kill(pid, 0); reached.add(pid)
                except OSError: pass
        print(reached)
        for call in (os.kill, os.killpg):
            try: call(os.getppid(), 9); print("killed")
            except OSError as e: print(type(e).__name__)
    """)
    assert out.splitlines()[0] == "set()"
    assert "killed" not in out


def test_neighbours_do_not_see_or_reach_each_other(box: LocalBox) -> None:
    first = "import os, time\nopen('/tmp/mine', 'w').write('1')\ntime.sleep(0.5)\nprint(os.listdir('/tmp'))"
    second = """
        import os
        for number in (15, 9):
            try: os.kill(-1, number)
            except OSError: pass
        print(os.listdir("/tmp"), os.path.exists("/tmp/mine"))
    """

    async def both() -> tuple[Report, Report]:
        one = asyncio.create_task(run_in(box.pool, python(first)))
        await until(lambda: processes_of(box))
        await until(lambda: [c for c in cells(box) if os.listdir(c._root / "tmp")])
        return await run_in(box.pool, python(second)), await one

    late, early = box.do(both())
    assert (late.stdout, early.stdout) == (b"[] False\n", b"['mine']\n")


LEAVE = {
    "files": "open('a', 'w'); os.mkdir('d'); open('d/b', 'w').write('x')",
    "closed directories": "os.mkdir('d'); open('d/b', 'w'); os.chmod('d', 0)",
    "sticky directories": "os.mkdir('d'); open('d/b', 'w'); os.chmod('d', 0o1000)",
    "odd names": r"[open(os.fsencode('/tmp/') + bytes([n]) * 200, 'w') for n in range(1, 256) if n != 47]",
    "numbers": "[os.makedirs(f'{n}/{n}/0') for n in range(20)]",
    "links": "os.symlink('/', 'root'); os.symlink(CANARY, 'canary'); os.mkdir('d'); os.symlink(CANARY, 'd/c')",
    "pipes": "os.mkfifo('p'); os.mkfifo('q')",
    "shared memory": "open('/dev/shm/s', 'w')",
    "made and deleted": "open('a', 'w'); os.unlink('a')",
    "the time": "os.utime('/tmp')",
    "deep": "for _ in range(150): os.mkdir('d'); os.chdir('d')",
    "too deep": "for _ in range(3000): os.mkdir('d'); os.chdir('d')",
    "too deep and closed": "for _ in range(500): os.mkdir('d'); os.chdir('d'); os.chmod('.', 0o300)",
    "attributes": "os.setxattr('/tmp', 'user.x', b'1')",
    "mode": "os.chmod('/tmp', 0)",
    "/tmp away": "os.rename('/tmp', '/tmq')",
}


@pytest.fixture
def canary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="basanite-test-") as directory:
        (Path(directory) / "file").write_text("mine")
        yield Path(directory)
        assert (Path(directory) / "file").read_text() == "mine"


@pytest.mark.parametrize("kind", LEAVE)
def test_tmp_is_empty_and_new_in_the_next_run(box: LocalBox, canary: Path, kind: str) -> None:
    source = f"import os\nCANARY = {str(canary)!r}\n{LEAVE[kind]}\n"
    look = (
        "import os; s = os.stat('/tmp')\n"
        "print(os.listdir('/tmp'), oct(s.st_mode), s.st_uid, s.st_nlink, os.listxattr('/tmp'), flush=True)"
    )
    clean = "[] 0o41777 0 2 []\n"
    for _ in range(2):
        box.run(source)
        assert box.out(look) == clean
    for report in box.cases(look + "\n" + source, [b""] * 3):
        assert report.stdout.decode() == clean
    for _ in range(3):
        assert box.out(look) == clean

    async def settled() -> None:
        """The server deletes in the background."""
        await until(lambda: all(c._deleting is None or c._deleting.done() for c in cells(box)))

    box.do(settled())
    assert [os.listdir(trash_of(c._root)) for c in cells(box)] == [[]] * len(cells(box))
    assert [os.listdir(c._root / "tmp") for c in cells(box)] == [[]] * len(cells(box))
    assert os.listdir(canary) == ["file"]


def test_names_outside_of_files_are_gone(box: LocalBox) -> None:
    leave = """
        import ctypes
        libc = ctypes.CDLL(None)
        print(libc.shmget(77, 4096, 0o1777), libc.msgget(77, 0o1777), libc.semget(77, 1, 0o1777))
        print(libc.mq_open(b"/left", 0o102, 0o600, None))
        open("/dev/shm/left", "x")
    """
    for _ in range(2):
        assert box.out(leave) == "-1 -1 -1\n-1\n"


# What it uses -------------------------------------------------------------------------------------------


DISK = {
    "one file": """
        f = open("f", "wb")
        while True: f.write(bytes(1 << 20)); f.flush()""",
    "many files": """
        for n in itertools.count(): open(str(n), "wb").write(bytes(1 << 18))""",
    "empty files": """
        for n in itertools.count(): open(str(n), "w").close()""",
    "directories": """
        for n in itertools.count(): os.mkdir(str(n))""",
    "deep": """
        while True: os.mkdir("d"); os.chdir("d"); time.sleep(0.0001)""",
    "deleted": """
        held = []
        while True:
            held.append(open("f", "wb")); os.unlink("f")
            held[-1].write(bytes(1 << 18)); held[-1].flush()""",
    "deleted in a child": """
        if os.fork() == 0:
            f = open("f", "wb"); os.unlink("f")
            while True: f.write(bytes(1 << 20)); f.flush()
        os.wait()""",
    "mapped": """
        held = []
        while True:
            fd = os.open("f", os.O_RDWR | os.O_CREAT); os.write(fd, bytes(1 << 20))
            held.append(mmap.mmap(fd, 1 << 20)); os.unlink("f"); os.close(fd); time.sleep(0.005)""",
}


@pytest.mark.parametrize("kind", DISK)
def test_files_are_limited_in_size_and_number(box: LocalBox, kind: str) -> None:
    limits: dict[str, Any] = {"disk_bytes": 8 * MIB, "cpu_seconds": 10, "memory_bytes": 1 << 30}
    greedy = textwrap.indent(textwrap.dedent(DISK[kind]), " ")
    # What is quick enough meets other limits first, and then waits.
    source = f"import itertools, mmap, os, time\ntry:{greedy}\nexcept OSError: time.sleep(10)"
    assert box.run(source, **limits).ended is Ended.MEMORY_LIMIT
    assert box.out("import os; print(os.listdir('/tmp'))") == "[]\n"


def test_who_hides_its_files_is_over_the_limit(box: LocalBox) -> None:
    """A program that nobody may read hides the files that it holds open."""
    source = "import os, shutil\nshutil.copy('/bin/sleep', 's'); os.chmod('s', 0o111); os.execv('s', ['s', '1000'])"
    assert box.run(source).ended is Ended.MEMORY_LIMIT


def test_files_within_the_limit_are_left_alone(box: LocalBox) -> None:
    source = """
        import os, time
        open("f", "wb").write(bytes(6 << 20))
        for n in range(500): open(f"x{n}", "w")
        time.sleep(0.5)
        print(len(os.listdir()))
    """
    assert box.out(source, disk_bytes=8 * MIB) == "501\n"


def test_memory_that_processes_share_counts_once(box: LocalBox) -> None:
    source = """
        import os, time
        x = b"x" * (40 << 20)
        for _ in range(10):
            if os.fork() == 0:
                OWN
                time.sleep(0.6)
                os._exit(0)
        for _ in range(10): os.wait()
        print("done")
    """
    assert box.out(source.replace("OWN", "pass"), memory_bytes=160 * MIB) == "done\n"
    report = box.run(source.replace("OWN", "y = b'y' * (30 << 20)"), memory_bytes=160 * MIB)
    assert report.ended is Ended.MEMORY_LIMIT


def test_a_run_that_kills_itself_is_tried_again_and_then_believed(box: LocalBox) -> None:
    before = [processes.pid for processes in cells(box)]
    report = box.run("import os; os.kill(os.getpid(), 9)")
    assert (report.ended, report.signal) == (Ended.SIGNALED, 9)
    for report in box.cases("import os; os.kill(os.getpid(), 9)", [b""] * 2):
        assert (report.ended, report.signal) == (Ended.SIGNALED, 9)
    assert sorted(processes.pid for processes in cells(box)) == sorted(before)


# Pools ----------------------------------------------------------------------------------------------------


def test_isolation_says_that_it_is_reduced_and_what_that_means(box: LocalBox) -> None:
    isolation = box.isolation
    assert (isolation.profile, isolation.namespaces, isolation.seccomp) == ("reduced", (), True)
    assert any("no namespaces of their own" in words for words in isolation.weaknesses)
    assert any("Landlock" in words for words in isolation.weaknesses) == (remedy.landlock_version() < 6)


def test_two_pools_share_no_user_and_no_directory(box: LocalBox) -> None:
    other = LocalBox(REDUCED)
    try:
        assert not users(box) & users(other)
        assert {c._root for c in cells(box)}.isdisjoint({c._root for c in cells(other)})
        assert other.out("print(1)") == "1\n"
    finally:
        other.close()
    assert box.out("print(1)") == "1\n"


def test_users_are_reserved_and_within_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[Users] = []
    try:
        first = Users(10, 52_000)
        held.append(first)
        ids = {number for cell in range(10) for number in first.of_cell(cell)}
        assert len(ids) == 20
        assert min(ids) >= 52_000
        mapped = "basanite_sandboxes.process.reduced.users._mapped_until"
        monkeypatch.setattr(mapped, lambda uid: 52_000 + 200)
        for _ in range(2):
            held.append(Users(10, 52_000))
        with pytest.raises(SandboxUnavailable, match="SANDBOX_UID_BASE"):
            Users(100, 52_000)
        assert len(held) > 1
        taken = [number for one in held for cell in range(10) for number in one.of_cell(cell)]
        assert len(taken) == len(set(taken))
    finally:
        for one in held:
            one.close()


def test_a_killed_server_leaves_no_process_and_the_next_one_removes_its_files(tmp_path: Path) -> None:
    source = """
        import os, time
        open("x", "w")
        for _ in range(3): os.fork()
        if os.getpid() % 2: os.setsid()
        time.sleep(1000)
    """
    script = textwrap.dedent("""
        import asyncio, sys
        sys.path.insert(0, FOLDER)
        from sandbox_box import LocalBox, REDUCED, run_in, python
        box = LocalBox(REDUCED)
        async def main():
            run = asyncio.create_task(run_in(box.pool, python(SOURCE)))
            await asyncio.sleep(0.5)
            users = [cell.processes._user for cell in box.pool._numbers]
            print(box.pool._profile._roots._base, *users, flush=True)
            await run
        box.do(main())
    """)
    script = script.replace("FOLDER", repr(str(FOLDER))).replace("SOURCE", repr(source))
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as server:
        assert server.stdout is not None
        base, *numbers = server.stdout.readline().split()
        assert numbers
        server.kill()
    ours = {int(number) for number in numbers}

    def left() -> list[str]:
        found = []
        for directory in Path("/proc").iterdir():
            if directory.name.isdigit():
                try:
                    text = (directory / "status").read_text()
                except (OSError, UnicodeDecodeError):
                    continue
                line = next(line for line in text.splitlines() if line.startswith("Uid:"))
                if {int(word) for word in line.split()[1:]} & ours:
                    found.append(directory.name)
        return found

    end = time.monotonic() + 20
    while left():
        assert time.monotonic() < end
        time.sleep(0.01)
    assert Path(base).exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("basanite_sandboxes.process.reduced.roots._PLACES", (str(tmp_path),))
        roots = Roots()
        assert not Path(base).exists()
        second = Roots()  # does not take the first one's
        assert len(list(tmp_path.glob("basanite-roots-*"))) == 2
        roots.close()
        second.close()
    assert list(tmp_path.iterdir()) == []


def test_no_place_for_devices_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("basanite_sandboxes.process.reduced.roots._PLACES", ("/dev/shm/no/such", "/proc"))
    with pytest.raises(SandboxUnavailable, match="TMPDIR"):
        Roots()


def test_emptying_follows_no_link_and_needs_no_permission(tmp_path: Path, canary: Path) -> None:
    top = tmp_path / "top"
    inner = top
    for n in range(100):
        inner = inner / f"{n}"
    inner.mkdir(parents=True)
    (inner / "link").symlink_to(canary)
    (top / "link").symlink_to(canary, target_is_directory=True)
    (top / "0" / "file").write_text("x")
    (top / "0").chmod(0)
    empty(top)
    assert list(top.iterdir()) == []


# Stock containers -----------------------------------------------------------------------------------------


def contained(isolation: str, *missing: str) -> dict[str, Any]:
    """What a pool says in a process like those of a stock container."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / "stock_container.py"), isolation, *missing],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("isolation", ["auto", "reduced"])
def test_in_a_stock_container_isolation_is_reduced_and_says_so(isolation: str) -> None:
    found = contained(isolation)
    assert (found["profile"], found["stdout"]) == ("reduced", "42\n")
    if isolation == "auto":
        assert "--security-opt seccomp=unconfined" in found["weaknesses"][0]


def test_where_full_isolation_is_demanded_a_stock_container_is_refused() -> None:
    refused = contained("full")["refused"]
    assert "no namespaces" in refused
    assert "docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined" in refused
    assert "procMount: Unmasked" in refused


@pytest.mark.parametrize("missing", [("SETUID",), ("SETGID", "MKNOD"), ("SYS_CHROOT",), ("DAC_OVERRIDE",)])
def test_without_a_capability_it_is_refused_and_the_option_named(missing: tuple[str, ...]) -> None:
    refused = contained("auto", *missing)["refused"]
    assert "seccomp=unconfined" in refused
    for name in missing:
        assert f"--cap-add {name}" in refused
    assert f"capabilities: {{add: [{', '.join(missing) if len(missing) == 1 else ''}" in refused


def test_landlock_holds_back_even_root(tmp_path: Path) -> None:
    """What of it can be told from outside of a cell."""
    if not remedy.landlock_version():
        pytest.skip("no Landlock here")
    script = textwrap.dedent("""
        import ctypes, os, sys
        sys.path[:0] = [GUEST, GUEST + "/.."]
        from landlock import Landlock
        libc = ctypes.CDLL(None, use_errno=True)
        def check(result, what):
            if result < 0: raise OSError(ctypes.get_errno(), what)
            return result
        libc.prctl(38, 1, 0, 0, 0)
        rules = Landlock(libc, check)
        rules.prepare(); rules.enter()
        for path in (OUTSIDE + "/x", "/tmp/" + NAME):
            try: open(path, "w"); print("made"); os.unlink(path)
            except PermissionError: print("refused")
        open("/dev/null", "w").write("x")
        try: os.kill(os.getppid(), 0); print("reached")
        except PermissionError: print("alone")
    """)
    outside = Path("/var/tmp") / f"basanite-{secrets.token_hex(4)}"
    outside.mkdir()
    guest = Path(wire.__file__).parent
    for word, value in (("GUEST", guest), ("OUTSIDE", outside), ("NAME", secrets.token_hex(8))):
        script = script.replace(word, repr(str(value)))
    try:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    finally:
        outside.rmdir()
    alone = "alone" if remedy.landlock_version() >= 6 else "reached"
    assert done.stdout.split() == ["refused", "made", alone]


def test_signals_of_the_agent_are_no_ones_business(box: LocalBox) -> None:
    """While it ends what is left of a run it is partly that run's user; it cannot be signalled all the same."""
    gunmen = """
        import os, signal
        for _ in range(8):
            if os.fork() == 0:
                while True:
                    try: os.kill(-1, signal.SIGSTOP)
                    except OSError: pass
        os._exit(0)
    """
    before = [processes.pid for processes in cells(box)]
    for _ in range(10):
        # They may stop its first process before it ends.
        box.run(gunmen, wall_seconds=0.3)
    assert [processes.pid for processes in cells(box)] == before
    assert processes_of(box) == []
