"""Soak: a server under a steady mix of items, among them some that hit every limit; does anything of it grow?

Every SAMPLE_SECONDS the items in hand are finished and the server is looked at while nothing runs. A measure is flat if
its mean over the last third of the samples is above that over the second third by no more than its tolerance; the first
third is left out: the server warms up. Temporary files and the queue may not grow at all.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import socket
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from basanite import Client, FunctionCase, FunctionTask, Item, Limits, Outcome, StdioCase, StdioTask
from basanite_sandboxes.process.procfs import descendants
from bench.measure import Server, rollup, running_server

SAMPLE_SECONDS = 30.0
CONCURRENCY = 2
LEAST_MINUTES = 3 * SAMPLE_SECONDS / 60
SETTLE_SECONDS = 10.0
"""How long cells that were given up may take to be gone."""
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a mean may rise by: the larger of a share and an amount."""

    share: float
    amount: float

    def allows(self, before: float, after: float) -> bool:
        return after <= before + max(self.share * before, self.amount)


TOLERANCES = {
    "server_mib": Tolerance(0.02, 1.0),
    "cells_mib": Tolerance(0.05, 1.0),
    "descriptors": Tolerance(0.05, 2.0),
    "processes": Tolerance(0.05, 1.0),
    "control_groups": Tolerance(0.05, 1.0),
    "temporary_files": Tolerance(0.0, 0.0),
    "queued_items": Tolerance(0.0, 0.0),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A server and its cells while nothing runs."""

    minutes: float
    items: int
    """Judged so far."""
    server_mib: float
    """Memory of the server process; what it shares with others in parts (Pss)."""
    cells_mib: float
    descriptors: int
    """Of the server and its cells."""
    processes: int
    control_groups: int
    temporary_files: int
    queued_items: int


LIMITS = Limits(cpu_seconds=0.5, wall_seconds=1.0, memory_bytes=64 * MIB, output_bytes=1 * MIB, processes=16)
DOUBLE = "print(int(input()) * 2)"
STDIO = (
    # what it is like, how often, what must come of it
    (DOUBLE, 12, Outcome.PASSED),
    ("print(input())", 4, Outcome.FAILED),
    ("raise SystemExit(3)", 2, Outcome.CRASHED),
    ("print(", 2, Outcome.REJECTED),
    ("while True: pass", 1, Outcome.TIME_LIMIT),
    ("import time\ntime.sleep(9)", 1, Outcome.TIME_LIMIT),
    ("x = bytearray(1 << 28)", 2, Outcome.MEMORY_LIMIT),
    ("while True: print('x' * 10_000)", 2, Outcome.OUTPUT_LIMIT),
    ("import socket\nsocket.socket()", 2, None),
    ("import os\nwhile True: os.fork()", 1, None),
    ("import os\nheld = [os.open('/dev/null', 0) for _ in range(9999)]", 2, Outcome.CRASHED),
    ("open('f', 'wb').write(bytes(1 << 27))", 2, None),
    (
        "import os\nif os.fork():\n    " + DOUBLE + "\nelse:\n    os.setsid()\n    while True: pass",
        2,
        Outcome.PASSED,
    ),
    ("import tempfile\nkept = tempfile.mkdtemp()\n" + DOUBLE, 2, Outcome.PASSED),
)
FUNCTIONS = (
    ("def double(n): return n * 2", 6, Outcome.PASSED),
    ("def double(n): return n", 2, Outcome.FAILED),
    ("def double(n): raise ValueError(n)", 1, Outcome.FAILED),
    ("def double(n): return [n] * (1 << 28)", 1, Outcome.MEMORY_LIMIT),
)


def make_items() -> Iterator[tuple[Item, Outcome | None]]:
    """Items and what must come of them (None: chance decides), for ever; three in four are new to the server."""
    shapes: list[tuple[str, bool, Outcome | None]] = []
    for source, often, outcome in STDIO:
        shapes += [(source, True, outcome)] * often
    for source, often, outcome in FUNCTIONS:
        shapes += [(source, False, outcome)] * often
    for number in itertools.count():
        # 17 has no factor in common with the number of shapes: all of them come, well mixed.
        source, is_stdio, outcome = shapes[number * 17 % len(shapes)]
        text = f"# {number if number % 4 else number % 400}\n{source}"
        task: StdioTask | FunctionTask
        if is_stdio:
            cases = [StdioCase(f"{n}\n", f"{2 * n}\n") for n in range(1, 1 + number % 3)] or [
                StdioCase("3\n", "6\n")
            ]
            task = StdioTask(text, cases, stop_on_first_failure=True)
        else:
            task = FunctionTask(text, "double", [FunctionCase([n], 2 * n) for n in range(1, 4)])
        yield Item(task, id=f"{number}", limits=LIMITS), outcome


class _Work:
    """Items judged by several threads, in spans of time."""

    def __init__(self, client: Client) -> None:
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._client = client
        self._items = make_items()
        self._lock = threading.Lock()

    def span(self, until: float) -> None:
        with ThreadPoolExecutor(CONCURRENCY) as threads:
            for work in [threads.submit(self._judge, until) for _ in range(CONCURRENCY)]:
                work.result()

    def _judge(self, until: float) -> None:
        while time.monotonic() < until:
            with self._lock:
                item, expected = next(self._items)
            result = self._client.verify(item)
            verdict = result.verdict
            name = verdict.outcome.name if verdict is not None else f"Failure {result.failure}"
            with self._lock:
                self.outcomes[name] += 1
                if verdict is None or expected not in (None, verdict.outcome):
                    self.wrong.append(f"{item.task}: {name}")


def soak(minutes: float, console: Console) -> dict[str, Any]:
    """Run it, show it, and return what bench/results/soak.json holds."""
    port = _free_port()
    # A small cache of verdicts, so that it is full early: what fills is no leak.
    settings = ("--metrics-listen", f"127.0.0.1:{port}", "--cache-bytes", "2MiB")
    samples: list[Sample] = []
    with running_server(CONCURRENCY, *settings) as server, Client(server.address) as client:
        work = _Work(client)
        began = time.monotonic()
        while (passed := time.monotonic() - began) < minutes * 60:
            work.span(began + min(passed + SAMPLE_SECONDS, minutes * 60))
            sample = look(server, port, (time.monotonic() - began) / 60, work.outcomes.total())
            samples.append(sample)
            console.print(json.dumps(asdict(sample)), soft_wrap=True)
    means = compare(samples)
    show(console, samples, means, work)
    return {
        "minutes": minutes,
        "concurrency": CONCURRENCY,
        "outcomes": dict(work.outcomes),
        "wrong": work.wrong,
        "flat": {name: flat for name, (_, _, flat) in means.items()},
        "samples": [asdict(sample) for sample in samples],
    }


def look(server: Server, port: int, minutes: float, items: int) -> Sample:
    """A sample, once cells that were given up are gone."""
    until = time.monotonic() + SETTLE_SECONDS
    processes = descendants(server.pid)
    while time.monotonic() < until:
        time.sleep(0.2)
        before, processes = processes, descendants(server.pid)
        if before == processes:
            break
    everything = [server.pid, *processes]
    return Sample(
        round(minutes, 2),
        items,
        rollup(server.pid)["Pss"] / MIB,
        sum(rollup(pid)["Pss"] for pid in processes) / MIB,
        sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in everything),
        len(everything),
        sum(len(list(top.rglob(f"basanite-{server.pid}-*"))) for top in Path("/sys/fs/cgroup").iterdir()),
        sum(1 for _ in server.folder.rglob("*")),
        _queued_items(port),
    )


def _queued_items(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        found = re.search(r"^basanite_queue_items (\S+)", page.read().decode(), re.MULTILINE)
    if found is None:
        raise RuntimeError("the server's metrics have no basanite_queue_items")
    return int(float(found[1]))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def compare(samples: list[Sample]) -> dict[str, tuple[float, float, bool]]:
    """Of each measure: its mean over the second third, over the last, and whether that is flat."""
    third = len(samples) // 3
    found = {}
    for name, tolerance in TOLERANCES.items():
        values = [float(getattr(sample, name)) for sample in samples]
        before, after = mean(values[-2 * third : -third]), mean(values[-third:])
        found[name] = (before, after, tolerance.allows(before, after))
    return found


def show(
    console: Console, samples: list[Sample], means: dict[str, tuple[float, float, bool]], work: _Work
) -> None:
    table = Table(title="The server and its cells while nothing runs")
    names = [field.name for field in fields(Sample)]
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for sample in samples[:: max(1, len(samples) // 12)]:
        table.add_row(*(_figure(getattr(sample, name)) for name in names))
    console.print(table)
    table = Table(title="Mean of the last third of the samples against that of the second")
    for name in ("", "second", "last", "allowed", ""):
        table.add_column(name, justify="right" if name else "left")
    for name, (before, after, flat) in means.items():
        tolerance = TOLERANCES[name]
        allowed = f"+{max(tolerance.share * before, tolerance.amount):.1f}"
        table.add_row(
            name.replace("_", " "), f"{before:.2f}", f"{after:.2f}", allowed, "flat" if flat else "NOT FLAT"
        )
    console.print(table)
    console.print(f"{work.outcomes.total()} items: {dict(work.outcomes)}; {len(work.wrong)} wrong")
    for line in work.wrong[:10]:
        console.print(line, markup=False)
    console.print("flat" if all(flat for _, _, flat in means.values()) else "NOT FLAT")


def _figure(value: float) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
