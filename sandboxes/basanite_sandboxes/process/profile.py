"""How strong the isolation of all cells of a pool is; the strongest is here."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from pathlib import Path

from basanite_sandboxes.process import native, seccomp
from basanite_sandboxes.process.bubblewrap import Bubblewrap, CellConfig, end_orphans
from basanite_sandboxes.process.processes import Processes
from basanite_sandboxes.process.python import find_interpreter
from basanite_sandboxes.spec import Environment, SandboxUnavailable


class Profile(ABC):
    """How strong the isolation is, and how cells are made that have it."""

    name: str
    """IsolationInfo.profile."""
    namespaces: tuple[str, ...]

    @abstractmethod
    def prepare(self) -> None:
        """What all cells have in common. Blocks. Raises SandboxUnavailable."""

    @abstractmethod
    async def make(self, environment: Environment, number: int) -> Processes:
        """The processes of a cell that are still to be started. Of two cells that live, each has another number.
        Raises SandboxUnavailable."""

    @property
    @abstractmethod
    def python_version(self) -> str:
        """Known once prepared."""

    @property
    def tree_owner(self) -> int | None:
        """See SandboxPool. Known from the start."""
        return None

    @property
    def weaknesses(self) -> tuple[str, ...]:
        """What is weaker than it could be. Known once prepared."""
        return ()

    @abstractmethod
    def close(self) -> None:
        """Leave nothing behind. Blocks. All cells have ended."""


class Full(Profile):
    """Namespaces, by bubblewrap."""

    name = "full"
    namespaces = ("user", "pid", "mount", "net", "ipc", "uts")

    def __init__(self, python: Path | None, uid_base: int) -> None:
        """`uid_base`: as root, cell N runs as this user plus N. As anyone else, as ourselves."""
        self._python = python
        self._uid_base = uid_base if os.geteuid() == 0 else None

    def prepare(self) -> None:
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            raise SandboxUnavailable("bubblewrap is missing: install the package bubblewrap")
        interpreter = find_interpreter(self._python, self._uid_base)
        self._config = CellConfig(bwrap, interpreter, seccomp.filter_programs(), native.library())
        end_orphans()

    async def make(self, environment: Environment, number: int) -> Processes:
        user = None if self._uid_base is None else self._uid_base + number
        if environment.trees is not None or environment.root is not None:
            user = self.tree_owner
        return Bubblewrap(self._config, environment, user)

    @property
    def tree_owner(self) -> int | None:
        """One user for all such cells, who owns the files: of another's the kernel makes no copy to be changed. They
        are as far apart as cells of one user are where the service is not root."""
        return None if self._uid_base is None else self._uid_base - 1

    @property
    def python_version(self) -> str:
        return self._config.interpreter.version

    def close(self) -> None:
        """Nothing of it lies anywhere."""
