"""From reports on a suite to a verdict, by a named rule.

Full and partial resolution follow SWE-bench (swebench/harness/grading.py: `test_passed`, `get_eval_tests_report`,
`compute_fail_to_pass`, `get_resolution_status`): a test passed if it is PASSED or XFAIL; what is missing failed. Equal
statuses follow R2E-Gym (src/r2egym/agenthub/runtime/docker.py, `_calculate_reward_r2e`): as many tests as expected,
each with the expected status.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import CaseResult, Diagnostic, TestResult, Verdict
from basanite.v1.tasks_pb2 import FlakyPolicy, TestScoring, TestStatus
from basanite_sandboxes.spec import Ended as RunEnded
from basanite_sandboxes.spec import Limits
from basanite_services.code.outcome import outcome_of, usage_of, why
from basanite_services.unittest.report import Ended, SuiteReport

POLICIES = {
    TestScoring.TEST_SCORING_ALL: "all_tests",
    TestScoring.TEST_SCORING_FRACTION: "fraction_of_tests",
    TestScoring.TEST_SCORING_STATUSES: "equal_statuses",
}
MAX_DIAGNOSTICS = 50
MAX_MESSAGES = 1 << 20
"""Characters of all cases' messages together; those that come after are cut to SHORT each."""
SHORT = 60
_MISSING = Ended(TestStatus.TEST_STATUS_MISSING)
_SAID = {
    TestStatus.TEST_STATUS_FAILED: "failed",
    TestStatus.TEST_STATUS_ERROR: "could not be run",
    TestStatus.TEST_STATUS_SKIPPED: "was skipped",
    TestStatus.TEST_STATUS_XFAILED: "failed, as it was expected to",
    TestStatus.TEST_STATUS_XPASSED: "passed, though it was expected to fail",
    TestStatus.TEST_STATUS_PASSED: "passed",
    TestStatus.TEST_STATUS_MISSING: "did not run",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """One test, and when it counts as passed."""

    name: str
    skipped_passes: bool = False
    status: TestStatus.ValueType = TestStatus.TEST_STATUS_UNSPECIFIED
    """How it must end, by TEST_SCORING_STATUSES."""


@dataclass(frozen=True, slots=True)
class Rules:
    scoring: TestScoring.ValueType
    flaky: FlakyPolicy.ValueType
    assurance: result_pb2.Assurance.ValueType
    guards: tuple[str, ...]
    limits: Limits


def verdict_of(
    expected: Sequence[Expected],
    reports: Sequence[SuiteReport],
    rules: Rules,
    said: Sequence[Diagnostic] = (),
    doubt: str = "",
) -> Verdict:
    """One case a test, in the order of `expected`. `said`: further diagnostics. `doubt`: why no test counts as passed,
    for people; empty if none does. Raises Overloaded where the machine was too busy."""
    last = reports[-1]
    outcomes = [_outcome_of_run(report) for report in reports]
    refused = doubt or next((report.refused for report in reports if report.refused), "")
    cases = []
    counted = []
    for test in expected:
        ended = [report.tests.get(test.name, _MISSING) for report in reports]
        case = _case(test, ended, reports, outcomes, rules, refused)
        cases.append(case)
        if not _is_left_out(test, ended, rules):
            counted.append(case)
    _shorten(cases)
    extra = ""
    if rules.scoring == TestScoring.TEST_SCORING_STATUSES:
        extra = _extra(expected, last)
        if extra:
            for case in cases:
                case.outcome, case.message = result_pb2.OUTCOME_FAILED, extra
    if not counted and cases:
        for case in cases:
            case.outcome, case.message = result_pb2.OUTCOME_FAILED, "every test is flaky"
        counted = cases
    if last.report is not None:
        cases[0].usage.CopyFrom(usage_of(last.report))
        for report in reports[:-1]:
            if report.report is not None:
                cases[0].usage.cpu_seconds += report.report.cpu_seconds
                cases[0].usage.wall_seconds += report.report.wall_seconds
    wrong = [case.outcome for case in counted if case.outcome != result_pb2.OUTCOME_PASSED]
    fraction = 1 - len(wrong) / len(counted)
    score = fraction if rules.scoring == TestScoring.TEST_SCORING_FRACTION else float(not wrong)
    return Verdict(
        outcome=wrong[0] if wrong else result_pb2.OUTCOME_PASSED,
        score=score,
        assurance=rules.assurance,
        guards=rules.guards,
        cases=cases,
        diagnostics=[*_diagnostics(last), *said],
        score_policy=POLICIES[rules.scoring],
    )


def _shorten(cases: Sequence[CaseResult]) -> None:
    """A result of thousands of cases, each with a long message, would not fit in any message of gRPC."""
    left = MAX_MESSAGES
    for case in cases:
        if len(case.message) > max(left, SHORT):
            case.message = f"{case.message[:SHORT]}.."
        left -= len(case.message)


def _is_left_out(test: Expected, ended: Sequence[Ended], rules: Rules) -> bool:
    """A flaky test counts neither way, unless it passed in no run."""
    is_flaky = len({one.status for one in ended}) > 1
    excluded = rules.flaky == FlakyPolicy.FLAKY_POLICY_EXCLUDE
    return is_flaky and excluded and any(_passes(test, one.status, rules) for one in ended)


def _outcome_of_run(report: SuiteReport) -> tuple[result_pb2.Outcome.ValueType, str]:
    """Of tests that did not end: what stopped the run, and in words; FAILED where it came to its end."""
    if report.report is None or report.complete:
        return result_pb2.OUTCOME_FAILED, ""
    if report.report.ended is RunEnded.DISMISSED:
        return result_pb2.OUTCOME_FAILED, "the tests did not come to an end on what it gave them"
    outcome = outcome_of(report.report)
    if outcome == result_pb2.OUTCOME_COMPLETED:
        return result_pb2.OUTCOME_CRASHED, "the run ended before its tests did"
    return outcome, ""


def _case(
    test: Expected,
    ended: Sequence[Ended],
    reports: Sequence[SuiteReport],
    outcomes: Sequence[tuple[result_pb2.Outcome.ValueType, str]],
    rules: Rules,
    refused: str,
) -> CaseResult:
    statuses = Counter(one.status for one in ended)
    is_flaky = len(statuses) > 1
    passes = [_passes(test, one.status, rules) for one in ended]
    shown = ended[passes.index(False)] if False in passes else ended[-1]
    number = passes.index(False) if False in passes else len(ended) - 1
    case = CaseResult(weight=1, outcome=result_pb2.OUTCOME_PASSED)
    case.test.CopyFrom(
        TestResult(name=test.name, status=shown.status, wall_seconds=shown.seconds, flaky=is_flaky)
    )
    if refused:
        case.outcome, case.message = result_pb2.OUTCOME_FAILED, f"the results are not believed: {refused}"
    elif _is_left_out(test, ended, rules):
        pass
    elif False in passes or is_flaky:
        case.outcome, case.message = _why_not(test, shown, reports[number], outcomes[number], rules)
        if is_flaky:
            many = ", ".join(f"{count} x {_SAID[status]}" for status, count in statuses.items())
            case.message = f"it is flaky ({many}): {case.message}"
            case.outcome = result_pb2.OUTCOME_FAILED if any(passes) else case.outcome
    return case


def _passes(test: Expected, status: TestStatus.ValueType, rules: Rules) -> bool:
    if rules.scoring == TestScoring.TEST_SCORING_STATUSES:
        return status == test.status
    if status == TestStatus.TEST_STATUS_SKIPPED:
        return test.skipped_passes
    return status in (TestStatus.TEST_STATUS_PASSED, TestStatus.TEST_STATUS_XFAILED)


def _why_not(
    test: Expected,
    ended: Ended,
    report: SuiteReport,
    outcome: tuple[result_pb2.Outcome.ValueType, str],
    rules: Rules,
) -> tuple[result_pb2.Outcome.ValueType, str]:
    """Outcome and message of a test that did not end as it must."""
    if ended.status == TestStatus.TEST_STATUS_MISSING:
        broken = _broken(test.name, report)
        if broken is not None:
            return result_pb2.OUTCOME_FAILED, f"its file cannot be imported: {broken.message}"
        if not report.complete:
            kind, words = outcome
            words = words or (why(report.report, rules.limits) if report.report is not None else "")
            return kind, f"did not run to its end: {words}"
        return result_pb2.OUTCOME_FAILED, "there is no such test, or it did not run"
    said = _SAID[ended.status]
    if rules.scoring == TestScoring.TEST_SCORING_STATUSES:
        said += f", where {_SAID[test.status]} was expected"
    return result_pb2.OUTCOME_FAILED, said + (f": {ended.message}" if ended.message else "")


def _broken(name: str, report: SuiteReport) -> Ended | None:
    """What kept the test's file from being imported."""
    for path, ended in report.broken.items():
        if name.startswith((f"{path}::", f"{path.removesuffix('.py').replace('/', '.')}.")):
            return ended
    return None


def _extra(expected: Sequence[Expected], report: SuiteReport) -> str:
    """Why the tests are not those that were expected."""
    known = {test.name for test in expected}
    others = [name for name in report.tests if name not in known]
    if others:
        return f"{len(report.tests)} tests ran, {len(known)} were expected: {others[0][:200]} was not"
    return ""


def _diagnostics(report: SuiteReport) -> list[Diagnostic]:
    """Where in the candidate's files tests failed."""
    found: dict[tuple[str, int, str], Diagnostic] = {}
    for name, ended in [*report.broken.items(), *report.tests.items()]:
        if ended.place is None or ended.status not in (
            TestStatus.TEST_STATUS_FAILED,
            TestStatus.TEST_STATUS_ERROR,
        ):
            continue
        key = (ended.place.file, ended.place.line, ended.message)
        if key not in found and len(found) < MAX_DIAGNOSTICS:
            found[key] = Diagnostic(
                severity=Diagnostic.SEVERITY_ERROR,
                message=f"{name}: {ended.message}"[:2000],
                file=ended.place.file,
                line=ended.place.line,
            )
    return list(found.values())


def overall(
    outcome: result_pb2.Outcome.ValueType, message: str, rules: Rules, tests: Sequence[Expected]
) -> Verdict:
    """No test was run, all have one outcome: the candidate could not be tested."""
    cases = [
        CaseResult(
            outcome=outcome,
            weight=1,
            message=message,
            test=TestResult(name=test.name, status=TestStatus.TEST_STATUS_MISSING),
        )
        for test in tests
    ]
    return Verdict(
        outcome=outcome,
        score=0.0,
        assurance=rules.assurance,
        guards=rules.guards,
        cases=cases,
        diagnostics=[Diagnostic(severity=Diagnostic.SEVERITY_ERROR, message=message)],
        score_policy=POLICIES[rules.scoring],
    )
