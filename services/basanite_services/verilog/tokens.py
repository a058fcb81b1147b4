"""From text to tokens. What is compiled later is these tokens and nothing else, so none may hide another one.

The words are those that Icarus Verilog reads: a number here ends where its number ends. What it would read in another
way, or we could, is an error.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from enum import Enum, auto
from typing import NamedTuple


class Kind(Enum):
    WORD = auto()
    """An identifier or a keyword."""
    ESCAPED = auto()
    """An escaped identifier, with its backslash."""
    SYSTEM = auto()
    """$name"""
    NUMBER = auto()
    STRING = auto()
    SIGN = auto()
    """One character that stands for itself."""
    DIRECTIVE = auto()
    """A whole compiler directive that the compiler is to see."""


class Place(NamedTuple):
    """Where something stands in the candidate's own text. Lines and columns (characters) count from 1."""

    file: str
    line: int
    column: int


class Token(NamedTuple):
    kind: Kind
    text: str
    place: Place
    glued: bool
    """Nothing stands between it and the token before it."""


_MAX_MESSAGE = 250


def clipped(message: str) -> str:
    """A message that may hold words of a candidate, which can be as long as its whole text."""
    return message if len(message) <= _MAX_MESSAGE else f"{message[: _MAX_MESSAGE - 3]}..."


class BrokenSource(Exception):
    """The text has no tokens: it cannot be compiled, whatever else it is."""

    def __init__(self, message: str, place: Place) -> None:
        self.message = clipped(message)
        super().__init__(self.message)
        self.place = place


# No possessive groups here and in `preprocess.py`: CPython 3.11.2 matches them wrongly (gh-106052).
PATTERN = re.compile(
    r"""
    (?P<space> [ \t\f\v\r\n]++ )
  | (?P<comment> //[^\r\n]*+ | /\*[\s\S]*?(?:\*/|\Z) )
  | (?P<word> [A-Za-z_][A-Za-z0-9_$]*+ )
  | (?P<number>
        '(?:[sS]?(?:
            [dD][ \t]*+(?:[0-9][0-9_]*+|[xXzZ?][_]*+)
          | [bB][ \t]*+[01xXzZ?][01xXzZ?_]*+
          | [oO][ \t]*+[0-7xXzZ?][0-7xXzZ?_]*+
          | [hH][ \t]*+[0-9a-fA-FxXzZ?][0-9a-fA-FxXzZ?_]*+
        ))
      | '[01xXzZ](?![A-Za-z0-9_$])
      | [0-9][0-9_]*+(?:\.[0-9][0-9_]*+)?(?:[eE][+-]?[0-9][0-9_]*+)?(?:fs|ps|ns|us|ms|step|s)?
    )
  | (?P<base> '[sS]?[bBoOdDhH](?![A-Za-z0-9_$]) )
  | (?P<directive> `[A-Za-z_][A-Za-z0-9_$]*+ )
  | (?P<system> \$[A-Za-z_$][A-Za-z0-9_$]*+ )
  | (?P<string> "[^"\\\x00-\x08\x0a-\x1f\x7f]*+(?:\\[^\x00-\x1f\x7f][^"\\\x00-\x08\x0a-\x1f\x7f]*+)*" )
  | (?P<escaped> \\[!-~]++(?=[ \t\r\n]|\Z) )
  | (?P<sign> [-!#$%&'()*+,./:;<=>?@\[\]^{|}~] )
    """,
    re.VERBOSE,
)
_WORD_CHARACTER = re.compile(r"[A-Za-z0-9_$]")
_LINE_END = re.compile(r"\r\n?|\n")
_KINDS = {
    "word": Kind.WORD,
    "number": Kind.NUMBER,
    "base": Kind.NUMBER,
    "system": Kind.SYSTEM,
    "string": Kind.STRING,
    "escaped": Kind.ESCAPED,
    "sign": Kind.SIGN,
}
_FLOW = re.compile(r"/\*.*?\*/|//[^\n]*|\s+|\([01xXbB?]{2}\)|[01xXbBrRfFpPnN?*:;-]|(endtable)\b", re.DOTALL)


def kind_of(match: re.Match[str]) -> Kind | None:
    """None for white space, comments and directives."""
    return _KINDS.get(match.lastgroup or "")


class Lines:
    """Finds line and column of an offset into a text."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(text))]

    def place(self, offset: int) -> Place:
        line = bisect_right(self._starts, offset)
        return Place(self._file, line, offset - self._starts[line - 1] + 1)


def broken_at(text: str, offset: int) -> str:
    """What is wrong where no token begins."""
    character = text[offset]
    if text.startswith("/*", offset):
        return "a comment that does not end"
    if character == '"':
        return "a string that does not end on its line"
    if character == "`":
        return "a backtick that no name follows"
    if character == "\\":
        return "an escaped name that does not end in white space, or is empty"
    if character < " " or character == "\x7f":
        return f"the control character U+{ord(character):04X}: is this text?"
    return f"the character {character!r} (U+{ord(character):04X}) outside of comments and strings"


def is_endless(comment: str) -> bool:
    return comment.startswith("/*") and (len(comment) < 4 or not comment.endswith("*/"))


def runs_on(text: str, match: re.Match[str]) -> bool:
    """A number whose last character is followed by one that could belong to it, or to a word."""
    return match.lastgroup == "number" and _WORD_CHARACTER.match(text, match.end()) is not None


def table(text: str, start: int) -> tuple[list[tuple[int, str]], int] | int:
    """The entries of a primitive's table. -> their offsets and texts, and where `endtable` begins

    Only an offset if what stands there belongs into no table.
    """
    entries: list[tuple[int, str]] = []
    while True:
        match = _FLOW.match(text, start)
        if match is None:
            return start
        if match[1]:
            return entries, match.start()
        if not match[0].isspace() and not match[0].startswith("/"):
            entries.append((match.start(), match[0]))
        start = match.end()
