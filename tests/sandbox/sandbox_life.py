"""What tests of the life of cells and pools share."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from sandbox_box import (
    Variant,
    make_pool,
    start_pool,
    until,
)

from basanite_sandboxes.process import ProcessPool, procfs
from basanite_sandboxes.spec import PythonProgram

SPIN = PythonProgram(b"while True: pass")
SLEEP = PythonProgram(b"import time\ntime.sleep(1000)")
HELLO = PythonProgram(b"print('hello')")


def census() -> dict[str, object]:
    """All that a pool could leave on this machine."""
    groups = {
        str(path)
        for top in Path("/sys/fs/cgroup").glob("*")
        for path in top.rglob(f"basanite-{os.getpid()}-*")
    }
    return {
        "processes": set(procfs.descendants(os.getpid())),
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "cgroups": groups,
        "descriptors": Counter(_target(name) for name in os.listdir("/proc/self/fd")),
        "files": set(os.listdir(tempfile.gettempdir())),
        "threads": threading.active_count(),
    }


def _target(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{name}").split(":")[0]
    except OSError:
        return "listing"


@contextlib.asynccontextmanager
async def started(variant: Variant, cells: int = 2) -> AsyncIterator[ProcessPool]:
    pool = make_pool(variant, cells)
    await start_pool(pool)
    try:
        yield pool
    finally:
        await pool.close()


async def busy(pool: ProcessPool, depth: int = 3) -> Any:
    """A cell whose run has begun."""
    return await until(
        lambda: next(
            (c for c in pool._busy if c.alive and len(procfs.descendants(c.processes.pid)) >= depth), None
        )
    )


def lives(pid: int) -> bool:
    """Zombies do not: whoever adopted them reaps them when it likes."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def within_a_second(pids: list[int]) -> Callable[[], bool]:
    began = time.monotonic()

    def gone() -> bool:
        assert time.monotonic() - began < 5  # a second, on a machine that is not busy
        return not any(map(lives, pids))

    return gone
