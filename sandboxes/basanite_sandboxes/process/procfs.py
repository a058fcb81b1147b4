"""What /proc tells about the processes of a cell: who they are, CPU time, resident memory, waiting for a core."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    """All processes below `pid`, itself not included; those that end meanwhile may be missing."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                with contextlib.suppress(OSError):
                    children = [int(word) for word in (task / "children").read_text().split()]
                    found += children
                    waiting += children
    return found


def wait_until_stopped(pid: int) -> None:
    """After SIGSTOP: until the process is stopped or dead, at most 50 ms."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
        except OSError:
            return
        if state in (b"T", b"Z", b"X"):
            return
        time.sleep(0.0005)


def orphaned_inits(word: bytes) -> list[int]:
    """Processes that are pid 1 of a namespace, have lost the parent that made it, and whose command line has this
    word."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, KeyError):
                status = dict(line.split(b":", 1) for line in (entry / "status").read_bytes().splitlines())
                pids = status[b"NSpid"].split()
                is_orphan = status[b"PPid"].split() == [b"1"] and len(pids) > 1 and pids[-1] == b"1"
                if is_orphan and word in (entry / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def out_of_memory_kills() -> int:
    """How many processes the kernel's memory killer ever ended on this machine, for whatever limit."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        for line in Path("/proc/vmstat").read_bytes().splitlines():
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    return 0


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of these processes and of their children that were waited for."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError, ValueError):
            # Bytes: a process may call itself what is no text.
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            total += sum(int(word) for word in fields[11:15])
    return total / _TICKS


def uses_more_memory(pids: list[int], limit: int, user: int | None = None) -> bool:
    """Whether these processes together hold more bytes than `limit` in pages that no file backs.

    Shared anonymous memory is among them, which RLIMIT_DATA does not count. `user`: whose they are, where we may
    not look into processes of others.
    """
    if sum(map(_resident, pids)) <= limit:
        return False
    # That counted a page that several share in each of them. The exact count costs more.
    with as_user(user):
        return sum(map(_share_of_resident, pids)) > limit


def _resident(pid: int) -> int:
    return _sum_of(pid, "status", b"RssAnon:", b"RssShmem:")


def _share_of_resident(pid: int) -> int:
    try:
        return _sum_of(pid, "smaps_rollup", b"Pss_Anon:", b"Pss_Shmem:")
    except PermissionError:  # a program whose file cannot be read is closed to all, its own user included
        return _resident(pid)


@contextlib.contextmanager
def as_user(user: int | None) -> Iterator[None]:
    """Read files as somebody else, in this thread alone. None: as ourselves."""
    if user is None:
        yield
        return
    libc = ctypes.CDLL(None)
    libc.setfsgid(user)
    libc.setfsuid(user)
    try:
        yield
    finally:
        libc.setfsuid(os.geteuid())
        libc.setfsgid(os.getegid())


def user_of(pid: int) -> int | None:
    """Whose process it is; None if it has ended or is just ending: then it has no memory any more."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        lines = Path(f"/proc/{pid}/status").read_bytes().splitlines()
        if any(line.startswith(b"VmSize:") for line in lines):
            return next(int(line.split()[1]) for line in lines if line.startswith(b"Uid:"))
    return None


def _sum_of(pid: int, file: str, *names: bytes) -> int:
    """Bytes that the lines of these names tell; 0 if the process has ended. Raises PermissionError."""
    total = 0
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, IndexError, ValueError):
        for line in Path(f"/proc/{pid}/{file}").read_bytes().splitlines():
            if line.startswith(names):
                total += int(line.split()[1]) << 10
    return total


def waits_for_core(pids: list[int]) -> dict[int, float]:
    """Seconds that each thread ever was ready to run and had no core (schedstat's run delay), by thread."""
    found = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError, IndexError, ValueError):
                    found[int(task.name)] = int((task / "schedstat").read_text().split()[1]) / 1e9
    return found


class WaitForCore:
    """How long a run had something to do and no core: in each span between two looks, as long as the thread that
    waited longest. What ends meanwhile takes its last span along."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._waits: dict[int, float] = {}
        self._looked_at = -math.inf

    def look(self, pids: list[int]) -> None:
        now, waits = time.monotonic(), waits_for_core(pids)
        longest = max((wait - self._waits.get(task, 0.0) for task, wait in waits.items()), default=0.0)
        self.seconds += min(longest, now - self._looked_at)
        self._waits, self._looked_at = waits, now
