"""How outputs are compared."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from basanite.v1 import tasks_pb2
from basanite_services.code.text import difference

Policy = tasks_pb2.TextComparison
EXACT = Policy(policy=Policy.POLICY_EXACT)
LINES = Policy(policy=Policy.POLICY_TRAILING_WHITESPACE)
TOKENS = Policy(policy=Policy.POLICY_TOKENS)
FLOAT = Policy(policy=Policy.POLICY_FLOAT_TOLERANCE)
UNORDERED = Policy(policy=Policy.POLICY_UNORDERED_LINES)
ALL = (Policy(), EXACT, LINES, TOKENS, FLOAT, UNORDERED)

BYTES = st.binary(max_size=200)
PRINTED = st.text(alphabet="ab01.- \t\r\n", max_size=60).map(str.encode)
WORDS = st.lists(st.text(alphabet="abc019.-", min_size=1, max_size=5).map(str.encode), max_size=12)


def same(got: bytes, expected: bytes, comparison: Policy) -> bool:
    wrong = difference(got, expected, comparison)
    assert wrong is None or wrong
    return wrong is None


def tolerance(absolute: float | None = None, relative: float | None = None) -> Policy:
    return Policy(
        policy=Policy.POLICY_FLOAT_TOLERANCE, absolute_tolerance=absolute, relative_tolerance=relative
    )


# Laws --------------------------------------------------------------------------------------------------------


@given(BYTES, st.sampled_from(ALL))
def test_everything_equals_itself_unless_it_is_not_a_number(text: bytes, comparison: Policy) -> None:
    nan = comparison.policy == Policy.POLICY_FLOAT_TOLERANCE and any(
        word.lower().lstrip(b"+-") == b"nan" for word in text.split()
    )
    assert same(text, text, comparison) is not nan


@given(PRINTED, PRINTED, st.sampled_from((EXACT, LINES, TOKENS, UNORDERED)))
def test_which_is_the_expected_one_does_not_matter(one: bytes, other: bytes, comparison: Policy) -> None:
    assert same(one, other, comparison) == same(other, one, comparison)


@given(PRINTED, PRINTED)
def test_policies_from_strict_to_loose_accept_ever_more(one: bytes, other: bytes) -> None:
    accepted = [same(one, other, policy) for policy in (EXACT, LINES, TOKENS)]
    assert accepted == sorted(accepted)
    if same(one, other, LINES):
        assert same(one, other, UNORDERED)


@given(PRINTED, PRINTED)
def test_lines_are_those_of_the_definition(one: bytes, other: bytes) -> None:
    def lines(text: bytes) -> list[bytes]:
        made = [line.rstrip(b" \t\r\f\v") for line in text.split(b"\n")]
        while made and not made[-1]:
            made.pop()
        return made

    assert same(one, other, LINES) == (lines(one) == lines(other))
    assert same(one, other, UNORDERED) == (sorted(lines(one)) == sorted(lines(other)))
    assert same(one, other, TOKENS) == (one.split() == other.split())


@given(BYTES.filter(bool), st.data())
def test_exact_finds_any_changed_byte(text: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.integers(1, 255))
    changed = text[:at] + bytes([text[at] ^ other]) + text[at + 1 :]
    assert difference(changed, text, EXACT) == f"byte {at + 1} is wrong"


@given(WORDS, st.randoms(use_true_random=False))
def test_unordered_lines_are_a_multiset(words: list[bytes], random: object) -> None:
    shuffled = words[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert same(b"\n".join(shuffled), b"\n".join(words) + b"\n", UNORDERED)
    assert not same(b"\n".join([*shuffled, b"more"]), b"\n".join(words), UNORDERED)
    if words:
        assert not same(b"\n".join(shuffled[1:]), b"\n".join(words), UNORDERED)
        assert not same(b"\n".join([*shuffled, shuffled[0]]), b"\n".join(words), UNORDERED)


@given(WORDS, WORDS)
def test_white_space_between_tokens_never_counts(words: list[bytes], spaces: list[bytes]) -> None:
    assert same(b" \r\n".join(words), b"\n\n\t" + b"\x0b".join(words), TOKENS)


# White space -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (b"1", b"1\n"),
        (b"1\n\n\n", b"1"),
        (b"1 \t\n2\r\n", b"1\n2\n"),
        (b"1\r\n2\r\n", b"1\n2\n"),
        (b"", b"\n \n\t\n"),
        (b"\n\n1", b"\n\n1"),
        (b"a  b", b"a  b"),
        ("é\n".encode(), "é".encode()),
        (b"\xff\x00", b"\xff\x00\n"),
    ],
)
def test_white_space_at_ends_of_lines_and_of_the_text_does_not_count(got: bytes, expected: bytes) -> None:
    assert same(got, expected, LINES)
    assert same(got, expected, Policy())
    assert same(got, expected, EXACT) == (got == expected)


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (b" 1", b"1"),
        (b"\n1", b"1"),
        (b"1\n\n2", b"1\n2"),
        (b"a  b", b"a b"),
        (b"1 2", b"1\n2"),
        (b"1", b""),
        (b"", b"1"),
        (b"1\x00", b"1"),
        (b"1\n2", b"2\n1"),
        ("1\u00a0".encode(), b"1"),
        (b"1\x1f", b"1"),
    ],
)
def test_other_white_space_counts(got: bytes, expected: bytes) -> None:
    assert not same(got, expected, LINES)


# Numbers -----------------------------------------------------------------------------------------------------

DIGITS = b"7" * 10_000


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (b"1.0", b"1"),
        (b"1", b"1.0000001"),
        (b"0.3333333", b"0.33333333333333333"),
        (b"1e3", b"1000.0"),
        (b"1E+3", b"1000"),
        (b".5", b"0.5"),
        (b"5.", b"5.0"),
        (b"-0", b"0"),
        (b"-0.0", b"0"),
        (b"+7", b"7"),
        (b"007", b"7"),
        (b"000", b"-0"),
        (b"inf", b"Infinity"),
        (b"-INF", b"-inf"),
        (b"5e-324", b"0"),
        (b"1e-400", b"0.0"),
        (b"1000000.5", b"1000000.0"),
        (b"yes 1.0", b"yes 1"),
        (DIGITS, DIGITS),
        (b"0" + DIGITS, DIGITS),
        (b"1e400", b"10e399"),
        (b"1.0000000001e400", b"1e400"),
        (DIGITS + b".0", DIGITS),
    ],
)
def test_numbers_that_are_equal_with_tolerance(got: bytes, expected: bytes) -> None:
    assert same(got, expected, FLOAT)


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (b"1.00001", b"1.0"),
        (b"1", b"2"),
        (b"9007199254740993", b"9007199254740992"),
        (DIGITS[:-1] + b"8", DIGITS),
        (b"-" + DIGITS, DIGITS),
        (b"-1", b"1"),
        (b"nan", b"nan"),
        (b"NaN", b"1.0"),
        (b"-nan", b"nan"),
        (b"1.0", b"nan"),
        (b"inf", b"-inf"),
        (b"inf", b"1e308"),
        (b"1e400", b"inf"),
        (b"inf", b"1e400"),
        (b"1e400", b"1e500"),
        (b"-1e400", b"1e400"),
        (b"9" * 400, b"1e999"),
        (DIGITS + b".0", b"1" + DIGITS),
        (b"1e99999999999999999999999", b"1e99999999999999999999998"),
        (b"1", b"1 1"),
        (b"1 1", b"1"),
        (b"", b"0"),
        (b"0x10", b"16"),
        (b"1_0", b"10"),
        (b"1e", b"1"),
        (b"\xd9\xa1", b"1"),
        (b"1.0.0", b"1.0"),
        (b"e", b"1e"),
        (b"--1", b"1"),
        (b"true", b"1"),
    ],
)
def test_numbers_that_are_not(got: bytes, expected: bytes) -> None:
    assert not same(got, expected, FLOAT)


def test_each_tolerance_stands_alone() -> None:
    assert same(b"100.9", b"100.0", tolerance(relative=0.01))
    assert not same(b"100.9", b"100.0", tolerance(absolute=0.01))
    assert same(b"0.009", b"0.0", tolerance(absolute=0.01))
    assert not same(b"0.009", b"0.0", tolerance(relative=0.01))
    assert same(b"100.9", b"100.0", tolerance(0.5, 0.01))
    assert not same(b"1.0000000001", b"1.0", tolerance(0.0))
    assert same(b"1.00", b"1", tolerance(0.0, 0.0))
    # Relative to the expected one.
    assert same(b"90.0", b"100.0", tolerance(relative=0.1))
    assert not same(b"100.0", b"90.0", tolerance(relative=0.1))


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, 1e-9, 1e-6, 0.5]),
    st.sampled_from([0.0, 1e-9, 1e-6, 0.5]),
)
def test_tolerance_is_the_formula(got: float, expected: float, absolute: float, relative: float) -> None:
    margin = max(Decimal(absolute), Decimal(relative) * abs(Decimal(expected)))
    distance = abs(Decimal(got) - Decimal(expected))
    result = same(b"%r" % got, b"%r" % expected, tolerance(absolute, relative))
    if abs(distance - margin) > margin * Decimal("1e-9"):  # the formula is computed in floats
        assert result == (distance <= margin)


@given(st.integers(), st.integers())
def test_integers_are_exact(got: int, expected: int) -> None:
    assert same(b"%d" % got, b"%d" % expected, FLOAT) == (got == expected)


# Size --------------------------------------------------------------------------------------------------------

LARGE = {
    "lines": b"some longer line\n" * 300_000,
    "short lines": b"1\n" * 400_000,
    "empty lines": b"\n" * 1_000_000 + b"x",
    "one line": b"y" * 5_000_000,
    "one integer": b"1" * 5_000_000,
    "one float": b"0." + b"3" * 5_000_000,
    "zeros": b"0" * 5_000_000 + b"1",
    "floats": b"1.25 -7e3 " * 50_000,
    "spaces": b" " * 5_000_000 + b"x",
    "mixed": bytes(range(256)) * 10_000 + b"x",
}


@pytest.mark.parametrize("kind", LARGE)
@pytest.mark.parametrize("comparison", ALL[1:], ids=lambda policy: str(policy.policy))
def test_megabytes_take_linear_time_and_the_last_byte_counts(kind: str, comparison: Policy) -> None:
    text = LARGE[kind]
    began = time.process_time()
    assert same(text, text, comparison)
    stripped = text.rstrip()
    assert not same(stripped[:-1] + b"?", stripped, comparison)
    assert not same(stripped + b"?", stripped, comparison)
    assert time.process_time() - began < 20  # quadratic takes minutes to hours


@pytest.mark.parametrize(
    "token", [b"1" * 1_000_000 + b"x", b"0" * 1_000_000 + b"x", b"1." + b"1" * 1_000_000 + b"e"]
)
def test_no_token_is_expensive(token: bytes) -> None:
    began = time.process_time()
    assert not same(token, b"1.5", FLOAT)
    assert not same(token, b"1", FLOAT)
    assert time.process_time() - began < 5


def test_what_is_said_does_not_name_the_expected_text() -> None:
    for policy in ALL:
        wrong = difference(b"1\n2\nnothing\n", b"1\n2\nsecret\n", policy)
        assert wrong is not None
        assert "secret" not in wrong
    assert difference(b"1\n2\n4\n", b"1\n2\n3\n", LINES) == "line 3 is wrong"
    assert difference(b"1\n2\n", b"1\n2\n3\n", LINES) == "2 lines instead of 3"
    assert difference(b"1 2 3 4", b"1 2 3", TOKENS) == "4 tokens instead of 3"
    assert difference(b"ab", b"a", EXACT) == "2 bytes instead of 1"
