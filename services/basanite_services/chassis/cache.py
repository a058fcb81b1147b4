"""Verdicts already given, the least recently used dropped first. Only what the judge puts in is in it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from basanite.v1 import result_pb2

# A dict entry, the key, the Entry and the headers of both byte strings; measured on CPython 3.11.
_OVERHEAD_BYTES = 400


@dataclass(frozen=True, slots=True)
class Entry:
    """A verdict on an item, without the item's id."""

    body: bytes
    """A serialized Result without id."""
    outcome: str
    assurance: result_pb2.Assurance.ValueType


class VerdictCache:
    """Maps digests to verdicts, at most `max_bytes` of memory."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, digest: str) -> Entry | None:
        """The verdict, or None."""
        entry = self._entries.get(digest)
        if entry is not None:
            self._entries.move_to_end(digest)
        return entry

    def put(self, digest: str, entry: Entry) -> None:
        """Keep a verdict, unless it alone is too large."""
        size = len(entry.body) + _OVERHEAD_BYTES
        if size > self._max_bytes:
            return
        old = self._entries.pop(digest, None)
        if old is not None:
            self.used_bytes -= len(old.body) + _OVERHEAD_BYTES
        self._entries[digest] = entry
        self.used_bytes += size
        while self.used_bytes > self._max_bytes:
            _, dropped = self._entries.popitem(last=False)
            self.used_bytes -= len(dropped.body) + _OVERHEAD_BYTES
