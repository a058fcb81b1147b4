"""Items are judged truly while the server's own processes are killed at random, and nothing is left behind."""

from __future__ import annotations

import random
from pathlib import Path

import e2e_command as command
from e2e_fixtures import serving
from e2e_kills import Belongings, Killer, belongings, make_items, tally

from basanite import Client, Item, StdioCase, StdioTask

ITEMS, MEAN_SECONDS = 300, 0.6
CELLS = 2
DESCRIPTORS_OF_A_CELL = 20
"""At most, in the server."""


def test_items_are_judged_truly_while_processes_of_the_server_are_killed(doctor: str, folder: Path) -> None:
    judge_under_fire(ITEMS, MEAN_SECONDS, folder)


def judge_under_fire(count: int, mean_seconds: float, folder: Path) -> None:
    """Half of the items by batch, half by stream. `mean_seconds`: between two kills."""
    made = make_items(count, random.Random(11))
    half = count // 2
    calm = make_items(40, random.Random(12))
    with serving("--cells", str(CELLS)) as (address, server), Client(address) as client:
        assert not tally(calm, client.verify_batch([item for item, _ in calm])).wrong
        before = at_rest(client, server)
        with Killer(server, mean_seconds, seed=13) as killer:
            results = client.verify_batch([item for item, _ in made[:half]])
            results += client.stream([item for item, _ in made[half:]])
        found = tally(made, results)
        print(f"\n{count} items, {killer.killed.total()} kills: {dict(killer.killed)}")
        print(f"Failures: {dict(found.failures)}")
        assert not found.wrong, "\n".join(found.wrong)
        assert found.failures.total() <= count // 100
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
