"""Candidates that cheat in mode `isolated`: none scores, and none becomes a Failure."""

from __future__ import annotations

import textwrap

import pytest
from unittest_judge import Judge, said, suite

from basanite.v1 import result_pb2

TESTS = {
    "test_median.py": """
import math

import pytest
from median import UNITS, Window, median, shapes


def test_odd():
    assert median([3, 1, 2]) == 2


def test_close():
    assert abs(median([1, 2]) - 1.5) < 1e-9
    assert median([1, 2]) == pytest.approx(1.5)
    assert math.isclose(median([0, 1]), 0.5)


def test_empty():
    with pytest.raises(ValueError, match="empty"):
        median([])


def test_in():
    assert median([5]) in (5, 5.0)
    assert 3 in shapes(3)
    assert shapes(2)
    assert len(shapes(2)) == 2
    assert not shapes(0)


def test_constants():
    assert UNITS == ["m", "s"]
    assert isinstance(UNITS, list)


def test_window():
    window = Window(2)
    for number in (1, 5, 9):
        window.push(number)
    assert window.median() == 7
    assert len(window) == 2
    assert list(window) == [5, 9]
    with window as entered:
        assert entered.median() == 7
    assert window.closed is True
    assert str(window) == "Window[5, 9]"
""",
}
HONEST = """
UNITS = ["m", "s"]

def median(numbers):
    if not numbers:
        raise ValueError("empty")
    numbers, middle = sorted(numbers), len(numbers) // 2
    return numbers[middle] if len(numbers) % 2 else (numbers[middle - 1] + numbers[middle]) / 2

def shapes(count):
    return [number + 1 for number in range(count)]

class Window:
    closed = False

    def __init__(self, size):
        self.size, self.items = size, []

    def push(self, item):
        self.items = [*self.items, item][-self.size:]

    def median(self):
        return median(self.items)

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        return iter(self.items)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.closed = True

    def __str__(self):
        return f"Window{self.items}"
"""
YES = """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __contains__ = __lt__
    def __bool__(self): return True
    def __len__(self): return 2
    def __iter__(self): return iter([5, 9])
    def __hash__(self): return 0
    def __abs__(self): return self
    def __sub__(self, other): return self
    __rsub__ = __add__ = __radd__ = __sub__
    def __float__(self): return 0.5
    def __call__(self, *a, **k): return self
    def __getattr__(self, name): return self
    def __getitem__(self, key): return self
    def __enter__(self): return self
    def __exit__(self, *a): return True
    def __str__(self): return "Window[5, 9]"
    def __round__(self, n=None): return 2
    @property
    def __class__(self): return list
UNITS = Yes()
"""
CHEATS = {
    "equal to everything": YES + "median = shapes = Window = lambda *a: Yes()",
    "a class instead of functions": YES + "median = shapes = Window = Yes()",
    "the class itself": YES + "class Meta(type):\n  __eq__ = lambda s, o: True\n  __hash__ = None\n"
    "class median(metaclass=Meta):\n  pass\nshapes = Window = median",
    "int that lies": "class I(int):\n  __eq__ = __lt__ = lambda s, o: True\n"
    "  __hash__ = int.__hash__\n"
    "median = lambda x: I(7)\nshapes = Window = median\nUNITS = I(7)",
    "str that lies": "class S(str):\n  __eq__ = lambda s, o: True\n  __hash__ = str.__hash__\n"
    "median = shapes = Window = lambda *a: S()\nUNITS = S()",
    "list that lies": "class L(list):\n  __eq__ = __contains__ = lambda s, o: True\n"
    "median = shapes = Window = lambda *a: L()\nUNITS = L()",
    "not a number": "median = lambda x: float('nan')\nshapes = Window = median\nUNITS = []",
    "modules give anything": YES + "def __getattr__(name): return Yes()",
    "exit": "raise SystemExit(0)",
    "exit when called": "import sys\nUNITS = ['m', 's']\nmedian = shapes = Window = lambda *a: sys.exit(0)",
    "exit at once": "import os\nos._exit(0)",
    "exit at once when called": "import os\nUNITS = ['m', 's']\n"
    "median = shapes = Window = lambda *a: os._exit(0)",
    "killed": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "skip by pytest": "import pytest\npytest.skip('nothing to do', allow_module_level=True)",
    "skip by unittest": "import unittest\nraise unittest.SkipTest('nothing to do')",
    "skip when called": "import unittest\nUNITS = ['m', 's']\n"
    "def median(*a): raise unittest.SkipTest('no')\nshapes = Window = median",
    "an exception called Skipped": "class Skipped(BaseException): pass\nUNITS = ['m', 's']\n"
    "def median(*a): raise Skipped('no')\nshapes = Window = median",
    "an exception with the class of another": "class Skipped(Exception):\n  __module__ = 'builtins'\n"
    "Skipped.__qualname__ = 'Skipped'\nUNITS = 1\n"
    "def median(*a): raise Skipped('empty')\nshapes = Window = median",
    "stops iteration": "UNITS = ['m', 's']\ndef median(*a): raise StopIteration('empty')\n"
    "shapes = Window = median",
    "generator exit": "UNITS = ['m', 's']\ndef median(*a): raise GeneratorExit('empty')\n"
    "shapes = Window = median",
    "keyboard interrupt": "UNITS = ['m', 's']\ndef median(*a): raise KeyboardInterrupt\n"
    "shapes = Window = median",
    "assertion error": "UNITS = ['m', 's']\ndef median(*a): raise AssertionError('empty')\n"
    "shapes = Window = median",
    "value errors only": "UNITS = ['m', 's']\ndef median(*a): raise ValueError('empty')\n"
    "shapes = Window = median",
    "writes to descriptors": "import os\nfor fd in range(3, 64):\n"
    "  try: os.write(fd, b'{\"end\":true} 0\\n' * 10)\n"
    "  except OSError: pass\n" + HONEST,
    "answers unasked": "import os, threading\n"
    'os.write(7, b\'["0000000000000000", "value", [], [], 1]\\n\')\n' + HONEST,
    "answers from a thread": "import os, threading, time\n"
    "def go():\n  while 1:\n"
    '    os.write(7, b\'["00", "value", [], [], 1]\\n\'); time.sleep(.0001)\n'
    "threading.Thread(target=go, daemon=True).start()\n" + HONEST.replace("numbers[middle]", "0"),
    "closes the channel": "import os\nos.close(6); os.close(7)\n" + HONEST,
    "reads the questions": "import os\nos.read(6, 1 << 20)\n" + HONEST,
    "garbage": "import os\nos.write(7, b'\\xff\\x00{[[[\\n')\n" + HONEST,
    "endless reply": "import os\nUNITS = ['m', 's']\nmedian = shapes = Window = lambda *a: 'x' * (1 << 28)",
    "deep reply": "UNITS = []\nfor _ in range(100000): UNITS = [UNITS]\n"
    "median = shapes = Window = lambda *a: UNITS",
    "swallows exceptions": HONEST.replace(
        "def __exit__(self, *error):\n", "def __exit__(self, *error):\n        return True\n"
    ).replace("return median(self.items)", "return 0"),
    "raises where it is entered": HONEST.replace("return self\n", "raise ValueError\n"),
    "patches its own pytest": "import pytest, builtins\nbuiltins.AssertionError = pytest.skip.Exception\n"
    "pytest.raises = pytest.approx = lambda *a, **k: None\n" + HONEST.replace("numbers[middle]", "0"),
    "patches the guest": "import objects, sys\n" + HONEST.replace("numbers[middle]", "0"),
    "finds the guest": "import gc, sys\n"
    "for o in gc.get_objects():\n  if type(o).__name__ == 'Server':\n"
    "    o.send = lambda *a: None\n" + HONEST,
    "never ends": "UNITS = ['m', 's']\ndef median(*a):\n  while True: pass\nshapes = Window = median",
    "sleeps": "import time\nUNITS = ['m', 's']\nmedian = shapes = Window = lambda *a: time.sleep(1000)",
    "endless iterator": HONEST.replace("return iter(self.items)", "return __import__('itertools').count()"),
    "length that lies": HONEST.replace("return len(self.items)", "return 10 ** 30"),
    "text that is none": HONEST.replace('return f"Window{self.items}"', "return 5"),
    "recursion": "UNITS = ['m', 's']\ndef median(*a): return median(*a)\nshapes = Window = median",
    "memory": "UNITS = ['m', 's']\ndef median(*a): return len(bytearray(1 << 33))\nshapes = Window = median",
    "fork": "import os\nif os.fork(): os._exit(0)\n" + HONEST.replace("numbers[middle]", "0"),
    "exec": "import os, sys\nos.execv('/bin/true', ['true'])",
    "isinstance liar": YES + "class Window:\n  def __class_getitem__(c, x): return Yes()\n"
    "  def __new__(c, *a): return Yes()\n"
    "median = shapes = lambda *a: Yes()",
    "property liar": HONEST.replace("closed = False", "closed = property(lambda s: Yes())")
    + YES.replace("UNITS = Yes()", ""),
    "reads the tests": "import glob\n"
    "assert [p for p in glob.glob('/**/test_median.py', recursive=True)]\n" + HONEST,
}


SLOW = ("finds the guest", "reads the questions", "endless iterator", "reads the tests", "deep reply")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.full if name in SLOW else ()) for name in CHEATS]
)
def test_a_cheat_scores_nothing_and_is_no_failure(judge: Judge, name: str) -> None:
    source = textwrap.dedent(CHEATS[name])
    verdict = judge(
        suite({"median.py": source}, TESTS), cpu_seconds=1, wall_seconds=4, memory_bytes=256 << 20
    )
    assert verdict.outcome != result_pb2.OUTCOME_PASSED, said(verdict)
    assert verdict.score == 0
    assert verdict.assurance == result_pb2.ASSURANCE_SEPARATED


def test_the_honest_one_passes(judge: Judge) -> None:
    verdict = judge(suite({"median.py": HONEST}, TESTS))
    assert verdict.outcome == result_pb2.OUTCOME_PASSED, said(verdict)


FILES = {
    "conftest.py": "",
    "pytest.ini": "[pytest]",
    "test_median.py": "",
    "pytest.py": "",
    "_pytest/__init__.py": "",
    "sitecustomize.py": "",
    "math.py": "",
    "a.pth": "import os",
    "median.egg-info/entry_points.txt": "[pytest11]\nx=median",
    "setup.cfg": "[tool:pytest]",
    "__pycache__/median.cpython-311.pyc": "",
    "unittest/__init__.py": "",
    "median.so": "",
    "test_median/__init__.py": "",
}


@pytest.mark.parametrize("name", FILES)
def test_a_candidate_brings_nothing_that_decides(judge: Judge, name: str) -> None:
    verdict = judge(suite({"median.py": HONEST, name: FILES[name]}, TESTS))
    assert verdict.outcome == result_pb2.OUTCOME_REJECTED
    assert name in verdict.cases[0].message
