"""What the files of one run take: those in its /tmp, and those without a name that it holds open or mapped.

Not seen: files without a name that are on their way from one process to another.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from basanite_sandboxes.process import procfs
from basanite_sandboxes.process.processes import INODES

MOST_NESTED = 200
_BLOCK = 512


class OverDisk(Exception):
    """More than allowed; the rest was not counted."""


class Usage:
    """Counts until it is over; then every method raises OverDisk."""

    def __init__(self, most_bytes: int) -> None:
        self._bytes = most_bytes
        self._files = INODES
        self._known: set[int] = set()

    def add(self, found: os.stat_result) -> None:
        if found.st_nlink != 1:
            if found.st_ino in self._known:
                return
            self._known.add(found.st_ino)
        self._take(found.st_blocks * _BLOCK)

    def _take(self, size: int) -> None:
        self._bytes -= size
        self._files -= 1
        if self._bytes < 0 or self._files < 0:
            raise OverDisk

    def add_directory(self, fd: int, nested: int = 0) -> None:
        """All below a directory that may change meanwhile, by descriptors: no link leads out of it. Takes over the
        descriptor."""
        try:
            if nested > MOST_NESTED:
                raise OverDisk
            inner = []
            with os.scandir(fd) as entries:
                for entry in entries:
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    self.add(found)
                    if stat.S_ISDIR(found.st_mode):
                        inner.append(entry.name)
            for name in inner:
                try:
                    child = os.open(
                        name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd
                    )
                except OSError:
                    continue
                self.add_directory(child, nested + 1)
        finally:
            os.close(fd)

    def add_open_files(self, pid: int, user: int, device: int, is_isolated: Callable[[], bool]) -> None:
        """Those without a name, of a process of this user. A run that hides them counts as one that has too many: only
        executing a file that nobody may read does that."""
        if procfs.user_of(pid) != user:
            return
        with procfs.as_user(user):
            try:
                numbers = os.listdir(f"/proc/{pid}/fd")
            except PermissionError:
                if procfs.user_of(pid) == user and is_isolated():
                    raise OverDisk from None
                return
            except OSError:
                return
            for number in numbers:
                try:
                    found = Path(f"/proc/{pid}/fd/{number}").stat()
                except OSError:
                    continue
                if found.st_nlink == 0 and found.st_dev == device and not stat.S_ISDIR(found.st_mode):
                    self.add(found)
            try:
                mapped = Path(f"/proc/{pid}/maps").read_bytes()
            except OSError:
                return
        self._add_mapped(mapped)

    def _add_mapped(self, lines: bytes) -> None:
        for line in lines.splitlines():
            if line.endswith(b" (deleted)"):
                addresses, _, _, _, inode, path = line.split(None, 5)
                if not path.startswith((b"/dev/zero", b"/memfd:")) and int(inode) not in self._known:
                    self._known.add(int(inode))
                    first, _, end = addresses.partition(b"-")
                    self._take(int(end, 16) - int(first, 16))


def is_over(
    directory: Path, members: list[int], user: int, most_bytes: int, is_isolated: Callable[[], bool]
) -> bool:
    """Whether a run uses more of the disk, or more files, than it may. `is_isolated`: whether it is through with
    becoming that user, on the way to which nobody can look into it."""
    usage = Usage(most_bytes)
    try:
        top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        device = os.fstat(top).st_dev
        usage.add_directory(top)
        for pid in members:
            usage.add_open_files(pid, user, device, is_isolated)
    except OverDisk:
        return True
    except OSError:  # the run has ended
        return False
    return False
