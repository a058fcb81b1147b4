"""Unpacking archives that nobody vouches for: nothing gets out of the directory, and nothing grows without end."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MAX_FILES = 1_000_000
MAX_PATH = 1000
"""Bytes."""
_CHUNK = 1 << 20


class BadArchive(Exception):
    """The archive breaks a rule; the message completes "must ..."."""


MAX_IMAGE_BYTES = 64 << 30


def unpack_image(archive: Path, directory: Path) -> None:
    """Unpack the root directory of a container image, as `docker export` gives it, into an empty directory.

    Symbolic links stay as they are, devices and sockets are left out. Blocks. Raises BadArchive.
    """
    _unpack(archive, directory, MAX_IMAGE_BYTES, is_image=True)


def unpack(archive: Path, directory: Path, max_bytes: int) -> int:
    """Unpack a tar archive, plain or compressed with gzip or xz, into an empty directory.

    Regular files, directories, and links that stay inside; modes become 0644 and 0755; a single directory at the top is
    left out. -> bytes of all files. Blocks. Raises BadArchive.
    """
    size = _unpack(archive, directory, max_bytes, is_image=False)
    _leave_out_top(directory)
    return size


def _unpack(archive: Path, directory: Path, max_bytes: int, *, is_image: bool) -> int:
    try:
        with tarfile.open(archive) as opened:
            return _extract(opened, directory, max_bytes, is_image)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, tarfile.TarError):
            raise
        raise BadArchive(
            f"be a tar archive, plain or compressed with gzip or xz ({type(error).__name__})"
        ) from None


def _extract(archive: tarfile.TarFile, directory: Path, max_bytes: int, is_image: bool) -> int:
    size = count = 0
    hard: list[tuple[Path, str]] = []
    for member in _members(archive):
        count += 1
        if count > MAX_FILES:
            raise BadArchive(f"have at most {MAX_FILES} files")
        target = directory / _inside(member.name)
        if target == directory:
            continue
        if not member.isdir() and not member.isreg() and not member.issym() and not member.islnk():
            if is_image:
                continue
            raise BadArchive(
                f"have regular files, directories and links alone: {member.name[:200]!r} is none"
            )
        _make_parents(directory, target)
        if member.isdir():
            if target.is_symlink() or (target.exists() and not target.is_dir()):
                raise BadArchive(f"name each file once: {member.name[:200]!r} comes twice")
            target.mkdir(exist_ok=True)
            continue
        if os.path.lexists(target):
            if target.is_dir() and not target.is_symlink():
                raise BadArchive(f"name each file once: {member.name[:200]!r} comes twice")
            target.unlink()
        if member.isreg():
            size += member.size
            if size > max_bytes:
                raise BadArchive(f"unpack to at most {max_bytes} bytes (snapshot_max_bytes)")
            source = archive.extractfile(member)
            assert source is not None
            with target.open("xb") as file:
                shutil.copyfileobj(source, file, _CHUNK)
            target.chmod(0o755 if member.mode & 0o100 else 0o644)
        elif member.issym():
            if not is_image:
                _check_link(member.name, member.linkname)
            target.symlink_to(member.linkname)
        else:
            hard.append((target, _inside(member.linkname)))
    for target, name in hard:
        source_path = directory / name
        _make_parents(directory, source_path)
        if not os.path.lexists(source_path) and is_image:
            continue
        if source_path.is_symlink() or not source_path.is_file():
            if is_image and source_path.is_symlink():
                target.symlink_to(os.readlink(source_path))
                continue
            raise BadArchive(f"have hard links to its own files alone: {name[:200]!r} is none")
        if os.path.lexists(target):
            target.unlink()
        os.link(source_path, target)
    return size


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]  # a million of them would be remembered
        yield member


def _inside(name: str) -> str:
    """A member's path below the top."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise BadArchive(f"stay inside its own directory: {name[:200]!r} does not")
    if len(os.fsencode(name)) > MAX_PATH:
        raise BadArchive(f"have paths of at most {MAX_PATH} bytes: {name[:40]!r}.. is longer")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise BadArchive(f"have names in UTF-8: {name[:200]!r} is not") from None
    return str(path)


def _check_link(name: str, target: str) -> None:
    """A symbolic link must lead to somewhere inside, whatever else is linked."""
    if target.startswith("/") or "\0" in target:
        raise BadArchive(f"have links that stay inside: {name[:200]!r} does not")
    depth = len(PurePosixPath(name).parts) - 1
    for part in PurePosixPath(target).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            raise BadArchive(f"have links that stay inside: {name[:200]!r} does not")


def _make_parents(directory: Path, target: Path) -> None:
    """Directories on the way, none of which may be a link."""
    done = directory
    for part in target.relative_to(directory).parts[:-1]:
        done = done / part
        if done.is_symlink() or (done.exists() and not done.is_dir()):
            raise BadArchive(f"name no file below another: {str(target.relative_to(directory))[:200]!r} is")
        done.mkdir(exist_ok=True)


def _leave_out_top(directory: Path) -> None:
    entries = list(directory.iterdir())
    if len(entries) != 1 or entries[0].is_symlink() or not entries[0].is_dir():
        return
    top = entries[0].rename(directory / f".top-{os.getpid()}-{os.urandom(8).hex()}")
    for entry in list(top.iterdir()):
        entry.rename(directory / entry.name)
    top.rmdir()
