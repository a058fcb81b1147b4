"""The processes of one cell, whatever isolates them: how they start and end, and what the server sees of them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from basanite_sandboxes.guest import wire
from basanite_sandboxes.process import procfs
from basanite_sandboxes.process.files import CellFiles, memory_file
from basanite_sandboxes.spec import Environment, Limits, SandboxUnavailable, Tool

INODES = 8192
"""How many files a run may have."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start, and as whom."""

    command: Sequence[str]
    passed: Sequence[int] = ()
    """Descriptors that it gets, besides those of the agent; closed here when it has them."""
    user: int | None = None
    """None: our own."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What it starts with stays readable in its /proc."""


class Processes(ABC):
    """The first of them is our child: when it has ended, nothing is left of the others, or it is about to go."""

    guards_first = True
    """The first process of a run cannot be killed from within the run."""
    watches_disk = False
    """Nothing but `uses_more_disk` limits the files of a run."""
    warms_tools = False
    """The agent can keep the environment's tools warm."""

    def __init__(self, environment: Environment, filters: tuple[bytes, bytes]) -> None:
        """`filters`: of the cell, and of each run on top of it."""
        self.environment = environment
        self._filters = filters
        self._standing: set[int] = set()

    @abstractmethod
    def _launch(self, numbers: Sequence[str], tools: str) -> Launch:
        """The command that ends with the agent's, whose descriptors `numbers` are. `tools`: see ../guest/agent.py."""

    def start(self, files: CellFiles, far: socket.socket, tools: Mapping[str, socket.socket]) -> None:
        """Start them; the agent holds `far`, and each tool that it keeps warm its socket. Raises SandboxUnavailable."""
        filters = memory_file(
            "filters", wire.FILTERS.pack(*map(len, self._filters)) + b"".join(self._filters)
        )
        numbers = [far.fileno(), files.input, filters, *files.outputs, files.stage]
        # The warm interpreter's standard streams are what the candidate's will be: a file and two pipes.
        stdin = memory_file("stdin")
        stdout_reader, stdout = os.pipe()
        self._stderr, stderr = os.pipe()
        passed: Sequence[int] = ()
        try:
            loads = {tool.path: _loads(tool) for tool in self.environment.tools}
            warm = [[path, loads[path], sock.fileno()] for path, sock in tools.items()]
            orders = json.dumps({"variables": dict(self.environment.variables), "warm": warm})
            launch = self._launch([str(number) for number in numbers], orders)
            passed = launch.passed
            # Not asyncio's: it waits for each process with a thread.
            self._process = subprocess.Popen(
                launch.command,
                env=launch.environment,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=[*numbers, *(sock.fileno() for sock in tools.values()), *passed],
                user=launch.user,
                group=launch.user,
                extra_groups=None if launch.user is None else [],
            )
        except OSError as error:
            os.close(self._stderr)
            raise SandboxUnavailable(f"a cell does not start: {error}") from error
        finally:
            os.close(stdout_reader)
            for fd in (stdin, stdout, stderr, filters, *passed):
                os.close(fd)
        self.pidfd = os.pidfd_open(self._process.pid)
        """Readable once the first of them is gone."""

    @property
    def pid(self) -> int:
        """The process from which all others descend."""
        return self._process.pid

    def started(self) -> list[int]:
        """Called when the agent is up. -> all processes, outermost first"""
        members = [self.pid, *procfs.descendants(self.pid)]
        self._standing = set(members)
        return members

    def of_run(self, *, prepared: bool) -> list[int]:
        """Processes of the run in progress. `prepared`: it is below a child of the agent."""
        members = [pid for pid in procfs.descendants(self.pid) if pid not in self._standing]
        return members[prepared:]

    def uses_more_memory(self, members: list[int], limit: int) -> bool:
        """Whether these processes of a run hold more than `limit` bytes together. For cells without a cgroup."""
        return procfs.uses_more_memory(members, limit)

    def uses_more_disk(self, members: list[int], limits: Limits) -> bool:
        """Whether the files of a run, whose processes these are, take more than its limits allow."""
        return False

    @abstractmethod
    def run_ended(self, *, left_files: bool) -> None:
        """Does whatever is left to do outside of the cell. Returns at once."""

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

    @abstractmethod
    def kill(self) -> None:
        """Begin to end them."""

    was_killed = False
    """Whether SIGKILL ended one of them that no run can reach, be it ours or another's. Known after `reap`."""

    def reap(self) -> int | None:
        """Called once `pidfd` is readable. -> a pidfd that is readable once others are gone, too, when this is to be
        called again; None if all are gone."""
        self._process.wait()
        os.close(self.pidfd)
        return None


def _loads(tool: Tool) -> list[str]:
    """What a warm tool does when it starts, as tool.c reads it."""
    words = [*tool.loads, *(f"call:{name}" for name in tool.prepares)]
    if tool.python is not None:
        words += [f"python:{tool.python.library}", f"once:{tool.python.once}", f"each:{tool.python.each}"]
    return words
