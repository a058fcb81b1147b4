"""What a compiled solution is worth, found out by reading it beside its compiled challenge. Nothing here runs Lean."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from basanite.v1 import result_pb2
from basanite_services.chassis.verifier import InvalidItem, TaskFault
from basanite_services.lean.compare import Comparison, is_made_up
from basanite_services.lean.index import Index, Name
from basanite_services.lean.module import Module, read_module
from basanite_services.lean.olean import LAYOUTS, Image, OleanError
from basanite_services.lean.reach import Dependencies, Reached, mentioned
from basanite_services.lean.replay import declarations
from basanite_services.lean.terms import Terms, read_name

SORRY: Name = ("sorryAx",)
_TARGETS = ("theorem", "definition", "opaque")
_PRIVATE = ("_private", "Main", 0)
_OWN = " (its own)"
_LONGEST_MESSAGE = 1_000
_TAMPERED = "the compiled file is not one that Lean writes"
Outcome: TypeAlias = result_pb2.Outcome.ValueType


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What compiled files depend on."""

    release: str
    version: str
    commit: str

    def read(self, compiled: bytes, terms: Terms) -> Module:
        """Raises OleanError."""
        return read_module(Image([compiled], LAYOUTS[self.release], (self.version, self.commit)), terms)


@dataclass(frozen=True, slots=True)
class Challenge:
    """A compiled one."""

    compiled: bytes
    targets: tuple[Name, ...]
    """Names as the file has them."""
    shown: tuple[str, ...]
    """Names as people write them."""

    @property
    def memory_bytes(self) -> int:
        return len(self.compiled) + 200 * len(self.targets)


@dataclass(frozen=True, slots=True)
class Finding:
    """About a target of a solution."""

    outcome: Outcome
    """COMPLETED if nothing speaks against it but that the kernel was not asked again."""
    message: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", self.message[:_LONGEST_MESSAGE])  # names can be of any length


@dataclass(frozen=True, slots=True)
class Declarations:
    """For the kernel: all that some targets depend on in the file itself."""

    text: bytes
    lines: tuple[str, ...]
    """The constant that each line is about."""


class Examined:
    """A solution that was read. What it found about each target, in order, is `findings`."""

    def __init__(
        self,
        toolchain: Toolchain,
        challenge: Challenge,
        compiled: bytes,
        index: Index,
        allowed: Collection[Name],
    ) -> None:
        """`challenge` was made by read_challenge, with this index."""
        self._terms = terms = Terms()
        asked = toolchain.read(challenge.compiled, terms)
        self._targets = [terms.name_of(target) for target in challenge.targets]
        try:
            self._given = given = toolchain.read(compiled, terms)
            _require_own(terms, given, index)
            self._dependencies = Dependencies(terms, given.constants)
        except OleanError as error:
            self.findings = self._all(result_pb2.OUTCOME_FORBIDDEN, f"{_TAMPERED}: {error}")
            return
        if {*asked.imports} != {*given.imports}:
            other = min(terms.shown(name) for name in {*given.imports} ^ {*asked.imports})
            why = f"it does not import what the challenge imports: {other}"
            self.findings = self._all(result_pb2.OUTCOME_REJECTED, why)
            return
        names = self._targets
        comparison = Comparison(terms, asked, given, names)
        self.findings = [
            _finding(terms, comparison, self._dependencies, asked, given, name, index, allowed)
            for name in names
        ]

    def _all(self, outcome: Outcome, message: str) -> list[Finding]:
        return [Finding(outcome, message) for _ in self._targets]

    def declarations(self, targets: Collection[int]) -> Declarations:
        """Of targets, by their places in the challenge's, that were found COMPLETED. Raises OleanError."""
        terms = self._terms
        reached = self._dependencies.reach([self._targets[place] for place in targets])
        text, about = declarations(terms, reached.groups)
        shown = {name: terms.shown(name) for name in set(about)}
        return Declarations(text, tuple(shown[name] for name in about))


def read_challenge(
    toolchain: Toolchain, compiled: bytes, targets: Sequence[str], index: Index, field: str
) -> Challenge:
    """`field`: of the targets. Raises InvalidItem, TaskFault."""
    terms = Terms()
    try:
        module = toolchain.read(compiled, terms)
    except OleanError as error:
        raise TaskFault(field, f"the compiled challenge cannot be read: {error}") from None
    names = _named(terms, module, targets, field) if targets else _unproved(terms, module)
    if not names:
        raise TaskFault(
            field, "the challenge has no declaration that is ended by sorry, and no targets are named"
        )
    dependencies = Dependencies(terms, module.constants)
    for name in names:
        constant = module.constants[name]
        if constant.kind not in _TARGETS:
            raise TaskFault(field, f"{terms.shown(name)} is a {constant.kind}, and no theorem or definition")
        reached = dependencies.reach(mentioned_names(terms, constant.type), by_type_alone=names)
        # What it reaches of its own file, and the names of others.
        others = [terms.components(one) for one in reached.imported]
        if SORRY in others:
            raise TaskFault(
                field, f"the statement of {terms.shown(name)} depends on something that is ended by sorry"
            )
        unknown = next((one for one in others if index.axioms(one) is None), None)
        if unknown is not None:
            raise TaskFault(
                field, f"the statement of {terms.shown(name)} depends on {unknown}, which is unsafe"
            )
    return Challenge(
        compiled, tuple(map(terms.components, names)), tuple(targets) or tuple(map(terms.shown, names))
    )


def mentioned_names(terms: Terms, root: int) -> list[int]:
    return [name for name in mentioned(terms, [root]) if name]


def _named(terms: Terms, module: Module, targets: Sequence[str], field: str) -> list[int]:
    names = []
    for number, text in enumerate(targets):
        try:
            components = read_name(text)
        except ValueError as error:
            raise InvalidItem(f"{field}[{number}]", f"must be a name, e.g. Nat.add_comm: {error}") from None
        plain, private = terms.name_of(components), terms.name_of((*_PRIVATE, *components))
        found = plain if plain in module.constants else private
        if found not in module.constants:
            raise TaskFault(field, f"the challenge declares no {text[:200]}")
        if found in names:
            raise InvalidItem(f"{field}[{number}]", "must not be named twice")
        names.append(found)
    return names


def _unproved(terms: Terms, module: Module) -> list[int]:
    """What is ended by sorry, in order of names: the file does not tell theirs."""
    sorry = terms.name_of(SORRY)
    return sorted(
        (
            constant.name
            for constant in module.constants.values()
            if constant.kind in _TARGETS
            and constant.value is not None
            and sorry in mentioned(terms, [constant.value])
            and not is_made_up(terms.components(constant.name))
        ),
        key=terms.shown,
    )


def _require_own(terms: Terms, module: Module, index: Index) -> None:
    """Raises OleanError where the file declares what a module that it imports declares."""
    for name in module.constants:
        if index.axioms(terms.components(name)) is not None:
            raise OleanError(f"it declares {terms.shown(name)} again")


def _finding(
    terms: Terms,
    comparison: Comparison,
    dependencies: Dependencies,
    asked: Module,
    given: Module,
    target: int,
    index: Index,
    allowed: Collection[Name],
) -> Finding:
    failed, forbidden = result_pb2.OUTCOME_FAILED, result_pb2.OUTCOME_FORBIDDEN
    try:
        if why := comparison.difference(target):
            return Finding(failed, why)
        reached = dependencies.reach([target])
        if why := _refused(terms, asked, given, reached):
            return Finding(forbidden, why)
        axioms = _axioms(terms, asked, given, reached, index)
        if SORRY in axioms:
            return Finding(failed, f"{terms.shown(target)} depends on sorry")
        others = sorted(".".join(map(str, name)).replace(f".{_OWN}", _OWN) for name in axioms - {*allowed})
        if others:
            why = f"depends on axioms that are not allowed: {', '.join(others)}"
            return Finding(forbidden, f"{terms.shown(target)} {why}")
        declarations(terms, reached.groups)  # whether it can be given to the kernel
    except OleanError as error:
        return Finding(forbidden, f"{_TAMPERED}: {error}")
    return Finding(result_pb2.OUTCOME_COMPLETED)


def _refused(terms: Terms, asked: Module, given: Module, reached: Reached) -> str:
    """What is no mathematics, of what a target depends on."""
    for constant in reached.own():
        if constant.safety:
            return f"{terms.shown(constant.name)}, which is {constant.safety}, is part of it"
        if constant.name in given.native and constant.name not in asked.native:
            return (
                f"{terms.shown(constant.name)} has an attribute extern or implemented_by, and is part of it"
            )
        if constant.kind == "quotient":
            return f"{terms.shown(constant.name)} is declared again"
    return ""


def _axioms(terms: Terms, asked: Module, given: Module, reached: Reached, index: Index) -> set[Name]:
    """Raises OleanError."""
    found: set[Name] = set()
    for name in reached.imported:
        axioms = index.axioms(terms.components(name))
        if axioms is None:
            raise OleanError(f"there is no {terms.shown(name)}")
        found |= axioms
    for constant in reached.own():
        if constant.kind == "axiom":
            same = asked.constants.get(constant.name)
            # An axiom of the solution's own can have the name of one that is allowed.
            is_known = (
                same is not None
                and same.kind == "axiom"
                and (same.type, same.parameters) == (constant.type, constant.parameters)
            )
            own = terms.components(constant.name)
            found.add(own if is_known else (*own, _OWN))
    return found
