"""Items whose true outcome is known, and one who kills a server's own processes while they are judged."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import e2e_command as command
from e2e_fixtures import serving

from basanite import Client, FunctionCase, FunctionTask, Item, Limits, Outcome, Result, StdioCase, StdioTask

LIMITS = Limits(cpu_seconds=0.2, wall_seconds=0.5, memory_bytes=64 << 20, output_bytes=1 << 20)
CODE = (sys.executable, "-m", "basanite_services.code")
"""Alone: a cell with tools of another service has more processes."""
CELLS, PROCESSES_OF_A_CELL = 2, 3
DESCRIPTORS_OF_A_CELL = 20
"""At most, in the server."""
STDIO = (
    # a program that is to double numbers; how often it comes, of a hundred; what is true of it
    ("print(int(input()) * 2)", 40, Outcome.PASSED),
    ("import json, random\nprint(json.loads(input()) * 2)", 6, Outcome.PASSED),
    ("import time\nn = int(input())\ntime.sleep(0.15)\nprint(n * 2)", 4, Outcome.PASSED),
    ("import time\nwhile time.process_time() < 0.06: pass\nprint(int(input()) * 2)", 2, Outcome.PASSED),
    ("print(input())", 10, Outcome.FAILED),
    ("raise ValueError(input())", 3, Outcome.CRASHED),
    ("raise SystemExit(137)", 1, Outcome.CRASHED),
    ("print(", 3, Outcome.REJECTED),
    ("while True: pass", 2, Outcome.TIME_LIMIT),
    ("import time\ntime.sleep(60)", 2, Outcome.TIME_LIMIT),
    ("held = bytearray(1 << 28)", 2, Outcome.MEMORY_LIMIT),
    ("while True: print('x' * 10_000)", 2, Outcome.OUTPUT_LIMIT),
)
FUNCTION = (
    ("def double(n): return n * 2", 15, Outcome.PASSED),
    ("def double(n): return n", 5, Outcome.FAILED),
    ("def double(n): raise KeyError(n)", 2, Outcome.FAILED),
    ("def double(n):\n while True: pass", 1, Outcome.TIME_LIMIT),
)


def make_items(count: int, chance: random.Random) -> list[tuple[Item, Outcome]]:
    """Items that differ from each other, and their true outcomes."""
    shapes = [(*shape, True) for shape in STDIO] + [(*shape, False) for shape in FUNCTION]
    chosen = chance.choices(shapes, [often for _, often, _, _ in shapes], k=count)
    return [
        (Item(task(f"# {number}\n{source}", is_stdio, chance), id=f"{number}", limits=LIMITS), outcome)
        for number, (source, _, outcome, is_stdio) in enumerate(chosen)
    ]


def task(source: str, is_stdio: bool, chance: random.Random) -> StdioTask | FunctionTask:
    numbers = range(1, 1 + chance.choice((1, 1, 2, 4)))
    if not is_stdio:
        return FunctionTask(source, "double", [FunctionCase([n], 2 * n) for n in numbers])
    return StdioTask(source, [StdioCase(f"{n}\n", f"{2 * n}\n") for n in numbers], stop_on_first_failure=True)


@dataclass
class Tally:
    """What became of items."""

    failures: Counter[str]
    wrong: list[str]


def tally(made: Sequence[tuple[Item, Outcome]], results: Sequence[Result]) -> Tally:
    """Exactly one result an item, and each a true verdict or a Failure that says: try again."""
    by_id = {result.id: result for result in results}
    assert len(by_id) == len(results) == len(made)
    found = Tally(Counter(), [])
    for item, outcome in made:
        result = by_id[item.id]
        if result.failure is not None:
            found.failures[f"{result.failure.reason.name}: {result.failure.message}"] += 1
        if not (result.failure.retryable if result.verdict is None else result.verdict.outcome is outcome):
            found.wrong.append(f"{_shown(result)} instead of {outcome.name}: {item.task}")
    return found


def _shown(result: Result) -> str:
    if result.verdict is None:
        return str(result.failure)
    return ", ".join(f"{case.outcome.name} ({case.message})" for case in result.verdict.cases)


class Killer:
    """Sends SIGKILL to processes below a server at moments of an exponential clock, in a thread, while entered.

    Cells, agents, preparing children and candidates, but no child of a candidate: what that makes of the loss of a
    child is its own affair.
    """

    def __init__(self, server: int, mean_seconds: float, seed: int) -> None:
        self.killed: Counter[str] = Counter()
        self.seen: set[command.Process] = set()
        """Processes that ever were below the server."""
        self._server = next(process for process in command.descendants(server) if process.pid == server)
        self._mean = mean_seconds
        self._chance = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="killer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.wait(self._chance.expovariate(1 / self._mean)):
            below = sorted(command.descendants(self._server.pid) - {self._server}, key=lambda p: p.pid)
            self.seen.update(below)
            if below and self._server.is_alive:
                self._kill(self._chance.choice(below))

    def _kill(self, process: command.Process) -> None:
        with contextlib.suppress(OSError):  # it is gone
            pidfd = os.pidfd_open(process.pid)
            try:
                # From here on the descriptor is that of the process which is looked at, or of none.
                name = _name(process, self._server)
                if name is not None and process.is_alive:
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                    self.killed[name] += 1
            finally:
                os.close(pidfd)


def _name(process: command.Process, server: command.Process) -> str | None:
    """What it is to the server; None for what must not be killed."""
    pid, depth = process.pid, 0
    while pid != server.pid:
        pid, depth = _status(pid, "PPid")[0], depth + 1
        if pid <= 1:
            return None
    inside = _status(process.pid, "NSpid")
    own = len(_status(server.pid, "NSpid"))
    if len(inside) == own + 2:
        return "candidate" if inside[-1] == 1 else None
    return {1: "bubblewrap", 2: "pid 1 of a cell", 3: "agent", 4: "preparing child"}.get(depth)


def _status(pid: int, name: str) -> list[int]:
    for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines():
        if line.startswith(f"{name}:"):
            return [int(word) for word in line.split()[1:]]
    raise ProcessLookupError(pid)


@dataclass(frozen=True)
class Belongings:
    """What a server has on the machine."""

    cells: int
    others: int
    """Processes beside those of cells in which nothing runs."""
    descriptors: int
    """Of the server itself."""
    control_groups: int


def belongings(server: int) -> Belongings:
    below = command.descendants(server)
    cells, others = divmod(len(below) - 1, PROCESSES_OF_A_CELL)
    return Belongings(
        cells,
        others,
        len(os.listdir(f"/proc/{server}/fd")),
        sum(path.name.startswith(f"basanite-{server}-") for path in command.control_groups()),
    )


def judge_under_fire(count: int, mean_seconds: float, folder: Path) -> None:
    """Half of the items by batch, half by stream. `mean_seconds`: between two kills."""
    made = make_items(count, random.Random(11))
    half = count // 2
    calm = make_items(40, random.Random(12))
    with serving("--cells", str(CELLS), service=CODE) as (address, server), Client(address) as client:
        assert not tally(calm, client.verify_batch([item for item, _ in calm])).wrong
        before = at_rest(client, server)
        with Killer(server, mean_seconds, seed=13) as killer:
            results = client.verify_batch([item for item, _ in made[:half]])
            results += client.stream([item for item, _ in made[half:]])
        found = tally(made, results)
        print(f"\n{count} items, {killer.killed.total()} kills: {dict(killer.killed)}")
        print(f"Failures: {dict(found.failures)}")
        assert not found.wrong, "\n".join(found.wrong)
        assert found.failures.total() <= max(10, count // 100)
        again = make_items(40, random.Random(14))
        assert not tally(again, client.verify_batch([item for item, _ in again])).wrong
        after = at_rest(client, server)
        assert after.control_groups * before.cells == before.control_groups * after.cells
        more = abs(after.cells - before.cells) * DESCRIPTORS_OF_A_CELL
        assert abs(after.descriptors - before.descriptors) <= more, (before, after)
        processes = command.descendants(server)
        command.assert_gone(killer.seen - processes)
    command.assert_gone(processes)
    assert not list((folder / "tmp").iterdir())


def at_rest(client: Client, server: int) -> Belongings:
    """What the server has when nothing runs and each slot has a cell at least."""
    sleep = "import time\ntime.sleep(0.5)\nprint(input())"
    items = [Item(StdioTask(f"{sleep} # {n}", [StdioCase("1", "1")]), cache=False) for n in range(CELLS)]
    assert all(result.passed for result in client.verify_batch(items))

    def found() -> Belongings | None:
        now = belongings(server)
        is_whole = CELLS <= now.cells <= 2 * CELLS and not now.others and not now.control_groups % now.cells
        return now if is_whole else None

    return command.wait_for(found)
