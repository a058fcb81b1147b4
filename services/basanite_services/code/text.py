"""Comparing what a program printed with what was expected: full length, by a named policy."""

from __future__ import annotations

import io
import math
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from itertools import zip_longest

from basanite.v1 import tasks_pb2
from basanite_services.code.check import tolerances

Policy = tasks_pb2.TextComparison
_TOKEN = re.compile(rb"\S+")
# Possessive: outputs are the candidate's, and a pattern that goes back takes quadratic time.
_INTEGER = re.compile(rb"([+-]?)(\d++)")
_FLOAT = re.compile(rb"[+-]?(?:(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?|(inf|infinity))", re.IGNORECASE)
_NAN = re.compile(rb"[+-]?nan", re.IGNORECASE)
_CHUNK = 1 << 16
_WIDE = Context(prec=40, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])


def difference(got: bytes, expected: bytes, comparison: tasks_pb2.TextComparison) -> str | None:
    """None if they are equal under the policy, else where they differ, without saying what was expected.

    Takes time linear in both lengths and little memory beyond them.
    """
    match comparison.policy:
        case Policy.POLICY_EXACT:
            return _exactly(got, expected)
        case Policy.POLICY_TOKENS:
            return _in_sequence("token", _tokens(got), _tokens(expected), operator.eq)
        case Policy.POLICY_FLOAT_TOLERANCE:
            absolute, relative = tolerances(comparison)
            return _in_sequence(
                "token",
                _tokens(got),
                _tokens(expected),
                lambda one, other: _equal_tokens(one, other, absolute, relative),
            )
        case Policy.POLICY_UNORDERED_LINES:
            return _as_multisets(_lines(got), _lines(expected))
        case _:
            return _in_sequence("line", _lines(got), _lines(expected), operator.eq)


def _tokens(text: bytes) -> Iterator[bytes]:
    return (match[0] for match in _TOKEN.finditer(text))


def _lines(text: bytes) -> Iterator[bytes]:
    """Lines without white space at their ends; empty ones at the end left out."""
    return map(bytes.rstrip, io.BytesIO(text.rstrip()))


def _exactly(got: bytes, expected: bytes) -> str | None:
    if got == expected:
        return None
    shorter = min(len(got), len(expected))
    for start in range(0, shorter, _CHUNK):
        one, other = got[start : start + _CHUNK], expected[start : start + _CHUNK]
        if one != other:
            for number, pair in enumerate(zip(one, other, strict=False), start + 1):
                if pair[0] != pair[1]:
                    return f"byte {number} is wrong"
    return f"{len(got)} bytes instead of {len(expected)}"


def _in_sequence(
    what: str, got: Iterator[bytes], expected: Iterator[bytes], equal: Callable[[bytes, bytes], bool]
) -> str | None:
    for number, (one, other) in enumerate(zip_longest(got, expected), 1):
        if one is None or other is None:
            more = number + sum(1 for _ in got) + sum(1 for _ in expected)
            if one is None:
                return f"{number - 1} {what}s instead of {more}"
            return f"{more} {what}s instead of {number - 1}"
        if not equal(one, other):
            return f"{what} {number} is wrong"
    return None


def _as_multisets(got: Iterator[bytes], expected: Iterator[bytes]) -> str | None:
    missing = Counter(expected)
    too_many = 0
    for line in got:
        if missing.get(line):
            missing[line] -= 1
        else:
            too_many += 1
    if not too_many and not any(missing.values()):
        return None
    return f"{missing.total()} lines are missing, {too_many} are too many"


def _equal_tokens(got: bytes, expected: bytes, absolute: float, relative: float) -> bool:
    if got == expected:
        return _NAN.fullmatch(got) is None
    mine, theirs = _INTEGER.fullmatch(got), _INTEGER.fullmatch(expected)
    if mine and theirs:
        return _normal(mine) == _normal(theirs)
    mine, theirs = _FLOAT.fullmatch(got), _FLOAT.fullmatch(expected)
    if not (mine and theirs):
        return False
    one, other = float(got), float(expected)
    if (math.isinf(one) and not mine[1]) or (math.isinf(other) and not theirs[1]):
        return _close_beyond_floats(got, expected, absolute, relative)
    return close(one, other, absolute, relative)


def _normal(match: re.Match[bytes]) -> tuple[bool, bytes]:
    """Sign and digits: integers are compared exactly, at any length."""
    digits = match[2].lstrip(b"0")
    return match[1] == b"-" and digits != b"", digits


def close(got: float, expected: float, absolute: float, relative: float) -> bool:
    """|got - expected| <= max(absolute, relative * |expected|). Infinities equal only themselves, NaN nothing."""
    if math.isinf(got) or math.isinf(expected):
        return got == expected
    return abs(got - expected) <= max(absolute, relative * abs(expected))


def _close_beyond_floats(got: bytes, expected: bytes, absolute: float, relative: float) -> bool:
    """As `close`, for finite numbers that are too large for a float."""
    one, other = (_WIDE.create_decimal(token.decode()) for token in (got, expected))
    if not (one.is_finite() and other.is_finite()):
        return False
    margin = _WIDE.max(Decimal(absolute), _WIDE.multiply(Decimal(relative), abs(other)))
    return _WIDE.subtract(one, other).copy_abs() <= margin
