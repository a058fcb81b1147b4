"""Cheats of form python_test against tests that make it easy; tests/conformance has them against honest ones."""

from __future__ import annotations

from code_judge import Judge, explain, outcomes, python_test
from python_test_tables import CHEATS, TAP

SHORT = {"cpu_seconds": 0.4, "wall_seconds": 0.8, "memory_bytes": 128 << 20, "output_bytes": 1 << 20}


def test_swallowing_every_error_does_not_help(judge: Judge) -> None:
    """What the channel has seen counts, not what the tests make of it."""
    swallowing = "try:\n    f(1)\nexcept BaseException:\n    pass"
    # These just raise something, which tests may swallow.
    honest = ("an exception that may not be", "an exception by another name", "an exception that is none")
    lies = [name for name, source in CHEATS.items() if "forge(" in source.removeprefix(TAP)]
    lies = [name for name in lies if name not in honest]
    gone = [
        "_exit in the function",
        "closes the channel",
        "no JSON",
        "answers twice",
        "spins",
        "never answers",
    ]
    assert len(lies) > 20
    for name in [*lies, *gone]:
        verdict = judge(python_test(CHEATS[name], "f", swallowing), **SHORT)
        assert verdict.score == 0, (name, explain(verdict))


def test_it_must_start_even_if_nothing_is_asked_of_it(judge: Judge) -> None:
    for source in ("1/0", "def f(:", "import os\nos._exit(0)", "raise SystemExit", "while True: pass"):
        verdict = judge(python_test(source, "f", "assert 1", "assert 2"), **SHORT)
        assert "PASSED" not in outcomes(verdict), (source, explain(verdict))
    assert judge(python_test("pass", "f", "assert 1", "assert 2")).score == 1


def test_an_error_of_the_tests_cannot_be_kept_and_raised_where_it_means_something(judge: Judge) -> None:
    source = """
kept = []
def f(x):
    if not callable(x):
        raise kept[0]
    try:
        x(5)
    except BaseException as error:
        kept.append(error)
"""
    for error in ("AssertionError", "StopIteration"):
        tests = f"""
def small(x):
    if x > 3: raise {error}
f(small)
try:
    f(1)
except {error}:
    pass
else:
    raise ValueError
"""
        verdict = judge(python_test(source, "f", tests), **SHORT)
        assert verdict.score == 0, (error, explain(verdict))
