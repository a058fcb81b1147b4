"""Nothing that a candidate does may look like a fault of ours: then it could leave a baseline that it cannot beat.

Each program here tries. It may fail in any way that is its own, and the next program must run as ever.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest
from sandbox_box import Box, LocalBox

from basanite_sandboxes.spec import Command, Ended, PythonCalls, Report

OURS = (Ended.CELL_LOST, Ended.STARVED)

ATTEMPTS = {
    "write to every descriptor": """
        import os
        for n in range(3, 300):
         try: os.write(n, bytes(4096))
         except OSError: pass
    """,
    "write stages and replies": """
        import os, struct
        for fd in (3, 4, 5, 6, 7):
            for data in (struct.pack("=3q", 1, 5, 0), struct.pack("=2q8Q", 0, 5, 1, *[0] * 7)):
                try: os.pwrite(fd, data, 0)
                except OSError: pass
                try: os.write(fd, data)
                except OSError: pass
    """,
    "open every descriptor anew": """
        import os
        for n in os.listdir("/proc/self/fd"):
            for flags in (os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
                try: os.write(os.open("/proc/self/fd/" + n, flags | os.O_NONBLOCK), b"x")
                except OSError: pass
    """,
    "forge with what is left of the agent": """
        import gc, os, sys
        for thing in gc.get_objects() + list(sys.modules.values()):
            for name in ("reject", "opened", "ready"):
                try: getattr(thing, name)(4, {"message": "x", "line": 1, "column": 1})
                except BaseException: pass
                try: getattr(thing, name)()
                except BaseException: pass
    """,
    "serve in the place of the agent": """
        import gc
        for thing in gc.get_objects():
            if type(thing).__name__ in ("NativeRunner", "PythonRunner"):
                thing.serve()
    """,
    "call the compiled agent": """
        import ctypes
        library = ctypes.CDLL("/basanite/cell.so")
        library.cell_serve(bytes(200), bytes(200))
    """,
    "never come to an end": "import os\nos._exit = lambda *a: None\nimport sys\nsys.exit(3)",
    "exit functions that exit": "import atexit, os\natexit.register(os.kill, 1, 9)\natexit.register(os._exit, 77)",
    "close everything": "import os\nos.closerange(0, 1000)",
    "close everything and go on": "import os, time\nos.closerange(0, 1000)\ntime.sleep(0.1)\n1 / 0",
    "stop itself": """
        import os, signal
        os.kill(os.getpid(), signal.SIGSTOP)
        os.kill(0, signal.SIGTSTP)
        os.kill(-1, 19)
    """,
    "stop with a stopped child": """
        import os, signal
        p = os.fork()
        if p == 0:
         os.kill(os.getpid(), 19)
        os.waitpid(p, os.WUNTRACED)
    """,
    "kill with every signal": """
        import os
        for n in range(1, 65):
         for p in (0, -1, 1):
          try: os.kill(p, n)
          except OSError: pass
    """,
    "change session and group": """
        import os
        for f in (os.setsid, lambda: os.setpgid(0, 0), lambda: os.tcsetpgrp(0, 1)):
         try: f()
         except OSError: pass
    """,
    "raise and lower limits": """
        import resource
        for what in range(16):
            for pair in ((0, 0), (1, 1), (-1, -1), (2 ** 62, 2 ** 62)):
                try: resource.setrlimit(what, pair)
                except (ValueError, OSError): pass
        import os
        os.fork()
    """,
    "exhaust processes": """
        import os, time
        while True:
         try:
          if os.fork() == 0: time.sleep(100)
         except OSError: break
    """,
    "exhaust threads": """
        import _thread, time
        while True:
         try: _thread.start_new_thread(time.sleep, (100,))
         except BaseException: break
    """,
    "exhaust memory": "x = []\nwhile True: x.append(bytearray(1 << 20))",
    "exhaust memory in forks": """
        import os
        x = []
        while True:
         try: os.fork()
         except OSError: pass
         x.append(b'1' * (1 << 20))
    """,
    "exhaust shared memory": """
        import mmap
        x = []
        while True:
         m = mmap.mmap(-1, 1 << 20); m.write(b'1' * (1 << 20)); x.append(m)
    """,
    "exhaust memory with another to blame": """
        try: open("/proc/self/oom_score_adj", "w").write("-1000")
        except OSError: pass
        try: open("/proc/self/oom_score_adj", "w").write("0")
        except OSError: pass
        x = []
        while True: x.append(bytearray(1 << 20))
    """,
    "exhaust memory in files": "f = open('x', 'wb')\nwhile True: f.write(b'1' * (1 << 20))",
    "exhaust memory in pipes": """
        import os
        k = []
        while True:
         r, w = os.pipe(); k.append(r)
         os.set_blocking(w, False)
         try:
          while True: os.write(w, bytes(65536))
         except BlockingIOError: pass
    """,
    "exhaust memory in sockets": """
        import socket
        k = []
        while True:
         a, b = socket.socketpair(); k += [a, b]
         a.setblocking(False)
         try:
          while True: a.send(bytes(65536))
         except BlockingIOError: pass
    """,
    "exhaust memory in output": "import os\nwhile True: os.write(1, bytes(65536)); os.write(2, bytes(65536))",
    "fill the disk with names": "import os\nn = 0\nwhile True:\n os.mkdir(str(n)); n += 1",
    "fill the disk, then crash": """
        import os
        try:
         f = open('x', 'wb')
         while True: f.write(bytes(1 << 20))
        finally: os.abort()
    """,
    "deep directories": "import os\ntry:\n while True:\n  os.mkdir('d'); os.chdir('d')\nexcept OSError: pass",
    "descriptors in flight": """
        import array, os, socket
        a, b = socket.socketpair()
        f = open("x", "wb"); f.write(bytes(8 << 20)); f.flush()
        for _ in range(50):
            sent = array.array("i", [a.fileno(), b.fileno(), f.fileno()])
            a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, sent)])
    """,
    "unmount and remount": """
        import ctypes
        l = ctypes.CDLL(None)
        for p in (b'/tmp', b'/proc', b'/'):
         l.umount2(p, 2); l.mount(b'x', p, b'tmpfs', 32, None)
    """,
    "trace itself": """
        import ctypes, os
        l = ctypes.CDLL(None)
        l.ptrace(0, 0, 0, 0)
        os.fork()
        l.ptrace(16, os.getppid(), 0, 0)
    """,
    "a filter of its own": "import ctypes\nl = ctypes.CDLL(None)\nl.prctl(22, 1, 0, 0, 0)\nopen('/etc/passwd')",
    "cease to be dumpable": "import ctypes, os, time\nl = ctypes.CDLL(None)\nl.prctl(4, 0, 0, 0, 0)\nwhile True: pass",
    "adopt and disown": """
        import ctypes, os
        l = ctypes.CDLL(None)
        l.prctl(36, 1, 0, 0, 0); l.prctl(1, 9, 0, 0, 0)
        os.fork(); os.fork()
    """,
    "crash": "import ctypes\nctypes.string_at(0)",
    "crash in a thread": """
        import ctypes, threading, time
        threading.Thread(target=ctypes.string_at, args=(0,)).start()
        time.sleep(1)
    """,
    "unmap everything": "import ctypes\nctypes.CDLL(None).munmap(ctypes.c_long(0), ctypes.c_long(0x7fff00000000))",
    "replace the interpreter": "import os\nos.execv('/bin/sh', ['sh', '-c', 'kill -9 1; kill -9 -1; exit 125'])",
    "exit as our own steps do": "import os\nos._exit(125)",
    "huge arguments": "import os\ntry: os.execv('/bin/true', ['x' * 100_000] * 30)\nexcept OSError: pass",
    "sleep": "import time\ntime.sleep(1000)",
    "deadlock": "import threading\nl = threading.Lock()\nl.acquire(); l.acquire()",
    "wait for a child forever": "import os, time\nif os.fork(): os.wait()\nelse: time.sleep(1000)",
    "sleep in a crowd": "import os, time\nfor _ in range(4): os.fork()\ntime.sleep(1000)",
    "yield the core": "import os\nwhile True: os.sched_yield()",
    "be the least important": """
        import os
        try: open("/proc/self/autogroup", "w").write("19")
        except OSError: pass
        os.nice(19)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        while True: pass
    """,
    "crowd one core": """
        import os
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
        for _ in range(4): os.fork()
        while True: pass
    """,
    "a refused call": "import ctypes\nctypes.CDLL(None).syscall(101, 0, 0, 0, 0)\nraise SystemExit(3)",
    "lock the files of the host": """
        import fcntl, glob
        k = [open(f, 'rb') for f in glob.glob('/basanite/*')]
        for f in k:
         try: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
         except OSError: pass
        import os
        os._exit(0)
    """,
    "a source of nothing": "",
    "a source that is too much": "x = " + "(" * 1000,
    "a compiler bomb": "x = " + "-" * 100_000 + "1\ny = ((((0,) * 200,) * 200,) * 200,) * 200",
}
LIMITS = {
    "cpu_seconds": 0.15,
    "wall_seconds": 0.3,
    "memory_bytes": 96 << 20,
    "processes": 32,
    "output_bytes": 1 << 20,
    "disk_bytes": 32 << 20,
}


def looks_like_our_fault(reports: Callable[[], list[Report]]) -> bool:
    """A machine that is truly too busy may say so, but not again and again."""
    found = {Ended.STARVED}
    for _ in range(3):
        if Ended.STARVED in found:
            found = {report.ended for report in reports()}
    return bool(found & set(OURS))


@pytest.mark.parametrize("name", ATTEMPTS)
def test_no_attempt_looks_like_our_fault(local_box: LocalBox, name: str) -> None:
    box = local_box
    assert not looks_like_our_fault(lambda: [box.run(ATTEMPTS[name], **LIMITS)])
    assert box.out("print(1)") == "1\n"


_QUICK = sorted(
    set(ATTEMPTS)
    - {"sleep", "deadlock", "wait for a child forever", "sleep in a crowd", "cease to be dumpable"}
)


@pytest.mark.parametrize("name", _QUICK)
def test_no_case_of_an_attempt_looks_like_our_fault(fewer_box: Box, name: str) -> None:
    box = fewer_box
    source = textwrap.dedent(ATTEMPTS[name])
    if not source.startswith("x = ("):
        source = "if input() == 'x':\n" + textwrap.indent(source or "pass", "    ") + "\nelse: print('fine')"
    reports = box.cases(source, [b"x", b"y", b"x", b"y"], **LIMITS)
    assert not looks_like_our_fault(lambda: reports)
    if reports[0].ended is not Ended.REJECTED:
        assert [report.stdout for report in reports[1::2]] == [b"fine\n"] * 2
    assert box.out("print(1)") == "1\n"


@pytest.mark.parametrize(
    "source",
    [
        "import os\ndef f():\n for n in range(3, 50):\n  try: os.write(n, b'{}' * 2000)\n  except OSError: pass",
        "import os\nos.closerange(0, 99)\ndef f(): pass",
        "import os\ndef f(): os.close(5); os._exit(0)",
        "import json, os\njson.dumps = os.write = None\ndef f(): return 1",
        "def f():\n while True: pass",
        """
            class M(type):
             def __getattribute__(c, n): raise BaseException
            class E(BaseException, metaclass=M): pass
            def f(): raise E
        """,
        "import sys\ndef f():\n x = []\n for _ in range(100000): x = [x]\n return x",
        "def f():\n while True: yield 1",
        "def __getattr__(n): raise SystemExit(4)",
    ],
)
def test_no_attempt_through_calls_looks_like_our_fault(box: Box, source: str) -> None:
    call = b'{"args": [], "kwargs": {}, "after": false}'
    program = PythonCalls(textwrap.dedent(source).encode(), "f", b"\n".join([call] * 3))
    assert not looks_like_our_fault(lambda: [box.run(program, **LIMITS)])
    assert box.out("print(1)") == "1\n"


def test_stages_and_rejections_cannot_be_forged(box: Box) -> None:
    report = box.run("""
        import json, os, struct
        text = json.dumps({"message": "forged", "line": 1, "column": 1}).encode()
        for fd in range(3, 64):
            for stage in (0, 1, 101, 200):
                try: os.pwrite(fd, struct.pack("=3q", stage, 0, len(text)) + text, 0)
                except OSError: pass
        os._exit(1)
    """)
    assert (report.ended, report.exit_status, report.rejection) == (Ended.EXITED, 1, None)


@pytest.mark.parametrize(
    "argv",
    [
        ("/bin/sh", "-c", "kill -9 $$; kill -9 1"),
        ("/bin/sh", "-c", "exec >&- 2>&- <&-; sleep 0.1"),
        ("/usr/bin/yes",),
    ],
)
def test_no_native_attempt_looks_like_our_fault(box: Box, argv: tuple[str, ...]) -> None:
    assert not looks_like_our_fault(lambda: [box.run(Command(argv), **LIMITS)])
    assert box.out("print(1)") == "1\n"
