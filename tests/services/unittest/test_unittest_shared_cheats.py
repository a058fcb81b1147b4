"""Candidates that cheat in the interpreter of the tests: each is refused. test_unittest_shared_known.py: the others."""

from __future__ import annotations

import textwrap

import pytest
from unittest_judge import SHARED, Judge, said, suite

from basanite.v1 import result_pb2, tasks_pb2

TESTS = {
    "test_double.py": """
import unittest

import pytest
from double import double


@pytest.mark.parametrize("number", [1, 2, 30])
def test_numbers(number):
    assert double(number) == number + number


def test_text():
    assert double("ab") == "abab"


def test_nothing():
    with pytest.raises(TypeError):
        double()


class TestCase(unittest.TestCase):
    def test_case(self):
        self.assertEqual(double(4), 8)
        self.assertIn(double(1), [2])
""",
}
HONEST = "def double(n):\n    return n * 2\n"
WRONG = "def double(*a):\n    return 0\n"
SILENT = "def double(*a):\n    raise TypeError\n"
_PATCH_REPORT = "def fake(self, *a, **k):\n    self.outcome = 'passed'\n"
"    self.longrepr = None\n"
CHEATS = {
    "replaces AssertionError": "import builtins\nclass AssertionError(Exception): pass\n"
    "builtins.AssertionError = AssertionError\n" + WRONG,
    "makes assertions skips": "import builtins, pytest\nbuiltins.AssertionError = pytest.skip.Exception\n"
    + WRONG,
    "changes reports": "import _pytest.reports as r\nold = r.TestReport.from_item_and_call.__func__\n"
    "def new(cls, item, call):\n"
    "    made = old(cls, item, call); made.outcome = 'passed'; return made\n"
    "r.TestReport.from_item_and_call = classmethod(new)\n" + WRONG,
    "changes the code of reports": "import _pytest.reports as r\ndef f(cls, item, call):\n    return None\n"
    "r.TestReport.from_item_and_call.__func__.__code__ = f.__code__\n" + WRONG,
    "changes the runner": "import _pytest.runner as r\n"
    "r.call_runtest_hook = r.call_and_report = lambda *a, **k: None\n" + WRONG,
    "makes tests do nothing": "import _pytest.python as p\np.Function.runtest = lambda self: None\n" + WRONG,
    "makes tests do nothing where they are called": "import _pytest.python as p\n"
    "p.pytest_pyfunc_call.__code__ = (lambda pyfuncitem: True).__code__\n" + WRONG,
    "replaces raises": "import contextlib, pytest\n"
    "pytest.raises = lambda *a, **k: contextlib.suppress(BaseException)\n" + HONEST.replace("n * 2", "0"),
    "replaces methods of TestCase": "import unittest\n"
    "unittest.TestCase.assertEqual = unittest.TestCase.assertIn = lambda *a: None\n" + WRONG,
    "changes methods of TestCase": "import unittest\n"
    "unittest.TestCase.assertEqual.__code__ = (lambda self, first, second, msg=None: None).__code__\n"
    + WRONG,
    "replaces len and isinstance": "import builtins\nbuiltins.isinstance = lambda *a: True\n"
    "builtins.len = lambda *a: 0\n" + WRONG,
    "registers a plugin": "import gc\nfrom _pytest.config import Config\n"
    "class Plugin:\n  def pytest_pyfunc_call(self, pyfuncitem): return True\n"
    "for o in gc.get_objects():\n"
    "  if isinstance(o, Config): o.pluginmanager.register(Plugin())\n" + WRONG,
    "wraps the call by a plugin": "import gc, pytest\nfrom _pytest.config import Config\n"
    "class Plugin:\n  @pytest.hookimpl(hookwrapper=True, trylast=True)\n"
    "  def pytest_runtest_call(self, item):\n"
    "    outcome = yield\n    outcome.force_result(None)\n"
    "for o in gc.get_objects():\n"
    "  if isinstance(o, Config): o.pluginmanager.register(Plugin())\n" + WRONG,
    "changes reports by a plugin": "import gc, pytest\nfrom _pytest.config import Config\n"
    "class Plugin:\n  @pytest.hookimpl(hookwrapper=True, tryfirst=True)\n"
    "  def pytest_runtest_makereport(self, item, call):\n"
    "    outcome = yield\n"
    "    outcome.get_result().outcome = 'passed'; call.excinfo = None\n"
    "for o in gc.get_objects():\n"
    "  if isinstance(o, Config): o.pluginmanager.register(Plugin())\n" + WRONG,
    "deselects tests by a plugin": "import gc\nfrom _pytest.config import Config\n"
    "class Plugin:\n"
    "  def pytest_collection_modifyitems(self, items): del items[1:]\n"
    "for o in gc.get_objects():\n"
    "  if isinstance(o, Config): o.pluginmanager.register(Plugin())\n" + WRONG,
    "ends the process": "import os\nos._exit(0)",
    "ends the process in a test": "import os\ndef double(*a): os._exit(0)",
    "ends the process at its end": "import atexit, os\natexit.register(os._exit, 0)\n" + WRONG,
    "leaves": "raise SystemExit(0)",
    "leaves in a test": "def double(*a): raise SystemExit(0)",
    "ends pytest": "import pytest\npytest.exit('done', 0)",
    "ends pytest in a test": "import pytest\ndef double(*a): pytest.exit('done', 0)",
    "interrupts": "def double(*a): raise KeyboardInterrupt",
    "skips the file": "import pytest\npytest.skip('no', allow_module_level=True)",
    "skips tests": "import pytest\ndef double(*a): pytest.skip('no')",
    "skips tests by unittest": "import unittest\ndef double(*a): raise unittest.SkipTest('no')",
    "expects to fail": "import pytest\ndef double(*a): pytest.xfail('no')",
    "a report of JUnit": "import os\n"
    "open('junit.xml', 'w').write('<testsuite tests=\"6\" failures=\"0\"/>')\n"
    "os.environ['PYTEST_ADDOPTS'] = '--junitxml=junit.xml'\n" + WRONG,
    "sets options of pytest": "import os\nos.environ['PYTEST_ADDOPTS'] = '-k nothing'\n" + WRONG,
    "writes a conftest": "open('conftest.py', 'w').write('def pytest_pyfunc_call(): return True')\n" + WRONG,
    "writes over the tests": "open('test_double.py', 'w').write('def test_numbers(): pass')\n" + WRONG,
    "patches sys.modules": "import sys, types\nfake = types.ModuleType('pytest')\nfake.raises = None\n"
    "sys.modules['pytest'] = fake\n" + WRONG,
    "writes lines": "import os\nfor fd in range(3, 256):\n"
    '  try: os.write(fd, b\'{"test":"test_double.py::test_text","status":"passed"} 00\\n\')\n'
    "  except OSError: pass\n" + WRONG,
    "writes in the background": "import os, threading, time\ndef go():\n  while True:\n"
    "    for fd in range(3, 256):\n"
    "      try: os.write(fd, b'{\"end\":true} 00\\n')\n      except OSError: pass\n"
    "    time.sleep(.001)\n"
    "threading.Thread(target=go, daemon=True).start()\n" + WRONG,
    "closes what is open": "import os\nos.closerange(3, 1024)\n" + WRONG,
    "forks": "import os\nif os.fork(): os._exit(0)\n" + WRONG,
    "forks in a test": "import os\ndef double(*a):\n  if os.fork(): os._exit(0)\n  return 0",
    "an endless loop": "def double(*a):\n  while True: pass",
    "imports by a hook": "import sys\nclass Finder:\n"
    "  def find_spec(self, name, path=None, target=None): return None\n"
    "sys.meta_path.insert(0, Finder())\n" + WRONG,
    "traces": "import sys\ndef trace(frame, event, arg):\n  return trace\nsys.settrace(trace)\n" + WRONG,
    "replaces the import": "import builtins\nbuiltins.__import__ = lambda *a: None\n" + WRONG,
    "does not compile": "def double(:",
    "raises nothing but what is expected": SILENT,
    "the tests in another order": "import random, gc\nfrom _pytest.main import Session\n"
    "class Plugin:\n"
    "  def pytest_collection_finish(self, session): session.items.reverse()\n"
    "from _pytest.config import Config\nfor o in gc.get_objects():\n"
    "  if isinstance(o, Config): o.pluginmanager.register(Plugin())\n" + WRONG,
}


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_scores_nothing_and_is_no_failure(judge: Judge, name: str) -> None:
    files = {"double.py": textwrap.dedent(CHEATS[name])}
    verdict = judge(
        suite(files, TESTS, SHARED, scoring=tasks_pb2.TEST_SCORING_ALL), cpu_seconds=1, wall_seconds=8
    )
    assert verdict.outcome != result_pb2.OUTCOME_PASSED, said(verdict)
    assert verdict.score == 0
    assert verdict.assurance == result_pb2.ASSURANCE_GUARDED
    with_reference = suite(files, TESTS, SHARED, reference={"double.py": HONEST})
    assert judge(with_reference, cpu_seconds=1, wall_seconds=8).score == 0


def test_the_honest_one_passes(judge: Judge) -> None:
    for reference in (None, {"double.py": HONEST}):
        verdict = judge(suite({"double.py": HONEST}, TESTS, SHARED, reference=reference))
        assert verdict.outcome == result_pb2.OUTCOME_PASSED, said(verdict)


def test_frames_in_the_candidates_files_are_diagnostics(judge: Judge) -> None:
    verdict = judge(suite({"double.py": "def double(n):\n    return n / 0\n"}, TESTS, SHARED))
    first = verdict.diagnostics[0]
    assert (first.file, first.line) == ("double.py", 2)
    assert "ZeroDivisionError: division by zero" in first.message


def test_right_answers_in_another_order_are_no_right_answers(judge: Judge) -> None:
    reverse = (
        "import gc\nfrom _pytest.config import Config\n"
        "class Plugin:\n  def pytest_collection_finish(self, session): session.items.reverse()\n"
        "for o in gc.get_objects():\n  if isinstance(o, Config): o.pluginmanager.register(Plugin())\n"
    )
    for reference in (None, {"double.py": HONEST}):
        verdict = judge(suite({"double.py": reverse + HONEST}, TESTS, SHARED, reference=reference))
        assert verdict.score == 0
        assert "the tests ran in another order" in verdict.cases[0].message
