"""What a wrong output looks like, in words: for people, and for models that correct themselves.

They are guesses from the samples of one output, and decide nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from basanite_services.verilog.compare import Compared, Expectation, differs
from basanite_services.verilog.design import Design
from basanite_services.verilog.numbers import verilog_number
from basanite_services.verilog.stimuli import Stimuli, idle_level
from basanite_services.verilog.waves import Waves

_FLIPPED = bytes.maketrans(b"01", b"10")
_LATE = {1: "one cycle late", 2: "two cycles late", -1: "one cycle early", -2: "two cycles early"}


def hints_of(
    difference: Compared, design: Design, expectation: Expectation, candidate: Waves, stimuli: Stimuli
) -> list[str]:
    """The first that fits, of: unknown or not driven, constant, inverted and the like, late or early, another output's
    values; and then where the differences are: only in a reset, only after one edge, only in some bits."""
    column = next(one for one in expectation.columns if one.port == difference.port)
    required, got = column.required, candidate.columns[difference.port.name]
    unknown = _unknown(difference, got, stimuli)
    if unknown:
        return [unknown]
    if len(set(got)) == 1 and not column.constant:
        return [f"constant {verilog_number(got[0])}"]
    likeness = _as_a_whole(required, got)
    if likeness:
        return [likeness]
    other_edge = _other_edge(difference, design, stimuli)
    if other_edge:
        return [other_edge]
    found = [_shifted(required, got, stimuli), _another_output(difference, expectation, got)]
    found += [_in_reset(difference, stimuli), _some_bits(difference, required, got)]
    return [hint for hint in found if hint]


def _unknown(difference: Compared, got: Sequence[bytes], stimuli: Stimuli) -> str:
    wrong = [got[step] for step in difference.mismatched]
    if all(b"z" in sample for sample in wrong):
        return "not driven (z)"
    if not all(b"x" in sample for sample in wrong):
        return ""
    if any(b"x" not in sample for sample in got[difference.mismatched[-1] :]):
        return f"unknown (x) until cycle {stimuli.cycles[difference.mismatched[-1]]}: not initialised by the reset?"
    return "unknown (x): a register without reset or initial value, or two drivers?"


def _as_a_whole(required: Sequence[bytes], got: Sequence[bytes]) -> str:
    looks: dict[str, Callable[[bytes], bytes]] = {"inverted": lambda sample: sample.translate(_FLIPPED)}
    if len(got[0]) > 1:
        looks["bit order swapped"] = lambda sample: sample[::-1]
        looks["one too many"] = lambda sample: _plus(sample, -1)
        looks["one too few"] = lambda sample: _plus(sample, 1)
    for name, undo in looks.items():
        if not any(differs(want, undo(given)) for want, given in zip(required, got, strict=True)):
            return name
    return ""


def _plus(sample: bytes, number: int) -> bytes:
    if sample.translate(None, b"01"):
        return sample
    return f"{(int(sample, 2) + number) % (1 << len(sample)):0{len(sample)}b}".encode()


def _other_edge(difference: Compared, design: Design, stimuli: Stimuli) -> str:
    if len(design.clocks) != 1 or (design.clocks[0].posedge and design.clocks[0].negedge):
        return ""
    clock = design.clocks[0]
    mismatched = set(difference.mismatched)
    found = False
    for step in range(difference.mismatched[-1] + 1):
        idle = stimuli.values(step)[clock.name] == idle_level(clock)
        if step and stimuli.cycles[step] > stimuli.cycles[step - 1] and not idle:
            # From here inputs move at the active level, and the other edge takes in others.
            break
        if step in mismatched:
            if idle:
                return ""
            found = True
    if not found:
        return ""
    return f"right only after the other edge of `{clock.name}`"


def _shifted(required: Sequence[bytes], got: Sequence[bytes], stimuli: Stimuli) -> str:
    """Late or early by whole cycles, but for one cycle in twenty: a reset is not late."""
    last_step = {cycle: step for step, cycle in enumerate(stimuli.cycles)}
    ends = [step for cycle, step in last_step.items() if cycle >= 0]
    for cycles, name in _LATE.items():
        pairs = (
            zip(ends, ends[cycles:], strict=False) if cycles > 0 else zip(ends[-cycles:], ends, strict=False)
        )
        moved = [differs(required[one], got[other]) for one, other in pairs]
        at_once = sum(differs(required[step], got[step]) for step in ends)
        if moved and 20 * sum(moved) <= len(moved) and 4 * sum(moved) <= at_once:
            return name
    return ""


def _another_output(difference: Compared, expectation: Expectation, got: Sequence[bytes]) -> str:
    for column in expectation.columns:
        if (
            column.port.width == difference.port.width
            and column.port != difference.port
            and not column.constant
        ):
            pairs = zip(column.required, got, strict=True)
            if not any(differs(required, given) for required, given in pairs):
                return f"has the values of `{column.port.name}`"
    return ""


def _in_reset(difference: Compared, stimuli: Stimuli) -> str:
    if not stimuli.resets or len(stimuli.resets) == len(stimuli.rows):
        return ""
    if stimuli.resets.issuperset(difference.mismatched):
        return "wrong only while a reset is active"
    if difference.mismatched[0] in stimuli.resets:
        return "first wrong while a reset is active"
    return ""


def _some_bits(difference: Compared, required: Sequence[bytes], got: Sequence[bytes]) -> str:
    width = difference.port.width
    wrong: set[int] = set()
    for step in difference.mismatched:
        for at, (one, other) in enumerate(zip(required[step], got[step], strict=True)):
            if one != other and one != ord("x"):
                wrong.add(width - 1 - at)
    if len(wrong) > max(1, width // 2) or width == 1:
        return ""
    return f"wrong only in bit{'s' if len(wrong) > 1 else ''} {_ranges(sorted(wrong, reverse=True))}"


def _ranges(numbers: list[int]) -> str:
    """[7, 6, 5, 2] -> "7:5, 2"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}:{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
