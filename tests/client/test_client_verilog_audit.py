"""What an audit says of what became of stubs and mutants, and how it is shown."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from basanite import Outcome
from basanite._audit_file import show, to_json
from basanite.verilog import Mutant, StubAudit, Survivor, TaskAudit, mutants

WIRE = "module Top(input a, output y);\n  assign y = a & [b];\nendmodule\n"
ALIKE, DIFFERENT = [
    Survivor("top.v", mutant, differs) for mutant, differs in zip(mutants(WIRE), (False, True), strict=False)
]


def audit(
    *stubs: StubAudit, good: Outcome | None = Outcome.PASSED, survivors: tuple[Survivor, ...] = ()
) -> TaskAudit:
    return TaskAudit("[a task]", "testbench", good, stubs=stubs, mutants=10, survivors=survivors)


def shown(*audits: TaskAudit) -> str:
    console = Console(file=io.StringIO(), width=120)
    show(audits, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("stub", "vacuous"),
    [
        (StubAudit("zeros", True), True),
        (StubAudit("unknown", True, None), True),
        (StubAudit("undriven", False), False),
        (StubAudit("ones", None), False),
        (StubAudit("passthrough a", True, True), True),
        (StubAudit("passthrough a", True, False), False),
        (StubAudit("passthrough a", True), False),
        (StubAudit("passthrough a", False), False),
    ],
)
def test_a_check_is_vacuous_if_a_design_passes_that_does_nothing(stub: StubAudit, vacuous: bool) -> None:
    found = audit(StubAudit("other", False), stub)
    assert found.vacuous is vacuous
    assert found.sound is not vacuous
    assert ("VACUOUS" in shown(found)) is vacuous


def test_a_check_is_sound_only_if_its_good_design_passes() -> None:
    assert audit().sound
    assert not audit(good=Outcome.FAILED).sound
    assert not audit(good=None).sound
    assert "0 vacuous checks, 2 with other trouble." in shown(
        audit(), audit(good=None), audit(good=Outcome.FAILED)
    )


def test_survivors_are_shown_those_first_that_differ() -> None:
    found = audit(survivors=(ALIKE, DIFFERENT))
    assert found.detection_rate == 0.8
    lines = [line for line in shown(found).splitlines() if line.startswith("[a task]: passes")]
    assert lines == [
        f"[a task]: passes, and differs: top.v:2: {_change(DIFFERENT.mutant)}",
        f"[a task]: passes, no difference found: top.v:2: {_change(ALIKE.mutant)}",
    ]


def test_what_is_proven_to_be_right_does_not_count() -> None:
    equal = replace(ALIKE, proven_equal=True)
    found = audit(survivors=(equal, DIFFERENT))
    assert (found.wrong_mutants, found.rejected, found.detection_rate) == (9, 8, 8 / 9)
    text = shown(found)
    assert "8 of 9" in text
    assert "1 more mutants are proven to be as right as the good design." in text
    assert _change(equal.mutant) not in text
    told = json.loads(to_json(found))
    assert [survivor["proven_equal"] for survivor in told["survivors"]] == [True, False]
    assert (told["mutants"], told["wrong_mutants"]) == (10, 9)
    all_equal = TaskAudit("b", "testbench", Outcome.PASSED, mutants=1, survivors=(equal,))
    assert all_equal.detection_rate is None


def _change(mutant: Mutant) -> str:
    return f"{mutant.operator}, {mutant.before!r} became {mutant.after!r}"


def test_json_has_one_line_with_all_that_is_known() -> None:
    found = audit(StubAudit("zeros", True, True), survivors=(DIFFERENT,))
    text = to_json(found)
    assert "\n" not in text
    told = json.loads(text)
    assert (told["id"], told["form"], told["good"], told["sound"]) == (
        "[a task]",
        "testbench",
        "PASSED",
        False,
    )
    assert told["stubs"] == [{"stub": "zeros", "passes": True, "differs": True}]
    assert told["detection_rate"] == 0.9
    [survivor] = told["survivors"]
    assert survivor["line"] == 2
    assert survivor["differs"] is True
    assert json.loads(to_json(TaskAudit("b", "cocotb", None, "no server")))["detection_rate"] is None
