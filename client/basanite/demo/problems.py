"""The problems as items, each with what must come of it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any

from basanite import values
from basanite._results import Outcome
from basanite._tasks import FunctionCase, FunctionTask, Item, Limits, StdioCase, StdioTask

LIMITS = Limits(cpu_seconds=1, wall_seconds=20, memory_bytes=256 << 20, output_bytes=1 << 20)
_POLICIES = {"float": "float_tolerance"}


@dataclass(frozen=True, slots=True)
class Solution:
    """A program, and the outcome that it must get."""

    problem: str
    name: str
    form: str
    outcome: Outcome
    item: Item


def load_solutions() -> list[Solution]:
    """Every solution of every problem, in the order of their names."""
    folder = resources.files("basanite.demo") / "problems"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name
    )
    return [
        solution
        for file in files
        for solution in _solutions(
            file.name.removesuffix(".toml"), tomllib.loads(file.read_text(encoding="utf-8"))
        )
    ]


def _solutions(problem: str, text: dict[str, Any]) -> list[Solution]:
    found = []
    for kind in ("right", "wrong"):
        for solution in text[kind]:
            outcome = Outcome[solution["outcome"]] if kind == "wrong" else Outcome.PASSED
            name = f"{kind}: {solution['name']}"
            task = _task(text, solution["source"].lstrip("\n"))
            found.append(
                Solution(
                    problem, name, text["form"], outcome, Item(task, id=f"{problem}/{name}", limits=LIMITS)
                )
            )
    return found


def _task(text: dict[str, Any], source: str) -> StdioTask | FunctionTask:
    comparison = _POLICIES.get(text["comparison"], text["comparison"])
    if text["form"] == "stdio":
        cases = [StdioCase(case["stdin"], case["expected"], case.get("weight", 1)) for case in text["cases"]]
        return StdioTask(source, cases, comparison)
    calls = []
    for case in text["cases"]:
        given: dict[str, Any] = {"args": values.loads(case["args"]), "weight": case.get("weight", 1)}
        if "raises" in case:
            given["raises"] = case["raises"]
        else:
            given["expected"] = values.loads(case["expected"])
        if "expected_args" in case:
            given["expected_args_after"] = values.loads(case["expected_args"])
        calls.append(FunctionCase(**given))
    return FunctionTask(source, text["entry_point"], calls, comparison)
