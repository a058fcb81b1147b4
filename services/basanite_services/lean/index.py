"""What is known of the constants of trusted modules, made once by reading them, and then looked up in a mapped file.

For each constant the axioms that it depends on, so that no check reads a library. The file: a header, keys in order,
for each key the number of a set of axioms, and the sets as JSON. A key is a hash of a name.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from basanite_services.lean.module import Constant, Module, read_imports_of, read_module
from basanite_services.lean.olean import Image, Layout, OleanError
from basanite_services.lean.reach import Dependencies, mentioned
from basanite_services.lean.terms import Component, Terms

_MAGIC: Final = b"basanite lean index 1\n\0\0"
_HEAD: Final = struct.Struct(f"<{len(_MAGIC)}sQ")
_KEY_BYTES: Final = 16
Name = tuple[Component, ...]
T = TypeVar("T")


class LibraryError(Exception):
    """Trusted modules cannot be read; the message says which and why."""


class Index:
    """Of all constants of some modules and of those that they import."""

    def __init__(self, path: Path) -> None:
        """Raises OSError and ValueError for a file that is none."""
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, count = _HEAD.unpack_from(self._map)
        self._count: int = count
        if magic != _MAGIC:
            raise ValueError("no index")
        numbers = _HEAD.size + self._count * _KEY_BYTES
        self._numbers = struct.Struct("<I")
        self._first_number = numbers
        sets = json.loads(self._map[numbers + 4 * self._count :])
        self._sets: list[frozenset[Name]] = [frozenset(tuple(name) for name in names) for names in sets]

    def __len__(self) -> int:
        return self._count

    def axioms(self, name: Name) -> frozenset[Name] | None:
        """Those that a constant depends on; None if no module has such a one."""
        key = _key(name)
        at = bisect_left(_Keys(self._map, self._count), key)
        if at == self._count or _Keys(self._map, self._count)[at] != key:
            return None
        number: int = self._numbers.unpack_from(self._map, self._first_number + 4 * at)[0]
        return self._sets[number]


class _Keys(Sequence[bytes]):
    """The keys of an index, where they lie."""

    def __init__(self, data: mmap.mmap, count: int) -> None:
        self._data = data
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, at: int) -> bytes:  # type: ignore[override]
        start = _HEAD.size + at * _KEY_BYTES
        return self._data[start : start + _KEY_BYTES]


def write_index(path: Path, axioms: Mapping[Name, frozenset[Name]]) -> None:
    """Atomically."""
    sets: dict[frozenset[Name], int] = {}
    entries = sorted((_key(name), sets.setdefault(found, len(sets))) for name, found in axioms.items())
    if len({key for key, _ in entries}) < len(entries):
        raise LibraryError("two names have one key")
    scratch = path.with_suffix(".new")
    with scratch.open("wb") as file:
        file.write(_HEAD.pack(_MAGIC, len(entries)))
        file.writelines(key for key, _ in entries)
        file.write(struct.pack(f"<{len(entries)}I", *(number for _, number in entries)))
        file.write(json.dumps([sorted(map(list, names), key=str) for names in sets]).encode())
    scratch.rename(path)


@dataclass(frozen=True, slots=True)
class Imported:
    """A module that is imported."""

    name: Name
    files: tuple[Path, ...]
    """What it was compiled to."""


class Reader:
    """Of trusted compiled files."""

    def __init__(self, places: Sequence[Path], layout: Layout, lean: tuple[str, str]) -> None:
        """`places`: directories to look for modules in. `lean`: version and commit."""
        self._places = places
        self._layout = layout
        self._lean = lean

    def imported(self, names: Iterable[Name]) -> list[Imported]:
        """These modules and all that they import, each after those that it imports itself. Raises LibraryError."""
        found: list[Imported] = []
        waiting: dict[Name, Imported] = {}
        done: set[Name] = set()
        stack = [(name, False) for name in reversed([*names])]
        while stack:
            name, is_ready = stack.pop()
            if name in done:
                continue
            if is_ready:
                done.add(name)
                found.append(waiting.pop(name))
                continue
            if name in waiting:
                raise LibraryError(f"the module {_dotted(name)} imports itself")
            waiting[name] = Imported(name, self._files(name))
            terms = Terms()
            imports = self._read(waiting[name], terms, read_imports_of)
            stack.append((name, True))
            stack.extend((terms.components(inner), False) for inner in reversed(imports))
        return found

    def axioms(self, modules: Iterable[Imported]) -> dict[Name, frozenset[Name]]:
        """Of every constant of these modules, in order. Raises LibraryError."""
        found: dict[Name, frozenset[Name]] = {}
        for module in modules:
            terms = Terms()
            content = self._read(module, terms, read_module)
            try:
                _add_axioms(terms, content, found)
            except OleanError as error:
                raise LibraryError(f"{module.files[0]}: {error}") from None
        return found

    def _files(self, name: Name) -> tuple[Path, ...]:
        for place in self._places:
            path = place.joinpath(*map(str, name[:-1]), f"{name[-1]}.olean")
            if path.is_file():
                parts = (path.with_name(f"{path.name}.{end}") for end in ("server", "private"))
                return (path, *(part for part in parts if part.is_file()))
        raise LibraryError(f"there is no module {_dotted(name)}")

    def _read(self, module: Imported, terms: Terms, read: Callable[[Image, Terms], T]) -> T:
        with ExitStack() as stack:
            try:
                files = [stack.enter_context(path.open("rb")) for path in module.files]
                maps = [mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) for file in files]
                parts = [stack.enter_context(one) for one in maps]
                return read(Image(parts, self._layout, self._lean), terms)
            except (OleanError, OSError, ValueError) as error:
                raise LibraryError(f"{module.files[0]}: {error}") from None


def _add_axioms(terms: Terms, module: Module, found: dict[Name, frozenset[Name]]) -> None:
    """Of what a module declares; of all that it imports they are known. Unsafe constants are left out: nothing that is
    proved can mention them."""
    known: dict[int, frozenset[Name]] = {}
    none: frozenset[Name] = frozenset()
    safe = [name for name, constant in module.constants.items() if not constant.safety]
    for group in Dependencies(terms, module.constants).reach(safe).groups:
        union: set[Name] = set()
        names = {constant.name for constant in group}
        for name in _mentions(terms, group):
            if name in names:
                continue
            if name in known:
                union |= known[name]
            else:
                components = terms.components(name)
                if components not in found:
                    raise LibraryError(f"there is no constant {terms.shown(name)}")
                union |= found[components]
        union |= {terms.components(constant.name) for constant in group if constant.kind == "axiom"}
        axioms = frozenset(union) if union else none
        for constant in group:
            known[constant.name] = axioms
    for name, axioms in known.items():
        found[terms.components(name)] = axioms


def _mentions(terms: Terms, group: Sequence[Constant]) -> Iterable[int]:
    roots = [constant.type for constant in group]
    roots += [constant.value for constant in group if constant.value is not None]
    return filter(None, mentioned(terms, roots))


def _dotted(name: Name) -> str:
    return ".".join(map(str, name))


def _key(name: Name) -> bytes:
    state = hashlib.blake2b(digest_size=_KEY_BYTES)
    for component in name:
        raw = component.encode() if isinstance(component, str) else b"%d" % component
        kind = b"s" if isinstance(component, str) else b"n"
        state.update(kind + len(raw).to_bytes(8, "little") + raw)
    return state.digest()
