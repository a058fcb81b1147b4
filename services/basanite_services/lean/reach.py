"""What constants depend on, through everything that their own module declares."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from basanite_services.lean.module import Constant
from basanite_services.lean.olean import OleanError
from basanite_services.lean.terms import Terms, children

_VISITS_EACH, _VISITS = 50, 1_000_000
"""Expressions that are looked at: so many for each that there is, and these. Constants share some, never most."""


@dataclass
class Reached:
    """What some constants depend on, they included."""

    groups: list[tuple[Constant, ...]] = field(default_factory=list)
    """Of the own module; each after those that it depends on. Inductive types that are defined together are one, with
    their constructors and recursors; of all others there is one a group."""
    imported: list[int] = field(default_factory=list)
    """Names of constants that the own module does not declare."""

    def own(self) -> Iterator[Constant]:
        for group in self.groups:
            yield from group


def mentioned(terms: Terms, roots: Iterable[int]) -> Iterator[int]:
    """Names of the constants in expressions, and a 0 for each that was looked at. Raises OleanError for what no
    finished declaration holds."""
    stack, seen = [*roots], set()
    while stack:
        number = stack.pop()
        if number in seen:
            continue
        seen.add(number)
        term = terms.expressions[number]
        kind = term[0]
        if kind in ("const", "proj"):
            yield term[1]  # type: ignore[misc]
        elif kind in ("fvar", "mvar"):
            raise OleanError("a declaration that is not finished")
        yield 0
        stack.extend(children(term))


class Dependencies:
    """Of the constants of a module. A group is known by the name of its first constant.

    Looking them up is depth first, without recursion, and takes time by the size of the file, however often it is done.
    """

    def __init__(self, terms: Terms, constants: Mapping[int, Constant]) -> None:
        self._terms = terms
        self._constants = constants
        self._leaders = {name: self._leader(constant) for name, constant in constants.items()}
        self._members: dict[int, list[Constant]] = {}
        for name, leader in self._leaders.items():
            self._members.setdefault(leader, []).append(constants[name])
        self._visits = _VISITS_EACH * len(terms.expressions) + _VISITS

    def _leader(self, constant: Constant) -> int:
        if constant.kind == "constructor":
            constant = self._constants.get(constant.group[0], constant)
        return constant.group[0] if constant.group else constant.name

    def reach(self, roots: Iterable[int], *, by_type_alone: Collection[int] = ()) -> Reached:
        """`by_type_alone`: constants whose values are not looked into. Raises OleanError where a constant depends on
        itself, or is not finished, or where constants share more than honest ones do."""
        reached = Reached()
        done: dict[int, bool] = {}
        """Groups and imported constants; False: some of what it depends on is still being gone through."""
        stack: list[tuple[int, Iterator[int]]] = [(0, iter([*roots]))]
        while stack:
            leader, names = stack[-1]
            for name in names:
                below = self._leaders.get(name)
                if below is None:
                    if name not in done:
                        done[name] = True
                        reached.imported.append(name)
                elif below not in done:
                    done[below] = False
                    stack.append((below, iter(self._mentions(below, by_type_alone))))
                    break
                elif not done[below] and below != leader:
                    raise OleanError(f"{self._terms.shown(name)} depends on itself")
            else:
                stack.pop()
                if stack:
                    done[leader] = True
                    reached.groups.append(tuple(self._members[leader]))
        return reached

    def _mentions(self, leader: int, by_type_alone: Collection[int]) -> dict[int, None]:
        """Constants that a group mentions, each once."""
        names: dict[int, None] = {}
        roots = []
        for constant in self._members[leader]:
            names.update(dict.fromkeys((*constant.group, *constant.constructors)))
            roots.append(constant.type)
            if constant.value is not None and constant.name not in by_type_alone:
                roots.append(constant.value)
        for name in mentioned(self._terms, roots):
            if name:
                names[name] = None
            else:
                self._visits -= 1
                if self._visits < 0:
                    raise OleanError("declarations that share too much")
        return names
