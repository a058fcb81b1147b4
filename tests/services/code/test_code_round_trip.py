"""Values through the candidate's process: arguments come in as they are, results come back as plain built-ins."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from code_judge import MIB, Judge, call, explain, function, outcomes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from basanite import values
from basanite.v1 import tasks_pb2

STRICT = tasks_pb2.ValueComparison(policy=tasks_pb2.ValueComparison.POLICY_STRICT)
SAME = "def same(x):\n    return x\n"
INF = float("inf")


def through(judge: Judge, values_in: list[Any]) -> None:
    """Send values through the identity and compare them strictly, type by type."""
    cases = [{"arguments": values.dumps([value]), "expected": values.dumps(value)} for value in values_in]
    verdict = judge(function(SAME, "same", *cases, comparison=STRICT), output_bytes=16 * MIB)
    assert set(outcomes(verdict)) == {"PASSED"}, explain(verdict)
    assert not any(case.HasField("arguments_after") for case in verdict.cases)


KINDS: list[Any] = [
    *(None, True, False, 0, -1, 2**53, 2**53 + 1, -(2**53) - 1, 2**64, -(2**64), 7**2000, -(3**9000)),
    *(0.0, -0.0, 1.0, 0.1, 5e-324, 1.7976931348623157e308, INF, -INF, 1e16, 1e22, 123456789.123456789),
    *(1j, complex(-0.0, 1.5), complex(INF, -INF)),
    *(
        "",
        "a",
        "é",
        "💥",
        "\0",
        "\n\t\r",
        '"\\',
        "\u2028\u2029",
        "\ud800",
        "a\udfffb",
        "$tuple",
        "\x7f\x80",
        "\ufeff",
    ),
    *(b"", b"\0\xff", bytes(range(256))),
    *([], [[]], [1, [2, [3]]], (), (1,), ((), [()]), [None, True, 1, 1.0, "1"]),
    *(
        {},
        {"a": 1},
        {"": ""},
        {"$tuple": [1]},
        {"$": 1, "b": 2},
        {"é": 1},
        {"\ud800": 1},
        {1: 2},
        {None: None},
    ),
    *(
        {True: 1},
        {1.5: 2},
        {(1, 2): {"x": (3,)}},
        {(1, (2, "a")): [{(): ()}]},
        {b"k": 1},
        {frozenset({1}): 1},
    ),
    *({"b": 1, "a": 2}, {INF: -INF}, {2**70: 2**71}),
    *(
        set(),
        {1, 2},
        {"a", (1, 2), None, 2.5, b"x"},
        frozenset(),
        frozenset({frozenset({1}), 2}),
        {(1, ("a",))},
    ),
]


def test_every_kind(judge: Judge) -> None:
    through(judge, KINDS)
    through(judge, [KINDS])


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=4)
    | st.binary(max_size=4)
    | st.complex_numbers(allow_nan=False)
)
KEYS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2).map(tuple), max_leaves=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.sets(KEYS, max_size=3)
        | st.frozensets(KEYS, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUES, min_size=1, max_size=20))
def test_anything(judge: Judge, made: list[Any]) -> None:
    through(judge, made)


def test_nan_comes_through_but_equals_nothing(judge: Judge) -> None:
    source = "import math\ndef f(x): return [math.isnan(x), x]\n"
    case = {"arguments": '[{"$float": "nan"}]', "expected": '[true, {"$float": "nan"}]'}
    verdict = judge(function(source, "f", case))
    assert outcomes(verdict) == ["FAILED"]
    assert verdict.cases[0].returned == '[true,{"$float":"nan"}]'


def test_integers_of_fifty_thousand_digits(judge: Judge) -> None:
    digits = "7" * 50_000
    for text in (digits, f'{{"$int": "{digits}"}}'):
        case = {"arguments": f"[{text}]", "expected": f'{{"$int": "{digits[:-1]}8"}}'}
        verdict = judge(function("def f(x): return x + 1", "f", case, {**case, "expected": digits}))
        assert outcomes(verdict) == ["PASSED", "FAILED"], explain(verdict)


def test_the_candidates_limit_on_digits_is_its_own(judge: Judge) -> None:
    source = (
        "import sys\ndef f(x):\n try: str(x)\n except ValueError: return [sys.get_int_max_str_digits(), x]\n"
    )
    case = {"arguments": f"[{'7' * 5000}]", "expected": f"[4300, {'7' * 5000}]"}
    assert outcomes(judge(function(source, "f", case, case))) == ["PASSED", "PASSED"]


@pytest.mark.parametrize(
    ("opening", "closing", "depth"),
    [
        ("[", "]", 500),
        ("[", "]", 990),
        ('{"a":', "}", 500),
        ('{"$tuple":[', "]}", 400),
        ('{"$dict":[[1,', "]]}", 300),
    ],
)
def test_deep_values(judge: Judge, opening: str, closing: str, depth: int) -> None:
    text = opening * depth + "1" + closing * depth
    case = {"arguments": f"[{text}]", "expected": text}
    assert outcomes(judge(function(SAME, "same", case, comparison=STRICT))) == ["PASSED"]
    source = SAME + "import sys\nsys.setrecursionlimit(60)\n"
    assert outcomes(judge(function(source, "same", case, comparison=STRICT))) == ["PASSED"]


def test_megabytes_of_arguments_and_results(judge: Judge) -> None:
    made: list[Any] = [
        list(range(300_000)),
        "x" * (3 * MIB),
        "語" * (1 * MIB),
        b"x" * (2 * MIB),
        {str(n): [n] for n in range(50_000)},
        {n: (n,) for n in range(30_000)},
        set(range(100_000)),
        [0.1 * n for n in range(150_000)],
    ]
    for value in made:
        began = time.monotonic()
        through(judge, [value])
        assert time.monotonic() - began < 30


# What a candidate may return besides plain values -------------------------------------------------------------

KINDS_OF_ITS_OWN = """
import array, collections, decimal, enum, fractions, functools, itertools, types, typing, dataclasses, operator

Point = collections.namedtuple("Point", "x y")
class Named(typing.NamedTuple):
    a: int
    b: str = "b"
class Color(enum.IntEnum):
    RED = 3
class Flag(enum.IntFlag):
    A = 4
class Word(enum.StrEnum):
    HI = "hi"
class Plain(enum.Enum):
    X = 1
class MyList(list): pass
class MyDict(dict):
    def __missing__(self, key): return 0
class MyStr(str):
    def __eq__(self, other): return False
    __hash__ = str.__hash__
class MyInt(int):
    def __repr__(self): return "nine"
    def __index__(self): return 9
class MyFloat(float):
    def __float__(self): return 9.0
class MySet(set): pass
class MyBytes(bytes): pass
class MyTuple(tuple): pass
def generate(n):
    for i in range(n): yield i, str(i)
@dataclasses.dataclass
class Data:
    x: int = 1
nested = collections.defaultdict(lambda: collections.defaultdict(list))
nested["a"]["b"].append(1)
def f(expression):
    return eval(expression)
"""


CONVERTED = (
    *("bytearray", "memoryview", "collections.deque", "range", "generate", "(x for", "map", "filter", "zip"),
    *(
        "enumerate",
        "reversed",
        "itertools",
        "{'a': 1}.keys()",
        "{'a': 1}.values()",
        "{'a': 1}.items()",
        "iter",
    ),
)
"""What is no subclass of the type whose data it looks like."""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Point(1, [2])", (1, [2])),
        ("Named(1)", (1, "b")),
        ("Color.RED", 3),
        ("[Color.RED, Flag.A]", [3, 4]),
        ("{Color.RED: Word.HI}", {3: "hi"}),
        ("MyList([1, MyInt(2)])", [1, 2]),
        ("MyStr('é')", "é"),
        ("MyFloat(1.5)", 1.5),
        ("MySet({1})", {1}),
        ("MyBytes(b'x')", b"x"),
        ("MyTuple((1,))", (1,)),
        ("MyDict(a=1)", {"a": 1}),
        ("bytearray(b'x')", b"x"),
        ("memoryview(b'xyz')[::2]", b"xz"),
        ("collections.OrderedDict(a=1)", {"a": 1}),
        ("collections.Counter('aab')", {"a": 2, "b": 1}),
        ("nested", {"a": {"b": [1]}}),
        ("collections.deque([1, (2,)], 5)", [1, (2,)]),
        ("range(2, 9, 3)", [2, 5, 8]),
        ("range(0)", []),
        ("generate(2)", [(0, "0"), (1, "1")]),
        ("(x for x in 'ab')", ["a", "b"]),
        ("map(int, '12')", [1, 2]),
        ("filter(None, [0, 1])", [1]),
        ("zip('ab', [1, 2])", [("a", 1), ("b", 2)]),
        ("enumerate('a')", [(0, "a")]),
        ("reversed([1, 2])", [2, 1]),
        ("itertools.chain([1], [2])", [1, 2]),
        ("itertools.islice(itertools.count(), 2)", [0, 1]),
        ("{'a': 1}.keys()", ["a"]),
        ("[bytearray(b'x'), 1][1]", 1),
        ("{'a': 1}.values()", [1]),
        ("{'a': 1}.items()", [("a", 1)]),
        ("dict.fromkeys('ab').keys() & {'a'}", {"a"}),
        ("iter({'a': 1})", ["a"]),
        ("[(), {}, set(), frozenset({1})]", [(), {}, set(), frozenset({1})]),
        ("10**20 // 3", 10**20 // 3),
        ("True + True", 2),
        ("print('x')", None),
        ("NotImplemented is None", False),
    ],
)
def test_kinds_of_its_own_come_back_as_built_ins(judge: Judge, expression: str, expected: Any) -> None:
    case = call(expression, expected=values.dumps(expected))
    verdict = judge(function(KINDS_OF_ITS_OWN, "f", case, {**case, "comparison": STRICT}))
    strictly = "FAILED" if expression.startswith(CONVERTED) else "PASSED"
    assert outcomes(verdict) == ["PASSED", strictly], explain(verdict)


OPAQUE = [
    *("Plain.X", "Data()", "object()", "Data", "len", "lambda: 1", "types", "NotImplemented", "..."),
    *("decimal.Decimal('1.5')", "fractions.Fraction(1, 2)", "array.array('i', [1])", "[1, {2: Plain.X}]"),
    *("types.SimpleNamespace(a=1)", "slice(1)", "1 .__class__", "functools.partial(len)", "10**100001"),
    "(lambda l: [l.append(l), l][1])([])",
    "(lambda d: [d.update(d=d), d][1])({})",
    "[__import__('functools').reduce(lambda a, _: [a], range(1200), [])]",
]


@pytest.mark.parametrize("expression", OPAQUE)
def test_what_is_no_data_fails(judge: Judge, expression: str) -> None:
    verdict = judge(function(KINDS_OF_ITS_OWN, "f", call(expression, gives=None), call("1", gives=1)))
    assert outcomes(verdict) == ["FAILED", "PASSED"], explain(verdict)
    assert "returned" in verdict.cases[0].message


def test_numpy_is_absent_and_that_is_an_ordinary_exception(judge: Judge) -> None:
    source = "def f():\n    import numpy\n    return 1\n"
    assert outcomes(judge(function(source, "f", call(raises="ModuleNotFoundError")))) == ["PASSED"]


def test_exceptions_message_with_surrogates(judge: Judge) -> None:
    verdict = judge(function("def f(): raise ValueError('\\ud800 é')", "f", call(raises="ValueError")))
    assert outcomes(verdict) == ["PASSED"]


def test_white_space_in_arguments_is_that_of_json(judge: Judge) -> None:
    text = json.dumps([["a\nb", {"c": [1]}]], indent=3).replace("\n", "\r\n")
    case = {"arguments": text, "expected": json.dumps(["a\nb", {"c": [1]}])}
    assert outcomes(judge(function(SAME, "same", case))) == ["PASSED"]
