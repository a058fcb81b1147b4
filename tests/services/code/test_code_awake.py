"""What a candidate returned or printed is read in a thread where it is large: others are served meanwhile."""

from __future__ import annotations

import asyncio
import time

from code_judge import MIB, Judge, call, function, stdio

from basanite.v1 import tasks_pb2

LIMITS = {"cpu_seconds": 0.7, "wall_seconds": 2.0, "memory_bytes": 128 * MIB, "output_bytes": 16 * MIB}
ANSWER = "import os\ndata = {}\nwhile data: data = data[os.write(5, data):]\n"
LINES = tasks_pb2.TextComparison(policy=tasks_pb2.TextComparison.POLICY_UNORDERED_LINES)
DEAR = [
    function(ANSWER.format("b'{\"value\": [' + b'1e9,' * 1000000 + b'1]}\\n'"), "f", call(1, gives=0)),
    function(ANSWER.format("b'{\"value\": [' + b'[],' * 500000 + b'1]}\\n'"), "f", call(1, gives=0)),
    stdio("for i in range(1000000): print(i)", ("1", "x"), comparison=LINES),
]


def test_the_judge_stays_awake_while_it_reads(judge: Judge) -> None:
    async def longest_pause() -> float:
        longest, last = 0.0, time.monotonic()
        while True:
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
            if done.is_set():
                return longest

    async def both() -> float:
        clock = asyncio.create_task(longest_pause())
        for task in DEAR:
            await judge._judge(task, LIMITS)
        done.set()
        return await clock

    done = asyncio.Event()
    assert judge.run(both()) < 5  # on a machine shared with others
