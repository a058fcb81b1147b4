"""The ports that a candidate declares, by name and direction, and what is wrong with them.

For words in a verdict on a design that failed anyway, so what is rare may stay unknown. Read from the tokens alone:
what a declaration's constants come to is worked out by the compiler, in its sandbox, which tells widths that do not
fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from basanite_services.verilog.design import Direction, Port
from basanite_services.verilog.names import header_end, is_name, plain
from basanite_services.verilog.preprocess import Sources, preprocess
from basanite_services.verilog.tokens import BrokenSource, Token

_DIRECTIONS: dict[str, Direction] = {direction: direction for direction in get_args(Direction)}
_OPENERS, _CLOSERS = ("(", "[", "{"), (")", "]", "}")
_ROUTINES = {"task": "endtask", "function": "endfunction"}


def declared_ports(sources: Sources, top: str) -> dict[str, Direction] | None:
    """None where they cannot be told: its compiler will say why. Takes time linear in the text; raises nothing."""
    try:
        tokens = preprocess(sources)
    except BrokenSource:
        return None
    for position, token in enumerate(tokens):
        if token.text in ("module", "macromodule"):
            name = position + 1
            if name < len(tokens) and tokens[name].text in ("automatic", "static"):
                name += 1
            if name < len(tokens) and is_name(tokens[name]) and plain(tokens[name]) == top:
                end = header_end(tokens, position)
                return _of_module(tokens[name + 1 : end], tokens, end)
    return None


def port_faults(golden: Sequence[Port], candidate: Mapping[str, Direction]) -> list[str]:
    """What is wrong with a candidate's ports, one sentence each, in the order of the golden's; empty if all fit."""
    theirs = dict(candidate)
    faults = []
    for port in golden:
        own = theirs.pop(port.name, None)
        if own is None:
            close = next((name for name in theirs if name.lower() == port.name.lower()), None)
            hint = f" (there is {close}: case counts)" if close else ""
            faults.append(f"{port.direction} {port.name} is missing{hint}")
        elif own != port.direction:
            faults.append(f"{port.name} is an {own}, and should be an {port.direction}")
    faults += [
        f"{direction} {name} is not among the ports that were asked for" for name, direction in theirs.items()
    ]
    return faults


def _of_module(header: Sequence[Token], tokens: Sequence[Token], body: int) -> dict[str, Direction] | None:
    """`header`: behind the module's name."""
    position = 0
    while position < len(header) and header[position].text == "import":
        position = _behind(header, position, ";")
    if [token.text for token in header[position : position + 2]] == ["#", "("]:
        position = _behind(header, position + 1, ")")
    if position >= len(header) or header[position].text != "(":
        return {} if position < len(header) else None
    items = _items(header[position + 1 : _behind(header, position, ")") - 1])
    if items == [[]]:
        return {}
    if not any(token.text in _DIRECTIONS for item in items for token in item):
        if not all(len(item) == 1 and is_name(item[0]) for item in items):
            return None
        return _declared_inside({plain(item[0]) for item in items}, tokens, body)
    ports: dict[str, Direction] = {}
    direction: Direction | None = None
    for item in items:
        direction = _DIRECTIONS.get(item[0].text, direction) if item else None
        name = _name(item)
        if direction is None or name is None:
            return None
        ports[name] = direction
    return ports


def _declared_inside(names: set[str], tokens: Sequence[Token], start: int) -> dict[str, Direction] | None:
    """The directions of ports that the header only names."""
    ports: dict[str, Direction] = {}
    position = start
    while position < len(tokens) and tokens[position].text not in ("endmodule", "module"):
        token = tokens[position]
        if token.text in _ROUTINES:
            position = _behind(tokens, position, _ROUTINES[token.text])
        elif token.text in _DIRECTIONS:
            end = _behind(tokens, position, ";")
            for item in _items(tokens[position + 1 : end - 1]):
                name = _name(item)
                if name in names:
                    ports[name] = _DIRECTIONS[token.text]
            position = end
        else:
            position += 1
    return ports if ports.keys() == names else None


def _items(tokens: Iterable[Token]) -> list[list[Token]]:
    """The parts between commas that no bracket encloses, without their attributes."""
    items: list[list[Token]] = [[]]
    depth = attribute = 0
    for token in tokens:
        if items[-1][-1:] and items[-1][-1].text == "(" and token.text == "*" and depth == 1:
            items[-1].pop()
            attribute = 1
        depth += (token.text in _OPENERS) - (token.text in _CLOSERS)
        if token.text == "," and depth == 0:
            items.append([])
        elif not attribute:
            items[-1].append(token)
        attribute = int(bool(attribute) and depth > 0)
    return items


def _name(item: Sequence[Token]) -> str | None:
    """The last name before a default and behind all ranges; None for a port of an interface or an expression."""
    name: str | None = None
    depth = 0
    for token in item:
        if token.text == "=" and depth == 0:
            break
        depth += (token.text in _OPENERS) - (token.text in _CLOSERS)
        if depth == 0 and token.text == ".":
            return None
        if depth == 0 and is_name(token):
            name = plain(token)
    return name


def _behind(tokens: Sequence[Token], start: int, last: str) -> int:
    """Behind the next `last` that no bracket encloses."""
    depth = 0
    for position in range(start, len(tokens)):
        text = tokens[position].text
        depth += (text in _OPENERS) - (text in _CLOSERS)
        if text == last and depth <= 0:
            return position + 1
    return len(tokens)
