"""`basanite env build`: a requirements lock, turned once into a read-only set of packages."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from basanite_services.chassis.environments import NAME, BadEnvironment, directory_digest

LOCK = "requirements.lock"
"""The lock, as it is kept in the environment."""
_REQUIREMENT = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(?:==|@)")


def build_environment(directory: Path, name: str, lock: Path) -> tuple[Path, bool]:
    """-> (the environment's directory, whether it was made now: the same lock gives the same environment).

    Blocks. Raises BadEnvironment: a bad name or lock, an environment of that name with another lock, pip's trouble.
    """
    target = place_for(directory, name)
    try:
        text = lock.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadEnvironment(f"{lock} cannot be read: {error}") from None
    locked = _locked_names(text, lock)
    if target.exists():
        known = target / LOCK
        if known.is_file() and known.read_text() == text:
            return target, False
        raise BadEnvironment(f"{target} was made otherwise: choose another name, or remove it")
    directory.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".build-", dir=directory))
    try:
        _install(lock, made)
        others = sorted(
            found.metadata["Name"]
            for found in importlib.metadata.distributions(path=[str(made)])
            if _canonical(found.metadata["Name"]) not in locked
        )
        if others:
            raise BadEnvironment(
                f"{lock} is no complete lock: it also needs {', '.join(others)}. `pip-compile` or `uv pip compile` "
                "make complete ones"
            )
        (made / LOCK).write_text(text)
        _open_to_all(made)
        made.rename(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target, True


def place_for(directory: Path, name: str) -> Path:
    """Raises BadEnvironment for a name that is none."""
    if NAME.fullmatch(name) is None:
        raise BadEnvironment(f"{name!r}: a name is 1 to 64 letters, digits, dots, dashes or underscores")
    return directory / name


def describe(path: Path) -> str:
    """One line on an environment: packages and digest."""
    packages = sorted(
        f"{found.metadata['Name']} {found.version}"
        for found in importlib.metadata.distributions(path=[str(path)])
    )
    return f"{path.name}: {', '.join(packages) or 'no packages'} (sha256 {directory_digest(path)[:16]}..)"


def _locked_names(text: str, lock: Path) -> set[str]:
    found = set()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if not words or words.startswith(("#", "--", "\\")):
            continue
        match = _REQUIREMENT.match(words)
        if match is None:
            raise BadEnvironment(
                f'{lock}, line {number}: a lock has lines as "numpy==2.1.3", not {words[:80]!r}'
            )
        found.add(_canonical(match[1]))
    if not found:
        raise BadEnvironment(f"{lock} names no packages")
    return found


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _install(lock: Path, target: Path) -> None:
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"),
        *("--no-warn-script-location", "--target", str(target), "--requirement", str(lock)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
        raise BadEnvironment(f"{lock}: {lines[-1]}")


def _open_to_all(directory: Path) -> None:
    """Cells run as other users where we are root."""
    directory.chmod(0o755)
    for folder, names, files in os.walk(directory):
        for name in names:
            Path(folder, name).chmod(0o755)
        for name in files:
            path = Path(folder, name)
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
