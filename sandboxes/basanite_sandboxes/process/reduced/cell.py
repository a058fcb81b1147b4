"""The processes of a cell without namespaces: its keeper, and the agent in a root of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path

from basanite_sandboxes.guest import wire
from basanite_sandboxes.process import procfs
from basanite_sandboxes.process.files import CellFiles
from basanite_sandboxes.process.processes import Launch, Processes
from basanite_sandboxes.process.python import Interpreter
from basanite_sandboxes.process.reduced import disk
from basanite_sandboxes.process.reduced.roots import empty, trash_of
from basanite_sandboxes.process.rootfs import ENVIRONMENT
from basanite_sandboxes.spec import Environment, Limits

_KEEPER = Path(__file__).with_name("keeper.py")
_AGENT = "/basanite/agent.py"


class Reduced(Processes):
    guards_first = False
    watches_disk = True

    def __init__(
        self,
        environment: Environment,
        filters: tuple[bytes, bytes],
        interpreter: Interpreter,
        root: Path,
        users: tuple[int, int],
        housekeeper: Executor,
    ) -> None:
        """`users`: of its runs, and that which ends them. `housekeeper`: counts and deletes files, elsewhere."""
        super().__init__(environment, filters)
        self._interpreter = interpreter
        self._root = root
        self._user, self._hunter = users
        self._housekeeper = housekeeper
        self._counting: Future[bool] | None = None
        self._deleting: Future[None] | None = None
        self._one_at_a_time = threading.Lock()

    def start(self, files: CellFiles, far: socket.socket, tools: Mapping[str, socket.socket]) -> None:
        self._files = files
        super().start(files, far, tools)

    def _launch(self, numbers: Sequence[str], tools: str) -> Launch:
        command = [
            *(sys.executable, "-I", "-S", str(_KEEPER)),
            *(str(os.getpid()), str(self._root), str(self._user), str(self._hunter)),
            *(str(self._interpreter.executable), "-s", "-S", _AGENT, *numbers),
            f"{self._user} {self._hunter}",
            tools,
            *self.environment.preload,
        ]
        return Launch(command, environment={**ENVIRONMENT, "PWD": "/tmp"})

    def uses_more_memory(self, members: list[int], limit: int) -> bool:
        return procfs.uses_more_memory(members, limit, self._user)

    def uses_more_disk(self, members: list[int], limits: Limits) -> bool:
        """What was found since the last time we were asked, if it is known by now."""
        if self._counting is None or self._counting.done():
            found = self._counting is not None and self._counting.result()
            self._counting = None
            if found:
                return True
            self._counting = self._housekeeper.submit(
                disk.is_over, self._root / "tmp", members, self._user, limits.disk_bytes, self._is_isolated
            )
        return False

    def _is_isolated(self) -> bool:
        text = os.pread(self._files.stage, wire.STAGE.size, 0)
        return bool(text) and int(wire.STAGE.unpack(text)[0]) >= wire.ISOLATED

    def run_ended(self, *, left_files: bool) -> None:
        self._counting = None
        if left_files:
            self._deleting = self._housekeeper.submit(self._empty_trash)

    def _empty_trash(self) -> None:
        with self._one_at_a_time:
            empty(trash_of(self._root))

    def kill(self) -> None:
        """The keeper ends when nothing is left."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
