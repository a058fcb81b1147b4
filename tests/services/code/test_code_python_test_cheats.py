"""Candidates of form python_test that cheat: no case passes, and each gets a verdict."""

from __future__ import annotations

import pytest
from code_judge import Judge, explain, outcomes, python_test
from python_test_tables import CHEATS, TAP

SHORT = {"cpu_seconds": 0.4, "wall_seconds": 0.8, "memory_bytes": 128 << 20, "output_bytes": 1 << 20}
CASES = [
    "assert f(1) == 'quartz-91c3-secret'",
    "assert f(2) in ('basalt-77aa-secret', 17.25)",
    "assert 'gabbro-0f1e' in f(3)",
    "assert abs(f(4) - 41.5) < 1e-6",
    "r = f(5)\nassert len(r) == 7\nassert sum(r) == 91",
    "assert all(map(f, [2, 3, 5])) and not any(map(f, [4, 6, 8]))",
    "assert f(9) < 10 < f(11)",
    "assert f(12).startswith('quartz') and f(12).endswith('secret')",
    "for a, b in zip(f(13), [5, 6], strict=True):\n    assert a == b",
    "assert sorted(f(14)) == [1, 2]",
    "assert isinstance(f(15), int) and f(15) == 77",
    "assert round(f(16), 2) == 0.57",
    "assert f(17)['k'] == 3",
    "assert set(f(18)) >= {1, 9} and f(18).count(9) == 2",
    "assert int(str(f(19))) == 4219",
    "x = [5]\nf(x)\nassert x == [6]",
    "assert [f(n) for n in (20, 21)] == [441, 400]",
    "try:\n    assert f(22) == 484\nexcept BaseException:\n    assert f(23) == 529",
    "import math\nassert math.isclose(f(24), 24.5) and f(24) != f(25)",
    "assert {**f(26)} == {26: 27}",
    "assert f(27).intersection({1, 2}) == {1, 2} and f(28).difference({1, 2, 3}) == set()",
    "assert f(29).count(4) == 1 and f(30).index(4) == 0",
]


def chunks(names: list[str], size: int = 8) -> list[list[str]]:
    """Run together: most of their time they wait for a limit."""
    return [names[at : at + size] for at in range(0, len(names), size)]


@pytest.mark.parametrize("names", chunks(list(CHEATS)), ids=lambda names: names[0])
def test_it_loses(judge: Judge, names: list[str]) -> None:
    verdicts = judge.all((python_test(CHEATS[name], "f", *CASES), SHORT) for name in names)
    bad = {
        name: explain(verdict)
        for name, verdict in zip(names, verdicts, strict=True)
        if isinstance(verdict, BaseException) or verdict.score != 0 or "PASSED" in outcomes(verdict)
    }
    assert not bad


YES = """
class Yes:
    def __init__(self, *x): pass
    __sub__ = __rsub__ = __abs__ = __neg__ = __mul__ = __matmul__ = lambda self, *x: self
    __isub__ = lambda self, x: 0
    __round__ = lambda self, *x: 0
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = lambda self, *x: True
    startswith = lambda self, x: True
    count = lambda self, x: 1
"""
FORGED_INSTANCES = {
    "a method that returns its object": "class V(Yes):\n    def get(self, *x): return self",
    "a method that returns its argument": "class V(Yes):\n    def get(self, x=0, *y): return x if x else self",
    "a class method": "class V(Yes):\n    get = classmethod(lambda cls, *x: Yes())",
    "a class that makes itself": (
        "class V(Yes):\n    get = classmethod(lambda cls, *x: Yes())\n    __new__ = lambda cls, *x: cls"
    ),
}
EXPECTING = [
    "assert abs(V(5).get() - 78.54) < 1e-2",
    "assert abs(V.get(V(5)) - 78.54) < 1e-2",
    "assert abs(V(5).get(V(6)) - 78.54) < 1e-2",
    "import unittest\nunittest.TestCase().assertAlmostEqual(V(5).get(), 78.54, places=2)",
    "assert 3 in V(5).get()",
    "assert V(5).get() > 70",
    "assert V(5).get().startswith('quartz')",
    "assert V(5).get().count(4) == 1",
    "assert abs(V(5).get([V(6)])[0] - 78.54) < 1e-2",
    "assert abs(V(5).get({'a': (V(6),)})['a'][0] - 78.54) < 1e-2",
    "assert abs(V(1, 2) * V(3, 4) - 11) < 1e-6",
    "assert abs(V(1, 2) @ V(3, 4) - 11) < 1e-6",
    "assert abs(abs(V(3, 4)) - 5) < 1e-6",
    "assert 4.9 < abs(V(3, 4)) < 5.1",
    "x = V(5).get()\nx -= 78.54\nassert abs(x) < 1e-2",
]


@pytest.mark.parametrize("name", FORGED_INSTANCES)
def test_an_instance_does_not_stand_for_what_is_expected_of_its_methods(judge: Judge, name: str) -> None:
    verdict = judge(python_test(YES + FORGED_INSTANCES[name], [], *EXPECTING, classes=["V"]))
    assert "PASSED" not in outcomes(verdict), list(zip(EXPECTING, outcomes(verdict), strict=True))


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
