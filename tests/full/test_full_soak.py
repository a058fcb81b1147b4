"""A server that has judged many items is as it was."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import e2e_command as command
import pytest
from e2e_fixtures import serving

from basanite import Client, Item, StdioCase, StdioTask

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

EARLY, ALL, AT_ONCE = 4_000, 20_000, 2_000
MIB = 1 << 20


@dataclass(frozen=True)
class Look:
    """A server and its cells while nothing runs."""

    memory: int
    """Bytes of the server itself."""
    cells_memory: int
    descriptors: int
    processes: int
    control_groups: int


def look(pid: int) -> Look:
    processes = {process.pid for process in command.descendants(pid)}
    return Look(
        _memory(pid),
        sum(map(_memory, processes - {pid})),
        sum(len(os.listdir(f"/proc/{number}/fd")) for number in processes),
        len(processes),
        sum(path.name.startswith(f"basanite-{pid}-") for path in command.control_groups()),
    )


def _memory(pid: int) -> int:
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def items(first: int, cache: bool) -> list[Item]:
    """Trivial, and each another one."""
    return [
        Item(StdioTask(f"print(int(input()) + {n})", [StdioCase("1", str(n + 1))]), cache=cache)
        for n in range(first, first + AT_ONCE)
    ]


def test_memory_descriptors_and_processes_stay_flat_over_many_items(doctor: str) -> None:
    with serving() as (address, pid), Client(address) as client:
        for done in range(0, ALL, AT_ONCE):
            if done == EARLY:
                early = look(pid)
            assert all(result.passed for result in client.verify_batch(items(done, cache=False)))
        late = look(pid)
    print(f"\nafter {EARLY}: {early}\nafter {ALL}: {late}")
    assert late.memory < early.memory + 8 * MIB
    assert late.memory < 200 * MIB
    assert late.cells_memory < early.cells_memory + 4 * MIB
    assert abs(late.descriptors - early.descriptors) <= 4
    assert late.processes == early.processes
    assert late.control_groups == early.control_groups
