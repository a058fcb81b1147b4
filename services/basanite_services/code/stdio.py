"""Form `stdio`: a program reads standard input and writes standard output."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import CaseResult, Diagnostic, Verdict
from basanite_sandboxes.spec import Ended, Limits, PythonProgram, Report, Sandbox
from basanite_services.chassis.verifier import Context, InvalidItem
from basanite_services.code import check
from basanite_services.code.checker import run_checker
from basanite_services.code.outcome import (
    MAX_IDLE_CASES,
    case_result,
    diagnostics_of,
    not_run,
    outcome_of,
    verdict_of,
    why,
)
from basanite_services.code.text import difference

BIG_BYTES = 256 << 10
"""Outputs beyond this are compared in a thread, so that they hold nobody up."""


@dataclass(frozen=True, slots=True)
class _Case:
    stdin: bytes
    expected: bytes
    has_answer: bool
    weight: int
    comparison: tasks_pb2.TextComparison


async def judge_stdio(source: bytes, form: tasks_pb2.StdioForm, context: Context) -> Verdict:
    cases = _check(form)
    program = PythonProgram(source)
    results: list[CaseResult] = []
    diagnostics: list[Diagnostic] = []
    idle_cases = 0
    async with (
        context.sandbox() as sandbox,
        aclosing(
            _reports(sandbox, program, context.limits, cases, apart=form.HasField("checker"))
        ) as reports,
    ):
        async for report in reports:
            case = cases[len(results)]
            result = await _judge(case, report, form, sandbox, context.limits)
            results.append(result)
            if not _passed(result) and not diagnostics:
                diagnostics = diagnostics_of(report)
            idle_cases += report.ended is Ended.WALL_LIMIT
            if report.ended is Ended.REJECTED:
                # It never compiles: nothing more to run, and nothing unknown about the score.
                results += [
                    case_result(report, result.outcome, other.weight) for other in cases[len(results) :]
                ]
            elif idle_cases >= MAX_IDLE_CASES or (form.stop_on_first_failure and not _passed(result)):
                break
    results += [not_run(case.weight) for case in cases[len(results) :]]
    return verdict_of(results, diagnostics)


def _passed(result: CaseResult) -> bool:
    return result.outcome == result_pb2.OUTCOME_PASSED


def _check(form: tasks_pb2.StdioForm) -> list[_Case]:
    path = "code.stdio"
    check.check_count(f"{path}.cases", len(form.cases))
    check.check_comparison(f"{path}.comparison", form.comparison)
    if form.HasField("checker"):
        check.check_checker(f"{path}.checker", form.checker.language, form.checker.source)
    cases = []
    for number, case in enumerate(form.cases):
        here = f"{path}.cases[{number}]"
        answer = case.WhichOneof("answer")
        if answer is None and not form.HasField("checker"):
            raise InvalidItem(f"{here}.expected", "must be set where there is no checker")
        comparison = form.comparison
        if case.HasField("comparison"):
            check.check_comparison(f"{here}.comparison", case.comparison)
            comparison = case.comparison
        cases.append(
            _Case(
                case.stdin_bytes or case.stdin.encode(),
                case.expected_bytes or case.expected.encode(),
                answer is not None,
                check.weight_of(here, case.weight),
                comparison,
            )
        )
    return cases


async def _reports(
    sandbox: Sandbox, program: PythonProgram, limits: Limits, cases: list[_Case], *, apart: bool
) -> AsyncGenerator[Report, None]:
    """A report a case. `apart`: the sandbox must be free for another program between two cases."""
    if apart or len(cases) == 1:
        for case in cases:
            report = await sandbox.run(program, limits, stdin=case.stdin)
            yield report
            if report.ended is Ended.REJECTED:
                return
        return
    async with aclosing(sandbox.run_cases(program, limits, [case.stdin for case in cases])) as reports:
        async for report in reports:
            yield report


async def _judge(
    case: _Case, report: Report, form: tasks_pb2.StdioForm, sandbox: Sandbox, limits: Limits
) -> CaseResult:
    outcome = outcome_of(report)
    if outcome != result_pb2.OUTCOME_COMPLETED:
        return case_result(report, outcome, case.weight, why(report, limits))
    if form.HasField("checker"):
        answer = case.expected if case.has_answer else None
        wrong = await run_checker(sandbox, form.checker, case.stdin, report.stdout, answer)
    elif len(report.stdout) + len(case.expected) > BIG_BYTES:
        wrong = await asyncio.to_thread(difference, report.stdout, case.expected, case.comparison)
    else:
        wrong = difference(report.stdout, case.expected, case.comparison)
    if wrong is None:
        return case_result(report, result_pb2.OUTCOME_PASSED, case.weight)
    return case_result(report, result_pb2.OUTCOME_FAILED, case.weight, f"wrong answer: {wrong}")
