"""Does a solution state what its challenge states?"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from basanite_services.lean.module import Constant, Module
from basanite_services.lean.reach import mentioned, reach
from basanite_services.lean.terms import Terms


def difference(
    terms: Terms, challenge: Module, solution: Module, target: int, targets: Collection[int]
) -> str:
    """How the target's statement differs in the solution; empty: not at all.

    Compared are the target's kind, universe parameters and type, and of all that the type reaches in the file itself
    the whole definition; of other targets that it reaches, which the solution is to define, what is compared of this
    one. Raises OleanError.
    """
    asked, given = challenge.constants[target], solution.constants.get(target)
    if given is None:
        return f"{terms.shown(target)} is missing"
    if why := _differs(terms, asked, given):
        found = _first(terms, challenge, solution, mentioned(terms, (asked.type, given.type)), targets)
        return found or why
    return _first(terms, challenge, solution, mentioned(terms, (asked.type,)), targets)


def _first(
    terms: Terms, challenge: Module, solution: Module, names: Iterable[int], targets: Collection[int]
) -> str:
    """The first constant, after those that it depends on, which is not in both what it is in the challenge."""
    own = [name for name in dict.fromkeys(names) if name in challenge.constants or name in solution.constants]
    for name in own:
        if name not in challenge.constants:
            return f"{terms.shown(name)} is none of the challenge's"
    for constant in reach(terms, challenge.constants, own, by_type_alone=targets).own():
        given = solution.constants.get(constant.name)
        if given is None:
            return f"{terms.shown(constant.name)} is missing"
        if constant.name in targets:
            if why := _differs(terms, constant, given):
                return why
        elif given.meaning != constant.meaning:
            return f"{terms.shown(constant.name)} is defined differently"
    return ""


def _differs(terms: Terms, asked: Constant, given: Constant) -> str:
    name = terms.shown(asked.name)
    if given.kind != asked.kind:
        return f"{name} is a {given.kind}, not a {asked.kind}"
    if given.parameters != asked.parameters:
        return f"{name} has other universe parameters"
    return f"{name} has another type" if given.type != asked.type else ""
