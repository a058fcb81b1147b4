"""CPU and wall time a verdict, side by side with bare processes, in rounds that alternate.

A round measures every contender once; the ratio is that of the medians over the rounds.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from basanite import Client, Item
from bench import programs
from bench.measure import Cost, Server

BWRAP = shlex.split(
    "bwrap --unshare-all --unshare-user --die-with-parent --new-session --clearenv --cap-drop ALL --uid 1000 "
    "--gid 1000 --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin "
    "--proc /proc --dev /dev --tmpfs /tmp --chdir /tmp"
)
BARE_UNITS = 40
ITEM_UNITS = 200

Contender = Callable[[], Cost]


def bare(command: list[str], concurrency: int, units: int = BARE_UNITS) -> Contender:
    """A process a unit, started by `concurrency` threads."""
    measure_apart = [sys.executable, "-m", "bench.bare", str(units), str(concurrency), *command]

    def measure() -> Cost:
        done = subprocess.run(measure_apart, stdout=subprocess.PIPE, check=True)
        return Cost(*json.loads(done.stdout))

    return measure


def ours(server: Server, client: Client, make: Callable[[], Item], concurrency: int, units: int) -> Contender:
    """One item a call, by `concurrency` threads: what a caller without batches pays."""

    def verify(item: Item) -> None:
        result = client.verify(item)
        if not result.passed:
            raise RuntimeError(f"a right program did not pass: {result}")

    def measure() -> Cost:
        items = [make() for _ in range(units)]
        with ThreadPoolExecutor(concurrency) as threads:
            return server.cost(units, lambda: list(threads.map(verify, items)))

    return measure


def batch(server: Server, client: Client, make: Callable[[], Item], units: int) -> Contender:
    """All items in one call: what a trainer's step pays."""

    def measure() -> Cost:
        items = [make() for _ in range(units)]

        def work() -> None:
            if not all(result.passed for result in client.verify_batch(items)):
                raise RuntimeError("a right program did not pass")

        return server.cost(units, work)

    return measure


def contenders(server: Server, client: Client, interpreter: str, concurrency: int) -> dict[str, Contender]:
    command = [interpreter, "-I", "-S", "-c", programs.HELLO]
    found = {"bare python -I -S": bare(command, concurrency)}
    if shutil.which("bwrap"):
        found["bubblewrap + python"] = bare([*BWRAP, *command], concurrency)

    def one(make: Callable[[], Item], units: int = ITEM_UNITS) -> Contender:
        if concurrency == 0:
            return batch(server, client, make, units)
        return ours(server, client, make, concurrency, units)

    found["trivial stdio"] = one(programs.trivial_stdio)
    found["one-case stdio"] = one(lambda: programs.stdio(1))
    found["ten-case stdio"] = one(lambda: programs.stdio(10), ITEM_UNITS // 4)
    found["one-case function"] = one(lambda: programs.function(1))
    found["ten-case function"] = one(lambda: programs.function(10))
    found["one-case python_test"] = one(lambda: programs.python_test(1))
    found["ten-case python_test"] = one(lambda: programs.python_test(10))
    return found


def measure_rounds(contenders: dict[str, Contender], rounds: int) -> dict[str, Cost]:
    """Medians over the rounds, after one that is not counted."""
    costs: dict[str, list[Cost]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            cost = contender()
            if number:
                costs[name].append(cost)
    return {
        name: Cost(median(cost.cpu_ms for cost in found), median(cost.wall_ms for cost in found))
        for name, found in costs.items()
    }
