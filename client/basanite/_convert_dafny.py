"""Tasks of the kind "dafny" to and from protobuf."""

from __future__ import annotations

from typing import Final

from basanite._dafny_tasks import (
    DafnyHintsTask,
    DafnyImplementTask,
    DafnySpecifyTask,
    DafnyTask,
    DafnyVerifyTask,
)
from basanite._errors import CandidateRefused, ItemFormatError
from basanite._fields import UNICODE_RULE, is_unicode, string, text
from basanite.v1 import tasks_pb2

_MAX_PROGRAM_BYTES: Final = 1 << 20


def put_dafny(task: DafnyTask, proto: tasks_pb2.DafnyTask) -> None:
    """Fill in the message. Raises ItemFormatError."""
    proto.program = _candidates(task.program)
    if isinstance(task, DafnyVerifyTask):
        proto.verify.SetInParent()
    elif isinstance(task, DafnyImplementTask):
        proto.implement.specification = text(task.specification, "dafny.implement.specification")
        proto.implement.SetInParent()
    elif isinstance(task, DafnySpecifyTask):
        proto.specify.specification = text(task.specification, "dafny.specify.specification")
        proto.specify.SetInParent()
    else:
        proto.hints.given = text(task.given, "dafny.hints.given")
        proto.hints.SetInParent()


def _candidates(given: object) -> str:
    field = "dafny.program"
    checked = string(given, field)
    size = len(checked.encode()) if is_unicode(checked) else len(checked)
    if size > _MAX_PROGRAM_BYTES:
        raise CandidateRefused(field, f"must be at most {_MAX_PROGRAM_BYTES} bytes")
    if not is_unicode(checked):
        raise CandidateRefused(field, UNICODE_RULE)
    return checked


def dafny_from_proto(proto: tasks_pb2.DafnyTask) -> DafnyTask:
    """Raises ItemFormatError if it is none that this version knows."""
    form = proto.WhichOneof("form")
    if form == "verify":
        return DafnyVerifyTask(proto.program)
    if form == "implement":
        return DafnyImplementTask(proto.program, proto.implement.specification)
    if form == "specify":
        return DafnySpecifyTask(proto.program, proto.specify.specification)
    if form == "hints":
        return DafnyHintsTask(proto.program, proto.hints.given)
    raise ItemFormatError("dafny.form", "must be set: verify, implement, specify or hints")
