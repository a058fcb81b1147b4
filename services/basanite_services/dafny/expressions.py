"""Where an expression ends. Dafny has no sign for it: `ensures x in s { }` and `ensures s == { }` differ by what stands
before the brace."""

from __future__ import annotations

from collections.abc import Sequence

from basanite_services.dafny.tokens import Kind, Token

CLAUSES = frozenset(
    ["requires", "ensures", "modifies", "reads", "decreases", "invariant", "yield", "provides", "reveals"]
)
STARTS = frozenset(
    [
        "abstract",
        "ghost",
        "static",
        "protected",
        "module",
        "class",
        "trait",
        "datatype",
        "codatatype",
        "newtype",
        "type",
        "iterator",
        "const",
        "function",
        "predicate",
        "copredicate",
        "method",
        "lemma",
        "colemma",
        "constructor",
        "import",
        "export",
        "include",
        "inductive",
        "twostate",
    ]
)
"""Words that begin a declaration and are no part of an expression."""
SOMETIMES = frozenset(["least", "greatest", "opaque", "replaceable"])
"""Begin a declaration before a word of STARTS; of Dafny 4, and names in 2.3."""
_WANT = frozenset(
    [
        "in",
        "is",
        "as",
        "if",
        "then",
        "else",
        "match",
        "case",
        "old",
        "multiset",
        "set",
        "iset",
        "map",
        "imap",
        "assert",
        "assume",
        "calc",
        "by",
        "forall",
        "exists",
        "var",
        "reveal",
        "fresh",
        "unchanged",
        "allocated",
        "new",
        "print",
        "return",
        "yield",
        "while",
        "for",
        "to",
        "downto",
        "returns",
        "extends",
        "witness",
    ]
)
"""Words after which an operand comes, or a brace that is none of a body."""
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")


def is_start(tokens: Sequence[Token], at: int) -> bool:
    """Whether a declaration may begin here."""
    token = tokens[at]
    if token.kind is not Kind.WORD:
        return False
    if token.text in STARTS:
        return True
    return (
        token.text in SOMETIMES
        and at + 1 < len(tokens)
        and tokens[at + 1].kind is Kind.WORD
        and (tokens[at + 1].text in STARTS or tokens[at + 1].text in SOMETIMES)
    )


def balanced_end(tokens: Sequence[Token], at: int) -> int:
    """Behind the bracket that closes the one at `at`."""
    depth = 0
    while True:
        text = tokens[at].text if tokens[at].kind is Kind.SIGN else ""
        depth += (text in _OPEN and text != "") - (text in _CLOSE and text != "")
        at += 1
        if depth == 0:
            return at


def is_attribute(tokens: Sequence[Token], at: int) -> bool:
    return tokens[at].text == "{" and at + 1 < len(tokens) and tokens[at + 1].text == ":"


def expression_end(tokens: Sequence[Token], at: int, stops: frozenset[str] = CLAUSES) -> int:
    """Behind the expressions that begin at `at`: at a word of `stops`, a declaration, a body's brace, or a bracket that
    closes what is around them. A semicolon may be among them."""
    wanted, bars, matches = True, 0, 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind is Kind.WORD:
            if token.text in stops or is_start(tokens, at):
                return at
            if token.text == "match":
                matches += 1
            elif token.text == "case":
                matches = max(matches - 1, 0)
            wanted = token.text in _WANT
        elif token.kind is not Kind.SIGN:
            wanted = False
        elif token.text in _CLOSE:
            return at
        elif token.text in _OPEN:
            if token.text == "{" and not is_attribute(tokens, at) and not wanted:
                if not matches:
                    return at
                matches -= 1
            at = balanced_end(tokens, at)
            wanted = wanted and is_attribute_end(tokens, at)
            continue
        elif token.text == "|":
            # A bar where an operand is wanted opens a length; the next one in the place of an operator closes it.
            if wanted:
                bars += 1
            else:
                wanted = bars == 0
                bars = max(bars - 1, 0)
        elif token.text == "*" and wanted:
            wanted = False  # `reads *`, `decreases *`
        elif token.text == ";":
            wanted, bars = True, 0
            if at + 1 < len(tokens) and tokens[at + 1].text == "{" and not is_attribute(tokens, at + 1):
                return at + 1
        else:
            wanted = True
        at += 1
    return at


def is_attribute_end(tokens: Sequence[Token], end: int) -> bool:
    """Whether an attribute ends before `end`."""
    depth = 0
    for at in range(end - 1, -1, -1):
        text = tokens[at].text if tokens[at].kind is Kind.SIGN else ""
        depth += (text in _CLOSE and text != "") - (text in _OPEN and text != "")
        if depth == 0:
            return is_attribute(tokens, at)
    return False
