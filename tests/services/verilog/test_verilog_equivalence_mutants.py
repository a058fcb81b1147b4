"""Wrong designs that the sample's own testbenches find are found by comparing with the golden, too."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from verilog_judge import Judge, equivalence, outcome
from verilog_tables import GOLDEN, TOP, Problem, problems

from basanite.verilog import Mutant, mutants

_VERDICT = re.compile(r"Mismatches: (\d+) in (\d+) samples")
_SECONDS = 30


def made() -> list[tuple[Problem, Mutant]]:
    return [(problem, mutant) for problem in problems() for mutant in mutants(problem.reference)]


def found_by_testbench(folder: Path, problem: Problem, text: str) -> bool | None:
    """Whether the official testbench rejects a design, without a sandbox; None if it does not compile."""
    for name, content in (("tb", problem.testbench), ("ref", problem.reference), ("top", text)):
        (folder / f"{name}.sv").write_text(content)
    program = str(folder / "simulation")
    compiled = subprocess.run(
        [
            "iverilog",
            "-g2012",
            "-s",
            "tb",
            "-o",
            program,
            *(str(folder / f"{n}.sv") for n in ("tb", "ref", "top")),
        ],
        capture_output=True,
        timeout=_SECONDS,
        check=False,
    )
    if compiled.returncode:
        return None
    try:
        run = subprocess.run(
            ["vvp", "-n", program], cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    verdicts = _VERDICT.findall(run.stdout)
    return not (len(verdicts) == 1 and verdicts[0][0] == "0" and verdicts[0][1] != "0")


def missed(judge: Judge, folder: Path, pairs: list[tuple[Problem, Mutant]]) -> tuple[list[str], Counter[str]]:
    """-> mutants that a testbench finds and a comparison does not; how often which of both finds one"""
    tasks = []
    for problem, mutant in pairs:
        candidate = mutant.text.replace(GOLDEN, TOP)
        tasks.append(equivalence(candidate, problem.reference, TOP, golden_top=GOLDEN))
    verdicts = judge.all(tasks)
    names: list[str] = []
    counts: Counter[str] = Counter()
    for (problem, mutant), verdict in zip(pairs, verdicts, strict=True):
        theirs = found_by_testbench(folder, problem, mutant.text.replace(GOLDEN, TOP))
        ours = outcome(verdict) != "PASSED"
        if theirs is None:
            assert ours, (problem.id, mutant)
            continue
        counts[f"testbench {theirs}, comparison {ours}"] += 1
        if theirs and not ours:
            names.append(
                f"{problem.id}:{mutant.line} {mutant.operator} {mutant.before!r} -> {mutant.after!r}"
            )
    return names, counts


@pytest.fixture
def all_mutants(iverilog: None) -> list[tuple[Problem, Mutant]]:
    found = made()
    if not found:
        pytest.skip("the sample is not there")
    return found


def test_there_are_enough_mutants_of_every_kind(all_mutants: list[tuple[Problem, Mutant]]) -> None:
    kinds = Counter(mutant.operator for _, mutant in all_mutants)
    assert len(kinds) >= 10
    assert len(all_mutants) >= 200


def test_what_a_testbench_finds_is_found(
    judge: Judge, tmp_path: Path, all_mutants: list[tuple[Problem, Mutant]]
) -> None:
    names, counts = missed(judge, tmp_path, all_mutants[::9])
    assert names == []
    assert counts["testbench True, comparison True"] > 60


@pytest.mark.full
@pytest.mark.timeout(900)
def test_what_a_testbench_finds_is_found_in_all_mutants(
    judge: Judge, tmp_path: Path, all_mutants: list[tuple[Problem, Mutant]]
) -> None:
    names, counts = missed(judge, tmp_path, all_mutants)
    assert names == [], counts
    assert counts["testbench True, comparison True"] > 800
