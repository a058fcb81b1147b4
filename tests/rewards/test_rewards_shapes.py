"""Shapes make numbers from verdicts, and refuse to make any from Failures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from basanite import (
    Assurance,
    Failure,
    FailureReason,
    Outcome,
    Part,
    PartState,
    Result,
    ResultHasNoScore,
    Usage,
    Verdict,
)
from basanite.rewards import (
    Shape,
    binary,
    fraction,
    group_statistics,
    overlong_penalty,
    threshold,
    timely,
    weighted,
    weighted_sum,
    well_formed,
)

FAILED = Result("f", None, Failure(FailureReason.OVERLOADED, "busy"))
COMPLETED = Result("c", Verdict(Outcome.COMPLETED, None, Assurance.SEPARATED))
UNPARSABLE = Result(
    "u",
    Verdict(
        Outcome.REJECTED,
        0.0,
        Assurance.SEPARATED,
        parts=(Part("format", PartState.FAIL, 0.0),),
        score_policy="format",
    ),
)


def scored(score: float, cpu_seconds: float = 0.0) -> Result:
    outcome = Outcome.PASSED if score == 1.0 else Outcome.FAILED
    return Result("r", Verdict(outcome, score, Assurance.SEPARATED), usage=Usage(cpu_seconds=cpu_seconds))


SHAPES: list[Shape] = [
    binary,
    fraction,
    threshold(0.5),
    well_formed,
    timely(1, 2),
    weighted((binary, 0.5), (well_formed, 0.5)),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("result", [FAILED, COMPLETED])
def test_no_shape_makes_a_number_where_nothing_was_judged(shape: Shape, result: Result) -> None:
    with pytest.raises(ResultHasNoScore):
        shape(result)


@pytest.mark.parametrize("shape", SHAPES)
@given(score=st.floats(0, 1), cpu_seconds=st.floats(0, 100))
def test_every_shape_is_in_0_to_1_and_1_only_for_what_may_have_it(
    shape: Shape, score: float, cpu_seconds: float
) -> None:
    value = shape(scored(score, cpu_seconds))
    assert 0.0 <= value <= 1.0
    assert shape(scored(1.0)) == 1.0


def test_binary_is_1_for_a_pass_alone() -> None:
    assert [binary(scored(score)) for score in (0.0, 0.999999, 1.0)] == [0.0, 0.0, 1.0]


def test_threshold_is_1_from_its_minimum_on() -> None:
    assert [threshold(0.5)(scored(score)) for score in (0.0, 0.49, 0.5, 1.0)] == [0.0, 0.0, 1.0, 1.0]


def test_well_formed_tells_a_missing_answer_from_a_wrong_one() -> None:
    assert [well_formed(UNPARSABLE), well_formed(scored(0.0)), well_formed(scored(1.0))] == [0.0, 1.0, 1.0]


def test_timely_falls_with_cpu_time_and_never_rewards_a_fast_failure() -> None:
    shape = timely(1.0, 3.0, least=0.5)
    assert [shape(scored(1.0, cpu)) for cpu in (0, 1, 2, 3, 99)] == [1.0, 1.0, 0.75, 0.5, 0.5]
    assert shape(scored(0.99, 0.0)) == 0.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: threshold(0.0),
        lambda: threshold(1.1),
        lambda: threshold(float("nan")),
        lambda: timely(2, 1),
        lambda: timely(0, float("inf")),
        lambda: timely(0, 1, least=2),
        lambda: weighted(),
        lambda: weighted((binary, float("nan"))),
        lambda: overlong_penalty(10, 0),
        lambda: overlong_penalty(10, 11),
        lambda: overlong_penalty(10, 1, weight=-1),
    ],
)
def test_parameters_that_make_no_sense_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=r"must|needed"):
        make()


def test_the_overlong_penalty_is_that_of_the_dapo_paper() -> None:
    # Equation 13 with L_max 20,480 and L_cache 4,096, the paper's own setting.
    shape = overlong_penalty(20_480, 4_096)
    assert [shape(n) for n in (0, 16_384, 18_432, 20_480, 30_000)] == [0.0, 0.0, -0.5, -1.0, -1.0]
    assert overlong_penalty(4, 2, weight=0.5)(3) == -0.25


def test_a_sum_over_verifiers_has_no_number_where_one_of_them_failed() -> None:
    tests, lint = [scored(1.0), scored(1.0), FAILED], [scored(0.5), FAILED, scored(1.0)]
    assert weighted_sum((tests, binary, 1.0), (lint, fraction, 0.2)) == [1.1, None, None]
    with pytest.raises(ValueError, match="every verifier"):
        weighted_sum((tests, binary, 1.0), (lint[:2], fraction, 0.2))


def test_groups_are_sorted_by_who_passed_and_failures_do_not_count() -> None:
    good, bad = scored(1.0), scored(0.5)
    results = [good, good, good, FAILED, bad, bad, bad, good, FAILED, FAILED, FAILED, bad]
    found = group_statistics(results, 2)
    assert (found.groups, found.all_pass, found.all_fail, found.mixed, found.unjudged) == (6, 2, 2, 1, 1)
    for size in (0, 5):
        with pytest.raises(ValueError, match="whole number"):
            group_statistics(results, size)
