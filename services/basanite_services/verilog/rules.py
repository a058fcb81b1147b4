"""What a testbench's output says about a design, by the rule that the task names.

The design cannot print (`silence.py`), so that what is printed is the testbench's, but for what the simulator says by
itself: it is left out here, and what it says about a design's lines bears a name that the design did not choose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from basanite_services.verilog.design_lines import DESIGN_FILE

MAX_LINE = 4096
"""Characters of a line that a pattern may match."""
MAX_HINTS = 5
_MISMATCHES = re.compile(r"Mismatches:\s*(\d+) in\s+(\d+) samples")
_HINT = re.compile(
    r"Hint: Output '([A-Za-z0-9_$\[\]. ]{1,100})' has (\d{1,18}) mismatches\. "
    r"First mismatch occurred at time (\d{1,20})\."
)
_TIMEOUT = "TIMEOUT"
_OF_THE_SIMULATOR = re.compile(
    r"VCD (?:info|warning|error): .*|.*:\d+: \$(?:finish|stop) called at \d+ \(\w+\)"
)
_ABOUT_THE_DESIGN = re.compile(rf"(?:[A-Za-z]+: )?{re.escape(DESIGN_FILE)}\d+:\d+: [^\n]*(?:\n|\Z)")


@dataclass(frozen=True)
class Output:
    """Of a simulation that ended by itself."""

    stdout: bytes
    exit_status: int = 0
    """1: by $fatal, or, where the rule asks for it, by $stop."""


@dataclass(frozen=True)
class Judged:
    passed: bool
    why: str = ""
    """Why not, in a sentence that tells nothing of the testbench's text."""


class Pattern(Protocol):
    """A regular expression."""

    def fullmatch(self, text: str) -> object:
        """None if it does not match."""


Rule = Callable[[Output], Judged]
PASSED = Judged(True)


def lines_of(stdout: bytes) -> list[str]:
    """What the testbench printed, without white space at the ends of lines and without empty lines."""
    text = _ABOUT_THE_DESIGN.sub("", stdout.decode(errors="replace"))
    lines = (line.rstrip() for line in text.split("\n"))
    return [line for line in lines if line and not _OF_THE_SIMULATOR.fullmatch(line)]


def mismatches(output: Output) -> Judged:
    """VerilogEval's: "Mismatches: 0 in N samples", N above 0, once, last."""
    lines = lines_of(output.stdout)
    found = [numbers for line in lines for numbers in _MISMATCHES.findall(line)]
    if not found:
        return Judged(False, "the testbench did not come to its verdict")
    if len(found) > 1:
        return Judged(False, "the testbench gave more than one verdict")
    if not _MISMATCHES.fullmatch(lines[-1].strip()):
        return Judged(False, "the testbench's verdict is not the last that it printed")
    wrong, samples = (number.lstrip("0") or "0" for number in found[0])
    if samples == "0":
        return Judged(False, "the testbench took no samples")
    if wrong != "0":
        return Judged(False, "; ".join([f"{wrong[:20]} of {samples[:20]} samples differ", *_hints(lines)]))
    if _TIMEOUT in lines:
        return Judged(False, "the testbench ran into its time-out")
    if output.exit_status:
        return Judged(False, "the testbench ended by $fatal")
    return PASSED


def _hints(lines: list[str]) -> list[str]:
    found = [hint for line in lines if (hint := _HINT.fullmatch(line))]
    return [f"output {hint[1]}: {hint[2]} samples, the first at time {hint[3]}" for hint in found[:MAX_HINTS]]


def pattern(passed: Pattern, failed: Pattern | None) -> Rule:
    """One line alone matches `passed`, the last one, and none `failed`."""

    def judge(output: Output) -> Judged:
        lines = lines_of(output.stdout)
        # Longer ones no pattern is meant for.
        if failed is not None and any(failed.fullmatch(line[:MAX_LINE]) for line in lines):
            return Judged(False, "the testbench says that the design failed")
        matching = [
            place for place, line in enumerate(lines) if len(line) <= MAX_LINE and passed.fullmatch(line)
        ]
        if not matching:
            return Judged(False, "the testbench does not say that the design passed")
        if len(matching) > 1:
            return Judged(False, "the testbench gave more than one verdict")
        if matching[0] != len(lines) - 1:
            return Judged(False, "the testbench's verdict is not the last that it printed")
        if output.exit_status:
            return Judged(False, "the testbench ended by $fatal")
        return PASSED

    return judge


def finish(mark: str, files: Collection[str]) -> Rule:
    """`mark` is printed before each $finish of the testbench; `files` are the names of its files."""
    names = "|".join(re.escape(name) for name in files)
    error = re.compile(rf"(?:ERROR|FATAL): (?:{names}):\d+: ")

    def judge(output: Output) -> Judged:
        text = output.stdout.decode(errors="replace")
        if error.search(text):
            return Judged(False, "the testbench reported an error")
        if output.exit_status:
            return Judged(False, "the testbench ended by $fatal or $stop")
        if mark not in text.split("\n"):
            return Judged(
                False, "the simulation ended without the testbench's $finish: nothing was left to happen"
            )
        return PASSED

    return judge


def nonce(word: str) -> Rule:
    """`word` and " PASS", once and last."""

    def judge(output: Output) -> Judged:
        lines = lines_of(output.stdout)
        times = sum(line.count(word) for line in lines)
        if not times:
            return Judged(False, "the testbench did not come to its verdict")
        if times > 1:
            return Judged(False, "the testbench gave more than one verdict")
        if lines[-1] == f"{word} FAIL":
            return Judged(False, "the testbench says that the design failed")
        if lines[-1] != f"{word} PASS":
            return Judged(False, "the testbench's verdict is not the last that it printed, alone on its line")
        if output.exit_status:
            return Judged(False, "the testbench ended by $fatal")
        return PASSED

    return judge
