"""Rules of a task: each broken one is an InvalidItem that names field and rule, before anything runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from code_judge import Judge, call, function, name_of, outcome, program, refuse, stdio, stdio_case

from basanite.v1 import tasks_pb2
from basanite_services.chassis.verifier import InvalidItem

GOOD = "def f(*a, **k): return 1"
ONE = {"arguments": "[]", "expected": "1"}


def fn(*cases: dict[str, Any], entry: str = "f", source: str = GOOD, **form: Any) -> tasks_pb2.CodeTask:
    return function(source, entry, *(cases or (ONE,)), **form)


def text(**fields: Any) -> tasks_pb2.TextComparison:
    return tasks_pb2.TextComparison(**fields)


def value(**fields: Any) -> tasks_pb2.ValueComparison:
    return tasks_pb2.ValueComparison(**fields)


def language(name: str) -> tasks_pb2.CodeTask:
    task = stdio("1", ("", ""))
    task.language = name
    return task


PYTHON = tasks_pb2.Checker(language="python", source="1")
INF = float("inf")

BROKEN: dict[str, tuple[tasks_pb2.CodeTask, str, str]] = {
    "no language": (language(""), "code.language", 'must be "python"'),
    "unknown language": (language("cobol"), "code.language", "cobol"),
    "language that is nearly right": (language("Python"), "code.language", 'must be "python"'),
    "long language": (language("x" * 10**6), "code.language", 'must be "python", not "' + "x" * 40 + '"'),
    "no form": (
        tasks_pb2.CodeTask(language="python", source="1"),
        "code.form",
        "stdio, function, python_test or program",
    ),
    # stdio
    "stdio without cases": (stdio("1"), "code.stdio.cases", "1 to 10000 cases, not 0"),
    "stdio with 10,001 cases": (
        stdio("1", *[("", "")] * 10_001),
        "code.stdio.cases",
        "1 to 10000 cases, not 10001",
    ),
    "stdio case without expectation": (
        stdio("1", ("", ""), tasks_pb2.StdioCase(stdin="1")),
        "code.stdio.cases[1].expected",
        "must be set where there is no checker",
    ),
    "negative weight": (
        stdio("1", ("", ""), ("", ""), stdio_case("", "", weight=-1)),
        "code.stdio.cases[2].weight",
        "must be 1 to 1000000",
    ),
    "weight over a million": (
        stdio("1", stdio_case("", "", weight=1_000_001)),
        "code.stdio.cases[0].weight",
        "must be 1 to 1000000",
    ),
    "unknown text policy": (
        stdio("1", ("", ""), comparison=text(policy=99)),  # type: ignore[arg-type]
        "code.stdio.comparison.policy",
        "not 99",
    ),
    "unknown text policy of a case": (
        stdio("1", stdio_case("", "", comparison=text(policy=6))),  # type: ignore[arg-type]
        "code.stdio.cases[0].comparison.policy",
        "not 6",
    ),
    "negative tolerance": (
        stdio("1", ("", ""), comparison=text(policy=4, absolute_tolerance=-1e-9)),
        "code.stdio.comparison.absolute_tolerance",
        "at least 0 and below 1",
    ),
    "tolerance of one": (
        stdio("1", stdio_case("", "", comparison=text(policy=4, relative_tolerance=1.0))),
        "code.stdio.cases[0].comparison.relative_tolerance",
        "at least 0 and below 1",
    ),
    "tolerance nan": (
        stdio("1", ("", ""), comparison=text(policy=4, absolute_tolerance=float("nan"))),
        "code.stdio.comparison.absolute_tolerance",
        "at least 0 and below 1",
    ),
    "tolerance inf": (
        stdio("1", ("", ""), comparison=text(policy=4, relative_tolerance=INF)),
        "code.stdio.comparison.relative_tolerance",
        "at least 0 and below 1",
    ),
    "checker without language": (
        stdio("1", ("", ""), checker=tasks_pb2.Checker(source="1")),
        "code.stdio.checker.language",
        'must be "python"',
    ),
    "checker without source": (
        stdio("1", ("", ""), checker=tasks_pb2.Checker(language="python")),
        "code.stdio.checker.source",
        "must not be empty",
    ),
    "checker too large": (
        stdio("1", ("", ""), checker=tasks_pb2.Checker(language="python", source="#" * (1 << 20) + "\n")),
        "code.stdio.checker.source",
        "at most 1048576 bytes",
    ),
    "weight beside a checker": (
        stdio("1", stdio_case("", "", weight=-5), checker=PYTHON),
        "code.stdio.cases[0].weight",
        "must be 1 to 1000000",
    ),
    # function
    "function without cases": (function(GOOD, "f"), "code.function.cases", "1 to 10000 cases, not 0"),
    "function with 10,001 cases": (
        function(GOOD, "f", *[ONE] * 10_001),
        "code.function.cases",
        "1 to 10000 cases, not 10001",
    ),
    **{
        f"entry point {entry!r}": (fn(entry=entry), "code.function.entry_point", "name of a function")
        for entry in (
            "",
            " ",
            "f()",
            "1f",
            "f.",
            ".f",
            "a.b.c",
            "f g",
            "f\n",
            "a-b",
            "f;import os",
            "f\0",
            "💥",
        )
    },
    "arguments that are no JSON": (
        fn({"arguments": "[1,", "expected": "1"}),
        "code.function.cases[0].arguments",
        "tagged JSON",
    ),
    "arguments that are no array": (
        fn({"arguments": "{}", "expected": "1"}),
        "code.function.cases[0].arguments",
        "must be a JSON array",
    ),
    "arguments that are a tuple": (
        fn({"arguments": '{"$tuple": []}', "expected": "1"}),
        "code.function.cases[0].arguments",
        "must be a JSON array",
    ),
    "keyword arguments that are no object": (
        fn({"keyword_arguments": "[]", "expected": "1"}),
        "code.function.cases[0].keyword_arguments",
        "must be a JSON object",
    ),
    "keyword arguments that are no strings": (
        fn({"keyword_arguments": '{"$dict": [[1, 2]]}', "expected": "1"}),
        "code.function.cases[0].keyword_arguments",
        "must have keys that are strings",
    ),
    "no expectation": (
        fn(ONE, {"arguments": "[]"}),
        "code.function.cases[1].expected",
        "must be set, or raises, or expected_arguments_after",
    ),
    "empty expectation": (fn({"expected": ""}), "code.function.cases[0].expected", "tagged JSON"),
    "expectation that is no JSON": (
        fn({"expected": "nope"}),
        "code.function.cases[0].expected",
        "tagged JSON",
    ),
    "expectation NaN": (fn({"expected": "NaN"}), "code.function.cases[0].expected", "use $float"),
    "expectation of two values": (fn({"expected": "1 2"}), "code.function.cases[0].expected", "tagged JSON"),
    "unknown tag": (
        fn({"expected": '{"$nope": 1}'}),
        "code.function.cases[0].expected",
        "unknown tag '$nope'",
    ),
    "malformed tag": (fn({"expected": '{"$int": "1x"}'}), "code.function.cases[0].expected", "$int takes"),
    "malformed bytes": (fn({"expected": '{"$bytes": "*"}'}), "code.function.cases[0].expected", "base64"),
    "unhashable member of a set": (
        fn({"expected": '{"$set": [[1]]}'}),
        "code.function.cases[0].expected",
        "unhashable",
    ),
    "expectation 1,001 deep": (
        fn({"expected": "[" * 1001 + "]" * 1001}),
        "code.function.cases[0].expected",
        "nested more than 1000 deep",
    ),
    "arguments 100,000 deep": (
        fn({"arguments": "[" * 100_000 + "]" * 100_000, "expected": "1"}),
        "code.function.cases[0].arguments",
        "nested more than 1000 deep",
    ),
    "expectation over 4 MiB": (
        fn({"expected": '"' + "x" * (4 << 20) + '"'}),
        "code.function.cases[0].expected",
        "longer than 4194304 bytes",
    ),
    "arguments after that are no array": (
        fn({"expected_arguments_after": "1"}),
        "code.function.cases[0].expected_arguments_after",
        "must be a JSON array",
    ),
    "arguments after that are empty": (
        fn({"expected_arguments_after": ""}),
        "code.function.cases[0].expected_arguments_after",
        "tagged JSON",
    ),
    **{
        f"exception {name!r}": (fn({"raises": name}), "code.function.cases[0].raises", "name of an exception")
        for name in ("", "Value Error", "1", "a.B", "E\n", "builtins.ValueError")
    },
    "function case's weight": (
        fn(ONE, {**ONE, "weight": 2_000_000}),
        "code.function.cases[1].weight",
        "must be 1 to 1000000",
    ),
    "smallest weight": (
        fn({**ONE, "weight": -(2**63)}),
        "code.function.cases[0].weight",
        "must be 1 to 1000000",
    ),
    "unknown value policy": (
        fn(comparison=value(policy=6)),  # type: ignore[arg-type]
        "code.function.comparison.policy",
        "not 6",
    ),
    "unknown value policy of a case": (
        fn({**ONE, "comparison": value(policy=-1)}),  # type: ignore[arg-type]
        "code.function.cases[0].comparison.policy",
        "not -1",
    ),
    "value tolerance": (
        fn({**ONE, "comparison": value(policy=4, relative_tolerance=2)}),
        "code.function.cases[0].comparison.relative_tolerance",
        "at least 0 and below 1",
    ),
    # program
    "too many arguments": (program("1", *["a"] * 1001), "code.program.arguments", "at most 1000 arguments"),
    "arguments too long": (program("1", "é" * (1 << 16) + "x"), "code.program.arguments", "131072 bytes"),
    "null in an argument": (program("1", "a\0b"), "code.program.arguments", "null"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_named(name: str) -> None:
    task, field, rule = BROKEN[name]
    with pytest.raises(InvalidItem) as caught:
        asyncio.run(refuse(task))
    assert caught.value.field == field
    assert rule in caught.value.rule
    assert len(caught.value.rule) < 300


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (stdio("print(1)#" + "x" * ((1 << 20) - 9), ("", "1")), "PASSED"),
        (stdio("print(1)", stdio_case("", "1", weight=1_000_000)), "PASSED"),
        (
            stdio(
                "print(1)",
                ("", "1"),
                comparison=text(policy=4, absolute_tolerance=0, relative_tolerance=0.99),
            ),
            "PASSED",
        ),
        (fn({"arguments": "", "keyword_arguments": "", "expected": "1"}), "PASSED"),
        (
            fn({"arguments": " [ 1 ,\n\t2\r\n] ", "keyword_arguments": '\n{"a":\n1}', "expected": " 1\n"}),
            "PASSED",
        ),
        (fn({"keyword_arguments": '{"$dict": [["a", 1]]}', "expected": "1"}), "PASSED"),
        (fn({"expected": "[" * 1000 + "]" * 1000}), "FAILED"),
        (fn({"arguments": "[" * 1000 + "]" * 1000, "expected": "1"}), "PASSED"),
        (fn({"expected": '{"$float": "nan"}'}), "FAILED"),
        (fn(entry="ünï", source="ünï = lambda: 1"), "PASSED"),
        (fn(entry="C.f", source="class C:\n f = lambda self: 1"), "PASSED"),
        (program("print(1)", *["a"] * 1000), "COMPLETED"),
        (program("print(1)", "é" * (1 << 16)), "COMPLETED"),
        (program("print(1)", "", "\n", "--help"), "COMPLETED"),
    ],
)
def test_what_is_just_within_the_rules_is_judged(
    judge: Judge, task: tasks_pb2.CodeTask, expected: str
) -> None:
    verdict = judge(task)
    assert outcome(verdict) == expected


def test_ten_thousand_cases(judge: Judge) -> None:
    verdict = judge(fn(*[call(n, gives=n) for n in range(10_000)], source="f = abs"))
    assert outcome(verdict) == "PASSED"
    assert len(verdict.cases) == 10_000
    assert {name_of(case.outcome) for case in verdict.cases} == {"PASSED"}


@pytest.mark.parametrize("source", ["#" * (1 << 20) + "\n", "é" * (1 << 19) + "#", "#" * (16 << 20)])
def test_a_text_that_is_too_long_is_rejected_for_it_is_the_candidate_who_wrote_it(
    judge: Judge, source: str
) -> None:
    for task in (stdio(source, ("", "")), fn(source=source), program(source)):
        verdict = judge(task)
        assert outcome(verdict) == "REJECTED"
        assert verdict.HasField("score") == (not task.HasField("program"))
        assert verdict.score == 0.0
        assert "at most 1048576 bytes" in verdict.diagnostics[0].message


def test_an_empty_text_is_judged_as_any_other(judge: Judge) -> None:
    assert outcome(judge(stdio("", ("", "")))) == "PASSED"
    assert outcome(judge(stdio("", ("", "1")))) == "FAILED"
    assert outcome(judge(fn(source=""))) == "FAILED"
    assert outcome(judge(program(""))) == "COMPLETED"
