"""Forms `theorem` and `complete`: a solution against a challenge."""

from __future__ import annotations

from basanite.v1 import tasks_pb2
from basanite.v1.result_pb2 import Verdict
from basanite_services.chassis.verifier import Context
from basanite_services.lean import check
from basanite_services.lean.judging import Asked, Judge, Judged
from basanite_services.lean.messages import shifted
from basanite_services.lean.verdict import refused, verdict_on

_HOLE = "sorry"


async def judge_theorem(task: tasks_pb2.LeanTask, context: Context, judge: Judge) -> Verdict:
    form = task.theorem
    field, targets_field = "lean.theorem.challenge", "lean.theorem.targets"
    check.trusted(field, form.challenge)
    targets = check.targets(targets_field, form.targets)
    axioms = check.allowed_axioms(task)
    asked = Asked(form.challenge, targets, axioms, field, targets_field, task.leanchecker)
    if why := check.too_long(task.solution):
        return refused(why, targets or [""])
    judged = await judge.judge(asked, task.solution, context)
    return _with_parts(verdict_on(judged.cases, judged.usages, task.solution, judged.messages), judged)


async def judge_complete(task: tasks_pb2.LeanTask, context: Context, judge: Judge) -> Verdict:
    form = task.complete
    field, targets_field = "lean.complete.prefix", "lean.complete.targets"
    check.trusted(field, form.prefix, form.suffix)
    targets = check.targets(targets_field, form.targets)
    challenge = f"{form.prefix}{_HOLE}{form.suffix}"
    axioms = check.allowed_axioms(task)
    asked = Asked(challenge, targets, axioms, field, targets_field, task.leanchecker)
    if why := check.too_long(task.solution):
        return refused(why, targets or [""])
    judged = await judge.judge(asked, f"{form.prefix}{task.solution}{form.suffix}", context)
    before = form.prefix.split("\n")
    lines = task.solution.count("\n") + 1
    own = shifted(judged.messages, len(before) - 1, len(before[-1]), lines)
    return _with_parts(verdict_on(judged.cases, judged.usages, task.solution, own), judged)


def _with_parts(verdict: Verdict, judged: Judged) -> Verdict:
    verdict.parts.extend(judged.parts)
    return verdict
