"""Verdicts on designs, and what they are made of."""

from __future__ import annotations

from collections.abc import Sequence

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import CaseResult, Diagnostic, Usage, Verdict
from basanite.v1.tasks_pb2 import VerilogTask
from basanite_services.verilog.tokens import Place

SCORE_POLICY = "weighted_fraction"


def trusted_part(task: VerilogTask) -> bytes:
    """All of a task that judging follows from but its candidate."""
    rest = VerilogTask()
    rest.CopyFrom(task)
    del rest.files[:]
    # The same stimuli, golden and testbench with and without.
    if rest.HasField("equivalence"):
        rest.equivalence.vcd = False
    elif rest.HasField("testbench"):
        rest.testbench.vcd = False
    return rest.SerializeToString(deterministic=True)


def verdict_of(cases: Sequence[CaseResult], diagnostics: Sequence[Diagnostic]) -> Verdict:
    """The verdict that follows from the cases, one an output, all of weight 1."""
    verdict = Verdict(
        outcome=result_pb2.OUTCOME_PASSED,
        assurance=result_pb2.ASSURANCE_SEPARATED,
        cases=cases,
        diagnostics=diagnostics,
        score_policy=SCORE_POLICY,
    )
    passed = 0
    for case in cases:
        if case.outcome == result_pb2.OUTCOME_PASSED:
            passed += 1
        elif verdict.outcome == result_pb2.OUTCOME_PASSED:
            verdict.outcome = case.outcome
    verdict.score = passed / len(cases)
    return verdict


def failed_as_a_whole(
    outcome: result_pb2.Outcome.ValueType,
    message: str,
    outputs: int,
    diagnostics: Sequence[Diagnostic] = (),
    usage: Usage | None = None,
) -> Verdict:
    """The verdict on a design that has no samples to compare: all its outputs have the same outcome."""
    cases = [CaseResult(outcome=outcome, weight=1, message=message) for _ in range(outputs)]
    if usage is not None:
        cases[0].usage.CopyFrom(usage)
    return verdict_of(cases, diagnostics)


def error(message: str, place: Place | None = None) -> Diagnostic:
    return _diagnostic(Diagnostic.SEVERITY_ERROR, message, place)


def warning(message: str) -> Diagnostic:
    return _diagnostic(Diagnostic.SEVERITY_WARNING, message, None)


def info(message: str) -> Diagnostic:
    return _diagnostic(Diagnostic.SEVERITY_INFO, message, None)


def _diagnostic(severity: Diagnostic.Severity.ValueType, message: str, place: Place | None) -> Diagnostic:
    where = place or Place("", 0, 0)
    return Diagnostic(
        severity=severity, message=message, file=where.file, line=where.line, column=where.column
    )
