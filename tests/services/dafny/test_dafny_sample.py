"""Programs of DafnyBench: all verify, none does once what it promises is spoilt, and load changes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from dafny_judge import Judge, explain, hints, outcome, verify

from basanite.v1 import tasks_pb2
from basanite_services.dafny.declarations import read_program, write
from basanite_services.dafny.guard import refusals
from basanite_services.dafny.hints import without_hints

SAMPLE = Path(__file__).parents[4] / "shared/data/dafnybench/sample.jsonl"
PROGRAMS = {
    one["id"]: one["program"]
    for one in map(json.loads, SAMPLE.read_text().splitlines() if SAMPLE.is_file() else ())
}
HARD = (
    "lemma Hard(a: int, b: int, c: int) requires a > 0 && b > 0 && c > 0 && a * a + b * b == c * c && a % 4 == 3"
    " ensures (a * b * c) % 60 == 0 { }"
)
EASY = "method M(n: nat) returns (m: nat) ensures m > n { m := n + 1; }"
pytestmark = pytest.mark.full


def without(program: str) -> str:
    return write(without_hints(read_program(program).source.tokens))


def mutants(program: str) -> Iterator[str]:
    """With one promise of a method or lemma turned into its opposite."""
    read = read_program(program)
    text = read.source.text
    for one in read.all():
        if one.is_function or not one.is_callable or one.body is None:
            continue
        for clause in one.clauses:
            if clause.kind == "ensures" and clause.tokens:
                first, last = clause.tokens[0].start, clause.tokens[-1].end
                yield f"{text[:first]}!({text[first:last]}){text[last:]}"


def tasks() -> list[tasks_pb2.DafnyTask]:
    found = []
    for program in PROGRAMS.values():
        if not refusals(read_program(program)):
            found += [verify(program), *map(verify, list(mutants(program))[:1])]
    return found[:100]


def test_all_programs_of_the_sample_verify(judge: Judge) -> None:
    if not PROGRAMS:
        pytest.skip("the sample of DafnyBench is not here")
    lost = {}
    for name, program in PROGRAMS.items():
        verdict = judge(hints(without(program), program))
        if outcome(verdict) != "PASSED":
            lost[name] = explain(verdict)
    assert not lost


def test_programs_that_are_proved_as_a_whole_pass(judge: Judge) -> None:
    if not PROGRAMS:
        pytest.skip("the sample of DafnyBench is not here")
    found = {
        name: judge(verify(program))
        for name, program in PROGRAMS.items()
        if not refusals(read_program(program))
    }
    assert len(found) >= 50
    assert not {name: explain(verdict) for name, verdict in found.items() if outcome(verdict) != "PASSED"}


def test_no_program_verifies_once_its_promise_is_spoilt(judge: Judge) -> None:
    if not PROGRAMS:
        pytest.skip("the sample of DafnyBench is not here")
    tried, passed = 0, []
    for name, program in PROGRAMS.items():
        if refusals(read_program(program)):
            continue  # it takes for granted what it does not prove
        for mutant in list(mutants(program))[:4]:
            tried += 1
            if outcome(judge(verify(mutant))) == "PASSED":
                passed.append(name)
    assert tried >= 100
    assert passed == []


@pytest.fixture(scope="module")
def many() -> Iterator[Judge]:
    made = Judge(cells=8)
    yield made
    made.close()


def test_load_changes_no_verdict(judge: Judge, many: Judge) -> None:
    if not PROGRAMS:
        pytest.skip("the sample of DafnyBench is not here")
    wanted = tasks()
    assert len(wanted) >= 100
    alone = [outcome(judge(task)) for task in wanted]
    together = [outcome(verdict) for verdict in many.at_once(wanted)]
    assert together == alone


def test_searches_without_end_do_not_make_an_easy_proof_fail(many: Judge) -> None:
    before = len(os.listdir("/proc"))
    found = many.at_once([*[verify(HARD)] * 7, verify(EASY)], cpu_seconds=5)
    assert [outcome(verdict) for verdict in found] == ["TIME_LIMIT"] * 7 + ["PASSED"]
    assert len([name for name in os.listdir("/proc") if name.isdigit()]) <= before + 20
