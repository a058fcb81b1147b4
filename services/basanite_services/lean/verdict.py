"""Verdicts on proofs."""

from __future__ import annotations

from collections.abc import Sequence

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import CaseResult, Diagnostic, Usage, Verdict
from basanite_services.code.outcome import verdict_of
from basanite_services.lean.messages import Message, diagnostics, feedback


def verdict_on(
    cases: Sequence[CaseResult],
    usages: Sequence[Usage],
    text: str,
    messages: Sequence[Message],
    weights: Sequence[int] | None = None,
) -> Verdict:
    """`text`: the candidate's, empty if there are several; `messages`: those about it, in its own positions."""
    for case, weight in zip(cases, weights or [1] * len(cases), strict=True):
        case.weight = weight
    cases[0].usage.CopyFrom(sum_of(usages))
    verdict = verdict_of(cases, diagnostics(messages))
    if text and verdict.outcome != result_pb2.OUTCOME_PASSED:
        verdict.feedback = feedback(text, messages)
    if not any(one.severity == Diagnostic.SEVERITY_ERROR for one in verdict.diagnostics):
        for message in dict.fromkeys(case.message for case in cases if case.message):
            verdict.diagnostics.append(Diagnostic(severity=Diagnostic.SEVERITY_ERROR, message=message))
    return verdict


def refused(message: str, names: Sequence[str], weights: Sequence[int] | None = None) -> Verdict:
    """On a candidate that is not compiled at all."""
    cases = [
        CaseResult(outcome=result_pb2.OUTCOME_REJECTED, message=message, declaration=name, weight=weight)
        for name, weight in zip(names, weights or [1] * len(names), strict=True)
    ]
    return verdict_of(cases, [Diagnostic(severity=Diagnostic.SEVERITY_ERROR, message=message)])


def sum_of(usages: Sequence[Usage]) -> Usage:
    return Usage(
        cpu_seconds=sum(usage.cpu_seconds for usage in usages),
        wall_seconds=sum(usage.wall_seconds for usage in usages),
        peak_memory_bytes=max((usage.peak_memory_bytes for usage in usages), default=0),
    )
