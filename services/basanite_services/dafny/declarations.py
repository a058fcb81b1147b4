"""From tokens to declarations: what is declared where, with which specification and body.

It is no parser of Dafny: what is inside of an expression or a statement is not looked at. What no declaration begins
with is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from basanite_services.dafny.expressions import (
    CLAUSES,
    SOMETIMES,
    balanced_end,
    expression_end,
    is_attribute,
    is_start,
)
from basanite_services.dafny.tokens import Kind, Source, SourceError, Token, read_tokens

CONTAINERS = frozenset(["module", "class", "trait"])
FUNCTIONS = frozenset(["function", "predicate", "copredicate"])
METHODS = frozenset(["method", "lemma", "colemma", "constructor", "iterator"])
CALLABLES = FUNCTIONS | METHODS
_MODIFIERS = frozenset(["abstract", "ghost", "static", "protected", "inductive", "twostate"]) | SOMETIMES
_MAX_DEPTH = 20
_OTHERS = frozenset(
    ["datatype", "codatatype", "newtype", "type", "const", "var", "import", "export", "include"]
)


@dataclass(frozen=True)
class Clause:
    kind: str
    """requires, ensures, .. A method's `yield requires` is "yield requires"."""
    tokens: tuple[Token, ...]
    """Without the word itself, and without a semicolon at the end."""
    token: Token


@dataclass(frozen=True)
class Declaration:
    kind: str
    """e.g. "method", "function method", "least predicate"."""
    name: str
    """"" of an anonymous constructor, an export, an include."""
    path: tuple[str, ...]
    """Names of modules and classes around it, and its own."""
    modifiers: frozenset[str]
    attributes: tuple[tuple[Token, ...], ...]
    """Those before its name, with their braces."""
    head: tuple[Token, ...]
    """What follows the name, up to the specification: type parameters, parameters, results, types, definitions."""
    clauses: tuple[Clause, ...]
    body: tuple[Token, ...] | None
    """With its braces; of a container too."""
    by_method: tuple[Token, ...] | None
    token: Token
    """Of the name, or of the first word."""
    tokens: tuple[Token, ...]
    """All of it."""
    members: tuple[Declaration, ...] = ()

    @property
    def base(self) -> str:
        """The kind's last word but `method` after `function`, e.g. "function" of "function method"."""
        words = self.kind.split()
        return words[0] if words[0] in FUNCTIONS else words[-1]

    @property
    def is_function(self) -> bool:
        return self.base in FUNCTIONS

    @property
    def is_callable(self) -> bool:
        return self.base in CALLABLES

    @property
    def shown(self) -> str:
        return f"{self.kind} {'.'.join(self.path) or self.kind}"

    def of(self, kind: str) -> tuple[tuple[str, ...], ...]:
        """The clauses of a kind, as texts of their tokens."""
        return tuple(texts(clause.tokens) for clause in self.clauses if clause.kind == kind)


@dataclass(frozen=True)
class Program:
    source: Source
    declarations: tuple[Declaration, ...]

    def all(self) -> Iterator[Declaration]:
        """With those inside of others, in the order of the text."""
        yield from _walk(self.declarations)


def texts(tokens: Sequence[Token]) -> tuple[str, ...]:
    return tuple(token.text for token in tokens)


def write(tokens: Sequence[Token], renamed: Mapping[str, str] | None = None) -> str:
    """A text of these tokens in one line, with other names for some words."""
    parts = []
    for at, token in enumerate(tokens):
        text = (renamed or {}).get(token.text, token.text) if token.kind is Kind.WORD else token.text
        glued = at == 0 or tokens[at - 1].end == token.start
        parts.append(text if glued else f" {text}")
    return "".join(parts)


def read_program(text: str) -> Program:
    """Raises SourceError."""
    source = read_tokens(text)
    reader = _Reader(source.tokens)
    found, end = reader.members(0, (), "module")
    if end != len(source.tokens):
        raise reader.error("a declaration is expected", end)
    return Program(source, found)


def _walk(declarations: Sequence[Declaration]) -> Iterator[Declaration]:
    for one in declarations:
        yield one
        yield from _walk(one.members)


class _Reader:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens

    def error(self, message: str, at: int) -> SourceError:
        if at < len(self.tokens):
            token = self.tokens[at]
            return SourceError(f"{message}, not {token.text[:40]!r}", token.line, token.column)
        last = self.tokens[-1] if self.tokens else Token(Kind.SIGN, "", 1, 1, 0)
        return SourceError(f"{message}, but the text ends", last.line, last.column)

    def text(self, at: int) -> str:
        return self.tokens[at].text if at < len(self.tokens) else ""

    def is_word(self, at: int) -> bool:
        return at < len(self.tokens) and self.tokens[at].kind is Kind.WORD

    def members(self, at: int, path: tuple[str, ...], container: str) -> tuple[tuple[Declaration, ...], int]:
        """Up to the brace that closes the container, or the end."""
        if len(path) > _MAX_DEPTH:
            raise self.error(f"modules must be at most {_MAX_DEPTH} deep", at)
        found = []
        while at < len(self.tokens) and self.text(at) != "}":
            if self.text(at) == ";":
                at += 1
                continue
            declaration, at = self.declaration(at, path, container)
            found.append(declaration)
        return tuple(found), at

    def declaration(self, at: int, path: tuple[str, ...], container: str) -> tuple[Declaration, int]:
        first = at
        if self.text(at) == "@":
            raise self.error("a declaration is expected; attributes are written {:name}", at)
        modifiers = []
        while self.text(at) in _MODIFIERS and self.is_word(at):
            modifiers.append(self.text(at))
            at += 1
        kind = self.text(at)
        field = kind == "var" and container != "module"
        if not self.is_word(at) or not (kind in CALLABLES | CONTAINERS | (_OTHERS - {"var"}) or field):
            raise self.error("a declaration is expected", at)
        at += 1
        if kind in ("function", "predicate") and self.text(at) == "method":
            kind, at = f"{kind} method", at + 1
        for word in ("inductive", "least", "greatest", "twostate"):
            if word in modifiers:
                kind = f"{word} {kind}"
                modifiers.remove(word)
        attributes, at = self.attributes(at)
        token, name, at = self.name(first, at, kind)
        own = (*path, *name.split(".")) if name else path
        base = kind.split()[0] if kind.split()[0] in FUNCTIONS else kind.split()[-1]
        read = {True: self.callable, False: self.container if base in CONTAINERS else self.other}
        head, clauses, body, by_method, members, at = read[base in CALLABLES](at, own, base, container)
        own_tokens = tuple(self.tokens[first:at])
        declaration = Declaration(
            kind,
            name,
            own,
            frozenset(modifiers),
            attributes,
            head,
            clauses,
            body,
            by_method,
            token,
            own_tokens,
            members,
        )
        return declaration, at

    def attributes(self, at: int) -> tuple[tuple[tuple[Token, ...], ...], int]:
        found = []
        while at < len(self.tokens) and is_attribute(self.tokens, at):
            end = balanced_end(self.tokens, at)
            found.append(tuple(self.tokens[at:end]))
            at = end
        return tuple(found), at

    def name(self, first: int, at: int, kind: str) -> tuple[Token, str, int]:
        if kind in ("constructor", "export", "include") and not (kind == "constructor" and self.is_word(at)):
            return self.tokens[first], "", at
        if kind == "import" and self.text(at) == "opened":
            at += 1
        if not self.is_word(at) or self.text(at) in CLAUSES or is_start(self.tokens, at):
            raise self.error("a name is expected", at)
        token, words = self.tokens[at], [self.text(at)]
        at += 1
        while kind == "module" and self.text(at) == "." and self.is_word(at + 1):
            words.append(self.text(at + 1))
            at += 2
        return token, ".".join(words), at

    def callable(
        self, at: int, path: tuple[str, ...], base: str, container: str
    ) -> tuple[
        tuple[Token, ...],
        tuple[Clause, ...],
        tuple[Token, ...] | None,
        tuple[Token, ...] | None,
        tuple[Declaration, ...],
        int,
    ]:
        start = at
        while at < len(self.tokens) and not self.ends_head(at):
            at = balanced_end(self.tokens, at) if self.text(at) in ("(", "[") else at + 1
        head = tuple(self.tokens[start:at])
        clauses: list[Clause] = []
        while self.is_word(at) and self.text(at) in CLAUSES | {"free"}:
            word = self.tokens[at]
            kind = word.text
            at += 1
            while kind in ("yield", "free") and self.text(at) in CLAUSES:
                kind, at = f"{kind} {self.text(at)}", at + 1
            end = expression_end(self.tokens, at)
            own = self.tokens[at:end]
            if own and own[-1].text == ";":
                own = own[:-1]
            clauses.append(Clause(kind, tuple(own), word))
            at = end
        body = by_method = None
        if self.text(at) == "{":
            end = balanced_end(self.tokens, at)
            body, at = tuple(self.tokens[at:end]), end
            if self.text(at) == "by" and self.text(at + 1) == "method" and self.text(at + 2) == "{":
                end = balanced_end(self.tokens, at + 2)
                by_method, at = tuple(self.tokens[at + 2 : end]), end
        return head, tuple(clauses), body, by_method, (), at

    def ends_head(self, at: int) -> bool:
        token = self.tokens[at]
        if token.kind is Kind.WORD:
            return token.text in CLAUSES | {"free"} or is_start(self.tokens, at) or token.text == "var"
        return token.kind is Kind.SIGN and token.text in "{};"

    def container(
        self, at: int, path: tuple[str, ...], base: str, container: str
    ) -> tuple[
        tuple[Token, ...],
        tuple[Clause, ...],
        tuple[Token, ...] | None,
        tuple[Token, ...] | None,
        tuple[Declaration, ...],
        int,
    ]:
        start = at
        while at < len(self.tokens) and self.text(at) != "{" and not is_start(self.tokens, at):
            at += 1
        if self.text(at) != "{":
            raise self.error("the body of a module or class is expected", at)
        head, opened = tuple(self.tokens[start:at]), at
        members, at = self.members(at + 1, path, base)
        return head, (), tuple(self.tokens[opened : at + 1]), None, members, at + 1

    def other(
        self, at: int, path: tuple[str, ...], base: str, container: str
    ) -> tuple[
        tuple[Token, ...],
        tuple[Clause, ...],
        tuple[Token, ...] | None,
        tuple[Token, ...] | None,
        tuple[Declaration, ...],
        int,
    ]:
        start = at
        if base in ("datatype", "codatatype", "import", "export", "include"):
            while (
                at < len(self.tokens)
                and not is_start(self.tokens, at)
                and self.text(at) not in ("}", "{", ";")
            ):
                at = balanced_end(self.tokens, at) if self.text(at) in ("(", "[") else at + 1
                while at < len(self.tokens) and is_attribute(self.tokens, at):
                    at = balanced_end(self.tokens, at)
        else:
            # A field ends where the next one begins; elsewhere `var` is part of an expression.
            at = expression_end(self.tokens, at, frozenset(["var"]) if base == "var" else frozenset())
        if self.text(at) == "{" and base in ("datatype", "codatatype", "newtype", "type"):
            head, opened = tuple(self.tokens[start:at]), at
            members, at = self.members(at + 1, path, base)
            return head, (), tuple(self.tokens[opened : at + 1]), None, members, at + 1
        tokens = self.tokens[start:at]
        while tokens and tokens[-1].text == ";":
            tokens = tokens[:-1]
        return tuple(tokens), (), None, None, (), at
