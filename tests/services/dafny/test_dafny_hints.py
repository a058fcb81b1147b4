"""A program without its hints is what was given, and nothing but hints is taken away."""

import pytest
from dafny_texts import ABS

from basanite_services.dafny.hints import first_difference, without_hints
from basanite_services.dafny.tokens import read_tokens

LOOP = "method m(n: nat) ensures n >= 0 {{ var i := 0; while i < n {} {{ {} i := i + 1; }} }}"
BARE = LOOP.format("", "")


def difference(given: str, candidate: str) -> object:
    return first_difference(*(without_hints(read_tokens(text).tokens) for text in (given, candidate)))


@pytest.mark.parametrize(
    ("clauses", "statements"),
    [
        ("invariant 0 <= i <= n", ""),
        ("invariant 0 <= i <= n decreases n - i", ""),
        ("invariant |{1}| == 1 invariant {i} != {}", ""),
        ("invariant 0 <= i; invariant i <= n;", ""),
        ("", "assert i >= 0;"),
        ("", "assert i >= 0 by { assert true; }"),
        ("", "assert forall k :: k in {1} ==> k == 1;"),
        ("", "calc { 1; == 1; }"),
        ("", "calc == { 1; { assert true; } 1; }"),
        ("", "reveal f();"),
        ("", "if n > 0 { } "),
    ],
)
def test_hints_may_be_added(clauses: str, statements: str) -> None:
    changed = difference(BARE, LOOP.format(clauses, statements))
    assert (changed is None) == (not statements.startswith("if"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("y := -x", "y := x"),
        ("x >= 0 ==>", "x > 0 ==>"),
        ("  ensures x < 0 ==> y == -x\n", ""),
        ("ensures x >= 0", "requires false ensures x >= 0"),
        ("y: int", "y: nat"),
        ("Abs", "abs"),
        ("if x < 0", "if x <= 0"),
        ("{\n  if", "{\n  return; if"),
        ("{\n  if", "{\n  assume false; if"),
        ("{\n  if", "{\n  assert true; } method n() { if"),
    ],
)
def test_anything_else_that_changes_is_found(old: str, new: str) -> None:
    assert difference(ABS, ABS.replace(old, new)) is not None


def test_what_comes_at_the_end_is_found() -> None:
    assert difference(ABS, f"{ABS} lemma l() {{ }}") is not None
    assert difference(f"{ABS} lemma l() {{ }}", ABS) is not None
