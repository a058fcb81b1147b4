"""Wrong designs, made from right ones: each mutant differs from a text in one place.

Some mutants do not compile, and some are as right as the text they come from: a signal that nobody reads may be
inverted, and `a + b` on one bit is `a - b`.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from basanite.verilog._modules import Module, modules_of, port_declarations
from basanite.verilog._statements import Assignment, assignments_of
from basanite.verilog._tokens import CLOSING, OPENING, Token, closing, line_of

_SWAPS: Final[Mapping[str, Mapping[str, str]]] = {
    "and_or": {"&": "|", "|": "&", "&&": "||", "||": "&&", "~&": "~|", "~|": "~&"},
    "xor": {"^": "|", "&": "^", "~^": "^", "^~": "^"},
    "arithmetic": {"+": "-", "-": "+"},
    "shift": {"<<": ">>", ">>": "<<", ">>>": ">>"},
    "equality": {"==": "!=", "!=": "==", "===": "!==", "!==": "==="},
    "comparison": {"<": ">", ">": "<", ">=": "<", "<=": ">"},
    "edge": {"posedge": "negedge", "negedge": "posedge"},
    "dropped_not": {"~": "", "!": ""},
}
_SIZED: Final = re.compile(r"(\d[\d_]*\s*)?'([sS]?)([bodhBODH])\s*([0-9a-fA-F_]+)")
_BASES: Final = {"b": 2, "o": 8, "d": 10, "h": 16}
_UNKNOWN: Final = re.compile(r"(\d+\s*)?'([bB]|[hH])?[xX]+")
_LONGEST_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Mutant:
    """A text with one change."""

    operator: str
    """What was done, one of OPERATORS."""
    source: str = field(repr=False)
    """The text before."""
    start: int
    """Where the change begins, in characters."""
    end: int
    new: str
    """What stands there now."""

    @property
    def text(self) -> str:
        """The text after."""
        return f"{self.source[: self.start]}{self.new}{self.source[self.end :]}"

    @property
    def line(self) -> int:
        """Of the change, from 1."""
        return line_of(self.source, self.start)

    @property
    def before(self) -> str:
        """What stood there, cut where it is long, and on one line."""
        return _shown(self.source[self.start : self.end])

    @property
    def after(self) -> str:
        """As `before`."""
        return _shown(self.new)


_Edit: TypeAlias = tuple[int, int, str]
"""Start, end, new text."""
_Operator: TypeAlias = Callable[[Module, list[Assignment], str], Iterator[_Edit]]


def mutants(text: str) -> Iterator[Mutant]:
    """All mutants of a text, no two alike."""
    seen: set[_Edit] = set()
    parts = [(module, list(assignments_of(module.tokens, module.body))) for module in modules_of(text)]
    for operator, edits_of in _OPERATORS.items():
        for module, assignments in parts:
            for edit in edits_of(module, assignments, text):
                if edit not in seen:
                    seen.add(edit)
                    yield Mutant(operator, text, *edit)


def choose(found: Sequence[tuple[str, Mutant]], count: int, seed: int) -> list[tuple[str, Mutant]]:
    """At most `count` of mutants with the names of their files, of as many operators as there are; the same for the
    same arguments."""
    draw = random.Random(seed)
    of_operator: dict[str, list[tuple[str, Mutant]]] = {}
    for name, mutant in found:
        of_operator.setdefault(mutant.operator, []).append((name, mutant))
    turns = [draw.sample(mine, len(mine)) for mine in of_operator.values()]
    draw.shuffle(turns)
    rounds = itertools.zip_longest(*turns)
    return [each for turn in rounds for each in turn if each is not None][:count]


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_SHOWN else f"{line[: _LONGEST_SHOWN - 3]}..."


# Single tokens


def _swap(operator: str) -> _Operator:
    swaps = _SWAPS[operator]

    def edits(module: Module, assignments: list[Assignment], text: str) -> Iterator[_Edit]:
        tokens = module.tokens
        kept = (
            _declared(module)
            | _ranges(tokens)
            | _loop_heads(tokens)
            | {assignment.operator for assignment in assignments}
        )
        for index in range(module.body, len(tokens)):
            token = tokens[index]
            if token.text in swaps and index not in kept:
                yield (token.start, token.end, swaps[token.text])

    return edits


def _numbers(module: Module, assignments: list[Assignment], text: str) -> Iterator[_Edit]:
    tokens = module.tokens
    kept, loops = _declared(module) | _ranges(tokens), _loop_heads(tokens)
    for index in range(module.body, len(tokens)):
        token = tokens[index]
        before = tokens[index - 1].text
        if token.kind != "number" or index in kept or before == "#":
            continue
        if before == "[" and tokens[index + 1].text == "]":
            continue  # that is what "index" does
        for new in _neighbours(token.text):
            if not (index in loops and new == "0"):  # a loop that makes no step
                yield (token.start, token.end, new)


def _neighbours(number: str) -> Iterator[str]:
    """The numbers before and after a number, written as it is."""
    if number.isdecimal():
        yield str(int(number) + 1)
        if int(number):
            yield str(int(number) - 1)
        return
    match = _SIZED.fullmatch(number)
    if match is None:  # real, of unknown bits, or a time
        return
    size, sign, base, digits = match[1] or "", match[2], match[3], match[4].replace("_", "")
    width = int(size.replace("_", "")) if size else 32
    try:
        value = int(digits, _BASES[base.lower()])
    except ValueError:
        return
    for other in (value + 1, value - 1):
        other %= 1 << width
        written = format(other, {2: "b", 8: "o", 10: "d", 16: "x"}[_BASES[base.lower()]])
        yield f"{size}'{sign}{base}{written.zfill(len(digits))}"


def _indices(module: Module, assignments: list[Assignment], text: str) -> Iterator[_Edit]:
    tokens = module.tokens
    for index in range(module.body, len(tokens) - 1):
        token = tokens[index]
        if token.text.isdecimal() and tokens[index - 1].text == "[" and tokens[index + 1].text == "]":
            yield (token.start, token.end, str(int(token.text) ^ 1))


def _operands(module: Module, assignments: list[Assignment], text: str) -> Iterator[_Edit]:
    """An input in the place of another of its width."""
    inputs: dict[str, list[str]] = {}
    for port in module.ports:
        if port.direction == "input":
            inputs.setdefault(port.shape, []).append(port.name)
    others = {
        name: other
        for names in inputs.values()
        if len(names) > 1
        for name, other in zip(names, [*names[1:], names[0]], strict=True)
    }
    declared = _declared(module)
    for index in range(module.body, len(module.tokens)):
        token = module.tokens[index]
        if token.text in others and index not in declared and module.tokens[index - 1].text != ".":
            yield (token.start, token.end, others[token.text])


# Larger parts


def _conditions(module: Module, assignments: list[Assignment], text: str) -> Iterator[_Edit]:
    tokens = module.tokens
    for index in range(module.body, len(tokens) - 1):
        if tokens[index].text == "if" and tokens[index + 1].text == "(":
            start, end = tokens[index + 1].end, tokens[closing(tokens, index + 1)].start
            yield (start, end, f"!({text[start:end]})")


def _inverted(module: Module, assignments: list[Assignment], text: str) -> Iterator[_Edit]:
    for assignment in assignments:
        start, end = module.tokens[assignment.first].start, module.tokens[assignment.last].end
        if assignment.kind != "constant" and not _UNKNOWN.fullmatch(text[start:end]):
            yield (start, end, f"~({text[start:end]})")


def _lost(module: Module, assignments: list[Assignment], text: str) -> Iterator[_Edit]:
    for assignment in assignments:
        end = module.tokens[assignment.last + 1]
        start, before = module.tokens[assignment.start].start, module.tokens[assignment.start - 1].text
        if end.text == ";" and assignment.kind in ("continuous", "procedural"):
            alone = assignment.kind == "continuous" and before not in (")", "else")
            yield (start, end.end, "" if alone else "begin end")


def _branches(module: Module, assignments: list[Assignment], text: str) -> Iterator[_Edit]:
    tokens = module.tokens
    for index in range(module.body, len(tokens)):
        if tokens[index].text != "?":
            continue
        middle = _end_of_branch(tokens, index + 1)
        if tokens[middle].text != ":":
            continue
        last = _end_of_branch(tokens, middle + 1)
        start, end = tokens[index].end, tokens[last].start
        first, second = text[start : tokens[middle].start], text[tokens[middle].end : end]
        if first.split() != second.split():
            yield (start, end, f" {second.strip()} : {first.strip()}")


def _end_of_branch(tokens: list[Token], at: int) -> int:
    depth = questions = 0
    for index in range(at, len(tokens)):
        word = tokens[index].text
        if word in OPENING:
            depth += 1
        elif word in CLOSING:
            depth -= 1
        elif not depth and word == "?":
            questions += 1
        elif not depth and word == ":" and questions:
            questions -= 1
            continue
        if depth < 0 or (not depth and word in (";", ",", ":") and not questions):
            return index
    return len(tokens) - 1


def _declared(module: Module) -> set[int]:
    """What declares ports in the body."""
    found: set[int] = set()
    for first, last in port_declarations(module.tokens, module.body):
        found.update(range(first, last))
    return found


def _ranges(tokens: list[Token]) -> set[int]:
    """What stands in a range, as `[7:0]`."""
    found: set[int] = set()
    for index, token in enumerate(tokens):
        if token.text == "[":
            end = closing(tokens, index)
            if any(inner.text in (":", "+:", "-:") for inner in tokens[index:end]):
                found.update(range(index, end))
    return found


def _loop_heads(tokens: list[Token]) -> set[int]:
    """What stands between the brackets of `for`: a loop the wrong way round would take until the time limit."""
    found: set[int] = set()
    for index, token in enumerate(tokens[:-1]):
        if token.text == "for" and tokens[index + 1].text == "(":
            found.update(range(index + 1, closing(tokens, index + 1)))
    return found


_OPERATORS: Final[Mapping[str, _Operator]] = {
    **{operator: _swap(operator) for operator in _SWAPS},
    "number": _numbers,
    "index": _indices,
    "operand": _operands,
    "condition": _conditions,
    "inverted": _inverted,
    "lost_statement": _lost,
    "branches": _branches,
}
OPERATORS: Final = tuple(_OPERATORS)
