"""Graphs of values between the candidate's process and that of the tests: nothing that comes breaks the reader."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_code_round_trip import KINDS, VALUES

import basanite_sandboxes.guest

sys.path.insert(0, str(Path(basanite_sandboxes.guest.__file__).parent))
try:
    import graph
finally:
    sys.path.pop(0)


def refuse(*parts: Any) -> Any:
    raise graph.Unsendable(parts)


def through(value: Any, exact: bool = False) -> Any:
    writer = graph.Writer(refuse, exact=exact)
    item = writer.put(value)
    writer.finish()
    nodes, item = json.loads(json.dumps([writer.nodes, item]))
    objects: list[Any] = []
    graph.read(nodes, objects, refuse)
    return graph.Reader(objects, refuse).item(item)


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(map(repr, one)) == list(map(repr, other)) and all(
            same(one[key], other[key]) for key in one
        )
    if isinstance(one, set | frozenset):
        return sorted(map(repr, one)) == sorted(map(repr, other))
    return repr(one) == repr(other)


def test_every_kind_comes_through() -> None:
    sys.set_int_max_str_digits(0)
    try:
        for exact in (True, False):
            for value in [*KINDS, KINDS, float("nan"), range(3), slice(1, None, 2), bytearray(b"x")]:
                assert same(through(value, exact), value), value
    finally:
        sys.set_int_max_str_digits(4300)


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_anything_comes_through(value: Any) -> None:
    assert same(through(value), value)


def test_what_is_one_object_stays_one() -> None:
    shared: list[Any] = []
    value = [shared, {"x": shared}, (shared,)]
    value.append(value)
    arrived = through(value)
    arrived[0].append(1)
    assert arrived[1] == {"x": [1]}
    assert arrived[2] == ([1],)
    assert arrived[3] is arrived


CODES = st.sampled_from([*"ltdsfbycrzqonKVIiuxaNhgkjemGT", "", "ll", "?"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 12),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(
        ["0x1f", "ff", "Decimal", "Fraction", "date", "timedelta", "<f8", "__class__", "1" * 5000]
    ),
    st.integers(-3, 9).map(lambda number: [number]),
)
ITEMS = st.one_of(
    LEAVES, st.lists(LEAVES, max_size=2), st.dictionaries(st.text(max_size=2), LEAVES, max_size=2)
)
NODES = st.one_of(st.tuples(CODES, st.lists(ITEMS, max_size=4)).map(lambda node: [node[0], *node[1]]), ITEMS)


@settings(max_examples=2000, deadline=None)
@given(st.lists(NODES, max_size=8))
def test_no_nodes_break_the_reader(nodes: list[Any]) -> None:
    """It gives plain objects, as many as there are nodes, or says Malformed."""
    try:
        text = json.dumps(nodes)
        objects: list[Any] = []
        graph.read(json.loads(text), objects, refuse_as_the_tests_do)
    except graph.Malformed:
        return
    assert len(objects) == len(nodes)


def refuse_as_the_tests_do(code: str, parts: list[Any]) -> Any:
    raise ValueError


@pytest.mark.parametrize(
    "nodes",
    [
        [["t"], *[["t", [n], [n]] for n in range(300)]],
        [["t"], *[["t", [n]] for n in range(100_000)], ["s", [100_000]]],
        [["f", *[n * (2**61 - 1) for n in range(100_000)]]],
        [["d", *[part for n in range(100_000) for part in (n * (2**61 - 1), 1)]]],
        [["x", "Fraction", ["i"], 0]],
        [["N", "P", ",".join(["x"] * 10), 1]],
        [["N", "P(tuple): pass", "x", 1]],
        [["N", "P", "__eq__", 1]],
        [["a", "<f8", "00", 10**12]],
        [["a", "O", "00", 1]],
        [["q", -1]],
        [["q", "x"]],
    ],
)
def test_what_would_take_for_ever_is_refused_at_once(nodes: list[Any]) -> None:
    began = time.monotonic()
    with pytest.raises(graph.Malformed):
        graph.read(nodes, [], refuse_as_the_tests_do)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "line", [b"", b"[", b"[" * 100_000, b"\xff", b"[1e999", b"9" * 10_000, b'{"a":' * 100_000]
)
def test_lines_that_are_no_json(line: bytes) -> None:
    with pytest.raises(graph.Malformed):
        graph.loads(line)


def test_a_lying_subclass_is_what_it_holds() -> None:
    class Liar(list[int]):
        def __iter__(self) -> Any:
            return iter([9])

        def __len__(self) -> int:
            return 9

    class Text(str):
        def __str__(self) -> str:
            return "no"

    assert through(Liar([1, 2])) == [1, 2]
    assert through(Text("yes")) == "yes"
    with pytest.raises(graph.Unsendable):
        through(Liar(), exact=True)
