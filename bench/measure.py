"""CPU time of processes and their descendants, and a server to measure."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from basanite import Client
from basanite_sandboxes.process.procfs import cpu_seconds, descendants


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU and wall-clock time in milliseconds a unit."""

    cpu_ms: float
    wall_ms: float


class Server:
    """A running `basanite serve`, and what it and its cells cost."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, folder: Path) -> None:
        self.pid = process.pid
        self.address = address
        self.folder = folder
        """All that it writes: its socket, its temporary files, its caches."""

    def cpu_seconds(self) -> float:
        """Of the server, its cells, and every run that they have waited for."""
        return cpu_seconds([self.pid, *descendants(self.pid)])

    def own_cpu_seconds(self) -> float:
        """Of the server process alone, without its cells."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cost(self, count: int, work: Callable[[], object]) -> Cost:
        """What `work` cost per unit, everything from client to result included: this process, server, runs."""
        own, theirs, start = time.process_time(), self.cpu_seconds(), time.perf_counter()
        work()
        wall = time.perf_counter() - start
        cpu = time.process_time() - own + self.cpu_seconds() - theirs
        return Cost(cpu / count * 1e3, wall / count * 1e3)

    def resident_bytes(self) -> int:
        return rollup(self.pid)["Rss"]

    def cell_bytes(self) -> list[int]:
        """Memory of its own (private pages) of each cell, all its processes together."""
        cells = []
        for cell in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            members = [int(cell), *descendants(int(cell))]
            cells.append(sum(r["Private_Clean"] + r["Private_Dirty"] for r in map(rollup, members)))
        return cells


def rollup(pid: int) -> dict[str, int]:
    """Bytes by name, from /proc/PID/smaps_rollup."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {
        name: int(kilobytes) << 10
        for name, kilobytes in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)
    }


@contextlib.contextmanager
def running_server(cells: int, *settings: str) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="basanite-bench-") as directory:
        address = f"unix:{directory}/socket"
        command = [sys.executable, "-m", "basanite_services", "--listen", address, "--cells", str(cells)]
        command += ["--log-level", "warning", "--watch-stdin", *settings]
        Path(directory).chmod(0o755)  # the sandboxes' user reads snapshots in it
        environment = os.environ | {
            "TMPDIR": directory,
            "XDG_CACHE_HOME": directory,
            "BASANITE_SNAPSHOT_DIR": f"{directory}/snapshots",
        }
        with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
            try:
                with Client(address) as client:
                    wait_until_ready(client, process)
                yield Server(process, address, Path(directory))
            finally:
                assert process.stdin is not None
                process.stdin.close()
                process.wait(60)


def wait_until_ready(client: Client, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            client.describe()
            return
        except Exception:
            if time.monotonic() > until or process.poll() is not None:
                raise
            time.sleep(0.05)
