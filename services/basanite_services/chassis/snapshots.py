"""Trees of files by the digest of the archive that they came in, unpacked once.

    DIR/trees/abcdef..   what runs see, read-only; its files belong to the user of the cells
    DIR/notes/abcdef..   its size; its modification time is when it was last used, and who uses it holds a lock on it
    DIR/incoming/*       being unpacked

A tree appears by rename, whole or not at all, so that several servers may share a directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from weakref import WeakValueDictionary

from basanite_services.chassis.archive import BadArchive, unpack
from basanite_services.chassis.blobs import BlobStore
from basanite_services.chassis.verifier import InvalidItem, ToolchainError

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LEFT_OVER_SECONDS = 3600.0
"""After so long what a killed server was unpacking is deleted."""


class SnapshotStore:
    """The directory. `use` lends a tree."""

    def __init__(
        self, directory: Path, blobs: BlobStore, *, quota_bytes: int, max_bytes: int, expiry_seconds: float
    ) -> None:
        self._directory = directory
        self._blobs = blobs
        self._quota_bytes = quota_bytes
        self._max_bytes = max_bytes
        self._expiry_seconds = expiry_seconds
        self._unpacking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._bad: dict[str, str] = {}
        """What is wrong with an archive, by its digest."""
        self.owner: int | None = None
        """User whom the trees belong to; None: ourselves. Set once the sandboxes have started."""

    @property
    def trees(self) -> Path:
        """The directory of the trees, each by its digest."""
        return self._directory / "trees"

    @contextlib.asynccontextmanager
    async def use(self, digest: str, field: str) -> AsyncIterator[Path]:
        """The tree of an archive, which stays while it is in use. `field`: of the item, for errors.

        Raises InvalidItem if it was not uploaded or cannot be unpacked, ToolchainError if the directory is of no use.
        """
        if _DIGEST.fullmatch(digest) is None:
            raise InvalidItem(field, "must be 64 lower-case hexadecimal digits, the SHA-256 of an archive")
        lock = self._unpacking.get(digest)
        if lock is None:
            lock = self._unpacking[digest] = asyncio.Lock()
        async with lock:
            note = await asyncio.to_thread(self._take, digest, field)
        try:
            yield self.trees / digest
        finally:
            os.close(note)

    def _take(self, digest: str, field: str) -> int:
        """-> a descriptor whose lock keeps the tree"""
        if digest in self._bad:
            raise InvalidItem(field, self._bad[digest])
        self._prepare()
        note = self._open_note(digest)
        try:
            if not (self.trees / digest).is_dir():
                self._sweep()
                self._unpack(digest, field)
            os.utime(note)
        except BaseException:
            os.close(note)
            raise
        return note

    def _prepare(self) -> None:
        try:
            for folder in (self.trees, self._directory / "notes", self._directory / "incoming"):
                folder.mkdir(parents=True, exist_ok=True)
            self._directory.chmod(0o755)
            self.trees.chmod(0o755)
            (self._directory / "incoming").chmod(0o700)
        except OSError as error:
            raise ToolchainError(
                f"{error.filename}: {error.strerror}: set snapshot_dir to a directory that can be written to"
            ) from None
        if self.owner is not None:
            for parent in self.trees.resolve().parents:
                if not parent.stat().st_mode & 0o001:
                    raise ToolchainError(
                        f"the sandboxes' user cannot enter {parent}: set snapshot_dir to a directory that all"
                        " others can enter"
                    )

    def _open_note(self, digest: str) -> int:
        path = self._directory / "notes" / digest
        while True:
            note = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(note, fcntl.LOCK_SH)
            with contextlib.suppress(FileNotFoundError):
                if os.stat(path).st_ino == os.fstat(note).st_ino:
                    return note
            os.close(note)  # it was swept meanwhile

    def _unpack(self, digest: str, field: str) -> None:
        blob = self._blobs.path(digest)
        if not self._blobs.touch(digest):
            raise InvalidItem(
                field,
                "must be the digest of an archive that was uploaded: upload it (again), then send the item",
            )
        place = Path(tempfile.mkdtemp(dir=self._directory / "incoming"))
        try:
            size = unpack(blob, place, self._max_bytes)
            place.chmod(0o755)
            for folder, names, files in os.walk(place):
                for name in names:
                    path = os.path.join(folder, name)
                    if not os.path.islink(path):
                        os.chmod(path, 0o755)
                for name in (*names, *files):
                    if self.owner is not None:
                        os.chown(os.path.join(folder, name), self.owner, self.owner, follow_symlinks=False)
            if self.owner is not None:
                os.chown(place, self.owner, self.owner)
            (self._directory / "notes" / digest).write_text(str(size))
            with contextlib.suppress(OSError):  # another server was faster
                place.rename(self.trees / digest)
        except BadArchive as error:
            self._bad[digest] = f"must be an archive that can be unpacked: it must {error}"
            raise InvalidItem(field, self._bad[digest]) from None
        except OSError as error:
            raise ToolchainError(f"a snapshot cannot be unpacked: {error} (snapshot_dir)") from None
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _sweep(self) -> None:
        """Delete what nobody uses and has not for long, or what is too much."""
        now = time.time()
        notes = []
        for path in (self._directory / "notes").iterdir():
            with contextlib.suppress(OSError, ValueError):
                notes.append((path.stat().st_mtime, path, int(path.read_text() or "0")))
        used = sum(size for _, _, size in notes)
        for last, path, size in sorted(notes):
            if now - last > self._expiry_seconds or used > self._quota_bytes:
                used -= size if self._delete(path) else 0
        for path in (self._directory / "incoming").iterdir():
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > _LEFT_OVER_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)

    def _delete(self, note: Path) -> bool:
        """Unless somebody uses it."""
        descriptor = os.open(note, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            doomed = self._directory / "incoming" / f"{note.name}-{os.urandom(4).hex()}"
            with contextlib.suppress(FileNotFoundError):
                (self.trees / note.name).rename(doomed)
            note.unlink(missing_ok=True)
            shutil.rmtree(doomed, ignore_errors=True)
            return True
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
