"""The processes of a cell with namespaces: bubblewrap, pid 1 of its namespaces, and the agent."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from basanite_sandboxes.process import procfs
from basanite_sandboxes.process.files import memory_file
from basanite_sandboxes.process.processes import Launch, Processes
from basanite_sandboxes.process.python import Interpreter
from basanite_sandboxes.process.rootfs import GROUP, GUEST, GUEST_FILES, PASSWD, root_arguments
from basanite_sandboxes.spec import Environment

AGENT = "/basanite/agent.py"


@dataclass(frozen=True, slots=True)
class CellConfig:
    """What every cell of a pool has in common."""

    bwrap: str
    interpreter: Interpreter
    filters: tuple[bytes, bytes]
    """Of the cell, and of each run on top of it."""
    library: bytes | None
    """cell.c and tool.c compiled, None without a compiler."""


class Bubblewrap(Processes):
    def __init__(self, config: CellConfig, environment: Environment, uid: int | None) -> None:
        super().__init__(environment, config.filters)
        self._config = config
        self._uid = uid
        self._init: int | None = None
        self._is_first_gone = False
        self.warms_tools = config.library is not None

    def _launch(self, numbers: Sequence[str], tools: str) -> Launch:
        contents = {
            f"/basanite/{name}": memory_file(name, (GUEST / name).read_bytes()) for name in GUEST_FILES
        }
        contents["/etc/passwd"] = memory_file("passwd", PASSWD)
        contents["/etc/group"] = memory_file("group", GROUP)
        if self._config.library is not None:
            contents["/basanite/cell.so"] = memory_file("cell.so", self._config.library)
        command = [
            self._config.bwrap,
            *root_arguments(self._config.interpreter, self.environment, contents),
            *(str(self._config.interpreter.executable), "-s", "-S", AGENT),
            *numbers,
            "/basanite/cell.so" if self._config.library is not None else "",
            tools,
            *self.environment.preload,
        ]
        return Launch(command, list(contents.values()), self._uid)

    def started(self) -> list[int]:
        members = super().started()
        if len(members) > 1:
            self._init = os.pidfd_open(members[1])
        return members

    def run_ended(self, *, left_files: bool) -> None:
        """The run's mounts are gone with it."""

    def kill(self) -> None:
        """With its pid 1 the kernel kills all of its pid namespace, then bubblewrap exits.

        Bubblewrap alone would leave the rest to whoever is their new parent, dying while we go on.
        """
        with contextlib.suppress(ProcessLookupError):
            if self._init is not None:
                signal.pidfd_send_signal(self._init, signal.SIGKILL)
            else:
                self._kill_while_starting()

    def _kill_while_starting(self) -> None:
        """Bubblewrap's child asks to die with it only late: until then it would wait for its parent for ever."""
        # Stopped, it starts nothing more, so that we find all that it started.
        self._process.send_signal(signal.SIGSTOP)
        procfs.wait_until_stopped(self.pid)
        for pid in procfs.descendants(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.kill()

    def reap(self) -> int | None:
        if self._is_first_gone:
            self._reap_init()
            return None
        super().reap()
        self._is_first_gone = True
        # Bubblewrap exits with 128 + N where signal N ended its child.
        self.was_killed = self._process.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
        if self._init is None:
            end_orphans()
        else:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._init, signal.SIGKILL)
        return self._init

    def _reap_init(self) -> None:
        """Where bubblewrap went first, it may by now be a child of ours."""
        assert self._init is not None
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self._init, os.WEXITED | os.WNOHANG)
        os.close(self._init)
        self._init = None


def end_orphans() -> None:
    """End what is left where bubblewrap, or its server, was killed in the very moment in which a cell was starting: a
    child of bubblewrap that waits for its parent for ever."""
    for pid in procfs.orphaned_inits(AGENT.encode()):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)  # ours where we are pid 1 of a container
