"""What Verilator says about a design: a second opinion beside the compiler's, never in its place."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import Diagnostic, Part, Usage
from basanite_sandboxes.spec import Ended, Limits, Sandbox
from basanite_sandboxes.verilator import SOURCE, Verilator
from basanite_services.verilog.messages import MAX_DIAGNOSTICS
from basanite_services.verilog.outcome import info
from basanite_services.verilog.simulation import outcome_of, usage_of
from basanite_services.verilog.tokens import Place, Token
from basanite_services.verilog.write import write_in_columns

_MESSAGE = re.compile(
    r"%(?P<kind>Error|Warning)(?:-(?P<code>\w+))?: "
    r"(?:(?P<file>[A-Za-z0-9_.\-/]+):(?P<line>\d{1,9}):(?P<column>\d{1,9}): )?(?P<text>.*)"
)
_LAST_WORDS = ("Exiting due to ", "Cannot continue")
_UNSUPPORTED = "UNSUPPORTED"
_MAX_TEXT = 1000


@dataclass(frozen=True)
class Lint:
    state: Part.State.ValueType
    """PASS: nothing to say; FAIL: warnings or errors; UNKNOWN: it did not come to an end, or does not support the
    design."""
    diagnostics: list[Diagnostic] = field(default_factory=list)
    accepts: bool = False
    """Whether it found no error."""
    usage: Usage = field(default_factory=Usage)


async def lint(
    sandbox: Sandbox,
    verilator: Verilator,
    tokens: Sequence[Token],
    top: str,
    files: Collection[str],
    limits: Limits,
    *,
    compiled: bool,
) -> Lint:
    """`files`: the candidate's, about which diagnostics are. In a design that `compiled`, none is an error.

    Raises Overloaded if the run says nothing about the design; SandboxError.
    """
    text, places = await asyncio.to_thread(write_in_columns, tokens)
    report = await sandbox.run(verilator.lint(top), limits, files={SOURCE: text.encode("ascii", "replace")})
    outcome_of(report, result_pb2.OUTCOME_PASSED)  # raises
    usage = usage_of(report)
    said = await asyncio.to_thread(_messages, report.stderr.decode(errors="replace"))
    ended = report.ended is Ended.EXITED and report.exit_status in (0, 1)
    errors = [one for one in said if one["kind"] == "Error"]
    if not ended or (report.exit_status == 1 and not errors):
        return Lint(
            Part.STATE_UNKNOWN, [info("Verilator did not come to an end with this design")], usage=usage
        )
    found = _diagnostics(said, files, places, compiled=compiled)
    if any(one["code"] == _UNSUPPORTED for one in errors):
        return Lint(Part.STATE_UNKNOWN, found, usage=usage)
    state = Part.STATE_FAIL if errors or found else Part.STATE_PASS
    return Lint(state, found, not errors, usage)


def _messages(stderr: str) -> list[re.Match[str]]:
    """Of each its first line: those after it show the text, or tell how to be rid of the message."""
    found = (_MESSAGE.fullmatch(line) for line in stderr.splitlines())
    return [one for one in found if one is not None and not one["text"].startswith(_LAST_WORDS)]


def _diagnostics(
    messages: Sequence[re.Match[str]], files: Collection[str], places: Collection[Place], *, compiled: bool
) -> list[Diagnostic]:
    """Those about these files; errors first."""
    found: dict[bytes, Diagnostic] = {}
    for one in sorted(messages, key=lambda one: one["kind"]):
        if one["file"] not in files or len(found) == MAX_DIAGNOSTICS:
            continue
        place = Place(one["file"], int(one["line"]), int(one["column"]))
        error = one["kind"] == "Error" and not compiled
        diagnostic = Diagnostic(
            severity=Diagnostic.SEVERITY_ERROR if error else Diagnostic.SEVERITY_WARNING,
            message=one["text"][:_MAX_TEXT],
            file=place.file,
            line=place.line,
            column=place.column if place in places else 0,
            code=one["code"] or one["kind"].upper(),
        )
        found.setdefault(diagnostic.SerializeToString(deterministic=True), diagnostic)
    return [*found.values()]
