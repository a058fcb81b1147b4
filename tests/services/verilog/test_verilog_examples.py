"""The examples that the server tests itself with: all of them come out as they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from verilog_judge import Judge, explain, name_of, outcome

from basanite_services.chassis.selftest import Example, examples_directory, load_examples
from basanite_services.verilog.verifier import VerilogVerifier

EXAMPLES = load_examples(examples_directory(VerilogVerifier), VerilogVerifier.kind)
ALL = [example for folder in EXAMPLES.values() for example in folder]


@pytest.mark.parametrize(
    "example", ALL, ids=lambda example: f"{example.path.parent.name}/{example.path.stem}"
)
def test_an_example_comes_out_as_it_says(judge: Judge, example: Example) -> None:
    limits = {field.name: value for field, value in example.item.limits.ListFields()}
    verdict = judge(example.item.verilog, **limits)
    assert outcome(verdict) == name_of(example.outcome), explain(verdict)


def test_there_are_enough_of_each_form() -> None:
    assert len(EXAMPLES["pass"]) >= 3
    assert len(EXAMPLES["fail"]) >= 6
    for folder in EXAMPLES.values():
        forms = {example.item.verilog.WhichOneof("form") for example in folder}
        assert forms == set(VerilogVerifier.forms)


def test_all_examples_are_found() -> None:
    directory = Path(examples_directory(VerilogVerifier))
    assert len(ALL) == len(list(directory.glob("*/*.json")))
