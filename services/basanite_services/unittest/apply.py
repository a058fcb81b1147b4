"""What a patch makes of a tree: contents of files, computed without touching any.

Follows git's apply.c: a hunk may have moved, but its context must be there exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Protocol

from basanite_sandboxes.spec import check_file_names
from basanite_services.unittest.patch import FilePatch, Hunk, PatchRejected

MAX_FILE_BYTES = 16 << 20
MAX_RESULT_BYTES = 64 << 20
MAX_COMPARISONS = 5_000_000
"""Of lines, over the whole patch: honest hunks are found where they say, or nearby."""


class Files(Protocol):
    """A tree."""

    def read(self, path: str) -> bytes | None:
        """A regular file's content; None if there is none. Raises PatchRejected if it is too large, no regular file, or
        behind a symbolic link."""


@dataclass(slots=True)
class Changes:
    """What is to be done to a tree."""

    files: dict[str, bytes] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    executable: set[str] = field(default_factory=set)


class _Budget:
    def __init__(self) -> None:
        self.comparisons = MAX_COMPARISONS

    def spend(self, count: int) -> None:
        self.comparisons -= count
        if self.comparisons < 0:
            raise PatchRejected(
                "the patch is too far from the files that it names: its hunks cannot be placed"
            )


def apply(patches: Iterable[FilePatch], tree: Files) -> Changes:
    """Raises PatchRejected, naming file and hunk."""
    done, budget = _State(tree), _Budget()
    for patch in patches:
        for name in {patch.old, patch.new} - {None}:
            _check_name(str(name))
        _apply_one(patch, done, budget)
    changes = done.changes
    try:
        check_file_names(changes.files)
    except ValueError as error:
        raise PatchRejected(f"the patch makes a file and a directory of one name: {error}") from None
    if sum(map(len, changes.files.values())) > MAX_RESULT_BYTES:
        raise PatchRejected(
            f"the files that the patch changes must be at most {MAX_RESULT_BYTES} bytes together"
        )
    return changes


def _check_name(name: str) -> None:
    parts = name.split("/")
    if any(part in ("..", ".", "") for part in parts) or "\0" in name:
        raise PatchRejected(f"{name[:200]!r} lies outside of the repository")
    if any(part.lower() == ".git" for part in parts):
        raise PatchRejected(f"{name[:200]!r} is not part of the repository")
    try:
        check_file_names([name])
    except ValueError as error:
        raise PatchRejected(str(error)) from None


class _State:
    """A tree with the changes so far."""

    def __init__(self, tree: Files) -> None:
        self._tree = tree
        self.changes = Changes()

    def read(self, path: str) -> bytes | None:
        if path in self.changes.removed:
            return None
        if any(str(parent) in self.changes.removed for parent in PurePosixPath(path).parents):
            return self.changes.files.get(path)  # where there was a file, there is a directory now
        known = self.changes.files.get(path)
        return self._tree.read(path) if known is None else known

    def remove(self, path: str) -> None:
        self.changes.files.pop(path, None)
        self.changes.executable.discard(path)
        self.changes.removed.add(path)

    def write(self, path: str, content: bytes, executable: bool | None) -> None:
        self.changes.removed.discard(path)
        self.changes.files[path] = content
        if executable is not None:
            (self.changes.executable.add if executable else self.changes.executable.discard)(path)


def _apply_one(patch: FilePatch, state: _State, budget: _Budget) -> None:
    before: bytes | None = b""
    if patch.old is not None:
        before = state.read(patch.old)
        if before is None:
            raise PatchRejected(f"{patch.old[:200]}: there is no such file")
    if patch.new is not None and patch.new != patch.old and state.read(patch.new) is not None:
        raise PatchRejected(f"{patch.new[:200]}: exists already")
    assert before is not None
    after = _patched(before, patch, budget)
    if patch.new is None:
        if after:
            raise PatchRejected(f"{patch.name[:200]}: the patch removes the file, but not all of its lines")
        state.remove(str(patch.old))
        return
    if patch.old is not None and patch.old != patch.new and not patch.is_copy:
        state.remove(patch.old)
    state.write(patch.new, after, patch.executable)


def _patched(content: bytes, patch: FilePatch, budget: _Budget) -> bytes:
    lines = content.split(b"\n")
    image = [line + b"\n" for line in lines[:-1]]
    if lines[-1]:
        image.append(lines[-1])
    patched = [False] * len(image)
    for hunk in patch.hunks:
        at = _find(image, patched, hunk, budget)
        if at is None:
            raise PatchRejected(
                f"hunk {hunk.number} of {patch.name[:200]} (line {hunk.line} of the patch) does not apply"
                + _first_difference(image, hunk)
            )
        image[at : at + len(hunk.old)] = hunk.new
        patched[at : at + len(hunk.old)] = [True] * len(hunk.new)
    return b"".join(image)


def _find(image: list[bytes], patched: list[bool], hunk: Hunk, budget: _Budget) -> int | None:
    """Where the hunk's old lines are: where it says, or as near to that as they are."""
    size, last = len(hunk.old), len(image) - len(hunk.old)
    if last < 0:
        return None
    at_beginning = hunk.old_start in (0, 1)
    at_end = not hunk.trailing
    if at_beginning:
        places: Iterable[int] = (0,)
    elif at_end:
        places = (last,)
    else:
        places = _outward(min(max(0, hunk.new_start - 1), len(image)), last)
    for at in places:
        if at_end and at != last:
            continue
        budget.spend(1)
        if size and image[at] != hunk.old[0]:
            continue
        budget.spend(size)
        if image[at : at + size] == hunk.old and not any(patched[at : at + size]):
            return at
    return None


def _outward(start: int, last: int) -> Iterable[int]:
    """All of 0 to `last`, the nearest first, of two as near the later one."""
    if start <= last:
        yield start
    for distance in range(1, max(start, last - start) + 1):
        if start + distance <= last:
            yield start + distance
        if 0 <= start - distance <= last:
            yield start - distance


def _first_difference(image: list[bytes], hunk: Hunk) -> str:
    """What is not as the hunk has it, where it says it is."""
    start = max(0, hunk.old_start - 1)
    for number, line in enumerate(hunk.old):
        there = image[start + number] if start + number < len(image) else None
        if there != line:
            wanted = line.rstrip(b"\n")[:80].decode(errors="replace")
            if there is None:
                return f": the file ends before line {start + number + 1}, {wanted!r}"
            found = there.rstrip(b"\n")[:80].decode(errors="replace")
            return f": line {start + number + 1} is {found!r}, not {wanted!r}"
    return ""
