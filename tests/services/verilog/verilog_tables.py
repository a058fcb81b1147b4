"""The designs that tests judge, as data: cheats.toml, honest.toml, and the problems of the sample."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_HERE = Path(__file__).parent
SAMPLE = Path(__file__).parents[4] / "shared" / "data" / "verilogeval" / "sample.jsonl"
TOP, GOLDEN = "TopModule", "RefModule"


@dataclass(frozen=True)
class Task:
    golden: str
    testbench: str


@dataclass(frozen=True)
class Cheat:
    id: str
    tries: str
    task: str
    shared: str
    alone: str
    text: str


@dataclass(frozen=True)
class Honest:
    id: str
    style: str
    golden: str
    text: str
    shared: str = "pass"
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    id: str
    reference: str
    testbench: str


def _table(name: str) -> dict[str, object]:
    return tomllib.loads((_HERE / name).read_text())


_CHEATS = _table("cheats.toml")
TASKS = {name: Task(**task) for name, task in _CHEATS["tasks"].items()}
CHEATS = [Cheat(**cheat) for cheat in _CHEATS["cheats"]]
HONEST = [Honest(**honest) for honest in _table("honest.toml")["honest"]]


def problems() -> list[Problem]:
    """Of the sample; none where it is absent."""
    if not SAMPLE.exists():
        return []
    rows = map(json.loads, SAMPLE.read_text().splitlines())
    return [Problem(row["id"], row["reference"], row["testbench"]) for row in rows]
