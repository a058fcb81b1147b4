"""Values that tagged JSON can carry, their texts, and texts that are nearly right."""

from __future__ import annotations

from typing import Any

from fuzzing import mutated
from hypothesis import strategies as st

from basanite import values

_MERSENNE = (1 << 61) - 1  # hash() of integers is modulo this
_hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-40, 40).map(lambda n: n * _MERSENNE)
    | st.floats(allow_nan=False)
    | st.text(max_size=4)
    | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)
plain: st.SearchStrategy[Any] = st.recursive(
    _hashable
    | st.floats()
    | st.complex_numbers()
    | st.integers(-(10**400), 10**400)
    | st.text(alphabet=st.characters(codec=None), max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.dictionaries(_hashable, inner, max_size=4)
        | st.sets(_hashable, max_size=4)
    ),
    max_leaves=15,
)
texts: st.SearchStrategy[bytes] = plain.map(values.dumps).map(str.encode)
TOKENS = (
    *(
        b'{"$tuple":[',
        b'{"$set":[',
        b'{"$frozenset":[',
        b'{"$dict":[[',
        b'{"$bytes":"',
        b'{"$int":"',
        b'{"$str":[',
    ),
    *(
        b'{"$float":"nan"}',
        b'{"$complex":[1,2]}',
        b'{"$x":1}',
        b"]}",
        b'"}',
        b"[" * 600,
        b'{"a":' * 400,
        b"]" * 600,
    ),
    *(b"9" * 5000, b"-" + b"1" * 700, b"1e999", b"-0", b"NaN", b"Infinity", b"1.", b"01", b"true", b"null"),
    *(
        b"\\ud800",
        b"\\ud83d\\ude00",
        b"\\u",
        b'"\\',
        b"\\x",
        b'"',
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b",",
        b":",
        b" ",
    ),
)
broken: st.SearchStrategy[bytes] = mutated(texts, TOKENS)
anything: st.SearchStrategy[bytes] = (
    broken | st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join) | st.binary(max_size=60)
)
