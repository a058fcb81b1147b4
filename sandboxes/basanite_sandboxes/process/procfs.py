"""What /proc tells about the processes of a cell: who they are, CPU time, resident memory, waiting for a core."""

from __future__ import annotations

import contextlib
import os
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


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of these processes and of their children that were waited for."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError, ValueError):
            # Bytes: a process may call itself what is no text.
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            total += sum(int(word) for word in fields[11:15])
    return total / _TICKS


def uses_more_memory(pids: list[int], limit: int) -> bool:
    """Whether these processes together hold more bytes than `limit` in pages that no file backs.

    Shared anonymous memory is among them, which RLIMIT_DATA does not count.
    """
    if sum(_sum_of(pid, "status", b"RssAnon:", b"RssShmem:") for pid in pids) <= limit:
        return False
    # That counted a page that several share in each of them. The exact count costs more.
    return sum(_sum_of(pid, "smaps_rollup", b"Pss_Anon:", b"Pss_Shmem:") for pid in pids) > limit


def _sum_of(pid: int, file: str, *names: bytes) -> int:
    """Bytes that the lines of these names tell."""
    total = 0
    with contextlib.suppress(OSError, IndexError, ValueError):
        for line in Path(f"/proc/{pid}/{file}").read_bytes().splitlines():
            if line.startswith(names):
                total += int(line.split()[1]) << 10
    return total


def longest_wait_for_core(pids: list[int]) -> float:
    """Seconds that the thread that waited longest was ready to run and had no core (schedstat's run delay)."""
    longest = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError, IndexError, ValueError):
                    longest = max(longest, int((task / "schedstat").read_text().split()[1]))
    return longest / 1e9
