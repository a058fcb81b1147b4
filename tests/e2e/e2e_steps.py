"""Steps of a trainer that scores completions by the TRL adapter, on a real server, with rewards that are known."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import e2e_command as command
from e2e_fixtures import serving
from e2e_kills import CELLS, LIMITS, STDIO, Killer
from e2e_restarts import RestartingServer

from basanite import AsyncClient, Client, Limits, Outcome, StdioTask
from basanite.rewards import binary
from basanite.trainers import Check, Column, Items, fenced_block, stdio_cases
from basanite.trainers.trl import async_reward_function, reward_function


def check(limits: Limits = LIMITS) -> Check:
    """Programs in fenced blocks, which get all or nothing."""
    items = Items(StdioTask, cases=Column("tests", stdio_cases), stop_on_first_failure=True, limits=limits)
    return Check(items, extract=fenced_block("python"), shape=binary)


CELL_PROCESSES = ("bubblewrap", "pid 1 of a cell", "agent")
"""Without any of these a cell is lost."""
KILLS_SECONDS = 0.2
"""Between two kills."""
FORMS = ("synchronous", "asynchronous")
Rewards: TypeAlias = Sequence[float | None]
Score: TypeAlias = Callable[..., Rewards]
"""Takes a Step, perhaps limits of its programs, and options of reward_function."""


@dataclass(frozen=True)
class Step:
    """Completions, and what they deserve."""

    completions: list[str]
    tests: list[list[dict[str, str]]]
    deserved: list[float]

    def columns(self) -> dict[str, Any]:
        """What TRL passes to a reward function (trainer/grpo_trainer.py, _calculate_rewards)."""
        return {
            "prompts": ["Double the number."] * len(self.completions),
            "completions": self.completions,
            "completion_ids": [[0]] * len(self.completions),
            "tests": self.tests,
            "trainer_state": None,
            "log_extra": lambda column, values: None,
            "log_metric": lambda name, value: None,
        }


def make_step(seed: int, count: int) -> Step:
    """Completions, each there twice, of all outcomes; one in ten has no program. Other seeds make others."""
    chance = random.Random(seed)
    chosen = chance.choices(STDIO, [often for _, often, _ in STDIO], k=count // 2)
    rows = []
    for number, (source, _, outcome) in enumerate(chosen):
        is_answer = chance.random() < 0.9
        completion = fenced(f"# {seed}.{number}\n{source}") if is_answer else f"I give up. {source}"
        tests = doubled(*range(1, 1 + chance.choice((1, 1, 2, 4))))
        rows += [(completion, tests, float(is_answer and outcome is Outcome.PASSED))] * 2
    chance.shuffle(rows)
    completions, tests_of_all, deserved = zip(*rows, strict=True)
    return Step(list(completions), list(tests_of_all), list(deserved))


def fenced(source: str) -> str:
    return f"Here it is:\n\n```python\n{source}\n```\n"


def doubled(*numbers: int) -> list[dict[str, str]]:
    return [{"input": f"{number}\n", "output": f"{2 * number}\n"} for number in numbers]


@contextlib.contextmanager
def scoring(address: str, form: str) -> Iterator[Score]:
    """A client with which steps are scored, by reward functions that are called as TRL calls them."""
    if form == "synchronous":
        with Client(address) as client:

            def score(step: Step, limits: Limits = LIMITS, **options: Any) -> Rewards:
                return reward_function(check(limits), client=client, **options)(**step.columns())

            yield score
        return
    # TRL has one event loop, in a thread, for all steps.
    with asyncio.Runner() as runner:
        asynchronous = AsyncClient(address)

        async def reward(step: Step, limits: Limits = LIMITS, **options: Any) -> Rewards:
            return await async_reward_function(check(limits), client=asynchronous, **options)(
                **step.columns()
            )

        yield lambda step, **options: runner.run(reward(step, **options))
        runner.run(asynchronous.close())


def assert_true_or_masked(rewards: Rewards, quiet: Rewards) -> None:
    """Each row is what it is on a quiet machine, or None."""
    pairs = list(zip(rewards, quiet, strict=True))
    assert not [(row, *pair) for row, pair in enumerate(pairs) if pair[0] not in (None, pair[1])]


def wait_until_programs_run(server: int, idle: set[command.Process]) -> None:
    """Wait until ten processes came below the server, at one time or one after another.

    idle: what was there before.
    """
    seen: set[command.Process] = set()

    def enough() -> bool:
        seen.update(command.descendants(server) - idle)
        return len(seen) >= 10

    command.wait_for(enough)


@contextlib.contextmanager
def killed_in_the_middle(server: RestartingServer, comes_back: threading.Event) -> Iterator[None]:
    """The server is killed when programs of what happens meanwhile run, and started again after the event."""
    idle = command.descendants(server.pid)

    def work() -> None:
        wait_until_programs_run(server.pid, idle)
        server.kill()
        assert comes_back.wait(60)
        server.start()

    thread = threading.Thread(target=work, name="killer of the server")
    thread.start()
    try:
        yield
    finally:
        comes_back.set()
        thread.join()


def score_under_fire(form: str, count: int) -> None:
    """A step of `count` rows while the server's sandboxes are killed, about as many as a fifth of the programs."""
    step, before, after = make_step(21, count), make_step(22, 40), make_step(23, 40)
    with serving("--cells", str(CELLS)) as (address, _), scoring(address, form) as score:
        quiet = score(step)
    assert quiet == step.deserved
    with serving("--cells", str(CELLS)) as (address, server), scoring(address, form) as score:
        assert score(before) == before.deserved
        with Killer(server, KILLS_SECONDS, seed=24) as killer:
            rewards = score(step)
        cells = sum(often for name, often in killer.killed.items() if name in CELL_PROCESSES)
        print(f"\n{count} rows, {cells} cells killed, {killer.killed.total()} kills: {dict(killer.killed)}")
        print(f"masked: {rewards.count(None)}")
        assert_true_or_masked(rewards, quiet)
        assert rewards.count(None) <= max(2, count // 100)
        assert cells >= count // 100
        assert score(after) == after.deserved
