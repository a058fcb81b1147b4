"""Form python_test: whose fault it is. Tests that cannot work are a TASK_FAULT; whatever a candidate does is not."""

from __future__ import annotations

import dataclasses

import pytest
from code_judge import MIB, SHORT, Judge, explain, outcome, outcomes, python_test, refuse
from python_test_tables import SEARCH, TAP

from basanite.v1 import result_pb2, tasks_pb2
from basanite_services.chassis.verifier import InvalidItem, TaskFault
from basanite_services.code import python_test as form

ADD = "def add(a, b=0):\n    return a + b\n"
SAME = "def f(*x): return x[0]\n"


def fault(judge: Judge, task: tasks_pb2.CodeTask) -> TaskFault:
    with pytest.raises(TaskFault) as caught:
        judge(task, **SHORT)
    return caught.value


# Cases and scores --------------------------------------------------------------------------------------------


def test_right_and_wrong(judge: Judge) -> None:
    cases = ["assert add(1, 2) == 3", "assert add(1) == 2", "assert add('a', b='b') == 'ab'"]
    task = python_test(ADD, "add", *cases)
    task.python_test.cases[1].weight = 6
    verdict = judge(task)
    assert outcomes(verdict) == ["PASSED", "FAILED", "PASSED"]
    assert verdict.score == 0.25
    assert verdict.assurance == result_pb2.ASSURANCE_SEPARATED
    assert verdict.cases[1].message == "an assertion does not hold, line 1 of the case"


def test_cases_share_a_namespace_and_a_process(judge: Judge) -> None:
    source = "n = 0\ndef count():\n    global n\n    n += 1\n    return n\n"
    cases = ["first = count()", "def check(n):\n    assert count() == n", "check(first + 1)"]
    assert judge(python_test(source, "count", *cases)).score == 1


def test_stop_on_first_failure(judge: Judge) -> None:
    cases = ["assert add(1) == 1", "assert add(1) == 2", "assert add(2) == 2"]
    verdict = judge(python_test(ADD, "add", *cases, stop_on_first_failure=True))
    assert outcomes(verdict) == ["PASSED", "FAILED", "NOT_RUN"]
    assert verdict.score_is_lower_bound


def test_what_the_prelude_defines_is_trusted_but_for_the_entry_points(judge: Judge) -> None:
    prelude = "import math\ndef helper(x): return x * 2\ndef f(x): return 'of the prelude'\n"
    candidate = "def helper(x): return None\ndef f(x): return x * 2\n"
    cases = ["assert f(2) == helper(2) == 4", "assert math.pi > 3"]
    assert judge(python_test(candidate, "f", *cases, prelude=prelude)).score == 1


def test_what_it_says_and_raises_is_reported(judge: Judge) -> None:
    source = "def f(x):\n    print('debug', x)\n    raise KeyError('gone')\n"
    case = judge(python_test(source, "f", "\nassert f(3) == 4")).cases[0]
    assert case.output.stdout == b"debug 3\n"
    assert case.message == "raised KeyError, line 2 of the case"
    assert list(case.raised.types) == ["KeyError", "LookupError", "Exception", "BaseException", "object"]
    assert case.raised.message == "'gone'"


def test_messages_hold_nothing_of_the_tests(judge: Judge) -> None:
    source = "def f(x): return [x]\n"
    cases = [
        "assert f(1) == 'secret', 'secret'",
        "raise ValueError(f'secret {f(1)}')",
        "assert f(1) != [1] or {}['secret']",
        "secret = f(1)\nsecret.secret",
        "f(1)\nimport sys\nsys.exit('secret')",
        "class Secret:\n    pass\nif f(1):\n    raise type('secret', (Exception,), {})('secret')",
    ]
    verdict = judge(python_test(source, "f", *cases))
    assert outcomes(verdict) == ["FAILED"] * len(cases)
    assert b"secret" not in verdict.SerializeToString()


def test_after_a_crash_the_next_cases_get_a_new_process(judge: Judge) -> None:
    source = (
        "import os\nn = 0\ndef f(x):\n    global n\n    n += 1\n    if x == 0: os._exit(3)\n    return n\n"
    )
    cases = ["assert f(1) == 1", "assert f(1) == 2", "f(0)", "assert f(1) == 1", "f(0)", "assert f(1) == 1"]
    verdict = judge(python_test(source, "f", *cases))
    assert outcomes(verdict) == ["PASSED", "PASSED", "CRASHED", "PASSED", "CRASHED", "PASSED"], explain(
        verdict
    )
    assert verdict.cases[2].message == "exit status 3"


def test_what_is_left_after_a_crash_is_the_prelude_alone(judge: Judge) -> None:
    """What the cases before had defined is gone, and that is the candidate's doing, not the task's fault."""
    source = "import os\ndef f(x): return x or os._exit(3)\n"
    cases = ["y = f(1)", "f(0)", "assert y == 1", "assert f(2) == two"]
    verdict = judge(python_test(source, "f", *cases, prelude="two = 2"))
    assert outcomes(verdict) == ["PASSED", "CRASHED", "FAILED", "PASSED"], explain(verdict)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(:", "REJECTED"),
        ("1/0", "CRASHED"),
        ("raise MemoryError", "MEMORY_LIMIT"),
        ("raise SystemExit(0)", "CRASHED"),
        ("while True: pass", "TIME_LIMIT"),
        ("import time\ntime.sleep(99)", "TIME_LIMIT"),
    ],
)
def test_a_candidate_that_does_not_start_fails_all(judge: Judge, source: str, expected: str) -> None:
    verdict = judge(python_test(source, "f", "f(1)", "f(2)"), **SHORT)
    assert outcome(verdict) == expected, explain(verdict)
    assert "PASSED" not in outcomes(verdict)


@pytest.mark.parametrize(
    ("body", "expected", "rest"),
    [
        ("while True: pass", "TIME_LIMIT", "NOT_RUN"),
        ("__import__('time').sleep(99)", "TIME_LIMIT", "NOT_RUN"),
        ("return 'x' * (1 << 30)", "MEMORY_LIMIT", "PASSED"),
        ("print('x' * (2 << 20))", "OUTPUT_LIMIT", "PASSED"),
        ("__import__('os').kill(0, 9)", "FAILED", "PASSED"),
        ("__import__('ctypes').string_at(0)", "CRASHED", "PASSED"),
    ],
)
def test_limits(judge: Judge, body: str, expected: str, rest: str) -> None:
    source = f"def f(x):\n    if x == 2:\n        {body}\n    return x\n"
    cases = ["assert f(1) == 1", "assert f(2) == 2", "assert f(3) == 3"]
    limits = {**SHORT, "memory_bytes": 256 * MIB, "output_bytes": MIB}
    verdict = judge(python_test(source, "f", *cases), **limits)
    if body.startswith("__import__('os').kill"):  # nothing hears the signal: it is pid 1
        expected = outcomes(verdict)[1]
    assert outcomes(verdict) == ["PASSED", expected, rest], explain(verdict)


# Faults of the task ------------------------------------------------------------------------------------------

FAULTS = {
    "does not compile": ("def", "assert f(1)", "prelude"),
    "a case does not compile": ("", "assert f(1", "cases[1].source"),
    "null bytes": ("", "assert '\0'", "cases[1].source"),
    "too deep to compile": ("", "x = " + "(" * 300 + ")" * 300, "cases[1].source"),
    "the prelude raises": ("1/0", "assert f(1)", "prelude"),
    "the prelude imports what is not there": ("import nothing_such", "assert f(1)", "prelude"),
    "the prelude leaves": ("raise SystemExit", "assert f(1)", "prelude"),
    "a name that nothing defines": ("", "assert f(1) == poly(1)", "cases[1].source"),
    "a name that nothing defines, in a function": ("def g(): return poly", "assert f(1) == g()", "prelude"),
    "a name that nothing defines, in a loop": ("", "for x in [1]:\n    f(x)\n    poly(x)", "cases[1].source"),
    "catches what is no exception here": ("", "try:\n    f(1)\nexcept f:\n    pass", "cases[1].source"),
    "expects it to be raised": ("def raises(*a): pass", "raises(f, g)", "cases[1].source"),
    "raises it": ("", "if f(1) == 2:\n    raise f(2)", "cases[1].source"),
    "derives from it": ("", "class C(f):\n    pass", "cases[1].source"),
    "passes an instance": ("class A: pass", "f(1)\nassert f(A()) == 1", "cases[1].source"),
    "passes an instance in a list": ("class A: pass", "x = f(1)\ny = f([0, {1: (A(),)}])", "cases[1].source"),
    "passes a class": ("class A: pass", "def check(c):\n    c(1)\n    c(A)\ncheck(f)", "cases[1].source"),
    "passes a module": ("import math", "for x in [math]:\n    f(x)", "cases[1].source"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_task(judge: Judge, name: str) -> None:
    prelude, case, field = FAULTS[name]
    if "g" in case and name == "expects it to be raised":
        prelude += "\ng = 1"
    for candidate in (SAME, "def f(*x): return 2\n", "def f(*x): return x[-1]\n"):
        caught = fault(judge, python_test(candidate, "f", "assert f(1) in (1, 2)", case, prelude=prelude))
        assert caught.field == f"code.python_test.{field}", caught
        assert caught.field in str(caught)


@pytest.mark.parametrize(
    "case", ["assert 1 == 2", "1/0", "raise SystemExit", "import os\nos._exit(0)", "exit()"]
)
def test_tests_that_fail_before_they_ask_anything(judge: Judge, case: str) -> None:
    fault(judge, python_test(SAME, "f", case, "assert f(1) == 1"))
    fault(judge, python_test(SAME, "f", "x = 1", case, "assert f(1) == 1"))


def test_tests_over_their_limits_before_they_ask_anything(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form, "TESTS_LIMITS", dataclasses.replace(form.TESTS_LIMITS, cpu_seconds=0.5))
    assert "CPU time" in str(fault(judge, python_test(SAME, "f", "while True: pass\nf(1)")))


def test_time_that_the_tests_take_is_not_the_candidates(judge: Judge) -> None:
    busy = "import time\nbegan = time.process_time()\nwhile time.process_time() < began + 0.6: pass\n"
    case = f"f(1)\n{busy}assert f(2) == 2"
    assert judge(python_test(SAME, "f", case), wall_seconds=0.4).score == 1


def test_names_that_look_undefined_but_are_not(judge: Judge) -> None:
    cases = [
        "for i in [f(1)]:\n    late = i",
        "assert late == 1 and i == 1",
        "def later():\n    return much_later",
        "much_later = f(2)\nassert later() == 2",
        "class A:\n    x = 1\n    def y(self):\n        return [z for z in (self.x,)]\nassert A().y() == [1]",
        "import os.path as p, sys\nfrom math import *\nassert f(floor(2.5)) == 2",
        "exec('made = 4')\nassert f(4) == made",
        "lambda: (yield)\nassert (walrus := f(3)) == walrus == 3",
        "try:\n    1 / f(0)\nexcept ZeroDivisionError as error:\n    assert error\n",
        "global_one = 1\ndef g():\n    global other\n    other = f(5)\ng()\nassert other == 5",
    ]
    for case in cases:  # star imports and exec switch the search off for a whole task
        if "import *" in case or "exec" in case:
            assert judge(python_test(SAME, "f", case)).score == 1
    rest = [case for case in cases if "import *" not in case and "exec" not in case]
    verdict = judge(python_test(SAME, "f", *rest))
    assert verdict.score == 1, explain(verdict)


# Never the task's fault --------------------------------------------------------------------------------------

# A candidate leads tests where they break: (what it returns, tests of which some candidate passes).
LED_ASTRAY = {
    "a branch that passes what cannot be passed": ("2", "class A: pass\nif f(1) == 2:\n    f(A())"),
    "the same in one expression": ("2", "class A: pass\nf(1) == 2 and f(A())"),
    "the same in a conditional": ("2", "class A: pass\nx = f(A()) if f(1) == 2 else 1"),
    "the same behind an exception": (
        "1/0",
        "class A: pass\ntry:\n    f(1)\nexcept ZeroDivisionError:\n    f(A())",
    ),
    "the same in a loop": ("[1]", "class A: pass\nfor x in f(1) if type(f(1)) is list else []:\n    f(A())"),
    "the same after an early end": (
        "2",
        "class A: pass\ndef g():\n    if f(1) == 1:\n        return\n    f(A())\ng()",
    ),
    "the same in a message": ("2", "class A: pass\nassert f(1) == 1, f(A())"),
    "the same in a chain": ("2", "class A: pass\nassert not (1 < f(1) < f(A()))"),
    "the same by a callback": ("x[0]() if callable(x[0]) else 1", "class A: pass\nf(lambda: f(A()))\nf(1)"),
    "a name that was not bound": ("2", "if f(1) == 1:\n    y = 1\nassert y == 1"),
    "a local name that was not bound": ("2", "def g():\n    if f(1) == 1:\n        y = 1\n    return y\ng()"),
    "a class of its own choice": ("type(None)", "assert f(f(1)) == 1"),
    "the class of a stand-in": ("object()", "assert f(type(f(1))) is int"),
    "a named tuple of the tests with an object in it": (
        "object()",
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\nf(P(f(1), 2))\nassert f(1) == 1",
    ),
    "an argument of a conditional": ("2", "class A: pass\nf(A() if f(1) == 2 else 1)\nassert f(1) == 1"),
    "a conditional in a name": ("2", "class A: pass\ny = A() if f(1) == 2 else 1\nf(y)\nassert f(1) == 1"),
    "an item": ("2", "class A: pass\ny = [0, 1, A()]\nf(y[f(1)])\nassert f(1) == 1"),
    "an import": ("2", "if f(1) == 2:\n    import nothing_such"),
    "exit": ("2", "if f(1) == 2:\n    raise SystemExit(0)"),
    "an exit that nobody sees": ("2", "if f(1) == 2:\n    import os\n    os._exit(0)"),
    "a crash": ("2", "if f(1) == 2:\n    import ctypes\n    ctypes.string_at(0)"),
    "a killed process": ("2", "if f(1) == 2:\n    import os\n    os.abort()"),
    "deep recursion": (
        "__import__('functools').reduce(lambda a, b: [a], range(10**5), 0)",
        "assert f(1) != f(2) or 1",
    ),
    "text of what holds itself": ("(lambda l: l.append(l) or l)([])", "assert f(1) == f(1)"),
    "an endless loop": ("True", "while f(1) is True:\n    pass"),
    "a list without end": ("range(10**15)", "assert [*f(1)] == [1]"),
    "a sum without end": ("range(10**15)", "assert sum(f(1)) == 1"),
    "a large power": ("10**9", "assert 7 ** (7 ** f(1)) > 0"),
    "text as large as memory": ("10**12", "assert 'x' * f(1)"),
    "output without end": ("True", "while f(1):\n    print('x' * 10**6)"),
    "waiting": ("10**6", "import time\ntime.sleep(f(1))"),
}


@pytest.mark.parametrize("name", LED_ASTRAY)
def test_a_candidate_cannot_choose_a_failure(
    judge: Judge, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = dataclasses.replace(form.TESTS_LIMITS, cpu_seconds=1, memory_bytes=256 * MIB, output_bytes=MIB)
    monkeypatch.setattr(form, "TESTS_LIMITS", small)
    monkeypatch.setattr(form, "WAIT_SECONDS", 0.5)
    returned, case = LED_ASTRAY[name]
    verdict = judge(
        python_test(f"def f(*x): return {returned}\n", "f", case), cpu_seconds=3, wall_seconds=0.5
    )
    assert verdict.score == 0, explain(verdict)


def test_names_of_classes_do_not_fill_a_verdict(judge: Judge) -> None:
    names = "['ValueError', ['x' * 200] * 35_000, 'x', []]"
    source = f"{TAP}\ndef f(x):\n    asked()['self'].describe = lambda *x: {names}\n    raise ValueError\n"
    verdict = judge(python_test(source, "f", *["assert f(1) == 2"] * 5))
    assert outcomes(verdict) == ["FAILED"] * 5, explain(verdict)
    assert verdict.ByteSize() < MIB


def test_nor_by_what_it_writes(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes on the channel is read within limits, and what is too much for them is the candidate's doing."""
    small = dataclasses.replace(form.TESTS_LIMITS, cpu_seconds=1, memory_bytes=64 * MIB)
    monkeypatch.setattr(form, "TESTS_LIMITS", small)
    for reply in (
        "forge('value', [['l', *[[1]] * 2_000_000]], [], [1])",
        "forge('value', [['l', n] for n in range(900_000)], [], [1])",
        "forge('value', [['s', *range(2_000_000, 3_000_000)]], [], [1])",
        "forge('raised', [], [], 'ValueError', ['x'] * 1_000_000, 'x' * 1_000_000, [1] * 1_000_000)",
        "[os.write(7, b'x') for _ in range(100_000)]",
    ):
        source = f"{TAP}\ndef f(x):\n    {reply}\n    os._exit(0)\n"
        verdict = judge(python_test(source, "f", "assert f(1) == 2"), cpu_seconds=3)
        assert verdict.score == 0, (reply, explain(verdict))


# What the tests hold is nowhere in the candidate's process ----------------------------------------------------


def test_nothing_of_the_tests_is_in_the_candidates_process(judge: Judge) -> None:
    source = SEARCH + "def f(x):\n    return found()\n"
    prelude = "hidden = 'PLANTED-hiddenprelud'"
    case = "r = f('PLANTED-shownargumen')\nassert r and not [x for x in r if 'hidden' in x], 'PLANTED-hiddenanswer'"
    for _ in range(3):  # a cell is used again, by candidates and tests in turn
        verdict = judge(python_test(source, "f", case, prelude=prelude))
        assert outcomes(verdict) == ["PASSED"], explain(verdict)


# Rules of the item -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"entry_points": []}, "entry_points"),
        ({"entry_points": ["f"] * 101}, "entry_points"),
        ({"entry_points": ["f", "f"]}, "entry_points"),
        ({"classes": ["f"]}, "entry_points"),
        ({"entry_points": ["f", "a.b"]}, "entry_points[1]"),
        ({"entry_points": ["class"]}, "entry_points[0]"),
        ({"classes": [""]}, "classes[0]"),
        ({"prelude": "x" * (MIB + 1)}, "prelude"),
        ({"cases": []}, "cases"),
        ({"cases": [""] * 10_001}, "cases"),
        ({"cases": ["f", " \n"]}, "cases[1].source"),
        ({"cases": ["x" * MIB] * 17}, "cases"),
    ],
)
def test_an_item_that_breaks_a_rule_is_refused(changes: dict[str, object], field: str) -> None:
    task = python_test(SAME, "f", "f(1)")
    for name, value in changes.items():
        task.python_test.ClearField(name)  # type: ignore[arg-type]
        if isinstance(value, str):
            setattr(task.python_test, name, value)
        elif name == "cases":
            task.python_test.cases.extend(tasks_pb2.PythonTestCase(source=source) for source in value)  # type: ignore[attr-defined]
        else:
            getattr(task.python_test, name).extend(value)
    with pytest.raises(InvalidItem) as caught:
        refuse(task).send(None)
    assert caught.value.field == f"code.python_test.{field}"


def test_weights_have_limits() -> None:
    task = python_test(SAME, "f", "f(1)")
    task.python_test.cases[0].weight = 1_000_001
    with pytest.raises(InvalidItem, match=r"cases\[0\].weight"):
        refuse(task).send(None)
