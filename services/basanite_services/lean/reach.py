"""What a constant depends on, through everything that its own module declares."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from basanite_services.lean.module import Constant
from basanite_services.lean.olean import OleanError
from basanite_services.lean.terms import Term, Terms, children


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


def reach(
    terms: Terms,
    constants: Mapping[int, Constant],
    roots: Iterable[int],
    *,
    by_type_alone: Collection[int] = (),
) -> Reached:
    """`by_type_alone`: constants whose values are not looked into. Raises OleanError where a constant depends on itself, or
    is not finished."""
    return _Search(terms, constants, by_type_alone).run(roots)


class _Search:
    """Depth first over constants and expressions, without recursion, each gone through once.

    A node is a number: not negative that of an expression, else that of a group.
    """

    def __init__(
        self, terms: Terms, constants: Mapping[int, Constant], by_type_alone: Collection[int]
    ) -> None:
        self._terms = terms
        self._constants = constants
        self._by_type_alone = by_type_alone
        self._leaders = {name: self._leader(constant) for name, constant in constants.items()}
        self._members: dict[int, list[Constant]] = {}
        for name, leader in self._leaders.items():
            self._members.setdefault(leader, []).append(constants[name])
        self._reached = Reached()
        self._foreign: set[int] = set()

    def _leader(self, constant: Constant) -> int:
        """The name of the first of its group."""
        if constant.kind == "constructor":
            constant = self._constants.get(constant.group[0], constant)
        return constant.group[0] if constant.group else constant.name

    def run(self, roots: Iterable[int]) -> Reached:
        done: dict[int, bool] = {}
        """Nodes; False: some of what it depends on is still being gone through."""
        groups: list[int] = []
        """Those that are being gone through."""
        stack: list[tuple[int, Iterator[int]]] = []

        def enter(node: int) -> None:
            done[node] = False
            stack.append((node, self._below(node)))
            if node < 0:
                groups.append(node)

        for root in roots:
            for first in self._node(root):
                if first not in done:
                    enter(first)
            while stack:
                node, below = stack[-1]
                for next_ in below:
                    if next_ not in done:
                        enter(next_)
                        break
                    if not done[next_] and next_ != groups[-1]:
                        raise OleanError("a constant that depends on itself")
                else:
                    stack.pop()
                    done[node] = True
                    if node < 0:
                        groups.pop()
                        self._reached.groups.append(tuple(self._members[-node - 1]))
        return self._reached

    def _node(self, name: int) -> Iterator[int]:
        leader = self._leaders.get(name)
        if leader is not None:
            yield -leader - 1
        elif name not in self._foreign:
            self._foreign.add(name)
            self._reached.imported.append(name)

    def _below(self, node: int) -> Iterator[int]:
        if node < 0:
            return self._below_group(-node - 1)
        term = self._terms.expressions[node]
        return self._below_expression(term)

    def _below_expression(self, term: Term) -> Iterator[int]:
        name = mentioned_by(term)
        if name is not None:
            yield from self._node(name)
        yield from children(term)

    def _below_group(self, leader: int) -> Iterator[int]:
        for constant in self._members[leader]:
            for name in (*constant.group, *constant.constructors):
                yield from self._node(name)
            yield constant.type
            if constant.value is not None and constant.name not in self._by_type_alone:
                yield constant.value


def mentioned_by(term: Term) -> int | None:
    """The constant that an expression itself names. Raises OleanError for what no finished declaration holds."""
    kind = term[0]
    if kind in ("const", "proj"):
        return term[1]  # type: ignore[return-value]
    if kind in ("fvar", "mvar"):
        raise OleanError("a declaration that is not finished")
    return None
