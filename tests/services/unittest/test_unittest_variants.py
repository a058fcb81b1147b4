"""Suites in every kind of sandbox: by the compiled agent, the one in Python, without control groups, and reduced."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from unittest_judge import Judge, repository, said

from basanite_sandboxes.spec import SandboxUnavailable
from basanite_services.chassis.selftest import Example, examples_directory, load_examples
from basanite_services.chassis.verifier import ToolchainError
from basanite_services.unittest.verifier import UnittestVerifier

sys.path.insert(0, str(Path(__file__).parents[2] / "sandbox"))
try:
    from sandbox_box import REDUCED, VARIANTS, Variant, make_pool, start_pool
finally:
    sys.path.pop(0)

EXAMPLES = load_examples(examples_directory(UnittestVerifier), UnittestVerifier.kind)
ALL = [example for folder in EXAMPLES.values() for example in folder]
OTHERS = [variant for variant in VARIANTS if variant.uid is None and variant != VARIANTS[0]]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(variant, marks=() if variant is REDUCED else pytest.mark.full) for variant in OTHERS
    ],
    ids=lambda variant: variant.name,
)
def judge(request: pytest.FixtureRequest) -> Iterator[Judge]:
    variant: Variant = request.param
    try:
        made = Judge(make_pool(variant), start_pool)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    made.variant = variant  # type: ignore[attr-defined]
    yield made
    made.close()


@pytest.mark.parametrize(
    "example", ALL, ids=lambda example: f"{example.path.parent.name}/{example.path.stem}"
)
def test_an_example_comes_out_as_it_says_in_every_sandbox(judge: Judge, example: Example) -> None:
    verdict = judge(example.item.unittest)
    assert verdict.outcome == example.outcome, said(verdict)


def test_repositories_are_judged_or_refused_in_words(judge: Judge) -> None:
    snapshot = judge.snapshot({"a.py": "x = 1\n", "test_a.py": "import a\ndef test_a(): assert a.x == 2\n"})
    task = repository(
        "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n", snapshot, ["test_a.py::test_a"]
    )
    if judge.variant is REDUCED:  # type: ignore[attr-defined]
        with pytest.raises(ToolchainError, match="need namespaces"):
            judge(task)
    else:
        assert judge(task).score == 1
