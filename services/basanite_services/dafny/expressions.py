"""Where an expression ends. Dafny has no sign for it: `ensures x in s { }` and `ensures s == { }` differ by what stands
before the brace."""

from __future__ import annotations

from collections.abc import Sequence

from basanite_services.dafny.tokens import Kind, SourceError, Token

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
        *(
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
        ),
        *(
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
        ),
        *("to", "downto", "witness"),
    ]
)
"""Words after which an operand comes, or a brace that is none of a body."""
_INFIX = frozenset(["in", "is", "as", "then", "else", "case", "by", "to", "downto", "witness"])
"""Words that may come after an operand."""
_WITH_SEMICOLON = frozenset(["assert", "assume", "expect", "reveal", "var"])
"""Words of what ends by a semicolon inside of an expression."""
_STATEMENTS = frozenset(
    ["while", "for", "return", "print", "break", "continue", "label", "modify", "yield", "new"]
)
"""Words that are no part of an expression."""
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
        sign = tokens[at].text if tokens[at].kind is Kind.SIGN else ""
        if sign in _OPEN:
            depth += 1
        elif sign in _CLOSE:
            depth -= 1
        at += 1
        if depth == 0:
            return at


def is_attribute(tokens: Sequence[Token], at: int) -> bool:
    return tokens[at].text == "{" and at + 1 < len(tokens) and tokens[at + 1].text == ":"


def expression_end(tokens: Sequence[Token], at: int, stops: frozenset[str] = CLAUSES) -> int:
    """Behind the expressions that begin at `at`: at a word of `stops`, a declaration, a body's brace, a bracket that
    closes what is around them, or anything that cannot go on with them; behind a semicolon that is no part of them.

    Raises SourceError where a brace could be either.
    """
    wanted, bars, matches, statements = True, 0, 0, 0
    start = at
    while at < len(tokens):
        token = tokens[at]
        sign = token.text if token.kind is Kind.SIGN else ""
        if token.kind is Kind.WORD:
            member = at > start and tokens[at - 1].text == "."
            if not member:
                if token.text in stops or token.text in _STATEMENTS or is_start(tokens, at):
                    return at
                if not wanted and token.text not in _INFIX:
                    return at
                if token.text == "match":
                    matches += 1
                elif token.text == "case":
                    matches = max(matches - 1, 0)
                elif token.text in _WITH_SEMICOLON:
                    statements += 1
                elif token.text == "by":
                    statements = max(statements - 1, 0)
            wanted = token.text in _WANT and not member
        elif not sign:
            if not wanted:
                return at
            wanted = False
        elif sign in _CLOSE:
            return at
        elif sign in _OPEN:
            attribute = is_attribute(tokens, at)
            if sign == "{" and not attribute:
                if wanted and at > start and tokens[at - 1].text == ">":
                    message = "a brace after '>' could be a set or a body: put what is compared in brackets"
                    raise SourceError(message, token.line, token.column)
                if not wanted:
                    if not matches:
                        return at
                    matches -= 1
            at = balanced_end(tokens, at)
            wanted = wanted and attribute
            continue
        elif sign == "|":
            # A bar where an operand is wanted opens a length; the next one in the place of an operator closes it.
            if wanted:
                bars += 1
            else:
                wanted = bars == 0
                bars = max(bars - 1, 0)
        elif sign == "*" and wanted:
            wanted = False  # `reads *`, `decreases *`
        elif sign == ";":
            if not statements:
                return at + 1
            statements -= 1
            wanted, bars = True, 0
        else:
            wanted = True
        at += 1
    return at
