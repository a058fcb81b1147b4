"""What the runner of a suite wrote, line by line; see guest/unittest/basanite_unittest.py for what the lines are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from basanite.v1.tasks_pb2 import TestStatus
from basanite_sandboxes.spec import Report
from basanite_services.unittest.report import Ended, Place, SuiteReport

KEY_BYTES = 64
_STATUSES = {
    "passed": TestStatus.TEST_STATUS_PASSED,
    "failed": TestStatus.TEST_STATUS_FAILED,
    "error": TestStatus.TEST_STATUS_ERROR,
    "skipped": TestStatus.TEST_STATUS_SKIPPED,
    "xfailed": TestStatus.TEST_STATUS_XFAILED,
    "xpassed": TestStatus.TEST_STATUS_XPASSED,
}
_MAX_MESSAGE = 2000
FORGED = "somebody else than the runner has written results"


class _Forged(Exception):
    pass


def read_answers(report: Report, key: bytes) -> SuiteReport:
    """`key`: what the lines are authenticated with. Whatever the bytes are, a report comes of it."""
    collected: list[str] = []
    tests: dict[str, Ended] = {}
    broken: dict[str, Ended] = {}
    changed: tuple[str, ...] = ()
    complete = gone = False
    refused = ""
    try:
        for line in _lines(report.answers, key):
            if complete:
                raise _Forged
            if "collected" in line:
                collected = [str(name) for name in line["collected"]]
            elif "broken" in line:
                broken[str(line["broken"])] = _ended(line)
            elif "test" in line:
                if line["test"] in tests:
                    refused = refused or "a test ran twice"
                tests[str(line["test"])] = _ended(line)
            elif "tampered" in line:
                refused = refused or str(line["tampered"])[:_MAX_MESSAGE]
            elif "changed" in line:
                changed = tuple(map(str, line["changed"]))
            elif "gone" in line:
                gone = True
            elif "end" in line:
                complete = True
    except (_Forged, KeyError, TypeError, ValueError):
        refused = FORGED
    return SuiteReport(tuple(collected), tests, broken, complete, sendable(refused), changed, gone, report)


def _lines(data: bytes, key: bytes) -> Iterator[dict[str, Any]]:
    """Raises _Forged for a line without the right code; a last line that is not whole counts for nothing."""
    inner, outer = hashlib.sha256(key[:32]), hashlib.sha256(key[32:])
    for number, whole in enumerate(data.split(b"\n")[:-1]):
        line, _, code = whole.rpartition(b" ")
        state, mac = inner.copy(), outer.copy()
        state.update(b"%d " % number + line)
        mac.update(state.digest())
        if code != mac.hexdigest().encode():
            raise _Forged
        said = json.loads(line)
        if not isinstance(said, dict):
            raise _Forged
        yield said


def _ended(line: dict[str, Any]) -> Ended:
    place = None
    if line.get("file") and 0 < int(line.get("line") or 0) < 2**31:
        place = Place(sendable(str(line["file"])[:_MAX_MESSAGE]), int(line["line"]))
    seconds = float(line.get("seconds", 0.0))
    return Ended(
        _STATUSES[line["status"]],
        seconds if 0 <= seconds < 1e9 else 0.0,
        sendable(str(line.get("message", ""))[:_MAX_MESSAGE]),
        place,
    )


def sendable(text: str) -> str:
    """Without the lone surrogates that a message cannot carry."""
    return text.encode(errors="replace").decode()
