"""A program without its proof hints: what is left must be what was given.

Hints are what DafnyBench (Loughridge et al., 2024) takes out: assertions, loop invariants, and with them measures of
termination, calculations and `reveal`.
"""

from __future__ import annotations

from collections.abc import Sequence

from basanite_services.dafny.expressions import balanced_end, expression_end, is_attribute
from basanite_services.dafny.tokens import Kind, Token


def without_hints(tokens: Sequence[Token]) -> list[Token]:
    kept: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind is not Kind.WORD:
            kept.append(token)
            at += 1
        elif token.text in ("assert", "reveal"):
            at = _statement_end(tokens, at + 1)
        elif token.text in ("invariant", "decreases"):
            at = expression_end(tokens, at + 1)
        elif token.text == "calc":
            at = _calculation_end(tokens, at + 1)
        else:
            kept.append(token)
            at += 1
    return kept


def first_difference(
    wanted: Sequence[Token], given: Sequence[Token]
) -> tuple[Token | None, Token | None] | None:
    """The first tokens that differ, None for an end; None if there are none."""
    for one, other in zip(wanted, given, strict=False):
        if one.text != other.text or one.kind is not other.kind:
            return one, other
    if len(wanted) == len(given):
        return None
    shorter = min(len(wanted), len(given))
    return (wanted[shorter], None) if len(wanted) > shorter else (None, given[shorter])


def _statement_end(tokens: Sequence[Token], at: int) -> int:
    """Behind the semicolon, or the proof `by { }`. A bracket that closes what is around it ends it as well."""
    while at < len(tokens):
        token = tokens[at]
        if token.kind is Kind.WORD and token.text == "by" and tokens[at + 1].text == "{":
            return balanced_end(tokens, at + 1)
        if token.kind is Kind.SIGN:
            if token.text == ";":
                return at + 1
            if token.text in ")]}":
                return at
            if token.text in "([{":
                at = balanced_end(tokens, at)
                continue
        at += 1
    return at


def _calculation_end(tokens: Sequence[Token], at: int) -> int:
    while at < len(tokens) and (tokens[at].text != "{" or is_attribute(tokens, at)):
        at = balanced_end(tokens, at) if tokens[at].text in ("{", "(", "[") else at + 1
    at = balanced_end(tokens, at) if at < len(tokens) else at
    return at + 1 if at < len(tokens) and tokens[at].text == ";" else at
