"""Rules of a CodeTask. Each check raises InvalidItem with the field's path and the rule."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Sequence
from typing import Any

from basanite import values
from basanite.v1 import tasks_pb2
from basanite_services.chassis.verifier import InvalidItem

MAX_SOURCE_BYTES = 1 << 20
MAX_CASES = 10_000
MAX_TESTS_BYTES = 16 << 20
MAX_ENTRY_POINTS = 100
MAX_WEIGHT = 1_000_000
MAX_ARGUMENTS, MAX_ARGUMENT_BYTES = 1_000, 128 << 10
DEFAULT_TOLERANCE = 1e-6
_ENTRY_POINT = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)?")
_NAME = re.compile(r"[^\W\d]\w*")

Comparison = tasks_pb2.TextComparison | tasks_pb2.ValueComparison


def check_language(path: str, language: str) -> None:
    if language != "python":
        raise InvalidItem(f"{path}.language", f'must be "python", not "{language[:40]}"')


def is_too_long(source: str) -> bool:
    return len(source) > MAX_SOURCE_BYTES or len(source.encode()) > MAX_SOURCE_BYTES


def check_checker(path: str, language: str, source: str) -> None:
    check_language(path, language)
    if not source:
        raise InvalidItem(f"{path}.source", "must not be empty")
    if is_too_long(source):
        raise InvalidItem(f"{path}.source", f"must be at most {MAX_SOURCE_BYTES} bytes")


def check_count(path: str, count: int) -> None:
    if not 1 <= count <= MAX_CASES:
        raise InvalidItem(path, f"must hold 1 to {MAX_CASES} cases, not {count}")


def weight_of(path: str, weight: int) -> int:
    if not 0 <= weight <= MAX_WEIGHT:
        raise InvalidItem(f"{path}.weight", f"must be 1 to {MAX_WEIGHT}")
    return weight or 1


def check_comparison(path: str, comparison: Comparison) -> None:
    if comparison.policy not in type(comparison).Policy.values():
        raise InvalidItem(
            f"{path}.policy", f"must be a policy that this server knows, not {comparison.policy}"
        )
    for name in ("absolute_tolerance", "relative_tolerance"):
        if comparison.HasField(name):
            tolerance = getattr(comparison, name)
            if not (math.isfinite(tolerance) and 0 <= tolerance < 1):
                raise InvalidItem(f"{path}.{name}", "must be at least 0 and below 1")


def tolerances(comparison: Comparison) -> tuple[float, float]:
    """(absolute, relative); both 1e-6 if neither is set."""
    if not comparison.HasField("absolute_tolerance") and not comparison.HasField("relative_tolerance"):
        return DEFAULT_TOLERANCE, DEFAULT_TOLERANCE
    return comparison.absolute_tolerance, comparison.relative_tolerance


def check_entry_point(path: str, entry_point: str) -> None:
    if not _ENTRY_POINT.fullmatch(entry_point):
        raise InvalidItem(path, 'must be the name of a function, or "Class.method"')


def check_names_from_candidate(path: str, functions: Sequence[str], classes: Sequence[str]) -> None:
    names = [*functions, *classes]
    if not 1 <= len(names) <= MAX_ENTRY_POINTS:
        raise InvalidItem(
            f"{path}.entry_points", f"must be 1 to {MAX_ENTRY_POINTS} names, with those of classes"
        )
    for field, given in (("entry_points", functions), ("classes", classes)):
        for number, name in enumerate(given):
            if not name.isidentifier() or keyword.iskeyword(name):
                raise InvalidItem(f"{path}.{field}[{number}]", "must be an identifier")
    if len(set(names)) < len(names):
        raise InvalidItem(f"{path}.entry_points", "must not name anything twice, nor what classes names")


def check_tests(path: str, prelude: str, sources: Sequence[str]) -> None:
    if len(prelude.encode()) > MAX_SOURCE_BYTES:
        raise InvalidItem(f"{path}.prelude", f"must be at most {MAX_SOURCE_BYTES} bytes")
    for number, source in enumerate(sources):
        if not source.strip():
            raise InvalidItem(f"{path}.cases[{number}].source", "must not be empty")
    if sum(len(source.encode()) for source in sources) > MAX_TESTS_BYTES:
        raise InvalidItem(f"{path}.cases", f"must be at most {MAX_TESTS_BYTES} bytes together")


def check_exception_name(path: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidItem(path, "must be the name of an exception class")


def parse(path: str, text: str, kind: type = object) -> Any:
    """A value in tagged JSON, which must be an instance of `kind`."""
    try:
        value = values.loads(text)
    except values.ValueFormatError as error:
        raise InvalidItem(path, f"must be a value in tagged JSON: {error}") from error
    if not isinstance(value, kind):
        raise InvalidItem(path, f"must be a JSON {'array' if kind is list else 'object'}")
    return value


def check_keywords(path: str, keywords: dict[Any, Any]) -> None:
    if not all(isinstance(key, str) for key in keywords):
        raise InvalidItem(path, "must have keys that are strings")


def check_arguments(path: str, arguments: list[str]) -> None:
    if len(arguments) > MAX_ARGUMENTS or sum(len(text.encode()) for text in arguments) > MAX_ARGUMENT_BYTES:
        raise InvalidItem(
            path, f"must be at most {MAX_ARGUMENTS} arguments of {MAX_ARGUMENT_BYTES} bytes together"
        )
    if any("\0" in text for text in arguments):
        raise InvalidItem(path, "must not contain null characters")
