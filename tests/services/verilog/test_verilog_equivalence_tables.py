"""The designs in cheats.toml and honest.toml, and the sample's references, in the equivalence form."""

from __future__ import annotations

import asyncio

import pytest
from verilog_judge import SHORT, Judge, equivalence, explain, outcome
from verilog_tables import CHEATS, GOLDEN, HONEST, TASKS, TOP, Cheat, Honest, problems

ALLOWED = {"refuse": {"FORBIDDEN", "REJECTED"}, "fail": {"REJECTED", "FAILED", "TIME_LIMIT"}}
ALLOWED["limit"] = {"TIME_LIMIT", "MEMORY_LIMIT", "OUTPUT_LIMIT", "REJECTED"}


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.id)
def test_a_cheat_scores_nothing(judge: Judge, cheat: Cheat) -> None:
    verdict = judge(equivalence(cheat.text, TASKS[cheat.task].golden, TOP, golden_top=GOLDEN), **SHORT)
    assert verdict.score == 0, explain(verdict)
    assert outcome(verdict) in ALLOWED[cheat.alone], explain(verdict)


@pytest.mark.parametrize("honest", HONEST, ids=lambda honest: honest.id)
def test_an_honest_design_passes(judge: Judge, honest: Honest) -> None:
    task = equivalence(honest.text, honest.golden, TOP, golden_top=GOLDEN, data=honest.data)
    verdict = judge(task)
    assert (outcome(verdict), verdict.score) == ("PASSED", 1), explain(verdict)


def test_every_reference_of_the_sample_passes_against_itself(judge: Judge) -> None:
    found = problems()
    if not found:
        pytest.skip("the sample is not there")
    tasks = [
        equivalence(one.reference.replace(GOLDEN, TOP), one.reference, TOP, golden_top=GOLDEN)
        for one in found
    ]
    verdicts = judge.all(tasks)
    wrong = [
        f"{one.id}: {explain(verdict)}"
        for one, verdict in zip(found, verdicts, strict=True)
        if outcome(verdict) != "PASSED" or verdict.diagnostics
    ]
    assert wrong == []
    assert len(found) == 40


def test_verdicts_are_the_same_many_at_a_time(judge: Judge) -> None:
    some = [cheat for cheat in CHEATS if cheat.alone == "fail"][:12]
    tasks = [equivalence(one.text, TASKS[one.task].golden, TOP, golden_top=GOLDEN) for one in some]
    at_once = judge.all(tasks)
    for task, verdict in zip(tasks, at_once, strict=True):
        alone = judge(task)
        for one in (alone, verdict):
            for case in one.cases:
                case.ClearField("usage")
        assert alone == verdict


def test_a_cancelled_group_leaves_the_golden_for_the_next(judge: Judge) -> None:
    golden = "module RefModule(input [9:0] a, output [9:0] y); assign y = a * 10'd77; endmodule"
    task = equivalence(golden.replace(GOLDEN, TOP), golden, TOP, golden_top=GOLDEN, cycles=2000)

    async def cancelled() -> list[object]:
        first, second = (asyncio.ensure_future(judge.judge(task)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return await asyncio.gather(first, second, return_exceptions=True)

    first, second = judge.run(cancelled())
    assert isinstance(first, asyncio.CancelledError)
    assert outcome(second) == "PASSED"  # type: ignore[arg-type]
