"""What Lean says about a file, line by line of JSON. The candidate's process writes it: feedback, and never
evidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from basanite.v1.result_pb2 import Diagnostic

MAX_MESSAGES = 200
MAX_DIAGNOSTICS = 50
_MAX_LINE = 1 << 20
_LONGEST = 4_000
_SHOWN_ERRORS = 8
_LINES_BEFORE = 4
_SHOWN_LINES = 6
_SEVERITIES = {
    "error": Diagnostic.SEVERITY_ERROR,
    "warning": Diagnostic.SEVERITY_WARNING,
    "information": Diagnostic.SEVERITY_INFO,
}


@dataclass(frozen=True, slots=True)
class Message:
    severity: str
    """error, warning or information."""
    text: str
    line: int
    """1-based."""
    column: int
    """0-based, in code points, as Lean counts."""
    end_line: int
    end_column: int


def read_messages(output: bytes) -> list[Message]:
    """The first MAX_MESSAGES; what is none is passed over."""
    found: list[Message] = []
    for line in output.split(b"\n"):
        if not line.startswith(b"{") or len(line) > _MAX_LINE:
            continue
        try:
            message = _message(json.loads(line))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        found.append(message)
        if len(found) == MAX_MESSAGES:
            break
    return found


def _message(said: Any) -> Message:
    start, end = said["pos"], said.get("endPos") or said["pos"]
    numbers = [start["line"], start["column"], end["line"], end["column"]]
    if any(type(number) is not int or not 0 <= number < 1 << 31 for number in numbers):
        raise ValueError
    text = said["data"]
    if said["severity"] not in _SEVERITIES or not isinstance(text, str):
        raise ValueError
    cut = text.encode(errors="replace").decode()[:_LONGEST]
    return Message(said["severity"], cut, *numbers)


def shifted(messages: Sequence[Message], lines: int, columns: int, last: int) -> list[Message]:
    """Those about a part of a file, in its own positions: it begins after so many lines and, in its first line,
    columns, and has `last` lines."""
    found = []
    for one in messages:
        line, end_line = one.line - lines, min(one.end_line - lines, last)
        if 1 <= line <= last:
            column = one.column - columns if line == 1 else one.column
            end_column = one.end_column - columns if end_line == 1 else one.end_column
            found.append(
                Message(one.severity, one.text, line, max(column, 0), max(end_line, line), max(end_column, 0))
            )
    return found


def diagnostics(messages: Sequence[Message]) -> list[Diagnostic]:
    """Errors first."""
    order = [*_SEVERITIES]
    ranked = sorted(messages, key=lambda one: order.index(one.severity))
    return [
        Diagnostic(
            severity=_SEVERITIES[one.severity],
            message=one.text,
            line=one.line,
            column=one.column + 1,
        )
        for one in ranked[:MAX_DIAGNOSTICS]
    ]


def feedback(text: str, messages: Sequence[Message]) -> str:
    """What a prover is told to correct itself with, in the form of Goedel-Prover-V2 (src/utils.py, get_error_str): at
    most eight errors, each with the code that it is about between marks, four lines before it and one after. `text`:
    the candidate's."""
    lines = text.split("\n")
    errors = [one for one in messages if one.severity == "error" and 1 <= one.line <= len(lines)]
    told = []
    for number, error in enumerate(errors[:_SHOWN_ERRORS], 1):
        code = "".join(f"{line}\n" for line in _marked(lines, error))
        told.append(
            f"\nError {number}:\n\nCorresponding Code:\n```lean4\n{code}\n```\n\nError Message: {error.text}\n"
        )
    if len(errors) > _SHOWN_ERRORS:
        told.append(f"\n... [Omitted {len(errors) - _SHOWN_ERRORS} more errors] ...\n")
    return "".join(told)


def _marked(lines: Sequence[str], error: Message) -> list[str]:
    first, last = error.line - 1, min(max(error.end_line, error.line), len(lines)) - 1
    shown = [*lines[max(first - _LINES_BEFORE, 0) : first]]
    start, end = lines[first], lines[last]
    if first == last:
        stop = max(error.end_column, error.column)
        shown.append(f"{start[: error.column]}<error>{start[error.column : stop]}</error>{start[stop:]}")
    else:
        shown.append(f"{start[: error.column]}<error>{start[error.column :]}")
        between = lines[first + 1 : last]
        shown += between[: _SHOWN_LINES - 1]
        if len(between) >= _SHOWN_LINES:
            indent = len(between[_SHOWN_LINES - 2]) - len(between[_SHOWN_LINES - 2].lstrip(" "))
            shown += ["", f"{' ' * indent}... --[Truncated]-- ..."]
        shown.append(f"{end[: error.end_column]}</error>{end[error.end_column :]}")
    return [*shown, *lines[last + 1 : last + 2]]
