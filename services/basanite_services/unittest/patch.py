"""Reading a unified diff, as `git apply` takes it.

Only the text is looked at here; apply.py has what comes of it in a tree. Rules and names are those of git's apply.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_ESCAPES = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}
_MODES = (b"100644", b"100755", b"100664", b"100600", b"100640", b"100775")
_EXECUTABLE = (b"100755", b"100775")


class PatchRejected(Exception):
    """The patch is none, or does not apply. The message names file, hunk and line."""


@dataclass(slots=True)
class Hunk:
    """Lines with their terminators."""

    number: int
    """1-based, among the hunks of its file."""
    line: int
    """Of the patch, 1-based."""
    old_start: int
    new_start: int
    old: list[bytes] = field(default_factory=list)
    new: list[bytes] = field(default_factory=list)
    leading: int = 0
    """Lines of context before the first change."""
    trailing: int = 0


@dataclass(slots=True)
class FilePatch:
    """What becomes of one file."""

    line: int
    """Of the patch, 1-based."""
    old: str | None = None
    """Its path before; None: it is new."""
    new: str | None = None
    """Its path after; None: it is deleted."""
    is_copy: bool = False
    is_rename: bool = False
    executable: bool | None = None
    """None: as it was."""
    hunks: list[Hunk] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.new or self.old or ""


def parse(text: bytes) -> list[FilePatch]:
    """Raises PatchRejected. A text without any diff gives nothing."""
    return list(_Parser(text).files())


class _Parser:
    def __init__(self, text: bytes) -> None:
        self._lines = text.split(b"\n")
        self._ends_in_newline = text.endswith(b"\n")
        if self._lines[-1] == b"":
            self._lines.pop()
        self._at = 0

    def files(self) -> Iterator[FilePatch]:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line.startswith(b"diff --git "):
                yield self._git_file()
            elif (
                line.startswith(b"--- ") and self._next(1).startswith(b"+++ ") and _HUNK.match(self._next(2))
            ):
                file = FilePatch(self._at + 1)
                self._names(file)
                self._hunks(file)
                yield file
            elif _HUNK.match(line):
                raise self._refused("a hunk without the name of a file")
            else:
                self._at += 1

    def _next(self, ahead: int) -> bytes:
        at = self._at + ahead
        return self._lines[at] if at < len(self._lines) else b""

    def _refused(self, why: str, line: int | None = None) -> PatchRejected:
        return PatchRejected(f"the patch, line {self._at + 1 if line is None else line}: {why}")

    # Headers ---------------------------------------------------------------------------------------------

    def _git_file(self) -> FilePatch:
        file = FilePatch(self._at + 1)
        file.old = file.new = self._common_name(self._lines[self._at][len(b"diff --git ") :])
        named = file.old is not None
        self._at += 1
        is_new = is_deleted = has_names = False
        while self._at < len(self._lines):
            word, _, rest = self._lines[self._at].partition(b" ")
            line = self._lines[self._at]
            if line.startswith((b"old mode ", b"index ", b"similarity index ", b"dissimilarity index ")):
                if line.startswith(b"old mode "):
                    self._mode(rest)
            elif line.startswith(b"new mode "):
                file.executable = self._mode(rest)
            elif line.startswith(b"new file mode "):
                is_new, file.executable = True, self._mode(rest)
            elif line.startswith(b"deleted file mode "):
                is_deleted = True
                self._mode(rest)
            elif line.startswith((b"rename from ", b"rename old ", b"copy from ")):
                file.is_copy, file.is_rename = word == b"copy", word == b"rename"
                file.old, named = self._plain_name(rest.partition(b" ")[2]), True
            elif line.startswith((b"rename to ", b"rename new ", b"copy to ")):
                file.new = self._plain_name(rest.partition(b" ")[2])
            elif line.startswith(b"--- ") and self._next(1).startswith(b"+++ "):
                self._names(file)
                named = has_names = True
                break
            elif line.startswith((b"GIT binary patch", b"Binary files ")):
                raise self._refused("binary patches are not supported")
            else:
                break
            self._at += 1
        if not named:
            raise self._refused("a diff whose names are unclear", file.line)
        if has_names and (is_new != (file.old is None) or is_deleted != (file.new is None)):
            raise self._refused("a file that is new or deleted, or not, against its names", file.line)
        if is_new:
            file.old = None
        if is_deleted:
            file.new = None
        if file.old is None and file.new is None:
            raise self._refused("a diff without the name of a file", file.line)
        self._hunks(file)
        says_nothing = not (is_new or is_deleted or file.is_rename or file.is_copy)
        if not file.hunks and (has_names or (says_nothing and file.executable is None)):
            raise self._refused("a diff without hunks", file.line)
        return file

    def _mode(self, text: bytes) -> bool:
        mode = text.split(b" ")[-1].strip()
        if mode in (b"120000", b"160000"):
            what = "symbolic links" if mode == b"120000" else "submodules"
            raise self._refused(f"{what} cannot be part of a patch")
        if mode not in _MODES:
            raise self._refused(f"mode {mode[:20].decode(errors='replace')} is none of a file")
        return mode in _EXECUTABLE

    def _names(self, file: FilePatch) -> None:
        """Of `---` and `+++`."""
        before = self._path(self._lines[self._at][4:])
        after = self._path(self._lines[self._at + 1][4:])
        if before is None and after is None:
            raise self._refused("a diff without the name of a file")
        if not (file.is_rename or file.is_copy) and before is not None and after is not None:
            before = after = _best_name(before, after)
        file.old, file.new = before, after
        self._at += 2

    def _path(self, text: bytes) -> str | None:
        if not text.startswith(b'"'):
            text = text.partition(b"\t")[0].rstrip(b"\r")
            if text == b"/dev/null":
                return None
        name = self._unquoted(text)
        if name == "/dev/null":
            return None
        return self._without_prefix(name)

    def _without_prefix(self, name: str) -> str:
        """As -p1 does."""
        _, slash, rest = name.partition("/")
        if not slash or not rest or name.startswith("/"):
            raise self._refused(f"{name[:100]!r} lacks the prefix a/ or b/")
        return rest

    def _plain_name(self, text: bytes) -> str:
        return self._unquoted(text)

    def _unquoted(self, text: bytes) -> str:
        if text.startswith(b'"'):
            text = self._c_string(text)[0]
        try:
            return text.decode()
        except UnicodeDecodeError:
            raise self._refused("a name that is no UTF-8") from None

    def _c_string(self, text: bytes) -> tuple[bytes, bytes]:
        """-> (what is between the quotes, the rest)"""
        found, at = bytearray(), 1
        while at < len(text):
            character = text[at : at + 1]
            if character == b'"':
                return bytes(found), text[at + 1 :]
            if character == b"\\":
                escape = text[at + 1 : at + 2].decode(errors="replace")
                digits = text[at + 1 : at + 4]
                if escape in _ESCAPES:
                    found.append(_ESCAPES[escape])
                    at += 2
                elif re.fullmatch(rb"[0-3][0-7]{2}", digits):
                    found.append(int(digits, 8))
                    at += 4
                else:
                    break
            else:
                found += character
                at += 1
        raise self._refused("a quoted name that does not end")

    def _common_name(self, text: bytes) -> str | None:
        """The name that both sides of `diff --git` have, None if they differ or cannot be told apart."""
        text = text.rstrip(b"\r")
        if text.startswith(b'"'):
            first, rest = self._c_string(text)
            rest = rest.lstrip(b" ")
            second = self._c_string(rest)[0] if rest.startswith(b'"') else rest
            pairs = [(first, second)]
        else:
            spaces = [at for at in range(len(text)) if text[at : at + 1] == b" "]
            middle = [at for at in spaces if at * 2 + 1 == len(text)]
            pairs = [(text[:at], text[at + 1 :]) for at in middle]
        for one, other in pairs:
            a, b = one.partition(b"/")[2], other.partition(b"/")[2]
            if a and a == b:
                try:
                    return a.decode()
                except UnicodeDecodeError:
                    raise self._refused("a name that is no UTF-8") from None
        return None

    # Hunks -----------------------------------------------------------------------------------------------

    def _hunks(self, file: FilePatch) -> None:
        while self._at < len(self._lines) and (match := _HUNK.match(self._lines[self._at])):
            old_start, old_count, new_start, new_count = (
                1 if group is None else int(group) for group in match.groups()
            )
            hunk = Hunk(len(file.hunks) + 1, self._at + 1, old_start, new_start)
            self._at += 1
            self._body(hunk, old_count, new_count)
            if not (old_count or new_count) or all(line[:1] == b" " for line in self._between(hunk)):
                raise self._refused("a hunk that changes nothing", hunk.line)
            file.hunks.append(hunk)
        if not file.hunks and self._at < len(self._lines) and self._lines[self._at].startswith(b"@@"):
            raise self._refused("a hunk whose header is none")

    def _between(self, hunk: Hunk) -> list[bytes]:
        """Lines of the hunk that say something."""
        return [line or b" " for line in self._lines[hunk.line : self._at] if line[:1] != b"\\"]

    def _body(self, hunk: Hunk, old_left: int, new_left: int) -> None:
        changed = False
        last: list[list[bytes]] = []
        while old_left or new_left:
            if self._at >= len(self._lines):
                raise self._refused("the patch ends in the middle of a hunk", self._at)
            line = self._lines[self._at]
            kind, content = line[:1], line[1:] + b"\n"
            if kind in (b" ", b""):
                last = [hunk.old, hunk.new]
                old_left, new_left = old_left - 1, new_left - 1
                if changed:
                    hunk.trailing += 1
                else:
                    hunk.leading += 1
            elif kind == b"-":
                last, changed, hunk.trailing = [hunk.old], True, 0
                old_left -= 1
            elif kind == b"+":
                last, changed, hunk.trailing = [hunk.new], True, 0
                new_left -= 1
            elif kind == b"\\" and last:
                _cut_newline(last)
                self._at += 1
                continue
            else:
                raise self._refused("a line of a hunk begins with none of space, + and -")
            if old_left < 0 or new_left < 0:
                raise self._refused("a hunk has more lines than its header says")
            for side in last:
                side.append(content if line else b"\n")
            self._at += 1
        if self._at < len(self._lines) and self._lines[self._at].startswith(b"\\") and last:
            _cut_newline(last)
            self._at += 1


def _cut_newline(sides: list[list[bytes]]) -> None:
    for side in sides:
        side[-1] = side[-1].removesuffix(b"\n")


def _best_name(before: str, after: str) -> str:
    """Of two names of one file: git takes the shorter one, `x.orig` being a copy of it."""
    if before == after:
        return after
    return before if len(before) < len(after) and after.startswith(before) else after
