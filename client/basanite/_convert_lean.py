"""Tasks of the kind "lean" to and from protobuf."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from basanite._errors import CandidateRefused, ItemFormatError
from basanite._fields import UNICODE_RULE, flag, integer, is_unicode, sequence, string, text, texts
from basanite._lean_tasks import (
    STANDARD_AXIOMS,
    LeanCodeTest,
    LeanCompleteTask,
    LeanElaborateTask,
    LeanStep,
    LeanStepsTask,
    LeanTask,
    LeanTheoremTask,
    LeanVerifiedCodeTask,
)
from basanite.v1 import tasks_pb2

_MAX_SOLUTION_BYTES: Final = 1 << 20
_MAX_WEIGHT: Final = 1_000_000
_MAX_STEPS: Final = 1_000


def put_lean(task: LeanTask, proto: tasks_pb2.LeanTask) -> None:
    """Fill in the message. Raises ItemFormatError."""
    if not isinstance(task, LeanElaborateTask):
        axioms = texts(task.allowed_axioms, "lean.allowed_axioms.names", "names")
        if axioms != [*STANDARD_AXIOMS]:
            proto.allowed_axioms.names.extend(axioms)
            proto.allowed_axioms.SetInParent()
    if isinstance(task, LeanStepsTask):
        _put_steps(task, proto.steps)
        return
    if isinstance(task, LeanVerifiedCodeTask):
        _put_verified_code(task, proto.verified_code)
        return
    scored = not isinstance(task, LeanElaborateTask)
    proto.solution = _candidates(task.solution, "lean.solution", _MAX_SOLUTION_BYTES, scored=scored)
    if isinstance(task, LeanTheoremTask | LeanCompleteTask):
        proto.leanchecker = flag(task.leanchecker, "lean.leanchecker")
    if isinstance(task, LeanTheoremTask):
        proto.theorem.challenge = text(task.challenge, "lean.theorem.challenge")
        proto.theorem.targets.extend(texts(task.targets, "lean.theorem.targets", "names"))
        proto.theorem.SetInParent()
    elif isinstance(task, LeanCompleteTask):
        proto.complete.prefix = text(task.prefix, "lean.complete.prefix")
        proto.complete.suffix = text(task.suffix, "lean.complete.suffix")
        proto.complete.targets.extend(texts(task.targets, "lean.complete.targets", "names"))
        proto.complete.SetInParent()
    else:
        proto.elaborate.SetInParent()


def _put_steps(task: LeanStepsTask, proto: tasks_pb2.StepsForm) -> None:
    proto.preamble = text(task.preamble, "lean.steps.preamble")
    steps = sequence(task.steps, "lean.steps.steps", "LeanSteps")
    if not 1 <= len(steps) <= _MAX_STEPS:
        raise ItemFormatError("lean.steps.steps", f"must be 1 to {_MAX_STEPS}")
    left = _MAX_SOLUTION_BYTES
    for index, step in enumerate(steps):
        field = f"lean.steps.steps[{index}]"
        if not isinstance(step, LeanStep):
            raise ItemFormatError(field, "must be a LeanStep")
        proof = _candidates(step.proof, f"{field}.proof", left)
        left -= len(proof.encode())
        proto.steps.add(
            name=text(step.name, f"{field}.name"),
            statement=text(step.statement, f"{field}.statement"),
            proof=proof,
            weight=integer(step.weight, f"{field}.weight", 1, _MAX_WEIGHT),
        )


_OF_THE_CANDIDATE: Final = ("implementation", "precondition", "postcondition", "proof")
_TRUSTED: Final = (
    *("name", "return_type", "preamble", "reference_implementation", "reference_precondition"),
    "reference_postcondition",
)
_CODE: Final = "lean.verified_code"


def _put_verified_code(task: LeanVerifiedCodeTask, proto: tasks_pb2.VerifiedCodeForm) -> None:
    left = _MAX_SOLUTION_BYTES
    for name in _OF_THE_CANDIDATE:
        given = _candidates(getattr(task, name), f"{_CODE}.{name}", left)
        left -= len(given.encode())
        setattr(proto, name, given)
    for name in _TRUSTED:
        setattr(proto, name, text(getattr(task, name), f"{_CODE}.{name}"))
    for index, parameter in enumerate(sequence(task.parameters, f"{_CODE}.parameters", "pairs")):
        field = f"{_CODE}.parameters[{index}]"
        if not isinstance(parameter, Sequence) or len(parameter) != 2:
            raise ItemFormatError(field, "must be a name and a type")
        proto.parameters.add(
            name=text(parameter[0], f"{field}.name"), type=text(parameter[1], f"{field}.type")
        )
    for index, test in enumerate(sequence(task.tests, f"{_CODE}.tests", "LeanCodeTests")):
        field = f"{_CODE}.tests[{index}]"
        if not isinstance(test, LeanCodeTest):
            raise ItemFormatError(field, "must be a LeanCodeTest")
        proto.tests.add(
            arguments=text(test.arguments, f"{field}.arguments"),
            expected=text(test.expected, f"{field}.expected"),
            unexpected=texts(test.unexpected, f"{field}.unexpected", "terms"),
        )
    proto.rejected_arguments.extend(texts(task.rejected_arguments, f"{_CODE}.rejected_arguments", "terms"))
    proto.SetInParent()


def _candidates(given: Any, field: str, most: int, *, scored: bool = True) -> str:
    checked = string(given, field)
    if len(checked) > most or (is_unicode(checked) and len(checked.encode()) > most):
        rule = f"must be at most {_MAX_SOLUTION_BYTES} bytes"
        raise CandidateRefused(field, rule, "the proof", scored)
    if not is_unicode(checked):
        raise CandidateRefused(field, UNICODE_RULE, "the proof", scored)
    return checked


# From protobuf


def lean_from_proto(proto: tasks_pb2.LeanTask) -> LeanTask:
    """Raises ItemFormatError if it is none that this version knows."""
    form = proto.WhichOneof("form")
    axioms = tuple(proto.allowed_axioms.names) if proto.HasField("allowed_axioms") else STANDARD_AXIOMS
    if form == "theorem":
        targets = tuple(proto.theorem.targets)
        return LeanTheoremTask(proto.solution, proto.theorem.challenge, targets, axioms, proto.leanchecker)
    if form == "complete":
        complete = proto.complete
        return LeanCompleteTask(
            proto.solution,
            complete.prefix,
            complete.suffix,
            tuple(complete.targets),
            axioms,
            proto.leanchecker,
        )
    if form == "steps":
        steps = [
            LeanStep(step.name, step.statement, step.proof, step.weight or 1) for step in proto.steps.steps
        ]
        return LeanStepsTask(tuple(steps), proto.steps.preamble, axioms)
    if form == "verified_code":
        code = proto.verified_code
        names = (*_OF_THE_CANDIDATE, *_TRUSTED)
        return LeanVerifiedCodeTask(
            **{name: getattr(code, name) for name in names},
            parameters=tuple((one.name, one.type) for one in code.parameters),
            tests=tuple(
                LeanCodeTest(test.arguments, test.expected, tuple(test.unexpected)) for test in code.tests
            ),
            rejected_arguments=tuple(code.rejected_arguments),
            allowed_axioms=axioms,
        )
    if form == "elaborate":
        return LeanElaborateTask(proto.solution)
    raise ItemFormatError("lean.form", "must be set: theorem, complete, steps, elaborate or verified_code")
