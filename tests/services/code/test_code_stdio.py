"""Form stdio on a real pool."""

from __future__ import annotations

import signal

import pytest
from code_judge import MIB, SHORT, Judge, explain, outcome, outcomes, stdio, stdio_case

from basanite.v1 import result_pb2, tasks_pb2

DOUBLE = "print(int(input()) * 2)"


def test_right(judge: Judge) -> None:
    verdict = judge(stdio(DOUBLE, ("1\n", "2\n"), ("21\n", "42\n")))
    assert outcomes(verdict) == ["PASSED", "PASSED"]
    assert verdict.score == 1.0
    assert verdict.score_policy == "weighted_fraction"
    assert not verdict.diagnostics
    assert not verdict.score_is_lower_bound
    assert [case.message for case in verdict.cases] == ["", ""]
    assert [case.exit_status for case in verdict.cases] == [0, 0]
    assert verdict.cases[1].output.stdout == b"42\n"
    assert all(case.usage.cpu_seconds > 0 for case in verdict.cases)


def test_wrong(judge: Judge) -> None:
    verdict = judge(stdio("print(7)", ("1\n", "7\n"), ("2\n", "secret\n")))
    assert outcomes(verdict) == ["PASSED", "FAILED"]
    assert verdict.score == 0.5
    assert verdict.cases[1].message == "wrong answer: line 1 is wrong"


def test_a_program_that_sleeps_is_not_waited_for_in_every_case(judge: Judge) -> None:
    sleeps = "import sys, time\nif input() == 's': time.sleep(1000)\nprint(1)"
    twice = judge(stdio(sleeps, *[(word, "1") for word in "gsgsgg"]), **SHORT)
    assert outcomes(twice) == ["PASSED", "TIME_LIMIT", "PASSED", "TIME_LIMIT", "NOT_RUN", "NOT_RUN"]
    assert twice.score_is_lower_bound
    assert outcome(twice) == "TIME_LIMIT"
    once = judge(stdio(sleeps, *[(word, "1") for word in "sggg"]), **SHORT)
    assert outcomes(once) == ["TIME_LIMIT", "PASSED", "PASSED", "PASSED"]


ENDINGS = {
    "raise ValueError('no')": "CRASHED",
    "exit(3)": "CRASHED",
    "import sys; print(4); sys.exit('message')": "CRASHED",
    "print(4); import os; os._exit(1)": "CRASHED",
    "print(4, flush=True); import os; os.abort()": "CRASHED",
    "import os; os.kill(os.getpid(), 9)": "FAILED",  # pid 1 of its namespace: nothing happens
    "print(4); import sys; sys.stdout.flush(); import ctypes; ctypes.string_at(0)": "CRASHED",
    "while True: pass": "TIME_LIMIT",
    "import time; time.sleep(1000)": "TIME_LIMIT",
    "import threading; threading.Event().wait()": "TIME_LIMIT",
    "import os; os.read(os.pipe()[0], 1)": "TIME_LIMIT",
    "x = bytearray(1 << 30)\nfor i in range(0, 1 << 30, 4096): x[i] = 1": "MEMORY_LIMIT",
    "x = 'a' * 10**13": "MEMORY_LIMIT",
    "raise MemoryError": "MEMORY_LIMIT",
    "while True: print('x' * 1000)": "OUTPUT_LIMIT",
    "import sys\nwhile True: print('x' * 1000, file=sys.stderr)": "OUTPUT_LIMIT",
    "def f(:": "REJECTED",
    "pass": "FAILED",
}


@pytest.mark.parametrize("source", ENDINGS)
def test_endings(judge: Judge, source: str) -> None:
    """Alone and as one of several cases, which run another way."""
    limits = SHORT if ENDINGS[source] == "TIME_LIMIT" else {}
    tasks = [stdio(source, ("", "4")), stdio(source, ("", "4"), ("", "4"))]
    for task, verdict in zip(tasks, judge.all((task, limits) for task in tasks), strict=True):
        assert isinstance(verdict, result_pb2.Verdict), explain(verdict)
        assert outcomes(verdict) == [ENDINGS[source]] * len(task.stdio.cases), explain(verdict)
        assert verdict.score == 0


def test_signals_and_exit_statuses_are_reported(judge: Judge) -> None:
    verdict = judge(stdio("import os; exit(3) if input() == 'a' else os.abort()", ("a", ""), ("b", "")))
    assert verdict.cases[0].exit_status == 3
    assert not verdict.cases[0].HasField("signal")
    # Pid 1 of a namespace survives SIGABRT; the C library then ends it by another signal.
    assert verdict.cases[1].signal in (signal.SIGABRT, signal.SIGSEGV)
    assert not verdict.cases[1].HasField("exit_status")
    assert verdict.cases[0].message == "exit status 3"
    assert verdict.cases[1].message.startswith("killed by SIG")


def test_a_case_that_ends_badly_leaves_the_others_alone(judge: Judge) -> None:
    source = """
import os, time
what = input()
if what == "sleep": time.sleep(100)
if what == "spin":
    while True: pass
if what == "memory": bytearray(b"x" * (1 << 29))
if what == "die": os.kill(-1, 9); os._exit(4)
if what == "print":
    while True: print("x" * 999)
open("/tmp/left", "x").write(what)
print(what)
"""
    words = ["ok", "spin", "ok", "memory", "ok", "die", "ok", "print", "ok", "sleep", "ok"]
    verdict = judge(stdio(source, *((word, word) for word in words)), **SHORT)
    assert outcomes(verdict) == [
        *("PASSED", "TIME_LIMIT", "PASSED", "MEMORY_LIMIT", "PASSED", "CRASHED"),
        *("PASSED", "OUTPUT_LIMIT", "PASSED", "TIME_LIMIT", "PASSED"),
    ], explain(verdict)
    assert outcome(verdict) == "TIME_LIMIT"


def test_each_case_is_a_fresh_process(judge: Judge) -> None:
    source = """
import os, sys, json
json.seen = getattr(json, "seen", 0) + 1
print(json.seen, os.listdir("/tmp"), os.getpid())
open("/tmp/file", "w").write("x")
sys.stdout.flush()
"""
    verdict = judge(stdio(source, *[("", "1 [] 1\n")] * 3))
    assert outcomes(verdict) == ["PASSED"] * 3, explain(verdict)


def test_a_syntax_error_rejects_every_case_with_line_and_column(judge: Judge) -> None:
    for cases in (1, 3):
        verdict = judge(stdio("x = 1\nif x:\n  y = (1,\n", *[("", "")] * cases))
        assert outcomes(verdict) == ["REJECTED"] * cases
        assert verdict.score == 0
        assert not verdict.score_is_lower_bound
        (diagnostic,) = verdict.diagnostics
        assert (diagnostic.line, diagnostic.column, diagnostic.file) == (3, 7, "main.py")
        assert diagnostic.message == "SyntaxError: '(' was never closed"
        assert verdict.cases[0].message == diagnostic.message


def test_a_rejected_source_with_stop_on_first_failure_leaves_nothing_unknown(judge: Judge) -> None:
    verdict = judge(stdio("(", *[("", "")] * 3, stop_on_first_failure=True))
    assert outcomes(verdict) == ["REJECTED"] * 3
    assert not verdict.score_is_lower_bound


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [
        ("1 +", 1, 4),
        ("é = 'ü' $", 1, 9),
        ("x = '💥💥' 1", 1, 10),
        ("é; 'ü'; return 1", 1, 9),
        ("é = f('ü') = 3", 1, 5),
        ("ééé = (", 1, 7),
        ("if 1:\r\n 'é'; break", 2, 7),
        ("if True:\npass", 2, 1),
        ("x = 1\n\ty = 2", 2, 0),
        ("return 1", 1, 1),
        ("a = 1\n\nbreak", 3, 1),
        ("x = 1\x00", 0, 0),
        ("def f():\n    global x\n    x = 1\n    nonlocal y\n", 4, 5),
        ("f(x for x in y, 1)", 1, 3),
        ("'\\N{nope}'", 1, 0),
        ("# coding: nope\nprint(1)", 0, 0),
        ("from __future__ import nope", 1, 1),
    ],
)
def test_columns_are_code_points(judge: Judge, source: str, line: int, column: int) -> None:
    verdict = judge(stdio(source, ("", "")))
    assert outcome(verdict) == "REJECTED", explain(verdict)
    diagnostic = verdict.diagnostics[0]
    assert diagnostic.line == line
    if column:
        assert diagnostic.column == column
    assert diagnostic.column >= 0
    assert judge(stdio(source, ("", ""), ("", ""))).diagnostics[0] == diagnostic


def test_an_uncaught_exception_is_located(judge: Judge) -> None:
    verdict = judge(stdio("def f():\n    return 1 / 0\n\nprint(1)\nf()\n", ("", "1"), ("", "1")))
    assert outcome(verdict) == "CRASHED"
    (diagnostic,) = verdict.diagnostics
    assert (diagnostic.line, diagnostic.message) == (2, "ZeroDivisionError: division by zero")
    assert verdict.cases[0].message == "exit status 1: ZeroDivisionError: division by zero"


def test_shown_output_is_cut_and_says_so(judge: Judge) -> None:
    cut = 64 << 10
    source = "import sys\nn = int(input())\nsys.stdout.write('o' * n)\nsys.stderr.write('e' * (n + 1))"
    small, large = judge(stdio(source, (str(cut), "o" * cut), (str(cut + 1), "o" * (cut + 1)))).cases
    assert (len(small.output.stdout), small.output.stdout_truncated) == (cut, False)
    assert (len(small.output.stderr), small.output.stderr_truncated) == (cut, True)
    assert (len(large.output.stdout), large.output.stdout_truncated) == (cut, True)
    assert (len(large.output.stderr), large.output.stderr_truncated) == (cut, True)
    assert small.outcome == large.outcome == 1


def test_only_the_output_that_went_over_the_limit_is_marked(judge: Judge) -> None:
    source = "import sys\nsys.stderr.write('note')\nsys.stderr.flush()\nwhile True: print('x' * 99)"
    output = judge(stdio(source, ("", "")), output_bytes=1000).cases[0].output
    assert (len(output.stdout), output.stdout_truncated) == (1000, True)
    assert (output.stderr, output.stderr_truncated) == (b"note", False)
    source = "import sys\nprint('note', flush=True)\nwhile True: sys.stderr.write('x' * 99)"
    output = judge(stdio(source, ("", "")), output_bytes=1000).cases[0].output
    assert (output.stdout, output.stdout_truncated) == (b"note\n", False)
    assert (len(output.stderr), output.stderr_truncated) == (1000, True)


def test_output_may_reach_its_limit(judge: Judge) -> None:
    source = "import sys; sys.stdout.write('x' * int(input()))"
    verdict = judge(stdio(source, ("1000", "x" * 1000), ("1001", "x" * 1001)), output_bytes=1000)
    assert outcomes(verdict) == ["PASSED", "OUTPUT_LIMIT"]


def test_the_whole_output_is_compared(judge: Judge) -> None:
    size = 5 * MIB
    source = f"import sys; sys.stdout.write('x' * {size - 1} + input())"
    verdict = judge(stdio(source, ("x", "x" * size), ("y", "x" * size)), output_bytes=16 * MIB)
    assert outcomes(verdict) == ["PASSED", "FAILED"]


def test_bytes_in_and_out(judge: Judge) -> None:
    data = bytes(range(256)) * 3
    source = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])"
    exact = tasks_pb2.TextComparison(policy=tasks_pb2.TextComparison.POLICY_EXACT)
    verdict = judge(stdio(source, (data, data[::-1]), comparison=exact))
    assert outcome(verdict) == "PASSED"


def test_megabytes_of_input(judge: Judge) -> None:
    text = "1\n" * (2 * MIB)
    verdict = judge(stdio("import sys; print(sum(map(int, sys.stdin)))", (text, str(2 * MIB)), (text, "0")))
    assert outcomes(verdict) == ["PASSED", "FAILED"]


def test_a_cases_comparison_replaces_the_forms(judge: Judge) -> None:
    tokens = tasks_pb2.TextComparison(policy=tasks_pb2.TextComparison.POLICY_TOKENS)
    exact = tasks_pb2.TextComparison(policy=tasks_pb2.TextComparison.POLICY_EXACT)
    cases = (
        ("", "1  2"),
        stdio_case("", "1  2", comparison=tokens),
        stdio_case("", "1 2\n", comparison=exact),
    )
    assert outcomes(judge(stdio("print(1, 2)", *cases))) == ["FAILED", "PASSED", "PASSED"]
    assert outcomes(judge(stdio("print(1, 2)", *cases, comparison=tokens))) == ["PASSED", "PASSED", "PASSED"]


def test_an_empty_expectation_is_one(judge: Judge) -> None:
    assert outcomes(judge(stdio("pass", ("", "")))) == ["PASSED"]
    assert outcomes(judge(stdio("print(1)", ("", "")))) == ["FAILED"]
    assert outcomes(judge(stdio("print(1)", (b"", b"")))) == ["FAILED"]


def test_a_task_without_stdin_reads_nothing(judge: Judge) -> None:
    case = tasks_pb2.StdioCase(expected="''")
    assert outcomes(judge(stdio("import sys; print(repr(sys.stdin.read()))", case))) == ["PASSED"]


def test_warnings_of_the_compiler_do_not_disturb(judge: Judge) -> None:
    source = "x = 1\nprint(x is 1, 'a' is 'a')\n" + "assert (x, 'always')\n" * 500
    for cases in (1, 2):
        assert outcomes(judge(stdio(source, *[("", "True True")] * cases))) == ["PASSED"] * cases
