"""What Dafny reports, read by strict rules. A yes needs exit status, last line, and every single result.

Nothing of a candidate runs while Dafny proves, but its words stand in messages: no line is taken for what it looks
like, but for where it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

MAX_MESSAGES = 200
_LONGEST = 2_000
CORRECT = "correct"
_LAST_LINE = re.compile(r"Dafny program verifier finished with (\d+) verified, (\d+) errors?(.*)")
_OTHERS = re.compile(r", (\d+) (time outs?|inconclusive|out of memory|out of resource|resource outs?)")
_MESSAGE = re.compile(r"([^\n(]*)\((\d+),(\d+)\): (.*)")
_WORD = re.compile(
    r"(Error|Warning|Info|Related location)(?: BP\d+)?: ?(.*)|(Timed out on BP\d+: .*|Verification of .*)"
)
_PROVER = re.compile(r"Prover error|Prover died|Fatal Error: ProverException|Cannot find specified prover")


class ReportError(Exception):
    """It is no report."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found for one declaration: its body, or that its specification is well-formed."""

    name: str
    """Dafny's own, e.g. "Impl$$_module.__default.Abs", "Abs (correctness)"."""
    outcome: str
    """correct, errors, timedout, outofresource, outofmemory, inconclusive."""
    seconds: float = 0.0
    resources: int = 0
    """Units of the solver; 0 if the report does not tell."""


@dataclass(frozen=True, slots=True)
class Message:
    severity: str
    """error, warning or info."""
    text: str
    line: int
    """1-based; 0 if unknown."""
    column: int
    """1-based."""
    related: tuple[Message, ...] = ()


@dataclass(frozen=True)
class ToolReport:
    proved: bool
    """Everything was proved, and all parts of the report say so."""
    findings: tuple[Finding, ...] = ()
    messages: tuple[Message, ...] = ()
    """The first MAX_MESSAGES."""
    verified: int = 0
    """As the last line counts."""
    errors: int = 0
    prover: str = ""
    """What is wrong with the solver."""
    unfinished: dict[str, int] = field(default_factory=dict)
    """Counts of the last line: time outs, out of resource, .."""
    checked: bool = False
    """It came to proving: the text was read and resolved."""


def read_report_2(stdout: bytes, xml: bytes, exit_status: int) -> ToolReport:
    """Of Dafny 2.3: its output, what it wrote to the file of `/xml:`, and its exit status. Raises ReportError."""
    lines = stdout.decode(errors="replace").replace("\r\n", "\n").split("\n")
    findings = tuple(_of_xml(xml))
    last = next((line for line in reversed(lines) if line.strip()), "")
    return _judged(last, findings, tuple(_of_lines(lines)), exit_status, _prover(lines), exact=True)


def read_report_4(stdout: bytes, log: bytes, exit_status: int) -> ToolReport:
    """Of Dafny 4: its output with `--json-output`, the file of `--log-format json`, and its exit status. Raises
    ReportError."""
    said = stdout.decode(errors="replace").split("\n")
    messages, status = [], ""
    for line in said:
        one = _object(line)
        if one is None:
            continue
        if one.get("type") == "status" and isinstance(one.get("value"), str):
            status = one["value"].strip()
        elif one.get("type") == "diagnostic":
            messages.append(_of_diagnostic(one.get("value")))
    findings = tuple(_of_log(log))
    last = status.rpartition("\n")[2]
    return _judged(last, findings, tuple(messages[:MAX_MESSAGES]), exit_status, _prover(said), exact=False)


def _judged(
    last: str,
    findings: tuple[Finding, ...],
    messages: tuple[Message, ...],
    exit_status: int,
    prover: str,
    *,
    exact: bool,
) -> ToolReport:
    found = _LAST_LINE.fullmatch(last)
    if found is None:
        return ToolReport(False, findings, messages, prover=prover)
    verified, errors, rest = int(found[1]), int(found[2]), found[3]
    unfinished = {name: int(count) for count, name in _OTHERS.findall(rest)}
    correct = sum(finding.outcome == CORRECT for finding in findings)
    agrees = verified == correct if exact else verified >= 1 or not findings
    proved = (
        exit_status == 0
        and errors == 0
        and not rest
        and correct == len(findings)
        and agrees
        and not prover
        and not any(message.severity == "error" for message in messages)
    )
    return ToolReport(proved, findings, messages, verified, errors, prover, unfinished, checked=True)


def _prover(lines: Sequence[str]) -> str:
    return next((line[:_LONGEST] for line in lines if _PROVER.match(line)), "")


def _of_lines(lines: Sequence[str]) -> list[Message]:
    found: list[Message] = []
    for line in lines:
        place = _MESSAGE.fullmatch(line)
        said = _WORD.fullmatch(place[4]) if place is not None else None
        if place is None or said is None:
            continue
        word, text = said[1] or "Error", (said[2] or said[3] or "")[:_LONGEST]
        message = Message(word.lower(), text, _number(place[2]), _number(place[3]) + 1)
        if word == "Related location":
            if found:
                before = found[-1]
                related = (*before.related, Message("info", *_rest(message)))
                found[-1] = Message(before.severity, before.text, before.line, before.column, related)
        elif len(found) < MAX_MESSAGES:
            found.append(message)
    return found


def _rest(message: Message) -> tuple[str, int, int]:
    return message.text, message.line, message.column


def _number(text: str) -> int:
    return min(int(text[:10]), (1 << 31) - 2)


def _of_xml(xml: bytes) -> Iterator[Finding]:
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise ReportError(f"the report is no XML: {error}") from None
    for element in root.iter("method"):
        end = element.find("conclusion")
        if end is None or "outcome" not in end.attrib:
            raise ReportError(f"no conclusion on {element.get('name', '')[:100]}")
        yield Finding(element.get("name", ""), end.get("outcome", ""), _seconds(end.get("duration", "0")))


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ReportError(f"{text[:40]!r} is no duration") from None


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line) if line.startswith("{") else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _of_diagnostic(value: Any) -> Message:
    """Lines count from 1 there, characters from 0."""
    try:
        severity = {1: "error", 2: "warning"}.get(value["severity"], "info")
        related = tuple(_placed("info", one) for one in value.get("relatedInformation", ()))
        own = _placed(severity, value)
    except (KeyError, TypeError, AttributeError):
        raise ReportError("a diagnostic is none") from None
    return Message(own.severity, own.text, own.line, own.column, related)


def _placed(severity: str, value: Any) -> Message:
    start = value["location"]["range"]["start"]
    text = value.get("defaultFormatMessage", value.get("message", ""))
    for number, argument in enumerate(value.get("arguments", ())):
        text = text.replace(f"{{{number}}}", str(argument))
    return Message(severity, str(text)[:_LONGEST], int(start["line"]), int(start["character"]) + 1)


_OUTCOMES = {
    "Correct": CORRECT,
    "Errors": "errors",
    "TimedOut": "timedout",
    "OutOfResource": "outofresource",
    "OutOfMemory": "outofmemory",
}


def _of_log(log: bytes) -> Iterator[Finding]:
    if not log.strip():
        return
    try:
        results = json.loads(log)["verificationResults"]
        for result in results:
            outcome = _OUTCOMES.get(result["outcome"], "inconclusive")
            if outcome == CORRECT and any(one["outcome"] != "Valid" for one in result["vcResults"]):
                outcome = "inconclusive"
            yield Finding(
                str(result["name"]), outcome, _clock(result["runTime"]), int(result["resourceCount"])
            )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ReportError("the log is none of Dafny's") from None


def _clock(text: str) -> float:
    """Of "00:00:01.5000000"."""
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


_PROGRESS = re.compile(
    r"^Verifying (\S+) \.\.\.\n  \[(\d+(?:\.\d+)?) s, \d+ proof obligations?\]  (verified|\S[^\n]*)$",
    re.MULTILINE,
)


def progress(stdout: bytes) -> tuple[Finding, ...]:
    """What Dafny 2.3 had found before it was ended. For messages, never for a yes."""
    text = stdout.decode(errors="replace").replace("\r\n", "\n")
    return tuple(
        Finding(name, CORRECT if said == "verified" else "errors", float(seconds))
        for name, seconds, said in _PROGRESS.findall(text)
    )
