"""Comparing a returned value with the expected one. Both are plain built-ins, rebuilt here from data."""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence, Set
from typing import Any

from basanite.v1 import tasks_pb2
from basanite.values import MAX_DEPTH
from basanite_services.code.check import tolerances
from basanite_services.code.text import close

Policy = tasks_pb2.ValueComparison
# Values are nested up to MAX_DEPTH, and comparing recurses. Calls of Python functions take no C stack (3.11).
sys.setrecursionlimit(max(sys.getrecursionlimit(), 10 * MAX_DEPTH))


def equal(got: Any, expected: Any, comparison: tasks_pb2.ValueComparison) -> bool:
    """True if they are equal under the policy."""
    match comparison.policy:
        case Policy.POLICY_STRICT:
            return strictly_equal(got, expected)
        case Policy.POLICY_SEQUENCE:
            return _Loose(None)(got, expected)
        case Policy.POLICY_FLOAT_TOLERANCE:
            return _Loose(tolerances(comparison))(got, expected)
        case Policy.POLICY_UNORDERED:
            if not (isinstance(got, list | tuple) and isinstance(expected, list | tuple)):
                return _Loose(None)(got, expected)
            return len(got) == len(expected) and _equal_as_multisets(got, expected)
        case _:
            return _plainly_equal(got, expected)


def strictly_equal(got: Any, expected: Any) -> bool:
    """As Python's ==, and the types are the same at every depth."""
    if type(got) is not type(expected):
        return False
    if isinstance(got, list | tuple):
        return len(got) == len(expected) and all(map(strictly_equal, got, expected))
    if isinstance(got, dict):
        return (
            _equal_as_a_whole(got.keys(), expected.keys())
            and _typed(got) == _typed(expected)
            and all(strictly_equal(got[key], expected[key]) for key in got)
        )
    if isinstance(got, set | frozenset):
        return _equal_as_a_whole(got, expected) and _typed(got) == _typed(expected)
    return bool(got == expected)


def _typed(members: Any) -> set[Hashable]:
    """Members of a set, or keys of a dict, such that 1, 1.0 and True differ."""
    return {_with_types(member) for member in members}


def _with_types(value: Any) -> Hashable:
    if isinstance(value, tuple):
        return (tuple, *map(_with_types, value))
    if isinstance(value, frozenset):
        return (frozenset, frozenset(map(_with_types, value)))
    return (type(value), value)


def _plainly_equal(got: Any, expected: Any) -> bool:
    """Python's ==, but without its short cut that an object equals itself: NaN equals nothing."""
    if isinstance(got, list) and isinstance(expected, list):
        return len(got) == len(expected) and all(map(_plainly_equal, got, expected))
    if isinstance(got, tuple) and isinstance(expected, tuple):
        return len(got) == len(expected) and all(map(_plainly_equal, got, expected))
    if isinstance(got, dict) and isinstance(expected, dict):
        return _equal_as_a_whole(got.keys(), expected.keys()) and all(
            _plainly_equal(got[key], expected[key]) for key in expected
        )
    return _equal_as_a_whole(got, expected)


def _equal_as_a_whole(got: Any, expected: Any) -> bool:
    """Python's == of scalars, sets and keys of dicts. Where it is true, only NaN can make it untrue: Python takes
    one object for equal to itself, and a NaN here may be the same object as another."""
    return bool(got == expected) and not _holds_nan(got)


def _holds_nan(value: Any) -> bool:
    if isinstance(value, tuple | Set):  # also the keys of a dict
        return any(map(_holds_nan, value))
    return bool(value != value)


class _Loose:
    """Lists and tuples with equal elements are equal; with tolerances, so are numbers of which either is a float
    and which are close."""

    def __init__(self, tolerances: tuple[float, float] | None) -> None:
        self._tolerances = tolerances

    def __call__(self, got: Any, expected: Any) -> bool:
        if isinstance(got, list | tuple) and isinstance(expected, list | tuple):
            return len(got) == len(expected) and all(map(self, got, expected))
        if isinstance(got, dict) and isinstance(expected, dict):
            return _equal_as_a_whole(got.keys(), expected.keys()) and all(
                self(got[key], expected[key]) for key in expected
            )
        if (
            self._tolerances is not None
            and _is_number(got)
            and _is_number(expected)
            and (isinstance(got, float) or isinstance(expected, float))
        ):
            try:
                return close(float(got), float(expected), *self._tolerances)
            except OverflowError:  # an integer beyond any float
                return False
        return _equal_as_a_whole(got, expected)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal_as_multisets(got: Sequence[Any], expected: Sequence[Any]) -> bool:
    """`got` and `expected` have the same length."""
    left = Counter(map(_key, expected))
    for item in got:
        key = _key(item)
        if not left.get(key):
            return False
        left[key] -= 1
    return True


_serial = itertools.count()


def _key(value: Any) -> bytes:
    """The same for values that SEQUENCE calls equal, and for no others. Not built on hash(): anyone can compute
    numbers and tuples that share a hash, and a table of those takes quadratic time."""
    if isinstance(value, int):
        return b"i%x" % value
    if isinstance(value, float):
        if value != value:
            return b"nan%d" % next(_serial)
        return b"i%x" % int(value) if value.is_integer() else b"f%r" % value
    if isinstance(value, complex):
        real, imaginary = _key(value.real), _key(value.imag)
        return real if value.imag == 0 else b"c" + real + b"," + imaginary
    if isinstance(value, str):
        return b"s" + value.encode(errors="surrogatepass")
    if isinstance(value, bytes):
        return b"y" + value
    if isinstance(value, list | tuple):
        return _digest(b"[", map(_key, value))
    if isinstance(value, dict):
        return _digest(b"{", sorted(_digest(b":", (_key(key), _key(item))) for key, item in value.items()))
    if isinstance(value, set | frozenset):
        return _digest(b"<", sorted(map(_key, value)))
    return repr(value).encode()  # None


def _digest(kind: bytes, members: Iterable[bytes]) -> bytes:
    sha = hashlib.sha256(kind)
    for member in members:
        sha.update(b"%d:" % len(member))
        sha.update(member)
    return kind + sha.digest()
