"""The Verilog that drives a design and writes down what it puts out. The same text for golden and candidate.

Inputs are unknown until the first step, but for clocks, which begin at their level without an edge. Every step is a
moment long enough for any delay that a design has in it, and of a length that none can know; outputs are sampled at its
end, when everything has settled, and kept in a memory that is written as a whole after the last one. So a simulation
that ends by itself, whatever ended it, leaves no trace at all. The names of module, instance, memories and files are
random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from basanite_services.verilog.design import Design
from basanite_services.verilog.stimuli import PAUSE_BITS, Stimuli, idle_level


@dataclass(frozen=True, slots=True)
class Harness:
    """What a simulation needs besides the design."""

    module: str
    """Its top."""
    text: str
    """To stand before the design's: a design that names no time scale gets this one's, of nanoseconds."""
    stimuli_file: str
    stimuli: bytes
    waves_file: str


def make_harness(
    module: str, design: Design, parameters: Mapping[str, str], stimuli: Stimuli, name: str
) -> Harness:
    """The harness of a module, whose names all begin with `name`, which no text of the design holds.

    design: the golden's, whose ports the module must have. parameters: those that are set, Verilog numbers.
    """
    steps = len(stimuli.rows)
    idle = {clock.name: idle_level(clock) for clock in design.clocks}
    inputs = [(port, f"{name}_i{number}") for number, port in enumerate(design.inputs)]
    outputs = [(port, f"{name}_o{number}") for number, port in enumerate(design.outputs)]
    driven = _side_by_side([f"{name}_p", *(wire for _, wire in inputs)])
    sampled = _side_by_side([wire for _, wire in outputs])
    stimuli_file, waves_file = f"{name}_in.hex", f"{name}_out"
    lines = [f'`line 1 "{name}" 0', "`timescale 1ns/1ps", f"module {name};"]
    for port, wire in inputs:
        start = f" = 1'b{idle[port.name]}" if port.name in idle else ""
        lines.append(f"  reg {_range(port.width)}{wire}{start};")
    lines += [f"  wire {_range(port.width)}{wire};" for port, wire in outputs]
    set_parameters = ", ".join(f".{_escaped(key)}({value})" for key, value in sorted(parameters.items()))
    connections = ", ".join(f".{_escaped(port.name)}({wire})" for port, wire in [*inputs, *outputs])
    lines.append(
        f"  {_escaped(module)}{f'#({set_parameters}) ' if set_parameters else ''}{name}_d ({connections});"
    )
    lines += [
        f"  reg {_range(PAUSE_BITS)}{name}_p;",
        f"  reg {_range(PAUSE_BITS + sum(port.width for port in design.inputs))}{name}_m [0:{steps - 1}];",
        f"  reg {_range(sum(port.width for port in design.outputs))}{name}_t [0:{steps - 1}];",
        f"  integer {name}_s;",
        "  initial begin",
        f'    $readmemh("{stimuli_file}", {name}_m);',
        f"    {name}_s = 0;",
        f"    repeat ({steps}) begin",
        f"      {driven} = {name}_m[{name}_s];",
        f"      #(1000000 + {name}_p);",
        f"      {name}_t[{name}_s] = {sampled};",
        f"      {name}_s = {name}_s + 1;",
        "    end",
        f'    $writememb("{waves_file}", {name}_t);',
        "    $finish(0);",
        "  end",
        "endmodule",
        "",
    ]
    return Harness(name, "\n".join(lines), stimuli_file, stimuli.image, waves_file)


def _side_by_side(wires: Sequence[str]) -> str:
    return "{" + ", ".join(wires) + "}"


def _range(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _escaped(name: str) -> str:
    """A name as Verilog takes it whatever is in it; the blank ends it."""
    return f"\\{name} "
