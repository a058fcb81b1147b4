"""How the score follows from the cases."""

from __future__ import annotations

from fractions import Fraction

import pytest
from code_judge import Judge, call, function, name_of, outcome, outcomes, stdio, stdio_case
from hypothesis import given
from hypothesis import strategies as st

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import CaseResult
from basanite_services.chassis.guard import flaw
from basanite_services.code.outcome import not_run, verdict_of

CASE_OUTCOMES = [
    value
    for value in result_pb2.Outcome.values()
    if value not in (result_pb2.OUTCOME_UNSPECIFIED, result_pb2.OUTCOME_NOT_RUN, result_pb2.OUTCOME_COMPLETED)
]
WEIGHTS = st.integers(1, 3) | st.integers(1, 1_000_000)


@given(
    st.lists(st.tuples(st.sampled_from(CASE_OUTCOMES), WEIGHTS), min_size=1, max_size=30), st.integers(0, 3)
)
def test_the_score_is_the_weighted_fraction(cases: list[tuple[int, int]], left: int) -> None:
    results = [CaseResult(outcome=one, weight=weight) for one, weight in cases]
    if any(one != result_pb2.OUTCOME_PASSED for one, _ in cases):
        results += [not_run(5)] * left
    else:
        left = 0
    verdict = verdict_of(results, [])
    total = sum(weight for _, weight in cases) + 5 * left
    passed = sum(weight for one, weight in cases if one == result_pb2.OUTCOME_PASSED)
    assert verdict.score == float(Fraction(passed, total))
    assert (verdict.score == 1) == (verdict.outcome == result_pb2.OUTCOME_PASSED)
    assert verdict.score_is_lower_bound == bool(left)
    first = next((one for one, _ in cases if one != result_pb2.OUTCOME_PASSED), result_pb2.OUTCOME_PASSED)
    assert verdict.outcome == first
    assert flaw(verdict) is None


def test_one_lost_point_of_ten_thousand_million_shows() -> None:
    heavy = [CaseResult(outcome=result_pb2.OUTCOME_PASSED, weight=1_000_000)] * 9_999
    verdict = verdict_of([*heavy, CaseResult(outcome=result_pb2.OUTCOME_FAILED, weight=1)], [])
    assert verdict.score < 1
    assert name_of(verdict.outcome) == "FAILED"


def test_weights_of_both_forms(judge: Judge) -> None:
    cases = [stdio_case("1", "1", weight=3), stdio_case("2", "x", weight=4), stdio_case("3", "3")]
    verdict = judge(stdio("print(input())", *cases))
    assert verdict.score == 4 / 8
    assert [case.weight for case in verdict.cases] == [3, 4, 1]
    verdict = judge(
        function("f = abs", "f", call(1, gives=1, weight=3), call(2, gives=0, weight=4), call(3, gives=3))
    )
    assert verdict.score == 4 / 8
    assert [case.weight for case in verdict.cases] == [3, 4, 1]


@pytest.mark.parametrize("last", ["1", "x"])
def test_stop_on_first_failure_of_stdio(judge: Judge, last: str) -> None:
    cases = [stdio_case("1", "1"), stdio_case("1", last, weight=2), stdio_case("1", "1", weight=5)]
    verdict = judge(stdio("print(input())", *cases, stop_on_first_failure=True))
    if last == "1":
        assert (outcomes(verdict), verdict.score) == (["PASSED"] * 3, 1)
        assert not verdict.score_is_lower_bound
    else:
        assert (outcomes(verdict), verdict.score) == (["PASSED", "FAILED", "NOT_RUN"], 1 / 8)
        assert verdict.score_is_lower_bound
        assert verdict.cases[2].weight == 5
        assert not verdict.cases[2].HasField("output")


def test_the_outcome_is_that_of_the_first_case_that_did_not_pass(judge: Judge) -> None:
    source = "what = input()\nif what == 'crash': 1 / 0\nprint(what)"
    cases = [("ok", "ok"), ("crash", "crash"), ("ok", "no"), ("ok", "ok")]
    verdict = judge(stdio(source, *cases))
    assert (outcome(verdict), verdict.score) == ("CRASHED", 0.5)
    verdict = judge(stdio(source, cases[0], cases[2], cases[1]))
    assert outcome(verdict) == "FAILED"
    assert [(d.line, d.message) for d in verdict.diagnostics] == [(2, "ZeroDivisionError: division by zero")]
