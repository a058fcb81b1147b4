"""Where an output first differs, as it is told: the message WaveMismatch."""

from __future__ import annotations

from basanite.v1.result_pb2 import WaveCycle, WaveMismatch
from basanite_services.verilog.compare import Compared, Expectation
from basanite_services.verilog.design import Design
from basanite_services.verilog.hints import hints_of
from basanite_services.verilog.numbers import verilog_number, written
from basanite_services.verilog.stimuli import Stimuli
from basanite_services.verilog.waves import Waves

MAX_IN_FULL = 16
"""Outputs of a design of which all is told: a verdict must stay small enough to be sent, and hints take time."""
_WINDOW = 4
"""Cycles shown."""
_SHOWN_INPUTS = 32
_SHOWN_INPUT_BITS = 256
"""An input that is wider is left out of the window."""
_SHOWN_OUTPUT_BITS = 4096
"""The values of an output that is wider are left out."""


def mismatch_of(
    difference: Compared,
    design: Design,
    expectation: Expectation,
    candidate: Waves,
    stimuli: Stimuli,
    *,
    in_full: bool = True,
) -> WaveMismatch:
    """For an output with at least one sample that differs. `in_full`: with hints and the cycles before."""
    name = difference.port.name
    first = difference.mismatched[0]
    golden = expectation.golden.columns[name]
    got = candidate.columns[name]
    message = WaveMismatch(
        port=name,
        mismatched_samples=len(difference.mismatched),
        compared_samples=difference.compared,
        first_cycle=stimuli.cycles[first],
        hints=hints_of(difference, design, expectation, candidate, stimuli) if in_full else (),
    )
    if difference.port.width > _SHOWN_OUTPUT_BITS:
        return message
    message.expected, message.got = verilog_number(golden[first]), verilog_number(got[first])
    for step in _window(stimuli, first) if in_full else ():
        cycle = WaveCycle(cycle=stimuli.cycles[step])
        inputs = stimuli.values(step)
        for port in [port for port in design.inputs if port.width <= _SHOWN_INPUT_BITS][:_SHOWN_INPUTS]:
            cycle.values[port.name] = written(inputs[port.name], port.width)
        cycle.values[name] = verilog_number(got[step])
        message.window.append(cycle)
    return message


def _window(stimuli: Stimuli, first: int) -> list[int]:
    """The step of the first difference, and the last steps of the cycles before."""
    cycle = stimuli.cycles[first]
    last_steps = {stimuli.cycles[step]: step for step in range(first)}
    before = [last_steps[one] for one in range(cycle - _WINDOW + 1, cycle) if one in last_steps]
    return [*before, first]
