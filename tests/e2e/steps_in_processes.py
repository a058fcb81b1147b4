"""A trainer of four processes that score their own rows with one reward function, at the same time as its parent.

`python steps_in_processes.py ADDRESS fork|spawn` fails if a row of any gets another reward than it deserves.
"""

import multiprocessing
import sys
from multiprocessing.synchronize import Barrier

from e2e_steps import check, make_step

from basanite import Client
from basanite.trainers.trl import reward_function

PROCESSES, ROWS = 4, 40
address, method = sys.argv[1:]
reward = reward_function(check(), client=Client(address))
start: Barrier


def score(seed: int) -> list[float | None]:
    start.wait(60)
    return reward(**make_step(seed, ROWS).columns())


def receive(barrier: Barrier) -> None:
    """What each process of the pool does first: keep what all start together by."""
    global start
    start = barrier


def main() -> None:
    first = make_step(0, ROWS)
    assert reward(**first.columns()) == first.deserved  # what is forked is a client in use
    context = multiprocessing.get_context(method)
    receive(context.Barrier(PROCESSES + 1))
    seeds = range(1, 2 + PROCESSES)
    with context.Pool(PROCESSES, receive, [start]) as pool:
        theirs = pool.map_async(score, seeds[1:], chunksize=1)
        scored = [score(seeds[0]), *theirs.get(90)]
    assert scored == [make_step(seed, ROWS).deserved for seed in seeds]


if __name__ == "__main__":
    main()
