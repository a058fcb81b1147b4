"""Does a solution state what the challenge states?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from basanite_services.lean.module import Constant, Module
from basanite_services.lean.reach import Reached, reach
from basanite_services.lean.terms import Terms


@dataclass(frozen=True, slots=True)
class Difference:
    """Why a target of the solution is not the challenge's."""

    target: int
    message: str


def difference(terms: Terms, challenge: Module, solution: Module, target: int, targets: Collection[int]) -> str:
    """How the target's statement differs in the solution; empty: not at all.

    Compared are the target's kind, universe parameters and type, and of all that its type reaches in the file itself the
    whole definition, but for other targets, of which it is the type as well. Raises OleanError.
    """
    asked, given = challenge.constants[target], solution.constants.get(target)
    if given is None:
        return f"{terms.shown(target)} is missing"
    if given.kind != asked.kind:
        return f"{terms.shown(target)} is a {given.kind}, not a {asked.kind}"
    if given.parameters != asked.parameters:
        return f"{terms.shown(target)} has other universe parameters"
    if given.type != asked.type:
        found = first_difference(terms, challenge, solution, [asked.type, given.type], targets)
        why = f": {found}" if found else ""
        return f"the statement of {terms.shown(target)} differs{why}"
    found = first_difference(terms, challenge, solution, [asked.type], targets)
    return f"the statement of {terms.shown(target)} differs: {found}" if found else ""
