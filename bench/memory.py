"""Memory: an idle warm cell, the server with 16 cells, and the same after many items."""

from __future__ import annotations

from statistics import mean

from basanite import Client
from bench import programs
from bench.measure import running_server

CELLS = 16
BATCH = 2_000


def memory_mib(items: int) -> dict[str, float]:
    """MiB before and after `items` items: the server process, the average cell, and all of it together."""
    with running_server(CELLS) as server, Client(server.address) as client:
        client.verify_batch([programs.trivial_stdio() for _ in range(BATCH)])
        found = {}
        for moment in ("before", "after"):
            cells = server.cell_bytes()
            found[f"server {moment}"] = server.resident_bytes() / 2**20
            found[f"cell {moment}"] = mean(cells) / 2**20
            found[f"server and {CELLS} cells {moment}"] = (server.resident_bytes() + sum(cells)) / 2**20
            if moment == "before":
                for _ in range(items // BATCH):
                    client.verify_batch([programs.trivial_stdio() for _ in range(BATCH)])
        return found
