"""The files of a repository, read on the server: never through a symbolic link."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from basanite_services.unittest.apply import MAX_FILE_BYTES
from basanite_services.unittest.patch import PatchRejected


class WorkTree:
    """A directory that nobody changes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def exists(self, path: str) -> bool:
        """Whether there is a file or directory of that path, not behind a link."""
        kind = self._kind(path)
        return kind is not None and not stat.S_ISLNK(kind)

    def is_file(self, path: str) -> bool:
        kind = self._kind(path)
        return kind is not None and stat.S_ISREG(kind)

    def read(self, path: str) -> bytes | None:
        """As apply.Files has it."""
        kind = self._kind(path)
        if kind is None:
            return None
        if not stat.S_ISREG(kind):
            raise PatchRejected(f"{path[:200]}: is no regular file")
        place = self._directory / path
        if place.stat().st_size > MAX_FILE_BYTES:
            raise PatchRejected(f"{path[:200]}: has more than {MAX_FILE_BYTES} bytes")
        return place.read_bytes()

    def _kind(self, path: str) -> int | None:
        """Mode of what is there, None if nothing is. Raises PatchRejected for what lies behind a link or a file."""
        place = self._directory
        *folders, name = path.split("/")
        for folder in folders:
            place = place / folder
            mode = _mode(place)
            if mode is None:
                return None
            if not stat.S_ISDIR(mode):
                raise PatchRejected(f"{path[:200]}: lies behind {folder[:200]!r}, which is no directory")
        return _mode(place / name)


def _mode(place: Path) -> int | None:
    try:
        return os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise PatchRejected(f"{place.name[:200]!r}: {error.strerror}") from None
