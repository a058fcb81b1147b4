"""Form `compile`: does a design compile, and what does a linter say? Nothing is simulated."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import CaseResult, Diagnostic, Part, Verdict
from basanite_sandboxes.icarus import Icarus
from basanite_sandboxes.spec import Ended
from basanite_sandboxes.verilator import Verilator
from basanite_services.chassis.verifier import Context, InvalidItem
from basanite_services.verilog import check
from basanite_services.verilog.design_lines import with_names, without_names
from basanite_services.verilog.guard import Guarded, Level, guard
from basanite_services.verilog.lint import lint
from basanite_services.verilog.messages import diagnostics, read_messages
from basanite_services.verilog.outcome import error, info, verdict_of
from basanite_services.verilog.simulation import PROGRAM_BYTES, outcome_of, sum_of, usage_of, why_of
from basanite_services.verilog.sources import BadFiles, make_sources

_TEXT = "design.v"
_ALL = "nidpsta"
"""The letters of Icarus Verilog's -Wall; without R, about modules that the task does not ask for."""


async def judge_compile(
    task: tasks_pb2.VerilogTask, context: Context, icarus: Icarus, find_verilator: Callable[[], Verilator]
) -> Verdict:
    """Raises InvalidItem, ToolchainError (a linter is asked for that is not there), Overloaded."""
    if context.environment.name:
        raise InvalidItem("environment", "must be empty: a design has no use for Python packages")
    check.check_folders("verilog.include_directories", task.include_directories)
    check.check_defines("verilog.defines", task.defines)
    check.check_name("verilog.top", task.top)
    data = check.read_data("verilog.data", task.data)
    verilator = find_verilator() if task.compile.verilator else None
    try:
        sources = make_sources(task.files, task.include_directories, task.defines, data)
    except BadFiles as bad:
        verdict = _failed(result_pb2.OUTCOME_REJECTED, str(bad), [error(str(bad))])
        return verdict if verilator is None else _with_parts(verdict, Part.STATE_NOT_RUN)
    guarded = await asyncio.to_thread(guard, sources, task.top, Level.ALONE, data=data)
    if not guarded.text:
        verdict = _refused(guarded)
        return verdict if verilator is None else _with_parts(verdict, Part.STATE_NOT_RUN)
    files = {file.name for file in task.files}
    verdict = await _compile(guarded, task, files, context, icarus)
    if verilator is None:
        return verdict
    compiled = verdict.outcome == result_pb2.OUTCOME_PASSED
    async with context.lend(verilator.environment) as sandbox:
        said = await lint(
            sandbox, verilator, guarded.tokens, task.top, files, context.limits, compiled=compiled
        )
    verdict.diagnostics.extend(said.diagnostics)
    if verdict.outcome == result_pb2.OUTCOME_REJECTED and said.accepts:
        verdict.diagnostics.append(
            info(
                f"Verilator {verilator.version} finds no error here: "
                f"it may be SystemVerilog that Icarus Verilog {icarus.version} does not support"
            )
        )
    verdict.cases[0].usage.CopyFrom(sum_of(verdict.cases[0].usage, said.usage))
    return _with_parts(verdict, said.state)


def _with_parts(verdict: Verdict, lint: Part.State.ValueType) -> Verdict:
    compiled = verdict.outcome == result_pb2.OUTCOME_PASSED
    verdict.parts.append(Part(name="compile", state=Part.STATE_PASS if compiled else Part.STATE_FAIL))
    verdict.parts.append(Part(name="lint", state=lint))
    return verdict


def _refused(guarded: Guarded) -> Verdict:
    if guarded.broken is not None:
        message, place = guarded.broken.message, guarded.broken.place
        return _failed(result_pb2.OUTCOME_REJECTED, message, [error(message, place)])
    refused = [error(refusal.message, refusal.place) for refusal in guarded.refusals]
    return _failed(result_pb2.OUTCOME_FORBIDDEN, refused[0].message, refused)


async def _compile(
    guarded: Guarded, task: tasks_pb2.VerilogTask, files: Collection[str], context: Context, icarus: Icarus
) -> Verdict:
    text, names = without_names(guarded.text)
    stage = icarus.compile([_TEXT], top=[task.top], warnings=_ALL if task.compile.lint else "n")
    async with context.lend(icarus.environment) as sandbox:
        report = await sandbox.run(
            stage.command,
            dataclasses.replace(context.limits, output_bytes=PROGRAM_BYTES),
            stdin=stage.stdin,
            files={_TEXT: text.encode(errors="replace")},
        )
    compiled = report.ended is Ended.EXITED and report.exit_status == 0 and bool(report.answers)
    messages = with_names(await asyncio.to_thread(read_messages, report.stderr), names)
    said = [replace(message, text=guarded.original(message.text)) for message in messages]
    found = diagnostics(said, files, compiled=compiled)
    if compiled:
        return verdict_of(
            [CaseResult(outcome=result_pb2.OUTCOME_PASSED, weight=1, usage=usage_of(report))], found
        )
    outcome = outcome_of(report, result_pb2.OUTCOME_REJECTED)
    errors = [one.message for one in found if one.severity == Diagnostic.SEVERITY_ERROR]
    why = why_of(report, context.limits, "compiling it")
    if outcome == result_pb2.OUTCOME_REJECTED and errors:
        why = errors[0]
    return _failed(outcome, why, found, usage_of(report))


def _failed(
    outcome: result_pb2.Outcome.ValueType,
    message: str,
    said: Sequence[Diagnostic],
    usage: result_pb2.Usage | None = None,
) -> Verdict:
    return verdict_of([CaseResult(outcome=outcome, weight=1, message=message, usage=usage)], said)
