"""A running SandboxFusion server on this machine, on the same trivial program (its HTTP interface: POST /run_code)."""

from __future__ import annotations

import json
import time
from http.client import HTTPConnection

from basanite_sandboxes.process.procfs import cpu_seconds, descendants
from bench import programs
from bench.measure import Cost
from bench.verdicts import Contender

UNITS = 60


def sandboxfusion(url: str, pid: int) -> Contender:
    """`pid` is the server's process. Counted is what `Server.cost` counts: this process, the server, its runs.

    The server waits for every child, those that prepare a sandbox or undo it included, so that nothing escapes the sum.
    """
    body = json.dumps({"code": programs.HELLO, "language": "python"}).encode()
    host = url.removeprefix("http://").rstrip("/")

    def run(connection: HTTPConnection) -> None:
        connection.request("POST", "/run_code", body, {"Content-Type": "application/json"})
        answer = json.load(connection.getresponse())
        if (answer["run_result"] or {}).get("stdout") != "hello\n":
            raise RuntimeError(f"SandboxFusion did not run the program: {answer}")

    def measure() -> Cost:
        connection = HTTPConnection(host, timeout=60)  # Kept for all requests.
        run(connection)
        own, theirs = time.process_time(), cpu_seconds([pid, *descendants(pid)])
        start = time.perf_counter()
        for _ in range(UNITS):
            run(connection)
        wall = time.perf_counter() - start
        cpu = time.process_time() - own + cpu_seconds([pid, *descendants(pid)]) - theirs
        connection.close()
        return Cost(cpu / UNITS * 1e3, wall / UNITS * 1e3)

    return measure
