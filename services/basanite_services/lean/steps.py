"""Form `steps`: many small statements of one candidate."""

from __future__ import annotations

from basanite.v1 import tasks_pb2
from basanite.v1.result_pb2 import Verdict
from basanite_services.chassis.verifier import Context, InvalidItem
from basanite_services.lean import check
from basanite_services.lean.judging import Judge
from basanite_services.lean.together import Step, judge_together
from basanite_services.lean.verdict import refused, verdict_on

MAX_STEPS = 1_000
_FIELD = "lean.steps.steps"


async def judge_steps(task: tasks_pb2.LeanTask, context: Context, judge: Judge) -> Verdict:
    _check(task)
    steps = [Step(step.name, step.statement, step.proof) for step in task.steps.steps]
    weights = [step.weight or 1 for step in task.steps.steps]
    if why := check.too_long(*(step.proof for step in steps)):
        return refused(why, [step.name for step in steps], weights)
    axioms = check.allowed_axioms(task)
    result = await judge_together(task.steps.preamble, steps, axioms, _FIELD, context, judge)
    return verdict_on(result.cases, result.usages, "", [*result.messages.values()], weights)


def _check(task: tasks_pb2.LeanTask) -> None:
    steps = task.steps.steps
    if task.solution:
        raise InvalidItem("lean.solution", "must be empty: the steps have the proofs")
    if not 1 <= len(steps) <= MAX_STEPS:
        raise InvalidItem(_FIELD, f"must be 1 to {MAX_STEPS}")
    check.trusted("lean.steps", task.steps.preamble, *(step.statement for step in steps))
    for number, step in enumerate(steps):
        if not 0 <= step.weight <= check.MAX_WEIGHT:
            raise InvalidItem(f"{_FIELD}[{number}].weight", f"must be 1 to {check.MAX_WEIGHT}")
