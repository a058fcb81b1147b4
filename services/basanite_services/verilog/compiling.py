"""Form `compile`: does a design compile? Nothing is simulated."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import replace

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import CaseResult, Diagnostic, Verdict
from basanite_sandboxes.icarus import Icarus
from basanite_sandboxes.spec import Ended
from basanite_services.chassis.verifier import Context, InvalidItem
from basanite_services.verilog import check
from basanite_services.verilog.design_lines import with_names, without_names
from basanite_services.verilog.guard import Level, guard
from basanite_services.verilog.messages import diagnostics, read_messages
from basanite_services.verilog.outcome import error, verdict_of
from basanite_services.verilog.simulation import PROGRAM_BYTES, outcome_of, usage_of, why_of
from basanite_services.verilog.sources import BadFiles, make_sources

_TEXT = "design.v"
_LINT = "nidpsta"
"""The letters of Icarus Verilog's -Wall; without R, about modules that the task does not ask for."""


async def judge_compile(task: tasks_pb2.VerilogTask, context: Context, icarus: Icarus) -> Verdict:
    """Raises InvalidItem, Overloaded."""
    if context.environment.name:
        raise InvalidItem("environment", "must be empty: a design has no use for Python packages")
    check.check_folders("verilog.include_directories", task.include_directories)
    check.check_defines("verilog.defines", task.defines)
    check.check_name("verilog.top", task.top)
    data = check.read_data("verilog.data", task.data)
    try:
        sources = make_sources(task.files, task.include_directories, task.defines, data)
    except BadFiles as bad:
        return _failed(result_pb2.OUTCOME_REJECTED, str(bad), [error(str(bad))])
    guarded = await asyncio.to_thread(guard, sources, task.top, Level.ALONE, data=data)
    if guarded.broken is not None:
        message, place = guarded.broken.message, guarded.broken.place
        return _failed(result_pb2.OUTCOME_REJECTED, message, [error(message, place)])
    if guarded.refusals:
        refused = [error(refusal.message, refusal.place) for refusal in guarded.refusals]
        return _failed(result_pb2.OUTCOME_FORBIDDEN, refused[0].message, refused)

    text, names = without_names(guarded.text)
    stage = icarus.compile([_TEXT], top=[task.top], warnings=_LINT if task.compile.lint else "n")
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
    found = diagnostics(said, {file.name for file in task.files}, compiled=compiled)
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
