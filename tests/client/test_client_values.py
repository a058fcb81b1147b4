"""Tagged JSON: what goes in comes out, and nothing that comes in does harm."""

from __future__ import annotations

import collections
import contextlib
import enum
import json
import math
import time
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from basanite import values
from basanite.values import MAX_BYTES, MAX_DEPTH, MAX_INT_DIGITS, ValueFormatError, dumps, loads

MERSENNE = (1 << 61) - 1  # hash() of integers is modulo this

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.text(alphabet=st.characters(codec=None))
    | st.binary()
)
keys = st.recursive(
    scalars.filter(lambda v: v == v),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=5)
        | st.dictionaries(keys, inner, max_size=5)
        | st.sets(keys, max_size=5)
        | st.frozensets(keys, max_size=5)
    ),
    max_leaves=25,
)


def same(a: Any, b: Any) -> bool:
    """Equal, of the same types at every depth, NaN and the sign of zero included. Without recursion."""
    todo = [(a, b)]
    while todo:
        a, b = todo.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, float):
            if not (a == b and math.copysign(1, a) == math.copysign(1, b)) and not (a != a and b != b):
                return False
        elif isinstance(a, complex):
            todo += [(a.real, b.real), (a.imag, b.imag)]
        elif isinstance(a, (list, tuple)):
            if len(a) != len(b):
                return False
            todo += zip(a, b, strict=True)
        elif isinstance(a, dict):
            if len(a) != len(b):
                return False
            for (ka, va), (kb, vb) in zip(a.items(), b.items(), strict=True):
                todo += [(ka, kb), (va, vb)]
        elif a != b:
            return False
    return True


@given(plain)
def test_what_is_written_is_read_back_the_same(value: Any) -> None:
    assert same(loads(dumps(value)), value)
    assert same(loads(dumps(value).encode()), value)


@given(plain)
def test_the_text_is_json(value: Any) -> None:
    json.loads(dumps(value), parse_constant=pytest.fail)


@given(plain)
def test_both_parsers_build_the_same(value: Any) -> None:
    text = dumps(value)
    assert same(values._parse(text, values._Builder()), loads(text))


@given(st.binary(max_size=60) | st.text(alphabet='[]{},:"$-+.eE0123456789tuplesintrafd \\\n', max_size=60))
def test_any_text_gives_a_value_or_the_one_error(text: str | bytes) -> None:
    outcomes = []
    for read in (loads, lambda t: values._parse(t if isinstance(t, str) else t.decode(), values._Builder())):
        try:
            outcomes.append(("value", read(text)))
        except ValueFormatError:
            outcomes.append(("error", None))
        except UnicodeDecodeError:
            return
    assert outcomes[0][0] == outcomes[1][0]
    assert same(outcomes[0][1], outcomes[1][1])


@pytest.mark.parametrize("kind", [int, str, list, dict])
def test_what_only_says_that_it_is_a_plain_value_is_none(kind: type) -> None:
    with pytest.raises(ValueFormatError, match="is not a plain value"):
        dumps([Mock(spec=kind)])


def test_a_broken_escape_behind_a_long_integer_is_the_one_error() -> None:
    # The long integer leads to the parser of our own. CPython 3.11.2's re took this for a string.
    broken = r'"\u"\u=d/3d\ude\n 00=d/3d\ude\n 00"'
    for text in (f"[1{'0' * 5000},{broken}]", f'{{"a":1{"0" * 5000},{broken}:1}}'):
        with pytest.raises(ValueFormatError, match="not JSON"):
            loads(text)


tags = st.sampled_from(
    ["$tuple", "$set", "$frozenset", "$dict", "$bytes", "$int", "$float", "$complex", "$str", "$x"]
)
tagged = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["inf", "nan", "12", "QQ==", "", "x"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(tags, inner, max_size=1)
        | st.dictionaries(tags | st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=20,
)


@given(tagged)
@settings(max_examples=300)
def test_any_use_of_tags_gives_a_value_or_the_one_error(document: Any) -> None:
    text = json.dumps(document)
    try:
        value = loads(text)
    except ValueFormatError:
        with pytest.raises(ValueFormatError):
            values._parse(text, values._Builder())
        return
    assert same(loads(dumps(value)), value)
    assert same(values._parse(text, values._Builder()), value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1, "1"),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        ("é\n", '"é\\n"'),
        ([1, "a"], '[1,"a"]'),
        ({"a": [1]}, '{"a":[1]}'),
        ((1, 2), '{"$tuple":[1,2]}'),
        ({1}, '{"$set":[1]}'),
        (frozenset({"b", "a"}), '{"$frozenset":["a","b"]}'),
        (b"A", '{"$bytes":"QQ=="}'),
        (1 << 53, "9007199254740992"),
        ((1 << 53) + 1, '{"$int":"9007199254740993"}'),
        (math.inf, '{"$float":"inf"}'),
        (-math.inf, '{"$float":"-inf"}'),
        (math.nan, '{"$float":"nan"}'),
        (1 + 2j, '{"$complex":[1.0,2.0]}'),
        ({1: 2}, '{"$dict":[[1,2]]}'),
        ({"$a": 1}, '{"$dict":[["$a",1]]}'),
        ("\ud800", '{"$str":[55296]}'),
    ],
)
def test_each_kind_of_value_has_its_text(value: Any, text: str) -> None:
    assert dumps(value) == text
    assert same(loads(text), value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nul",
        "[1,]",
        "[1 2]",
        '{"a":1,}',
        '{"a" 1}',
        "{1:2}",
        "01",
        "1.",
        "+1",
        "'a'",
        "1 2",
        "[1]]",
        '"\n"',
        "\ufeff1",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        '{"$complex":[1e999,0]}',
        '{"a":1,"a":2}',
        '{"$set":[1,1]}',
        '{"$set":[1,true]}',
        '{"$set":[[]]}',
        '{"$set":[{"$set":[]}]}',
        '{"$frozenset":[{}]}',
        '{"$dict":[[1,2],[1.0,3]]}',
        '{"$dict":[[[],1]]}',
        '{"$dict":[[1]]}',
        '{"$dict":{"a":1}}',
        '{"$tuple":1}',
        '{"$tuple":{"$tuple":[]}}',
        '{"$int":1}',
        '{"$int":"1.0"}',
        '{"$int":""}',
        '{"$int":"٣"}',
        '{"$int":"1_000"}',
        '{"$float":"Infinity"}',
        '{"$float":1.0}',
        '{"$bytes":"Q"}',
        '{"$bytes":"QR=="}',
        '{"$bytes":"QQ==\\n"}',
        '{"$complex":[1]}',
        '{"$complex":[true,1]}',
        '{"$str":[true]}',
        '{"$str":[1114112]}',
        '{"$str":"a"}',
        '{"$nope":1}',
        '{"$":1}',
        '{"$tuple":[],"a":1}',
        '"\\ud800"',
        '"\\ud800\\ud800\\udc00"',
        '"\ud800"',
        b"\xff",
        b'"\xed\xa0\x80"',
    ],
)
def test_what_is_not_tagged_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueFormatError):
        loads(text)
    if isinstance(text, str) and text.isascii() and "\\ud" not in text:
        with pytest.raises(ValueFormatError):
            values._parse(text, values._Builder())


def test_escaped_surrogate_pairs_and_backslashes_are_no_lone_surrogates() -> None:
    assert loads('"\\ud83d\\ude00"') == "😀"
    assert loads('"\\\\ud800"') == "\\ud800"


def test_plain_integers_of_any_length_are_read() -> None:
    assert loads("12345678901234567890") == 12345678901234567890


@pytest.mark.parametrize("value", [object(), len, range(3), 1j.__class__, [object()], {1: object()}, ...])
def test_what_is_no_plain_value_is_refused(value: object) -> None:
    with pytest.raises(ValueFormatError, match="plain value"):
        dumps(value)


def test_subclasses_are_written_as_their_base() -> None:
    point = collections.namedtuple("point", "x y")
    colour = enum.IntEnum("colour", "RED")
    written = [point(1, 2), collections.Counter("aab"), collections.OrderedDict(a=1), colour.RED]
    assert same(loads(dumps(written)), [(1, 2), {"a": 2, "b": 1}, {"a": 1}, 1])


def test_equal_sets_have_equal_texts() -> None:
    one = {"a", "b", "c", (1, 2), 8, 0}
    other = {0, 8, (1, 2), "c", "b", "a"}
    assert dumps(one) == dumps(other)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_nesting_to_the_limit_works_and_beyond_is_the_one_error() -> None:
    assert same(loads(dumps(nested(MAX_DEPTH))), nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(ValueFormatError, match="deep"):
            dumps(nested(depth))
        for text in ("[" * depth + "]" * depth, "[" * depth, '{"a":' * depth):
            with pytest.raises(ValueFormatError, match="deep"):
                loads(text)


def test_nesting_works_however_little_of_the_stack_is_left() -> None:
    text = dumps(nested(MAX_DEPTH))

    def descend(levels: int) -> Any:
        return descend(levels - 1) if levels else loads(text)

    assert same(descend(850), nested(MAX_DEPTH))


def test_brackets_in_strings_are_no_nesting() -> None:
    text = "[" * 5000 + '\\"' + "{" * 5000
    assert loads(dumps([text])) == [text]


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueFormatError, match="deep"):
        dumps(value)


def test_a_small_value_with_an_enormous_text_is_refused() -> None:
    value: list[Any] = ["x" * 100]
    for _ in range(60):
        value = [value, value]
    with pytest.raises(ValueFormatError, match="longer"):
        dumps(value)


def test_length_is_counted_in_bytes() -> None:
    assert loads(dumps("a" * (MAX_BYTES - 2))) == "a" * (MAX_BYTES - 2)
    for text in ("a" * (MAX_BYTES - 1), "é" * (MAX_BYTES // 2)):
        with pytest.raises(ValueFormatError, match="longer"):
            dumps(text)
        with pytest.raises(ValueFormatError, match="longer"):
            loads(f'"{text}"')
        with pytest.raises(ValueFormatError, match="longer"):
            loads(f'"{text}"'.encode())


@pytest.mark.parametrize("digits", [1, 511, 512, 513, 4_301, 99_999, MAX_INT_DIGITS])
def test_long_integers_work(digits: int) -> None:
    value = 10**digits - 1
    for number in (value, -value, 10 ** (digits - 1)):
        assert loads(dumps(number)) == number
    assert loads("9" * digits) == value


def test_longer_integers_are_refused() -> None:
    for text in (
        "9" * (MAX_INT_DIGITS + 1),
        '{"$int":"' + "9" * (MAX_INT_DIGITS + 1) + '"}',
        "9" * MAX_BYTES,
    ):
        with pytest.raises(ValueFormatError, match="digits"):
            loads(text)
    for number in (10**MAX_INT_DIGITS, -(10**MAX_INT_DIGITS), 1 << 40_000_000):
        with pytest.raises(ValueFormatError, match="digits"):
            dumps(number)


def tree(depth: int, leaf: str) -> str:
    if not depth:
        return leaf
    inner = tree(depth - 1, leaf)
    return f'{{"$frozenset":[{inner},{{"$tuple":[{inner}]}}]}}'


def tuples(leaf: str) -> str:
    return '{"$tuple":[' * 499 + leaf + "]}" * 499


@pytest.mark.parametrize(
    "text",
    [
        "[" + "[]," * 1_390_000 + "[]]",
        "[" + "1.5," * 1_040_000 + "1]",
        "[" * 900 + "[]," * 1_390_000 + "[]" + "]" * 900,
        '{"$set":[' + ",".join(str(MERSENNE * n) for n in range(150_000)) + "]}",
        '{"$dict":[' + ",".join(f"[{MERSENNE * n},0]" for n in range(130_000)) + "]}",
        f'{{"$set":[{tree(14, "-1")},{tree(14, "-2")}]}}',
        f'{{"$set":[{tuples("-1")},{tuples("-2")}]}}',
        "[" * 1001 + '"' * 2_000_000,
        "[" * 1001 + '"\\' * 1_000_000,
        "[" * 900 + '"\\' * 1_000_000,
        '"' + "\\\\" * 2_090_000 + '"',
        '"\\ud83d' + "\\\\" * 2_090_000,
        "[" + ",".join(["7" * 99_000] * 41) + "]",
        '{"$str":[' + "1," * 2_000_000 + "1]}",
        '{"$bytes":"' + "A" * 4_000_000 + '"}',
        "[" + '{"$set":[-1,-2]},' * 240_000 + "1]",
    ],
    ids=range(16),
)
def test_hostile_texts_take_seconds_at_most(text: str) -> None:
    start = time.process_time()
    with contextlib.suppress(ValueFormatError):
        loads(text)
    assert time.process_time() - start < 8


def test_ordinary_sets_whose_hashes_collide_are_read() -> None:
    points = {(x, y, z) for x in range(-8, 8) for y in range(-8, 8) for z in range(-8, 8)}
    assert loads(dumps(points)) == points


def test_brackets_inside_a_text_are_no_nesting() -> None:
    text = "[{" * 3000
    assert values.loads(values.dumps(text)) == text
