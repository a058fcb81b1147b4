"""The names of the trusted text that shares a simulation with a design, and which of them the design must keep.

A name in Verilog climbs: what a module does not declare is looked for in the module that instantiates it. A task, a
function, a block or an instance of the testbench is in reach of any design under it, and any module of the testbench or
of the golden reference can be instantiated. So a design's names that the trusted text knows as well are given new ones
(`guard.py`), all but those that connect the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from basanite_services.verilog.keywords import KEYWORDS
from basanite_services.verilog.preprocess import Sources, preprocess
from basanite_services.verilog.tokens import PATTERN, BrokenSource, Kind, Place, Token, kind_of

_ANY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*+")
_MODULES = (
    "module",
    "macromodule",
    "primitive",
    "program",
    "interface",
    "package",
    "class",
    "checker",
    "config",
)


@dataclass(frozen=True)
class Surroundings:
    """What stands around a design in its simulation."""

    names: frozenset[str] = frozenset()
    """All that could be a name."""
    modules: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    """Modules, instances, tasks, functions and named blocks: what a name can climb to."""
    connections: frozenset[str] = frozenset()
    """Ports and parameters by which the design's top is connected."""
    by_name_alone: bool = False
    """The top is connected by .*, or it is not seen where it is instantiated."""
    header: frozenset[str] | None = None
    """Which names `.*` may connect, if that is known: with another one a design would be connected to whatever signal
    of the testbench has it."""


ALONE = Surroundings()


def surroundings(sources: Sources, top: str) -> Surroundings:
    """Of a design whose top module is `top`, in a testbench with (or without) a golden reference.

    Any text will do: what the preprocessor cannot read is read without it.
    """
    raw = "\n".join((*sources.files.values(), *sources.includes.values()))
    tokens = list(_loosely(raw))
    with suppress(BrokenSource):
        tokens += preprocess(sources)  # what macros build is there only now
    names = {*_ANY_NAME.findall(raw), *(plain(token) for token in tokens if is_name(token))}
    connections = _connections(tokens, top)
    return Surroundings(
        names=frozenset(names - KEYWORDS - {top}),
        modules=frozenset(declared_modules(tokens)) - {top},
        scopes=frozenset(_scopes(tokens)) - {top},
        connections=frozenset(connections or ()),
        by_name_alone=connections is None or "*" in connections,
    )


def _loosely(text: str) -> Iterator[Token]:
    """The tokens of a text with its directives and whatever else is none left out."""
    nowhere = Place("", 0, 0)
    for match in PATTERN.finditer(text):
        kind = kind_of(match)
        if kind is not None:
            yield Token(kind, match[0], nowhere, False)


def plain(token: Token) -> str:
    """A name as the language compares it: the backslash of an escaped one is no part of it."""
    return token.text[1:] if token.kind is Kind.ESCAPED else token.text


def is_name(token: Token) -> bool:
    return token.kind is Kind.ESCAPED or (token.kind is Kind.WORD and token.text not in KEYWORDS)


def declared_modules(tokens: list[Token]) -> Iterator[str]:
    """And primitives, packages, interfaces: what is known by its name in all files."""
    for position, token in enumerate(tokens[:-1]):
        if token.kind is Kind.WORD and token.text in _MODULES:
            following = tokens[position + 1]
            if following.text in ("automatic", "static") and position + 2 < len(tokens):
                following = tokens[position + 2]
            if is_name(following):
                yield plain(following)


def _scopes(tokens: list[Token]) -> Iterator[str]:
    yield from declared_modules(tokens)
    for position, token in enumerate(tokens):
        if token.text in ("task", "function"):
            last = None
            for following in tokens[position + 1 : position + 50]:
                if following.text in ("(", ";"):
                    break
                last = following if is_name(following) else last
            if last is not None:
                yield plain(last)
        elif token.text == ":" and 0 < position < len(tokens) - 1:
            # begin : name, and name : begin
            if tokens[position - 1].text in ("begin", "fork"):
                yield plain(tokens[position + 1])
            elif tokens[position + 1].text in ("begin", "fork"):
                yield plain(tokens[position - 1])
        elif token.text == "(" and position > 1:
            # An instance, or a call; of an array of instances.
            name = position - 1
            if tokens[name].text == "]":
                while name > 0 and tokens[name].text != "[":
                    name -= 1
                name -= 1
            if name > 0 and is_name(tokens[name]) and tokens[name - 1].text != ".":
                yield plain(tokens[name])


def _connections(tokens: list[Token], top: str) -> set[str] | None:
    """What stands behind dots where `top` is instantiated, "*" among it; None if it is nowhere.

    And what the trusted text names in its instances: `dut.state`.
    """
    found: set[str] = set()
    instances: set[str] = set()
    seen = False
    for position, token in enumerate(tokens):
        if not is_name(token) or plain(token) != top or (position and tokens[position - 1].text in _MODULES):
            continue
        seen = True
        depth = 0
        for following, name in zip(tokens[position + 1 :], tokens[position + 2 :], strict=False):
            if depth == 0 and is_name(following):
                instances.add(plain(following))
            if following.text in ("(", "[", "{"):
                depth += 1
            elif following.text in (")", "]", "}"):
                depth -= 1
            elif following.text == ";" and depth <= 0:
                break
            elif following.text == "." and depth == 1:
                found.add(plain(name))
    if not seen:
        return None
    roots = instances | {top}
    for position, token in enumerate(tokens):
        if is_name(token) and plain(token) in roots:
            while position + 2 < len(tokens) and tokens[position + 1].text == ".":
                found.add(plain(tokens[position + 2]))
                position += 2
    return found


def header_end(tokens: Sequence[Token], start: int) -> int:
    """Behind the semicolon that ends the header of the module at `start`; imports may stand in it."""
    depth = 0
    importing = False
    for position in range(start, len(tokens)):
        text = tokens[position].text
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
        importing = importing or (text == "import" and depth == 0)
        if text == ";" and depth <= 0:
            if not importing:
                return position + 1
            importing = False
    return len(tokens)
