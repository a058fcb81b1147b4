"""From what a model wrote to its answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why a completion holds no answer. It is REJECTED with this as its diagnostic."""

    message: str
    line: int = 0
    """1-based, of the completion; 0 if it is about all of it."""


Extractor: TypeAlias = Callable[[str], str | NoAnswer]

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)[^`]*")
_SPELLINGS: Final = (
    frozenset({"python", "python3", "py"}),
    frozenset({"verilog", "systemverilog", "v", "sv"}),
    frozenset({"lean", "lean4"}),
)


def whole_text(completion: str) -> str | NoAnswer:
    """All of it."""
    return completion


def fenced_block(language: str = "") -> Extractor:
    """The last fenced block of a language in Markdown, without its fences.

    Fences are as CommonMark has them: at least three backticks or tildes at the start of a line, closed by a line of
    at least as many of the same. Other usual names of the language are taken too (py and python3 for python), in any
    case of letters. Without a language the last block counts, whatever it says. A last block that is not closed is no
    answer: it was cut off.
    """
    wanted = language.lower()
    names = next((names for names in _SPELLINGS if wanted in names), frozenset({wanted}))
    kind = f"{language} block" if language else "block"

    def extract(completion: str) -> str | NoAnswer:
        found: str | NoAnswer = NoAnswer(f"there is no fenced {kind}")
        fence, start, counts = "", 0, False
        lines = completion.split("\n")
        for number, line in enumerate(lines):
            matched = _FENCE.fullmatch(line.rstrip("\r"))
            if matched is None:
                continue
            mark, said = matched[1], matched[2].lower()
            if not fence:
                fence, start, counts = mark, number, not wanted or said in names
            elif mark.startswith(fence) and not line.strip(" \t\r").strip(mark[0]):
                if counts:
                    found = "\n".join(lines[start + 1 : number]) + "\n"
                fence = ""
        if fence and counts:
            return NoAnswer(f"the last fenced {kind} is not closed", start + 1)
        return found

    return extract


def tagged(tag: str = "answer") -> Extractor:
    """What stands between the last <tag> and the </tag> after it, without the line breaks next to them. An opening
    that is not closed after the last answer is no answer: it was cut off. Raises ValueError for what is no name."""
    if not re.fullmatch(r"[A-Za-z][\w.-]*", tag):
        raise ValueError("tag must be a name, without angle brackets")
    opening, closing = f"<{tag}>", f"</{tag}>"

    def extract(completion: str) -> str | NoAnswer:
        start = completion.rfind(opening)
        if start < 0:
            return NoAnswer(f"there is no {opening}")
        end = completion.find(closing, start)
        if end < 0:
            return NoAnswer(f"the last {opening} is not closed", completion.count("\n", 0, start) + 1)
        answer = completion[start + len(opening) : end]
        return answer.removeprefix("\r").removeprefix("\n")

    return extract
