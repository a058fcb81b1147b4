"""CPU time that client stub and server together spend on an item that takes no run.

    python tests/chassis/overhead.py [ITEMS [SLEEP_SECONDS]]

SLEEP_SECONDS is how long each item pretends to run: results then come one by one instead of all at once.

Two processes would add what the kernel needs to pass messages between them; that is the same for one, over a
unix socket.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from chassis_fakes import item, outcome, serving


async def measure(items: int, sleep: float = 0.0) -> float:
    """CPU milliseconds an item, the best of five batches."""
    best = float("inf")
    pause = {"sleep": sleep} if sleep else {}
    with tempfile.TemporaryDirectory() as folder:
        async with serving(Path(folder), log_level="warning", cells=8) as harness:
            for attempt in range(5):
                # Different in each batch, so that the cache has none of them.
                batch = [
                    item(f"item-{n}", {"n": n, "attempt": attempt, "cases": 1, **pause}) for n in range(items)
                ]
                before = time.process_time()
                results = await harness.batch(*batch)
                best = min(best, time.process_time() - before)
                assert all(outcome(result) == "PASSED" for result in results.values())
    return best / items * 1000


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    cost = asyncio.run(measure(count, seconds))
    print(json.dumps({"items": count, "sleep_seconds": seconds, "cpu_ms_per_item": round(cost, 4)}))
