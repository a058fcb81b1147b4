"""The processes of one cell: bubblewrap, pid 1 of its namespaces, and the agent. How they start and end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from dataclasses import dataclass

from basanite_sandboxes.guest import wire
from basanite_sandboxes.process import procfs
from basanite_sandboxes.process.files import CellFiles, memory_file
from basanite_sandboxes.process.python import Interpreter
from basanite_sandboxes.process.rootfs import GROUP, GUEST, GUEST_FILES, PASSWD, root_arguments
from basanite_sandboxes.spec import Environment, SandboxUnavailable

AGENT = "/basanite/agent.py"
_ABOVE_RUN = 2
"""Descendants of bubblewrap that belong to no run: pid 1 and the agent."""


@dataclass(frozen=True, slots=True)
class CellConfig:
    """What every cell of a pool has in common."""

    bwrap: str
    interpreter: Interpreter
    filters: tuple[bytes, bytes]
    """Of the cell, and of each run on top of it."""
    library: bytes | None
    """cell.c compiled, None without a compiler."""


class Bubblewrap:
    """The processes of one cell."""

    def __init__(self, config: CellConfig, environment: Environment, uid: int | None) -> None:
        self._config = config
        self._environment = environment
        self._uid = uid
        self._init: int | None = None

    def start(self, files: CellFiles, far: socket.socket) -> None:
        """Start them; the agent holds `far`. Raises SandboxUnavailable."""
        contents = {
            f"/basanite/{name}": memory_file(name, (GUEST / name).read_bytes()) for name in GUEST_FILES
        }
        contents["/etc/passwd"] = memory_file("passwd", PASSWD)
        contents["/etc/group"] = memory_file("group", GROUP)
        if self._config.library is not None:
            contents["/basanite/cell.so"] = memory_file("cell.so", self._config.library)
        filters = memory_file(
            "filters", wire.FILTERS.pack(*map(len, self._config.filters)) + b"".join(self._config.filters)
        )
        numbers = [far.fileno(), files.input, filters, *files.outputs, files.stage]
        # The warm interpreter's standard streams are what the candidate's will be: a file and two pipes.
        stdin = memory_file("stdin")
        stdout_reader, stdout = os.pipe()
        self._stderr, stderr = os.pipe()
        command = [
            self._config.bwrap,
            *root_arguments(self._config.interpreter, self._environment.path, contents),
            *(str(self._config.interpreter.executable), "-s", "-S", AGENT),
            *map(str, numbers),
            "/basanite/cell.so" if self._config.library is not None else "",
            *self._environment.preload,
        ]
        try:
            # Not asyncio's: it waits for each process with a thread.
            self._process = subprocess.Popen(
                command,
                env={},  # what it starts with stays readable in /proc/1/environ
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=[*numbers, *contents.values()],
                user=self._uid,
                group=self._uid,
                extra_groups=None if self._uid is None else [],
            )
        except OSError as error:
            os.close(self._stderr)
            raise SandboxUnavailable(f"{self._config.bwrap} does not start: {error}") from error
        finally:
            os.close(stdout_reader)
            for fd in (stdin, stdout, stderr, filters, *contents.values()):
                os.close(fd)
        self.pidfd = os.pidfd_open(self._process.pid)
        """Readable once all of them are gone."""

    @property
    def pid(self) -> int:
        """The process from which all others descend."""
        return self._process.pid

    def started(self) -> list[int]:
        """Called when the agent is up. -> all processes, outermost first"""
        members = procfs.descendants(self.pid)
        if members:
            self._init = os.pidfd_open(members[0])
        return [self.pid, *members]

    def of_run(self, *, prepared: bool) -> list[int]:
        """Processes of the run in progress. `prepared`: it is below a child of the agent."""
        return procfs.descendants(self.pid)[_ABOVE_RUN + prepared :]

    def last_words(self) -> str:
        """What they said while they started, once."""
        os.set_blocking(self._stderr, False)
        with contextlib.suppress(BlockingIOError):
            lines = os.read(self._stderr, 65536).decode(errors="replace").strip().splitlines()
            if lines:
                return lines[-1]
        return "the agent did not answer"

    def close_words(self) -> None:
        os.close(self._stderr)

    def kill(self) -> None:
        """Begin to end them: with its pid 1 the kernel kills all of its pid namespace, then bubblewrap exits.

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

    def reap(self) -> None:
        """Called once `pidfd` is readable."""
        self._process.wait()
        os.close(self.pidfd)
        if self._init is not None:
            os.close(self._init)
            self._init = None
