"""Form function on a real pool."""

from __future__ import annotations

import json

import pytest
from code_judge import MIB, SHORT, Judge, call, explain, function, outcome, outcomes

from basanite import values
from basanite.v1 import result_pb2, tasks_pb2
from basanite_services.code.function import SHOWN_BYTES, _is_raised, _judge, _Shown

ADD = "def add(a, b=0, *, c=0):\n    return a + b + c\n"


def test_right_and_wrong(judge: Judge) -> None:
    verdict = judge(function(ADD, "add", call(1, 2, gives=3), call("a", "b", gives="x"), call(1, gives=1)))
    assert outcomes(verdict) == ["PASSED", "FAILED", "PASSED"]  # "a" + "b" + 0 raises
    assert verdict.cases[0].returned == "3"


def test_what_came_back_is_reported(judge: Judge) -> None:
    source = "def f(x):\n if x == 0: raise KeyError('gone')\n if x == 1: return object()\n return [x, (x,)]"
    cases = [call(x, gives=0) for x in (2, 0, 1)]
    value, raised, opaque = judge(function(source, "f", *cases)).cases
    assert (value.message, value.returned) == ("wrong value", '[2,{"$tuple":[2]}]')
    assert raised.message == "raised KeyError"
    assert list(raised.raised.types) == ["KeyError", "LookupError", "Exception", "BaseException", "object"]
    assert raised.raised.message == "'gone'"
    assert not raised.HasField("returned")
    assert opaque.message == "a value of type object cannot be returned as data"


def test_keyword_arguments(judge: Judge) -> None:
    case = {"arguments": "[1]", "keyword_arguments": '{"c": 5, "b": 2}', "expected": "8"}
    assert outcomes(judge(function(ADD, "add", case))) == ["PASSED"]


def test_a_function_that_is_missing(judge: Judge) -> None:
    for source, entry in ((ADD, "sub"), ("f = 3", "f"), ("class C: pass", "C.run"), ("pass", "C.run")):
        verdict = judge(function(source, entry, call(gives=1), call(gives=2)))
        assert outcomes(verdict) == ["FAILED", "FAILED"], explain(verdict)
        assert verdict.cases[0].message == f"the program defines no {entry}"


def test_a_method_of_a_fresh_instance(judge: Judge) -> None:
    source = """
class Solution:
    def __init__(self): self.seen = []
    def push(self, x):
        self.seen.append(x)
        return self.seen
    @staticmethod
    def still(x): return x
    @classmethod
    def kind(cls, x): return cls.__name__
"""
    assert (
        outcomes(judge(function(source, "Solution.push", call(1, gives=[1]), call(2, gives=[2]))))
        == ["PASSED"] * 2
    )
    assert outcomes(judge(function(source, "Solution.still", call(1, gives=1)))) == ["PASSED"]
    assert outcomes(judge(function(source, "Solution.kind", call(1, gives="Solution")))) == ["PASSED"]


def test_a_class_that_needs_arguments_raises(judge: Judge) -> None:
    verdict = judge(
        function("class C:\n def __init__(self, a): pass\n def f(self): return 1", "C.f", call(gives=1))
    )
    assert outcomes(verdict) == ["FAILED"]
    assert verdict.cases[0].raised.types[0] == "TypeError"


# Exceptions --------------------------------------------------------------------------------------------------

RAISING = """
class Small(ValueError): pass
def f(what):
    if what == "key": raise KeyError(what)
    if what == "small": raise Small(what)
    if what == "exit": raise SystemExit(3)
    if what == "stop": raise StopIteration
    if what == "interrupt": raise KeyboardInterrupt
    if what == "assert": assert False, what
    if what == "deep": return f(what)
    if what == "memory": raise MemoryError
    if what == "lazy": return (1 / n for n in (1, 0))
    if what == "group": raise ExceptionGroup("g", [ValueError()])
    if what == "io":
        import io
        raise io.UnsupportedOperation("x")
    if what == "json":
        import json
        json.loads("{")
    return what
"""


@pytest.mark.parametrize(
    ("what", "name"),
    [
        *(("key", "KeyError"), ("key", "LookupError"), ("key", "Exception"), ("key", "BaseException")),
        *(("small", "Small"), ("small", "ValueError"), ("exit", "SystemExit"), ("stop", "StopIteration")),
        *(("interrupt", "KeyboardInterrupt"), ("assert", "AssertionError"), ("deep", "RecursionError")),
        *(("memory", "MemoryError"), ("lazy", "ZeroDivisionError"), ("group", "ExceptionGroup")),
        *(("io", "OSError"), ("io", "ValueError"), ("json", "JSONDecodeError"), ("json", "ValueError")),
    ],
)
def test_an_expected_exception(judge: Judge, what: str, name: str) -> None:
    verdict = judge(function(RAISING, "f", call(what, raises=name), call("fine", gives="fine")))
    assert outcomes(verdict) == ["PASSED", "PASSED"], explain(verdict)


@pytest.mark.parametrize(
    ("what", "name", "message"),
    [
        ("key", "ValueError", "raised another exception than expected"),
        ("small", "KeyError", "raised another exception than expected"),
        ("key", "keyerror", "raised another exception than expected"),
        ("none", "ValueError", "returned where an exception is expected"),
    ],
)
def test_another_exception_than_expected(judge: Judge, what: str, name: str, message: str) -> None:
    verdict = judge(function(RAISING, "f", call(what, raises=name)))
    assert (outcomes(verdict), verdict.cases[0].message) == (["FAILED"], message)


def test_an_exception_that_is_everything_is_nothing() -> None:
    assert _is_raised("ValueError", ["Mine", "ValueError", "Exception", "BaseException", "object"])
    assert _is_raised("Mine", ["Mine", "Other", "Third", "Fourth", "Exception"])
    assert _is_raised("OSError", ["UnsupportedOperation", "OSError", "ValueError", "Exception"])
    assert _is_raised("UnicodeError", ["UnicodeDecodeError", "UnicodeError", "ValueError", "Exception"])
    everything = ["U", "ValueError", "KeyError", "IndexError", "LookupError", "TypeError", "Exception"]
    assert not any(_is_raised(name, everything) for name in everything)
    assert not _is_raised("ValueError", [])


# Arguments in place ------------------------------------------------------------------------------------------

SORT = "def f(x, y=None):\n    x.sort()\n    return y\n"


def test_arguments_in_place(judge: Judge) -> None:
    cases = [
        {"arguments": "[[3, 1, 2]]", "expected_arguments_after": "[[1, 2, 3]]"},
        {"arguments": "[[3, 1, 2]]", "expected_arguments_after": "[[3, 1, 2]]"},
        {"arguments": "[[3, 1], 7]", "expected_arguments_after": "[[1, 3], 7]", "expected": "7"},
        {"arguments": "[[3, 1], 7]", "expected_arguments_after": "[[1, 3], 7]", "expected": "8"},
        {"arguments": "[[1, 2]]", "expected_arguments_after": "[[1, 2]]"},
        {"arguments": "[[1]]", "expected_arguments_after": "[]"},
        {"arguments": '[[1, "a"]]', "expected_arguments_after": '[[1, "a"]]', "raises": "TypeError"},
        {"arguments": '[["b", "a", 1]]', "expected_arguments_after": '[["b"]]', "raises": "TypeError"},
    ]
    verdict = judge(function(SORT, "f", *cases))
    assert outcomes(verdict) == [
        *("PASSED", "FAILED", "PASSED", "FAILED"),
        *("PASSED", "FAILED", "PASSED", "FAILED"),
    ], explain(verdict)
    assert verdict.cases[0].arguments_after == "[[1,2,3]]"
    assert verdict.cases[1].message == "the arguments are wrong after the call"
    assert not verdict.cases[4].HasField("arguments_after")


def test_the_comparison_holds_for_arguments_too(judge: Judge) -> None:
    case = {"arguments": "[[3.0000000001, 1]]", "expected_arguments_after": "[[1, 3]]"}
    float_tolerance = tasks_pb2.ValueComparison(policy=tasks_pb2.ValueComparison.POLICY_FLOAT_TOLERANCE)
    assert outcomes(judge(function(SORT, "f", case, {**case, "comparison": float_tolerance}))) == [
        "FAILED",
        "PASSED",
    ]


def test_an_argument_that_becomes_opaque_fails_only_where_it_counts(judge: Judge) -> None:
    source = "def f(x):\n    x.append(object())\n    return 1\n"
    cases = [call([], gives=1), call([], gives=1, expected_arguments_after="[[]]")]
    assert outcomes(judge(function(source, "f", *cases))) == ["PASSED", "FAILED"]


def test_a_changed_argument_is_reported(judge: Judge) -> None:
    assert judge(function(SORT, "f", call([2, 1], 5, gives=5))).cases[0].arguments_after == "[[1,2],5]"


# Processes ---------------------------------------------------------------------------------------------------

COUNTER = "import os\nseen = []\ndef f(x):\n    seen.append(x)\n    return [len(seen), os.getpid()][0]\n"


def test_one_process_keeps_module_state(judge: Judge) -> None:
    assert outcomes(judge(function(COUNTER, "f", *[call(0, gives=n) for n in (1, 2, 3)]))) == ["PASSED"] * 3


def test_a_function_that_sleeps_is_not_waited_for_in_every_process(judge: Judge) -> None:
    source = "import time\ndef f(): time.sleep(1000)"
    verdict = judge(function(source, "f", *[call(gives=1)] * 4, fresh_process=True), **SHORT)
    assert outcomes(verdict) == ["TIME_LIMIT", "TIME_LIMIT", "NOT_RUN", "NOT_RUN"]


def test_fresh_process_does_not(judge: Judge) -> None:
    task = function(COUNTER, "f", *[call(0, gives=1)] * 3, fresh_process=True)
    verdict = judge(task)
    assert outcomes(verdict) == ["PASSED"] * 3
    assert all(case.usage.cpu_seconds > 0 for case in verdict.cases)


DYING = """
import os, time
seen = []
def f(x):
    seen.append(x)
    if x == "exit": os._exit(0)
    if x == "crash": os.abort()
    if x == "close": os.close(5)
    if x == "memory": bytearray(b"x" * (1 << 29))
    if x == "print":
        while True: print("x" * 999)
    if x == "sleep": time.sleep(100)
    if x == "spin":
        while True: pass
    return len(seen)
"""


def test_a_process_that_dies_lets_the_next_cases_run(judge: Judge) -> None:
    words = [
        ("a", 1),
        ("b", 2),
        ("exit", 0),
        ("a", 1),
        ("crash", 0),
        ("close", 0),
        ("a", 1),
        ("memory", 0),
        ("a", 1),
    ]
    words += [("print", 0), ("a", 1), ("b", 2)]
    verdict = judge(function(DYING, "f", *[call(word, gives=gives) for word, gives in words]))
    assert outcomes(verdict) == [
        *("PASSED", "PASSED", "CRASHED", "PASSED", "CRASHED", "CRASHED", "PASSED", "MEMORY_LIMIT", "PASSED"),
        *("OUTPUT_LIMIT", "PASSED", "PASSED"),
    ], explain(verdict)
    assert verdict.cases[2].message == "exit status 0"
    assert verdict.score == 7 / 12


@pytest.mark.parametrize("word", ["spin", "sleep"])
def test_time_is_spent_for_all_cases_of_a_process(judge: Judge, word: str) -> None:
    cases = [call("a", gives=1), call(word, gives=2), call("a", gives=1), call("a", gives=2)]
    verdict = judge(function(DYING, "f", *cases), **SHORT)
    assert outcomes(verdict) == ["PASSED", "TIME_LIMIT", "NOT_RUN", "NOT_RUN"]
    assert (verdict.score, verdict.score_is_lower_bound) == (0.25, True)
    verdict = judge(function(DYING, "f", *cases[:3], fresh_process=True), **SHORT)
    assert outcomes(verdict) == ["PASSED", "TIME_LIMIT", "PASSED"]
    assert not verdict.score_is_lower_bound


@pytest.mark.parametrize(
    ("source", "expected", "limits"),
    [
        ("import sys; sys.exit(0)", "CRASHED", {}),
        ("raise ValueError('no')", "CRASHED", {}),
        ("import os; os._exit(0)", "CRASHED", {}),
        ("input()", "CRASHED", {}),
        ("raise MemoryError", "MEMORY_LIMIT", {}),
        ("def f(:", "REJECTED", {}),
        ("while True: pass", "TIME_LIMIT", SHORT),
        ("import time; time.sleep(100)", "TIME_LIMIT", SHORT),
        ("while True: print('x' * 999)", "OUTPUT_LIMIT", {}),
    ],
)
def test_a_module_that_does_not_import(
    judge: Judge, source: str, expected: str, limits: dict[str, float]
) -> None:
    verdict = judge(function(source, "f", *[call(gives=1)] * 3), **limits)
    assert outcomes(verdict)[0] == expected, explain(verdict)
    assert set(outcomes(verdict)) <= {expected, "NOT_RUN"}
    assert verdict.score == 0


def test_where_a_module_fails_is_said(judge: Judge) -> None:
    verdict = judge(function("def f(): pass\n\nraise ValueError('no')", "f", call(gives=1), call(gives=1)))
    assert [(d.line, d.message) for d in verdict.diagnostics] == [(3, "ValueError: no")]
    assert verdict.cases[1].message == "exit status 1: ValueError: no"
    verdict = judge(function("x = 1\nf(", "f", call(gives=1), call(gives=1)))
    assert outcomes(verdict) == ["REJECTED"] * 2
    assert [(d.line, d.column) for d in verdict.diagnostics] == [(2, 2)]


def test_what_a_process_prints_goes_with_its_first_case(judge: Judge) -> None:
    source = "import sys\ndef f(x):\n    print('out', x)\n    print('err', file=sys.stderr)\n    return x\n"
    verdict = judge(function(source, "f", call(1, gives=1), call(2, gives=2)))
    assert outcomes(verdict) == ["PASSED"] * 2
    assert verdict.cases[0].output.stdout == b"out 1\nout 2\n"
    assert not verdict.cases[1].HasField("output")


def test_an_answer_in_the_last_moment_before_a_limit_does_not_count(judge: Judge) -> None:
    """Whether it still gets through would be chance."""
    source = "import sys, os\ndef f():\n    os.write(1, b'x' * 2000)\n    return 1\n"
    for _ in range(3):
        verdict = judge(function(source, "f", call(gives=1), call(gives=1)), output_bytes=3000)
        assert outcomes(verdict) == ["PASSED", "OUTPUT_LIMIT"], explain(verdict)


# stop_on_first_failure ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fresh", [False, True])
def test_stop_on_first_failure(judge: Judge, fresh: bool) -> None:
    cases = [call(0, gives=0), call(1, gives=2), call(2, gives=2), call(3, gives=2)]
    verdict = judge(function("f = abs", "f", *cases, stop_on_first_failure=True, fresh_process=fresh))
    assert outcomes(verdict) == ["PASSED", "FAILED", "NOT_RUN", "NOT_RUN"]
    assert (verdict.score, verdict.score_is_lower_bound) == (0.25, True)
    verdict = judge(function("f = abs", "f", *cases, fresh_process=fresh))
    assert outcomes(verdict) == ["PASSED", "FAILED", "PASSED", "FAILED"]


def test_stop_where_the_process_dies(judge: Judge) -> None:
    cases = [call(word, gives=1) for word in ("a", "exit", "a")]
    verdict = judge(function(DYING, "f", *cases, stop_on_first_failure=True))
    assert outcomes(verdict) == ["PASSED", "CRASHED", "NOT_RUN"]


# Answers that the process wrote itself: the judge must survive any of them ------------------------------------

CASE_FIELDS = {"raises": None, "judges_value": True, "expected": 3, "after": None}


def judged(answer: object, **fields: object) -> result_pb2.CaseResult:
    from basanite_services.code.function import _Case

    case = _Case(
        call=b"", arguments=[1], weight=1, comparison=tasks_pb2.ValueComparison(), **{**CASE_FIELDS, **fields}
    )  # type: ignore[arg-type]
    result = _judge(case, answer, _Shown())  # type: ignore[arg-type]
    return result_pb2.CaseResult.FromString(result.SerializeToString())


SURROGATE = "\ud800"
DEEP = values.loads("[" * 990 + "9007199254740993" + "]" * 990)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"opaque": SURROGATE},
        {"missing": SURROGATE * 1000},
        {"opaque": 3},
        {"opaque": ""},
        {"raised": None},
        {"raised": []},
        {"raised": {}},
        {"raised": {"types": [SURROGATE], "message": SURROGATE}},
        {"raised": {"types": [SURROGATE, None, 3, ["x"]], "message": "x" * 10**6}},
        {"raised": {"types": ["x" * 10**6] * 100, "message": ""}},
        {"raised": {"types": "ValueError", "message": "x"}},
        {"raised": {"types": ["ValueError"], "message": b"x"}},
        {"value": SURROGATE},
        {"value": {SURROGATE: SURROGATE}},
        {"value": [1e9] * 1_000_000},
        {"value": DEEP},
        {"value": [DEEP, {float("nan")}], "after": DEEP},
        {"value": 4, "after": 7},
        {"value": 4, "after": None},
        {"value": 4, "after": [SURROGATE, [1e9] * 1_000_000]},
        {"after": [2]},
        {b"value": 3},
        {("value",): 3, None: 4},
    ],
    ids=lambda answer: repr(answer)[:50],
)
def test_any_data_as_an_answer_gives_a_result(answer: object) -> None:
    assert judged(answer).outcome == result_pb2.OUTCOME_FAILED
    judged(answer, raises="ValueError", judges_value=False)
    judged(answer, after=[1])


def test_values_that_are_too_much_to_send_are_left_out(judge: Judge) -> None:
    source = "def f(n):\n    return 'x' * n\n"
    size = MIB
    cases = [call(size, gives="x" * size)] * 5
    verdict = judge(function(source, "f", *cases), output_bytes=16 * MIB)
    assert outcomes(verdict) == ["PASSED"] * 5
    assert sum(len(case.returned) for case in verdict.cases) <= SHOWN_BYTES
    assert json.loads(verdict.cases[0].returned) == "x" * size
    assert not verdict.cases[4].HasField("returned")


def test_outcome_is_that_of_the_first_case_that_did_not_pass(judge: Judge) -> None:
    verdict = judge(
        function(DYING, "f", *[call(word, gives=1) for word in ("a", "exit", "a", "b", "memory")])
    )
    assert outcomes(verdict) == ["PASSED", "CRASHED", "PASSED", "FAILED", "MEMORY_LIMIT"]
    assert outcome(verdict) == "CRASHED"
