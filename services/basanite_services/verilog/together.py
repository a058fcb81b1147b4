"""A design and its testbench in one simulation, in a sandbox: compiled, then simulated."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import Usage
from basanite_sandboxes.icarus import DESIGN, Icarus
from basanite_sandboxes.spec import Ended, Limits, Sandbox
from basanite_services.verilog.design_lines import DESIGN_FILE, with_names, without_names
from basanite_services.verilog.messages import Message, read_messages
from basanite_services.verilog.netlist import Net, driven_by_design
from basanite_services.verilog.port_dump import ports_alone, with_dump
from basanite_services.verilog.rules import Output, Rule
from basanite_services.verilog.simulation import PROGRAM_BYTES, outcome_of, usage_of, why_of

_TESTBENCH, _DESIGN = "testbench.v", "design.v"


@dataclass(frozen=True)
class Testbench:
    """What a simulation needs besides the design. All of it trusted."""

    text: str
    """Preprocessed."""
    root: str
    top: str
    """The module that it instantiates."""
    instances: frozenset[str] = frozenset()
    """Names that it gives the design."""
    timescale: str = ""
    """The directive that a design without one of its own gets."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What it may read when it runs."""
    usual: frozenset[Message] = frozenset()
    """What the compiler says of it, whatever the design."""
    drivers: Mapping[tuple[str, ...], Net] = field(default_factory=dict)
    """Its nets that it drives itself."""


@dataclass(frozen=True)
class Question:
    """What is asked of a simulation: a rule, and what the rule needs of the simulator."""

    rule: Rule
    plusargs: tuple[str, ...] = ()
    stop_is_a_fault: bool = False


@dataclass(frozen=True)
class Ran:
    outcome: result_pb2.Outcome.ValueType
    """PASSED or FAILED if the simulation ended by itself."""
    why: str = ""
    """In a sentence without its subject if the outcome is another one."""
    messages: tuple[Message, ...] = ()
    """The compiler's, about the design, under the names of its own files."""
    others: tuple[Message, ...] = ()
    """The compiler's, about the testbench."""
    port_faults: tuple[str, ...] = ()
    port_warnings: tuple[str, ...] = ()
    """What the compiler finds wrong, or odd, where the testbench connects the design."""
    compiled: bool = False
    usage: Usage = field(default_factory=Usage)
    program: bytes = b""
    """What the compiler made of both."""
    printed: bytes = b""
    """By the simulation, on both streams."""


async def run_together(
    sandbox: Sandbox, icarus: Icarus, testbench: Testbench, design: str, question: Question, limits: Limits
) -> Ran:
    """`design`: a text as the guard makes it. The limits hold for each of both stages.

    Raises Overloaded if a run says nothing about the design; SandboxError.
    """
    text, names = without_names(design)
    text = f"{testbench.timescale}\n{text}"
    # One unit: in another one than its root's the compiler does not find what is declared outside of modules, or dies.
    # But only there may a time unit be said outside of modules: nothing may stand before it.
    if _TIME_UNIT.search(text):
        texts = {_TESTBENCH: testbench.text, _DESIGN: text}
    else:
        texts = {_TESTBENCH: f"{testbench.text}\n`resetall\n{text}"}
    stage = icarus.compile(list(texts), top=[testbench.root])
    compiled = await sandbox.run(
        stage.command,
        dataclasses.replace(limits, output_bytes=PROGRAM_BYTES),
        stdin=stage.stdin,
        files={name: content.encode(errors="replace") for name, content in texts.items()},
    )
    usage = usage_of(compiled)
    about_design, about_testbench = await asyncio.to_thread(_read, compiled.stderr)
    messages = tuple(_from_inside(message, testbench) for message in with_names(about_design, names))
    others = tuple(about_testbench)
    new = [message for message in dict.fromkeys(others) if message not in testbench.usual]
    faults = tuple(_faults(new, testbench.top))
    warnings = tuple(_warnings(new, testbench.top))
    if not (compiled.ended is Ended.EXITED and compiled.exit_status == 0 and compiled.answers):
        return Ran(
            outcome_of(compiled, result_pb2.OUTCOME_REJECTED),
            why_of(compiled, limits, "compiling it"),
            messages,
            others,
            faults,
            warnings,
            usage=usage,
            printed=compiled.stdout + compiled.stderr,
        )
    program = compiled.answers
    if not any(_DRIVEN_INPUT.search(message.text) for message in new):
        driven = driven_by_design(program, testbench.root, testbench.top, testbench.drivers)
        faults = tuple(f"input {name} is driven by the design itself" for name in driven)
    if faults:
        why = "drives its own inputs"
        return Ran(result_pb2.OUTCOME_REJECTED, why, messages, others, faults, warnings, usage=usage)
    stage = icarus.simulate(plusargs=question.plusargs, stop_is_a_fault=question.stop_is_a_fault, dumps=False)
    report = await sandbox.run(
        stage.command, limits, stdin=stage.stdin, files={**testbench.files, DESIGN: program}
    )
    usage = usage_of(compiled, report)
    printed = report.stdout + report.stderr
    # $fatal ends a simulation with status 1, and so does $stop where it is a fault.
    if report.ended is Ended.EXITED and (
        report.exit_status == 0
        or (report.exit_status == 1 and (question.stop_is_a_fault or b"FATAL: " in report.stdout))
    ):
        judged = question.rule(Output(report.stdout, report.exit_status))
        outcome = result_pb2.OUTCOME_PASSED if judged.passed else result_pb2.OUTCOME_FAILED
        return Ran(outcome, judged.why, messages, others, (), warnings, True, usage, program, printed)
    outcome = outcome_of(report, result_pb2.OUTCOME_CRASHED)
    why = why_of(report, limits, "simulating it")
    return Ran(outcome, why, messages, others, (), warnings, True, usage, program, printed)


async def dump_ports(
    sandbox: Sandbox,
    icarus: Icarus,
    testbench: Testbench,
    ran: Ran,
    question: Question,
    limits: Limits,
    original: Callable[[str], str],
) -> tuple[str, Usage]:
    """The simulation of `ran` once more, now with a value change dump of the design's ports. -> it, and what it took

    `question`: the one of that run. Empty if the simulation goes another way than before. Raises SandboxError.
    """
    file = f"dump_{secrets.token_hex(8)}.vcd"
    program = await asyncio.to_thread(with_dump, ran.program, testbench.top, file)
    if program is None:
        return "", Usage()
    stage = icarus.simulate(output=file, plusargs=question.plusargs, stop_is_a_fault=question.stop_is_a_fault)
    # To dump takes longer, and what is long enough for one is not for the other.
    limits = dataclasses.replace(
        limits, cpu_seconds=2 * limits.cpu_seconds, wall_seconds=2 * limits.wall_seconds
    )
    report = await sandbox.run(
        stage.command, limits, stdin=stage.stdin, files={**testbench.files, DESIGN: program}
    )
    said = report.stdout.replace(f"VCD info: dumpfile {file} opened for output.\n".encode(), b"")
    before = ran.printed.replace(_NO_DUMPS, b"")
    # A dump without room for all ends the run.
    whole = report.ended is Ended.EXITED
    same = said + report.stderr == before if whole else before.startswith(said)
    if not same:
        return "", usage_of(report)
    dump = await asyncio.to_thread(ports_alone, report.answers, testbench.top, original, whole=whole)
    return dump, usage_of(report)


def _read(stderr: bytes) -> tuple[list[Message], list[Message]]:
    """About the design and about the testbench: apart, for of too many messages not all are read."""
    own = DESIGN_FILE.encode()
    lines = stderr.split(b"\n")
    return (
        read_messages(b"\n".join(line for line in lines if line.startswith(own))),
        read_messages(b"\n".join(line for line in lines if not line.startswith(own))),
    )


def _from_inside(message: Message, testbench: Testbench) -> Message:
    """Nothing tells a design where in a testbench it stands."""
    names = "|".join(map(re.escape, sorted(testbench.instances))) or r"\Z."
    root = re.escape(testbench.root)
    text = re.sub(rf"\b{root}\.(?:[\w$.\[\]]*\.)??(?:{names})(?![\w$])", testbench.top, message.text)
    return dataclasses.replace(message, text=re.sub(rf"\b{root}(?:\.[\w$\[\]]+)+", testbench.top, text))


def _faults(messages: Sequence[Message], top: str) -> list[str]:
    found = []
    for message in messages:
        if missing := _NO_PORT.search(message.text):
            found.append(f"port {missing[1]} is missing")
        elif driven := _DRIVEN_INPUT.search(message.text):
            found.append(f"input {driven[1]} is driven by the design itself")
        elif count := _COUNT.search(message.text):
            found.append(f"the design has {count[1]} ports, and {count[2]} are connected")
        elif (other := _CONNECTED.search(message.text)) and other[2] == top:
            found.append(f"port {other[1]} must not be driven by the design: is it an input?")
    return found


def _warnings(messages: Collection[Message], top: str) -> list[str]:
    found = []
    for message in messages:
        if (wide := _OTHER_WIDTH.search(message.text)) and wide[2] == top:
            found.append(f"port {wide[1]} has {wide[3]} bits, and {wide[4]} are connected to it")
        elif parameter := _NO_PARAMETER.search(message.text):
            found.append(f"parameter {parameter[1]}, which is set, is missing")
    return found


_NO_DUMPS = b"VCD info: dumping is suppressed.\n"
_TIME_UNIT = re.compile(r"\btime(?:unit|precision)\b")
_NO_PORT = re.compile(r"port ``(.+?)'' is not a port")
_DRIVEN_INPUT = re.compile(r"input port (.+?) is coerced to inout")
_COUNT = re.compile(r"Wrong number of ports\. Expecting (\d+), got (\d+)")
_CONNECTED = re.compile(r"must support continuous assignment\..*Port \d+ \((.+?)\) of (\S+) is connected")
_OTHER_WIDTH = re.compile(r"Port \d+ \((.+?)\) of (\S+) expects (\d+) bits, got (\d+)")
_NO_PARAMETER = re.compile(r"parameter (\S+) not found")
