"""What /proc tells about the processes of a cell: who they are, CPU time, resident memory, waiting for a core."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


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
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(word) for word in fields[11:15])
    return total / _TICKS


def resident_bytes(pids: list[int]) -> int:
    """Anonymous memory of these processes; pages that a fork still shares count in each."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError, ValueError):
            _, resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[:3]
            total += int(resident) - int(shared)
    return total * _PAGE


def longest_wait_for_core(pids: list[int]) -> float:
    """Seconds that the thread that waited longest was ready to run and had no core (schedstat's run delay)."""
    longest = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError, IndexError, ValueError):
                    longest = max(longest, int((task / "schedstat").read_text().split()[1]))
    return longest / 1e9
