"""What is found out about a task's testbench before any candidate: once, and kept, also if it is no good.

Nothing here depends on a candidate. With a reference, the testbench must pass it. Without one, it is compiled with a
stub that has all that the testbench connects: what the compiler then finds wrong elsewhere in it, it finds with every
design. Then designs that do nothing are tried: if one passes, the check is vacuous.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from basanite.v1 import result_pb2
from basanite_sandboxes.icarus import Icarus
from basanite_sandboxes.spec import Ended, Limits
from basanite_services.chassis.kept import Store
from basanite_services.chassis.verifier import Context, TaskFault
from basanite_services.verilog.design import DesignError, Port, trusted_ports
from basanite_services.verilog.guard import Guarded, Level, guard, header_names
from basanite_services.verilog.messages import Message
from basanite_services.verilog.names import Surroundings, surroundings
from basanite_services.verilog.netlist import drivers_of
from basanite_services.verilog.preprocess import Sources
from basanite_services.verilog.simulation import why_of
from basanite_services.verilog.testbench_text import (
    BadTestbench,
    TestbenchText,
    doubtful_places,
    mark_finishes,
    read_testbench,
    stub_of,
)
from basanite_services.verilog.together import Question, Ran, Testbench, run_together

TESTBENCH, REFERENCE = "verilog.testbench.testbench", "verilog.testbench.reference"
_HEADERS = (".vh", ".svh")
_STUB_CPU_SECONDS = 2.0
"""A design that does nothing either passes soon, or waits for ever."""
_SHOWN = 500
"""Characters of what a testbench printed."""


@dataclass(frozen=True)
class TestbenchTask:
    """The trusted part of a task."""

    files: Mapping[str, str]
    """Compiled, in their order."""
    others: Mapping[str, str]
    """The testbench's other files, which it alone may include and read."""
    data: Mapping[str, str]
    """Of the task: the design may include and read them as well."""
    folders: tuple[str, ...]
    defines: Mapping[str, str]
    root: str
    top: str
    reference: Sources | None


@dataclass(frozen=True)
class Tried:
    """A testbench, ready for candidates."""

    testbench: Testbench
    around: Surroundings
    ports: tuple[Port, ...] | None = None
    """The reference's."""
    inouts: bool = False
    """Whether a design may have such ports."""
    vacuous: tuple[str, ...] = ()
    """What passes although it does nothing, a sentence each."""
    mark: str = ""
    """A line that is printed before each $finish of the testbench."""

    @property
    def memory_bytes(self) -> int:
        files = sum(len(content) for content in self.testbench.files.values())
        return (
            1000
            + files
            + len(self.testbench.text)
            + 100 * len(self.around.names)
            + 500 * len(self.testbench.drivers)
        )


TrialStore = Store[Tried]


class _Fault(Exception):
    def __init__(self, message: str, field: str = TESTBENCH) -> None:
        super().__init__(message)
        self.field = field


async def try_testbench(
    task: TestbenchTask, ask: Callable[[str], Question], context: Context, icarus: Icarus
) -> Tried:
    """`ask`: from Tried.mark to what is asked of a simulation. Raises TaskFault, Overloaded, SandboxError."""
    try:
        return await _Trial(task, context, icarus).run(ask)
    except _Fault as fault:
        raise TaskFault(fault.field, str(fault)) from None
    except BadTestbench as bad:
        raise TaskFault(TESTBENCH, f"the testbench cannot be judged by: {bad}") from None


class _Trial:
    def __init__(self, task: TestbenchTask, context: Context, icarus: Icarus) -> None:
        self._task = task
        self._context = context
        self._icarus = icarus

    async def run(self, ask: Callable[[str], Question]) -> Tried:
        task = self._task
        expanded = await self._preprocess()
        text = await asyncio.to_thread(read_testbench, expanded)
        text.check_top(task.top)
        mark = secrets.token_hex(16)
        question = ask(mark)
        testbench = Testbench(
            mark_finishes(expanded, mark) if question.stop_is_a_fault else expanded,
            text.root(task.root),
            task.top,
            frozenset(one.name for one in text.instances(task.top)),
            text.timescale,
            {name: content.encode() for name, content in {**task.data, **task.others}.items()},
        )
        raw = {**task.files, **{name: text for name, text in task.others.items() if name.endswith(_HEADERS)}}
        around = await asyncio.to_thread(surroundings, Sources({"expanded.v": expanded}, raw), task.top)
        if shared := sorted(text.signals_outside() & around.connections):
            raise _Fault(
                f"the testbench declares {shared[0]} outside of its modules, where a design that has a port of this "
                "name could drive it: declare it in a module"
            )
        tried = Tried(testbench, around, mark=mark)
        if task.reference is not None:
            return await self._with_reference(tried, task.reference, question)
        if around.by_name_alone:
            raise _Fault(
                "the testbench connects the design by .*, so that a design could read any signal of it: "
                "give a reference, whose ports these are, or connect them by name"
            )
        return await self._without_reference(tried, text, question)

    async def _preprocess(self) -> str:
        task = self._task
        folders = dict.fromkeys((*task.folders, *(name.rpartition("/")[0] for name in task.others)))
        stage = self._icarus.preprocess(
            list(task.files), include=[folder for folder in folders if folder], defines=task.defines
        )
        texts = {**task.data, **task.others, **task.files}
        async with self._context.lend(self._icarus.environment) as sandbox:
            report = await sandbox.run(
                stage.command,
                self._context.limits,
                stdin=stage.stdin,
                files={name: content.encode() for name, content in texts.items()},
            )
        errors = [
            line for line in report.stderr.decode(errors="replace").splitlines() if not _HARMLESS.search(line)
        ]
        if report.ended is not Ended.EXITED:
            raise _Fault(f"the testbench: {why_of(report, self._context.limits, 'preprocessing it')}")
        if report.exit_status != 0 or errors:
            raise _Fault("; ".join(["the testbench cannot be preprocessed", *errors[:3]]))
        return report.stdout.decode(errors="replace")

    # With a reference ------------------------------------------------------------------------------------------

    async def _with_reference(self, tried: Tried, reference: Sources, question: Question) -> Tried:
        task = self._task
        ports: tuple[Port, ...] | None
        try:
            ports = await asyncio.to_thread(trusted_ports, reference, task.top)
        except DesignError:
            ports = None
        inouts = any(port.direction == "inout" for port in ports or ())
        guarded = await self._guard(reference, tried.around, inouts=inouts)
        if not guarded.text:
            refused = guarded.broken or guarded.refusals[0]
            where = f"{refused.place.file}:{refused.place.line}"
            raise _Fault(
                f"the reference is no design that can be judged: {where}: {refused.message}", REFERENCE
            )
        ran = await self._ask(tried.testbench, guarded.text, question, self._context.limits)
        if ran.outcome != result_pb2.OUTCOME_PASSED:
            raise _Fault(_why_not(ran))
        around = replace(tried.around, header=frozenset(header_names(guarded.tokens, task.top)))
        drivers = drivers_of(ran.program, tried.testbench.root, task.top)
        testbench = replace(tried.testbench, usual=frozenset(ran.others), drivers=drivers)
        vacuous = await self._vacuous(testbench, ports, question)
        return replace(tried, testbench=testbench, around=around, ports=ports, inouts=inouts, vacuous=vacuous)

    async def _vacuous(
        self, testbench: Testbench, ports: Sequence[Port] | None, question: Question
    ) -> tuple[str, ...]:
        if ports is None:
            return ()
        found = []
        for value, words in (("0", "all outputs are 0"), ("x", "all outputs are unknown (x)")):
            ran = await self._ask(
                testbench, _constant(testbench.top, ports, value), question, self._stub_limits
            )
            if ran.outcome == result_pb2.OUTCOME_PASSED:
                found.append(f"the check is vacuous: the testbench also passes a design of which {words}")
        return tuple(found)

    # Without one -----------------------------------------------------------------------------------------------

    async def _without_reference(self, tried: Tried, text: TestbenchText, question: Question) -> Tried:
        top = tried.testbench.top
        stub = stub_of(top, text.instances(top))
        design = f'`line 1 "stub.v" 0\n{stub or f"module {top}; endmodule"}\n`resetall\n'
        ran = await self._ask(tried.testbench, design, question, self._stub_limits)
        if not ran.compiled and ran.outcome == result_pb2.OUTCOME_REJECTED:
            errors = [message for message in ran.others if message.kind != "warning"]
            certain = (
                _certain(errors, text, top)
                if stub
                else [one for one in errors if one.text.startswith(_SYNTAX)]
            )
            if certain:
                raise _Fault("; ".join(["the testbench does not compile", *_as_text(certain)]))
        if b"Program not runnable" in ran.printed:
            raise _Fault(f"the testbench calls what the simulator does not have: {_tail(ran.printed)}")
        vacuous: tuple[str, ...] = ()
        if ran.outcome == result_pb2.OUTCOME_PASSED:
            vacuous = ("the check is vacuous: the testbench also passes a design that does nothing",)
        # Without a stub that compiles nothing is known of the nets: the compiler's warnings are left.
        drivers = drivers_of(ran.program, tried.testbench.root, top)
        return replace(tried, testbench=replace(tried.testbench, drivers=drivers), vacuous=vacuous)

    # Both ------------------------------------------------------------------------------------------------------

    @property
    def _stub_limits(self) -> Limits:
        limits = self._context.limits
        return replace(limits, cpu_seconds=min(limits.cpu_seconds, _STUB_CPU_SECONDS))

    async def _guard(self, sources: Sources, around: Surroundings, *, inouts: bool) -> Guarded:
        return await asyncio.to_thread(
            guard, sources, self._task.top, Level.SHARED, around, inouts=inouts, data=self._task.data
        )

    async def _ask(self, testbench: Testbench, design: str, question: Question, limits: Limits) -> Ran:
        async with self._context.lend(self._icarus.environment) as sandbox:
            return await run_together(sandbox, self._icarus, testbench, design, question, limits)


_SYNTAX = ("syntax error", "Malformed", "Invalid module", "invalid module")
_UNKNOWN = re.compile(r"Unknown module type: (\S+)")
_UNBOUND = re.compile(r"Unable to bind wire/reg/memory `[^.`']+'|Could not find variable ``[^.`']+''")
_HARMLESS = re.compile(r"\bwarning\b", re.IGNORECASE)


def _certain(errors: Sequence[Message], text: TestbenchText, top: str) -> list[Message]:
    """Those that no design could help."""
    instances = text.instances(top)
    # What a testbench looks for inside of the design, only a design can have.
    looks_inside = text.looks_inside({one.name for one in instances})
    places = doubtful_places(instances)
    return [
        one
        for one in errors
        if one.text.startswith(_SYNTAX)
        or ((unknown := _UNKNOWN.match(one.text)) and unknown[1] != top)
        or (not looks_inside and (_UNBOUND.match(one.text) or (one.file, one.line) not in places))
    ]


def _as_text(messages: Sequence[Message]) -> list[str]:
    return [f"{one.file}:{one.line}: {one.text}" for one in messages[:3]]


def _why_not(ran: Ran) -> str:
    why = f"the testbench does not pass its reference: {ran.why}"
    if not ran.compiled:
        errors = [one for one in (*ran.others, *ran.messages) if one.kind != "warning"]
        return "; ".join([why, *ran.port_faults[:3], *_as_text(errors)])
    printed = _tail(ran.printed)
    return f"{why}; the last that was printed: {printed}" if printed else f"{why}; nothing was printed"


def _tail(printed: bytes) -> str:
    return printed.decode(errors="replace").strip()[-_SHOWN:]


def _constant(top: str, ports: Sequence[Port], value: str) -> str:
    """A design that puts out nothing else, as the guard would write it."""
    declared = ", ".join(f"{port.direction} [{port.width - 1}:0] \\{port.name} " for port in ports)
    outputs = " ".join(
        f"assign \\{port.name} = {{{port.width}{{1'b{value}}}}};"
        for port in ports
        if port.direction == "output"
    )
    return f'`line 1 "stub.v" 0\nmodule {top}({declared});\n{outputs}\nendmodule\n`resetall\n'
