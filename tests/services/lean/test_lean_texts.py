"""Headers, messages, and what is told to a prover; all of it without Lean."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from basanite_services.lean.header import HeaderError, read_imports
from basanite_services.lean.messages import MAX_MESSAGES, Message, feedback, read_messages, shifted
from basanite_services.lean.terms import Terms, read_name


@pytest.mark.parametrize(
    ("text", "imports"),
    [
        ("", []),
        ("theorem t : True := trivial", []),
        ("import Mathlib\nimport Aesop", ["Mathlib", "Aesop"]),
        ("import Mathlib.Data.Nat.Basic", ["Mathlib.Data.Nat.Basic"]),
        ("import A import B\ntheorem x", ["A", "B"]),
        ("/- a /- b -/ -/ import A -- import B\nimport C/- d -/\n", ["A", "C"]),
        ("/-! about -/\nimport A", []),
        ("/-- about -/\nimport A", []),
        ("/- without an end\nimport A", []),
        ("open Nat\nimport A", []),
        ("importA", []),
        ("import «a b».C", ["«a b».C"]),
        ("import", []),
        ("\r\nimport A\r\nimport B\r\n", ["A", "B"]),
    ],
)
def test_what_a_file_imports(text: str, imports: list[str]) -> None:
    assert list(read_imports(text)) == [read_name(name) for name in imports]


@pytest.mark.parametrize(
    "text",
    ["prelude", "module", "-- x\nmodule\nimport A", "public import A", "import all A", "meta import A"],
)
def test_headers_that_are_not_supported_are_named(text: str) -> None:
    with pytest.raises(HeaderError, match="not supported"):
        read_imports(text)


@given(st.text(alphabet="import A.-/!«»\n", max_size=60))
def test_any_text_has_a_header(text: str) -> None:
    with contextlib.suppress(HeaderError):
        read_imports(text)


@pytest.mark.parametrize("name", ["Nat.add_comm", "«a b».c", "x'", "τ₁", "A.«b.c».d", "_private"])
def test_names_are_read_as_they_are_shown(name: str) -> None:
    terms = Terms()
    number = terms.name_of(read_name(name))
    assert read_name(terms.shown(number)) == read_name(name)


@pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a..b", "«a", "a b", "«»", "«a»b"])
def test_what_is_no_name_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_name(name)


# Messages


def line(text: str, start: tuple[int, int], end: tuple[int, int] | None, severity: str = "error") -> bytes:
    said = {"severity": severity, "data": text, "pos": {"line": start[0], "column": start[1]}}
    said["endPos"] = None if end is None else {"line": end[0], "column": end[1]}
    return json.dumps(said).encode() + b"\n"


def test_messages_are_read_and_what_is_none_is_passed_over() -> None:
    output = (
        b"hello\n{}\n[1]\n{\n" + line("wrong", (2, 4), (2, 7)) + b'{"severity": "error", "data": 3}\n'
        b'{"severity": "boom", "data": "x", "pos": {"line": 1, "column": 0}}\n'
        b'{"severity": "error", "data": "x", "pos": {"line": -1, "column": 0}}\n'
        b'{"severity": "error", "data": "x", "pos": {"line": true, "column": 0}}\n' + b"[" * 100_000 + b"\n"
        b'{"a": ' * 50_000 + b"\n" + line("note", (1, 0), None, "information")
    )
    assert read_messages(output) == [
        Message("error", "wrong", 2, 4, 2, 7),
        Message("information", "note", 1, 0, 1, 0),
    ]


def test_messages_are_not_without_number() -> None:
    assert len(read_messages(line("x", (1, 0), (1, 1)) * 1000)) == MAX_MESSAGES


def test_messages_about_a_part_have_its_positions() -> None:
    messages = [
        Message("error", "before", 2, 1, 2, 2),
        Message("error", "first", 3, 10, 3, 12),
        Message("error", "second", 4, 10, 5, 1),
        Message("error", "after", 5, 0, 5, 1),
    ]
    assert shifted(messages, 2, 8, 2) == [
        Message("error", "first", 1, 2, 1, 4),
        Message("error", "second", 2, 10, 2, 1),
    ]


TEXT = "\n".join(f"line {number}" for number in range(1, 21))


def test_an_error_is_told_between_marks_with_four_lines_before_and_one_after() -> None:
    told = feedback(TEXT, [Message("error", "wrong", 10, 0, 10, 4), Message("warning", "w", 1, 0, 1, 1)])
    assert told == (
        "\nError 1:\n\nCorresponding Code:\n```lean4\n"
        "line 6\nline 7\nline 8\nline 9\n<error>line</error> 10\nline 11\n\n```\n\nError Message: wrong\n"
    )


def test_long_errors_are_cut_and_many_are_counted() -> None:
    errors = [Message("error", f"e{number}", 2, 0, 15, 3) for number in range(11)]
    told = feedback(TEXT, errors)
    assert (
        "<error>line 2\nline 3\nline 4\nline 5\nline 6\nline 7\n\n... --[Truncated]-- ...\nlin</error>e 15\n"
        in told
    )
    assert "Error 8:" in told
    assert "Error 9:" not in told
    assert told.endswith("\n... [Omitted 3 more errors] ...\n")


@given(st.integers(1, 30), st.integers(0, 30), st.integers(1, 30), st.integers(0, 30))
def test_whatever_positions_are_told_there_is_a_text(
    line: int, column: int, end: int, end_column: int
) -> None:
    assert feedback(TEXT, [Message("error", "e", line, column, end, end_column)]) is not None
