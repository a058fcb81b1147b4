"""Comparing what a program printed with what was expected: full length, by a named policy."""

from __future__ import annotations

import math
import re
from collections import Counter

from basanite.v1 import tasks_pb2
from basanite_services.code.check import tolerances

Policy = tasks_pb2.TextComparison
_SPACE = b" \t\r\f\v"
_INTEGER = re.compile(rb"([+-]?)0*(\d+)")
_FLOAT = re.compile(rb"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|inf|infinity)", re.IGNORECASE)
_NAN = re.compile(rb"[+-]?nan", re.IGNORECASE)


def difference(got: bytes, expected: bytes, comparison: tasks_pb2.TextComparison) -> str | None:
    """None if they are equal under the policy, else where they differ, without saying what was expected."""
    match comparison.policy:
        case Policy.POLICY_EXACT:
            return _in_sequence("byte", got, expected)
        case Policy.POLICY_TOKENS:
            return _in_sequence("token", got.split(), expected.split())
        case Policy.POLICY_FLOAT_TOLERANCE:
            return _tokens_with_tolerance(got.split(), expected.split(), *tolerances(comparison))
        case Policy.POLICY_UNORDERED_LINES:
            missing = Counter(_lines(expected))
            missing.subtract(_lines(got))
            wrong = sum(1 for count in missing.values() if count)
            return f"{wrong} different lines are missing or too many" if wrong else None
        case _:
            return _in_sequence("line", _lines(got), _lines(expected))


def _lines(text: bytes) -> list[bytes]:
    lines = [line.rstrip(_SPACE) for line in text.split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _in_sequence(what: str, got: bytes | list[bytes], expected: bytes | list[bytes]) -> str | None:
    if got == expected:
        return None
    for number, (one, other) in enumerate(zip(got, expected, strict=False), 1):
        if one != other:
            return f"{what} {number} is wrong"
    return f"{len(got)} {what}s instead of {len(expected)}"


def _tokens_with_tolerance(
    got: list[bytes], expected: list[bytes], absolute: float, relative: float
) -> str | None:
    if len(got) != len(expected):
        return f"{len(got)} tokens instead of {len(expected)}"
    for number, (one, other) in enumerate(zip(got, expected, strict=True), 1):
        if not _equal_tokens(one, other, absolute, relative):
            return f"token {number} is wrong"
    return None


def _equal_tokens(got: bytes, expected: bytes, absolute: float, relative: float) -> bool:
    if _NAN.fullmatch(got) or _NAN.fullmatch(expected):
        return False
    mine, theirs = _INTEGER.fullmatch(got), _INTEGER.fullmatch(expected)
    if mine and theirs:
        return _normal(mine) == _normal(theirs)
    if _FLOAT.fullmatch(got) and _FLOAT.fullmatch(expected):
        return close(float(got), float(expected), absolute, relative)
    return got == expected


def _normal(match: re.Match[bytes]) -> tuple[bool, bytes]:
    """Sign and digits: integers are compared exactly, at any length."""
    return match[1] == b"-" and match[2] != b"0", match[2]


def close(got: float, expected: float, absolute: float, relative: float) -> bool:
    """|got - expected| <= max(absolute, relative * |expected|). Infinities equal only themselves, NaN nothing."""
    if math.isinf(got) or math.isinf(expected):
        return got == expected
    return abs(got - expected) <= max(absolute, relative * abs(expected))
