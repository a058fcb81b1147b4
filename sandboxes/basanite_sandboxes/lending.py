"""Packages of the Python that runs us, lent to cells."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from basanite_sandboxes.spec import SandboxUnavailable

Ignore = Callable[[str, list[str]], Iterable[str]]
"""As shutil.copytree has it."""


def place_of(package: str, needed_by: str, remedy: str) -> Path:
    """Its directory or file. Raises SandboxUnavailable."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SandboxUnavailable(f"{package}, which {needed_by} needs, is missing: {remedy}")
    path = Path(spec.origin)
    return path.parent if path.name == "__init__.py" else path


def lendable(modules: Sequence[Path], prefix: str, ignore: Ignore | None = None) -> tuple[Path, ...]:
    """The same, or where not every user can go there copies that live as long as this process."""
    return tuple(modules) if all(map(_is_open, modules)) else _copies(modules, prefix, ignore)


def _is_open(path: Path) -> bool:
    """Whether every user can go there: cells run as others than ourselves where we are root."""
    return all(directory.stat().st_mode & 0o001 for directory in path.resolve().parents)


def _copies(modules: Sequence[Path], prefix: str, ignore: Ignore | None) -> tuple[Path, ...]:
    place = Path(tempfile.mkdtemp(prefix=prefix))
    atexit.register(_remove, place, os.getpid())
    place.chmod(0o755)
    copies = [place / module.name for module in modules]
    for module, copy in zip(modules, copies, strict=True):
        if module.is_dir():
            shutil.copytree(module, copy, ignore=ignore)
        else:
            shutil.copy2(module, copy)
    for directory, _, names in os.walk(place):
        Path(directory).chmod(0o755)
        for name in names:
            path = Path(directory, name)
            path.chmod(path.stat().st_mode | 0o444)
    return tuple(copies)


def _remove(place: Path, pid: int) -> None:
    if os.getpid() == pid:  # not in a child that was forked
        shutil.rmtree(place, ignore_errors=True)
