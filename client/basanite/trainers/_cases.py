"""From what data sets hold to cases of tasks.

Each reader raises ValueError for what it cannot read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from basanite._tasks import FunctionCase, PythonTestCase, StdioCase

_STDIN = ("stdin", "input", "inputs")
_EXPECTED = ("expected", "output", "outputs", "expected_output", "expected_stdout")

_DEFINES_CHECK: Final = re.compile(r"^def check\(", re.MULTILINE)
_CALLS_CHECK: Final = re.compile(r"^(?!def ).*\bcheck\(", re.MULTILINE)


def stdio_cases(value: Any) -> list[StdioCase]:
    """Cases of a StdioTask: a list of {"input": .., "output": ..} (or "stdin", "expected"), perhaps with a "weight"; or
    {"inputs": [..], "outputs": [..]} as APPS, TACO and verl's code data have it, by any of these names; either as JSON
    text too. Input or output may be a list of lines. Rows with a "fn_name", of the same data sets, are about a function
    and no program, and are not read.
    """
    value = _parsed(value)
    if isinstance(value, Mapping) and value.get("fn_name"):
        raise ValueError(
            f"is about a function, {value['fn_name']!r}, and not about standard input and output"
        )
    return [
        StdioCase(
            _text(_get(case, _STDIN, f"case {number}"), f"the input of case {number}"),
            _text(_get(case, _EXPECTED, f"case {number}"), f"the output of case {number}"),
            **_weight(case),
        )
        for number, case in enumerate(_cases(value, _STDIN, _EXPECTED))
    ]


def function_cases(value: Any) -> list[FunctionCase]:
    """Cases of a FunctionTask: a list of {"args": [..], "expected": ..}, perhaps with "kwargs", "raises" and "weight";
    or {"inputs": [[..], ..], "outputs": [..]}, the arguments and the returned value of each call; either as JSON text
    too.
    """
    cases = []
    for number, case in enumerate(_cases(_parsed(value), ("inputs",), ("outputs",))):
        args = _get(case, ("args", "inputs"), f"case {number}")
        if isinstance(args, str) or not isinstance(args, Sequence):
            raise ValueError(f"the arguments of case {number} must be a list")
        given = {name: case[name] for name in ("kwargs", "raises") if case.get(name) is not None}
        if "raises" not in given:
            given["expected"] = _get(case, ("expected", "outputs"), f"case {number}")
        cases.append(FunctionCase(args, **given, **_weight(case)))
    return cases


def python_tests(value: Any) -> list[PythonTestCase]:
    """Cases of a PythonTestTask: the text of the tests, or a list of such texts as MBPP has it, each a case.

    HumanEval's column "test" is not read: it defines check(candidate) and leaves the call, without which every answer
    would pass, to the reader.
    """
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"must be a text or a list of texts, not {type(value).__name__}")
    if any(map(_DEFINES_CHECK.search, texts)) and not any(map(_CALLS_CHECK.search, texts)):
        raise ValueError("defines check(), as HumanEval does, and does not call it; see docs/trainers.md")
    return [PythonTestCase(text) for text in texts]


def _parsed(value: Any) -> Any:
    if not isinstance(value, (str, bytes)):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON ({error})") from error


def _cases(value: Any, *names: Sequence[str]) -> list[Mapping[str, Any]]:
    """The cases one by one, whether they are given so or as columns of these names."""
    if isinstance(value, Mapping):
        columns = [_name_in(value, each, "it") for each in names]
        lists = [value[name] for name in columns]
        if not all(isinstance(each, Sequence) and not isinstance(each, str) for each in lists):
            raise ValueError(f"{' and '.join(columns)} must be lists")
        if len({len(each) for each in lists}) > 1:
            raise ValueError(f"{' and '.join(columns)} must be of one length, not {[*map(len, lists)]}")
        return [dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True)]
    if isinstance(value, Sequence) and all(isinstance(case, Mapping) for case in value):
        return list(value)
    raise ValueError(f"must be a list of objects, or an object of lists, not {type(value).__name__}")


def _name_in(case: Mapping[str, Any], names: Sequence[str], what: str) -> str:
    for name in names:
        if name in case:
            return name
    raise ValueError(f"{what} has no {' or '.join(map(repr, names))}")


def _get(case: Mapping[str, Any], names: Sequence[str], what: str) -> Any:
    return case[_name_in(case, names, what)]


def _text(value: Any, what: str) -> str | bytes:
    if isinstance(value, (str, bytes)):
        return value
    if isinstance(value, Sequence) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    raise ValueError(f"{what} must be a text or a list of lines, not {type(value).__name__}")


def _weight(case: Mapping[str, Any]) -> dict[str, Any]:
    # Tables fill what a row lacks with None.
    return {} if case.get("weight") is None else {"weight": case["weight"]}
