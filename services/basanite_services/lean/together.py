"""Many small declarations, compiled together, each judged for itself.

What does not compile would keep all others from being compiled: a declaration in which Lean finds an error is taken
out, its statement left as the challenge has it, and the rest is compiled again. Which are taken out follows from what
the candidate's own process says: that can only cost it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import CaseResult, Usage
from basanite_services.chassis.verifier import Context
from basanite_services.lean.index import Name
from basanite_services.lean.judging import Asked, Judge, Judged
from basanite_services.lean.messages import Message, shifted

_ROUNDS = 4
"""After so many compilations that still fail, what is left is judged one by one."""
_PATIENCE = 2
"""One by one: after so many times the CPU time of one compilation the others are not judged any more. A candidate whose
every proof takes all of its time would hold its sandbox until the caller's deadline makes a Failure of it."""
_HOLE = "sorry"


@dataclass(frozen=True, slots=True)
class Step:
    """A declaration: `statement`, which is trusted, ":=", and `proof`."""

    name: str
    statement: str
    proof: str


@dataclass
class Together:
    """What came of them."""

    cases: list[CaseResult]
    """One a step, without weights."""
    messages: dict[int, Message] = field(default_factory=dict)
    """About the proofs that did not compile, by the step's place, the first of each, in its own positions."""
    usages: list[Usage] = field(default_factory=list)


async def judge_together(
    preamble: str,
    steps: Sequence[Step],
    allowed: frozenset[Name],
    path: str,
    context: Context,
    judge: Judge,
    *,
    one_by_one: bool = True,
) -> Together:
    """`path`: of the steps' field. `one_by_one`: steps that cannot be compiled together are judged apart, each with no
    more than the statements of the others. Raises InvalidItem, TaskFault, Overloaded, ToolchainError."""
    names = tuple(step.name for step in steps)
    challenge, _ = _text(preamble, steps, [None] * len(steps))
    asked = Asked(challenge, names, allowed, path, path)
    result = Together([])
    out: dict[int, CaseResult] = {}
    judged = Judged(names, [])
    for _ in range(_ROUNDS):
        kept = [None if number in out else step.proof for number, step in enumerate(steps)]
        text, places = _text(preamble, steps, kept)
        judged = await judge.judge(asked, text, context)
        result.usages += judged.usages
        if judged.compiled:
            break
        broken = _broken(judged.messages, places, out)
        if not broken:
            break
        for number, message in broken.items():
            first = re.sub(r"\s+", " ", message.text)[:300]
            out[number] = CaseResult(
                outcome=result_pb2.OUTCOME_REJECTED, message=first, declaration=names[number]
            )
            line, columns, lines = places[number]
            for own in shifted([message], line - 1, columns, lines):
                result.messages[number] = own
    result.cases = judged.cases
    if not judged.compiled and one_by_one:
        result.cases = await _one_by_one(preamble, steps, asked, context, judge, out, result.usages)
    for number, case in out.items():
        result.cases[number] = case
    return result


def _text(
    preamble: str, steps: Sequence[Step], proofs: Sequence[str | None]
) -> tuple[str, list[tuple[int, int, int]]]:
    """A file of all, and for each step its proof's first line, the columns before it there, and how many lines it
    has."""
    parts = [preamble.rstrip("\n"), "\n"] if preamble.strip() else []
    line = "".join(parts).count("\n") + 1
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


async def _one_by_one(
    preamble: str,
    steps: Sequence[Step],
    asked: Asked,
    context: Context,
    judge: Judge,
    out: dict[int, CaseResult],
    usages: list[Usage],
) -> list[CaseResult]:
    """Each step that is left, with the statements of all others."""
    cases = []
    for number, step in enumerate(steps):
        if number in out:
            cases.append(out[number])
            continue
        if sum(usage.cpu_seconds for usage in usages) > _PATIENCE * context.limits.cpu_seconds:
            what = "the steps before took all of the time"
            cases.append(CaseResult(outcome=result_pb2.OUTCOME_NOT_RUN, message=what, declaration=step.name))
            continue
        proofs = [step.proof if other == number else None for other in range(len(steps))]
        text, _ = _text(preamble, steps, proofs)
        one = await judge.judge(replace(asked, targets=(step.name,)), text, context)
        cases += one.cases
        usages += one.usages
    return cases
