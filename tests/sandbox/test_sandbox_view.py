"""What a candidate sees: files, environment, descriptors, processes, privileges."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from sandbox_box import CANARY, Box, LocalBox

from basanite_sandboxes.process import procfs
from basanite_sandboxes.spec import Command, PythonCalls

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "/root",
        "/home",
        "/var",
        "/sys",
        "/sys/fs/cgroup",
        "/run",
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        "/proc/kcore",
        "/proc/keys",
        "/proc/mounts/..",
        "/usr/local",
        "/usr/share/doc",
        "/boot",
        "/dev/kmsg",
        "/dev/mem",
        "/dev/ptmx",
        "/dev/tty",
        str(REPOSITORY),
        __file__,
    ],
)
def test_cannot_see(box: Box, path: str) -> None:
    out = box.out(
        f"import os\ntry:\n os.stat({path!r})\n print('there')\nexcept OSError as e: print(e.errno)"
    )
    assert out.strip() in ("2", "13", "20")


def test_the_root_holds_nothing_but_the_system(box: Box) -> None:
    names = set(box.out("import os\nprint(*os.listdir('/'))").split())
    assert names <= {"bin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "dev", "proc", "tmp", "basanite"}
    assert set(box.out("import os\nprint(*os.listdir('/etc'))").split()) <= {
        *("passwd", "group", "ld.so.cache", "alternatives")
    }
    assert set(box.out("import os\nprint(*os.listdir('/dev'))").split()) == {
        *("null", "zero", "urandom", "random", "shm", "fd", "stdin", "stdout", "stderr", "answers")
    }


def test_only_tmp_is_writable(box: Box) -> None:
    """Tried on every directory and every file that a candidate can name."""
    out = box.out("""
        import os
        for top, directories, files in os.walk("/"):
            if top.startswith(("/usr/lib/", "/usr/share/")) and top.count("/") > 3 or top.startswith("/proc"):
                directories.clear()
                continue
            if top != "/tmp":
                try:
                    os.close(os.open(top + "/x", os.O_CREAT | os.O_WRONLY))
                    print("created in", top)
                except OSError: pass
            for name in files[:50]:
                path = os.path.join(top, name)
                if path.startswith("/dev/") or os.path.realpath(path).startswith(("/dev", "/proc")):
                    continue
                try:
                    os.close(os.open(path, os.O_WRONLY))
                    print("opened", path)
                except OSError: pass
        open("/tmp/x", "w").write("1")
        os.mkdir("/dev/shm/y")
    """)
    assert out == ""


def test_proc_is_read_only(box: Box) -> None:
    """oom_score_adj would point the kernel at the agent, autogroup make the run look starved."""
    out = box.out("""
        for name in ("oom_score_adj", "autogroup", "comm", "coredump_filter", "timerslack_ns", "clear_refs",
                     "uid_map", "gid_map", "setgroups", "loginuid", "mem", "attr/current"):
            try:
                open("/proc/self/" + name, "r+b", buffering=0).write(b"0")
                print(name)
            except OSError: pass
    """)
    assert out == ""


def test_proc_tells_of_own_processes_only(box: Box) -> None:
    out = box.out("""
        import os, sys
        print(os.getpid(), os.getppid(), *sorted(n for n in os.listdir("/proc") if n.isdigit()), flush=True)
        if os.fork() == 0:
            print(os.getpid(), os.getppid(), *sorted(n for n in os.listdir("/proc") if n.isdigit()), flush=True)
            os._exit(0)
        os.wait()
    """)
    assert sorted(out.splitlines()) == ["1 0 1", "2 1 1 2"]
    assert set(box.out("import os\nprint(*os.listdir('/proc'))").split()) <= {"1", "self", "thread-self"}


def test_environment_is_clean(box: Box) -> None:
    python = box.out("import os\nprint(sorted(os.environ))")
    native = box.out(Command(("/usr/bin/env",)))
    assert eval(python) == [
        *("HOME", "LANG", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PATH", "PWD", "PYTHONHASHSEED", "TZ")
    ]
    assert {line.partition("=")[0] for line in native.splitlines()} == {
        "HOME",
        "LANG",
        "PATH",
        "PYTHONHASHSEED",
        "TZ",
    }


def test_secrets_of_the_service_are_nowhere_to_read(box: Box) -> None:
    half = len(CANARY) // 2
    out = box.out(f"""
        import glob, re
        head, tail = {CANARY[:half].encode()!r}, {CANARY[half:].encode()!r}
        for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline") + glob.glob("/proc/*/mountinfo"):
            data = open(path, "rb").read()
            if head in data: print(path)
        with open("/proc/self/mem", "rb", buffering=0) as mem:
            for line in open("/proc/self/maps"):
                start, end = (int(x, 16) for x in line.split()[0].split("-"))
                try:
                    mem.seek(start)
                    data = mem.read(end - start)
                except (OSError, ValueError, OverflowError): continue
                at = data.find(head)
                while at >= 0:
                    if data[at + len(head):at + len(head) + len(tail)] == tail: print(line)
                    at = data.find(head, at + 1)
    """)
    assert out == ""


def test_processes_of_a_cell_start_with_an_empty_environment(local_box: LocalBox) -> None:
    for cell in local_box.pool._idle:
        for pid in (cell.processes.pid, *procfs.descendants(cell.processes.pid)):
            try:
                found = Path(f"/proc/{pid}/environ").read_bytes()
            except PermissionError:  # in a container, where an agent changes users: closed to all
                assert local_box.isolation.profile == "reduced"
            else:
                assert CANARY.encode() not in found


def test_python_inherits_no_descriptors(box: Box) -> None:
    listing = (
        "import os\nfor n in sorted(map(int, os.listdir('/proc/self/fd')))[:-1]:\n"
        " print(n, os.readlink(f'/proc/self/fd/{n}').split(':')[0])"
    )
    assert box.out(listing) == "0 /dev/null\n1 pipe\n2 pipe\n"
    assert box.out(listing, stdin=b"x") == "0 /memfd\n1 pipe\n2 pipe\n"
    assert [r.stdout for r in box.cases(listing, [b"", b"x"])] == [
        b"0 /dev/null\n1 pipe\n2 pipe\n",
        b"0 /memfd\n1 pipe\n2 pipe\n",
    ]


def test_a_command_inherits_no_descriptors(box: Box) -> None:
    assert box.out(Command(("/bin/sh", "-c", "cd /proc/self/fd && echo *"))).split()[:3] == ["0", "1", "2"]
    assert len(box.out(Command(("/bin/ls", "/proc/self/fd"))).split()) == 4


def test_calls_have_the_answer_channel_and_no_more(box: Box) -> None:
    source = b"import os\ndef f(): return sorted(map(int, os.listdir('/proc/self/fd')))"
    report = box.run(PythonCalls(source, "f", b'{"args": [], "kwargs": {}, "after": false}'))
    assert json.loads(report.answers) == {"value": [0, 1, 2, 3, 5]}  # 3 is the listing itself


def test_standard_input_is_not_shared_with_the_service(box: Box) -> None:
    """What a run does to its input, its position or its seals reaches nobody."""
    for _ in range(2):
        assert (
            box.out(
                """
            import os
            print(os.read(0, 100).decode(), os.fstat(0).st_size)
            os.ftruncate(0, 0)
            os.pwrite(0, b"evil", 0)
        """,
                stdin=b"good",
            ).strip()
            == "good 4"
        )


def test_no_capabilities_no_new_privileges_and_nothing_to_regain_them_with(box: Box) -> None:
    for text in (
        box.out("print(open('/proc/self/status').read())"),
        box.out(Command(("/bin/cat", "/proc/self/status"))),
        box.cases("print(open('/proc/self/status').read())", [b""])[0].stdout.decode(),
    ):
        status = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"
        assert status["Groups"].split() in ([], ["65534"])


def test_setuid_programs_give_nothing(box: Box) -> None:
    """As root of its namespace and without: neither su nor a file of its own with the bit set."""
    out = box.out("""
        import os, shutil, subprocess
        shutil.copy("/bin/cat", "/tmp/cat")
        os.chmod("/tmp/cat", 0o6755)
        text = subprocess.run(["/tmp/cat", "/proc/self/status"], capture_output=True, text=True).stdout
        print([line for line in text.splitlines() if line.startswith("CapEff")][0].split()[1])
        for change in (os.setuid, os.setgid, os.setegid, os.seteuid):
            try:
                change(1000)
                print("changed")
            except OSError: pass
        try:
            os.setgroups([0])
            print("groups")
        except OSError: pass
    """)
    assert out == "0" * 16 + "\n"


def test_the_host_sees_a_user_that_owns_nothing(local_box: LocalBox) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can drop to another user")
    for cell in local_box.pool._idle:
        for pid in (cell.processes.pid, *procfs.descendants(cell.processes.pid)):
            assert os.stat(f"/proc/{pid}").st_uid >= 52000
            groups = [
                x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("Groups")
            ]
            assert "0" not in groups[0].split()[1:]


def test_host_name_time_zone_and_locale_are_fixed(box: Box) -> None:
    assert (
        box.out("""
        import os, time, sys
        print(os.uname().nodename, time.tzname, sys.stdout.encoding, sys.getfilesystemencoding())
    """)
        == "cell ('UTC', 'UTC') utf-8 utf-8\n"
    )


def test_working_directory_holds_its_files_and_nothing_else(box: Box) -> None:
    out = box.out(
        "import os\nprint(os.getcwd(), sorted(os.listdir('.')))", files={"a.txt": b"1", "b": b"\0\xff"}
    )
    assert out == "/tmp ['a.txt', 'b']\n"
    assert box.out("print(open('b', 'rb').read())", files={"b": b"\0\xff"}) == "b'\\x00\\xff'\n"


def test_own_modules_win_over_the_names_of_the_agent(box: Box) -> None:
    names = ("values", "wire", "program", "runner", "fallback", "agent", "helper")
    names += ("graph", "objects", "proxies", "tests", "faults")
    source = "\n".join(f"import {name}\nprint({name}.mine)" for name in names)
    files = {f"{name}.py": f"mine = {name!r}".encode() for name in names}
    assert box.out(source, files=files).split() == list(names)
