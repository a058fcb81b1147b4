"""Form `function`: a function is called with arguments. Its process returns data; what is expected stays here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from basanite import values
from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import CaseResult, Diagnostic, RaisedException, Verdict
from basanite_sandboxes.spec import Ended, PythonCalls, Report, Sandbox
from basanite_services.chassis.verifier import Context, InvalidItem
from basanite_services.code import check
from basanite_services.code.outcome import (
    diagnostics_of,
    not_run,
    outcome_of,
    shown,
    usage_of,
    verdict_of,
    why,
)
from basanite_services.code.values import equal, strictly_equal

_SPENT = (Ended.CPU_LIMIT, Ended.WALL_LIMIT, Ended.STARVED)
"""Time limits hold for all cases of a process together: after them there is nothing left for the next."""


@dataclass(frozen=True, slots=True)
class _Case:
    call: bytes
    arguments: list[Any]
    judges_value: bool
    expected: Any
    raises: str | None
    after: list[Any] | None
    """Expected arguments after the call."""
    weight: int
    comparison: tasks_pb2.ValueComparison


async def judge_function(source: bytes, form: tasks_pb2.FunctionForm, context: Context) -> Verdict:
    cases = _check(form)
    results: list[CaseResult] = []
    diagnostics: list[Diagnostic] = []
    async with context.sandbox() as sandbox:
        while len(results) < len(cases):
            left = cases[len(results) :]
            batch, report = await _process(
                sandbox, source, form, left[:1] if form.fresh_process else left, context
            )
            results += batch
            if not diagnostics:
                diagnostics = diagnostics_of(report)
            if form.stop_on_first_failure and _cut_after_failure(results):
                break
            if report.ended in _SPENT and not form.fresh_process:
                break
    results += [not_run(case.weight) for case in cases[len(results) :]]
    return verdict_of(results, diagnostics)


def _cut_after_failure(results: list[CaseResult]) -> bool:
    """Forget what came after the first case that did not pass. -> whether there was one"""
    for number, result in enumerate(results, 1):
        if result.outcome != result_pb2.OUTCOME_PASSED:
            del results[number:]
            return True
    return False


async def _process(
    sandbox: Sandbox, source: bytes, form: tasks_pb2.FunctionForm, cases: list[_Case], context: Context
) -> tuple[list[CaseResult], Report]:
    """Run one process over the cases. -> results of those it got to, at least one, and its report"""
    program = PythonCalls(source, form.entry_point, b"\n".join(case.call for case in cases))
    report = await sandbox.run(program, context.limits)
    results: list[CaseResult] = []
    for case, line in zip(cases, report.answers.split(b"\n")[:-1], strict=False):
        answer = _read(line)
        if answer is not None and "import" in answer:
            break
        results.append(_judge(case, answer))
    if len(results) < len(cases):
        # It ended in the middle of the next case; before any case, it would do so again.
        outcome = outcome_of(report)
        if outcome == result_pb2.OUTCOME_COMPLETED:
            outcome = result_pb2.OUTCOME_CRASHED  # it left with status 0 and did not answer
        never_starts = not results and report.ended is not Ended.CELL_LOST and _fails_at_import(report)
        for case in cases[len(results) :] if never_starts else cases[len(results) : len(results) + 1]:
            results.append(
                CaseResult(outcome=outcome, weight=case.weight, message=why(report, context.limits))
            )
    results[0].usage.CopyFrom(usage_of(report))
    if report.stdout or report.stderr:
        results[0].output.CopyFrom(shown(report))
    return results, report


def _fails_at_import(report: Report) -> bool:
    answer = _read(report.answers.partition(b"\n")[0])
    return report.ended is Ended.REJECTED or (answer is not None and "import" in answer)


def _read(line: bytes) -> dict[str, Any] | None:
    """An answer of the candidate's process: data, or None if it is not."""
    try:
        answer = values.loads(line)
    except values.ValueFormatError:
        return None
    return answer if isinstance(answer, dict) else None


def _judge(case: _Case, answer: dict[str, Any] | None) -> CaseResult:
    result = CaseResult(outcome=result_pb2.OUTCOME_FAILED, weight=case.weight)
    if answer is None:
        result.message = "what it returned cannot be read as data"
        return result
    after = answer.get("after", case.arguments)
    if not isinstance(after, list):
        after = None
    elif not strictly_equal(after, case.arguments):
        result.arguments_after = values.dumps(after)
    if "raised" in answer:
        _put_raised(result, answer["raised"])
        if case.raises is None:
            result.message = f"raised {result.raised.types[0] if result.raised.types else 'an exception'}"
            return result
        if case.raises not in result.raised.types:
            result.message = "raised another exception than expected"
            return result
    elif "value" in answer:
        result.returned = values.dumps(answer["value"])
        if case.raises is not None:
            result.message = "returned where an exception is expected"
            return result
        if case.judges_value and not equal(answer["value"], case.expected, case.comparison):
            result.message = "wrong value"
            return result
    else:
        said = answer.get("opaque") or answer.get("missing")
        result.message = said[:300] if isinstance(said, str) else "no answer"
        return result
    if case.after is not None and (after is None or not equal(after, case.after, case.comparison)):
        result.message = "the arguments are wrong after the call"
        return result
    result.outcome = result_pb2.OUTCOME_PASSED
    return result


def _put_raised(result: CaseResult, raised: Any) -> None:
    if (
        isinstance(raised, dict)
        and isinstance(raised.get("types"), list)
        and isinstance(raised.get("message"), str)
    ):
        names = [name[:200] for name in raised["types"][:50] if isinstance(name, str)]
        result.raised.CopyFrom(RaisedException(types=names, message=raised["message"][:1000]))
    else:
        result.raised.SetInParent()


def _check(form: tasks_pb2.FunctionForm) -> list[_Case]:
    path = "code.function"
    check.check_entry_point(f"{path}.entry_point", form.entry_point)
    check.check_count(f"{path}.cases", len(form.cases))
    check.check_comparison(f"{path}.comparison", form.comparison)
    return [_check_case(f"{path}.cases[{number}]", case, form) for number, case in enumerate(form.cases)]


def _check_case(path: str, case: tasks_pb2.FunctionCase, form: tasks_pb2.FunctionForm) -> _Case:
    arguments_text, keywords_text = case.arguments or "[]", case.keyword_arguments or "{}"
    arguments = check.parse(f"{path}.arguments", arguments_text, list)
    check.parse(f"{path}.keyword_arguments", keywords_text, dict)
    answer = case.WhichOneof("answer")
    if answer is None and not case.HasField("expected_arguments_after"):
        raise InvalidItem(f"{path}.expected", "must be set, or raises, or expected_arguments_after")
    if answer == "raises":
        check.check_exception_name(f"{path}.raises", case.raises)
    comparison = form.comparison
    if case.HasField("comparison"):
        check.check_comparison(f"{path}.comparison", case.comparison)
        comparison = case.comparison
    after = None
    if case.HasField("expected_arguments_after"):
        after = check.parse(f"{path}.expected_arguments_after", case.expected_arguments_after, list)
    # A line a call: JSON has line breaks only between its tokens.
    call = (
        f'{{"args": {arguments_text}, "kwargs": {keywords_text}, "after": {str(after is not None).lower()}}}'
    )
    return _Case(
        call=call.replace("\n", " ").replace("\r", " ").encode(),
        arguments=arguments,
        judges_value=answer == "expected",
        expected=check.parse(f"{path}.expected", case.expected) if answer == "expected" else None,
        raises=case.raises if answer == "raises" else None,
        after=after,
        weight=check.weight_of(path, case.weight),
        comparison=comparison,
    )
