"""From tokens back to text: the text that is compiled, with the lines of the candidate's own files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from basanite_services.verilog.tokens import Kind, Place, Token

_MAX_BLANK_LINES = 50
_WORDS = (Kind.WORD, Kind.ESCAPED, Kind.SYSTEM, Kind.NUMBER, Kind.STRING)


def write(tokens: Iterable[Token]) -> str:
    """A text of these tokens, whose `line directives make a compiler's messages name the candidate's files and lines.

    It leaves no directive in force for what is compiled after it.
    """
    return "".join(_parts(tokens, None))


def write_in_columns(tokens: Iterable[Token]) -> tuple[str, frozenset[Place]]:
    """As `write`, with blanks so that tokens stand in the columns of the candidate's files. -> and where they do

    Macros make lines longer: what comes after them may stand further to the right.
    """
    places: dict[Place, bool] = {}
    text = "".join(_parts(tokens, places))
    return text, frozenset(place for place, is_right in places.items() if is_right)


def _parts(tokens: Iterable[Token], places: dict[Place, bool] | None) -> Iterator[str]:
    """`places`: filled with where tokens are put, if that is to be where they were, and whether it is."""
    file, line, column = "", 0, 1
    before: Token | None = None
    for token in tokens:
        place = token.place
        if place.file != file or not line <= place.line <= line + _MAX_BLANK_LINES:
            yield f'\n`line {place.line} "{place.file}" 0\n'
            file, line, before, column = place.file, place.line, None, 1
        elif place.line > line:
            yield "\n" * (place.line - line)
            line, before, column = place.line, None, 1
        if token.kind is Kind.DIRECTIVE:
            yield f"\n{token.text}\n"
            line, before, column = line + 2, None, 1
            continue
        apart = before is not None and (not token.glued or (token.kind in _WORDS and before.kind in _WORDS))
        text = f"{token.text} " if token.kind is Kind.ESCAPED else token.text
        if places is not None:
            gap = max(int(apart), place.column - column)
            yield " " * gap
            here = Place(file, line, column + gap)
            places[here] = here == place and here not in places
            column = here.column + len(text)
        elif apart:
            yield " "
        yield text
        before = token
    yield "\n`resetall\n"
