"""The beginning of a Lean file: what it imports.

Read as Lean's own parser does (src/Lean/Parser/Module.lean), to choose a snapshot and to say early what is not
supported. What a file has really imported is read from what it compiles to.
"""

from __future__ import annotations

import re

from basanite_services.lean.terms import Component, read_name

Imports = tuple[tuple[Component, ...], ...]
_SPACE = re.compile(r"\s+|--[^\n]*")
_WORD = re.compile(r"(?:«[^»]*»|(?!--|/-)\S)+")
_PARTS_OF_MODULES = ("public", "meta", "private", "all")


class HeaderError(Exception):
    """A header that is not supported; the message says why."""


def read_imports(text: str) -> Imports:
    """Names of modules, in order. Raises HeaderError."""
    imports: list[tuple[Component, ...]] = []
    word, at = _next(text, 0)
    if word in ("module", "prelude"):
        raise HeaderError(f"a file that begins with `{word}` is not supported")
    while word == "import" or word in _PARTS_OF_MODULES[:2]:
        if word != "import":
            raise HeaderError(
                f"`{word} import` is not supported: it belongs to files that begin with `module`"
            )
        word, at = _next(text, at)
        if word in _PARTS_OF_MODULES:
            raise HeaderError(
                f"`import {word}` is not supported: it belongs to files that begin with `module`"
            )
        try:
            imports.append(read_name(word))
        except ValueError:
            break  # an error, which Lean will tell
        word, at = _next(text, at)
    return tuple(imports)


def begins_with(text: str, header: str) -> bool:
    """Whether a file begins with these lines as they are: Lean takes a snapshot of them for no others."""
    return text.startswith(header) if header else _skip(text, 0) == 0


def _next(text: str, at: int) -> tuple[str, int]:
    """The next word, empty at the end, and where it ends."""
    found = _WORD.match(text, at := _skip(text, at))
    return (found[0], found.end()) if found is not None else ("", at)


def _skip(text: str, at: int) -> int:
    """Past white space and comments, which nest; a comment of documentation is none."""
    while True:
        found = _SPACE.match(text, at)
        if found is not None:
            at = found.end()
        elif text.startswith("/-", at) and text[at + 2 : at + 3] not in ("-", "!"):
            at = _end_of_comment(text, at)
        else:
            return at


_MARK = re.compile(r"/-|-/")


def _end_of_comment(text: str, at: int) -> int:
    depth = 0
    while (found := _MARK.search(text, at)) is not None:
        depth += 1 if found[0] == "/-" else -1
        at = found.end()
        if depth == 0:
            return at
    return len(text)
