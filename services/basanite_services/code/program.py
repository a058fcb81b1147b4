"""Form `program`: run and report."""

from __future__ import annotations

from basanite.v1 import result_pb2, tasks_pb2
from basanite_sandboxes.spec import Ended, PythonProgram
from basanite_services.chassis.verifier import Context
from basanite_services.code.check import check_arguments
from basanite_services.code.outcome import case_result, diagnostics_of, outcome_of, why


async def run_program(source: bytes, form: tasks_pb2.ProgramForm, context: Context) -> result_pb2.Verdict:
    check_arguments("code.program.arguments", list(form.arguments))
    program = PythonProgram(source, tuple(form.arguments))
    stdin = form.stdin_bytes or form.stdin.encode()
    async with context.sandbox() as sandbox:
        report = await sandbox.run(program, context.limits, stdin=stdin)
    # Ending by itself is all that is asked of it.
    ended = report.ended is Ended.EXITED
    outcome = result_pb2.OUTCOME_COMPLETED if ended else outcome_of(report)
    return result_pb2.Verdict(
        outcome=outcome,
        assurance=result_pb2.ASSURANCE_SEPARATED,
        cases=[case_result(report, outcome, 1, "" if ended else why(report, context.limits))],
        diagnostics=diagnostics_of(report),
    )
