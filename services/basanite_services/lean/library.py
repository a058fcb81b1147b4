"""What the imports of a challenge stand for: an index of their constants, and a snapshot of Lean's state after them.

Both are made once by trusted code, for the toolchain and every compiled file that is imported, known by their hashes,
and kept. A snapshot of other files than those that are there would crash Lean: whether they are is looked at before
each use.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from basanite_sandboxes.kept import cache_directory, kept_directory
from basanite_sandboxes.lean import Lean
from basanite_services.lean.header import Imports
from basanite_services.lean.index import Index, Reader, write_index
from basanite_services.lean.olean import LAYOUTS
from basanite_services.lean.terms import shown

INIT = ("Init",)
"""The module that every file imports."""
_MOST = 64
_LOOK_SECONDS = 1.0
_INDEX, _HEADER = "index", "header.snapshot"
_PLACE = "lean-headers"


def headers_directory() -> Path:
    """Where snapshots lie; sandboxes must see it."""
    place = cache_directory() / _PLACE
    place.mkdir(mode=0o755, parents=True, exist_ok=True)
    return place


@dataclass(frozen=True, slots=True)
class Library:
    imports: Imports
    text: str
    """A header that imports them."""
    index: Index
    header: Path | None
    """None: this Lean makes no snapshots."""
    files: tuple[Path, ...]
    """All that was read, and the snapshot."""
    state: tuple[tuple[int, int], ...]
    """Of each file when it was read: size, and time of its last change in nanoseconds."""


class Libraries:
    """The last used."""

    def __init__(self, lean: Lean) -> None:
        self._lean = lean
        self._known: OrderedDict[tuple[Path | None, Imports], tuple[Library, float]] = OrderedDict()
        self._lock = asyncio.Lock()

    async def get(self, project: Path | None, imports: Imports) -> Library:
        """Raises LibraryError, SandboxUnavailable."""
        key = (project, tuple(dict.fromkeys(imports)))
        async with self._lock:  # making one takes long, and two that ask want the same
            known = self._known.pop(key, None)
            now = time.monotonic()
            if known is not None and now - known[1] > _LOOK_SECONDS:
                is_there = await asyncio.to_thread(_state, known[0].files)
                known = (known[0], now) if is_there == known[0].state else None
            if known is None:
                known = (await asyncio.to_thread(self._make, *key), now)
            self._known[key] = known
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
            return known[0]

    def _make(self, project: Path | None, imports: Imports) -> Library:
        lean = self._lean
        reader = Reader(lean.search_path(project), LAYOUTS[lean.release], (lean.version, lean.commit))
        modules = reader.imported([INIT, *imports])
        files = tuple(path for module in modules for path in module.files)
        state = _state(files)
        text = "".join(f"import {shown(name)}\n" for name in imports)
        parts = [lean.commit.encode(), str(lean.program).encode(), lean.program.read_bytes(), text.encode()]
        parts += [str(path).encode() + _digest(path) for path in files]

        def make(directory: Path) -> None:
            write_index(directory / _INDEX, reader.axioms(modules))
            if not lean.save_header(text, directory / _HEADER, project):
                for path in directory.glob(f"{_HEADER}*"):
                    path.unlink()

        place = kept_directory("library", parts, make, headers_directory())
        header = place / _HEADER
        kept = (header,) if header.is_file() else ()
        return Library(
            imports,
            text,
            Index(place / _INDEX),
            kept[0] if kept else None,
            (*files, *kept),
            state + _state(kept),
        )


def _state(files: Sequence[Path]) -> tuple[tuple[int, int], ...]:
    found = []
    for path in files:
        try:
            about = path.stat()
        except OSError:
            found.append((-1, 0))
        else:
            found.append((about.st_size, about.st_mtime_ns))
    return tuple(found)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
