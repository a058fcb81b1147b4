"""A design under its harness, in a sandbox: compiled, then simulated."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import Usage
from basanite_sandboxes.icarus import DESIGN, Icarus
from basanite_sandboxes.spec import Ended, Limits, Report, Sandbox
from basanite_services.chassis.verifier import Overloaded
from basanite_services.verilog.compiled_ports import compiled_ports
from basanite_services.verilog.design import Design
from basanite_services.verilog.harness import Harness, make_harness
from basanite_services.verilog.messages import Message, read_messages
from basanite_services.verilog.stimuli import Stimuli

_TEXT = "design.v"
PROGRAM_BYTES = 64 << 20
"""How long a compiled design may be."""

_LIMITS = {
    Ended.CPU_LIMIT: result_pb2.OUTCOME_TIME_LIMIT,
    Ended.WALL_LIMIT: result_pb2.OUTCOME_TIME_LIMIT,
    Ended.MEMORY_LIMIT: result_pb2.OUTCOME_MEMORY_LIMIT,
    Ended.OUTPUT_LIMIT: result_pb2.OUTCOME_OUTPUT_LIMIT,
    Ended.FILTER: result_pb2.OUTCOME_FORBIDDEN,
}


@dataclass(frozen=True)
class Simulated:
    """What came of it. Either `waves`, or why there are none: an outcome and a sentence."""

    waves: bytes = b""
    """As the simulation's process wrote them, if it did."""
    outcome: result_pb2.Outcome.ValueType = result_pb2.OUTCOME_COMPLETED
    why: str = ""
    messages: tuple[Message, ...] = ()
    """The compiler's."""
    port_faults: tuple[str, ...] = ()
    """What the compiler found wrong with the ports, one sentence each."""
    extra_ports: tuple[str, ...] = ()
    """What it has beside the ports that were asked for, one sentence each."""
    compiled: bool = False
    usage: Usage = dataclasses.field(default_factory=Usage)


async def simulate(
    sandbox: Sandbox,
    icarus: Icarus,
    text: str,
    module: str,
    design: Design,
    parameters: Mapping[str, str],
    stimuli: Stimuli,
    data: Mapping[str, str],
    limits: Limits,
) -> Simulated:
    """Simulate a module, given as preprocessed text; its ports should be those of `design`. It may read `data`.

    The limits hold for each of both stages. Raises Overloaded if a run says nothing about the design; SandboxError.
    """
    name = fresh_name(text)
    harness = make_harness(module, design, parameters, stimuli, name)
    stage = icarus.compile([_TEXT], top=[harness.module])
    compiled = await sandbox.run(
        stage.command,
        dataclasses.replace(limits, output_bytes=PROGRAM_BYTES),
        stdin=stage.stdin,
        files={_TEXT: harness.text.encode() + text.encode(errors="replace")},
    )
    usage = usage_of(compiled)
    said = await asyncio.to_thread(read_messages, compiled.stderr, harness.module) if compiled.stderr else []
    faults = tuple(_port_faults(said, harness, design))
    messages = tuple(_without_names(message, harness, module) for message in said)
    if not (compiled.ended is Ended.EXITED and compiled.exit_status == 0 and compiled.answers):
        return Simulated(
            outcome=outcome_of(compiled, result_pb2.OUTCOME_REJECTED),
            why=why_of(compiled, limits, "compiling it"),
            messages=messages,
            port_faults=faults,
            usage=usage,
        )
    ports = compiled_ports(compiled.answers, f"{harness.module}_d", design)
    faults += ports.faults
    if faults:
        return Simulated(
            outcome=result_pb2.OUTCOME_REJECTED,
            why="does not have the ports that were asked for",
            messages=messages,
            port_faults=faults,
            usage=usage,
        )
    stage = icarus.simulate(output=harness.waves_file)
    report = await sandbox.run(
        stage.command,
        limits,
        stdin=stage.stdin,
        files={
            **{name: content.encode() for name, content in data.items()},
            DESIGN: compiled.answers,
            harness.stimuli_file: harness.stimuli,
        },
    )
    usage = usage_of(compiled, report)
    if report.ended is Ended.EXITED and report.exit_status == 0:
        return Simulated(
            waves=report.answers,
            messages=messages,
            extra_ports=ports.extra,
            compiled=True,
            usage=usage,
        )
    return Simulated(
        outcome=outcome_of(report, result_pb2.OUTCOME_CRASHED),
        why=why_of(report, limits, "simulating it"),
        messages=messages,
        compiled=True,
        usage=usage,
    )


def fresh_name(text: str) -> str:
    """A plain name that a text does not hold, and nobody can guess."""
    while True:
        name = f"h{secrets.token_hex(8)}"
        if name not in text:
            return name


def _without_names(message: Message, harness: Harness, module: str) -> Message:
    """Nothing tells a design what it is called from outside."""
    text = message.text.replace(f"{harness.module}.{harness.module}_d", module)
    return dataclasses.replace(message, text=text.replace(harness.module, "harness"))


def _port_faults(messages: list[Message], harness: Harness, design: Design) -> Iterator[str]:
    directions = {port.name: port.direction for port in design.ports}
    for message in dict.fromkeys(messages):
        if message.file != harness.module:
            continue
        if missing := _NO_PORT.search(message.text):
            yield f"port {missing[1]} is missing"
        elif wide := _OTHER_WIDTH.search(message.text):
            direction = directions.get(wide[1], "port")
            yield f"{direction} {wide[1]} has {_bits(wide[2])}, and should have {_bits(wide[3])}"
        elif driven := _DRIVEN_INPUT.search(message.text):
            yield f"input {driven[1]} is driven by the design itself"


def _bits(width: str) -> str:
    return "1 bit" if width == "1" else f"{width} bits"


_NO_PORT = re.compile(r"port ``(.+?)'' is not a port")
_DRIVEN_INPUT = re.compile(r"input port (.+?) is coerced to inout")
_OTHER_WIDTH = re.compile(r"Port \d+ \((.+?)\) of .* expects (\d+) bits, got (\d+)")


def outcome_of(report: Report, by_itself: result_pb2.Outcome.ValueType) -> result_pb2.Outcome.ValueType:
    """`by_itself`: of a run that ended by itself. Raises Overloaded if a run says nothing about the design."""
    if report.ended is Ended.STARVED:
        raise Overloaded("the machine was too busy to run the item: send it again, or use fewer cells")
    if report.ended is Ended.EXITED:
        return by_itself
    return _LIMITS.get(report.ended, result_pb2.OUTCOME_CRASHED)


def why_of(report: Report, limits: Limits, doing: str) -> str:
    """One sentence without its subject, the design."""
    match report.ended:
        case Ended.EXITED if doing == "compiling it":
            return "does not compile"
        case Ended.CPU_LIMIT:
            return f"{doing} took more than {limits.cpu_seconds:g} s of CPU time"
        case Ended.WALL_LIMIT:
            return f"{doing} was not through after {limits.wall_seconds:g} s"
        case Ended.MEMORY_LIMIT:
            return f"{doing} took more than {limits.memory_bytes} bytes of memory"
        case Ended.OUTPUT_LIMIT:
            return f"{doing} gave too much output"
        case _:
            return f"{doing} ended the {'compiler' if doing == 'compiling it' else 'simulator'}"


def usage_of(*reports: Report) -> Usage:
    """What runs took together."""
    return Usage(
        cpu_seconds=sum(report.cpu_seconds for report in reports),
        wall_seconds=sum(report.wall_seconds for report in reports),
        peak_memory_bytes=max(report.peak_memory_bytes for report in reports),
    )


def sum_of(*usages: Usage) -> Usage:
    return Usage(
        cpu_seconds=sum(usage.cpu_seconds for usage in usages),
        wall_seconds=sum(usage.wall_seconds for usage in usages),
        peak_memory_bytes=max(usage.peak_memory_bytes for usage in usages),
    )
