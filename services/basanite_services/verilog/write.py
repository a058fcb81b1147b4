"""From tokens back to text: the text that is compiled, with the lines of the candidate's own files."""

from __future__ import annotations

from collections.abc import Iterable

from basanite_services.verilog.tokens import Kind, Token

_MAX_BLANK_LINES = 50
_WORDS = (Kind.WORD, Kind.ESCAPED, Kind.SYSTEM, Kind.NUMBER, Kind.STRING)


def write(tokens: Iterable[Token]) -> str:
    """A text of these tokens, whose `line directives make a compiler's messages name the candidate's files and lines.

    It leaves no directive in force for what is compiled after it.
    """
    parts: list[str] = []
    file, line = "", 0
    before: Token | None = None
    for token in tokens:
        place = token.place
        if place.file != file or not line <= place.line <= line + _MAX_BLANK_LINES:
            parts.append(f'\n`line {place.line} "{place.file}" 0\n')
            file, line, before = place.file, place.line, None
        elif place.line > line:
            parts.append("\n" * (place.line - line))
            line, before = place.line, None
        if token.kind is Kind.DIRECTIVE:
            parts.append(f"\n{token.text}\n")
            line, before = line + 2, None
            continue
        if before is not None and (not token.glued or (token.kind in _WORDS and before.kind in _WORDS)):
            parts.append(" ")
        parts.append(token.text)
        if token.kind is Kind.ESCAPED:
            parts.append(" ")
        before = token
    parts.append("\n`resetall\n")
    return "".join(parts)
