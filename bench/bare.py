"""Bare processes, measured apart: `python -m bench.bare COUNT CONCURRENCY COMMAND..` prints CPU and wall ms a run.

A process of its own, which adopts orphans: bubblewrap leaves its sandbox's processes behind for somebody else to wait
for, and their CPU time belongs to the run.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

PR_SET_CHILD_SUBREAPER = 36


def measure(count: int, concurrency: int, command: list[str]) -> tuple[float, float]:
    """(CPU, wall) milliseconds a run, children and their orphans counted, we ourselves not."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def run(_: int) -> None:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)

    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with ThreadPoolExecutor(concurrency) as threads:
        list(threads.map(run, range(count)))
    wall = time.perf_counter() - start
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu / count * 1e3, wall / count * 1e3


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])))
