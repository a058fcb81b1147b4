"""Results and server descriptions from protobuf.

What a newer server says and this version does not know (an enum's number, an outcome beside verdict and
failure) becomes a Failure, and so does what breaks the contract: a trainer must not learn from what was not
understood.
"""

from __future__ import annotations

from typing import Final

from basanite._convert import limits_from_proto
from basanite._enums import (
    ASSURANCE_NUMBERS,
    ASSURANCES,
    OUTCOME_NUMBERS,
    OUTCOMES,
    REASON_NUMBERS,
    REASONS,
    SEVERITIES,
    SEVERITY_NUMBERS,
    STATE_NUMBERS,
    STATES,
    TEST_STATUS_NUMBERS,
    TEST_STATUSES,
)
from basanite._fields import ordered
from basanite._results import (
    Assurance,
    CapturedOutput,
    CaseResult,
    Diagnostic,
    Failure,
    FailureReason,
    Outcome,
    Part,
    RaisedException,
    Result,
    TestResult,
    Usage,
    Verdict,
    WaveCycle,
    WaveMismatch,
)
from basanite._server_info import (
    EnvironmentInfo,
    IsolationInfo,
    RequestLimits,
    ServerInfo,
    ToolInfo,
    VerifierInfo,
)
from basanite.v1 import result_pb2, tasks_pb2, verifier_pb2

_RETRYABLE: Final = frozenset((FailureReason.SANDBOX, FailureReason.OVERLOADED, FailureReason.INTERNAL))
_FREE: Final = Usage()


class _NotUnderstoodError(Exception):
    """The message says something that this version does not know, or that the contract forbids."""


def result_from_proto(proto: result_pb2.Result, item_id: str, required: Assurance | None) -> Result:
    """The Result of the item with this id. A verdict with less than the required assurance is a Failure."""
    verdict: Verdict | None = None
    failure: Failure | None = None
    try:
        which = proto.WhichOneof("outcome")
        if which == "verdict":
            verdict = _verdict(proto.verdict)
            if required is Assurance.SEPARATED and verdict.assurance is not Assurance.SEPARATED:
                failure = _below(required, verdict)
                verdict = None
        elif which == "failure":
            failure = _failure(proto.failure)
        else:
            raise _NotUnderstoodError("it is neither verdict nor failure")
    except _NotUnderstoodError as error:
        failure = Failure(
            FailureReason.INTERNAL,
            f"the server's result was not understood: {error}; a newer client may understand it",
        )
    return Result(
        item_id,
        verdict,
        failure,
        _usage(proto.usage) if proto.HasField("usage") else _FREE,
        proto.cached,
        proto.digest,
        proto.environment_digest,
    )


def _below(required: Assurance, verdict: Verdict) -> Failure:
    guards = f" (guarded by {', '.join(verdict.guards)})" if verdict.guards else ""
    return Failure(
        FailureReason.INVALID_ITEM,
        f"the verdict's assurance is {verdict.assurance.name}{guards} and {required.name} is required; pass"
        " require_assurance=Assurance.GUARDED to accept it",
        "require_assurance",
        f"must be at most {verdict.assurance.name} for this item",
    )


def _usage(proto: result_pb2.Usage) -> Usage:
    return Usage(proto.cpu_seconds, proto.wall_seconds, proto.queue_seconds, proto.peak_memory_bytes)


def _verdict(proto: result_pb2.Verdict) -> Verdict:
    outcome = OUTCOMES.get(proto.outcome)
    assurance = ASSURANCES.get(proto.assurance)
    if outcome is None or outcome is Outcome.NOT_RUN:
        raise _NotUnderstoodError(f"outcome {proto.outcome}")
    if assurance is None:
        raise _NotUnderstoodError(f"assurance {proto.assurance}")
    score = proto.score if proto.HasField("score") else None
    if score is None:
        if outcome is Outcome.PASSED:
            raise _NotUnderstoodError("PASSED without a score")
    elif not 0.0 <= score <= 1.0 or (score == 1.0) is not (outcome is Outcome.PASSED):
        raise _NotUnderstoodError(f"{outcome.name} with score {score}")
    elif outcome is Outcome.COMPLETED:
        raise _NotUnderstoodError("COMPLETED with a score")
    return Verdict(
        outcome,
        score,
        assurance,
        tuple(proto.guards),
        tuple(map(_case, proto.cases)),
        proto.score_is_lower_bound,
        tuple(map(_part, proto.parts)),
        proto.score_policy,
        tuple(map(_diagnostic, proto.diagnostics)),
        proto.near_limit,
        proto.vcd if proto.HasField("vcd") else None,
        proto.feedback,
    )


def _case(proto: result_pb2.CaseResult) -> CaseResult:
    outcome = OUTCOMES.get(proto.outcome)
    if outcome is None:
        raise _NotUnderstoodError(f"outcome {proto.outcome} of a case")
    has = proto.HasField
    return CaseResult(
        outcome,
        proto.weight,
        _usage(proto.usage) if has("usage") else _FREE,
        _output(proto.output) if has("output") else None,
        proto.exit_status if has("exit_status") else None,
        proto.signal if has("signal") else None,
        proto.message,
        proto.returned if has("returned") else None,
        proto.arguments_after if has("arguments_after") else None,
        RaisedException(tuple(proto.raised.types), proto.raised.message) if has("raised") else None,
        _mismatch(proto.mismatch) if has("mismatch") else None,
        _test(proto.test) if has("test") else None,
        proto.declaration,
    )


def _test(proto: result_pb2.TestResult) -> TestResult:
    if proto.status not in TEST_STATUSES:
        raise _NotUnderstoodError(f"a test has status {proto.status}")
    return TestResult(proto.name, TEST_STATUSES[proto.status], proto.wall_seconds, proto.flaky)


def _mismatch(proto: result_pb2.WaveMismatch) -> WaveMismatch:
    return WaveMismatch(
        proto.port,
        proto.mismatched_samples,
        proto.compared_samples,
        proto.first_cycle,
        proto.expected,
        proto.got,
        tuple(WaveCycle(cycle.cycle, ordered(cycle.values)) for cycle in proto.window),
        tuple(proto.hints),
    )


def _output(proto: result_pb2.CapturedOutput) -> CapturedOutput:
    return CapturedOutput(proto.stdout, proto.stderr, proto.stdout_truncated, proto.stderr_truncated)


def _part(proto: result_pb2.Part) -> Part:
    state = STATES.get(proto.state)
    if state is None:
        raise _NotUnderstoodError(f"state {proto.state} of a part")
    score = proto.score if proto.HasField("score") else None
    if score is not None and not 0.0 <= score <= 1.0:
        raise _NotUnderstoodError(f"score {score} of a part")
    return Part(proto.name, state, score)


def _diagnostic(proto: result_pb2.Diagnostic) -> Diagnostic:
    severity = SEVERITIES.get(proto.severity)
    if severity is None:
        raise _NotUnderstoodError(f"severity {proto.severity} of a diagnostic")
    return Diagnostic(severity, proto.message, proto.file, proto.line, proto.column, proto.code)


def _failure(proto: result_pb2.Failure) -> Failure:
    reason = REASONS.get(proto.reason)
    if reason is None:
        raise _NotUnderstoodError(f"failure reason {proto.reason} ({proto.message})")
    return Failure(reason, proto.message, proto.field, proto.rule, proto.retryable and reason in _RETRYABLE)


def result_to_proto(result: Result) -> result_pb2.Result:
    """The message that describes a Result."""
    proto = result_pb2.Result(
        id=result.id,
        cached=result.cached,
        digest=result.digest,
        environment_digest=result.environment_digest,
        usage=_usage_to_proto(result.usage),
    )
    if result.failure is not None:
        failure = result.failure
        proto.failure.message = failure.message
        proto.failure.reason = result_pb2.Failure.Reason.ValueType(REASON_NUMBERS[failure.reason])
        proto.failure.field = failure.field
        proto.failure.rule = failure.rule
        proto.failure.retryable = failure.retryable
    if result.verdict is not None:
        _put_verdict(result.verdict, proto.verdict)
    return proto


def _put_verdict(verdict: Verdict, proto: result_pb2.Verdict) -> None:
    proto.outcome = result_pb2.Outcome.ValueType(OUTCOME_NUMBERS[verdict.outcome])
    proto.assurance = result_pb2.Assurance.ValueType(ASSURANCE_NUMBERS[verdict.assurance])
    if verdict.score is not None:
        proto.score = verdict.score
    proto.guards.extend(verdict.guards)
    proto.score_is_lower_bound = verdict.score_is_lower_bound
    proto.score_policy = verdict.score_policy
    proto.near_limit = verdict.near_limit
    if verdict.vcd is not None:
        proto.vcd = verdict.vcd
    proto.feedback = verdict.feedback
    for case in verdict.cases:
        proto.cases.append(_case_to_proto(case))
    for part in verdict.parts:
        proto.parts.append(
            result_pb2.Part(
                name=part.name,
                state=result_pb2.Part.State.ValueType(STATE_NUMBERS[part.state]),
                score=part.score,
            )
        )
    for remark in verdict.diagnostics:
        proto.diagnostics.append(
            result_pb2.Diagnostic(
                severity=result_pb2.Diagnostic.Severity.ValueType(SEVERITY_NUMBERS[remark.severity]),
                message=remark.message,
                file=remark.file,
                line=remark.line,
                column=remark.column,
                code=remark.code,
            )
        )


def _case_to_proto(case: CaseResult) -> result_pb2.CaseResult:
    proto = result_pb2.CaseResult(
        outcome=result_pb2.Outcome.ValueType(OUTCOME_NUMBERS[case.outcome]),
        weight=case.weight,
        usage=_usage_to_proto(case.usage),
        exit_status=case.exit_status,
        signal=case.signal,
        message=case.message,
        returned=case.returned_json,
        arguments_after=case.arguments_after_json,
    )
    if case.output is not None:
        proto.output.stdout = case.output.stdout
        proto.output.stderr = case.output.stderr
        proto.output.stdout_truncated = case.output.stdout_truncated
        proto.output.stderr_truncated = case.output.stderr_truncated
    if case.raised is not None:
        proto.raised.types.extend(case.raised.types)
        proto.raised.message = case.raised.message
    if case.mismatch is not None:
        _put_mismatch(case.mismatch, proto.mismatch)
    proto.declaration = case.declaration
    if case.test is not None:
        proto.test.name = case.test.name
        proto.test.status = tasks_pb2.TestStatus.ValueType(TEST_STATUS_NUMBERS[case.test.status])
        proto.test.wall_seconds = case.test.wall_seconds
        proto.test.flaky = case.test.flaky
    return proto


def _put_mismatch(mismatch: WaveMismatch, proto: result_pb2.WaveMismatch) -> None:
    proto.port = mismatch.port
    proto.mismatched_samples = mismatch.mismatched_samples
    proto.compared_samples = mismatch.compared_samples
    proto.first_cycle = mismatch.first_cycle
    proto.expected = mismatch.expected
    proto.got = mismatch.got
    for cycle in mismatch.window:
        proto.window.add(cycle=cycle.cycle, values=cycle.values)
    proto.hints.extend(mismatch.hints)
    proto.SetInParent()


def _usage_to_proto(usage: Usage) -> result_pb2.Usage:
    return result_pb2.Usage(
        cpu_seconds=usage.cpu_seconds,
        wall_seconds=usage.wall_seconds,
        queue_seconds=usage.queue_seconds,
        peak_memory_bytes=usage.peak_memory_bytes,
    )


def server_info_from_proto(proto: verifier_pb2.DescribeResponse) -> ServerInfo:
    """What a server says about itself."""
    isolation = proto.isolation
    limits = proto.request_limits
    return ServerInfo(
        proto.contract_version,
        proto.server_version,
        tuple(map(_verifier_info, proto.verifiers)),
        IsolationInfo(
            isolation.runtime,
            isolation.profile,
            tuple(isolation.namespaces),
            isolation.seccomp,
            isolation.memory_control,
            isolation.cpu_accounting,
            tuple(isolation.weaknesses),
        ),
        RequestLimits(
            limits.max_batch_items,
            limits.max_message_bytes,
            limits.max_item_bytes,
            limits.max_queued_items,
            limits.max_value_depth,
            limits.max_cases,
        ),
        proto.seed_fingerprint,
    )


def _verifier_info(proto: verifier_pb2.VerifierInfo) -> VerifierInfo:
    return VerifierInfo(
        proto.kind,
        tuple(proto.forms),
        tuple(proto.languages),
        tuple(ToolInfo(tool.name, tool.version) for tool in proto.toolchain),
        tuple(EnvironmentInfo(e.name, e.digest, tuple(e.packages)) for e in proto.environments),
        limits_from_proto(proto.default_limits),
        limits_from_proto(proto.max_limits),
    )
