"""Form python_test on a real pool: what tests can do with what a candidate defines."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from code_judge import MIB, Judge, explain, python_test

from basanite.v1 import tasks_pb2
from basanite_sandboxes.process.python import find_interpreter
from basanite_sandboxes.process.rootfs import ENVIRONMENT

ADD = "def add(a, b=0, *, c=0):\n    return a + b + c\n"
CLASSES = """
class Stack:
    made = 0
    def __init__(self, items=()):
        self.items = list(items)
        Stack.made += 1
    def push(self, item): self.items.append(item)
    def pop(self): return self.items.pop()
    def __len__(self): return len(self.items)
    def __getitem__(self, at): return self.items[at]
    def __setitem__(self, at, item): self.items[at] = item
    def __delitem__(self, at): del self.items[at]
    def __iter__(self): return iter(self.items)
    def __contains__(self, item): return item in self.items
    def __add__(self, other): return Stack(self.items + list(other))
    def __mul__(self, n): return Stack(self.items * n)
    def __rmul__(self, n): return self * n
    def __neg__(self): return Stack(self.items[::-1])
    def __lt__(self, other): return len(self) < len(other)
    def __eq__(self, other): return self.items == other.items
    def __hash__(self): return 7
    def __bool__(self): return bool(self.items)
    def __repr__(self): return f"Stack({self.items})"
    def __format__(self, form): return form + "!"
    def __call__(self, x): return [x, *self.items]
    @property
    def top(self): return self.items[-1]
    @classmethod
    def of(cls, *items): return cls(items)
    @staticmethod
    def size(): return 3
def nothing(): pass
"""


def read_honest() -> dict[str, tuple[str, str]]:
    """Name -> (candidate, tests)."""
    found = {}
    text = Path(__file__).with_name("python_test_honest.txt").read_text()
    parts = re.split(r"^### (.*)\n", text, flags=re.MULTILINE)
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        candidate, tests = body.split("\n---\n")
        found[name] = (CLASSES if candidate == "CLASSES" else candidate, tests)
    return found


HONEST = read_honest()


def task_of(candidate: str, tests: str) -> tasks_pb2.CodeTask:
    functions = [name for name in ("f", "g") if f"def {name}(" in candidate or f"\n{name} =" in candidate]
    return python_test(candidate, functions, tests, classes=["Stack"] if "class Stack" in candidate else [])


def chunks(names: list[str], size: int = 12) -> list[list[str]]:
    return [names[at : at + size] for at in range(0, len(names), size)]


@pytest.mark.parametrize("names", chunks(list(HONEST)), ids=lambda names: names[0])
def test_what_honest_candidates_do(judge: Judge, names: list[str]) -> None:
    verdicts = judge.all((task_of(*HONEST[name]), {"output_bytes": 16 * MIB}) for name in names)
    bad = {
        name: explain(verdict)
        for name, verdict in zip(names, verdicts, strict=True)
        if isinstance(verdict, BaseException) or verdict.score != 1
    }
    assert not bad


DIFFERS = ("a class: text, instances, class methods", "subclasses of built-ins are what they hold")
"""Where a stand-in is not what it stands for, on purpose: equality is identity, and a subclass is what it holds."""


@pytest.mark.parametrize("names", chunks(list(HONEST), 24), ids=lambda names: names[0])
def test_it_is_what_one_process_does(names: list[str], tmp_path: Path) -> None:
    """Else the table would prove nothing: the tests hold in one plain namespace, too."""
    for name in [name for name in names if name not in DIFFERS]:
        candidate, tests = HONEST[name]
        (tmp_path / "main.py").write_text(f"{candidate}\nimport sys\nsys.stdout = sys.__stderr__\n{tests}\n")
        done = subprocess.run(
            [find_interpreter(None, None).executable, "-s", "-c", "import main"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=tmp_path,
            env=ENVIRONMENT,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (name, done.stderr)
