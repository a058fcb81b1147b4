"""The examples that the server tests itself with: all of them come out as they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from unittest_judge import Judge, said

from basanite_services.chassis.selftest import Example, examples_directory, load_examples
from basanite_services.unittest.verifier import UnittestVerifier

EXAMPLES = load_examples(examples_directory(UnittestVerifier), UnittestVerifier.kind)
ALL = [example for folder in EXAMPLES.values() for example in folder]


@pytest.mark.parametrize(
    "example", ALL, ids=lambda example: f"{example.path.parent.name}/{example.path.stem}"
)
def test_an_example_comes_out_as_it_says(judge: Judge, example: Example) -> None:
    verdict = judge(example.item.unittest)
    assert verdict.outcome == example.outcome, said(verdict)


def test_all_examples_are_found() -> None:
    assert len(EXAMPLES["pass"]) >= 3
    assert len(EXAMPLES["fail"]) >= 6
    assert len(ALL) == len(list(Path(examples_directory(UnittestVerifier)).glob("*/*.json")))
