"""Items to and from protobuf.

Field paths in errors are those of the protobuf Item, as the server names them.
"""

from __future__ import annotations

from typing import Final, get_args

from basanite._convert_code import code_from_proto, put_code
from basanite._convert_dafny import dafny_from_proto, put_dafny
from basanite._convert_lean import lean_from_proto, put_lean
from basanite._convert_unittest import put_unittest, unittest_from_proto
from basanite._convert_verilog import put_verilog, verilog_from_proto
from basanite._dafny_tasks import DafnyTask
from basanite._enums import ASSURANCE_NUMBERS, ASSURANCES
from basanite._errors import ItemFormatError
from basanite._fields import text
from basanite._lean_tasks import LeanTask
from basanite._results import Assurance
from basanite._tasks import CodeTask, ExtensionTask, Item, Limits, Task
from basanite._unittest_tasks import UnittestTask
from basanite._verilog_tasks import VerilogTask
from basanite.v1 import result_pb2, verifier_pb2

_MAX_ID_BYTES: Final = 256
_FLOAT_LIMITS: Final = ("cpu_seconds", "wall_seconds")
_INT_LIMITS: Final = ("memory_bytes", "processes", "file_bytes", "disk_bytes", "open_files", "output_bytes")
_USE: Final = verifier_pb2.CACHE_POLICY_USE
_BYPASS: Final = verifier_pb2.CACHE_POLICY_BYPASS


def check_id(item_id: str) -> None:
    """Raises ItemFormatError for an id that the contract does not allow."""
    text(item_id, "id")
    if not 1 <= len(item_id.encode()) <= _MAX_ID_BYTES:
        raise ItemFormatError("id", f"must be 1 to {_MAX_ID_BYTES} bytes")


def item_to_proto(item: Item, assurance: Assurance) -> verifier_pb2.Item:
    """The item without its id. `assurance` is what is required if the item does not say.

    Raises ItemFormatError if the item cannot be converted. Rules that a server states in Describe, or that
    only it can judge, are left to the server.
    """
    try:
        return _item_to_proto(item, assurance)
    except ItemFormatError:
        raise
    except Exception as error:  # whatever a caller put where something else belongs
        raise ItemFormatError("", f"cannot be converted ({type(error).__name__}: {error})") from error


def _item_to_proto(item: Item, assurance: Assurance) -> verifier_pb2.Item:
    required = item.require_assurance if item.require_assurance is not None else assurance
    if required not in ASSURANCE_NUMBERS:
        raise ItemFormatError("require_assurance", "must be an Assurance")
    proto = verifier_pb2.Item(
        cache_policy=_USE if item.cache else _BYPASS,
        require_assurance=result_pb2.Assurance.ValueType(ASSURANCE_NUMBERS[required]),
    )
    if item.environment:
        proto.environment = text(item.environment, "environment")
    if item.limits is not None:
        _put_limits(item.limits, proto.limits)
    task = item.task
    if isinstance(task, CodeTask):
        proto.kind = "code"
        put_code(task, proto.code)
    elif isinstance(task, VerilogTask):
        proto.kind = "verilog"
        put_verilog(task, proto.verilog)
    elif isinstance(task, UnittestTask):
        proto.kind = "unittest"
        put_unittest(task, proto.unittest)
    elif isinstance(task, LeanTask):
        proto.kind = "lean"
        put_lean(task, proto.lean)
    elif isinstance(task, DafnyTask):
        proto.kind = "dafny"
        put_dafny(task, proto.dafny)
    elif isinstance(task, ExtensionTask):
        proto.kind = proto.extension.kind = text(task.kind, "extension.kind")
        if not isinstance(task.payload, bytes):
            raise ItemFormatError("extension.payload", "must be bytes")
        proto.extension.payload = task.payload
    else:
        raise ItemFormatError("task", f"must be one of {', '.join(kind.__name__ for kind in get_args(Task))}")
    return proto


def _put_limits(limits: Limits, proto: verifier_pb2.Limits) -> None:
    for names, kinds, wanted in (
        (_FLOAT_LIMITS, (int, float), "number"),
        (_INT_LIMITS, (int,), "64-bit integer"),
    ):
        for name in names:
            value = getattr(limits, name)
            if value is None:
                continue
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise ItemFormatError(f"limits.{name}", f"must be a {wanted}")
            try:
                setattr(proto, name, value)
            except (ValueError, OverflowError) as error:
                raise ItemFormatError(f"limits.{name}", f"must be a {wanted}") from error


# From protobuf


def item_from_proto(proto: verifier_pb2.Item) -> Item:
    """The item that a message describes. Raises ItemFormatError if it is none that this version knows."""
    return Item(
        task=_task_from_proto(proto),
        id=proto.id,
        limits=_limits_or_none(proto),
        environment=proto.environment,
        cache=proto.cache_policy != _BYPASS,
        require_assurance=_assurance_from_proto(proto.require_assurance),
    )


def _assurance_from_proto(number: int) -> Assurance | None:
    if number and number not in ASSURANCES:
        raise ItemFormatError("require_assurance", "must be ASSURANCE_GUARDED or ASSURANCE_SEPARATED")
    return ASSURANCES.get(number)


def _limits_or_none(proto: verifier_pb2.Item) -> Limits | None:
    return limits_from_proto(proto.limits) if proto.HasField("limits") else None


def limits_from_proto(proto: verifier_pb2.Limits) -> Limits:
    """Limits, None where unset."""
    return Limits(
        **{name: getattr(proto, name) for name in (*_FLOAT_LIMITS, *_INT_LIMITS) if proto.HasField(name)}
    )


def _task_from_proto(proto: verifier_pb2.Item) -> Task:
    which = proto.WhichOneof("task")
    if which is None:
        raise ItemFormatError("task", "must be set, by the name of its kind")
    kind = proto.extension.kind if which == "extension" else which
    if proto.kind not in ("", kind):
        raise ItemFormatError("kind", f"must be {kind!r}, as the task that is set")
    if which == "extension":
        return ExtensionTask(kind=kind, payload=proto.extension.payload)
    if which == "unittest":
        return unittest_from_proto(proto.unittest)
    if which == "lean":
        return lean_from_proto(proto.lean)
    if which == "dafny":
        return dafny_from_proto(proto.dafny)
    if which == "verilog":
        return verilog_from_proto(proto.verilog)
    return code_from_proto(proto.code)
