"""From a sandbox's report to an outcome, the same for all forms."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import CapturedOutput, CaseResult, Diagnostic, Usage, Verdict
from basanite_sandboxes.spec import Ended, Limits, Rejection, Report
from basanite_services.chassis.verifier import Overloaded

SHOWN_BYTES = 64 << 10
"""How much of each output travels in a result."""
SCORE_POLICY = "weighted_fraction"
OVER_LIMIT = (Ended.CPU_LIMIT, Ended.WALL_LIMIT, Ended.MEMORY_LIMIT, Ended.OUTPUT_LIMIT)
SPENT = (Ended.CPU_LIMIT, Ended.WALL_LIMIT, Ended.STARVED)
"""Time limits hold for all cases of a process together: after them there is nothing left for the next."""
MAX_IDLE_CASES = 2
"""After so many cases that idled until wall_seconds no more are run: a candidate that sleeps would hold its sandbox for
minutes, until the caller's deadline makes a Failure of it."""

_LIMITS = {
    Ended.CPU_LIMIT: result_pb2.OUTCOME_TIME_LIMIT,
    Ended.WALL_LIMIT: result_pb2.OUTCOME_TIME_LIMIT,
    Ended.MEMORY_LIMIT: result_pb2.OUTCOME_MEMORY_LIMIT,
    Ended.OUTPUT_LIMIT: result_pb2.OUTCOME_OUTPUT_LIMIT,
    Ended.FILTER: result_pb2.OUTCOME_FORBIDDEN,
    Ended.REJECTED: result_pb2.OUTCOME_REJECTED,
    Ended.CELL_LOST: result_pb2.OUTCOME_CRASHED,
}
_FRAME = re.compile(rb'^  File "(?:/tmp/)?main\.py", line (\d+)', re.MULTILINE)


def outcome_of(report: Report) -> result_pb2.Outcome.ValueType:
    """COMPLETED if the program ended by itself with status 0, else why it did not.

    Raises Overloaded if the run says nothing about the candidate.
    """
    if report.ended is Ended.STARVED:
        raise Overloaded("the machine was too busy to run the item: send it again, or use fewer cells")
    if report.ended is Ended.EXITED:
        if report.exit_status == 0:
            return result_pb2.OUTCOME_COMPLETED
        # The words are the candidate's, but they only choose between two ways to fail.
        if report.stderr.rstrip().rpartition(b"\n")[2].startswith(b"MemoryError"):
            return result_pb2.OUTCOME_MEMORY_LIMIT
        return result_pb2.OUTCOME_CRASHED
    if report.ended is Ended.SIGNALED:
        return result_pb2.OUTCOME_CRASHED
    return _LIMITS[report.ended]


def why(report: Report, limits: Limits) -> str:
    """One sentence on a run that did not end with status 0."""
    match report.ended:
        case Ended.EXITED:
            last = report.stderr.rstrip().rpartition(b"\n")[2][:200].decode(errors="replace")
            return f"exit status {report.exit_status}" + (f": {last}" if last else "")
        case Ended.SIGNALED:
            return f"killed by {_signal_name(report.signal)}"
        case Ended.CPU_LIMIT:
            return f"used more than {limits.cpu_seconds:g} s of CPU time"
        case Ended.WALL_LIMIT:
            return f"still waiting after {limits.wall_seconds:g} s"
        case Ended.MEMORY_LIMIT:
            return f"used more than {limits.memory_bytes} bytes of memory"
        case Ended.OUTPUT_LIMIT:
            return f"wrote more than {limits.output_bytes} bytes"
        case Ended.FILTER:
            return "made a system call that is not allowed"
        case Ended.REJECTED:
            return report.rejection.message if report.rejection else "does not compile"
        case _:
            return "ended its sandbox"


def _signal_name(number: int | None) -> str:
    try:
        return signal.Signals(number or 0).name
    except ValueError:
        return f"signal {number}"


def case_result(
    report: Report, outcome: result_pb2.Outcome.ValueType, weight: int, message: str = ""
) -> CaseResult:
    result = CaseResult(
        outcome=outcome, weight=weight, usage=usage_of(report), output=shown(report), message=message
    )
    if report.exit_status is not None:
        result.exit_status = report.exit_status
    if report.signal is not None:
        result.signal = report.signal
    return result


def usage_of(report: Report) -> Usage:
    return Usage(
        cpu_seconds=report.cpu_seconds,
        wall_seconds=report.wall_seconds,
        peak_memory_bytes=report.peak_memory_bytes,
    )


def shown(report: Report) -> CapturedOutput:
    return CapturedOutput(
        stdout=report.stdout[:SHOWN_BYTES],
        stderr=report.stderr[:SHOWN_BYTES],
        stdout_truncated=_is_cut(report, report.stdout),
        stderr_truncated=_is_cut(report, report.stderr),
    )


def _is_cut(report: Report, output: bytes) -> bool:
    if len(output) > SHOWN_BYTES:
        return True
    # It is the longest that went over the limit.
    longest = max(len(report.stdout), len(report.stderr), len(report.answers))
    return report.ended is Ended.OUTPUT_LIMIT and len(output) == longest


def diagnostics_of(report: Report) -> list[Diagnostic]:
    """Where in the candidate's text it went wrong, if that is known."""
    if report.rejection is not None:
        return [_diagnostic(report.rejection)]
    frames = _FRAME.findall(report.stderr) if report.ended is Ended.EXITED and report.exit_status else []
    if not frames:
        return []
    last = report.stderr.rstrip().rpartition(b"\n")[2][:1000].decode(errors="replace")
    return [_diagnostic(Rejection(last, min(int(frames[-1][:9]), 2**31 - 1), 0))]


def _diagnostic(rejection: Rejection) -> Diagnostic:
    return Diagnostic(
        severity=Diagnostic.SEVERITY_ERROR,
        message=rejection.message,
        file="main.py",
        line=rejection.line,
        column=rejection.column,
    )


def verdict_of(cases: Sequence[CaseResult], diagnostics: Sequence[Diagnostic]) -> Verdict:
    """The verdict that follows from the cases, given in case order."""
    verdict = Verdict(
        outcome=result_pb2.OUTCOME_PASSED,
        assurance=result_pb2.ASSURANCE_SEPARATED,
        cases=cases,
        diagnostics=diagnostics,
        score_policy=SCORE_POLICY,
    )
    passed = total = 0
    for case in cases:
        total += case.weight
        if case.outcome == result_pb2.OUTCOME_PASSED:
            passed += case.weight
        elif case.outcome == result_pb2.OUTCOME_NOT_RUN:
            verdict.score_is_lower_bound = True
        elif verdict.outcome == result_pb2.OUTCOME_PASSED:
            verdict.outcome = case.outcome
    verdict.score = passed / total
    return verdict


def rejected(message: str, *, scored: bool) -> Verdict:
    """The verdict on a candidate that is not run at all."""
    return Verdict(
        outcome=result_pb2.OUTCOME_REJECTED,
        score=0.0 if scored else None,
        assurance=result_pb2.ASSURANCE_SEPARATED,
        diagnostics=[_diagnostic(Rejection(message, 0, 0))],
        score_policy=SCORE_POLICY if scored else "",
    )


def not_run(weight: int) -> CaseResult:
    return CaseResult(outcome=result_pb2.OUTCOME_NOT_RUN, weight=weight)


def cut_after_failure(results: list[CaseResult]) -> bool:
    """Forget what came after the first case that did not pass. -> whether there was one"""
    for number, result in enumerate(results, 1):
        if result.outcome != result_pb2.OUTCOME_PASSED:
            del results[number:]
            return True
    return False


def sendable(text: str) -> str:
    """Without the lone surrogates that a message cannot carry."""
    return text.encode(errors="replace").decode()
