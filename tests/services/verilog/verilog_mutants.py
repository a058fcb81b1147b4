"""Wrong designs, made from right ones: each mutant differs from a source in one place."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_TOKEN = re.compile(
    r"'[sS]?[bodhBODH][0-9a-fA-FxXzZ_?]+|'[01xz]|[A-Za-z_]\w*|\d+|<<|>>|<=|>=|===?|!==?|&&|\|\||~[&|^]|\s+|."
)
_SWAPS = {
    "and_or": {"&": "|", "|": "&", "&&": "||", "||": "&&"},
    "xor": {"^": "|", "&": "^"},
    "arithmetic": {"+": "-", "-": "+"},
    "equality": {"==": "!=", "!=": "=="},
    "comparison": {"<": ">", ">": "<", ">=": "<"},
    "edge": {"posedge": "negedge", "negedge": "posedge"},
    "dropped_not": {"~": " ", "!": " "},
}
OPERATORS = (*_SWAPS, "number", "condition", "inverted", "branches", "lost_statement", "index", "operand")


@dataclass(frozen=True)
class Mutant:
    operator: str
    number: int
    """Which of this operator's on its source."""
    text: str


def mutants(source: str) -> Iterator[Mutant]:
    """All mutants of a module, no two alike. Some do not compile, and some are as right as the source."""
    text = _COMMENT.sub(" ", source)
    seen = {text}
    for operator in OPERATORS:
        number = 0
        for mutated in _mutations(operator, text):
            if mutated not in seen:
                seen.add(mutated)
                yield Mutant(operator, number, mutated)
                number += 1


def _mutations(operator: str, text: str) -> Iterator[str]:
    body = text.index(";") + 1  # what is after the header
    if operator in _SWAPS:
        swaps = _SWAPS[operator]
        for match in _TOKEN.finditer(text, body):
            if match[0] in swaps:
                yield _with(text, match, swaps[match[0]])
        return
    yield from {
        "number": _numbers,
        "condition": _conditions,
        "inverted": _inverted,
        "branches": _branches,
        "lost_statement": _lost,
        "index": _indices,
        "operand": _operands,
    }[operator](text, body)


def _with(text: str, match: re.Match[str], new: str) -> str:
    return text[: match.start()] + new + text[match.end() :]


def _numbers(text: str, body: int) -> Iterator[str]:
    for match in re.finditer(r"(?<![\w'\[:.])\d+(?![\w':])", text[body:]):
        yield text[:body] + _with(text[body:], match, str(int(match[0]) + 1))
        if int(match[0]):
            yield text[:body] + _with(text[body:], match, str(int(match[0]) - 1))


def _conditions(text: str, body: int) -> Iterator[str]:
    for match in re.finditer(r"\bif\s*\(", text):
        end = _closing(text, match.end() - 1)
        yield f"{text[: match.end()]}!({text[match.end() : end]}){text[end:]}"


def _closing(text: str, opening: int) -> int:
    depth = 0
    for at in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if not depth:
            return at
    raise ValueError("unbalanced")


_ASSIGNMENT = re.compile(r"(?<=[\w\]}] )(<?=)\s*([^;=]+);|(?<=[\w\]}])(<?=)\s*([^;=]+);")


def _assignments(text: str, body: int) -> Iterator[tuple[int, int]]:
    """Where the right-hand sides are."""
    for match in re.finditer(r"(?<![<>=!])(<=|=)(?!=)([^;]+);", text):
        before = text[: match.start()].rstrip()
        if (
            match.start() >= body
            and re.search(r"[\w\]}]$", before)
            and "parameter" not in _line(text, match.start())
        ):
            yield match.start(2), match.end(2)


def _line(text: str, at: int) -> str:
    return text[text.rfind(";", 0, at) + 1 : at]


def _inverted(text: str, body: int) -> Iterator[str]:
    for start, end in _assignments(text, body):
        yield f"{text[:start]} ~({text[start:end]}){text[end:]}"


def _branches(text: str, body: int) -> Iterator[str]:
    for match in re.finditer(r"\?([^?:;]+):([^?:;]+);", text):
        yield _with(text, match, f"?{match[2]}:{match[1]};")


def _lost(text: str, body: int) -> Iterator[str]:
    for start, end in _assignments(text, body):
        begin = max(text.rfind(mark, 0, start) for mark in (";", "begin", ":", ")", "else"))
        begin += next(len(mark) for mark in ("begin", "else", ";", ":", ")") if text.startswith(mark, begin))
        yield f"{text[:begin]} {text[end:]}"


def _indices(text: str, body: int) -> Iterator[str]:
    for match in re.finditer(r"(?<=\w\[)(\d+)(?=\])", text[body:]):
        yield text[:body] + _with(text[body:], match, str(int(match[0]) ^ 1))


def _operands(text: str, body: int) -> Iterator[str]:
    """An input of the right width in the place of another."""
    inputs: dict[str, list[str]] = {}
    for width, name in re.findall(r"\binput\s+(?:wire\s+|logic\s+|reg\s+)?(\[[^\]]+\])?\s*(\w+)", text):
        inputs.setdefault(width, []).append(name)
    for names in inputs.values():
        for name, other in itertools.pairwise(names):
            for match in re.finditer(rf"\b{name}\b", text[body:]):
                yield text[:body] + _with(text[body:], match, other)
