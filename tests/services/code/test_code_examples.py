"""The examples that the server tests itself with: all of them come out as they say."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from code_judge import Judge, explain, name_of, outcome

from basanite_services.chassis.selftest import Example, examples_directory, load_examples
from basanite_services.code.verifier import CodeVerifier

EXAMPLES = load_examples(examples_directory(CodeVerifier), CodeVerifier.kind)
ALL = [example for folder in EXAMPLES.values() for example in folder]


def judged(judge: Judge, example: Example) -> str:
    limits = {field.name: value for field, value in example.item.limits.ListFields()}
    verdict = judge(example.item.code, **limits)
    return outcome(verdict) if outcome(verdict) == name_of(example.outcome) else explain(verdict)


@pytest.mark.parametrize(
    "example", ALL, ids=lambda example: f"{example.path.parent.name}/{example.path.stem}"
)
def test_an_example_comes_out_as_it_says(judge: Judge, example: Example) -> None:
    assert judged(judge, example) == name_of(example.outcome)


def test_there_are_enough_of_each_form() -> None:
    assert len(EXAMPLES["pass"]) >= 3
    assert len(EXAMPLES["fail"]) >= 6
    for folder in EXAMPLES.values():
        forms = {example.item.code.WhichOneof("form") for example in folder}
        assert forms == {"stdio", "function", "python_test"}
        assert any(example.item.code.stdio.HasField("checker") for example in folder)


def test_those_that_run_at_start_are_quick(judge: Judge) -> None:
    began = time.monotonic()
    for folder in EXAMPLES.values():
        judged(judge, folder[0])
    assert time.monotonic() - began < 5


def test_all_examples_are_found() -> None:
    directory = Path(examples_directory(CodeVerifier))
    assert len(ALL) == len(list(directory.glob("*/*.json")))
