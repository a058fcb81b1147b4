"""What a design was driven with, what it put out and what was expected, as a value change dump for wave viewers.

It is made from the samples that decided the verdict: a time unit is a step, with what it ended with. Nothing is dumped
in the simulation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from basanite_services.verilog.compare import differs
from basanite_services.verilog.golden import Golden
from basanite_services.verilog.waves import Waves

MAX_BYTES = 256 << 10
_STEPS_BEFORE = 64
"""Before the first difference, where not all steps find room."""
_CYCLE_BITS = 32


@dataclass(frozen=True, slots=True)
class _Signal:
    scope: str
    name: str
    width: int


def value_changes(golden: Golden, candidate: Waves) -> str:
    """The dump of a candidate that differs somewhere, at most MAX_BYTES long.

    Where all does not fit, it begins shortly before the first difference, and ends where it is full. It is empty if
    there is no room for a single step.
    """
    text, whole = _dump(golden, candidate, 0)
    if not whole:
        steps = range(len(golden.stimuli.rows))
        wrong = next(step for step in steps if _is_wrong(golden, candidate, step))
        text, _ = _dump(golden, candidate, max(0, wrong - _STEPS_BEFORE))
    return text


def _dump(golden: Golden, candidate: Waves, first: int) -> tuple[str, bool]:
    """From a step on. -> the text, and whether there was room for all steps"""
    steps = len(golden.stimuli.rows)
    end = f"#{steps}\n"
    signals = list(_signals(golden))
    parts = [_header(signals)]
    room = MAX_BYTES - len(parts[0].encode()) - len(end)
    before: list[str] = [""] * len(signals)
    for step in range(first, steps):
        values = list(_values(golden, candidate, step))
        changes = [
            f"{value}{_code(number)}" if len(value) == 1 else f"b{value} {_code(number)}"
            for number, (value, last) in enumerate(zip(values, before, strict=True))
            if value != last
        ]
        part = "\n".join([f"#{step}", *changes, ""])
        room -= len(part)
        if room < 0:
            return "".join(parts) if len(parts) > 1 else "", False
        parts.append(part)
        before = values
    return "".join([*parts, end]), True


def _signals(golden: Golden) -> Iterator[_Signal]:
    yield _Signal("judge", "mismatch", 1)
    yield _Signal("judge", "cycle", _CYCLE_BITS)
    for port in golden.stimuli.inputs:
        yield _Signal("inputs", port.name, port.width)
    for scope in ("outputs", "expected"):
        for column in golden.expectation.columns:
            yield _Signal(scope, column.port.name, column.port.width)


def _values(golden: Golden, candidate: Waves, step: int) -> Iterator[str]:
    """Of all signals, in their order."""
    yield str(int(_is_wrong(golden, candidate, step)))
    yield f"{golden.stimuli.cycles[step] % (1 << _CYCLE_BITS):0{_CYCLE_BITS}b}"
    inputs = golden.stimuli.values(step)
    for port in golden.stimuli.inputs:
        yield f"{inputs[port.name]:0{port.width}b}"
    columns = golden.expectation.columns
    for column in columns:
        yield candidate.columns[column.port.name][step].decode()
    for column in columns:
        yield column.required[step].decode()


def _is_wrong(golden: Golden, candidate: Waves, step: int) -> bool:
    return any(
        differs(column.required[step], candidate.columns[column.port.name][step])
        for column in golden.expectation.columns
    )


def _code(number: int) -> str:
    """A short name of printable characters."""
    first, last = ord("!"), ord("~")
    code = ""
    while True:
        number, digit = divmod(number, last - first + 1)
        code += chr(first + digit)
        if not number:
            return code


def _header(signals: list[_Signal]) -> str:
    lines = ["$timescale 1 ms $end"]
    scope = ""
    for number, signal in enumerate(signals):
        if signal.scope != scope:
            lines += ["$upscope $end"] if scope else []
            scope = signal.scope
            lines.append(f"$scope module {scope} $end")
        kind = "integer" if (scope, signal.name) == ("judge", "cycle") else "wire"
        lines.append(f"$var {kind} {signal.width} {_code(number)} {signal.name} $end")
    return "\n".join([*lines, "$upscope $end", "$enddefinitions $end", ""])
