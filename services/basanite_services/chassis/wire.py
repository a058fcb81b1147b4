"""Requests as bytes: read item by item where the parser refuses the whole, and results framed by hand.

The protobuf parser takes or refuses a message as a whole, e.g. for one string that is not UTF-8 among
10,000 items. A batch must not be spoiled by one item, so a refused request is split on the wire, where each
item is one length-delimited field 1, and each item is parsed alone. The responses have the same shape
(VerifyResponse.result, VerifyBatchResponse.results and VerifyStreamResponse.results are all field 1), so
that results serialized once are joined without another copy through the parser.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from basanite.v1 import verifier_pb2

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIELD_1 = b"\x0a"
# Looking for the bad field in Python costs about a microsecond a field: enough for any sane item, and no way
# to stop the server for long.
_MAX_FIELDS_SEARCHED = 200_000
_NOT_AN_ITEM = "is not a valid Item"


class Malformed(Exception):
    """The bytes are not a protobuf message."""


@dataclass(frozen=True, slots=True)
class BrokenItem:
    """An item that could not be read."""

    id: str
    """As far as it could be read; empty if it could not."""
    field: str
    rule: str


Entry = verifier_pb2.Item | BrokenItem


def read_batch(
    message: bytes, kind: type[verifier_pb2.VerifyBatchRequest] | type[verifier_pb2.VerifyStreamRequest]
) -> list[Entry]:
    """The items of a VerifyBatchRequest or VerifyStreamRequest. Raises Malformed."""
    try:
        return list(kind.FromString(message).items)
    except DecodeError:
        return [read_item(payload) for payload in split(message)]


def read_single(message: bytes) -> Entry:
    """The item of a VerifyRequest. Raises Malformed, also if there is none."""
    try:
        request = verifier_pb2.VerifyRequest.FromString(message)
    except DecodeError:
        payloads = list(split(message))
        if not payloads:
            raise Malformed("item must be set") from None
        # A singular message field that occurs twice is merged, which on the wire is concatenation.
        return read_item(b"".join(payloads))
    if not request.HasField("item"):
        raise Malformed("item must be set")
    return request.item


def read_item(payload: bytes) -> Entry:
    """Parse one serialized Item, or say what is wrong with it."""
    try:
        return verifier_pb2.Item.FromString(payload)
    except DecodeError:
        pass
    search = _Search()
    try:
        field = search.bad_text(payload, verifier_pb2.Item.DESCRIPTOR, "")
    except Malformed:
        field = None
    if field is None:
        return BrokenItem(_recover_id(payload), "item", _NOT_AN_ITEM)
    return BrokenItem(_recover_id(payload), field, f"{_NOT_AN_ITEM}: text must be UTF-8")


def split(message: bytes) -> Iterator[bytes]:
    """The payloads of field 1 of a message. Raises Malformed."""
    for number, wire_type, start, end in _fields(message):
        if number == 1 and wire_type == _BYTES:
            yield message[start:end]


def frame(payload: bytes) -> bytes:
    """`payload` as a length-delimited field 1."""
    return frame_start(len(payload)) + payload


def frame_start(size: int) -> bytes:
    """What precedes `size` bytes that are a length-delimited field 1."""
    return _FIELD_1 + _varint_of(size)


def _varint_of(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint_at(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and the place after it."""
    value = shift = 0
    while shift < 70:
        if at >= len(data):
            raise Malformed("it ends inside a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise Malformed("a number is longer than ten bytes")


def _fields(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(field number, wire type, start of the value, its end) of each field. Raises Malformed."""
    at, size = 0, len(data)
    while at < size:
        tag, at = _varint_at(data, at)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise Malformed("a field has number 0")
        start = at
        if wire_type == _BYTES:
            length, start = _varint_at(data, at)
            at = start + length
        elif wire_type == _VARINT:
            _, at = _varint_at(data, at)
        elif wire_type == _FIXED64:
            at += 8
        elif wire_type == _FIXED32:
            at += 4
        else:
            # Groups are not part of proto3, and 6 and 7 are nothing.
            raise Malformed("a field has an unknown wire type")
        if at > size:
            raise Malformed("it ends inside a field")
        yield number, wire_type, start, at


def _recover_id(payload: bytes) -> str:
    found = b""
    try:
        for number, wire_type, start, end in _fields(payload):
            if number == 1 and wire_type == _BYTES:
                found = payload[start:end]
    except Malformed:
        pass
    return found[:256].decode(errors="replace")


class _Search:
    """Looks for the first text in a serialized message that is not UTF-8."""

    def __init__(self) -> None:
        self._left = _MAX_FIELDS_SEARCHED

    def bad_text(self, data: bytes, descriptor: Descriptor, prefix: str) -> str | None:
        counts: dict[int, int] = {}
        for number, wire_type, start, end in _fields(data):
            self._left -= 1
            if self._left < 0:
                return None
            field = descriptor.fields_by_number.get(number)
            if field is None or wire_type != _BYTES:
                continue
            path: str = prefix + field.name
            if _is_repeated(field):
                index = counts.get(number, 0)
                counts[number] = index + 1
                path = f"{path}[{index}]"
            if field.type == FieldDescriptor.TYPE_STRING:
                try:
                    data[start:end].decode()
                except UnicodeDecodeError:
                    return path
            elif field.message_type is not None:
                found = self.bad_text(data[start:end], field.message_type, path + ".")
                if found is not None:
                    return found
        return None


def _is_repeated(field: FieldDescriptor) -> bool:
    # protobuf 6.31 replaced `label`, which later versions warn about.
    repeated = getattr(field, "is_repeated", None)
    return bool(field.label == FieldDescriptor.LABEL_REPEATED if repeated is None else repeated)
