"""The demo's problems: every right solution passes, every wrong one has exactly its declared outcome."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from code_judge import Judge, explain, function, outcome, stdio, stdio_case

import basanite
from basanite.v1 import tasks_pb2

PROBLEMS = sorted((Path(basanite.__file__).parent / "demo" / "problems").glob("*.toml"))
LIMITS = {"cpu_seconds": 1.0, "wall_seconds": 10.0, "memory_bytes": 256 << 20, "output_bytes": 1 << 20}


def comparison_of(kind: Any, name: str) -> Any:
    return kind(policy="POLICY_FLOAT_TOLERANCE" if name == "float" else f"POLICY_{name.upper()}")


def task_of(problem: dict[str, Any], source: str) -> tasks_pb2.CodeTask:
    if problem["form"] == "stdio":
        cases = [
            stdio_case(case["stdin"], case["expected"], weight=case.get("weight", 0))
            for case in problem["cases"]
        ]
        return stdio(
            source, *cases, comparison=comparison_of(tasks_pb2.TextComparison, problem["comparison"])
        )
    names = {"args": "arguments", "expected_args": "expected_arguments_after"}
    return function(
        source,
        problem["entry_point"],
        *({names.get(key, key): value for key, value in case.items()} for case in problem["cases"]),
        comparison=comparison_of(tasks_pb2.ValueComparison, problem["comparison"]),
    )


def test_there_are_enough() -> None:
    assert len(PROBLEMS) >= 30


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_a_problem_judges_its_solutions_as_declared(judge: Judge, path: Path) -> None:
    problem = tomllib.loads(path.read_text())
    solutions = [(each, "PASSED") for each in problem["right"]]
    solutions += [(each, each["outcome"]) for each in problem["wrong"]]
    verdicts = judge.all((task_of(problem, each["source"]), LIMITS) for each, _ in solutions)
    wrong = [
        f"{each['name']}: {explain(verdict)} instead of {expected}"
        for (each, expected), verdict in zip(solutions, verdicts, strict=True)
        if isinstance(verdict, BaseException)
        or outcome(verdict) != expected
        or (verdict.score == 1) != (expected == "PASSED")
    ]
    assert not wrong
