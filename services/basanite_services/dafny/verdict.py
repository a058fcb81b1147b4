"""Verdicts on programs."""

from __future__ import annotations

from collections.abc import Sequence

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import CaseResult, Diagnostic, Verdict
from basanite_services.dafny.guard import Refusal
from basanite_services.dafny.specification import Difference
from basanite_services.dafny.tokens import SourceError, Token

SCORE_POLICY = "all"


def verdict_on(cases: Sequence[CaseResult], diagnostics: Sequence[Diagnostic]) -> Verdict:
    """Its outcome is that of the first case that did not pass."""
    outcome = result_pb2.OUTCOME_PASSED
    unfinished = False
    for case in cases:
        if case.outcome == result_pb2.OUTCOME_NOT_RUN:
            unfinished = True
        elif case.outcome != result_pb2.OUTCOME_PASSED and outcome == result_pb2.OUTCOME_PASSED:
            outcome = case.outcome
    verdict = Verdict(
        outcome=outcome,
        score=float(outcome == result_pb2.OUTCOME_PASSED and not unfinished),
        assurance=result_pb2.ASSURANCE_SEPARATED,
        cases=cases,
        diagnostics=diagnostics,
        score_policy=SCORE_POLICY,
    )
    if not any(one.severity == Diagnostic.SEVERITY_ERROR for one in diagnostics):
        for message in dict.fromkeys(case.message for case in cases if case.message):
            verdict.diagnostics.append(Diagnostic(severity=Diagnostic.SEVERITY_ERROR, message=message))
    return verdict


def rejected(error: SourceError) -> Verdict:
    """On a text that Dafny is not given."""
    place = Diagnostic(
        severity=Diagnostic.SEVERITY_ERROR, message=error.message, line=error.line, column=error.column
    )
    return _without_run(result_pb2.OUTCOME_REJECTED, [place])


def forbidden(refusals: Sequence[Refusal | Difference]) -> Verdict:
    """On a program that Dafny is not given."""
    found = [error_at(one.token, one.message[:1000]) for one in refusals]
    return _without_run(result_pb2.OUTCOME_FORBIDDEN, found)


def error_at(token: Token | None, message: str) -> Diagnostic:
    line, column = (token.line, token.column) if token is not None else (0, 0)
    return Diagnostic(severity=Diagnostic.SEVERITY_ERROR, message=message, line=line, column=column)


def _without_run(outcome: result_pb2.Outcome.ValueType, diagnostics: Sequence[Diagnostic]) -> Verdict:
    case = CaseResult(outcome=outcome, message=diagnostics[0].message, weight=1)
    return Verdict(
        outcome=outcome,
        score=0.0,
        assurance=result_pb2.ASSURANCE_SEPARATED,
        cases=[case],
        diagnostics=diagnostics,
        score_policy=SCORE_POLICY,
    )
