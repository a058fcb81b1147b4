"""Where values are assigned in a module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from basanite.verilog._tokens import CLOSING, OPENING, Token

_CONSTANTS: Final = frozenset(("parameter", "localparam", "specparam", "genvar", "typedef", "integer"))
_DECLARATIONS: Final = frozenset(("wire", "reg", "logic", "bit", "tri", "output", "wand", "wor", "var"))
_BLOCKS: Final = ("begin", "end", "fork", "join", "else", "endcase", "default")
_BEFORE_A_STATEMENT: Final = frozenset(
    (*_BLOCKS, "generate", "endgenerate", "endfunction", "endtask", "initial", "always_comb", "always_latch")
)
_CHOICES: Final = ("if", "case", "casez", "casex", "unique", "priority")
_WITH_BRACKETS: Final = frozenset((*_CHOICES, "for", "while", "repeat", "wait", "always", "always_ff", "@"))


@dataclass(frozen=True, slots=True)
class Assignment:
    """All as indices of tokens."""

    kind: Literal["continuous", "procedural", "declaration", "constant"]
    start: int
    """Where the statement begins."""
    operator: int
    """The `=` or `<=`."""
    first: int
    """The right-hand side."""
    last: int


def assignments_of(tokens: Sequence[Token], body: int) -> Iterator[Assignment]:
    """Those of a module's body, heads of loops left out."""
    depth = 0
    start = body
    operator: int | None = None
    for index in range(body, len(tokens)):
        word = tokens[index].text
        if word in OPENING:
            depth += 1
        elif word in CLOSING:
            depth -= 1
            if not depth and operator is None and word == ")" and tokens[start].text in _WITH_BRACKETS:
                start = index + 1
        elif depth:
            continue
        elif word in (";", ",") and operator is not None:
            first = _after_delay(tokens, operator + 1)
            if first < index:
                yield Assignment(_kind(tokens[start].text), start, operator, first, index - 1)
            operator = None
        elif word in ("=", "<=") and operator is None:
            operator = index
        if not depth and operator is None and _begins_another(tokens, index):
            start = index + 1


def _begins_another(tokens: Sequence[Token], index: int) -> bool:
    """Whether a statement begins after this token, which stands outside of brackets and of right-hand sides."""
    word, before = tokens[index].text, tokens[index - 1].text
    if word in _BEFORE_A_STATEMENT or word == ";":
        return True
    if word == ":":
        return before not in ("begin", "end", "endcase")
    if before == ":":  # a block's name
        return tokens[index - 2].text in ("begin", "end", "endcase")
    return word == "*" and before == "@"


def _after_delay(tokens: Sequence[Token], index: int) -> int:
    """`#1` may stand before a right-hand side."""
    return index + 2 if tokens[index].text == "#" and tokens[index + 1].text != "(" else index


def _kind(word: str) -> Literal["continuous", "procedural", "declaration", "constant"]:
    if word == "assign":
        return "continuous"
    if word in _CONSTANTS:
        return "constant"
    return "declaration" if word in _DECLARATIONS else "procedural"
