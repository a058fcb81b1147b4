"""Does a solution state what its challenge states?

Lean makes up constants for parts of declarations, and takes one that is there for another that would be the same. So
what these are called says nothing: two with the same meaning are one here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from basanite_services.lean.module import Constant, Module
from basanite_services.lean.olean import OleanError
from basanite_services.lean.reach import Dependencies, mentioned
from basanite_services.lean.terms import Component, Term, Terms, children

_PRIVATE = "_private"
_MADE_UP = re.compile(r"_.*|(?:match|proof)_\d+")
_DEEPEST = 100
"""Constants that are made up for parts of such constants."""


def is_made_up(name: tuple[Component, ...]) -> bool:
    """Whether it is of a constant that Lean has made up, for a part of a declaration."""
    own = name[3:] if name[:1] == (_PRIVATE,) else name
    return any(isinstance(part, str) and _MADE_UP.fullmatch(part) is not None for part in own)


class Comparison:
    """Of a challenge and a solution, which share terms."""

    def __init__(self, terms: Terms, challenge: Module, solution: Module, targets: Collection[int]) -> None:
        self._terms = terms
        self._challenge = challenge
        self._solution = solution
        self._targets = targets
        self._dependencies = Dependencies(terms, challenge.constants)
        numbers: dict[tuple[object, ...], int] = {}
        self._asked = _Meanings(terms, challenge.constants, numbers)
        self._given = _Meanings(terms, solution.constants, numbers)

    def difference(self, target: int) -> str:
        """How a target's statement differs in the solution; empty: not at all.

        Compared are the target's kind, universe parameters and type, and of all that the type reaches in the file
        itself the whole definition; of other targets that it reaches, which the solution is to define, what is
        compared of this one. Raises OleanError.
        """
        asked, given = self._challenge.constants[target], self._solution.constants.get(target)
        if given is None:
            return f"{self._terms.shown(target)} is missing"
        names = [name for name in mentioned(self._terms, [asked.type]) if name]
        if why := self._outside(asked, given):
            others = [name for name in mentioned(self._terms, [given.type]) if name]
            return self._first([*names, *others]) or why
        return self._first(names)

    def _first(self, names: Iterable[int]) -> str:
        """The first constant, after those that it depends on, which is not in both what it is in the challenge."""
        asked, given = self._challenge.constants, self._solution.constants
        own = [name for name in dict.fromkeys(names) if name in asked or name in given]
        for name in own:
            if name not in asked and not self._given.is_made_up(name):
                return f"{self._terms.shown(name)} is none of the challenge's"
        roots = [name for name in own if name in asked]
        for constant in self._dependencies.reach(roots, by_type_alone=self._targets).own():
            if self._asked.is_made_up(constant.name):
                continue  # compared where it is used
            found = given.get(constant.name)
            if found is None:
                return f"{self._terms.shown(constant.name)} is missing"
            if constant.name in self._targets:
                if why := self._outside(constant, found):
                    return why
            elif self._asked.meaning(constant) != self._given.meaning(found):
                return f"{self._terms.shown(constant.name)} is defined differently"
        return ""

    def _outside(self, asked: Constant, given: Constant) -> str:
        name = self._terms.shown(asked.name)
        if given.kind != asked.kind:
            return f"{name} is a {given.kind}, not a {asked.kind}"
        if given.parameters != asked.parameters:
            return f"{name} has other universe parameters"
        same = self._asked.expression(asked.type) == self._given.expression(given.type)
        return "" if same else f"{name} has another type"


class _Meanings:
    """Terms of one module in which constants that are made up have names that follow from their meanings."""

    def __init__(
        self, terms: Terms, constants: Mapping[int, Constant], numbers: dict[tuple[object, ...], int]
    ) -> None:
        """`numbers`: of meanings, shared by the modules that are compared."""
        self._terms = terms
        self._constants = constants
        self._numbers = numbers
        self._names: dict[int, int] = {}
        self._expressions: dict[int, int] = {}
        self._depth = 0

    def is_made_up(self, name: int) -> bool:
        constant = self._constants.get(name)
        kinds = ("definition", "theorem", "opaque")
        return constant is not None and constant.kind in kinds and is_made_up(self._terms.components(name))

    def meaning(self, constant: Constant) -> tuple[object, ...]:
        """All of it that a statement can depend on, but its name."""
        value = None if constant.value is None else self.expression(constant.value)
        return (
            constant.kind,
            constant.parameters,
            self.expression(constant.type),
            value,
            constant.safety,
            constant.group,
            constant.constructors,
            constant.numbers,
        )

    def expression(self, root: int) -> int:
        done = self._expressions
        stack = [root]
        while stack:
            number = stack[-1]
            if number in done:
                stack.pop()
                continue
            term = self._terms.expressions[number]
            missing = [child for child in children(term) if child not in done]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            done[number] = self._terms.expression(self._renamed(term))
        return done[root]

    def _renamed(self, term: Term) -> Term:
        match term:
            case ("const", int(name), levels):
                return ("const", self._name(name), levels)
            case ("proj", name, index, int(value)):
                return ("proj", name, index, self._expressions[value])
            case (("app" | "lam" | "pi" | "let") as kind, *parts):
                return (kind, *(self._expressions[part] for part in parts))  # type: ignore[index]
        return term

    def _name(self, name: int) -> int:
        if name not in self._names:
            self._names[name] = self._by_meaning(name) if self.is_made_up(name) else name
        return self._names[name]

    def _by_meaning(self, name: int) -> int:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise OleanError(f"{self._terms.shown(name)} depends on itself")
        meaning = self.meaning(self._constants[name])
        self._depth -= 1
        return -1 - self._numbers.setdefault(meaning, len(self._numbers))  # no file can have such a name
