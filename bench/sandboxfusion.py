"""A running SandboxFusion server on this machine, on the same trivial program (its HTTP interface: POST /run_code)."""

from __future__ import annotations

import json
import time
import urllib.request

from basanite_sandboxes.process.procfs import cpu_seconds, descendants
from bench import programs
from bench.measure import Cost
from bench.verdicts import Contender

UNITS = 30


def sandboxfusion(url: str, pid: int) -> Contender:
    """`pid` is the server's process: its CPU time and that of all below it is counted."""
    body = json.dumps({"code": programs.HELLO, "language": "python"}).encode()

    def measure() -> Cost:
        before, start = cpu_seconds([pid, *descendants(pid)]), time.perf_counter()
        for _ in range(UNITS):
            request = urllib.request.Request(f"{url}/run_code", body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as response:
                if json.load(response)["run_result"]["stdout"] != "hello\n":
                    raise RuntimeError("SandboxFusion did not run the program")
        wall = time.perf_counter() - start
        return Cost((cpu_seconds([pid, *descendants(pid)]) - before) / UNITS * 1e3, wall / UNITS * 1e3)

    return measure
