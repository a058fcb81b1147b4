"""The designs in cheats.toml, testbench_cheats.toml and honest.toml, the sample's references and their mutants, in the
testbench form."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_verilog_equivalence_mutants import found_by_testbench, made
from verilog_benches import BENCH_CHEATS, BENCHES, RIGHT, Bench, BenchCheat, comparing
from verilog_judge import SHORT, Judge, explain, in_testbench, outcome
from verilog_tables import CHEATS, GOLDEN, HONEST, TASKS, TOP, Cheat, Honest, Problem, problems

from basanite.v1 import tasks_pb2
from basanite.verilog import Mutant
from basanite_services.verilog.design import describe
from basanite_services.verilog.preprocess import Sources

ALLOWED = {"refuse": {"FORBIDDEN", "REJECTED"}, "fail": {"REJECTED", "FAILED", "TIME_LIMIT"}}
ALLOWED["limit"] = {"TIME_LIMIT", "MEMORY_LIMIT", "OUTPUT_LIMIT", "REJECTED", "CRASHED"}
with_and_without_reference = pytest.mark.parametrize(
    "has_reference", [True, False], ids=["reference", "no reference"]
)


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.id)
def test_a_cheat_scores_nothing(judge: Judge, cheat: Cheat) -> None:
    task = TASKS[cheat.task]
    bench = {"tb.sv": task.testbench, "ref.sv": task.golden}
    reference = task.golden.replace(GOLDEN, TOP)
    verdict = judge(in_testbench(cheat.text, bench, reference=reference), **SHORT)
    assert verdict.score == 0, explain(verdict)
    assert outcome(verdict) in ALLOWED[cheat.shared], explain(verdict)


def scores_nothing(judge: Judge, bench: Bench, cheat: BenchCheat, reference: str | None) -> None:
    limits = {**SHORT, "cpu_seconds": 0.3} if cheat.limit else SHORT
    verdict = judge(in_testbench(cheat.text, bench.text, rule=bench.rule, reference=reference), **limits)
    assert verdict.score == 0, explain(verdict)
    assert outcome(verdict) in ALLOWED["limit" if cheat.limit else "fail"] | ALLOWED["refuse"], explain(
        verdict
    )


@pytest.mark.parametrize("cheat", BENCH_CHEATS, ids=lambda cheat: cheat.id)
def test_a_cheat_against_testbenches_scores_nothing(judge: Judge, cheat: BenchCheat) -> None:
    for bench in BENCHES[:1] if cheat.limit else BENCHES:
        scores_nothing(judge, bench, cheat, None)


@pytest.mark.full
@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.name)
@pytest.mark.parametrize("cheat", BENCH_CHEATS, ids=lambda cheat: cheat.id)
def test_with_a_reference_it_does_not_either(judge: Judge, bench: Bench, cheat: BenchCheat) -> None:
    scores_nothing(judge, bench, cheat, RIGHT)


@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.name)
@with_and_without_reference
def test_what_the_cheats_do_not_do_passes(judge: Judge, bench: Bench, has_reference: bool) -> None:
    reference = RIGHT if has_reference else None
    verdict = judge(in_testbench(RIGHT, bench.text, rule=bench.rule, reference=reference))
    assert (outcome(verdict), verdict.score) == ("PASSED", 1), explain(verdict)
    assert not verdict.diagnostics


def test_there_are_many_cheats_against_testbenches() -> None:
    assert len(BENCH_CHEATS) >= 60
    assert len({cheat.id for cheat in BENCH_CHEATS}) == len(BENCH_CHEATS)


@pytest.mark.parametrize("honest", HONEST, ids=lambda honest: honest.id)
def test_an_honest_design_passes(judge: Judge, honest: Honest) -> None:
    design = describe(Sources({"ref.v": honest.golden}), GOLDEN)
    bench = {"tb.sv": comparing(design), "ref.sv": honest.golden}
    verdict = judge(in_testbench(honest.text, bench, data=honest.data))
    if honest.shared == "refuse":
        assert outcome(verdict) == "FORBIDDEN"
    else:
        assert (outcome(verdict), verdict.score) == ("PASSED", 1), explain(verdict)


@with_and_without_reference
def test_every_reference_of_the_sample_passes(judge: Judge, has_reference: bool) -> None:
    found = problems()
    if not found:
        pytest.skip("the sample is not there")
    verdicts = judge.all([of_the_sample(one, one.reference, has_reference=has_reference) for one in found])
    wrong = [
        f"{one.id}: {explain(verdict)}"
        for one, verdict in zip(found, verdicts, strict=True)
        if outcome(verdict) != "PASSED" or verdict.diagnostics
    ]
    assert wrong == []
    assert len(found) == 40


def of_the_sample(problem: Problem, text: str, *, has_reference: bool = True) -> tasks_pb2.VerilogTask:
    reference = problem.reference.replace(GOLDEN, TOP)
    bench = {"tb.sv": problem.testbench, "ref.sv": problem.reference}
    return in_testbench(text.replace(GOLDEN, TOP), bench, reference=reference if has_reference else None)


def other_verdicts(judge: Judge, folder: Path, pairs: list[tuple[Problem, Mutant]]) -> list[str]:
    """Mutants on which a bare run and ours differ."""
    verdicts = judge.all([of_the_sample(problem, mutant.text) for problem, mutant in pairs])
    # A bare run ends after half a minute at the latest, as FAILED; some texts end the compiler by a signal.
    wanted = {True: ("FAILED", "TIME_LIMIT"), False: ("PASSED",), None: ("REJECTED", "CRASHED")}
    found = []
    for (problem, mutant), verdict in zip(pairs, verdicts, strict=True):
        bare = found_by_testbench(folder, problem, mutant.text.replace(GOLDEN, TOP))
        if outcome(verdict) not in wanted[bare]:
            found.append(f"{problem.id} {mutant.operator} {mutant.number}: {bare}, {explain(verdict)}")
    return found


def test_verdicts_on_mutants_are_those_of_bare_runs(judge: Judge, tmp_path: Path) -> None:
    pairs = made()
    if not pairs:
        pytest.skip("the sample is not there")
    assert other_verdicts(judge, tmp_path, pairs[::11]) == []


@pytest.mark.full
@pytest.mark.timeout(900)
def test_verdicts_on_all_mutants_are_those_of_bare_runs(judge: Judge, tmp_path: Path) -> None:
    pairs = made()
    if not pairs:
        pytest.skip("the sample is not there")
    assert len(pairs) > 700
    assert other_verdicts(judge, tmp_path, pairs) == []
