"""Tagged JSON (tasks.proto says what it is), from and to whatever objects the candidate's code makes.

Base-class methods are called directly, so that an honest subclass with odd overrides still gives its value.
"""

import base64
import json
import sys
import types
from collections import abc

MAX_DEPTH = 1000
MAX_BYTES = 4 << 20
SAFE_INT = 2**53
MAX_BITS = 332_192


converted = []
"""Types that the last values had whose data look like those of another type: a bytearray's like those of bytes."""


class Opaque(Exception):
    """The value has no form as data."""


def with_deep_recursion(function, value):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 20 * MAX_DEPTH))
    try:
        return function(value)
    finally:
        sys.setrecursionlimit(limit)


def parse(line):
    """A call, as the trusted side wrote it: with integers of any length."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return with_deep_recursion(json.loads, line)
    finally:
        sys.set_int_max_str_digits(limit)


def encode(value, depth=0):
    """-> what json.dumps takes. Raises Opaque."""
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return _text(value)
    if kind is int:
        return _integer(value)
    if kind is float:
        return _float(value)
    if depth >= MAX_DEPTH:
        raise Opaque("a value nested deeper than 1000 cannot be returned")
    if kind is list:
        return [encode(item, depth + 1) for item in value]
    if kind is tuple:
        return {"$tuple": [encode(item, depth + 1) for item in value]}
    if kind is dict:
        return _mapping(value, depth)
    return _other(value, kind, depth)


def _text(value):
    try:
        value.encode()
    except UnicodeEncodeError:
        return {"$str": [ord(character) for character in value]}
    return value


def _integer(value):
    if -SAFE_INT <= value <= SAFE_INT:
        return value
    return {"$int": _decimal(value)}


def _decimal(value):
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        if value.bit_length() > MAX_BITS:
            raise Opaque("an integer of more than 100,000 digits cannot be returned")
        return int.__repr__(value)
    finally:
        sys.set_int_max_str_digits(limit)


def _float(value):
    if value != value:
        return {"$float": "nan"}
    if value in (float("inf"), float("-inf")):
        return {"$float": "inf" if value > 0 else "-inf"}
    return value


def _mapping(value, depth):
    pairs = list(dict.items(value))
    if all(type(key) is str and key[:1] != "$" and key.isascii() for key, _ in pairs):
        return {key: encode(item, depth + 1) for key, item in pairs}
    return {"$dict": [[encode(key, depth + 1), encode(item, depth + 1)] for key, item in pairs]}


def _other(value, kind, depth):
    if issubclass(kind, int):
        return _integer(int.__index__(value))
    if issubclass(kind, float):
        return _float(float.__float__(value))
    if issubclass(kind, str):
        return _text(str.__str__(value))
    if issubclass(kind, complex):
        return {
            "$complex": [_float(complex.__complex__(value).real), _float(complex.__complex__(value).imag)]
        }
    if issubclass(kind, (bytes, bytearray, memoryview)):
        if not issubclass(kind, bytes):
            converted.append(kind.__name__)
        return {"$bytes": base64.b64encode(bytes(value)).decode()}
    if issubclass(kind, tuple):
        return {"$tuple": [encode(item, depth + 1) for item in tuple.__iter__(value)]}
    if issubclass(kind, list):
        return [encode(item, depth + 1) for item in list.__iter__(value)]
    if issubclass(kind, set):
        return {"$set": [encode(item, depth + 1) for item in set.__iter__(value)]}
    if issubclass(kind, frozenset):
        return {"$frozenset": [encode(item, depth + 1) for item in frozenset.__iter__(value)]}
    if issubclass(kind, dict):
        return _mapping(value, depth)
    if kind.__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
        return encode(value.tolist(), depth + 1)
    if (
        isinstance(value, (range, types.GeneratorType, abc.Iterator, abc.MappingView))
        or kind.__name__ == "deque"
    ):
        converted.append(kind.__name__)
        return [encode(item, depth + 1) for item in value]
    raise Opaque(f"a value of type {kind.__name__} cannot be returned as data")


def decode(value):
    """The arguments, as the trusted side wrote them, as plain built-ins."""
    kind = type(value)
    if kind is list:
        return [decode(item) for item in value]
    if kind is not dict:
        return value
    if len(value) == 1:
        ((tag, body),) = value.items()
        if tag[:1] == "$":
            return _TAGS[tag](body)
    return {key: decode(item) for key, item in value.items()}


def _decimal_digits(body):
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return int(body)
    finally:
        sys.set_int_max_str_digits(limit)


_TAGS = {
    "$tuple": lambda body: tuple(decode(item) for item in body),
    "$set": lambda body: {decode(item) for item in body},
    "$frozenset": lambda body: frozenset(decode(item) for item in body),
    "$bytes": base64.b64decode,
    "$int": _decimal_digits,
    "$float": float,
    "$complex": lambda body: complex(decode(body[0]), decode(body[1])),
    "$dict": lambda body: {decode(key): decode(item) for key, item in body},
    "$str": lambda body: "".join(map(chr, body)),
}


def exception(error):
    """-> {"types": [..], "message": ..} of an exception, whatever its class does to prevent it."""
    try:
        message = str(error)[:1000]
        message.encode()
    except BaseException:
        message = ""
    return {"types": [str(base.__name__) for base in type(error).__mro__][:50], "message": message}
