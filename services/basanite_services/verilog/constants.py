"""The numbers that stand in a design: values that it may treat in a way of their own."""

from __future__ import annotations

from collections.abc import Sequence

from basanite_services.verilog.numbers import read_number
from basanite_services.verilog.tokens import Kind, Token

MAX_CONSTANTS = 100


def constants_of(tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """(value, width) of the first MAX_CONSTANTS numbers without x and z, each once; (value, 0) without a width."""
    found: dict[tuple[int, int], None] = {}
    size = ""
    for token in tokens:
        if token.kind is not Kind.NUMBER:
            size = ""
            continue
        based = token.text.startswith("'")
        try:
            value = read_number(token.text)
            width = read_number(size) if based and size else 0
        except ValueError:
            continue
        found.setdefault((value, width))
        # 8'h1b is two tokens.
        size = "" if based else token.text
    return list(found)[:MAX_CONSTANTS]
