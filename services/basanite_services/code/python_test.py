"""Form `python_test`: trusted tests use what the candidate defines, from a sandbox of their own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import CaseResult, Diagnostic, RaisedException, Verdict
from basanite_sandboxes.spec import Ended, Limits, PythonObjects, PythonTests, Report, Sandbox
from basanite_services.chassis.verifier import Context, Overloaded, TaskFault
from basanite_services.code import check
from basanite_services.code.outcome import (
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

TESTS_LIMITS = Limits(cpu_seconds=30, memory_bytes=1 << 30, file_bytes=256 << 20, disk_bytes=512 << 20)
"""Of the tests' process. Its wall time is that of the candidate, for which it waits, and WAIT_SECONDS more."""
WAIT_SECONDS = 30.0
OVERTIME = 10
"""A candidate that mostly waits for a core may take this many times its wall time."""
SHARE_OF_WALL_TIME = 0.8
"""A candidate whose wall time ran out while the tests waited for it for less than this share gets that of the tests,
too."""
PATH = "code.python_test"


class _Pair:
    """What came of one pair of processes, of candidate and tests, over some of the cases."""

    def __init__(
        self,
        first: int,
        weights: Sequence[int],
        stops: bool,
        candidate: Report,
        tests: Report,
        limits: Limits,
    ) -> None:
        self._first = first
        self._weights = weights
        self._stops = stops
        """After the first case that does not pass."""
        self._candidate = candidate
        self._tests = tests
        self._limits = limits
        lines = [json.loads(line) for line in tests.answers.split(b"\n")[:-1]]
        self._asked = any("asked" in line for line in lines)
        self._fault = next((line for line in lines if "fault" in line), None)
        self._said = [line for line in lines if "passed" in line]

    def results(self) -> list[CaseResult]:
        """Of the cases that it got to, at least one. Raises TaskFault, Overloaded."""
        if self._tests.ended is Ended.STARVED:
            raise Overloaded("the machine was too busy to run the tests")
        if self._fault is not None:
            if self._first == 0:
                raise _task_fault(self._fault["case"], self._fault["fault"])
            # Tests that worked before a candidate's process died do not work now: what they lack, it ended.
            return [self._failed("needs what the cases before it left behind")]
        results = [self._judge(said, weight) for said, weight in zip(self._said, self._weights, strict=False)]
        if self._never_started():
            weights = self._weights[len(results) - 1 :]
            results[-1:] = [self._ended(weight) for weight in weights]
        elif not results or self._tests_died():
            results.append(self._died_in(len(results)))
        elif len(results) == len(self._weights) and self._candidate.ended in OVER_LIMIT:
            # It answered in the moment before it was stopped: chance must not decide.
            results[-1] = self._ended(self._weights[-1])
        results[0].usage.CopyFrom(usage_of(self._candidate))
        if self._candidate.stdout or self._candidate.stderr:
            results[0].output.CopyFrom(shown(self._candidate))
        return results

    def waited_for_the_tests(self) -> bool:
        """The candidate ran out of wall time, but it was the tests that took it."""
        waited: float | None = next((line["waited"] for line in self._said if "waited" in line), None)
        enough = SHARE_OF_WALL_TIME * self._limits.wall_seconds
        return self._candidate.ended is Ended.WALL_LIMIT and waited is not None and waited < enough

    def _never_started(self) -> bool:
        """It would end before the next case as well."""
        if len(self._said) != 1 or self._said[0]["passed"]:
            return False
        return self._candidate.ended is Ended.REJECTED or self._said[0].get("wrong") == "import"

    def _tests_died(self) -> bool:
        """They ended before the last case, and not after one that ends them."""
        if len(self._said) == len(self._weights):
            return False
        last = self._said[-1]
        return last["passed"] or not (self._stops or last["wrong"])

    def _died_in(self, number: int) -> CaseResult:
        """The tests' process did not get to the end of the case."""
        if self._tests.ended is Ended.DISMISSED:  # the candidate's cell was lost
            return self._ended(self._weights[number])
        if self._first == 0 and not self._asked:
            words = why(self._tests, TESTS_LIMITS)
            raise _task_fault(number, f"the tests end before they ask anything of the candidate: {words}")
        if self._candidate.ended in OVER_LIMIT:
            return self._ended(self._weights[number])
        return CaseResult(
            outcome=result_pb2.OUTCOME_FAILED,
            weight=self._weights[number],
            message="the tests did not come to an end on what it gave them",
        )

    def _judge(self, said: dict[str, Any], weight: int) -> CaseResult:
        if said["passed"]:
            return CaseResult(outcome=result_pb2.OUTCOME_PASSED, weight=weight)
        if said["wrong"] in ("gone", "import") or (said["wrong"] and self._candidate.ended in OVER_LIMIT):
            return self._ended(weight)
        result = CaseResult(outcome=result_pb2.OUTCOME_FAILED, weight=weight, message=_message(said))
        if "raised" in said:
            kinds = [sendable(kind[:200]) for kind in said["raised"]]
            result.raised.CopyFrom(RaisedException(types=kinds, message=sendable(said["text"])))
        return result

    def _ended(self, weight: int) -> CaseResult:
        """A case in which the candidate's process ended."""
        if self._candidate.ended is Ended.DISMISSED:
            return CaseResult(
                outcome=result_pb2.OUTCOME_CRASHED, weight=weight, message="closed the channel to the tests"
            )
        outcome = outcome_of(self._candidate)
        if outcome == result_pb2.OUTCOME_COMPLETED:
            outcome = result_pb2.OUTCOME_CRASHED  # it left with status 0 and did not answer
        return CaseResult(outcome=outcome, weight=weight, message=why(self._candidate, self._limits))

    def _failed(self, message: str) -> CaseResult:
        return CaseResult(outcome=result_pb2.OUTCOME_FAILED, weight=self._weights[0], message=message)


async def judge_python_test(source: bytes, form: tasks_pb2.PythonTestForm, context: Context) -> Verdict:
    weights, program = _check(form)
    results: list[CaseResult] = []
    diagnostics: list[Diagnostic] = []
    async with context.sandbox() as sandbox:
        while len(results) < len(weights):
            done = len(results)
            candidate, pair = await _run(sandbox, source, program, weights, done, context.limits)
            results += pair.results()
            if not diagnostics:
                diagnostics = diagnostics_of(candidate)
            if form.stop_on_first_failure and cut_after_failure(results):
                break
            if candidate.ended in SPENT:
                break
    results += [not_run(weight) for weight in weights[len(results) :]]
    return verdict_of(results, diagnostics)


async def _run(
    sandbox: Sandbox, source: bytes, program: PythonTests, weights: Sequence[int], done: int, limits: Limits
) -> tuple[Report, _Pair]:
    """-> the candidate's report, and what came of the pair"""
    left = replace(program, cases=program.cases[done:], first=done == 0)
    for wall_seconds in (limits.wall_seconds, limits.wall_seconds + TESTS_LIMITS.cpu_seconds):
        tests_limits = replace(TESTS_LIMITS, wall_seconds=OVERTIME * wall_seconds + WAIT_SECONDS)
        own_limits = replace(limits, wall_seconds=wall_seconds)
        candidate, tests = await sandbox.run_pair(PythonObjects(source), own_limits, left, tests_limits)
        pair = _Pair(done, weights[done:], program.stop_on_first_failure, candidate, tests, own_limits)
        if not pair.waited_for_the_tests():
            break
    return candidate, pair


def _message(said: dict[str, Any]) -> str:
    """One sentence that holds nothing of what the tests say or expect."""
    if said["wrong"]:
        return "wrote to the tests what is no answer to what they asked"
    where = f", line {said['line']} of the case" if said["line"] else ""
    if said["error"] == "Cannot":
        return sendable(f"{said['text']}{where}")
    if "raised" in said:
        name = said["raised"][0][:200] if said["raised"] else said["text"][:300]
        return sendable(f"{'raised ' if said['raised'] else ''}{name}{where}")
    if said["error"] == "AssertionError":
        return f"an assertion does not hold{where}"
    return f"the tests raise {said['error']} on what it gave them{where}"


def _task_fault(case: int | None, reason: str) -> TaskFault:
    field = f"{PATH}.prelude" if case is None else f"{PATH}.cases[{case}].source"
    return TaskFault(field, f"{field}: {sendable(reason)}")


def _check(form: tasks_pb2.PythonTestForm) -> tuple[list[int], PythonTests]:
    """-> weights of the cases, the tests"""
    check.check_names_from_candidate(PATH, form.entry_points, form.classes)
    check.check_count(f"{PATH}.cases", len(form.cases))
    check.check_tests(PATH, form.prelude, [case.source for case in form.cases])
    weights = [
        check.weight_of(f"{PATH}.cases[{number}]", case.weight) for number, case in enumerate(form.cases)
    ]
    program = PythonTests(
        functions=tuple(form.entry_points),
        classes=tuple(form.classes),
        prelude=form.prelude.encode(),
        cases=tuple(case.source.encode() for case in form.cases),
        stop_on_first_failure=form.stop_on_first_failure,
    )
    return weights, program
