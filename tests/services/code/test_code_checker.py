"""A task's own checker: trusted, but it reads what the candidate printed."""

from __future__ import annotations

from typing import Any

import pytest
from code_judge import MIB, Judge, explain, outcome, outcomes, stdio, stdio_case

from basanite.v1 import tasks_pb2
from basanite_services.chassis.verifier import TaskFault
from basanite_services.code import checker as module

SUM = """
import sys
wanted = int(open(sys.argv[1]).read())
numbers = list(map(int, open(sys.argv[2]).read().split()))
if sum(numbers) != wanted:
    print("sum is", sum(numbers), file=sys.stderr)
    sys.exit(1)
"""
"""Any numbers with the sum that the input names. Its case has no answer."""


def checked(source: str, checker: str, *cases: Any, **form: Any) -> tasks_pb2.CodeTask:
    return stdio(source, *cases, checker=tasks_pb2.Checker(language="python", source=checker), **form)


def only_input(text: str) -> tasks_pb2.StdioCase:
    return tasks_pb2.StdioCase(stdin=text)


def test_the_checker_decides(judge: Judge) -> None:
    cases = [only_input("3"), only_input("10")]
    verdict = judge(checked("print(int(input()) - 1, 1)", SUM, *cases))
    assert outcomes(verdict) == ["PASSED", "PASSED"]
    verdict = judge(checked("print(3)", SUM, *cases))
    assert outcomes(verdict) == ["PASSED", "FAILED"]
    assert verdict.cases[1].message == "wrong answer: sum is 3"


def test_it_reads_three_files_named_by_its_arguments(judge: Judge) -> None:
    checker = """
import sys, os
assert sys.argv == ["main.py", "input", "output", "answer"], sys.argv
read = [open(name, "rb").read() for name in sys.argv[1:]]
sys.exit(read != [b"in\\xff", b"out\\n", b"answer\\0"])
"""
    assert outcomes(judge(checked("print('out')", checker, (b"in\xff", b"answer\0")))) == ["PASSED"]


@pytest.mark.parametrize("status", [1, 2, 7])
def test_statuses_that_mean_wrong(judge: Judge, status: int) -> None:
    checker = f"import sys; sys.stderr.write('points 1'); sys.exit({status})"
    verdict = judge(checked("print(1)", checker, ("", "1")))
    assert outcomes(verdict) == ["FAILED"]
    assert verdict.score == 0
    assert verdict.cases[0].message == "wrong answer: points 1"


def test_a_checker_without_words(judge: Judge) -> None:
    assert judge(checked("1", "exit(1)", ("", ""))).cases[0].message == "wrong answer: the checker rejects it"


def test_the_comparison_does_not_count_beside_a_checker(judge: Judge) -> None:
    assert outcomes(judge(checked("print(5)", "pass", stdio_case("", "6")))) == ["PASSED"]


@pytest.mark.parametrize("checker", ["exit(3)", "import os; os.abort()", "def (", "import os; os._exit(255)"])
def test_a_checker_that_does_not_work_is_the_tasks_fault(judge: Judge, checker: str) -> None:
    with pytest.raises(TaskFault) as caught:
        judge(checked("print(1)", checker, ("", "1")))
    assert caught.value.field == "code.stdio.checker"
    assert "the checker does not work" in str(caught.value)


def test_a_checker_over_its_limits_is_the_tasks_fault(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    monkeypatch.setattr(
        module, "LIMITS", dataclasses.replace(module.LIMITS, cpu_seconds=0.3, wall_seconds=0.7)
    )
    for checker in ("while True: pass", "import time; time.sleep(99)"):
        with pytest.raises(TaskFault, match="does not work"):
            judge(checked("print(1)", checker, ("", "1")))


def test_a_candidate_that_does_not_end_well_never_reaches_the_checker(judge: Judge) -> None:
    for source, expected in (
        ("exit(1)", "CRASHED"),
        ("(", "REJECTED"),
        ("print('x' * 2000000)", "OUTPUT_LIMIT"),
    ):
        assert outcome(judge(checked(source, "exit(3)", ("", "1")))) == expected


FRAGILE = """
import sys, os, time
text = open(sys.argv[2], "rb").read()
if text.startswith(b"abort"): os.abort()
if text.startswith(b"status"): os._exit(int(text.split()[1]))
if text.startswith(b"spin"):
    while True: pass
if text.startswith(b"sleep"): time.sleep(999)
if text.startswith(b"memory"):
    x = bytearray(b"x" * (1 << 31))
if text.startswith(b"print"):
    while True: print("x" * 99999)
if text.startswith(b"deep"):
    def f(): f()
    sys.setrecursionlimit(10**9); f()
if text.startswith(b"eval"): eval(text[4:])
sys.exit(0 if text.split() == [b"7"] else 1)
"""
CHOKING = [
    "abort",
    "status 3",
    "status 9",
    "status 255",
    "spin",
    "sleep",
    "memory",
    "print",
    "deep",
    "eval",
    "eval(" * 999,
]


@pytest.mark.parametrize("printed", CHOKING)
def test_an_output_that_chokes_the_checker_is_the_candidates_fault(
    judge: Judge, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    monkeypatch.setattr(module, "LIMITS", dataclasses.replace(module.LIMITS, cpu_seconds=0.5, wall_seconds=1))
    verdict = judge(checked(f"print({printed!r})", FRAGILE, ("", "7")))
    assert outcomes(verdict) == ["FAILED"], explain(verdict)


def test_nor_is_it_the_tasks_fault_where_there_is_no_answer_to_try(judge: Judge) -> None:
    """A checker that chokes on every output but good ones chokes on an empty one, too."""
    picky = "import sys, os\ntext = open(sys.argv[2]).read()\nos._exit(0 if text == '7\\n' else 3)"
    assert outcomes(judge(checked("print(7)", picky, only_input("")))) == ["PASSED"]
    verdict = judge(checked("print(8)", picky, only_input("")))
    assert outcomes(verdict) == ["FAILED"]
    assert verdict.cases[0].message == "wrong answer: the checker could not read it"


def test_a_checker_that_does_not_compile_is_noticed_without_an_answer(judge: Judge) -> None:
    with pytest.raises(TaskFault):
        judge(checked("print(7)", "def (", only_input("")))


def test_large_output_reaches_the_checker_whole(judge: Judge) -> None:
    checker = "import sys; sys.exit(open(sys.argv[2], 'rb').read() != b'x' * 5_000_000)"
    cases = [only_input("x"), only_input("y")]
    source = "import sys; sys.stdout.write('x' * 4_999_999 + input())"
    assert outcomes(judge(checked(source, checker, *cases), output_bytes=16 * MIB)) == ["PASSED", "FAILED"]


def test_nothing_of_the_candidate_meets_the_checker(judge: Judge) -> None:
    source = """
import os, sys
os.makedirs("json"); open("json/__init__.py", "w").write("raise SystemExit(0)")
open("sys.py", "w").write("raise SystemExit(0)"); open("main.py", "w").write("raise SystemExit(0)")
open("output", "w").write("7"); open("answer", "w").write("bad")
os.environ["PYTHONSTARTUP"] = "/tmp/sys.py"
if os.fork() == 0:
    os.setsid()
    while True:
        try: open("/tmp/output", "w").write("7")
        except OSError: pass
print("bad")
"""
    checker = """
import sys, os, json
found = sorted(os.listdir())
assert set(found) <= {"answer", "input", "main.py", "output"}, found
sys.exit(open(sys.argv[2]).read() != open(sys.argv[3]).read())
"""
    verdict = judge(checked(source, checker, ("", "7"), ("", "7")))
    assert outcomes(verdict) == ["FAILED", "FAILED"], explain(verdict)
