"""What gets through in mode `shared`: candidate and tests are in one interpreter, and no secret is out of reach there.

These tests show cheats that succeed, so that nobody takes GUARDED for more than it is; docs/threat-model.md says so in
words. One that begins to fail is good news: move it to the cheats that are refused.
"""

from __future__ import annotations

import pytest
from test_unittest_shared_cheats import HONEST, TESTS
from unittest_judge import SHARED, Judge, said, suite

from basanite.v1 import result_pb2

KNOWN = {
    "an object that equals everything": "class Yes(int):\n  __eq__ = lambda s, o: True\n  __hash__ = None\n"
    "def double(*a):\n  if not a: raise TypeError\n  return Yes()\n",
    "reads what is expected from the frame of the test": "import sys\ndef double(*a):\n  if not a: raise TypeError\n"
    "  frame = sys._getframe(1)\n"
    "  return 8 if 'self' in frame.f_locals and a[0] == 4 else a[0] + a[0]\n",
    "changes the tests' own code": "import sys\ndef double(*a):\n  if not a: raise TypeError\n"
    "  module = sys.modules['test_double']\n"
    "  for name in ('test_text', 'test_nothing'):\n"
    "    getattr(module, name).__code__ = (lambda: None).__code__\n"
    "  return a[0] + a[0]\n",
    "finds the runner and speaks in its name": "import gc, os\n"
    "watch = next(o for o in gc.get_objects() if type(o).__name__ == 'Watch')\n"
    "path = 'test_double.py::'\n"
    "names = [*(f'{path}test_numbers[{n}]' for n in (1, 2, 30)), path + 'test_text', path + 'test_nothing',\n"
    "         path + 'TestCase::test_case']\n"
    "watch.say({'collected': names})\n"
    "for name in names:\n  watch.say({'test': name, 'status': 'passed'})\n"
    "watch.say({'end': True})\nos._exit(0)\n",
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_cheat_that_is_known_gets_through(judge: Judge, name: str) -> None:
    verdict = judge(suite({"double.py": KNOWN[name]}, TESTS, SHARED))
    assert verdict.outcome == result_pb2.OUTCOME_PASSED, said(verdict)
    assert verdict.assurance == result_pb2.ASSURANCE_GUARDED


def test_the_mode_isolated_refuses_the_one_that_equals_everything(judge: Judge) -> None:
    verdict = judge(suite({"double.py": KNOWN["an object that equals everything"]}, TESTS))
    assert verdict.outcome == result_pb2.OUTCOME_FAILED
    assert judge(suite({"double.py": HONEST}, TESTS)).outcome == result_pb2.OUTCOME_PASSED
