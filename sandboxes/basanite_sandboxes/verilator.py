"""Verilator as a command for a sandbox: its lint of a design. Nothing is translated or built."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from basanite_sandboxes.spec import Command, Environment, SandboxUnavailable, Tool

SOURCE = "@design"
"""The file in which `lint` finds the design: no name that a module can have, for it looks for modules in files."""
_WARNINGS = (
    *("-Wall", "-Wno-fatal"),
    # About files, and about modules that have a time scale beside others that have none.
    *("-Wno-DECLFILENAME", "-Wno-EOFNEWLINE", "-Wno-TIMESCALEMOD"),
)


@dataclass(frozen=True, slots=True)
class Verilator:
    """An installation."""

    version: str
    """e.g. "5.006"."""
    path: Path

    @property
    def environment(self) -> Environment:
        """Of the sandboxes that its commands run in."""
        return Environment(name="verilator", tools=(Tool(str(self.path)),))

    def lint(self, top: str) -> Command:
        """Warnings and errors about the design in the file SOURCE, whose module `top` is the top, on standard error.

        The exit status is not 0 if there is an error.
        """
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*", top):
            raise ValueError(f"{top[:100]!r} is no plain name")
        flags = ("--lint-only", "--timing", *_WARNINGS, "--top-module", top)
        return Command((str(self.path), *flags, SOURCE))


@functools.cache
def find_verilator() -> Verilator:
    """The installation on this machine, 5 or later. Raises SandboxUnavailable, saying what to install."""
    # What is called verilator is a script that starts it.
    path = shutil.which("verilator_bin")
    if path is None:
        raise SandboxUnavailable("Verilator is missing: install the package verilator")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"Verilator ((\d+)\S*)", said)
    if version is None or int(version[2]) < 5:
        raise SandboxUnavailable(f"{path} is not Verilator 5 or later: {said.strip()[:100]}")
    return Verilator(version[1], Path(path).resolve())
