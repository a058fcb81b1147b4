"""A Verilog text as tokens that know where they stand, for changing it in one place and leaving the rest as it is.

It is enough for well-formed designs; nothing is preprocessed, and what a directive says is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["name", "number", "string", "symbol"]

_PATTERN: Final = re.compile(
    r"""
      (?P<blank> \s+ | //[^\n]* | /\*(?:[^*]|\*(?!/))*+(?:\*/)? )
    | (?P<directive> `(?:define|include|timescale|line|default_nettype|pragma)\b(?:[^\\\n]|\\.)*+
                   | `(?:ifdef|ifndef|elsif|undef)\s+\w+
                   | `(?:else|endif|resetall|celldefine|endcelldefine|nounconnected_drive)\b )
    | (?P<string> "(?:[^"\\\n]|\\.)*+"? )
    | (?P<number> (?:\d[\d_]*\s*)?'[sS]?[bodhBODH]\s*[0-9a-fA-FxXzZ?_]+
                | '[01xXzZ] | \d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+|[munpf]?s)?\b )
    | (?P<name> [A-Za-z_][\w$]* | [$`]\w+ | \\\S+ )
    | (?P<symbol> <<<=|>>>=|<<<|>>>|===|!==|==\?|!=\?|<<=|>>=
                | \*\*|~&|~\||~\^|\^~|&&|\|\||<<|>>|<=|>=|==|!=|\+:|-:|\+\+|--|[-+*/%&|^]=|->|::|. )
    """,
    re.VERBOSE | re.DOTALL,
)
_LEFT_OUT: Final = ("blank", "directive")


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str
    start: int
    """In characters."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def tokenize(text: str) -> list[Token]:
    """All but white space, comments and directives."""
    kinds: dict[str, Kind] = {"name": "name", "number": "number", "string": "string", "symbol": "symbol"}
    return [
        Token(kinds[match.lastgroup], match[0], match.start())
        for match in _PATTERN.finditer(text)
        if match.lastgroup is not None and match.lastgroup not in _LEFT_OUT
    ]


def line_of(text: str, at: int) -> int:
    """The number of the line of a character, from 1."""
    return text.count("\n", 0, at) + 1


def closing(tokens: list[Token], at: int) -> int:
    """The index of the bracket that closes the one at `at`, or of the last token."""
    depth = 0
    for index in range(at, len(tokens)):
        if tokens[index].text in OPENING:
            depth += 1
        elif tokens[index].text in CLOSING:
            depth -= 1
            if not depth:
                return index
    return len(tokens) - 1


OPENING: Final = frozenset("([{")
CLOSING: Final = frozenset(")]}")
