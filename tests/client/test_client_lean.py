"""Tasks of the kind lean over the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from basanite import (
    Assurance,
    CaseResult,
    Item,
    ItemFormatError,
    LeanCodeTest,
    LeanCompleteTask,
    LeanElaborateTask,
    LeanStep,
    LeanStepsTask,
    LeanTheoremTask,
    LeanVerifiedCodeTask,
    Outcome,
    Result,
    Verdict,
)
from basanite._convert import item_from_proto, item_to_proto
from basanite._errors import CandidateRefused
from basanite._json import item_from_json, item_to_json
from basanite._parse import result_from_proto, result_to_proto

TASKS = [
    LeanTheoremTask("theorem t : True := trivial", "theorem t : True := sorry"),
    LeanTheoremTask("s", "c", ["t", "«a b».u"], ["propext"]),
    LeanTheoremTask("s", "c", allowed_axioms=[], leanchecker=True),
    LeanCompleteTask("simp", "theorem t : True := by\n  ", "\n", ("t",)),
    LeanStepsTask(
        (LeanStep("a", "theorem a : True", "trivial", 3), LeanStep("b", "theorem b : True", "x")), "import A"
    ),
    LeanElaborateTask("#check Nat"),
    LeanVerifiedCodeTask(
        "f",
        (("a", "Nat"),),
        "Nat",
        "a",
        "True",
        "result = a",
        "rfl",
        (LeanCodeTest("1", "1", ("2",)),),
        ("0",),
        "p",
        "i",
        "j",
        "k",
    ),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_a_task_comes_back_as_it_was(task: Any) -> None:
    proto = item_to_proto(Item(task), Assurance.SEPARATED)
    assert proto.kind == "lean"
    again = item_from_proto(proto).task
    assert item_to_proto(Item(again), Assurance.SEPARATED) == proto
    assert item_from_json(item_to_json(Item(task))).task == again


@pytest.mark.parametrize(
    ("task", "field"),
    [
        (LeanTheoremTask("s", 3), "lean.theorem.challenge"),  # type: ignore[arg-type]
        (LeanTheoremTask("s", "c", "t"), "lean.theorem.targets"),
        (LeanTheoremTask("s", "c", allowed_axioms="propext"), "lean.allowed_axioms.names"),
        (LeanTheoremTask(3, "c"), "lean.solution"),  # type: ignore[arg-type]
        (LeanStepsTask(()), "lean.steps.steps"),
        (LeanStepsTask(("x",)), "lean.steps.steps[0]"),  # type: ignore[arg-type]
        (LeanStepsTask((LeanStep("a", "b", "c", 0),)), "lean.steps.steps[0].weight"),
        (LeanVerifiedCodeTask("f", ("a",), "Nat", "a"), "lean.verified_code.parameters[0]"),  # type: ignore[arg-type]
        (LeanVerifiedCodeTask("f", (), "Nat", "a", tests=("x",)), "lean.verified_code.tests[0]"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_sent_names_its_field(task: Any, field: str) -> None:
    with pytest.raises(ItemFormatError) as caught:
        item_to_proto(Item(task), Assurance.SEPARATED)
    assert caught.value.field == field
    assert not isinstance(caught.value, CandidateRefused)


@pytest.mark.parametrize("text", ["x" * (2 << 20), "\ud800"])
def test_what_the_candidate_did_wrong_is_the_candidates(text: str) -> None:
    for task in (
        LeanTheoremTask(text, "c"),
        LeanCompleteTask(text, "c"),
        LeanStepsTask((LeanStep("a", "b", text),)),
        LeanVerifiedCodeTask("f", (), "Nat", proof=text),
        LeanElaborateTask(text),
    ):
        with pytest.raises(CandidateRefused):
            item_to_proto(Item(task), Assurance.SEPARATED)


def test_feedback_and_declarations_come_back() -> None:
    case = CaseResult(Outcome.REJECTED, declaration="t", message="no")
    verdict = Verdict(Outcome.REJECTED, 0.0, Assurance.SEPARATED, cases=(case,), feedback="Error 1")
    again = result_from_proto(result_to_proto(Result("x", verdict=verdict)), "x", Assurance.SEPARATED)
    assert again.verdict is not None
    assert again.verdict.feedback == "Error 1"
    assert again.verdict.cases[0].declaration == "t"


@pytest.mark.parametrize(
    "task",
    [
        {"solution": "\ud800", "theorem": {"challenge": "c"}},
        {"solution": "\ud800", "complete": {"prefix": "c"}},
        {
            "steps": {
                "steps": [{"name": "a", "statement": "b", "proof": "x"}, {"name": "c", "proof": "\ud800"}]
            }
        },
        {"verified_code": {"name": "f", "return_type": "Nat", "postcondition": "\ud800"}},
    ],
)
def test_a_line_of_a_file_whose_proof_is_no_unicode_is_the_candidates(task: dict[str, Any]) -> None:
    with pytest.raises(CandidateRefused):
        item_from_json(json.dumps({"id": "x", "kind": "lean", "lean": task}))
