"""Items and results as the protobuf JSON of the contract, for files of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format

from basanite._convert import check_id, item_from_proto, item_to_proto
from basanite._errors import CandidateRefused, ItemFormatError
from basanite._fields import UNICODE_RULE, is_unicode
from basanite._parse import result_from_proto, result_to_proto
from basanite._results import Assurance, Result
from basanite._tasks import Item
from basanite.v1 import result_pb2, verifier_pb2


def item_from_json(text: str | bytes) -> Item:
    """Raises ItemFormatError if the text is no item that this version knows."""
    proto = verifier_pb2.Item()
    try:
        _read(text, proto)
    except ItemFormatError:
        if (refused := _refused(text)) is not None:
            raise refused from None
        raise
    return item_from_proto(proto)


def _refused(text: str | bytes) -> CandidateRefused | None:
    """What is to be said if nothing but lone surrogates in the candidate's text keeps this from being an item."""
    first: CandidateRefused | None = None
    try:
        item = json.loads(text)
        for holder, name, refused in _candidates_texts(item):
            if not is_unicode(holder[name]):
                holder[name] = holder[name].encode(errors="replace").decode()
                first = first or refused
        if first is not None:
            item_from_json(json.dumps(item))
    except CandidateRefused as error:
        return error
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):  # it is no item anyway
        return None
    return first


def _candidates_texts(item: Any) -> Iterator[tuple[dict[str, Any], str, CandidateRefused]]:
    """Where the candidate's texts are in an item, and what is to be said if one is no Unicode."""
    if "code" in item:
        code = item["code"]
        yield code, "source", CandidateRefused("code.source", UNICODE_RULE, scored="program" not in code)
        return
    if "dafny" in item:
        yield item["dafny"], "program", CandidateRefused("dafny.program", UNICODE_RULE)
        return
    if "lean" in item:
        lean = item["lean"]
        scored = "elaborate" not in lean
        places = [(lean, "solution", "lean.solution")]
        code = lean.get("verified_code", {})
        names = ("implementation", "precondition", "postcondition", "proof")
        places += [(code, name, f"lean.verified_code.{name}") for name in names]
        steps = lean.get("steps", {}).get("steps", ())
        places += [(step, "proof", f"lean.steps.steps[{index}].proof") for index, step in enumerate(steps)]
        for holder, name, field in places:
            if name in holder:
                yield holder, name, CandidateRefused(field, UNICODE_RULE, "the proof", scored)
        return
    kind, what = ("unittest", "the program") if "unittest" in item else ("verilog", "the design")
    task = item[kind]
    if "patch" in task:
        yield task, "patch", CandidateRefused("unittest.patch", UNICODE_RULE, "the patch")
    for index, file in enumerate(task.get("files", ())):
        for name in file:
            field = f"{kind}.files[{index}].{name}"
            yield file, name, CandidateRefused(field, UNICODE_RULE, what)


def item_to_json(item: Item) -> str:
    """On one line. Raises ItemFormatError if the item cannot be converted."""
    proto = item_to_proto(item, Assurance.SEPARATED)
    if item.require_assurance is None:
        proto.ClearField("require_assurance")
    if type(item.id) is not str or item.id:
        check_id(item.id)
        proto.id = item.id
    return _write(proto)


def result_from_json(text: str | bytes) -> Result:
    """Raises ItemFormatError if the text is no result; what it holds is read as from a server."""
    proto = result_pb2.Result()
    _read(text, proto)
    return result_from_proto(proto, proto.id, None)


def result_to_json(result: Result) -> str:
    """On one line."""
    return _write(result_to_proto(result))


def _read(text: str | bytes, proto: verifier_pb2.Item | result_pb2.Result) -> None:
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        if not decoded.lstrip().startswith("{"):
            raise ValueError("not a JSON object")
        json_format.Parse(decoded, proto, max_recursion_depth=64)
    except (json_format.Error, UnicodeError, RecursionError, ValueError, TypeError, AttributeError) as error:
        raise ItemFormatError(
            "", f"must be the JSON of basanite.v1.{proto.DESCRIPTOR.name}: {error}"
        ) from error


def _write(proto: verifier_pb2.Item | result_pb2.Result) -> str:
    return json_format.MessageToJson(proto, preserving_proto_field_name=True, indent=None, ensure_ascii=False)
