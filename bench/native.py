"""A native program in a cell, beside a bare start of the same program."""

from __future__ import annotations

import asyncio
import os
import time
from statistics import median

from basanite_sandboxes.process import ProcessPool
from basanite_sandboxes.process.procfs import cpu_seconds, descendants
from basanite_sandboxes.spec import Command, Environment, Limits
from bench.verdicts import bare

PROGRAM = "/usr/bin/true"
RUNS = 100


def native_ms(rounds: int) -> dict[str, float]:
    """CPU milliseconds a run: bare, and in a cell with everything around it."""
    # Apart from us: it waits for every child, and ours may have some that stay.
    start = bare([PROGRAM], 1)
    return {
        "bare": median(start().cpu_ms for _ in range(rounds)),
        "cell": median(asyncio.run(_in_cell(rounds))),
    }


async def _in_cell(rounds: int) -> list[float]:
    pool = ProcessPool(cells=1)
    await pool.start()
    try:
        found = []
        for _ in range(rounds):
            before = _cpu_seconds()
            async with pool.sandbox(Environment()) as sandbox:
                for _ in range(RUNS):
                    report = await sandbox.run(Command((PROGRAM,)), Limits())
                    if report.exit_status != 0:
                        raise RuntimeError(f"{PROGRAM} failed in a cell")
            found.append((_cpu_seconds() - before) / RUNS * 1e3)
        return found
    finally:
        await pool.close()


def _cpu_seconds() -> float:
    """Of this process and its cells."""
    return time.process_time() + cpu_seconds(descendants(os.getpid()))
