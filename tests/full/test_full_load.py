"""The same items, judged one after another and with sixteen times as many at one time as there are cores, get the
same verdicts, item by item: those that need less than 0.7 of their limits or more than 1.5 of one."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest
from e2e_fixtures import serving

from basanite import Client, FunctionCase, FunctionTask, Item, Limits, Outcome, Result, StdioCase, StdioTask

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

OVERLOAD = 16
ITEMS = 500
CPU, WALL, MEMORY = 0.2, 1.0, 64 << 20
LIMITS = Limits(cpu_seconds=CPU, wall_seconds=WALL, memory_bytes=MEMORY, output_bytes=1 << 20)
BURN = "import time\nwhile time.process_time() < {}: pass\nprint(input())"
BURN_IN_CHILDREN = """
import os, time
for _ in range(2):
    if os.fork() == 0:
        while time.process_time() < {}: pass
        os._exit(0)
os.wait(), os.wait()
print(input())
"""
SLEEP = "import time\ntime.sleep({})\nprint(input())"
HOLD = "x = bytearray({})\nprint(input())"
FUNCTION = """
import time
def f(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
    return 1
"""
OTHERS = {
    "print(input())": Outcome.PASSED,
    "print('wrong')": Outcome.FAILED,
    "raise ValueError": Outcome.CRASHED,
    "print(": Outcome.REJECTED,
    "print('x' * 4_000_000)": Outcome.OUTPUT_LIMIT,
    "import os; os.kill(os.getpid(), 6); print(input())": Outcome.PASSED,  # pid 1 has no default actions
}


def stdio(source: str) -> StdioTask:
    return StdioTask(source, [StdioCase(f"{n}\n", f"{n}\n") for n in range(2)], stop_on_first_failure=True)


def function(*seconds: float) -> FunctionTask:
    """One process, in which the times add up."""
    return FunctionTask(FUNCTION, "f", [FunctionCase([each], 1) for each in seconds])


def make(number: int, chance: random.Random) -> tuple[Item, Outcome]:
    under, over = chance.uniform(0.05, 0.65), chance.choice([chance.uniform(1.6, 3.0), 1e9])
    shapes = [
        (stdio(BURN.format(CPU * under)), Outcome.PASSED),
        (stdio(BURN.format(CPU * under)), Outcome.PASSED),
        (stdio(BURN.format(CPU * over)), Outcome.TIME_LIMIT),
        (stdio(BURN_IN_CHILDREN.format(CPU * under / 2)), Outcome.PASSED),
        (stdio(BURN_IN_CHILDREN.format(CPU * over / 2)), Outcome.TIME_LIMIT),
        (stdio(SLEEP.format(WALL * under)), Outcome.PASSED),
        (stdio(SLEEP.format(WALL * over)), Outcome.TIME_LIMIT),
        (stdio(HOLD.format(int(MEMORY * under))), Outcome.PASSED),
        (stdio(HOLD.format(int(MEMORY * min(over, 3)))), Outcome.MEMORY_LIMIT),
        (function(*[CPU * under / 4] * 4), Outcome.PASSED),
        (function(0, CPU / 2, CPU * over, 0), Outcome.TIME_LIMIT),
        *((stdio(source), outcome) for source, outcome in OTHERS.items()),
    ]
    task, outcome = chance.choice(shapes)
    return Item(task, id=f"{number}", limits=LIMITS, cache=False), outcome


def outcome_of(result: Result) -> Outcome | None:
    return result.verdict.outcome if result.verdict is not None else None


def shown(result: Result) -> object:
    """All of a result that must not depend on load."""
    if result.verdict is None:
        return result.failure
    cases = [case.outcome for case in result.verdict.cases]
    return result.verdict.outcome, result.verdict.score, cases


def test_verdicts_do_not_depend_on_load(doctor: str) -> None:
    chance = random.Random(4)
    made = [make(number, chance) for number in range(ITEMS)]
    items = [item for item, _ in made]
    with serving() as (address, _), Client(address) as client:
        idle = [client.verify(item) for item in items]
    cells = str(OVERLOAD * (os.cpu_count() or 1))
    with serving("--cells", cells) as (address, _), Client(address) as client:
        loaded = client.verify_batch(items)
    for name, results in (("one by one", idle), ("overloaded", loaded)):
        near = sum(result.verdict is not None and result.verdict.near_limit for result in results)
        print(f"{name}: {Counter(map(outcome_of, results))}, {near} of them judged again, alone")
    wrong, different = [], []
    for (item, expected), one, other in zip(made, idle, loaded, strict=True):
        if outcome_of(one) is not expected:
            wrong.append((item.id, shown(one), expected))
        if shown(one) != shown(other):
            different.append((item.task, shown(one), shown(other)))
    assert not wrong
    assert not different
