"""The root directories of the cells: copied once, then one of hard links for each cell; swept when the server is gone.

BASE/lock                 held while the server lives
BASE/store/N/..           the contents for one environment
BASE/cells/N/..           the root of cell number N: its files are the store's, its directories its own
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from basanite_sandboxes.guest import wire
from basanite_sandboxes.process.reduced.contents import Contents
from basanite_sandboxes.spec import SandboxUnavailable

_PREFIX = "basanite-roots-"
_PLACES = (tempfile.gettempdir(), "/var/tmp", "/var/lib", "/run")
_DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 9), "urandom": (1, 9)}
_READ_AND_RUN = 0o555
_OPEN_DIRECTORY = 0o755


class Roots:
    """Blocking calls; `make` for different numbers may run in several threads."""

    def __init__(self) -> None:
        """Take a place, and remove what servers left that were killed. Raises SandboxUnavailable."""
        self._stores = 0
        self._built: dict[int, Path] = {}
        reasons = []
        for place in dict.fromkeys(_PLACES):
            try:
                _sweep(Path(place))
                self._base, self._lock = _make_base(Path(place))
            except OSError as error:
                reasons.append(f"{place}: {error.strerror}")
                continue
            return
        raise SandboxUnavailable(
            "no directory can hold the cells' roots, which needs devices and programs in it "
            f"({'; '.join(reasons)}): set TMPDIR to one on a file system mounted without nodev and noexec"
        )

    def make_store(self, contents: Contents, texts: Mapping[str, bytes]) -> Path:
        """Copy the contents for all cells of one environment; `texts`: further files."""
        store = self._base / "store" / str(self._stores)
        self._stores += 1
        try:
            for place, source in contents.files.items():
                target = _below(store, place)
                shutil.copy2(source, target)  # with its time, by which the interpreter knows compiled modules
                target.chmod(source.stat().st_mode & _READ_AND_RUN | stat.S_IRUSR | 0o044)
            for place, text in texts.items():
                _write(store, place, text)
            for place, words in contents.links.items():
                _below(store, place).symlink_to(words)
        except OSError as error:
            shutil.rmtree(store, ignore_errors=True)
            raise SandboxUnavailable(f"the cells' root cannot be copied to {store}: {error}") from error
        return store

    def make(self, number: int, store: Path, texts: Mapping[str, bytes]) -> Path:
        """The root of a cell, with nothing in its /tmp; `texts`: files of its own. Nothing may run in it."""
        root = self._base / "cells" / str(number)
        if self._built.get(number) != store:
            self._built.pop(number, None)
            _remove_root(root)
            _link(store, root)
            _make_devices(root / "dev")
            for place, text in texts.items():
                _write(root, place, text)
            self._built[number] = store
        _write(root, wire.STDIN, b"")
        trash = trash_of(root)
        trash.mkdir(mode=0o700, exist_ok=True)
        if (root / "tmp").exists():
            (root / "tmp").rename(trash / "left")
        empty(trash)
        (root / "tmp").mkdir()
        (root / "tmp").chmod(stat.S_ISVTX | 0o777)
        os.utime(root / "tmp", ns=(wire.NEVER, wire.NEVER))
        return root

    def close(self) -> None:
        """Remove everything. Nothing may run in any root."""
        _remove(self._base)
        os.close(self._lock)


def trash_of(root: Path) -> Path:
    """Where the agent puts what runs left in /tmp."""
    return root / wire.TRASH[1:]


def empty(directory: Path) -> None:
    """Delete all below a directory, however deep, whatever its names and modes. Nobody may be changing it.

    Not recursive, and one directory open at a time: what is in a directory is moved up before that is removed.
    """
    top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    unused = secrets.token_hex(8)
    moved = 0
    try:
        while entries := os.listdir(top):
            for entry in entries:
                try:
                    os.unlink(entry, dir_fd=top)
                    continue
                except IsADirectoryError:
                    pass
                inner = os.open(
                    entry, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top
                )
                try:
                    for name in os.listdir(inner):
                        try:
                            os.unlink(name, dir_fd=inner)
                        except IsADirectoryError:
                            os.rename(name, f"{unused}{moved}", src_dir_fd=inner, dst_dir_fd=top)
                            moved += 1
                finally:
                    os.close(inner)
                os.rmdir(entry, dir_fd=top)
    finally:
        os.close(top)


def _make_base(place: Path) -> tuple[Path, int]:
    base = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))  # closed to everybody else
    try:
        lock = os.open(base / "new", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        (base / "new").rename(base / "lock")  # never there and not held while we live
        for name in ("store", "cells"):
            (base / name).mkdir()
        _try_device(base / "null")
        if os.statvfs(base).f_flag & os.ST_NOEXEC:
            raise PermissionError(0, "mounted noexec")
    except OSError:
        shutil.rmtree(base, ignore_errors=True)
        raise
    return base, lock


def _try_device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.close(os.open(path, os.O_RDWR))
    path.unlink()


def _link(store: Path, root: Path) -> None:
    for directory, names, files in os.walk(store):
        here = root / Path(directory).relative_to(store)
        here.mkdir(mode=_OPEN_DIRECTORY)
        here.chmod(_OPEN_DIRECTORY)
        for name in (*files, *(name for name in names if os.path.islink(os.path.join(directory, name)))):
            os.link(os.path.join(directory, name), here / name, follow_symlinks=False)


def _make_devices(directory: Path) -> None:
    directory.mkdir()
    directory.chmod(_OPEN_DIRECTORY)
    for name, (major, minor) in _DEVICES.items():
        os.mknod(directory / name, stat.S_IFCHR, os.makedev(major, minor))
        (directory / name).chmod(0o666)
    (directory / "shm").symlink_to("/tmp")
    for output in wire.OUTPUTS:
        path = directory.parent / output[1:]
        os.mkfifo(path)
        path.chmod(0o622)


def _write(root: Path, place: str, text: bytes) -> None:
    path = _below(root, place)
    path.write_bytes(text)
    path.chmod(0o644)


def _below(root: Path, place: str) -> Path:
    """The place in a root, whose directory is made."""
    path = root / place[1:]
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _sweep(place: Path) -> None:
    for base in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if base.stat().st_uid != os.geteuid():
                continue
            lock = os.open(base / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(base)
            finally:
                os.close(lock)


def _remove(base: Path) -> None:
    with contextlib.suppress(OSError):
        for root in (base / "cells").iterdir():
            _remove_root(root)
    shutil.rmtree(base, ignore_errors=True)


def _remove_root(root: Path) -> None:
    """Candidates may have nested deeper than any recursion goes; the rest is ours."""
    for directory in (root / "tmp", trash_of(root)):
        with contextlib.suppress(OSError):
            empty(directory)
    shutil.rmtree(root, ignore_errors=True)
