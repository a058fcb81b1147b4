"""What an item costs beside its run: 2,000 trivial items in one batch, client and server process alone."""

from __future__ import annotations

import time
from statistics import median

from basanite import Client
from bench import programs
from bench.measure import Server

ITEMS = 2_000


def overhead_ms(server: Server, client: Client, rounds: int) -> dict[str, float]:
    """CPU milliseconds an item of the client, and of the server process without its cells."""
    ours, theirs = [], []
    for _ in range(rounds):
        items = [programs.trivial_stdio() for _ in range(ITEMS)]
        own, others = time.process_time(), server.own_cpu_seconds()
        results = client.verify_batch(items)
        ours.append((time.process_time() - own) / ITEMS * 1e3)
        theirs.append((server.own_cpu_seconds() - others) / ITEMS * 1e3)
        if not all(result.passed for result in results):
            raise RuntimeError("a right program did not pass")
    return {"client": median(ours), "server": median(theirs)}
