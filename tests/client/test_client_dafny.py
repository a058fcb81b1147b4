"""Tasks of the kind "dafny" on their way to a server and back."""

from __future__ import annotations

from typing import Any

import pytest

from basanite import (
    Assurance,
    DafnyHintsTask,
    DafnyImplementTask,
    DafnySpecifyTask,
    DafnyVerifyTask,
    Item,
    ItemFormatError,
)
from basanite._convert import item_from_proto, item_to_proto
from basanite._errors import CandidateRefused
from basanite._json import item_from_json, item_to_json

TASKS = [
    DafnyVerifyTask("method m() { }"),
    DafnyImplementTask("p", "s"),
    DafnySpecifyTask("p", "s"),
    DafnyHintsTask("p", "g"),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_a_task_comes_back_as_it_was(task: Any) -> None:
    proto = item_to_proto(Item(task), Assurance.SEPARATED)
    assert proto.kind == "dafny"
    assert item_from_proto(proto).task == task
    assert item_from_json(item_to_json(Item(task))).task == task


@pytest.mark.parametrize(
    ("task", "field"),
    [
        (DafnyVerifyTask(3), "dafny.program"),  # type: ignore[arg-type]
        (DafnyImplementTask("p", None), "dafny.implement.specification"),  # type: ignore[arg-type]
        (DafnySpecifyTask("p", "\ud800"), "dafny.specify.specification"),
        (DafnyHintsTask("p", b"g"), "dafny.hints.given"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_sent_names_its_field(task: Any, field: str) -> None:
    with pytest.raises(ItemFormatError) as caught:
        item_to_proto(Item(task), Assurance.SEPARATED)
    assert caught.value.field == field
    assert not isinstance(caught.value, CandidateRefused)


@pytest.mark.parametrize("text", ["x" * (2 << 20), "\ud800"])
def test_what_the_candidate_did_wrong_is_the_candidates(text: str) -> None:
    for task in (DafnyVerifyTask(text), DafnyImplementTask(text, "s"), DafnyHintsTask(text, "g")):
        with pytest.raises(CandidateRefused):
            item_to_proto(Item(task), Assurance.SEPARATED)


def test_a_line_of_a_file_whose_program_is_no_unicode_is_the_candidates() -> None:
    with pytest.raises(CandidateRefused):
        item_from_json('{"id": "x", "kind": "dafny", "dafny": {"program": "\\ud800", "verify": {}}}')
