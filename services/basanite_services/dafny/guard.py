"""What a candidate must not write: all that makes Dafny accept what it has not proved.

Decided on tokens and declarations, and never narrower than Dafny is: a word that Dafny 4 alone knows is refused for 2.3
as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from basanite_services.dafny.declarations import Program
from basanite_services.dafny.expressions import CLAUSES, balanced_end, expression_end, is_attribute
from basanite_services.dafny.tokens import Kind, Token

MAX_REFUSALS = 20
ATTRIBUTES = frozenset(
    [
        "trigger",
        "induction",
        "inductionTrigger",
        "opaque",
        "fuel",
        "nowarn",
        "tailrecursion",
        "nativeType",
        "split_here",
        "vcs_split_on_every_assert",
        "isolate_assertions",
        "main",
    ]
)
"""Those that neither weaken what is proved nor change what it means."""
_WORDS = {
    "assume": "assumes what is to be proved",
    "include": "includes a file",
    "refines": "refines a module, whose parts are then not all in the text",
    "abstract": "an abstract module is not proved as a whole",
}
_LOOPS = frozenset({"while", "for"})
_HEAPS = frozenset({"old", "unchanged", "allocated", "fresh"})
_MAX_RANGE = 2_000
"""Tokens of a range that are looked through for what a forall is."""
_NAME_SIGNS = frozenset({":=", ":", ",", ")", ";", ".", "[", "]", "::", "|", "+", "-", "*", "/", "==", "}"})


@dataclass(frozen=True)
class Refusal:
    message: str
    token: Token


def refusals(program: Program, exempt: Collection[int] = ()) -> tuple[Refusal, ...]:
    """At most MAX_REFUSALS, in the order of the text. `exempt`: offsets of attributes and of names of declarations that
    the trusted specification has as well."""
    found = [
        *islice(_of_tokens(program.source.tokens, exempt), MAX_REFUSALS),
        *islice(_of_declarations(program, exempt), MAX_REFUSALS),
    ]
    return tuple(sorted(found, key=lambda one: one.token.start)[:MAX_REFUSALS])


def _of_declarations(program: Program, exempt: Collection[int]) -> Iterator[Refusal]:
    for one in program.all():
        if one.is_callable and one.body is None and one.token.start not in exempt:
            yield Refusal(f"{one.shown} has no body: what it promises is not proved", one.token)
        for clause in one.clauses:
            if clause.kind.startswith("free"):
                yield Refusal("a free specification is not proved", clause.token)


def _of_tokens(tokens: Sequence[Token], exempt: Collection[int]) -> Iterator[Refusal]:
    for at, token in enumerate(tokens):
        following = tokens[at + 1].text if at + 1 < len(tokens) else ""
        before = tokens[at - 1] if at else None
        if token.kind is Kind.WORD:
            if token.text in _WORDS:
                yield Refusal(f"{token.text}: {_WORDS[token.text]}", token)
            elif token.text == "expect" and following not in _NAME_SIGNS:
                yield Refusal("expect: assumes what is checked only when it runs", token)
            elif token.text == "decreases" and _is_wild(tokens, at + 1):
                yield Refusal("decreases *: it may never end", token)
            elif token.text in _LOOPS and not _loop_has_body(tokens, at):
                yield Refusal(f"this {token.text} has no body", token)
            elif token.text == "forall" and _is_statement_without_body(tokens, at):
                yield Refusal("this forall has no body: what it promises is not proved", token)
        elif token.kind is not Kind.SIGN:
            continue
        elif token.text == "...":
            yield Refusal("...: stands for text that is elsewhere", token)
        elif token.text == "@" and (before is None or before.text not in _HEAPS or before.end != token.start):
            yield Refusal("@: attributes are written {:name}", token)
        elif is_attribute(tokens, at) and token.start not in exempt:
            name = tokens[at + 2].text
            if name not in ATTRIBUTES:
                yield Refusal(f"{{:{name[:40]}}}: not among the attributes that change nothing", token)


def _loop_has_body(tokens: Sequence[Token], at: int) -> bool:
    at += 1
    if at < len(tokens) and tokens[at].text == "{" and not is_attribute(tokens, at):
        return True
    return _reaches_body(tokens, at)


def _is_wild(tokens: Sequence[Token], at: int) -> bool:
    """Whether a measure is `*`, among others perhaps."""
    end = expression_end(tokens, at)
    return any(
        tokens[place].text == "*" and (place == at or tokens[place - 1].text in (",", "}"))
        for place in range(at, end)
    )


def _reaches_body(tokens: Sequence[Token], at: int) -> bool:
    """Whether a body follows a guard or a range, and clauses. A semicolon may end a clause, but not a guard."""
    guard = True
    while at < len(tokens):
        at = expression_end(tokens, at)
        if guard and tokens[at - 1].text == ";":
            return False
        if at >= len(tokens) or tokens[at].text not in CLAUSES:
            break
        guard, at = False, at + 1
    return at < len(tokens) and tokens[at].text == "{"


def _is_statement_without_body(tokens: Sequence[Token], at: int) -> bool:
    start = at + 1
    at = start
    while at < min(len(tokens), start + _MAX_RANGE):
        sign = tokens[at].text if tokens[at].kind is Kind.SIGN else ""
        if sign == "::":
            return False  # an expression
        if sign in ("(", "[") or is_attribute(tokens, at):
            at = balanced_end(tokens, at)
        elif sign in (";", "}", ")", "]"):
            return True
        elif sign == "{" or (not sign and tokens[at].text in CLAUSES):
            return not _reaches_body(tokens, start)
        else:
            at += 1
    return True
