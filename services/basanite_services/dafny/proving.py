"""A program is given to Dafny, and what came of it is told for each declaration."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import CaseResult, Diagnostic, Usage
from basanite_sandboxes.dafny import SOURCE, Dafny
from basanite_sandboxes.spec import Ended, Report, Sandbox
from basanite_services.chassis.verifier import Context, TaskFault, ToolchainError
from basanite_services.code.outcome import outcome_of, usage_of, why
from basanite_services.dafny.declarations import Declaration, Program
from basanite_services.dafny.report import (
    CORRECT,
    Finding,
    Message,
    ReportError,
    ToolReport,
    progress,
    read_report_2,
    read_report_4,
)

MAX_DIAGNOSTICS = 50
_KNOWN = "method Known(x: int) returns (y: int)\n  ensures y > x\n{\n  y := x + 1;\n}\n"
_MAX_KNOWN_TEXTS = 10_000
_SEVERITIES = {
    "error": Diagnostic.SEVERITY_ERROR,
    "warning": Diagnostic.SEVERITY_WARNING,
    "info": Diagnostic.SEVERITY_INFO,
}
_UNFINISHED = frozenset({"timedout", "outofresource"})
Outcome: TypeAlias = result_pb2.Outcome.ValueType


@dataclass
class Proving:
    """What came of a program."""

    proved: bool
    outcome: Outcome
    """If not proved: FAILED, REJECTED, TIME_LIMIT, .."""
    message: str
    findings: Sequence[Finding] = ()
    messages: Sequence[Message] = ()
    ended: bool = False
    """It was ended by a limit, or crashed; the findings are those until then."""
    checked: bool = False
    """It came to proving."""
    usages: list[Usage] = field(default_factory=list)


class Prover:
    """For all items of a server."""

    def __init__(self, dafny: Dafny) -> None:
        self.dafny = dafny
        self._working: OrderedDict[bytes, str] = OrderedDict()
        """Trusted texts that were looked at, and what is wrong with each."""

    async def prove(
        self, text: str, sandbox: Sandbox, context: Context, *, only: str = "", axioms: bool = False
    ) -> Proving:
        """`only`: a pattern of the names of what is proved. `axioms`: declarations without a body are taken for true.
        Raises Overloaded, ToolchainError."""
        report = await self._run(text, sandbox, context, only=only, axioms=axioms)
        usages = [usage_of(report)]
        if report.ended is not Ended.EXITED or report.exit_status is None:
            return _ended(report, context, usages)
        try:
            said = self._read(report)
        except ReportError as error:
            raise ToolchainError(f"Dafny's report cannot be read: {error}") from None
        if said.prover:
            await self._blame(said.prover, sandbox, context)
            message = f"the prover cannot read what comes of it: {said.prover}"
            return Proving(False, result_pb2.OUTCOME_REJECTED, message, usages=usages)
        if said.proved:
            done = result_pb2.OUTCOME_PASSED
            return Proving(True, done, "", said.findings, said.messages, checked=True, usages=usages)
        outcome, message = _of(said, report)
        return Proving(False, outcome, message, said.findings, said.messages, False, said.checked, usages)

    async def check_trusted(
        self, field_name: str, program: Program, sandbox: Sandbox, context: Context
    ) -> None:
        """Raises TaskFault if Dafny cannot make sense of a trusted text."""
        text = with_axioms(program)
        key = hashlib.sha256(text.encode()).digest()
        if key not in self._working:
            report = await self._run(text, sandbox, context, resolve=True)
            said = self._read(report) if report.ended is Ended.EXITED else ToolReport(False)
            wrong = ""
            if report.ended is not Ended.EXITED or report.exit_status != 0:
                outcome_of(report)
                first = next((one for one in said.messages if one.severity == "error"), None)
                wrong = f"line {first.line}: {first.text}" if first else why(report, context.limits)
            self._working[key] = wrong
            if len(self._working) > _MAX_KNOWN_TEXTS:
                self._working.popitem(last=False)
        if self._working[key]:
            raise TaskFault(field_name, f"{field_name}: {self._working[key]}")

    async def _run(
        self,
        text: str,
        sandbox: Sandbox,
        context: Context,
        *,
        only: str = "",
        axioms: bool = False,
        resolve: bool = False,
    ) -> Report:
        command = self.dafny.verify(context.limits.cpu_seconds, only=only, axioms=axioms, resolve=resolve)
        return await sandbox.run(command, context.limits, files={SOURCE: text.encode()})

    def _read(self, report: Report) -> ToolReport:
        read = read_report_4 if self.dafny.generation >= 4 else read_report_2
        return read(report.stdout, report.answers, report.exit_status or 0)

    async def _blame(self, said: str, sandbox: Sandbox, context: Context) -> None:
        """Whose fault is it? Raises ToolchainError if the prover does not work on a program that is known."""
        report = await self._run(_KNOWN, sandbox, context)
        outcome_of(report)
        if report.ended is not Ended.EXITED or not self._read(report).proved:
            raise ToolchainError(f"the prover does not work: {said}")


def _ended(report: Report, context: Context, usages: list[Usage]) -> Proving:
    message = f"Dafny {why(report, context.limits)}"
    return Proving(False, outcome_of(report), message, progress(report.stdout), (), True, True, usages)


def _of(said: ToolReport, report: Report) -> tuple[Outcome, str]:
    errors = [one for one in said.messages if one.severity == "error"]
    first = f"line {errors[0].line}: {errors[0].text}" if errors else ""
    if not said.checked:
        told = report.stdout.decode(errors="replace").strip().rpartition("\n")[2][:300]
        return result_pb2.OUTCOME_REJECTED, first or f"Dafny does not take it: {told}"
    outcomes = {finding.outcome for finding in said.findings} - {CORRECT}
    if said.errors or "errors" in outcomes:
        return result_pb2.OUTCOME_FAILED, first or "not proved"
    if outcomes & _UNFINISHED:
        return result_pb2.OUTCOME_TIME_LIMIT, first or "the prover did not come to an end"
    if "outofmemory" in outcomes:
        return result_pb2.OUTCOME_MEMORY_LIMIT, first or "the prover had not enough memory"
    if outcomes:
        return result_pb2.OUTCOME_FAILED, first or "the prover is not sure"
    raise ToolchainError("Dafny's report contradicts itself")


def mangled(name: str) -> str:
    """As Dafny 2.3 writes a name in its reports."""
    return name.replace("_", "__").replace("'", "_k").replace("?", "_q")


def findings_of(
    one: Declaration, findings: Sequence[Finding], generation: int, classes: frozenset[str]
) -> list[Finding]:
    """Those about a declaration. Modules are not told apart: names are seldom the same."""
    name = one.name or "__ctor"
    own = mangled(name) if one.name and generation < 4 else name
    owner = "__default"
    if len(one.path) > 1 and ".".join(one.path[:-1]) in classes:
        owner = mangled(one.path[-2]) if generation < 4 else one.path[-2]
    if not one.name:
        owner = mangled(one.path[-1]) if one.path else owner
    found = []
    for finding in findings:
        words = finding.name.partition(" (")[0].split("$$")[-1].split(".")
        if words[-1] == own and (
            len(words) < 2 or words[-2] == owner or (generation >= 4 and owner == "__default")
        ):
            found.append(finding)
    return found


def cases_of(program: Program, proving: Proving, generation: int) -> list[CaseResult]:
    """One a declaration with a body, in order; at least one that did not pass, if not all is proved."""
    classes = frozenset(".".join(one.path) for one in program.all() if one.base != "module" and one.members)
    cases = []
    for one in program.all():
        if not one.is_callable or one.body is None:
            continue
        case = CaseResult(declaration=".".join(one.path), weight=1, outcome=result_pb2.OUTCOME_PASSED)
        if not proving.proved:
            own = findings_of(one, proving.findings, generation, classes)
            if proving.ended and not one.is_function and not any(_is_body(finding) for finding in own):
                own = []
            case.outcome, case.message = _case(own, proving)
        cases.append(case)
    if not proving.proved and all(
        case.outcome in (result_pb2.OUTCOME_PASSED, result_pb2.OUTCOME_NOT_RUN) for case in cases
    ):
        cases.insert(0, CaseResult(outcome=proving.outcome, message=proving.message, weight=1))
    if not cases:
        cases = [CaseResult(outcome=proving.outcome, message=proving.message, weight=1)]
    cases[0].usage.CopyFrom(
        Usage(
            cpu_seconds=sum(one.cpu_seconds for one in proving.usages),
            wall_seconds=sum(one.wall_seconds for one in proving.usages),
            peak_memory_bytes=max((one.peak_memory_bytes for one in proving.usages), default=0),
        )
    )
    return cases


def _is_body(finding: Finding) -> bool:
    """Not that a specification is well-formed."""
    return finding.name.startswith("Impl$$") or "correctness" in finding.name


def _case(own: Sequence[Finding], proving: Proving) -> tuple[Outcome, str]:
    bad = [finding.outcome for finding in own if finding.outcome != CORRECT]
    if bad:
        if {*bad} & _UNFINISHED and "errors" not in bad:
            return result_pb2.OUTCOME_TIME_LIMIT, "the prover did not come to an end"
        if "outofmemory" in bad and "errors" not in bad:
            return result_pb2.OUTCOME_MEMORY_LIMIT, "the prover had not enough memory"
        return result_pb2.OUTCOME_FAILED, "not proved"
    if own:
        return result_pb2.OUTCOME_PASSED, ""
    if proving.ended:
        return proving.outcome, f"not proved until then: {proving.message}"
    # Declarations without anything to prove are in no report.
    return result_pb2.OUTCOME_NOT_RUN, ""


def diagnostics(messages: Sequence[Message], last_line: int) -> list[Diagnostic]:
    """Errors first; only those about the candidate's own lines."""
    order = [*_SEVERITIES]
    own = [one for one in messages if 1 <= one.line <= last_line]
    found: list[Diagnostic] = []
    for one in sorted(own, key=lambda one: order.index(one.severity)):
        found.append(_diagnostic(one))
        found += [_diagnostic(other) for other in one.related if 1 <= other.line <= last_line]
    return found[:MAX_DIAGNOSTICS]


def _diagnostic(one: Message) -> Diagnostic:
    return Diagnostic(severity=_SEVERITIES[one.severity], message=one.text, line=one.line, column=one.column)


def with_axioms(program: Program) -> str:
    """A trusted text of which nothing is proved: what has no body is an axiom."""
    text = program.source.text
    parts, done = [], 0
    for one in sorted(program.all(), key=lambda one: one.token.start):
        if one.is_callable and one.body is None and one.name:
            names = {attribute[2].text for attribute in one.attributes}
            if not names & {"axiom", "extern"}:
                parts += [text[done : one.token.start], "{:axiom} "]
                done = one.token.start
    return "".join([*parts, text[done:]])
