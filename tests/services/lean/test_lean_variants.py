"""What a verdict says does not depend on the sandbox: without a C compiler for the agent no tool is warm, and where
isolation is reduced there is no /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from lean_judge import Judge, explain, name_of, outcome

from basanite_sandboxes.lean import Lean
from basanite_sandboxes.process import ProcessPool, native
from basanite_services.chassis.selftest import examples_directory, load_examples
from basanite_services.lean.verifier import LeanVerifier

EXAMPLES = load_examples(examples_directory(LeanVerifier), LeanVerifier.kind)


@pytest.fixture(params=["fallback", pytest.param("reduced", marks=pytest.mark.full)])
def other(request: pytest.FixtureRequest, lean: Lean, monkeypatch: pytest.MonkeyPatch) -> Iterator[Judge]:
    if request.param == "reduced" and os.geteuid() != 0:
        pytest.skip("not root: without namespaces there would be no other users")
    if request.param == "fallback":
        monkeypatch.setattr(native, "library", lambda: None)
    isolation = "reduced" if request.param == "reduced" else "full"
    judge = Judge(ProcessPool(cells=1, isolation=isolation))
    yield judge
    judge.close()


def test_examples_come_out_as_they_say_in_every_sandbox(other: Judge) -> None:
    for example in [example for folder in EXAMPLES.values() for example in folder]:
        verdict = other(example.item.lean)
        assert outcome(verdict) == name_of(example.outcome), f"{example.path.stem}: {explain(verdict)}"
