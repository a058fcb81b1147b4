"""Prepared, read-only sets of Python packages that items may name: subdirectories of one directory.

basanite env build numpy requirements.lock
echo numpy > ENVIRONMENTS_DIR/numpy/preload.txt

Those of `basanite env import` are root directories of container images, for kinds that take such.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
from pathlib import Path, PurePosixPath

from basanite_sandboxes.spec import Environment

PRELOAD = "preload.txt"
IMAGE = "image.json"
"""In the directory of an environment that is an image: its interpreter and digest; its root directory is `root`."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
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
        if NAME.fullmatch(path.name) is None:
            raise BadEnvironment(
                f"environment {path.name!r} in {directory}: a name is 1 to 64 letters, digits, dots, dashes "
                "or underscores"
            )
        found[path.name] = _load(path)
    return found


def default_directory() -> Path:
    """Where `basanite env` puts environments, and a server looks for them."""
    if os.geteuid() == 0:
        return Path("/var/lib/basanite/environments")
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home, "basanite", "environments")


def _load_image(path: Path) -> Environment:
    try:
        about = json.loads((path / IMAGE).read_text())
        python, digest = str(about["python"]), str(about["digest"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadEnvironment(f"{path / IMAGE}: {type(error).__name__}: {error}") from None
    folders = f"{PurePosixPath(python).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return Environment(
        name=path.name,
        digest=digest,
        root=(path / "root").absolute(),
        python=python,
        variables=(("PATH", folders),),
    )


def _load(path: Path) -> Environment:
    if (path / IMAGE).is_file():
        return _load_image(path)
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
