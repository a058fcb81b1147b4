"""Form program: run and reported, never scored."""

from __future__ import annotations

import pytest
from code_judge import SHORT, Judge, explain, outcome, program


def test_what_it_did_is_reported(judge: Judge) -> None:
    source = "import sys; print(sys.argv[1:], input()); print('e', file=sys.stderr); sys.exit(3)"
    verdict = judge(program(source, "a", "é b", "", stdin="hello\n"))
    assert outcome(verdict) == "COMPLETED"
    assert not verdict.HasField("score")
    assert verdict.score_policy == ""
    (case,) = verdict.cases
    assert (case.exit_status, case.weight) == (3, 1)
    assert case.output.stdout.decode() == "['a', 'é b', ''] hello\n"
    assert case.output.stderr == b"e\n"
    assert case.usage.cpu_seconds > 0


@pytest.mark.parametrize(
    ("source", "expected", "status"),
    [
        ("pass", "COMPLETED", 0),
        ("1 / 0", "COMPLETED", 1),
        ("raise MemoryError", "COMPLETED", 1),
        ("import os; os._exit(255)", "COMPLETED", 255),
        ("exit(-1)", "COMPLETED", 255),
        ("import ctypes; ctypes.string_at(0)", "CRASHED", None),
        ("while True: pass", "TIME_LIMIT", None),
        ("import time; time.sleep(99)", "TIME_LIMIT", None),
        ("x = bytearray(b'x' * (1 << 29))", "MEMORY_LIMIT", None),
        ("while True: print('x' * 999)", "OUTPUT_LIMIT", None),
        ("def", "REJECTED", None),
    ],
)
def test_no_ending_has_a_score(judge: Judge, source: str, expected: str, status: int | None) -> None:
    verdict = judge(program(source), **(SHORT if expected == "TIME_LIMIT" else {}))
    assert outcome(verdict) == expected, explain(verdict)
    assert not verdict.HasField("score")
    assert not verdict.score_is_lower_bound
    assert verdict.cases[0].outcome == verdict.outcome
    if status is not None:
        assert verdict.cases[0].exit_status == status


def test_diagnostics(judge: Judge) -> None:
    assert [(d.line, d.message) for d in judge(program("\n\n1 / 0")).diagnostics] == [
        (3, "ZeroDivisionError: division by zero")
    ]
    (rejected,) = judge(program("\nx = )")).diagnostics
    assert (rejected.line, rejected.column) == (2, 5)


def test_bytes_of_input(judge: Judge) -> None:
    verdict = judge(
        program("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())", stdin_bytes=b"\xff\0")
    )
    assert verdict.cases[0].output.stdout == b"\xff\0"
