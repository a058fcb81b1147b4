"""Form `steps`: many small statements of one candidate, compiled together.

What does not compile would keep all others from being compiled: a step in which Lean finds an error is taken out, its
statement left as the challenge has it, and the rest is compiled again. Which steps are taken out follows from what the
candidate's own process says: that can only cost it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import CaseResult, Verdict
from basanite.v1.tasks_pb2 import LeanStep
from basanite_services.chassis.verifier import Context, InvalidItem
from basanite_services.lean import check
from basanite_services.lean.judging import Asked, Judge, Judged
from basanite_services.lean.messages import Message, shifted
from basanite_services.lean.verdict import refused, verdict_on

MAX_STEPS = 1_000
_ROUNDS = 4
"""After so many compilations that still fail, the steps that are left are judged one by one."""
_FIELD = "lean.steps"
_HOLE = "sorry"


async def judge_steps(task: tasks_pb2.LeanTask, context: Context, judge: Judge) -> Verdict:
    steps = task.steps.steps
    _check(task)
    names, weights = [step.name for step in steps], [step.weight or 1 for step in steps]
    proofs = [step.proof for step in steps]
    if why := check.too_long(*proofs):
        return refused(why, names, weights)
    challenge, _ = _text(task.steps.preamble, steps, [None] * len(steps))
    asked = Asked(challenge, tuple(names), check.allowed_axioms(task), f"{_FIELD}.steps", f"{_FIELD}.steps")
    out: dict[int, CaseResult] = {}
    said: list[Message] = []
    judged = Judged(tuple(names), [])
    usages = []
    for _ in range(_ROUNDS):
        kept = [None if number in out else proof for number, proof in enumerate(proofs)]
        text, places = _text(task.steps.preamble, steps, kept)
        judged = await judge.judge(asked, text, context)
        usages += judged.usages
        if judged.compiled:
            break
        broken = _broken(judged.messages, places, out)
        if not broken:
            break
        for number, message in broken.items():
            out[number] = _rejected(names[number], message)
            said += shifted([message], places[number][0] - 1, places[number][1], places[number][2])
    if not judged.compiled:
        judged = await _one_by_one(task, asked, context, judge, out)
        usages += judged.usages
    for number, case in out.items():
        judged.cases[number] = case
    judged.usages = usages
    return verdict_on(judged, "", said, weights)


def _check(task: tasks_pb2.LeanTask) -> None:
    steps = task.steps.steps
    if task.solution:
        raise InvalidItem("lean.solution", "must be empty: the steps have the proofs")
    if not 1 <= len(steps) <= MAX_STEPS:
        raise InvalidItem(f"{_FIELD}.steps", f"must be 1 to {MAX_STEPS}")
    check.trusted(_FIELD, task.steps.preamble, *(step.statement for step in steps))
    for number, step in enumerate(steps):
        if not 0 <= step.weight <= check.MAX_WEIGHT:
            raise InvalidItem(f"{_FIELD}.steps[{number}].weight", f"must be 1 to {check.MAX_WEIGHT}")


def _text(
    preamble: str, steps: Sequence[LeanStep], proofs: Sequence[str | None]
) -> tuple[str, list[tuple[int, int, int]]]:
    """A file of all, and for each step its proof's first line, the columns before it there, and how many lines it
    has."""
    parts = [preamble.rstrip("\n"), "\n"]
    line = parts[0].count("\n") + 2
    places = []
    for step, proof in zip(steps, proofs, strict=True):
        given = _HOLE if proof is None else proof
        head = f"{step.statement.rstrip()} := "
        line += head.count("\n")
        places.append((line, len(head.rpartition("\n")[2]), given.count("\n") + 1))
        parts.append(f"{head}{given}\n")
        line += given.count("\n") + 1
    return "".join(parts), places


def _broken(
    messages: Sequence[Message], places: Sequence[tuple[int, int, int]], out: dict[int, CaseResult]
) -> dict[int, Message]:
    """The steps that errors are about, and the first of each."""
    found: dict[int, Message] = {}
    for message in messages:
        if message.severity != "error":
            continue
        before = [number for number, place in enumerate(places) if place[0] <= message.line]
        if before and before[-1] not in out:
            found.setdefault(before[-1], message)
    return found


def _rejected(name: str, message: Message) -> CaseResult:
    first = re.sub(r"\s+", " ", message.text)[:300]
    return CaseResult(outcome=result_pb2.OUTCOME_REJECTED, message=first, declaration=name)


async def _one_by_one(
    task: tasks_pb2.LeanTask, asked: Asked, context: Context, judge: Judge, out: dict[int, CaseResult]
) -> Judged:
    """Each step that is left, with the statements of all others."""
    steps = task.steps.steps
    whole = Judged(asked.targets, [])
    for number, step in enumerate(steps):
        if number in out:
            whole.cases.append(out[number])
            continue
        proofs = [step.proof if other == number else None for other in range(len(steps))]
        text, _ = _text(task.steps.preamble, steps, proofs)
        one = await judge.judge(replace(asked, targets=(step.name,)), text, context)
        whole.cases += one.cases
        whole.usages += one.usages
    return whole
