"""Forgeries do not verify, and honest proofs do."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from lean_judge import Judge, explain, name_of, outcome, theorem

from basanite_sandboxes.lean import Lean
from basanite_services.chassis.selftest import Example, examples_directory, load_examples
from basanite_services.lean.verifier import LeanVerifier

HERE = Path(__file__).parent
FORGERIES = tomllib.loads((HERE / "forgeries.toml").read_text())
HONEST = tomllib.loads((HERE / "honest.toml").read_text())["case"]
EXAMPLES = load_examples(examples_directory(LeanVerifier), LeanVerifier.kind)


def _name(case: dict[str, Any]) -> str:
    name: str = case["name"]
    return name


@pytest.mark.parametrize("case", FORGERIES["case"], ids=_name)
def test_a_forgery_does_not_verify(judge: Judge, lean: Lean, case: dict[str, Any]) -> None:
    if case.get("official") and not lean.official:
        pytest.skip("only an official toolchain can express it")
    if case.get("wheel") and lean.official:
        pytest.skip("it declares functions that an official core has")
    challenge = case.get("challenge", FORGERIES["challenge"])
    task = theorem(challenge, case["solution"], axioms=case.get("axioms"))
    verdict = judge(task, **case.get("limits", {}))
    assert outcome(verdict) == case["outcome"], explain(verdict)
    assert case.get("reason", "") in explain(verdict)
    assert verdict.score < 1


@pytest.mark.parametrize("case", HONEST, ids=_name)
def test_an_honest_proof_verifies(judge: Judge, case: dict[str, Any]) -> None:
    task = theorem(case["challenge"], case["solution"], case.get("targets", ()), case.get("axioms"))
    verdict = judge(task)
    assert outcome(verdict) == "PASSED", explain(verdict)
    assert verdict.score == 1
    assert not verdict.feedback


def test_there_are_enough_of_both() -> None:
    assert len([case for case in FORGERIES["case"] if not case.get("official")]) >= 60
    assert len(HONEST) >= 55
    for cases in (FORGERIES["case"], HONEST):
        names = [case["name"] for case in cases]
        assert len({*names}) == len(names)


@pytest.mark.parametrize(
    "example",
    [example for folder in EXAMPLES.values() for example in folder],
    ids=lambda example: f"{example.path.parent.name}/{example.path.stem}",
)
def test_an_example_comes_out_as_it_says(judge: Judge, example: Example) -> None:
    verdict = judge(example.item.lean)
    assert outcome(verdict) == name_of(example.outcome), explain(verdict)


def test_numerals_of_any_length_reach_the_kernel(judge: Judge) -> None:
    digits = "7" * 20_000
    statement = f"theorem t : Nat.succ {digits} = {digits[:-1]}8"
    verdict = judge(theorem(f"{statement} := sorry", f"{statement} := rfl"))
    assert outcome(verdict) == "PASSED", explain(verdict)
