"""What the tests inside of a simulation answer, as far as it is certain that they said it."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Result:
    outcome: str
    """passed, failed or skipped."""
    message: str


@dataclass
class Answers:
    tests: tuple[str, ...] | None = None
    """Which there are; None if that was never said."""
    broken: str | None = None
    """Why they could not be imported."""
    results: dict[str, Result] = field(default_factory=dict)
    """Of the tests that have ended, by name."""
    written: frozenset[str] = frozenset()
    """Signals of the design's top to which tests have written."""
    ended: bool = False
    """All tests have run, and nothing came after that was said."""
    forged: bool = False
    """Somebody else has written, too."""


def read_answers(answers: bytes, key: bytes) -> Answers:
    """`key`: that of the run. Nothing is taken from lines behind one that the tests did not write.

    What was cut off because the run was ended is no forgery.
    """
    found = Answers()
    *lines, rest = answers.split(b"\n")
    for number, line in enumerate(lines):
        said = _said(line, number, key)
        if said is None or found.ended or not _take(found, said):
            found.forged, found.ended = True, False
            return found
    if found.ended and rest:
        found.forged, found.ended = True, False
    return found


def _said(line: bytes, number: int, key: bytes) -> dict[str, Any] | None:
    code, _, text = line.partition(b" ")
    right = hmac.digest(key, b"%d %s" % (number, text), "sha256").hex()
    if not hmac.compare_digest(code, right.encode()):
        return None
    said: dict[str, Any] = json.loads(text)
    return said


def _take(found: Answers, said: dict[str, Any]) -> bool:
    """Whether this may come here: the tests say what there is once, and then each of it once."""
    match said:
        case {"broken": str(why)} if found.tests is None and found.broken is None:
            found.broken = why
        case {"tests": list(names)} if found.tests is None:
            found.tests = tuple(names)
        case {"test": str(name), "outcome": str(outcome), "message": str(message), "written": list(written)}:
            if name in found.results or name not in (found.tests or ()):
                return False
            found.results[name] = Result(outcome, message)
            found.written |= set(written)
        case {"end": True} if found.tests is not None:
            found.ended = True
        case _:
            return False
    return True
