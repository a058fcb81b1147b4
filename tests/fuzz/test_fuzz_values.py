"""The decoder of tagged JSON, which reads what candidates write."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from typing import Any

import pytest
from fuzzing import fuzz
from hypothesis import given
from hypothesis import strategies as st
from tagged import anything, broken, plain
from targets import decode_value, same

from basanite import values
from basanite.values import ValueFormatError


@fuzz(400)
@given(broken)
def test_a_text_with_mistakes_gives_a_value_or_the_one_error(text: bytes) -> None:
    decode_value(text)


@fuzz(300)
@given(anything)
def test_any_text_gives_a_value_or_the_one_error(text: bytes) -> None:
    decode_value(text)


@fuzz(200)
@given(anything)
def test_behind_a_long_integer_too_where_the_parser_is_our_own(text: bytes) -> None:
    decode_value(b"[1" + b"0" * 5000 + b"," + text + b"]")


@fuzz(200)
@given(plain)
def test_what_is_written_is_read_back_the_same(value: Any) -> None:
    assert same(values.loads(values.dumps(value)), value)


@fuzz(150)
@given(
    st.text(alphabet=st.characters(codec=None), max_size=30) | st.integers() | st.none() | st.lists(st.none())
)
def test_what_is_no_bytes_gives_a_value_or_the_one_error(text: Any) -> None:
    with contextlib.suppress(ValueFormatError):
        values.loads(text)


_MERSENNE = (1 << 61) - 1
_SIZE = 1 << 17


def _of(item: str, start: str = "[", end: str = "]") -> str:
    return start + ",".join([item] * (_SIZE // (len(item) + 1))) + end


def _set_of(kind: str, items: Any) -> str:
    return json.dumps({kind: list(items)})


WORST = {
    "small values": _of("1"),
    "empty tuples": _of('{"$tuple":[]}'),
    "empty objects": _of("{}"),
    "nested": "[" * 1000 + "]" * 1000,
    "many nested": _of("[" * 400 + "]" * 400),
    "brackets unclosed": "[" * _SIZE,
    "quotes": '"' * _SIZE,
    "quotes escaped": '"' + '\\"' * (_SIZE // 2),
    "surrogate pairs": '"' + "\\ud83d\\ude00" * (_SIZE // 12) + '"',
    "halves of surrogates": '"' + "\\ude00" * (_SIZE // 6) + '"',
    "wide characters": '"' + "\U0001f600" * (_SIZE // 4) + '"',
    "code points": '{"$str":' + _of("55296") + "}",
    "one long integer": "1" * 100_000,
    "long integers": _of("9" * 5000),
    "too long an integer": "1" * _SIZE,
    "digits of a fraction": "0." + "1" * _SIZE,
    "keys": "{" + ",".join(f'"{n}":1' for n in range(_SIZE // 10)) + "}",
    "a set": _set_of("$set", range(_SIZE // 8)),
    "numbers of one hash": _set_of("$set", ({"$int": str(n * _MERSENNE)} for n in range(_SIZE // 35))),
    "tuples of one hash": _set_of(
        "$set", ({"$tuple": [{"$int": str(n * _MERSENNE)}, 1]} for n in range(_SIZE // 50))
    ),
    "keys of one hash": _set_of("$dict", ([{"$int": str(n * _MERSENNE)}, 0] for n in range(_SIZE // 40))),
    "bytes": '{"$bytes":"' + "QUJD" * (_SIZE // 4) + '"}',
    "spaces": " " * _SIZE + "1",
}


@pytest.mark.parametrize("name", WORST)
def test_memory_is_bounded_by_the_length_of_the_text(name: str) -> None:
    # Time is, too: what grew faster would meet the timeout of all tests.
    text = WORST[name]
    for prefix in ("", "1" + "0" * 5000 + ","):  # the second is read by the parser of our own
        document = f"[{prefix}{text}]" if prefix else text
        tracemalloc.start()
        with contextlib.suppress(ValueFormatError):
            values.loads(document)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 64 * len(document) + 100_000
