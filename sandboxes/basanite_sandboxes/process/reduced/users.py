"""User ids that nobody else on this machine uses: two for each cell, that of its runs and that which ends them."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from basanite_sandboxes.spec import SandboxUnavailable

_TOGETHER = 64
"""Ids are reserved so many at a time."""
_LARGEST = 2**31
_ATTEMPTS = 50


class Users:
    """Reserved until closed.

    Without namespaces a user that two servers share would end the runs of both. And the kernel counts the processes
    of a user in all containers together, hence the random choice.
    """

    def __init__(self, cells: int, base: int) -> None:
        """Raises SandboxUnavailable if there are not enough."""
        blocks = -(-2 * cells // _TOGETHER)
        first = -(-base // _TOGETHER)
        choices = min(_LARGEST, _mapped_until(base)) // _TOGETHER - first - blocks + 1
        self._sockets: list[socket.socket] = []
        if choices > 0:
            for _ in range(_ATTEMPTS):
                chosen = first + random.randrange(choices)
                if self._reserve(range(chosen, chosen + blocks)):
                    self._first = chosen * _TOGETHER
                    return
        raise SandboxUnavailable(
            f"there are no {2 * cells} free user ids from {base} on: set BASANITE_SANDBOX_UID_BASE lower"
        )

    def of_cell(self, number: int) -> tuple[int, int]:
        """-> (user of its runs, user that ends them)"""
        return self._first + 2 * number, self._first + 2 * number + 1

    def close(self) -> None:
        for held in self._sockets:
            held.close()
        self._sockets.clear()

    def _reserve(self, blocks: range) -> bool:
        """By names that only one process can have, and that go with it."""
        try:
            for block in blocks:
                held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._sockets.append(held)
                held.bind(f"\0basanite-users-{block}")
        except OSError:
            self.close()
            return False
        return True


def _mapped_until(uid: int) -> int:
    """The end of the range of ids, users and groups, around this one that exist in our user namespace."""
    ends = []
    for name in ("uid_map", "gid_map"):
        ranges = (map(int, line.split()) for line in Path("/proc/self", name).read_text().splitlines())
        ends.append(next((first + count for first, _, count in ranges if first <= uid < first + count), 0))
    return min(ends)
