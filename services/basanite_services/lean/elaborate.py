"""Form `elaborate`: what Lean says about a file, for tools. Nothing is judged."""

from __future__ import annotations

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import CaseResult, Diagnostic, Verdict
from basanite_sandboxes.spec import Ended
from basanite_services.chassis.verifier import Context
from basanite_services.code.outcome import outcome_of, usage_of, why
from basanite_services.lean import check
from basanite_services.lean.header import HeaderError, read_imports
from basanite_services.lean.index import LibraryError
from basanite_services.lean.judging import Judge
from basanite_services.lean.messages import diagnostics, feedback, read_messages


async def judge_elaborate(task: tasks_pb2.LeanTask, context: Context, judge: Judge) -> Verdict:
    if reason := check.too_long(task.solution):
        return _verdict(CaseResult(outcome=result_pb2.OUTCOME_REJECTED, message=reason, weight=1))
    try:
        library = await judge.library(context, read_imports(task.solution))
    except (HeaderError, LibraryError) as error:
        return _verdict(CaseResult(outcome=result_pb2.OUTCOME_REJECTED, message=str(error), weight=1))
    async with context.lend(judge.environment(context)) as sandbox:
        report = await judge.compile(task.solution, library, sandbox, context)
    messages = read_messages(report.stdout)
    outcome, message = outcome_of(report), ""
    if report.ended is Ended.EXITED and report.exit_status in (0, 1):
        outcome = result_pb2.OUTCOME_COMPLETED
    else:
        message = why(report, context.limits)
    case = CaseResult(outcome=outcome, message=message, weight=1, usage=usage_of(report))
    verdict = _verdict(case)
    del verdict.diagnostics[:]
    verdict.diagnostics.extend(diagnostics(messages))
    verdict.feedback = feedback(task.solution, messages)
    return verdict


def _verdict(case: CaseResult) -> Verdict:
    said = [Diagnostic(severity=Diagnostic.SEVERITY_ERROR, message=case.message)] if case.message else []
    return Verdict(
        outcome=case.outcome, assurance=result_pb2.ASSURANCE_SEPARATED, cases=[case], diagnostics=said
    )
