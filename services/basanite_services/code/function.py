"""Form `function`: a function is called with arguments. Its process returns data; what is expected stays here."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from basanite import values
from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import CaseResult, Diagnostic, RaisedException, Verdict
from basanite_sandboxes.spec import Ended, PythonCalls, Report, Sandbox
from basanite_services.chassis.verifier import Context, InvalidItem
from basanite_services.code import check
from basanite_services.code.outcome import (
    MAX_IDLE_CASES,
    OVER_LIMIT,
    SPENT,
    cut_after_failure,
    diagnostics_of,
    not_run,
    outcome_of,
    sendable,
    shown,
    usage_of,
    verdict_of,
    why,
)
from basanite_services.code.values import equal, strictly_equal

BIG_BYTES = 256 << 10
"""Answers beyond this are read in a thread, so that they hold nobody up."""
SHOWN_BYTES = 2 << 20
"""How much of the values of an item travels in its result: those of the first cases."""
MAX_KINDS = 2
"""Built-in exceptions that one exception may be at once: io.UnsupportedOperation is an OSError and a ValueError.
One that is all of them would be right wherever any is expected."""

_EXCEPTIONS = {
    name: {base.__name__ for base in kind.__mro__[1:]}
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
}
"""Built-in exceptions and their bases."""
_CLASS_NAMES = {name: getattr(builtins, name).__name__ for name in _EXCEPTIONS}
"""IOError is another name of OSError: an exception only knows the latter."""


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


@dataclass(slots=True)
class _Shown:
    """Values on their way into a result."""

    left: int = field(default=SHOWN_BYTES)

    def text(self, value: Any) -> str | None:
        """None if it does not fit: a value can be far longer here than in the words of the candidate."""
        if self.left <= 0:
            return None
        try:
            text = values.dumps(value)
        except ValueError:
            return None
        self.left -= len(text)
        return text if self.left >= 0 else None


async def judge_function(source: bytes, form: tasks_pb2.FunctionForm, context: Context) -> Verdict:
    cases = _check(form)
    results: list[CaseResult] = []
    diagnostics: list[Diagnostic] = []
    room = _Shown()
    idle_processes = 0
    async with context.sandbox() as sandbox:
        while len(results) < len(cases):
            left = cases[len(results) :]
            batch, report = await _process(
                sandbox, source, form, left[:1] if form.fresh_process else left, context, room
            )
            results += batch
            if not diagnostics:
                diagnostics = diagnostics_of(report)
            if form.stop_on_first_failure and cut_after_failure(results):
                break
            idle_processes += report.ended is Ended.WALL_LIMIT
            if (report.ended in SPENT and not form.fresh_process) or idle_processes >= MAX_IDLE_CASES:
                break
    results += [not_run(case.weight) for case in cases[len(results) :]]
    return verdict_of(results, diagnostics)


async def _process(
    sandbox: Sandbox,
    source: bytes,
    form: tasks_pb2.FunctionForm,
    cases: list[_Case],
    context: Context,
    room: _Shown,
) -> tuple[list[CaseResult], Report]:
    """Run one process over the cases. -> results of those it got to, at least one, and its report"""
    program = PythonCalls(source, form.entry_point, b"\n".join(case.call for case in cases))
    report = await sandbox.run(program, context.limits)
    if len(report.answers) > BIG_BYTES:
        results = await asyncio.to_thread(_judge_answers, cases, report.answers, room)
    else:
        results = _judge_answers(cases, report.answers, room)
    if len(results) < len(cases):
        # It ended in the middle of the next case; before any case, it would do so again.
        outcome = outcome_of(report)
        if outcome == result_pb2.OUTCOME_COMPLETED:
            outcome = result_pb2.OUTCOME_CRASHED  # it left with status 0 and did not answer
        never_starts = not results and report.ended is not Ended.CELL_LOST and _fails_at_import(report)
        for case in cases[len(results) :] if never_starts else cases[len(results) : len(results) + 1]:
            results.append(_ended(case, outcome, report, context))
    elif report.ended in OVER_LIMIT:
        # It answered in the moment before it was stopped: chance must not decide.
        results[-1] = _ended(cases[-1], outcome_of(report), report, context)
    results[0].usage.CopyFrom(usage_of(report))
    if report.stdout or report.stderr:
        results[0].output.CopyFrom(shown(report))
    return results, report


def _judge_answers(cases: Sequence[_Case], answers: bytes, room: _Shown) -> list[CaseResult]:
    """-> results of the cases that were answered"""
    results = []
    for case, line in zip(cases, answers.split(b"\n", len(cases))[:-1], strict=False):
        answer = _read(line)
        if answer is not None and "import" in answer:
            break
        results.append(_judge(case, answer, room))
    return results


def _ended(
    case: _Case, outcome: result_pb2.Outcome.ValueType, report: Report, context: Context
) -> CaseResult:
    return CaseResult(outcome=outcome, weight=case.weight, message=why(report, context.limits))


def _fails_at_import(report: Report) -> bool:
    answer = _read(report.answers.partition(b"\n")[0])
    return report.ended is Ended.REJECTED or (answer is not None and "import" in answer)


def _read(line: bytes) -> dict[str, Any] | None:
    """An answer of the candidate's process: data, or None if it is not."""
    try:
        answer = values.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _judge(case: _Case, answer: dict[str, Any] | None, room: _Shown) -> CaseResult:
    result = CaseResult(outcome=result_pb2.OUTCOME_FAILED, weight=case.weight)
    if answer is None:
        result.message = "what it returned cannot be read as data"
        return result
    after = answer.get("after", case.arguments)
    if not isinstance(after, list):
        after = None
    elif not strictly_equal(after, case.arguments) and (text := room.text(after)) is not None:
        result.arguments_after = text
    if "raised" in answer:
        kinds = _put_raised(result, answer["raised"])
        if case.raises is None:
            result.message = f"raised {result.raised.types[0] if result.raised.types else 'an exception'}"
            return result
        if not _is_raised(case.raises, kinds):
            result.message = "raised another exception than expected"
            return result
    elif "value" in answer:
        if (text := room.text(answer["value"])) is not None:
            result.returned = text
        if case.raises is not None:
            result.message = "returned where an exception is expected"
            return result
        if case.judges_value and not equal(answer["value"], case.expected, case.comparison):
            result.message = "wrong value"
            return result
        if case.judges_value and _is_strict(case.comparison) and "converted" in answer:
            result.message = "a value of another type"  # say a generator, whose items came as a list
            return result
    else:
        said = answer.get("opaque") or answer.get("missing")
        result.message = sendable(said[:300]) if isinstance(said, str) else "no answer"
        return result
    if case.after is not None and (after is None or not equal(after, case.after, case.comparison)):
        result.message = "the arguments are wrong after the call"
        return result
    result.outcome = result_pb2.OUTCOME_PASSED
    return result


def _is_strict(comparison: tasks_pb2.ValueComparison) -> bool:
    return comparison.policy == tasks_pb2.ValueComparison.POLICY_STRICT


def _put_raised(result: CaseResult, raised: Any) -> list[str]:
    """-> names of the exception's class and its bases"""
    if not (
        isinstance(raised, dict)
        and isinstance(raised.get("types"), list)
        and isinstance(raised.get("message"), str)
    ):
        result.raised.SetInParent()
        return []
    kinds = [sendable(name[:200]) for name in raised["types"][:50] if isinstance(name, str)]
    result.raised.CopyFrom(RaisedException(types=kinds, message=sendable(raised["message"][:1000])))
    return kinds


def _is_raised(expected: str, kinds: list[str]) -> bool:
    expected = _CLASS_NAMES.get(expected, expected)
    known = _EXCEPTIONS.keys() & kinds
    inherited = {base for name in known for base in _EXCEPTIONS[name]}
    return expected in kinds and len(known - inherited) <= MAX_KINDS


def _check(form: tasks_pb2.FunctionForm) -> list[_Case]:
    path = "code.function"
    check.check_entry_point(f"{path}.entry_point", form.entry_point)
    check.check_count(f"{path}.cases", len(form.cases))
    check.check_comparison(f"{path}.comparison", form.comparison)
    return [_check_case(f"{path}.cases[{number}]", case, form) for number, case in enumerate(form.cases)]


def _check_case(path: str, case: tasks_pb2.FunctionCase, form: tasks_pb2.FunctionForm) -> _Case:
    arguments_text, keywords_text = case.arguments or "[]", case.keyword_arguments or "{}"
    arguments = check.parse(f"{path}.arguments", arguments_text, list)
    check.check_keywords(
        f"{path}.keyword_arguments", check.parse(f"{path}.keyword_arguments", keywords_text, dict)
    )
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
