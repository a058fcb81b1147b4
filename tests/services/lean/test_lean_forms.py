"""Forms other than `theorem`, and what tasks may not be."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from lean_judge import Judge, explain, name_of, outcome, theorem

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.tasks_pb2 import CompleteForm, ElaborateForm, LeanStep, LeanTask, StepsForm
from basanite_sandboxes.kept import cache_directory
from basanite_sandboxes.lean import Lean
from basanite_sandboxes.spec import Environment
from basanite_services.chassis.verifier import InvalidItem, TaskFault, ToolchainError

PREFIX = "theorem t (p q : Prop) (hp : p) (hq : q) : q ∧ p := by\n  "


def complete(solution: str, prefix: str = PREFIX, suffix: str = "") -> LeanTask:
    return LeanTask(solution=solution, complete=CompleteForm(prefix=prefix, suffix=suffix))


def steps(*given: tuple[str, str], preamble: str = "") -> LeanTask:
    made = [
        LeanStep(name=f"s{number}", statement=f"theorem s{number} {statement}", proof=proof)
        for number, (statement, proof) in enumerate(given)
    ]
    return LeanTask(steps=StepsForm(preamble=preamble, steps=made))


# complete


def test_a_proof_takes_the_place_of_the_hole(judge: Judge) -> None:
    verdict = judge(complete("constructor\n  · exact hq\n  · exact hp"))
    assert outcome(verdict) == "PASSED", explain(verdict)


@pytest.mark.parametrize(
    ("solution", "expected"),
    [
        ("sorry", "FAILED"),
        ("sorry\naxiom t2 : False", "FAILED"),
        ("exact ⟨hq, hq⟩", "REJECTED"),
        ("exact trust\naxiom trust : False", "REJECTED"),
        ("skip\nend", "REJECTED"),
        ("/-", "REJECTED"),
        ("sorry -- := by exact ⟨hq, hp⟩", "FAILED"),
    ],
)
def test_what_closes_the_hole_early_proves_nothing(judge: Judge, solution: str, expected: str) -> None:
    assert outcome(judge(complete(solution))) == expected


def test_what_follows_the_hole_is_part_of_the_challenge(judge: Judge) -> None:
    suffix = "\n\ntheorem u : True := True.intro\n"
    assert outcome(judge(complete("exact ⟨hq, hp⟩", suffix=suffix))) == "PASSED"
    assert outcome(judge(complete("exact ⟨hq, hp⟩\n#exit", suffix=suffix))) == "PASSED"


def test_positions_are_those_of_the_candidates_own_text(judge: Judge) -> None:
    verdict = judge(complete("constructor\n  · exact hq\n  · exact hq", "\n\n" + PREFIX))
    (diagnostic,) = verdict.diagnostics
    assert (diagnostic.line, diagnostic.column) == (3, 5)
    assert "  · <error>exact hq</error>" in verdict.feedback
    first = judge(complete("exact hq", "\n" + PREFIX))
    assert (first.diagnostics[0].line, first.diagnostics[0].column) == (1, 1)


# steps


def test_each_step_has_a_result(judge: Judge) -> None:
    verdict = judge(
        steps(
            (": True", "True.intro"),
            (": 1 = 2", "by decide"),
            ("(p : Prop) (h : p) : p", "by exact h"),
            (": False", "sorry"),
            (": 2 = 2", "rfl"),
        )
    )
    assert [name_of(case.outcome) for case in verdict.cases] == [
        "PASSED",
        "REJECTED",
        "PASSED",
        "FAILED",
        "PASSED",
    ]
    assert [case.declaration for case in verdict.cases] == [f"s{number}" for number in range(5)]
    assert verdict.score == pytest.approx(0.6)


@pytest.mark.parametrize(
    "proof",
    ["/-", "True.intro\naxiom all (p : Prop) : p", "True.intro\n#exit", "True.intro\nnamespace X", "by"],
)
def test_a_step_cannot_prove_another(judge: Judge, proof: str) -> None:
    verdict = judge(steps((": True", proof), (": 1 = 2", "all _"), (": 2 = 3", "rfl")))
    assert all(case.outcome != result_pb2.OUTCOME_PASSED for case in verdict.cases[1:])


def test_steps_that_all_fail_in_their_own_ways_are_judged_one_by_one(judge: Judge) -> None:
    verdict = judge(steps((": True", "True.intro\nend"), (": 2 = 2", "rfl\nend"), (": 3 = 3", "rfl")))
    assert [name_of(case.outcome) for case in verdict.cases][2] == "PASSED"
    assert verdict.score < 1


def test_definitions_for_all_come_first(judge: Judge) -> None:
    verdict = judge(steps((": one = 1", "rfl"), (": one = one", "rfl"), preamble="def one : Nat := 1"))
    assert outcome(verdict) == "PASSED", explain(verdict)


def test_weights_count(judge: Judge) -> None:
    task = steps((": True", "True.intro"), (": 1 = 2", "rfl"))
    task.steps.steps[0].weight = 3
    assert judge(task).score == pytest.approx(0.75)


def test_steps_that_take_all_of_the_time_do_not_hold_the_sandbox_for_ever(judge: Judge) -> None:
    forever = (": True ∧ True", "by repeat (first | skip)")
    verdict = judge(steps((": True", "True.intro"), *[forever] * 20), cpu_seconds=0.3)
    outcomes = [name_of(case.outcome) for case in verdict.cases]
    assert outcomes[0] == "PASSED"
    assert {*outcomes[1:]} == {"TIME_LIMIT", "NOT_RUN"}
    assert outcomes.count("TIME_LIMIT") < 5
    assert verdict.score_is_lower_bound


# elaborate


def test_messages_and_goals_are_told_and_nothing_is_judged(judge: Judge) -> None:
    text = "theorem t (p : Prop) : p := by\n  skip\n#check t\n"
    verdict = judge(LeanTask(solution=text, elaborate=ElaborateForm()))
    assert outcome(verdict) == "COMPLETED"
    assert not verdict.HasField("score")
    goals, checked = verdict.diagnostics
    assert "⊢ p" in goals.message
    assert "t (p : Prop) : p" in checked.message


def test_an_unknown_import_is_told(judge: Judge) -> None:
    verdict = judge(LeanTask(solution="import Mathlib\n", elaborate=ElaborateForm()))
    assert outcome(verdict) == "REJECTED"
    assert "Mathlib" in explain(verdict)


# Tasks


@pytest.mark.parametrize(
    ("challenge", "targets", "field"),
    [
        ("theorem t : True := nope", [], "lean.theorem.challenge"),
        ("theorem t : True := True.intro", [], "lean.theorem.targets"),
        ("theorem t : True := sorry", ["u"], "lean.theorem.targets"),
        ("import Nothing\ntheorem t : True := sorry", [], "lean.theorem.challenge"),
        ("axiom a : True", ["a"], "lean.theorem.targets"),
        ("def d : Prop := sorry\ntheorem t : d := sorry", ["t"], "lean.theorem.targets"),
    ],
)
def test_a_challenge_that_does_not_work_is_the_tasks_fault(
    judge: Judge, challenge: str, targets: list[str], field: str
) -> None:
    with pytest.raises(TaskFault) as caught:
        judge(theorem(challenge, "theorem t : True := True.intro", targets))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("task", "field"),
    [
        (LeanTask(solution="x"), "lean.form"),
        (theorem("prelude\n", "x"), "lean.theorem.challenge"),
        (theorem("module\n", "x"), "lean.theorem.challenge"),
        (theorem("theorem t : True := sorry", "x", ["a..b"]), "lean.theorem.targets[0]"),
        (theorem("theorem t : True := sorry", "x", ["t", "t"]), "lean.theorem.targets[1]"),
        (theorem("theorem t : True := sorry", "x", axioms=["sorryAx"]), "lean.allowed_axioms.names"),
        (theorem("x" * (5 << 20), "x"), "lean.theorem.challenge"),
        (LeanTask(steps=StepsForm()), "lean.steps.steps"),
        (LeanTask(solution="x", steps=StepsForm(steps=[LeanStep()])), "lean.solution"),
        (LeanTask(steps=StepsForm(steps=[LeanStep(name="s", weight=-1)])), "lean.steps.steps[0].weight"),
    ],
)
def test_what_breaks_a_rule_is_named(judge: Judge, task: tasks_pb2.LeanTask, field: str) -> None:
    with pytest.raises(InvalidItem) as caught:
        judge(task)
    assert caught.value.field == field


def test_a_candidate_that_is_too_long_is_rejected(judge: Judge) -> None:
    verdict = judge(theorem("theorem t : True := sorry", "-" * (2 << 20), ["t"]))
    assert outcome(verdict) == "REJECTED"


def test_no_axioms_can_be_allowed(judge: Judge) -> None:
    task = theorem(
        "theorem t (p q : Prop) (h : p ↔ q) : p = q := sorry",
        "theorem t (p q : Prop) (h : p ↔ q) : p = q := propext h",
        axioms=[],
    )
    verdict = judge(task)
    assert outcome(verdict) == "FORBIDDEN"
    assert "propext" in explain(verdict)


# verified_code


def code(**fields: str) -> LeanTask:
    """Of a function that adds one, whose argument must not be 0."""
    form = tasks_pb2.VerifiedCodeForm(
        name="next",
        parameters=[tasks_pb2.LeanParameter(name="n", type="Nat")],
        return_type="Nat",
        tests=[
            tasks_pb2.VerifiedCodeTest(arguments="3", expected="4", unexpected=["3", "5"]),
            tasks_pb2.VerifiedCodeTest(arguments="7", expected="8", unexpected=["0"]),
        ],
        rejected_arguments=["0"],
        **fields,
    )
    return LeanTask(verified_code=form)


GOOD = {
    "implementation": "Nat.succ n",
    "precondition": "¬ n = 0",
    "postcondition": "result = Nat.add n 1",
    "proof": "rfl",
}


def states(verdict: result_pb2.Verdict) -> dict[str, str]:
    state = result_pb2.Part.State.Name
    return {part.name: state(part.state).removeprefix("STATE_") for part in verdict.parts}


def test_code_specification_and_proof_are_parts(judge: Judge) -> None:
    verdict = judge(code(**GOOD))
    assert states(verdict) == dict.fromkeys(("code", "soundness", "completeness", "proof"), "PASS"), explain(
        verdict
    )
    assert verdict.score == 1


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"implementation": "n", "proof": ""}, {"code": "FAIL"}),
        ({"implementation": "sorry", "proof": ""}, {"code": "FAIL"}),
        ({"implementation": "nope", "proof": ""}, {"code": "FAIL"}),
        ({"implementation": "if n = 3 then 4 else 0", "proof": ""}, {"code": "FAIL"}),
        ({"precondition": ""}, {"soundness": "FAIL"}),
        ({"precondition": "False"}, {"completeness": "FAIL"}),
        ({"postcondition": "True", "proof": "True.intro"}, {"soundness": "FAIL"}),
        ({"postcondition": "False"}, {"completeness": "FAIL", "proof": "FAIL"}),
        (
            {"postcondition": "result = result ∧ ∀ m : Nat, m = m", "proof": "⟨rfl, fun _ => rfl⟩"},
            {"soundness": "UNKNOWN", "completeness": "UNKNOWN"},
        ),
        ({"proof": "sorry"}, {"proof": "FAIL"}),
        ({"proof": "trust _\naxiom trust (p : Prop) : p"}, {"proof": "FAIL"}),
        ({"implementation": "Nat.succ n\naxiom cheat (p : Prop) : p", "proof": "cheat _"}, {"proof": "FAIL"}),
    ],
)
def test_each_part_fails_alone(judge: Judge, changed: dict[str, str], wrong: dict[str, str]) -> None:
    verdict = judge(code(**(GOOD | changed)))
    found = states(verdict)
    assert {name: state for name, state in found.items() if state != "PASS"} == wrong, explain(verdict)
    assert verdict.score == pytest.approx(1 - len(wrong) / len(found))


@pytest.mark.parametrize(
    "changed",
    [
        # Means something true where the implementation is known, and the right thing where it is not.
        {
            "postcondition": "by first | exact (next n = next n) | exact (result = Nat.add n 1)",
            "proof": "rfl",
        },
        # Likewise where its own proof or tests are known.
        {
            "postcondition": "by first | exact (next_test_0 = next_test_0) | exact (result = Nat.add n 1)",
            "proof": "rfl",
        },
        {
            "implementation": "by first | exact (Function.const _ (Nat.succ n) next_postcond) | exact n",
            "proof": "rfl",
        },
    ],
)
def test_a_text_does_not_mean_one_thing_to_its_tests_and_another_to_its_proof(
    judge: Judge, changed: dict[str, str]
) -> None:
    verdict = judge(code(**(GOOD | changed)))
    found = states(verdict)
    assert verdict.score < 1 or all(state == "PASS" for state in found.values())
    if "next n = next n" in changed.get("postcondition", ""):
        assert found["soundness"] == "FAIL", explain(verdict)


def test_a_proof_is_of_the_reference_where_there_is_one(judge: Judge) -> None:
    reference = {"reference_implementation": "Nat.succ n", "reference_postcondition": "result = Nat.succ n"}
    assert states(judge(code(proof="rfl", **reference))) == {"proof": "PASS"}
    weaker = code(proof="True.intro", postcondition="True", **reference)
    assert states(judge(weaker))["proof"] == "FAIL"


def test_a_specification_beside_a_reference_is_judged_apart(judge: Judge) -> None:
    verdict = judge(code(**GOOD, reference_postcondition="result = Nat.succ n"))
    assert states(verdict) == dict.fromkeys(("code", "soundness", "completeness", "proof"), "PASS"), explain(
        verdict
    )
    wrong = judge(code(**(GOOD | {"postcondition": "True"}), reference_postcondition="result = Nat.succ n"))
    assert states(wrong) == {"code": "PASS", "soundness": "FAIL", "completeness": "PASS", "proof": "PASS"}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"proof": "rfl"},
        {"proof": "rfl", "implementation": "n"},
        {"implementation": "n", "reference_precondition": "True"},
    ],
)
def test_what_cannot_be_judged_is_named(judge: Judge, fields: dict[str, str]) -> None:
    with pytest.raises(InvalidItem):
        judge(code(**fields))


def test_an_environment_that_sandboxes_cannot_see_is_said_to_be_one(judge: Judge, tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="below /tmp"):
        judge(theorem("theorem t : True := sorry", "x"), Environment(name="mine", path=tmp_path))


# leanchecker


@pytest.fixture
def checker() -> Iterator[Path]:
    """Stands in for that of an official toolchain: accepts a module that is there and names no `doubt`."""
    place = Path(tempfile.mkdtemp(prefix="test-lean-", dir=cache_directory()))
    place.chmod(0o755)
    program = place / "leanchecker"
    program.write_text(
        '#!/bin/sh\ntest -f "$1.olean" && ! grep -q doubt "$1.olean" || { echo no >&2; exit 1; }\n'
    )
    program.chmod(0o755)
    yield program
    shutil.rmtree(place)


def test_the_toolchains_own_checker_has_a_say_and_not_the_last_one(lean: Lean, checker: Path) -> None:
    other = Judge(lean=dataclasses.replace(lean, checker=checker))
    try:
        asked = {"challenge": "theorem t : True := sorry"}
        for solution, expected, part in (
            ("theorem t : True := True.intro", "PASSED", "PASS"),
            ("theorem doubt : True := True.intro\ntheorem t : True := doubt", "FAILED", "FAIL"),
            ("theorem t : True := sorry", "FAILED", "NOT_RUN"),
        ):
            task = theorem(asked["challenge"], solution)
            task.leanchecker = True
            verdict = other(task)
            assert (outcome(verdict), states(verdict)) == (expected, {"leanchecker": part}), explain(verdict)
    finally:
        other.close()


def test_a_toolchain_without_a_checker_says_so(judge: Judge, lean: Lean) -> None:
    if lean.checker is not None:
        pytest.skip("it has one")
    task = theorem("theorem t : True := sorry", "theorem t : True := True.intro")
    task.leanchecker = True
    with pytest.raises(ToolchainError, match="no leanchecker"):
        judge(task)
    task = steps((": True", "True.intro"))
    task.leanchecker = True
    with pytest.raises(InvalidItem):
        judge(task)
