"""Rows of data sets become Items by a declared mapping; what cannot is a Failure that names the column."""

from __future__ import annotations

import json
from typing import Any

import pytest

from basanite import (
    Assurance,
    CocotbTask,
    ConfigurationError,
    ExtensionTask,
    Failure,
    FailureReason,
    FunctionCase,
    FunctionTask,
    Item,
    Limits,
    PythonTestCase,
    PythonTestTask,
    StdioCase,
    StdioTask,
    VerilogCompileTask,
    VerilogEquivalenceTask,
    VerilogTestbenchTask,
)
from basanite._run import encode
from basanite.trainers import Check, Column, Items, function_cases, python_tests, stdio_cases

APPS = {"inputs": ["1\n", "2\n"], "outputs": ["2\n", "4\n"]}
CASES = [StdioCase("1\n", "2\n"), StdioCase("2\n", "4\n")]


@pytest.mark.parametrize(
    "value",
    [
        APPS,
        json.dumps(APPS),
        {"input": ["1\n", "2\n"], "output": ["2\n", "4\n"], "fn_name": None},
        [{"input": "1\n", "output": "2\n"}, {"input": "2\n", "output": "4\n", "weight": None}],
        [{"stdin": "1\n", "expected": "2\n"}, {"stdin": "2\n", "expected_output": "4\n"}],
        json.dumps([{"input": "1\n", "output": "2\n"}, {"input": "2\n", "output": "4\n"}]),
        {"inputs": (["1", ""], ["2", ""]), "outputs": [["2", ""], "4\n"]},
    ],
)
def test_stdio_cases_are_read_as_data_sets_have_them(value: Any) -> None:
    assert stdio_cases(value) == CASES


def test_weights_are_kept() -> None:
    assert stdio_cases([{"input": "", "output": "", "weight": 3}]) == [StdioCase("", "", weight=3)]


def test_function_cases_are_read_as_data_sets_have_them() -> None:
    expected = [FunctionCase([1, 2], 3), FunctionCase([0, 0], 0)]
    assert function_cases([{"args": [1, 2], "expected": 3}, {"args": [0, 0], "expected": 0}]) == expected
    assert function_cases('{"inputs": [[1, 2], [0, 0]], "outputs": [3, 0]}') == expected
    assert function_cases([{"args": [], "kwargs": {"a": 1}, "raises": "ValueError", "weight": 2}]) == [
        FunctionCase([], kwargs={"a": 1}, raises="ValueError", weight=2)
    ]
    # None is a value that a function may have to return.
    assert function_cases([{"args": [], "expected": None}]) == [FunctionCase([], None)]


def test_python_tests_are_one_text_or_several() -> None:
    assert python_tests("assert f()") == [PythonTestCase("assert f()")]
    called = "def check(candidate):\n    assert candidate()\ncheck(f)"
    assert python_tests(called) == [PythonTestCase(called)]
    assert python_tests(["assert f()", "assert g()"]) == [
        PythonTestCase("assert f()"),
        PythonTestCase("assert g()"),
    ]


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (stdio_cases, "{", "no JSON"),
        (stdio_cases, "[" * 100_000, "no JSON"),
        (stdio_cases, 5, "list of objects"),
        (stdio_cases, [["1", "2"]], "list of objects"),
        (stdio_cases, {"inputs": ["1"]}, "'outputs'"),
        (stdio_cases, {"inputs": ["1"], "outputs": []}, "one length"),
        (stdio_cases, {"inputs": "1", "outputs": "2"}, "inputs and outputs must be lists"),
        (stdio_cases, {"fn_name": "f", "inputs": [["1"]], "outputs": ["2"]}, "about a function, 'f'"),
        (stdio_cases, [{"input": "1"}], "case 0 has no 'expected' or 'output'"),
        (stdio_cases, [{"input": 1, "output": "1"}], "input of case 0"),
        (function_cases, [{"args": 1, "expected": 1}], "arguments of case 0"),
        (function_cases, [{"args": [1]}], "case 0 has no 'expected'"),
        (python_tests, 5, "text or a list"),
        (python_tests, "X = {}\n\ndef check(candidate):\n    assert candidate(1) == 1\n", "does not call it"),
    ],
)
def test_what_cannot_be_read_is_a_failure_that_names_the_column(read: Any, value: Any, message: str) -> None:
    items = Items(FunctionTask, entry_point="f", cases=Column("tests", read))
    failure = items("answer", {"tests": value})
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.field) == (FailureReason.INVALID_ITEM, "tests")
    assert message in failure.message
    assert failure.message.startswith("column 'tests': ")


def test_an_item_is_made_of_answer_columns_and_constants() -> None:
    items = Items(
        PythonTestTask,
        cases=Column("test", python_tests),
        entry_points=Column("entry_point", lambda name: [name]),
        prelude=Column("prompt"),
        stop_on_first_failure=True,
        limits=Limits(cpu_seconds=2),
        environment="numpy",
        cache=False,
        require_assurance=Assurance.GUARDED,
    )
    row = {"test": "assert f()", "entry_point": "f", "prompt": "import math", "else": 1}
    assert items("def f(): ...", row) == Item(
        PythonTestTask(
            "def f(): ...",
            [PythonTestCase("assert f()")],
            entry_points=["f"],
            prelude="import math",
            stop_on_first_failure=True,
        ),
        limits=Limits(cpu_seconds=2),
        environment="numpy",
        cache=False,
        require_assurance=Assurance.GUARDED,
    )


DESIGN = "module TopModule; endmodule"


@pytest.mark.parametrize(
    ("items", "task"),
    [
        (
            Items(VerilogEquivalenceTask, top="TopModule", golden=Column("golden"), golden_top="RefModule"),
            VerilogEquivalenceTask(DESIGN, "TopModule", "module RefModule; endmodule", "RefModule"),
        ),
        (
            Items(VerilogTestbenchTask, top=Column("top"), testbench=Column("files"), rule="mismatches"),
            VerilogTestbenchTask(DESIGN, "TopModule", {"tb.v": "module tb; endmodule"}, "mismatches"),
        ),
        (
            Items(CocotbTask, top="TopModule", tests=Column("test"), expected_tests=Column("names")),
            CocotbTask(DESIGN, "TopModule", "import cocotb", ["tests.adds"]),
        ),
        (Items(VerilogCompileTask, top="TopModule"), VerilogCompileTask(DESIGN, "TopModule")),
    ],
)
def test_designs_are_made_into_items_as_programs_are(items: Items, task: Any) -> None:
    row = {
        "golden": "module RefModule; endmodule",
        "files": {"tb.v": "module tb; endmodule"},
        "top": "TopModule",
        "test": "import cocotb",
        "names": ["tests.adds"],
    }
    item = items(DESIGN, row)
    assert item == Item(task)
    assert isinstance(item, Item)
    encode(item, Assurance.SEPARATED)


def test_a_column_that_the_data_set_lacks_is_named_with_those_that_it_has() -> None:
    with pytest.raises(ConfigurationError, match="no column 'tests'; it has: a, b"):
        Items(StdioTask, cases=Column("tests"))("x", {"b": 1, "a": 2})


def test_a_mapping_that_does_not_fit_the_task_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="needs cases"):
        Items(StdioTask)
    with pytest.raises(ConfigurationError, match="no field entry_point; it has source, cases"):
        Items(StdioTask, cases=Column("tests"), entry_point="f")
    with pytest.raises(ConfigurationError, match=r"StdioTask\.source takes the answer"):
        Items(StdioTask, cases=Column("tests"), source="x")
    with pytest.raises(ConfigurationError, match="no field source"):
        Items(ExtensionTask, kind="example.org/sql")
    with pytest.raises(ConfigurationError, match="finite"):
        Check(Items(StdioTask, cases=Column("tests")), weight=float("nan"))
