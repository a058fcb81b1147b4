"""Form `testbench`: a trusted testbench and the candidate share a simulation; a rule reads what it prints."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

import re2

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import CaseResult, Diagnostic, Verdict
from basanite_sandboxes.icarus import Icarus
from basanite_services.chassis.verifier import Context, InvalidItem
from basanite_services.verilog import check, rules
from basanite_services.verilog.guard import Level, guard
from basanite_services.verilog.messages import diagnostics
from basanite_services.verilog.outcome import SCORE_POLICY, error, trusted_part, warning
from basanite_services.verilog.ports import declared_ports, port_faults
from basanite_services.verilog.preprocess import Sources
from basanite_services.verilog.simulation import sum_of
from basanite_services.verilog.sources import BadFiles, make_sources
from basanite_services.verilog.together import Question, Ran, dump_ports, run_together
from basanite_services.verilog.trial import (
    REFERENCE,
    TESTBENCH,
    TestbenchTask,
    TrialStore,
    Tried,
    try_testbench,
)

_FORM = "verilog.testbench"
_GUARDS = ("the design's tokens", "names apart from the testbench's", "the design's output taken out")
_MAX_PATTERN = 1000
"""Characters."""


async def judge_testbench(
    task: tasks_pb2.VerilogTask, context: Context, icarus: Icarus, store: TrialStore
) -> Verdict:
    """Raises InvalidItem, TaskFault (the testbench does not work, or does not pass its reference), Overloaded."""
    if context.environment.name:
        raise InvalidItem("environment", "must be empty: a design has no use for Python packages")
    asked = _Asked(task.testbench)
    checked = _check(task)
    key = (hashlib.sha256(trusted_part(task)).digest(), context.limits)
    tried = await store.get(key, lambda: try_testbench(checked, asked.question, context, icarus))
    vacuous = [warning(sentence) for sentence in tried.vacuous]

    try:
        sources = make_sources(task.files, task.include_directories, task.defines, checked.data)
    except BadFiles as bad:
        return _failed(result_pb2.OUTCOME_REJECTED, str(bad), [error(str(bad)), *vacuous])
    guarded = await asyncio.to_thread(
        guard, sources, task.top, Level.SHARED, tried.around, inouts=tried.inouts, data=checked.data
    )
    if guarded.broken is not None:
        message, place = guarded.broken.message, guarded.broken.place
        return _failed(result_pb2.OUTCOME_REJECTED, message, [error(message, place), *vacuous])
    if guarded.refusals:
        refused = [error(refusal.message, refusal.place) for refusal in guarded.refusals]
        return _failed(result_pb2.OUTCOME_FORBIDDEN, refused[0].message, [*refused, *vacuous])

    async with context.lend(icarus.environment) as sandbox:
        question = asked.question(tried.mark)
        ran = await run_together(sandbox, icarus, tried.testbench, guarded.text, question, context.limits)
        if task.testbench.vcd and ran.outcome == result_pb2.OUTCOME_FAILED:
            vcd, usage = await dump_ports(
                sandbox, icarus, tried.testbench, ran, question, context.limits, guarded.original
            )
            ran = replace(ran, usage=sum_of(ran.usage, usage))
        else:
            vcd = None
    said = [replace(message, text=guarded.original(message.text)) for message in ran.messages]
    found = diagnostics(said, {file.name for file in task.files}, compiled=ran.compiled)
    if ran.outcome == result_pb2.OUTCOME_PASSED:
        case = CaseResult(outcome=ran.outcome, weight=1, usage=ran.usage)
        return _verdict(case, [*found, *map(warning, map(guarded.original, ran.port_warnings)), *vacuous])
    faults = [guarded.original(fault) for fault in await _port_faults(tried, ran, sources, task.top)]
    rejected = ran.outcome == result_pb2.OUTCOME_REJECTED
    errors = [one.message for one in found if one.severity == Diagnostic.SEVERITY_ERROR]
    why = [*errors, *faults, "does not fit the testbench"][0] if rejected else ran.why
    wrong = [error(fault) if rejected else warning(fault) for fault in faults]
    case = CaseResult(outcome=ran.outcome, weight=1, message=why, usage=ran.usage)
    verdict = _verdict(case, [*found, *wrong, *vacuous] if errors else [*wrong, *found, *vacuous])
    if vcd is not None:
        verdict.vcd = vcd
    return verdict


async def _port_faults(tried: Tried, ran: Ran, sources: Sources, top: str) -> Sequence[str]:
    """What may be behind it: ports that are not the reference's, or that do not fit the testbench."""
    if tried.ports is not None and ran.outcome in (result_pb2.OUTCOME_FAILED, result_pb2.OUTCOME_REJECTED):
        ports = await asyncio.to_thread(declared_ports, sources, top)
        told = port_faults(tried.ports, ports) if ports is not None else []
        if told:
            return told
    return (*ran.port_faults, *ran.port_warnings)


@dataclass(frozen=True)
class _Asked:
    """What the rule of a task asks of each simulation. Raises InvalidItem where there is none."""

    form: tasks_pb2.TestbenchForm

    def __post_init__(self) -> None:
        if self.form.WhichOneof("rule") is None:
            raise InvalidItem(f"{_FORM}.rule", "must be set: mismatches, pattern, finish or nonce")
        if self.form.WhichOneof("rule") == "pattern":
            if not self.form.pattern.passed:
                raise InvalidItem(f"{_FORM}.pattern.passed", "must be set")
            for name in ("passed", "failed"):
                self._compiled(name)

    def question(self, mark: str) -> Question:
        """For one simulation. `mark`: of the testbench that was tried."""
        match self.form.WhichOneof("rule"):
            case "mismatches":
                return Question(rules.mismatches)
            case "pattern":
                failed = self._compiled("failed") if self.form.pattern.failed else None
                return Question(rules.pattern(self._compiled("passed"), failed))
            case "finish":
                names = [file.name for file in self.form.testbench]
                return Question(rules.finish(mark, names), stop_is_a_fault=True)
            case _:
                word = secrets.token_hex(16)
                return Question(rules.nonce(word), plusargs=(f"nonce={word}",))

    def _compiled(self, name: str) -> rules.Pattern:
        text: str = getattr(self.form.pattern, name)
        if len(text) > _MAX_PATTERN:
            raise InvalidItem(f"{_FORM}.pattern.{name}", f"must be at most {_MAX_PATTERN} characters")
        options = re2.Options()
        options.log_errors = False
        try:
            compiled: rules.Pattern = re2.compile(text, options)
        except re2.error as bad:
            why = bad.args[0].decode(errors="replace")
            raise InvalidItem(
                f"{_FORM}.pattern.{name}", f"must be a regular expression as RE2 has them: {why}"
            ) from None
        return compiled


def _check(task: tasks_pb2.VerilogTask) -> TestbenchTask:
    form = task.testbench
    check.check_folders("verilog.include_directories", task.include_directories)
    check.check_defines("verilog.defines", task.defines)
    check.check_defines(f"{_FORM}.defines", form.defines)
    check.check_name("verilog.top", task.top)
    if form.testbench_top:
        check.check_name(f"{_FORM}.testbench_top", form.testbench_top)
    data = check.read_data("verilog.data", task.data)
    texts = check.read_data(TESTBENCH, form.testbench)
    if twice := sorted(texts.keys() & data.keys()):
        raise InvalidItem(TESTBENCH, f"must not have the name of a file of verilog.data: {twice[0]}")
    compiled = {name: text for name, text in texts.items() if name.endswith((".v", ".sv"))}
    if not compiled:
        raise InvalidItem(TESTBENCH, "must have a file whose name ends in .v or .sv")
    includes = {name: text for name, text in texts.items() if name not in compiled}
    reference = None
    if form.reference:
        try:
            reference = make_sources(form.reference, task.include_directories, task.defines, data)
        except BadFiles as bad:
            raise InvalidItem(REFERENCE, f"must be files of Verilog: {bad}") from None
    return TestbenchTask(
        compiled,
        includes,
        data,
        tuple(task.include_directories),
        form.defines,
        form.testbench_top,
        task.top,
        reference,
    )


def _failed(outcome: result_pb2.Outcome.ValueType, message: str, said: Sequence[Diagnostic]) -> Verdict:
    return _verdict(CaseResult(outcome=outcome, weight=1, message=message), said)


def _verdict(case: CaseResult, said: Sequence[Diagnostic]) -> Verdict:
    return Verdict(
        outcome=case.outcome,
        score=float(case.outcome == result_pb2.OUTCOME_PASSED),
        assurance=result_pb2.ASSURANCE_GUARDED,
        guards=_GUARDS,
        cases=[case],
        diagnostics=said,
        score_policy=SCORE_POLICY,
    )
