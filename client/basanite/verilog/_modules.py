"""Where modules begin and end in a text, and which ports they have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from basanite.verilog._tokens import CLOSING, OPENING, Token, closing, tokenize

_DIRECTIONS: Final = frozenset(("input", "output", "inout"))
_TYPES: Final = frozenset(
    ("wire", "reg", "logic", "bit", "var", "tri", "signed", "unsigned", "integer", "wand", "wor")
)


@dataclass(frozen=True, slots=True)
class Port:
    name: str
    direction: str
    """"input", "output" or "inout"."""
    shape: str
    """Its type but for net or variable, e.g. "[7:0]": equal texts are equal widths."""


@dataclass(frozen=True, slots=True)
class Module:
    name: str
    tokens: list[Token]
    """From `module` to `endmodule`, both included."""
    body: int
    """Index of the first token after the header."""
    ports: Sequence[Port]

    def names(self, direction: str) -> list[str]:
        """Of the ports of this direction."""
        return [port.name for port in self.ports if port.direction == direction]


def modules_of(text: str) -> Iterator[Module]:
    """The modules of a text. One that does not end is left out."""
    tokens = tokenize(text)
    start: int | None = None
    for index, token in enumerate(tokens):
        if token.text in ("module", "macromodule"):
            start = index
        elif token.text == "endmodule" and start is not None:
            found = _module(tokens[start : index + 1])
            if found is not None:
                yield found
            start = None


def _module(tokens: list[Token]) -> Module | None:
    at = 1
    while at < len(tokens) and tokens[at].text in ("automatic", "static"):
        at += 1
    name = tokens[at].text
    listed: list[Token] = []
    while at < len(tokens) and tokens[at].text != ";":
        if tokens[at].text == "import":  # import package::*;
            at = next((i for i in range(at, len(tokens)) if tokens[i].text == ";"), at)
        elif tokens[at].text == "(":
            end = closing(tokens, at)
            if tokens[at - 1].text != "#":
                listed = tokens[at + 1 : end]
            at = end
        at += 1
    if at >= len(tokens):
        return None
    body = at + 1
    if any(token.text in _DIRECTIONS for token in listed):
        ports = list(_declared(listed))
    else:
        declarations = port_declarations(tokens, body)
        ports = [port for first, last in declarations for port in _declared(tokens[first:last])]
    return Module(name, tokens, body, ports)


def port_declarations(tokens: Sequence[Token], body: int) -> Iterator[tuple[int, int]]:
    """Statements `input ...;` of a body, outside of functions and tasks: index of the first token, and of the `;`."""
    inner = 0
    index = body
    while index < len(tokens):
        word = tokens[index].text
        if word in ("function", "task"):
            inner += 1
        elif word in ("endfunction", "endtask"):
            inner -= 1
        elif word in _DIRECTIONS and not inner:
            end = index
            while end < len(tokens) - 1 and tokens[end].text != ";":
                end += 1
            yield index, end
            index = end
        index += 1


def _declared(tokens: Sequence[Token]) -> Iterator[Port]:
    """The ports of a list of declarations; one without a direction is as the one before."""
    direction, shape = "", ""
    for part in _split(list(tokens)):
        words = [token.text for token in part]
        while words[:2] == ["(", "*"] and ")" in words:  # an attribute
            del words[: words.index(")") + 1]
        given = words and words[0] in _DIRECTIONS
        if given:
            direction = words.pop(0)
        if "=" in words:
            del words[words.index("=") :]
        while words and words[-1] == "]":  # an unpacked array
            del words[len(words) - 1 - words[::-1].index("[") :]
        if not words or not direction:
            continue
        name = words.pop()
        if given or words:
            shape = "".join(word for word in words if word not in _TYPES)
        yield Port(name, direction, shape)


def _split(tokens: list[Token]) -> Iterator[list[Token]]:
    depth = 0
    part: list[Token] = []
    for token in tokens:
        depth += (token.text in OPENING) - (token.text in CLOSING)
        if token.text == "," and not depth:
            yield part
            part = []
        else:
            part.append(token)
    if part:
        yield part
