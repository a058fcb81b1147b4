"""Declarations as the text that guest/lean/recheck.c reads, and what it answers.

What the kernel makes itself of inductive types, constructors and recursors, is given to be compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from basanite_services.lean.module import Constant
from basanite_services.lean.olean import OleanError
from basanite_services.lean.terms import ANONYMOUS, Term, Terms, children

MAX_NUMBER = 1 << 24
MAX_BITS = 1 << 22
"""Of a numeral."""
_EXCEPTIONS = (
    "an unknown constant",
    "a constant that there is already",
    "a type that does not match",
    "a metavariable",
    "a free variable",
    "a function that is none",
    "a type that is none",
    "another type of a let",
    "an expression of another type",
    "a mismatch of applications",
    "an invalid projection",
    "a theorem whose type is no proposition",
    "another error",
    "deterministic timeout",
    "excessive memory",
    "deep recursion",
    "interrupted",
)
"""About; for people."""
_GENERATED, _NO_RESULT = 100, 101
_ANSWER = re.compile(rb"(accepted|rejected) (\d{1,9})(?: (\d{1,4}))?\n")


class NotChecked(Exception):
    """The kernel's program did not answer as it must."""


def declarations(terms: Terms, groups: Iterable[tuple[Constant, ...]]) -> tuple[bytes, list[int]]:
    """The text, and for each of its lines the name of the constant that it is about. Raises OleanError."""
    return _Writer(terms).write(groups)


def answer(output: bytes, lines: Sequence[str]) -> str:
    """Why the kernel rejects them; empty: it does not. `lines`: what each is about. Raises NotChecked."""
    found = _ANSWER.fullmatch(output)
    if found is None:
        raise NotChecked(output[:200].decode(errors="replace"))
    if found[1] == b"accepted":
        return ""
    line, number = int(found[2]), int(found[3] or b"0")
    if not 1 <= line <= len(lines):
        raise NotChecked(output[:200].decode(errors="replace"))
    name = lines[line - 1]
    if number == _GENERATED:
        return f"{name} is not what the kernel makes of its types"
    why = _EXCEPTIONS[number] if number < len(_EXCEPTIONS) else "an error"
    return f"the kernel rejects {name}: {why}"


class _Writer:
    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._lines: list[str] = []
        self._about: list[int] = []
        self._constant = ANONYMOUS
        self._names = {ANONYMOUS}
        self._levels: set[int] = set()
        self._expressions: set[int] = set()

    def write(self, groups: Iterable[tuple[Constant, ...]]) -> tuple[bytes, list[int]]:
        if max(len(self._terms.names), len(self._terms.levels), len(self._terms.expressions)) > MAX_NUMBER:
            raise OleanError("too large")
        for group in groups:
            self._constant = group[0].name
            if group[0].kind in ("inductive type", "constructor", "recursor"):
                self._inductive(group)
            else:
                self._single(group[0])
        return "".join(self._lines).encode(), self._about

    def _line(self, text: str) -> None:
        self._lines.append(f"{text}\n")
        self._about.append(self._constant)

    def _single(self, constant: Constant) -> None:
        letter = {"axiom": "a", "definition": "d", "theorem": "t", "opaque": "o"}.get(constant.kind)
        if letter is None or constant.safety:
            raise OleanError(f"{self._terms.shown(constant.name)} is a {constant.safety} {constant.kind}")
        words = [letter, self._name(constant.name), *self._parameters(constant)]
        words.append(self._expression(constant.type))
        if constant.value is not None:
            words.append(self._expression(constant.value))
        if letter == "d":
            words.append(constant.hint)
        self._line(f"d {' '.join(map(str, words))}")

    def _inductive(self, group: Sequence[Constant]) -> None:
        by_name = {constant.name: constant for constant in group}
        first = next((one for one in group if one.kind == "inductive type"), None)
        if first is None or any(one.safety for one in group):
            raise OleanError(f"{self._terms.shown(group[0].name)} is no inductive type")
        words: list[int] = [*self._parameters(first), first.numbers[0], len(first.group)]
        accounted: set[int] = set()
        for name in first.group:
            type_ = by_name.get(name)
            if (
                type_ is None
                or type_.kind != "inductive type"
                or type_.group != first.group
                or name in accounted
            ):
                raise OleanError(f"{self._terms.shown(name)} is no inductive type")
            accounted.add(name)
            words += [self._name(name), self._expression(type_.type), len(type_.constructors)]
            for inner in type_.constructors:
                made = by_name.get(inner)
                if made is None or made.kind != "constructor" or made.group != (name,) or inner in accounted:
                    raise OleanError(f"{self._terms.shown(inner)} is no constructor")
                accounted.add(inner)
                words += [self._name(inner), self._expression(made.type)]
        self._line(f"d i {' '.join(map(str, words))}")
        for one in group:
            if one.kind != "recursor" and one.name not in accounted:
                raise OleanError(f"{self._terms.shown(one.name)} is no part of its types")
            if one.kind == "recursor":
                self._constant = one.name
                self._line(f"c {self._name(one.name)} {self._expression(one.type)}")

    def _parameters(self, constant: Constant) -> list[int]:
        return [len(constant.parameters), *map(self._name, constant.parameters)]

    def _name(self, name: int) -> int:
        missing = []
        at = name
        while at not in self._names:
            missing.append(at)
            at = self._terms.names[at][0]
        for one in reversed(missing):
            self._names.add(one)
            prefix, last = self._terms.names[one]
            kind, word = ("i", str(last)) if isinstance(last, int) else ("s", _hexadecimal(last))
            self._line(f"n {one} {kind} {prefix} {word}")
        return name

    def _level(self, root: int) -> int:
        self._bottom_up(root, self._levels, self._terms.levels, _levels_in, self._level_line)
        return root

    def _level_line(self, number: int, term: Term) -> None:
        letter = {"zero": "z", "succ": "s", "max": "m", "imax": "i", "param": "p"}.get(str(term[0]))
        if letter is None:
            raise OleanError("a declaration that is not finished")
        if letter == "p":
            self._name(term[1])  # type: ignore[arg-type]
        self._line(" ".join(map(str, ("l", number, letter, *term[1:]))))

    def _expression(self, root: int) -> int:
        self._bottom_up(root, self._expressions, self._terms.expressions, children, self._expression_line)
        return root

    def _expression_line(self, number: int, term: Term) -> None:
        letters = {
            "bvar": "b",
            "sort": "s",
            "const": "c",
            "app": "a",
            "lam": "f",
            "pi": "p",
            "let": "t",
            "nat": "N",
        }
        letters |= {"str": "S", "proj": "j"}
        kind = str(term[0])
        words: tuple[object, ...] = term[1:]
        match term:
            case ("sort", int(level)):
                self._level(level)
            case ("const", int(name), tuple(levels)):
                self._name(name)
                words = (name, len(levels), *map(self._level, levels))
            case ("nat", int(value)):
                words = (_decimal(value),)
            case ("str", str(text)):
                words = (_hexadecimal(text),)
            case ("proj", int(name), _, _):
                self._name(name)
            case _ if kind not in letters:
                raise OleanError("a declaration that is not finished")
        self._line(" ".join(map(str, ("e", number, letters[kind], *words))))

    def _bottom_up(
        self,
        root: int,
        done: set[int],
        table: Sequence[Term],
        below: Callable[[Term], tuple[int, ...]],
        line: Callable[[int, Term], None],
    ) -> None:
        stack = [root]
        while stack:
            number = stack[-1]
            if number in done:
                stack.pop()
                continue
            missing = [one for one in below(table[number]) if one not in done]
            if missing:
                stack.extend(missing)
            else:
                stack.pop()
                done.add(number)
                line(number, table[number])


def _levels_in(term: Term) -> tuple[int, ...]:
    return term[1:] if term[0] in ("succ", "max", "imax") else ()  # type: ignore[return-value]


def _decimal(value: int) -> str:
    if value.bit_length() > MAX_BITS:
        raise OleanError("a number that is too large")
    return str(Decimal(value))  # str of an int refuses long ones


def _hexadecimal(text: str) -> str:
    return text.encode().hex() or "-"
