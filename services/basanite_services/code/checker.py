"""A task's own checker, in a sandboxed run of its own after the candidate's has ended."""

from __future__ import annotations

from basanite.v1 import tasks_pb2
from basanite_sandboxes.spec import Ended, Limits, PythonProgram, Report, Sandbox
from basanite_services.chassis.verifier import Overloaded, TaskFault
from basanite_services.code.outcome import why

LIMITS = Limits(
    cpu_seconds=30, wall_seconds=180, memory_bytes=1 << 30, file_bytes=256 << 20, disk_bytes=512 << 20
)
NAMES = ("input", "output", "answer")
_RIGHT = 0
_WRONG = (1, 2, 7)
"""testlib's exit statuses: wrong answer, presentation error, points (https://github.com/MikeMirzayanov/testlib,
testlib.h, enum TResult and its *_EXIT_CODE constants)."""


async def run_checker(
    sandbox: Sandbox, checker: tasks_pb2.Checker, stdin: bytes, output: bytes, answer: bytes | None
) -> str | None:
    """None if the checker accepts the output, else its own words. Raises TaskFault if the checker does not work."""
    report = await _run(sandbox, checker, stdin, output, answer or b"")
    if report.ended is Ended.EXITED and report.exit_status == _RIGHT:
        return None
    if report.ended is Ended.EXITED and report.exit_status in _WRONG:
        return report.stderr[:500].decode(errors="replace").strip() or "the checker rejects it"
    if report.ended is not Ended.REJECTED:
        # An output that the checker chokes on is the candidate's doing if it does not choke on the right answer.
        # Without one nobody can tell, and what a candidate can bring about must be a verdict.
        if answer is None:
            return "the checker could not read it"
        report = await _run(sandbox, checker, stdin, answer, answer)
        if report.ended is Ended.EXITED and report.exit_status in (_RIGHT, *_WRONG):
            return "the checker could not read it"
    raise TaskFault("code.stdio.checker", f"the checker does not work: {why(report, LIMITS)}")


async def _run(
    sandbox: Sandbox, checker: tasks_pb2.Checker, stdin: bytes, output: bytes, answer: bytes
) -> Report:
    program = PythonProgram(checker.source.encode(), NAMES)
    files = dict(zip(NAMES, (stdin, output, answer), strict=True))
    report = await sandbox.run(program, LIMITS, files=files)
    if report.ended is Ended.STARVED:
        raise Overloaded("the machine was too busy to run the checker")
    return report
