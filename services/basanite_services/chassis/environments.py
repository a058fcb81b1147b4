"""Prepared, read-only sets of Python packages that items may name: subdirectories of one directory.

pip install --target ENVIRONMENTS_DIR/numpy numpy
echo numpy > ENVIRONMENTS_DIR/numpy/preload.txt
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
from pathlib import Path

from basanite_sandboxes.spec import Environment

PRELOAD = "preload.txt"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class BadEnvironment(Exception):
    """An environment cannot be used; the message says why."""


def load_environments(directory: Path | None) -> dict[str, Environment]:
    """The default environment "" (the standard library only) and one a subdirectory, by name.

    Reads every file once for the digests. Raises BadEnvironment if a name or file is not as it must be.
    """
    found = {"": Environment(digest=hashlib.sha256().hexdigest())}
    if directory is None:
        return found
    try:
        paths = sorted(path for path in directory.iterdir() if path.is_dir() and path.name[0] != ".")
    except OSError as error:
        raise BadEnvironment(f"environments_dir {directory}: {error.strerror}") from None
    for path in paths:
        if _NAME.fullmatch(path.name) is None:
            raise BadEnvironment(
                f"environment {path.name!r} in {directory}: a name is 1 to 64 letters, digits, dots, dashes "
                "or underscores"
            )
        found[path.name] = _load(path)
    return found


def _load(path: Path) -> Environment:
    preload: list[str] = []
    file = path / PRELOAD
    if file.is_file():
        lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
        preload = [line for line in lines if line]
        for module in preload:
            if _MODULE.fullmatch(module) is None:
                raise BadEnvironment(f"{file}: {module!r} is not the name of a module")
    packages = sorted(
        f"{found.metadata['Name']} {found.version}"
        for found in importlib.metadata.distributions(path=[str(path)])
    )
    return Environment(
        name=path.name,
        path=path.absolute(),
        preload=tuple(preload),
        digest=directory_digest(path),
        packages=tuple(packages),
    )


def directory_digest(directory: Path) -> str:
    """SHA-256 in hex over names and contents of all files, the same on every machine with equal files.

    Compiled bytecode is left out: it carries times, and follows from the sources.
    """
    state = hashlib.sha256()
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in sorted(files + links):
            path = os.path.join(folder, name)
            inner = os.fsencode(os.path.relpath(path, directory))
            if os.path.islink(path):
                _add(state, b"link", inner, hashlib.sha256(os.fsencode(os.readlink(path))).digest())
            else:
                _add(state, b"file", inner, _file_digest(path))
    return state.hexdigest()


def _file_digest(path: str) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _add(state: hashlib._Hash, *parts: bytes) -> None:
    for part in parts:
        state.update(len(part).to_bytes(8, "big") + part)
