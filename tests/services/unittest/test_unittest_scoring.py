"""From what the runner said to a verdict: rules by name, and no report that is not authentic."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from basanite.v1 import result_pb2
from basanite.v1.tasks_pb2 import FlakyPolicy, TestScoring, TestStatus
from basanite_sandboxes.spec import Ended as RunEnded
from basanite_sandboxes.spec import Limits, Report
from basanite_services.chassis.guard import flaw
from basanite_services.unittest.answers import FORGED, read_answers
from basanite_services.unittest.report import SuiteReport
from basanite_services.unittest.scoring import Expected, Rules, verdict_of

KEY = bytes(range(64))
ALL, FRACTION = TestScoring.TEST_SCORING_ALL, TestScoring.TEST_SCORING_FRACTION
STATUSES = TestScoring.TEST_SCORING_STATUSES
LINES: list[dict[str, Any]] = [
    {"collected": ["a", "b"]},
    {"test": "a", "status": "passed", "seconds": 0.5},
    {"test": "b", "status": "failed", "message": "no", "file": "x.py", "line": 3},
    {"end": True},
]


def written(lines: list[dict[str, Any]], key: bytes = KEY) -> bytes:
    """As the runner writes them."""
    data = b""
    for number, line in enumerate(lines):
        text = json.dumps(line).encode()
        inner = hashlib.sha256(key[:32] + b"%d " % number + text).digest()
        data += text + b" " + hashlib.sha256(key[32:] + inner).hexdigest().encode() + b"\n"
    return data


def report(answers: bytes, ended: RunEnded = RunEnded.EXITED, status: int | None = 0) -> SuiteReport:
    return read_answers(Report(ended, status, None, b"", b"", answers, 0.1, 0.2, 0), KEY)


def said(*statuses: str) -> SuiteReport:
    lines = [{"test": name, "status": status} for name, status in zip("abcdefgh", statuses, strict=False)]
    return report(written([{"collected": list("abcdefgh"[: len(statuses)])}, *lines, {"end": True}]))


def rules(
    scoring: TestScoring.ValueType = ALL, flaky: FlakyPolicy.ValueType = FlakyPolicy.FLAKY_POLICY_FAIL
) -> Rules:
    return Rules(scoring, flaky, result_pb2.ASSURANCE_GUARDED, ("a guard",), Limits())


def judged(expected: list[Expected], *reports: SuiteReport, **given: Any) -> result_pb2.Verdict:
    verdict = verdict_of(expected, reports, rules(**given))
    assert flaw(verdict) is None
    return verdict


def test_what_the_runner_wrote_is_read() -> None:
    found = report(written(LINES))
    assert (found.collected, found.complete, found.refused) == (("a", "b"), True, "")
    assert found.tests["a"].seconds == 0.5
    assert found.tests["b"].place is not None
    assert (found.tests["b"].place.file, found.tests["b"].place.line) == ("x.py", 3)


GOOD = written(LINES)
FORGERIES = {
    "another key": written(LINES, bytes(64)),
    "a line more": GOOD + b'{"test": "c", "status": "passed"} 00\n',
    "a line twice": GOOD[: GOOD.index(b"\n") + 1] + GOOD,
    "lines in another order": b"\n".join([*reversed(GOOD.splitlines()), b""]),
    "a line less": GOOD.split(b"\n", 1)[1],
    "a status changed": GOOD.replace(b'"failed"', b'"passed"'),
    "no line": b"\n",
    "garbage": b"\xff\xfe\x00\n" + GOOD,
    "an unknown status": written([{"test": "a", "status": "great"}]),
    "what is no object": written([[1]]),  # type: ignore[list-item]
}


@pytest.mark.parametrize("name", FORGERIES)
def test_nothing_is_believed_where_somebody_else_wrote(name: str) -> None:
    found = report(FORGERIES[name])
    assert found.refused == FORGED
    assert judged([Expected("a"), Expected("b")], found).score == 0


def test_a_line_that_is_cut_counts_for_nothing() -> None:
    found = report(GOOD[:-1], RunEnded.CPU_LIMIT, None)
    assert (found.complete, found.refused) == (False, "")
    assert set(found.tests) == {"a", "b"}


def test_a_test_that_ran_twice_is_not_believed() -> None:
    line = {"test": "a", "status": "passed"}
    assert report(written([{"collected": ["a"]}, line, line, {"end": True}])).refused == "a test ran twice"


@pytest.mark.parametrize(
    ("status", "passes", "passes_where_it_must_still"),
    [
        *(("passed", True, True), ("xfailed", True, True), ("skipped", False, True)),
        *(("failed", False, False), ("error", False, False), ("xpassed", False, False)),
    ],
)
def test_tests_pass_as_swe_bench_has_it(status: str, passes: bool, passes_where_it_must_still: bool) -> None:
    assert judged([Expected("a")], said(status)).score == passes
    assert judged([Expected("a", skipped_passes=True)], said(status)).score == passes_where_it_must_still


def test_full_and_partial_resolution() -> None:
    expected = [Expected(name) for name in "abcd"]
    assert judged(expected, said("passed", "passed", "failed")).score == 0
    verdict = judged(expected, said("passed", "passed", "failed"), scoring=FRACTION)
    assert verdict.score == 0.5
    assert [case.test.status for case in verdict.cases][2:] == [
        TestStatus.TEST_STATUS_FAILED,
        TestStatus.TEST_STATUS_MISSING,
    ]


def test_equal_statuses_and_no_others() -> None:
    expected = [Expected(name, status=status) for name, status in (("a", 1), ("b", 2))]
    assert judged(expected, said("passed", "failed"), scoring=STATUSES).score == 1
    assert judged(expected, said("passed", "passed"), scoring=STATUSES).score == 0
    assert judged(expected, said("passed", "failed", "passed"), scoring=STATUSES).score == 0


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [
        (RunEnded.CPU_LIMIT, result_pb2.OUTCOME_TIME_LIMIT),
        (RunEnded.WALL_LIMIT, result_pb2.OUTCOME_TIME_LIMIT),
        (RunEnded.MEMORY_LIMIT, result_pb2.OUTCOME_MEMORY_LIMIT),
        (RunEnded.OUTPUT_LIMIT, result_pb2.OUTCOME_OUTPUT_LIMIT),
        (RunEnded.FILTER, result_pb2.OUTCOME_FORBIDDEN),
        (RunEnded.CELL_LOST, result_pb2.OUTCOME_CRASHED),
        (RunEnded.EXITED, result_pb2.OUTCOME_CRASHED),
        (RunEnded.SIGNALED, result_pb2.OUTCOME_CRASHED),
        (RunEnded.DISMISSED, result_pb2.OUTCOME_FAILED),
    ],
)
def test_tests_that_did_not_end_say_what_ended_the_run(
    ended: RunEnded, outcome: result_pb2.Outcome.ValueType
) -> None:
    found = report(written(LINES[:2]), ended)
    verdict = judged([Expected("a"), Expected("b")], found)
    assert [case.outcome for case in verdict.cases] == [result_pb2.OUTCOME_PASSED, outcome]


def test_flaky_tests_leave_the_score_only_where_asked_and_never_all_of_them() -> None:
    runs = said("passed", "passed"), said("passed", "failed")
    expected = [Expected("a"), Expected("b")]
    assert judged(expected, *runs).score == 0
    exclude = FlakyPolicy.FLAKY_POLICY_EXCLUDE
    verdict = judged(expected, *runs, flaky=exclude)
    assert verdict.score == 1
    assert [case.test.flaky for case in verdict.cases] == [False, True]
    assert judged([Expected("b")], *runs, flaky=exclude).score == 0
    never = said("passed", "failed"), said("passed", "error")
    assert judged(expected, *never, flaky=exclude).score == 0
