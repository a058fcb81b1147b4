"""How returned values are compared. Values come from text on both sides, as they do in the verifier."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from basanite import values
from basanite.v1 import tasks_pb2
from basanite_services.code.values import equal, strictly_equal

Policy = tasks_pb2.ValueComparison
EQUAL = Policy(policy=Policy.POLICY_EQUAL)
STRICT = Policy(policy=Policy.POLICY_STRICT)
SEQUENCE = Policy(policy=Policy.POLICY_SEQUENCE)
FLOAT = Policy(policy=Policy.POLICY_FLOAT_TOLERANCE)
UNORDERED = Policy(policy=Policy.POLICY_UNORDERED)
ALL = (Policy(), EQUAL, STRICT, SEQUENCE, FLOAT, UNORDERED)
NAN = float("nan")
INF = float("inf")


def copy(value: Any) -> Any:
    return values.loads(values.dumps(value))


def verdicts(got: Any, expected: Any) -> str:
    """One letter for each policy that calls them equal."""
    return "".join(
        letter
        for letter, policy in (("E", EQUAL), ("S", STRICT), ("Q", SEQUENCE), ("F", FLOAT), ("U", UNORDERED))
        if equal(copy(got), copy(expected), policy)
    )


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.sampled_from([0.0, -0.0, 1.0, 2.5, INF, -INF])
    | st.floats(allow_nan=False)
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | st.complex_numbers(allow_nan=False)
)
KEYS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2).map(tuple) | st.frozensets(inner, max_size=2),
    max_leaves=4,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.sets(KEYS, max_size=3)
    ),
    max_leaves=10,
)


# Laws --------------------------------------------------------------------------------------------------------


@given(VALUES, st.sampled_from(ALL))
def test_a_value_equals_its_copy(value: Any, policy: Policy) -> None:
    assert equal(copy(value), copy(value), policy)


@given(VALUES, VALUES)
def test_equal_is_pythons(one: Any, other: Any) -> None:
    assert equal(copy(one), copy(other), EQUAL) == (one == other)
    assert equal(copy(one), copy(other), Policy()) == (one == other)


@given(VALUES, VALUES)
def test_strict_implies_equal_implies_sequence(one: Any, other: Any) -> None:
    accepted = [equal(copy(one), copy(other), policy) for policy in (STRICT, EQUAL, SEQUENCE)]
    assert accepted == sorted(accepted)
    if accepted[-1]:
        assert equal(copy(one), copy(other), UNORDERED)


@given(VALUES, VALUES, st.sampled_from((EQUAL, STRICT, SEQUENCE, UNORDERED)))
def test_which_is_the_expected_one_does_not_matter(one: Any, other: Any, policy: Policy) -> None:
    assert equal(copy(one), copy(other), policy) == equal(copy(other), copy(one), policy)


def tuples_for_lists(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(map(tuples_for_lists, value))
    if isinstance(value, dict):
        return {key: tuples_for_lists(item) for key, item in value.items()}
    return value


@given(VALUES)
def test_a_list_for_a_tuple_is_a_sequence(value: Any) -> None:
    changed = tuples_for_lists(value)
    assert equal(copy(changed), copy(value), SEQUENCE)
    assert equal(copy(changed), copy(value), FLOAT)
    assert equal(copy(changed), copy(value), EQUAL) == (changed == value)


@given(st.lists(VALUES, max_size=5), st.randoms(use_true_random=False))
def test_unordered_is_a_multiset(items: list[Any], random: Any) -> None:
    shuffled = items[:]
    random.shuffle(shuffled)
    assert equal(copy(shuffled), copy(items), UNORDERED)
    assert equal(copy(tuple(shuffled)), copy(items), UNORDERED)
    assert not equal(copy([*shuffled, 1]), copy(items), UNORDERED)
    if items:
        assert not equal(copy([*shuffled, shuffled[0]]), copy(items), UNORDERED)


@given(st.lists(VALUES, min_size=1, max_size=4), st.lists(VALUES, min_size=1, max_size=4))
def test_unordered_agrees_with_trying_every_order(one: list[Any], other: list[Any]) -> None:
    by_hand = len(one) == len(other) and any(
        equal(copy(list(order)), copy(other), SEQUENCE) for order in itertools.permutations(one)
    )
    assert equal(copy(one), copy(other), UNORDERED) == by_hand


@given(VALUES)
def test_strictly_equal_sees_the_type_of_every_member(value: Any) -> None:
    assert strictly_equal(copy(value), copy(value))
    assert not strictly_equal(copy([value]), copy((value,)))


# NaN ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        NAN,
        [NAN],
        (NAN,),
        {"a": NAN},
        {NAN},
        frozenset({NAN}),
        {(1, NAN)},
        {NAN: 1},
        {(NAN, 2): 1},
        {frozenset({NAN}): 1},
        [[{"a": ({1: NAN},)}]],
        complex(NAN, 1),
        complex(0, NAN),
        {complex(NAN, 0)},
    ],
    ids=repr,
)
def test_nan_equals_nothing(value: Any) -> None:
    assert verdicts(value, value) == ""
    same_object = copy(value)
    for policy in ALL:
        assert not equal(same_object, same_object, policy)
        assert not equal([same_object, 1], [1, same_object], policy)


def test_nan_elsewhere_does_not_disturb() -> None:
    assert verdicts([NAN], [1.0]) == ""
    assert verdicts({NAN: 1}, {1.0: 1}) == ""


# What equals what --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "expected", "policies"),
    [
        (1, 1, "ESQFU"),
        (1, True, "EQFU"),
        (1.0, 1, "EQFU"),
        (True, 1.0, "EQFU"),
        (0, False, "EQFU"),
        (-0.0, 0.0, "ESQFU"),
        (0, -0.0, "EQFU"),
        (1, "1", ""),
        (None, 0, ""),
        (None, False, ""),
        (None, None, "ESQFU"),
        ("", [], ""),
        ([], (), "QFU"),
        ([], {}, ""),
        ([], None, ""),
        ([1, 2], (1, 2), "QFU"),
        ([1, [2]], [1, (2,)], "QFU"),
        ([1, 2], [2, 1], "U"),
        ([[1, 2]], [[2, 1]], ""),
        ([[1, 2], [3]], [(3,), (1, 2)], "U"),
        ([1, 1, 2], [1, 2, 2], ""),
        ([1, True, 1.0], [1, 1, 1], "EQFU"),
        ({"a": 1}, {"a": 1.0}, "EQFU"),
        ({1: "a"}, {True: "a"}, "EQFU"),
        ({1: "a"}, {1.0: "a"}, "EQFU"),
        ({(1, 2): [3]}, {(1, 2): (3,)}, "QFU"),
        ({(1, True): 0}, {(1, 1): 0}, "EQFU"),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "ESQFU"),
        ({"a": None}, {}, ""),
        ({"a": None}, {"b": None}, ""),
        ({1, 2}, {2, 1}, "ESQFU"),
        ({1, 2}, frozenset({2, 1}), "EQFU"),
        ({1}, {1.0}, "EQFU"),
        ({(1, 2)}, {(1, 2)}, "ESQFU"),
        ({1, 2}, [1, 2], ""),
        ({1: 2}, {1}, ""),
        (b"ab", "ab", ""),
        (b"ab", b"ab", "ESQFU"),
        (2**64, 2**64, "ESQFU"),
        (2**64, 2.0**64, "EQFU"),
        (2**64 + 1, 2.0**64, "F"),
        (2**53 + 1, 2**53, ""),
        (10**4000, 10**4000, "ESQFU"),
        (10**4000, 10**4000 + 1, ""),
        (10**4000, INF, ""),
        (10**4000, 1.5, ""),
        (INF, INF, "ESQFU"),
        (INF, -INF, ""),
        (INF, 1e308, ""),
        (1 + 0j, 1, "EQFU"),
        (1 + 2j, 1 + 2j, "ESQFU"),
        (complex(-0.0, 1), complex(0.0, 1), "ESQFU"),
        (0.1 + 0.2, 0.3, "F"),
        ([0.1 + 0.2, 1], (0.3, 1), "F"),
        ({"x": 0.1 + 0.2}, {"x": 0.3}, "F"),
        ({0.1 + 0.2}, {0.3}, ""),
        ({0.1 + 0.2: 1}, {0.3: 1}, ""),
        (1.0000001, 1, "F"),
        (1, 1.0000001, "F"),
        (1000000, 1000001, ""),
        (True, 1.0000001, ""),
        ("\ud800", "\ud800", "ESQFU"),
        ("\ud800", "?", ""),
        ("a\x00", "a", ""),
        ("é", "e\u0301", ""),
        ([["sequence", 1]], [[1, "sequence"]], ""),
        (["sequence"], [("dict",)], ""),
        ([{"a": 1}], [["a", 1]], ""),
        ([{"a": [1]}, {"a": (2,)}], [{"a": [2]}, {"a": (1,)}], "U"),
        ([b"1", "1", 1], [1, "1", b"1"], "U"),
        ([b"1"], [0xB1], ""),
        (["s"], [b"s"], ""),
        ([{1}, {2}], [frozenset({2}), {1}], "U"),
        ([None, "None"], ["None", None], "U"),
        ([1.5, 0.5], [0.5, 1.5], "U"),
        ([1j, 2j], [2j, 1j], "U"),
        ([1 + 0j], [1], "EQFU"),
        ([["a", "b"]], [["ab", ""]], ""),
        ([["a", "1:b"]], [["a1:", "b"]], ""),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_table(got: Any, expected: Any, policies: str) -> None:
    assert verdicts(got, expected) == policies
    if "F" not in policies or "E" in policies:  # tolerance is relative to the expected one
        assert verdicts(expected, got) == policies


def test_tolerances_are_those_of_the_comparison() -> None:
    loose = Policy(policy=Policy.POLICY_FLOAT_TOLERANCE, absolute_tolerance=0.5)
    assert equal(1.4, 1.0, loose)
    assert not equal(1.6, 1.0, loose)
    assert not equal(1, 2, loose)
    assert equal([1.4, [2]], ([1, (2.5,)]), loose)
    none = Policy(policy=Policy.POLICY_FLOAT_TOLERANCE, absolute_tolerance=0.0)
    assert equal(1.0, 1, none)
    assert not equal(1.0, 1.0000000000000002, none)
    assert equal(INF, INF, loose)
    assert not equal(INF, 1.0, loose)


# Size and malice ---------------------------------------------------------------------------------------------


def nested(depth: int, leaf: Any, kind: str) -> Any:
    for _ in range(depth):
        leaf = [leaf] if kind == "list" else (leaf,) if kind == "tuple" else {"k": leaf}
    return leaf


@pytest.mark.parametrize("kind", ["list", "dict", "tuple"])
@pytest.mark.parametrize("policy", ALL, ids=lambda policy: str(policy.policy))
def test_deep_values(kind: str, policy: Policy) -> None:
    depth = 450 if kind == "tuple" else 900  # a tuple counts two in the text
    one, other = copy(nested(depth, 1, kind)), copy(nested(depth, 2, kind))
    assert equal(one, copy(nested(depth, 1, kind)), policy)
    assert not equal(one, other, policy)
    assert not equal(copy(nested(depth - 1, 1, kind)), one, policy)


def test_deep_members_of_sets_and_keys() -> None:
    deep = {nested(450, 1, "tuple")}
    assert verdicts(deep, deep) == "ESQFU"
    assert verdicts({nested(450, 1, "tuple"): 1}, {nested(450, 2, "tuple"): 1}) == ""


MERSENNE = 2**61 - 1
"""hash(n) is n modulo this."""


@pytest.mark.parametrize(
    "made",
    [
        [MERSENNE * n for n in range(40_000)],
        [[MERSENNE * n] for n in range(40_000)],
        [[-1 if n >> bit & 1 else -2 for bit in range(15)] for n in range(1 << 15)],
        [[float(2**61 - 1) * n, n] for n in range(40_000)],
        [{str(n): MERSENNE * n} for n in range(30_000)],
        [[]] * 100_000,
    ],
    ids=["integers", "lists", "minus one and two", "floats", "dicts", "empty"],
)
@pytest.mark.parametrize("policy", ALL[1:], ids=lambda policy: str(policy.policy))
def test_values_that_share_a_hash_cost_no_more(made: list[Any], policy: Policy) -> None:
    began = time.process_time()
    assert equal(made, list(made), policy)
    assert not equal([*made[:-1], "x"], made, policy)
    assert not equal([*made, "x"], made, policy)
    assert time.process_time() - began < 5  # quadratic takes longer by far


def test_counting_stays_exact_where_it_is_large() -> None:
    many = [n % 1000 for n in range(40_000)]
    assert equal(many[::-1], many, UNORDERED)
    assert not equal([*many[1:], 1], many, UNORDERED)
    assert Counter([*many[1:], 1]) != Counter(many)


def test_integers_of_ten_thousand_digits_are_exact() -> None:
    large = values.loads("7" * 10_000)
    assert all(equal(large, values.loads("7" * 10_000), policy) for policy in ALL)
    assert not any(equal(large, large + 1, policy) for policy in ALL)
    assert not any(equal([large], [-large], policy) for policy in ALL)
