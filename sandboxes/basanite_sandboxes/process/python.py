"""Which Python interpreter candidates run on, and what of it a cell must contain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from basanite_sandboxes.spec import SandboxUnavailable

_ASK = "import json, sys; print(json.dumps([sys.version, sys.base_prefix, sys.platlibdir]))"


@dataclass(frozen=True, slots=True)
class Interpreter:
    executable: Path
    """Resolved: no symbolic link, no shim."""
    version: str
    """e.g. "3.11.2"."""
    prefix: Path
    """"/usr" for the system's own; else a directory that the cell mounts read-only."""


def find_interpreter(asked: Path | None, uid: int | None) -> Interpreter:
    """The interpreter asked for, else the one that runs this service, else the system's.

    `uid` is the user that the cells run as, None for our own. Raises SandboxUnavailable, saying what to set, if
    there is none that this user may execute.
    """
    if asked is not None:
        candidates = [asked]
    else:
        candidates = [Path(getattr(sys, "_base_executable", sys.executable)), Path("/usr/bin/python3")]
    reasons = []
    for candidate in candidates:
        try:
            return _examine(candidate, uid)
        except SandboxUnavailable as error:
            reasons.append(str(error))
    raise SandboxUnavailable(
        "; ".join(reasons) + ": set BASANITE_PYTHON to an interpreter that every user may run"
    )


def _examine(path: Path, uid: int | None) -> Interpreter:
    if not path.is_file():
        raise SandboxUnavailable(f"there is no interpreter {path}")
    done = subprocess.run([path, "-I", "-S", "-c", _ASK], capture_output=True, check=False, timeout=60)
    if done.returncode != 0:
        raise SandboxUnavailable(f"{path} does not run")
    version, prefix, _ = json.loads(done.stdout)
    if tuple(int(part) for part in version.split()[0].split(".")[:2]) < (3, 11):
        raise SandboxUnavailable(f"{path} is Python {version.split()[0]}; 3.11 or later is needed")
    executable = path.resolve()
    if uid is not None:
        for place in (executable, Path(prefix)):
            _require_open(place)
    return Interpreter(executable, version.split()[0], Path(prefix))


def _require_open(path: Path) -> None:
    for directory in (path, *path.parents):
        if not os.stat(directory).st_mode & 0o001:
            raise SandboxUnavailable(f"{path} cannot be used by other users ({directory} is closed to them)")
