"""A compiled file as what it declares: constants, imports, and what of its attributes matters to us."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from basanite_services.lean.olean import Image, OleanError
from basanite_services.lean.terms import ANONYMOUS, Component, Term, Terms

KINDS: Final = (
    "axiom",
    "definition",
    "theorem",
    "opaque",
    "quotient",
    "inductive type",
    "constructor",
    "recursor",
)
"""In the order of Lean's ConstantInfo."""
_NATIVE: Final = (
    "Lean.externAttr",
    "Lean.Compiler.implementedByAttr",
)
"""Attributes by which compiled code is another than what the kernel sees."""
_SAFE: Final = 1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Constant:
    """A declaration. Names and expressions are numbers in Terms."""

    name: int
    kind: str
    parameters: tuple[int, ...]
    """Names of universe parameters."""
    type: int
    value: int | None = None
    """Of definitions, theorems and opaque constants."""
    safety: str = ""
    """"unsafe" or "partial"; empty: neither."""
    group: tuple[int, ...] = ()
    """Inductive types and recursors: the types that are defined together. Constructors: the type."""
    constructors: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()
    """Inductive types: parameters, indices, nested ones. Constructors: index, parameters, fields. Recursors:
    parameters, indices, motives, minor premises, whether it is like that of equality."""
    hint: int = 0
    """Definitions: 0 opaque, 1 abbreviation, else the height and 2. The kernel's way of unfolding; it proves
    nothing."""


@dataclass(frozen=True, slots=True)
class Module:
    """What a file declares."""

    imports: tuple[int, ...]
    """Names."""
    constants: Mapping[int, Constant]
    """By name."""
    native: frozenset[int]
    """Constants whose compiled code is another than what the kernel sees."""


def read_module(image: Image, terms: Terms) -> Module:
    """Raises OleanError."""
    try:
        return _Reader(image, terms).module()
    except (struct.error, IndexError, RecursionError, OverflowError):  # what a check was forgotten for
        raise OleanError("not as Lean writes it") from None


def read_imports_of(image: Image, terms: Terms) -> tuple[int, ...]:
    """Names of the modules that a file imports. Raises OleanError."""
    return _Reader(image, terms).imports()


class _Reader:
    """Remembers what it has read by its pointer: everything is read once."""

    def __init__(self, image: Image, terms: Terms) -> None:
        self._image = image
        self._terms = terms
        self._names: dict[int, int] = {}
        self._lists: dict[tuple[int, bool], tuple[int, ...]] = {}
        self._levels: dict[int, int] = {}
        self._expressions: dict[int, int] = {}
        self._naturals: dict[int, int] = {}
        self._strings: dict[int, str] = {}

    def imports(self) -> tuple[int, ...]:
        return tuple(map(self._import, self._image.array(self._root()[0])))

    def _root(self) -> tuple[int, ...]:
        tag, fields, _ = self._image.constructor(self._image.root)
        if tag != 0 or len(fields) < 5:
            raise OleanError("no module")
        return fields

    def module(self) -> Module:
        fields = self._root()
        imports = [self._import(pointer) for pointer in self._image.array(fields[0])]
        names = [self.name(pointer) for pointer in self._image.array(fields[1])]
        pointers = self._image.array(fields[2])
        if len(names) != len(pointers) or len({*names}) != len(names):
            raise OleanError("names and constants that do not belong together")
        constants = {}
        for name, pointer in zip(names, pointers, strict=True):
            constant = self._constant(pointer)
            if constant.name != name:
                raise OleanError("names and constants that do not belong together")
            constants[name] = constant
        return Module(tuple(imports), constants, frozenset(self._native(fields[4])))

    def _fields(self, pointer: int, tag: int, count: int, scalars: int = 0) -> tuple[tuple[int, ...], bytes]:
        """Of an object that is this constructor."""
        found, fields, rest = self._image.constructor(pointer)
        if found != tag or len(fields) != count or len(rest) < scalars:
            raise OleanError("another object than there must be")
        return fields, rest

    def _import(self, pointer: int) -> int:
        fields, _ = self._fields(pointer, 0, 1)
        return self.name(fields[0])

    def _native(self, pointer: int) -> Iterator[int]:
        """Names that attributes of _NATIVE are about."""
        wanted = {self._terms.name_of(tuple(text.split("."))) for text in _NATIVE}
        for entry in self._image.array(pointer):
            (name, entries), _ = self._fields(entry, 0, 2)
            if self.name(name) in wanted:
                for one in self._image.array(entries):
                    (declared, _), _ = self._fields(one, 0, 2)
                    yield self.name(declared)

    # Names, lists, numbers

    def name(self, pointer: int) -> int:
        chain: list[tuple[int, Component]] = []
        at = pointer
        while at not in self._names and not at & 1:
            tag, fields, _ = self._image.constructor(at)
            if tag not in (1, 2) or len(fields) != 2:
                raise OleanError("no name")
            last: Component = self._string(fields[1]) if tag == 1 else self._image.small(fields[1])
            chain.append((at, last))
            at = fields[0]
        if at & 1 and at != 1:
            raise OleanError("no name")
        number = self._names.get(at, ANONYMOUS)
        for where, last in reversed(chain):
            number = self._names[where] = self._terms.name(number, last)
        return number

    def _names_of(self, pointer: int) -> tuple[int, ...]:
        return self._list(pointer, self.name, is_name=True)

    def _levels_of(self, pointer: int) -> tuple[int, ...]:
        return self._list(pointer, self.level, is_name=False)

    def _list(self, pointer: int, read: Callable[[int], int], *, is_name: bool) -> tuple[int, ...]:
        key = (pointer, is_name)
        found = self._lists.get(key)
        if found is None:
            items: list[int] = []
            at = pointer
            while not at & 1:
                # What is shared with other lists is read again: the image counts it, and honest ones share little.
                (head, at), _ = self._fields(at, 1, 2)
                items.append(read(head))
            if at != 1:
                raise OleanError("no list")
            found = self._lists[key] = tuple(items)
        return found

    def _natural(self, pointer: int) -> int:
        found = self._naturals.get(pointer)
        if found is None:
            found = self._naturals[pointer] = self._image.natural(pointer)
        return found

    def _string(self, pointer: int) -> str:
        found = self._strings.get(pointer)
        if found is None:
            found = self._strings[pointer] = self._image.string(pointer)
        return found

    # Levels and expressions

    def level(self, pointer: int) -> int:
        return self._bottom_up(pointer, self._levels, self._level_parts, self._terms.level)

    def expression(self, pointer: int) -> int:
        return self._bottom_up(pointer, self._expressions, self._expression_parts, self._terms.expression)

    def _bottom_up(
        self,
        root: int,
        known: dict[int, int],
        parts: Callable[[int], tuple[tuple[int, ...], Callable[[list[int]], Term | int]]],
        number: Callable[[Term], int],
    ) -> int:
        """Without recursion; a term that is part of itself is an error."""
        waiting: dict[int, tuple[tuple[int, ...], Callable[[list[int]], Term | int]]] = {}
        stack = [root]
        while stack:
            pointer = stack[-1]
            if pointer in known:
                stack.pop()
                continue
            if pointer not in waiting:
                waiting[pointer] = parts(pointer)
                missing = [child for child in waiting[pointer][0] if child not in known]
                if any(child in waiting for child in missing):
                    raise OleanError("a term that is part of itself")
                stack.extend(missing)
                if missing:
                    continue
            children, make = waiting.pop(pointer)
            made = make([known[child] for child in children])
            known[pointer] = made if isinstance(made, int) else number(made)
            stack.pop()
        return known[root]

    def _level_parts(self, pointer: int) -> tuple[tuple[int, ...], Callable[[list[int]], Term | int]]:
        tag, fields, _ = self._image.constructor(pointer)
        if tag > 5 or len(fields) != (0, 1, 2, 2, 1, 1)[tag]:
            raise OleanError("no universe level")
        if tag in (4, 5):
            term: Term = (("param", "mvar")[tag - 4], self.name(fields[0]))
            return (), lambda made: term
        name = ("zero", "succ", "max", "imax")[tag]
        return fields, lambda made: (name, *made)

    def _expression_parts(self, pointer: int) -> tuple[tuple[int, ...], Callable[[list[int]], Term | int]]:
        tag, fields, _ = self._image.constructor(pointer)
        if tag > 11 or len(fields) != (1, 1, 1, 1, 2, 2, 3, 3, 4, 1, 2, 3)[tag]:
            raise OleanError("no expression")
        term: Term
        match tag:
            case 0:
                term = ("bvar", self._image.small(fields[0]))
            case 1 | 2:
                term = (("fvar", "mvar")[tag - 1], self.name(fields[0]))
            case 3:
                term = ("sort", self.level(fields[0]))
            case 4:
                term = ("const", self.name(fields[0]), self._levels_of(fields[1]))
            case 5:
                return fields, lambda made: ("app", *made)
            case 6 | 7:
                kind = ("lam", "pi")[tag - 6]
                return fields[1:], lambda made: (kind, *made)
            case 8:
                return fields[1:], lambda made: ("let", *made)
            case 9:
                term = self._literal(fields[0])
            case 10:
                return fields[1:], lambda made: made[0]
            case _:
                structure, index = self.name(fields[0]), self._image.small(fields[1])
                return fields[2:], lambda made: ("proj", structure, index, *made)
        return (), lambda made: term

    def _literal(self, pointer: int) -> Term:
        tag, fields, _ = self._image.constructor(pointer)
        if tag > 1 or len(fields) != 1:
            raise OleanError("no literal")
        return ("nat", self._natural(fields[0])) if tag == 0 else ("str", self._string(fields[0]))

    # Constants

    def _constant(self, pointer: int) -> Constant:
        tag, fields, _ = self._image.constructor(pointer)
        if tag >= len(KINDS) or len(fields) != 1:
            raise OleanError("no constant")
        kind = KINDS[tag]
        count, scalars = ((1, 1), (4, 1), (3, 0), (3, 1), (1, 1), (6, 3), (5, 1), (7, 2))[tag]
        inner, rest = self._fields(fields[0], 0, count, scalars)
        (name_at, parameters_at, type_at), _ = self._fields(inner[0], 0, 3)
        name, parameters = self.name(name_at), self._names_of(parameters_at)
        type_ = self.expression(type_at)
        match kind:
            case "axiom" | "quotient":
                safety = "unsafe" if kind == "axiom" and rest[0] else ""
                return Constant(name, kind, parameters, type_, safety=safety)
            case "definition":
                value, safety = self.expression(inner[1]), ("unsafe", "", "partial")[min(rest[0], 2)]
                return Constant(name, kind, parameters, type_, value, safety, hint=self._hint(inner[2]))
            case "theorem" | "opaque":
                safety = "unsafe" if kind == "opaque" and rest[0] else ""
                return Constant(name, kind, parameters, type_, self.expression(inner[1]), safety)
            case "inductive type":
                return Constant(
                    name,
                    kind,
                    parameters,
                    type_,
                    safety="unsafe" if rest[1] else "",
                    group=self._names_of(inner[3]),
                    constructors=self._names_of(inner[4]),
                    numbers=(
                        self._image.small(inner[1]),
                        self._image.small(inner[2]),
                        self._image.small(inner[5]),
                    ),
                )
            case "constructor":
                numbers = tuple(self._image.small(inner[number]) for number in (2, 3, 4))
                safety = "unsafe" if rest[0] else ""
                group = (self.name(inner[1]),)
                return Constant(name, kind, parameters, type_, safety=safety, group=group, numbers=numbers)
            case _:
                counts = (*(self._image.small(inner[number]) for number in (2, 3, 4, 5)), rest[0])
                safety, types = "unsafe" if rest[1] else "", self._names_of(inner[1])
                return Constant(name, kind, parameters, type_, safety=safety, group=types, numbers=counts)

    def _hint(self, pointer: int) -> int:
        if pointer & 1:
            return min(pointer >> 1, 1)
        _, rest = self._fields(pointer, 2, 0, 4)
        height: int = struct.unpack_from("<I", rest)[0]
        return min(height, (1 << 24) - 3) + 2
