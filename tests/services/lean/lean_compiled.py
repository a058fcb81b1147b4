"""Compiled files, made by Lean itself outside of any sandbox: the texts are ours."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from basanite_sandboxes.lean import Lean
from basanite_services.lean.examine import Toolchain


def compiled(lean: Lean, folder: Path, text: str, name: str = "Main") -> bytes:
    """What a file compiles to; errors are a failure of the test."""
    source, made = folder / f"{name}.lean", folder / f"{name}.olean"
    source.write_text(text)
    done = subprocess.run(
        [lean.program, "-j1", "-o", made.name, source.name],
        cwd=folder,
        env=environment(lean, [folder]),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return made.read_bytes()


def recheck(
    lean: Lean, text: bytes, modules: Sequence[str] = ("Init",)
) -> subprocess.CompletedProcess[bytes]:
    """What Lean's kernel says to declarations."""
    command = lean.recheck([tuple(module.split(".")) for module in modules])
    return subprocess.run(
        command.argv, input=text, env=environment(lean, []), capture_output=True, check=False, timeout=60
    )


def environment(lean: Lean, folders: Sequence[Path]) -> Mapping[str, str]:
    path = ":".join(map(str, (lean.core, *folders)))
    return {"PATH": os.environ["PATH"], "HOME": "/tmp", "LEAN_PATH": path}


def toolchain(lean: Lean) -> Toolchain:
    return Toolchain(lean.release, lean.version, lean.commit)
