"""Is there a proof that a design is its golden reference? With Yosys, as a synthesizer sees both.

What PROVEN rests on, each part in a module of its own:

1. `synthesizable.py`: what Yosys reads means there what it means in a simulation.
2. Each design is made into a netlist in a run of its own, which knows nothing of the other; `gates.py` takes from it
   what is known to be modelled, without names, and refuses loops and signals with two drivers.
3. `miter.py`: the question, in text of ours alone, covers every behaviour.
4. Yosys's SAT solver: for a design without flip-flops no inputs make a difference; with them, by induction over time,
   no inputs in no step after the reset do.

Whatever goes wrong on the way is no proof, and nothing else.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from basanite.v1.result_pb2 import Usage
from basanite_sandboxes.spec import Ended, Limits, Report, Sandbox
from basanite_sandboxes.yosys import PROBLEM, SOURCE, Yosys
from basanite_services.chassis.verifier import Overloaded
from basanite_services.verilog.design import Design
from basanite_services.verilog.gates import Netlist, Unprovable, input_name, output_name, read_netlist
from basanite_services.verilog.miter import DIFFERS, MODULE, Question, ask
from basanite_services.verilog.simulation import fresh_name, sum_of, usage_of
from basanite_services.verilog.stimuli import Directed
from basanite_services.verilog.synthesizable import synthesizable
from basanite_services.verilog.tokens import Token

_OUTPUT_BYTES = 64 << 20
_SHORT_INDUCTION = 3
"""Cycles."""
LEAST_SECONDS = 0.1
"""Of CPU time for a run, where those before took nearly all."""
_LONGEST_ERROR = 300
_ERROR = re.compile(r"(?<=ERROR: ).*")
_PROVEN = (b"\nInduction step proven: SUCCESS!\n", b"\nSAT proof finished - no model found: SUCCESS!\n")
_REFUTED = (
    b"\nSAT temporal induction proof finished - model found for base case: FAIL!\n",
    b"\nSAT proof finished - model found: FAIL!\n",
)


@dataclass(frozen=True)
class Proof:
    """What came of looking for one. Neither proven nor a counterexample: unknown, `why`."""

    proven: bool = False
    counterexample: tuple[Directed, ...] = ()
    """Inputs, a step each, from the reset to the first difference."""
    why: str = ""
    usage: Usage = field(default_factory=Usage)


async def make_netlist(
    sandbox: Sandbox,
    yosys: Yosys,
    tokens: Sequence[Token],
    module: str,
    design: Design,
    parameters: Mapping[str, str],
    limits: Limits,
    *,
    golden: bool,
) -> tuple[Netlist, Usage]:
    """Of a module, given as the tokens that its simulation is compiled from, with the ports of `design`.

    What is unknown in the golden is not compared, so there it must be as seldom as in a simulation, where an unknown
    condition is not true. In a candidate it counts as wrong, so there it may be more often.
    Raises Unprovable, Overloaded, SandboxError.
    """
    text = await asyncio.to_thread(synthesizable, tokens, module, golden=golden)
    name = fresh_name(text)
    report = await sandbox.run(
        yosys.netlist(name, unknown_is_false=golden),
        dataclasses.replace(limits, output_bytes=_OUTPUT_BYTES),
        files={SOURCE: (_wrapper(name, module, design, parameters) + text).encode(errors="replace")},
    )
    if not (_exited(report) and report.exit_status == 0):
        # What it says of the golden is not for candidates.
        raise Unprovable(_why(report, "Yosys cannot read it" + ("" if golden else _said(report, name))))
    netlist = await asyncio.to_thread(
        read_netlist, report.answers, report.stdout, name, design.inputs, design.outputs
    )
    return netlist, usage_of(report)


async def look_for_proof(
    sandbox: Sandbox,
    yosys: Yosys,
    golden: Netlist,
    candidate: Netlist,
    design: Design,
    depth: int,
    limits: Limits,
) -> Proof:
    """`design` is the golden's. Raises Unprovable, Overloaded, SandboxError."""
    question = await asyncio.to_thread(ask, design, golden, candidate)
    usages: list[Usage] = []
    for steps, refute in _attempts(question, depth):
        spent = sum(usage.cpu_seconds for usage in usages)
        report = await sandbox.run(
            yosys.prove(MODULE, DIFFERS, steps, refute=refute),
            dataclasses.replace(
                limits, cpu_seconds=max(limits.cpu_seconds - spent, LEAST_SECONDS), output_bytes=_OUTPUT_BYTES
            ),
            files={PROBLEM: question.text.encode()},
        )
        usages.append(usage_of(report))
        usage = sum_of(*usages)
        if not (_exited(report) and report.exit_status == 0):
            return Proof(why=_why(report, "Yosys cannot answer the question"), usage=usage)
        if any(words in report.stdout for words in _REFUTED):
            return Proof(counterexample=_counterexample(report.answers, design, question), usage=usage)
        if not refute and any(words in report.stdout for words in _PROVEN):
            return Proof(proven=True, usage=usage)
    return Proof(why=f"an induction of {depth} cycles does not prove it", usage=usage)


def _attempts(question: Question, depth: int) -> list[tuple[int | None, bool]]:
    """Steps, and whether only a counterexample is looked for. Long inductions take far longer than both others."""
    if not question.sequential:
        return [(None, False)]
    most = depth + question.reset_steps
    short = min(_SHORT_INDUCTION + question.reset_steps, most)
    longer: list[tuple[int | None, bool]] = [(most, True), (most, False)]
    return [(short, False), *longer] if most > short else [(short, False)]


def _said(report: Report, name: str) -> str:
    """The first error, in the candidate's own lines."""
    found = _ERROR.search(report.stderr.decode(errors="replace"))
    return f": {found[0][:_LONGEST_ERROR]}" if found and name not in found[0] else ""


def _wrapper(name: str, module: str, design: Design, parameters: Mapping[str, str]) -> str:
    """A module of plain names around the design, with its parameters."""
    ports = [("input", port, input_name(number)) for number, port in enumerate(design.inputs)]
    ports += [("output", port, output_name(number)) for number, port in enumerate(design.outputs)]
    header = ", ".join(f"{direction} [{port.width - 1}:0] {wire}" for direction, port, wire in ports)
    values = ", ".join(f".\\{key} ({value})" for key, value in sorted(parameters.items()))
    connections = ", ".join(f".\\{port.name} ({wire})" for _, port, wire in ports)
    set_values = f"#({values}) " if values else ""
    return f"module {name}({header});\n  \\{module} {set_values}{name}_d ({connections});\nendmodule\n"


def _counterexample(text: bytes, design: Design, question: Question) -> tuple[Directed, ...]:
    """The steps of Yosys's WaveJSON. Raises Unprovable."""
    clocks = {clock.name for clock in design.clocks}
    try:
        waves: dict[str, Any] = {one["name"]: one for one in json.loads(text)["signal"]}
        columns = {
            port.name: _values(waves[input_name(number)], port.width)
            for number, port in enumerate(design.inputs)
            if port.name not in clocks and input_name(number) in waves
        }
    except (ValueError, KeyError, TypeError, IndexError):
        raise Unprovable("Yosys gave no counterexample that can be read") from None
    steps = max(map(len, columns.values()), default=0)
    vectors = []
    for step in range(steps):
        inputs = {name: values[step] for name, values in columns.items()}
        if step < question.reset_steps:
            inputs |= {reset.name: int(not reset.active_low) for reset in design.resets}
        vectors.append(Directed(inputs))
    return tuple(vectors)


def _values(wave: dict[str, Any], width: int) -> list[int]:
    """A value a step. A dot is the value before; the initial state of flip-flops, which inputs have not, is a 4."""
    data = iter(wave.get("data", ()))
    values: list[int] = []
    last = 0
    for mark in wave["wave"]:
        if mark != ".":
            word = mark if width == 1 else next(data)
            if mark == "4":
                continue
            last = int(word, 2)
        values.append(last)
    return values


def _exited(report: Report) -> bool:
    if report.ended is Ended.STARVED:
        raise Overloaded("the machine was too busy to run the item: send it again, or use fewer cells")
    return report.ended is Ended.EXITED


def _why(report: Report, otherwise: str) -> str:
    match report.ended:
        case Ended.CPU_LIMIT | Ended.WALL_LIMIT:
            return "not decided within the time that there is"
        case Ended.MEMORY_LIMIT:
            return "not decided within the memory that there is"
        case Ended.OUTPUT_LIMIT:
            return "too large"
        case _:
            return otherwise
