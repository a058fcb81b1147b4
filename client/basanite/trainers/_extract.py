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

# Of a line: indentation, perhaps with the mark of a list, then the fence and what it says.
_FENCE: Final = re.compile(r"([ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?)(`{3,}|~{3,})(.*)")
_FENCE_INDENT: Final = 3  # by which a fence may stand further right than the one that opened the block
_SPELLINGS: Final = (
    frozenset({"python", "python3", "py"}),
    frozenset({"verilog", "systemverilog", "v", "sv"}),
    frozenset({"lean", "lean4"}),
    frozenset({"dafny", "dfy"}),
    frozenset({"diff", "patch"}),
)


def whole_text(completion: str) -> str | NoAnswer:
    """All of it."""
    return completion


def fenced_block(language: str = "") -> Extractor:
    """The last fenced block of a language in Markdown, without its fences.

    Fences are as CommonMark has them: at least three backticks or tildes at the start of a line, closed by a line of
    at least as many of the same; in a list the block's lines lose the indentation that the first fence has. Other usual
    names of the language are taken too (py and python3 for python), in any case of letters. Without a language the last
    block counts, whatever it says. A fence that names the language opens a block also where one was not closed before.
    A last block that is not closed is no answer: it was cut off.
    """
    wanted = language.lower()
    names = next((names for names in _SPELLINGS if wanted in names), frozenset({wanted}))
    kind = f"{language} block" if language else "block"

    def extract(completion: str) -> str | NoAnswer:
        found: str | NoAnswer = NoAnswer(f"there is no fenced {kind}")
        fence, indent, start, counts = "", 0, 0, False
        lines = completion.split("\n")
        for number, line in enumerate(lines):
            if "```" not in line and "~~~" not in line:
                continue
            matched = _FENCE.match(line)
            if matched is None:
                continue
            before, mark, said = matched[1], matched[2], matched[3].split(maxsplit=1)
            if mark[0] == "`" and "`" in matched[3]:
                continue
            if fence and (not mark.startswith(fence) or len(before) > indent + _FENCE_INDENT):
                continue
            named = bool(said) and said[0].lower() in names
            if not fence or (wanted and named):
                fence, indent, start, counts = mark, len(before), number, not wanted or named
            elif not said and not before.strip():
                if counts:
                    found = _dedented(lines[start + 1 : number], indent)
                fence = ""
        if fence and counts:
            return NoAnswer(f"the last fenced {kind} is not closed", start + 1)
        return found

    return extract


def _dedented(lines: list[str], most: int) -> str:
    # A program's first line has no indentation of its own; models that indent the fence alone are not rare.
    first = next((line for line in lines if line.strip()), "")
    most = min(most, len(first) - len(first.lstrip(" \t")))
    return "".join(f"{line[:most].lstrip()}{line[most:]}\n" for line in lines)


def tagged(tag: str = "answer") -> Extractor:
    """What stands between the last <tag> and the </tag> after it, without a line break after <tag>. A last opening
    that is not closed is no answer: it was cut off. Raises ValueError for what is no name."""
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
