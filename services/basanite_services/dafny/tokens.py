"""From text to tokens. Dafny is given the text without its comments, so that nothing can stand in what we take for a
comment and Dafny does not: Dafny 2.3 obeys lines like `#if` also inside of comments.

What Dafny 2.3 and 4 read in different ways, or we could not, is an error.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

MAX_NESTING = 200
"""Brackets in brackets."""


class Kind(Enum):
    WORD = auto()
    """An identifier or a keyword."""
    NUMBER = auto()
    STRING = auto()
    CHAR = auto()
    SIGN = auto()


class Token(NamedTuple):
    kind: Kind
    text: str
    line: int
    """1-based."""
    column: int
    """1-based, in characters."""
    start: int
    """Offset in Source.text."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class SourceError(Exception):
    """The text is none that Dafny could be given. Lines and columns count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


@dataclass(frozen=True)
class Source:
    text: str
    """With spaces in the place of comments: all tokens stand where they stood."""
    tokens: tuple[Token, ...]


_SIGNS = (
    *("<==>", "==>", "<==", "-->", "...", "!=#", "==#"),
    *(":=", ":|", ":-", "::", "==", "!=", "<=", ">=", "&&", "||", "..", "->", "~>", "=>", "!!", "<-"),
)
_TOKEN = re.compile(
    "|".join(
        (
            r"(?P<space>[ \t\n]+)",
            r"(?P<line>//[^\n]*)",
            r"(?P<block>/\*)",
            r"(?P<STRING>\"(?:[^\"\\\n]|\\[^\n])*\"|@\"(?:[^\"\n]|\"\")*\")",
            r"(?P<WORD>[A-Za-z_?][A-Za-z0-9_'?]*)",
            r"(?P<NUMBER>0x[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|[0-9]+(?:_[0-9]+)*(?:\.[0-9]+(?:_[0-9]+)*)?)",
            r"(?P<CHAR>'(?:[^'\\\n]|\\['\"\\0nrt]|\\u[0-9a-fA-F]{4}|\\U\{[0-9a-fA-F_]{1,8}\})')(?![A-Za-z0-9_'?])",
            "(?P<SIGN>" + "|".join(map(re.escape, _SIGNS)) + r"|[-+*/%<>=!&|^(){}\[\],.;:@#$`~])",
        )
    )
)
_BLOCK = re.compile(r"/\*|\*/")
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_AFTER_NUMBER = re.compile(r"[A-Za-z_?']")
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def read_tokens(text: str) -> Source:
    """Raises SourceError."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def error(message: str, at: int) -> SourceError:
        line = bisect_right(starts, at)
        return SourceError(message, line, at - starts[line - 1] + 1)

    if found := _NO_TEXT.search(text):
        raise error(f"the character U+{ord(found[0]):04X} is no part of a program", found.start())
    tokens: list[Token] = []
    kept: list[str] = []
    at, done = 0, 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise error(f"{text[at]!r} begins no token", at)
        kind = found.lastgroup or ""
        end = found.end()
        if kind in ("line", "block"):
            if kind == "block":
                end = _block_end(text, at)
                if end < 0:
                    raise error("this comment has no end", at)
            kept += (text[done:at], re.sub(r"[^\n]", " ", text[at:end]))
            done = end
        elif kind != "space":
            if kind == "NUMBER" and _AFTER_NUMBER.match(text, end):
                raise error(f"{text[at : end + 1]!r} is no number", at)
            line = bisect_right(starts, at)
            tokens.append(Token(Kind[kind], found[0], line, at - starts[line - 1] + 1, at))
        at = end
    kept.append(text[done:])
    _check_brackets(tokens)
    return Source("".join(kept), tuple(tokens))


def _block_end(text: str, start: int) -> int:
    depth = 0
    for found in _BLOCK.finditer(text, start):
        depth += 1 if found[0] == "/*" else -1
        if depth == 0:
            return found.end()
    return -1


def _check_brackets(tokens: list[Token]) -> None:
    open_ones: list[Token] = []
    first: dict[int, Token] = {}
    for token in tokens:
        first.setdefault(token.line, token)
        if token.kind is not Kind.SIGN:
            continue
        if token.text in _CLOSING:
            open_ones.append(token)
            if len(open_ones) > MAX_NESTING:
                raise SourceError(f"more than {MAX_NESTING} brackets in brackets", token.line, token.column)
        elif token.text in _CLOSING.values() and (
            not open_ones or _CLOSING[open_ones.pop().text] != token.text
        ):
            raise SourceError(f"{token.text!r} closes nothing", token.line, token.column)
    if open_ones:
        last = open_ones[-1]
        raise SourceError(f"{last.text!r} is not closed", last.line, last.column)
    for token in first.values():
        if token.text == "#":
            raise SourceError("a line must not begin with '#'", token.line, token.column)
