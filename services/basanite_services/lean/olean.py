"""Reads what Lean compiles to (.olean), in plain Python: no such file that a candidate could have written is ever
given to Lean.

A file is an image of memory: a header, then objects, each with a header of eight bytes and pointers to others, from an
address that the file names (Lean 4, src/runtime/object.h and compact.h). In a file that Lean has written objects do not
overlap, and none is part of itself; what breaks this, or any size, is refused, so that the work is proportional to the
file.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

Data: TypeAlias = bytes | mmap.mmap
MAX_BYTES: Final = 1 << 30
_MAGIC: Final = b"olean"
_HEADER: Final = 88
_MAX_CONSTRUCTOR: Final = 244
_ARRAY, _STRING, _NATURAL = 246, 249, 250
_FIRST_ITEM: Final = 24
_FIRST_LETTER: Final = 32
_FIRST_DIGIT: Final = 24


class OleanError(Exception):
    """It is not a file that this version of Lean writes. Says nothing else about it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What depends on Lean's version."""

    format: int
    """The header's number for it."""


LAYOUTS: Final = {"4.35": Layout(format=2)}
"""By Lean's version, major and minor: those that were tried."""


class Image:
    """The objects of a file. Pointers are numbers as the file has them; odd ones stand for small numbers."""

    def __init__(self, parts: Sequence[Data], layout: Layout, lean: tuple[str, str]) -> None:
        """`parts`: one file, or those that a file with the header `module` is compiled to, from .olean to
        .olean.private, which point into those before. `lean`: version and commit. Raises OleanError."""
        self._parts: list[tuple[int, Data]] = []
        for data in parts:
            if not _HEADER + 8 <= len(data) <= MAX_BYTES:
                raise OleanError(f"{len(data)} bytes")
            if data[:5] != _MAGIC or data[5] != layout.format:
                raise OleanError("another format")
            version = data[7:40].rstrip(b"\0"), data[40:80].rstrip(b"\0")
            if version != (lean[0].encode(), lean[1].encode()):
                raise OleanError("made by another Lean")
            base, self.root = struct.unpack_from("<QQ", data, 80)
            self._parts.append((base, data))
        self._left = 2 * sum(map(len, parts))
        """Bytes that may still be read. Objects do not overlap, but lists have common ends, which are read again."""

    def constructor(self, pointer: int) -> tuple[int, tuple[int, ...], bytes]:
        """Which constructor of its type, its fields, and what of it is no object. Reading the same one twice counts
        twice: callers remember what they read."""
        if pointer & 1:
            return pointer >> 1, (), b""
        data, at, size, count, tag = self._header(pointer)
        if tag > _MAX_CONSTRUCTOR or size < 8 + 8 * count or size % 8:
            raise OleanError("no constructor")
        self._take(data, at, size)
        fields = struct.unpack_from(f"<{count}Q", data, at + 8)
        return tag, fields, data[at + 8 + 8 * count : at + size]

    def array(self, pointer: int) -> tuple[int, ...]:
        data, at, _, _, tag = self._header(pointer)
        if tag != _ARRAY:
            raise OleanError("no array")
        count = _size(data, at + 8)
        self._take(data, at, _FIRST_ITEM + 8 * count)
        return struct.unpack_from(f"<{count}Q", data, at + _FIRST_ITEM)

    def string(self, pointer: int) -> str:
        data, at, _, _, tag = self._header(pointer)
        if tag != _STRING:
            raise OleanError("no string")
        size = _size(data, at + 8)
        self._take(data, at, _FIRST_LETTER + size)
        raw = data[at + _FIRST_LETTER : at + _FIRST_LETTER + size]
        if raw[-1:] != b"\0":
            raise OleanError("a string without an end")
        try:
            text = raw[:-1].decode()
        except UnicodeDecodeError:
            raise OleanError("a string that is no text") from None
        if len(text) != _size(data, at + 24):
            raise OleanError("a string of another length")
        return text

    def small(self, pointer: int) -> int:
        """A number below 2^63, as all are but numerals."""
        if not pointer & 1:
            raise OleanError("a number that is too large")
        return pointer >> 1

    def natural(self, pointer: int) -> int:
        """A number that is not negative."""
        if pointer & 1:
            return pointer >> 1
        data, at, _, _, tag = self._header(pointer)
        if tag != _NATURAL:
            raise OleanError("no number")
        self._take(data, at, _FIRST_DIGIT)
        _, count, digits = struct.unpack_from("<iiQ", data, at + 8)
        if count <= 0:  # a negative one is no Nat, whatever Lean would make of it
            raise OleanError("a number below one")
        data, first = self._place(digits)
        self._take(data, first, 8 * count)
        value = int.from_bytes(data[first : first + 8 * count], "little")
        if value >> 63 == 0:
            raise OleanError("a small number in the form of a large one")
        return value

    def _place(self, pointer: int) -> tuple[Data, int]:
        """The part that an address lies in, and where in it."""
        for base, data in self._parts:
            if _HEADER <= pointer - base < len(data):
                return data, pointer - base
        raise OleanError("a pointer to nowhere")

    def _header(self, pointer: int) -> tuple[Data, int, int, int, int]:
        """Part, offset in it, size, number of fields and tag."""
        data, at = self._place(pointer)
        if at % 8 or at + 8 > len(data):
            raise OleanError("a pointer to nowhere")
        _, size, count, tag = struct.unpack_from("<iHBB", data, at)
        return data, at, size, count, tag

    def _take(self, data: Data, at: int, size: int) -> None:
        if at + size > len(data):
            raise OleanError("an object that is not whole")
        self._left -= size
        if self._left < 0:
            raise OleanError("objects that overlap")


def _size(data: Data, at: int) -> int:
    """A number that something in the file has so many of."""
    if at + 8 > len(data):
        raise OleanError("an object that is not whole")
    value: int = struct.unpack_from("<Q", data, at)[0]
    if value > len(data):
        raise OleanError("an object that is not whole")
    return value
