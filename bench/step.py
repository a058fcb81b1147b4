"""A GRPO-sized step: what the TRL adapter costs beside the client itself, with the same items in the same batches.

1,024 completions in 4 processes, as ranks of a trainer score them: 256 rows each, groups of 8 to a prompt, half of
the rows duplicates of others of their group. Each completion is a ten-case stdio program. The contenders take turns,
and each has rows of its own, so that the server's cache holds no verdict of them.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import TypeAlias

from basanite import Client, Item, StdioCase, StdioTask, scores
from basanite.rewards import fraction
from basanite.trainers import Check, Column, Items, fenced_block, stdio_cases
from basanite.trainers.trl import reward_function
from bench.measure import Cost, Server
from bench.verdicts import measure_rounds

PROCESSES, ROWS, GROUP = 4, 256, 8
COMPLETIONS = PROCESSES * ROWS
CASES = [(f"{n}\n", f"{2 * n}\n") for n in range(10)]
FRACTIONS = {"print(int(input()) * 2)": 1.0, "print(int(input()) ** 2)": 0.2, "print(input())": 0.1}
"""Programs that are to double a number, and the share of the cases that they pass."""

ADAPTER, RAW = "TRL adapter", "raw client"


@dataclass(frozen=True)
class Row:
    """One completion of a step."""

    source: str
    reward: float


Score: TypeAlias = Callable[[], list[float | None]]


def make_rows(process: int, turn: int) -> list[Row]:
    """Group after group, the second half of each the same as its first."""
    programs = itertools.cycle(FRACTIONS.items())
    rows: list[Row] = []
    for group in range(ROWS // GROUP):
        once = [
            Row(f"{program}  # {turn}.{process}.{group}.{number}\n", reward)
            for number, (program, reward) in zip(range(GROUP // 2), programs, strict=False)
        ]
        rows += once * 2
    return rows


def prepare_adapter(client: Client, rows: list[Row]) -> Score:
    """What a trainer has when it calls a reward function: texts, and the columns of the dataset."""
    reward = reward_function(
        Check(
            Items(StdioTask, cases=Column("tests", stdio_cases)),
            extract=fenced_block("python"),
            shape=fraction,
        ),
        client=client,
    )
    completions = [f"This doubles it:\n\n```python\n{row.source}```\n" for row in rows]
    tests = [[{"input": given, "output": expected} for given, expected in CASES] for _ in rows]
    return lambda: reward(
        prompts=["Double the number."] * len(rows),
        completions=completions,
        completion_ids=[[0]] * len(rows),
        tests=tests,
    )


def prepare_raw(client: Client, rows: list[Row]) -> Score:
    """The same, with items that are there already."""
    cases = [StdioCase(given, expected) for given, expected in CASES]
    items = [Item(StdioTask(row.source, cases)) for row in rows]
    return lambda: scores(client.verify_batch(items), on_failure=None)


PREPARE: dict[str, Callable[[Client, list[Row]], Score]] = {ADAPTER: prepare_adapter, RAW: prepare_raw}


def work(address: str, process: int, orders: Connection) -> None:
    """One process of a trainer: makes ready, says so, scores when told to, and answers with its CPU seconds."""
    with Client(address) as client, contextlib.suppress(EOFError):
        client.describe()
        while True:
            contender, turn = orders.recv()
            rows = make_rows(process, turn)
            score = PREPARE[contender](client, rows)
            orders.send("ready")
            orders.recv()
            before = time.process_time()
            rewards = score()
            spent = time.process_time() - before
            if rewards != [row.reward for row in rows]:
                raise RuntimeError(f"{contender}: a reward is not what the program deserves: {rewards}")
            orders.send(spent)


class Trainer:
    """The processes of a trainer, which score a step together."""

    def __init__(self, server: Server, orders: list[Connection]) -> None:
        self._server = server
        self._orders = orders
        self._turns = itertools.count()

    def step(self, contender: str) -> Cost:
        """Cost per completion: wall time from the start of all to the end of the last."""
        turn = next(self._turns)
        for process in self._orders:
            process.send((contender, turn))
        for process in self._orders:
            process.recv()
        theirs, start = self._server.cpu_seconds(), time.perf_counter()
        for process in self._orders:
            process.send("go")
        own: float = sum(process.recv() for process in self._orders)
        wall = time.perf_counter() - start
        cpu = own + self._server.cpu_seconds() - theirs
        return Cost(cpu / COMPLETIONS * 1e3, wall / COMPLETIONS * 1e3)


@contextlib.contextmanager
def running_trainer(server: Server) -> Iterator[Trainer]:
    context = multiprocessing.get_context("spawn")
    orders: list[Connection] = []
    workers: list[SpawnProcess] = []
    for number in range(PROCESSES):
        here, there = context.Pipe()
        worker = context.Process(target=work, args=(server.address, number, there), daemon=True)
        worker.start()
        there.close()  # so that the end of a worker is an end of file here
        orders.append(here)
        workers.append(worker)
    try:
        yield Trainer(server, orders)
    finally:
        for connection in orders:
            connection.close()  # which ends the worker
        for worker in workers:
            worker.join(20)


def step_costs(server: Server, rounds: int) -> dict[str, Cost]:
    """Of each contender, a completion: medians over the rounds."""
    with running_trainer(server) as trainer:
        return measure_rounds({name: functools.partial(trainer.step, name) for name in PREPARE}, rounds)
