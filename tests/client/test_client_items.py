"""Items and results as dataclasses, protobuf and JSON; and scores."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from basanite import (
    Assurance,
    CapturedOutput,
    CaseResult,
    Checker,
    Comparison,
    Diagnostic,
    ExtensionTask,
    Failure,
    FailureReason,
    FunctionCase,
    FunctionTask,
    Item,
    ItemFormatError,
    Limits,
    Outcome,
    Part,
    PartState,
    ProgramTask,
    PythonTestCase,
    PythonTestTask,
    RaisedException,
    Result,
    ResultHasNoScore,
    RewardUnavailable,
    Severity,
    StdioCase,
    StdioTask,
    Usage,
    Verdict,
    WaveCycle,
    WaveMismatch,
    scores,
)

ITEMS = [
    Item(StdioTask("print(1)", (StdioCase("", "1"),)), id="a"),
    Item(
        StdioTask(
            "é",
            (
                StdioCase(b"\xff", b"\xfe", 7, "exact"),
                StdioCase("1", "2", comparison=Comparison("float_tolerance", 0.0, 0.5)),
            ),
            "tokens",
            True,
            Checker("exit(0)"),
        ),
        limits=Limits(cpu_seconds=1.5, memory_bytes=1 << 30, output_bytes=1),
        environment="numpy",
        cache=False,
        require_assurance=Assurance.GUARDED,
    ),
    Item(
        FunctionTask(
            "def f(x): return x",
            "Solution.f",
            (
                FunctionCase([1, (2, {3})], expected={1: b"x"}),
                FunctionCase([math.inf], expected=None, kwargs={"k": [1]}, weight=1_000_000),
                FunctionCase([[3, 1]], expected_args_after=[[1, 3]], comparison="unordered"),
                FunctionCase([], raises="ValueError", comparison=Comparison("float_tolerance", 0.1)),
            ),
            "strict",
            stop_on_first_failure=True,
            fresh_process=True,
        )
    ),
    Item(
        PythonTestTask(
            "def f(x): return x",
            (PythonTestCase("assert f(1) == 1"), PythonTestCase("assert g('é') == 1", 7)),
            ("f", "g"),
            ("C",),
            "import math",
            stop_on_first_failure=True,
        )
    ),
    Item(PythonTestTask("def f(x): return x", (PythonTestCase("assert f(1) == 1"),), ("f",))),
    Item(ProgramTask("import sys", b"\x00", ("-v", "x"))),
    Item(ProgramTask("import sys", "in")),
    Item(ExtensionTask("example.org/sql", b"select 1")),
]


@pytest.mark.parametrize("item", ITEMS)
def test_items_survive_json(item: Item) -> None:
    assert Item.from_json(item.to_json()) == item
    assert "\n" not in item.to_json()


def test_the_json_of_an_item_is_that_of_the_contract() -> None:
    written = json.loads(ITEMS[0].to_json())
    assert written["kind"] == "code"
    assert written["code"]["stdio"]["cases"] == [{"stdin": "", "expected": "1", "weight": "1"}]


def test_the_kind_may_be_left_out_of_json() -> None:
    item = Item.from_json('{"code": {"language": "python", "source": "1", "program": {}}}')
    assert item.task == ProgramTask("1")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", ""),
        ("{", ""),
        ("[]", ""),
        ("1", ""),
        (b"\xff", ""),
        ('{"nonsense": 1}', ""),
        ("{}", "task"),
        ('{"kind": "verilog", "code": {"program": {}}}', "kind"),
        ('{"code": {}}', "code.form"),
        ('{"code": {"stdio": {"comparison": {"policy": 77}}}}', "code.stdio.comparison.policy"),
        ('{"code": {"function": {"cases": [{"arguments": "nope"}]}}}', "code.function.cases[0].arguments"),
        ('{"code": {"function": {"cases": [{"arguments": "1"}]}}}', "code.function.cases[0].arguments"),
        ('{"code": {"function": {"cases": [{"expected": "NaN"}]}}}', "code.function.cases[0].expected"),
        ('{"require_assurance": 9, "code": {"program": {}}}', "require_assurance"),
        ("{" * 100_000, ""),
        ('{"a":' * 100_000, ""),
    ],
)
def test_json_that_is_no_item_is_an_error_that_names_the_field(text: str | bytes, field: str) -> None:
    with pytest.raises(ItemFormatError) as caught:
        Item.from_json(text)
    assert caught.value.field == field
    assert caught.value.rule.startswith("must be")


VERDICT = Verdict(
    Outcome.FAILED,
    0.25,
    Assurance.GUARDED,
    ("seccomp",),
    (
        CaseResult(
            Outcome.FAILED,
            3,
            Usage(0.1, 0.2, 0.0, 5),
            CapturedOutput(b"\xff", b"e", True, False),
            1,
            9,
            "no",
            '{"$tuple":[1]}',
            "[[1]]",
            RaisedException(("ValueError", "Exception"), "bad"),
            WaveMismatch(
                "y",
                3,
                1_000,
                17,
                "8'hff",
                "8'hxx",
                (WaveCycle(16), WaveCycle(17, {"a": "1'b0", "y": "8'hxx"})),
                ("one cycle late",),
            ),
        ),
        CaseResult(Outcome.NOT_RUN),
    ),
    True,
    (Part("formal", PartState.UNKNOWN), Part("simulation", PartState.PASS, 1.0)),
    "weighted_fraction",
    (Diagnostic(Severity.ERROR, "syntax", "main.py", 1, 2, "CODE"),),
    True,
    "$timescale 1 ms $end",
)
RESULTS = [
    Result("a", VERDICT, None, Usage(1.0, 2.0, 3.0, 4), True, "d", "e"),
    Result("b", None, Failure(FailureReason.OVERLOADED, "busy", "f", "r", True)),
]


@pytest.mark.parametrize("result", RESULTS)
def test_results_survive_json(result: Result) -> None:
    again = Result.from_json(result.to_json())
    assert again == result
    assert hash(again) == hash(result)


def test_values_of_a_case_are_rebuilt_when_asked_for() -> None:
    case = VERDICT.cases[0]
    assert case.returned == (1,)
    assert case.arguments_after == [[1]]
    assert VERDICT.cases[1].returned is None


# Scores


def passed(score: float = 1.0) -> Result:
    return Result("p", Verdict(Outcome.PASSED if score == 1 else Outcome.FAILED, score, Assurance.SEPARATED))


FAILED = Result("f", None, Failure(FailureReason.SANDBOX, "no sandbox could be made"))
UNSCORED = Result("u", Verdict(Outcome.COMPLETED, None, Assurance.SEPARATED))


def test_a_verdict_has_a_score() -> None:
    assert passed().score == 1.0
    assert passed().passed
    assert passed(0.5).score == 0.5
    assert not passed(0.5).passed


def test_reading_a_score_that_is_not_there_raises_and_says_why() -> None:
    with pytest.raises(ResultHasNoScore, match=r"'f'.*SANDBOX: no sandbox could be made"):
        FAILED.score  # noqa: B018
    with pytest.raises(ResultHasNoScore, match=r"'u'.*COMPLETED.*nobody asked to judge"):
        UNSCORED.score  # noqa: B018
    assert not FAILED.passed
    assert not UNSCORED.passed


def test_a_failure_becomes_no_number_by_itself() -> None:
    assert scores([passed(), passed(0.5)]) == [1.0, 0.5]
    with pytest.raises(RewardUnavailable, match=r"2 of 3 .*2 SANDBOX.*no sandbox could be made") as caught:
        scores([FAILED, passed(), FAILED])
    assert caught.value.counts == {"SANDBOX": 2}


def test_what_a_failure_becomes_is_said_on_purpose() -> None:
    assert scores([FAILED, passed()], on_failure=None) == [None, 1.0]
    assert scores(iter([FAILED, passed()]), on_failure=0) == [0.0, 1.0]
    assert scores([FAILED], on_failure=-0.5) == [-0.5]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, True, "zero", [0]])
def test_a_failure_becomes_no_nan(number: Any) -> None:
    with pytest.raises(ValueError, match="on_failure"):
        scores([passed()], on_failure=number)


@pytest.mark.parametrize("on_failure", ["raise", None, 0.0])
def test_a_run_that_nobody_asked_to_judge_has_no_score_whatever_failures_become(on_failure: Any) -> None:
    with pytest.raises(ResultHasNoScore):
        scores([passed(), UNSCORED], on_failure=on_failure)
