"""What a sandbox is: limits, what to run, what is reported, and the interface behind which runtimes stand.

Nothing here knows how isolation is done. Every number is in seconds or bytes.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath


class SandboxError(Exception):
    """The sandbox failed for a reason of ours. Says nothing about what ran in it."""


class SandboxUnavailable(SandboxError):
    """This machine cannot make a sandbox as asked; the message says what would help."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on one run: one tree of processes that executes untrusted code."""

    cpu_seconds: float = 10.0
    wall_seconds: float = 60.0
    memory_bytes: int = 512 << 20
    processes: int = 64
    file_bytes: int = 64 << 20
    disk_bytes: int = 64 << 20
    open_files: int = 256
    output_bytes: int = 16 << 20


LONGEST_NAME, LONGEST_PATH = 255, 1000
"""Bytes of a part of a file's path, and of all of it."""


def check_file_names(names: Iterable[str]) -> None:
    """Raises ValueError, naming the first of them that is no path of a file below the working directory: relative, with
    "/" between its parts, none of them empty, "." or "..", and not the folder of another one."""
    names = list(names)
    folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
    known: set[str] = set()
    for name in names:
        parts = name.split("/")
        if any(part in ("", ".", "..") for part in parts) or "\0" in name:
            raise ValueError(f"{name!r} is no relative path of a file")
        if len(name.encode()) > LONGEST_PATH or any(len(part.encode()) > LONGEST_NAME for part in parts):
            raise ValueError(f"{name[:40]!r}.. is too long for a path of a file")
        if name in folders or name in known:
            raise ValueError(f"{name!r} is the name of two things")
        known.add(name)


class Ended(enum.Enum):
    """How a run ended, as seen from outside of it."""

    EXITED = "exited"
    SIGNALED = "signaled"
    CPU_LIMIT = "cpu_limit"
    WALL_LIMIT = "wall_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    REJECTED = "rejected"
    """The source does not compile: Report.rejection says where. Nothing of it ran."""
    FILTER = "filter"
    """The system-call filter killed it."""
    STARVED = "starved"
    """Stopped by wall_seconds while it mostly waited for a core: says nothing about the candidate."""
    CELL_LOST = "cell_lost"
    """The whole cell died under it."""
    DISMISSED = "dismissed"
    """Of a pair: ended by us, over no limit, when the other run was through."""


@dataclass(frozen=True, slots=True)
class Command:
    """Run an executable. `argv[0]` is an absolute path inside the sandbox.

    If it is that of one of the environment's tools, which may be warm, it runs as it would from cold.
    """

    argv: tuple[str, ...]
    output: str = ""
    """A name in the working directory: what is written to this file, a pipe, comes in `Report.answers`."""


@dataclass(frozen=True, slots=True)
class PythonProgram:
    """Run Python source as `python main.py arguments..` would, from the warm interpreter."""

    source: bytes
    arguments: tuple[str, ...] = ()
    answers: bool = False
    """It may write to descriptor 5: `Report.answers`."""


@dataclass(frozen=True, slots=True)
class PythonCalls:
    """Import Python source as a module and call one function of it many times.

    The answers come in `Report.answers`, one JSON line a call, in order. They are the process's own words.
    """

    source: bytes
    entry_point: str
    calls: bytes
    """One JSON line a call: {"args": [tagged JSON..], "kwargs": {..}, "after": whether the arguments after the call
    are wanted even if it left them alone}."""


@dataclass(frozen=True, slots=True)
class PythonObjects:
    """Import Python source as a module and serve what it defines to the other run of a pair, a PythonTests."""

    source: bytes


@dataclass(frozen=True, slots=True)
class PythonModules:
    """Serve Python modules to the other run of a pair, which imports stand-ins for them."""

    files: Mapping[str, bytes]
    """By path, e.g. "stack.py", "package/__init__.py"."""


@dataclass(frozen=True, slots=True)
class PythonTests:
    """Run trusted Python tests of what the other run of a pair, a PythonObjects, defines.

    What is said of the cases comes in `Report.answers`, one JSON line each, in order; guest/tests.py says what.
    """

    functions: tuple[str, ...]
    """Names that come from the candidate."""
    classes: tuple[str, ...]
    """Likewise, and their instances may be used as data are: with operators, items, lengths."""
    prelude: bytes
    cases: tuple[bytes, ...]
    first: bool = True
    """Nothing of the candidate has run before: what goes wrong with the tests alone is their own fault."""
    stop_on_first_failure: bool = False


Program = Command | PythonProgram | PythonCalls | PythonObjects | PythonModules | PythonTests

TREE = "/testbed"
"""Where a run finds a tree of Environment.trees."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A directory full of files to work in. What a run changes is its own, and ends with it."""

    name: str
    """That of a directory in Environment.trees, which the run sees at TREE; or, absolute, a directory of
    Environment.root, which it sees in its place."""
    removed: tuple[str, ...] = ()
    """Paths of files in it that the run does not have."""
    executable: tuple[str, ...] = ()
    """Paths of the files given to the run that are executable."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a source does not compile, and where: 1-based, 0 if unknown."""

    message: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did, all of it observed from outside of the run."""

    ended: Ended
    exit_status: int | None
    """0 to 255 if it exited by itself."""
    signal: int | None
    stdout: bytes
    """At most limits.output_bytes."""
    stderr: bytes
    answers: bytes
    """PythonCalls, PythonTests, a Command's output: what the process wrote to the answer channel, at most
    limits.output_bytes."""
    cpu_seconds: float
    wall_seconds: float
    peak_memory_bytes: int
    """0 if this machine does not tell."""
    rejection: Rejection | None = None


@dataclass(frozen=True, slots=True)
class EmbeddedPython:
    """A Python interpreter that a tool embeds, and that a warm tool starts before its first run."""

    library: str
    """libpython, by its path."""
    once: str
    """A statement that it runs when it has started. An exception leaves the tool cold."""
    each: str
    """A statement at the start of every run, before the tool's main function. In a cold tool nobody runs it."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of this machine that many Commands run, and what it needs besides the libraries it is linked with.

    Paths are absolute, the same in the sandbox as here.
    """

    path: str
    loads: tuple[str, ...] = ()
    """Libraries that it always loads by name when it starts."""
    files: tuple[str, ...] = ()
    """Further files, or directories with all that is below."""
    python: EmbeddedPython | None = None
    prepares: tuple[str, ...] = ()
    """Functions without arguments, of libraries that it is linked with, that a warm tool calls before its first run.
    The run may call them again."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A prepared, read-only set of Python packages, and the tools that Commands run."""

    name: str = ""
    path: Path | None = None
    """Directory that is put on sys.path, mounted read-only. None: the standard library only."""
    preload: tuple[str, ...] = ()
    """Modules that the warm interpreter imports once."""
    digest: str = ""
    """SHA-256 in hex of what it contains."""
    packages: tuple[str, ...] = ()
    """e.g. "numpy 2.1.3"."""
    tools: tuple[Tool, ...] = ()
    modules: tuple[Path, ...] = ()
    """Further packages and modules, each by its name below /modules, for tools to find; on sys.path, after `path`."""
    variables: tuple[tuple[str, str], ...] = ()
    """Of the environment of every Command."""
    trees: Path | None = None
    """Directory of the trees that runs may work in, each by its name; more may come at any time."""
    root: Path | None = None
    """Directory in which Commands find all that they see, but for devices, /proc and /tmp; mounted read-only. None: the
    system's programs and libraries."""
    python: str = ""
    """The interpreter of `root`, an absolute path in it."""


class Sandbox(ABC):
    """A place in which untrusted programs run, one at a time, each isolated from the one before."""

    near_limit: bool = False
    """Whether a run was so near a time limit that load could have decided, and so was run again, alone."""

    @abstractmethod
    async def run(
        self,
        program: Program,
        limits: Limits,
        *,
        stdin: bytes = b"",
        files: Mapping[str, bytes] | None = None,
        tree: Tree | None = None,
    ) -> Report:
        """Run one program in a fresh working directory that holds `files` and nothing else, or in a `tree`, in which
        they replace what has their names.

        Names of files are as `check_file_names` wants them; it raises ValueError. Those of a Command are read-only,
        unless it works in a tree.
        Raises SandboxError if the run could not be made. Cancelling kills the run before it returns.
        """

    @abstractmethod
    def run_cases(
        self, program: PythonProgram, limits: Limits, stdins: Sequence[bytes]
    ) -> AsyncGenerator[Report, None]:
        """Run one program once per standard input, each in a fresh process and directory, compiled once.

        Yields a report a case, in order. Closing the generator ends the remaining cases.
        """

    @abstractmethod
    async def run_pair(
        self,
        candidate: Program,
        limits: Limits,
        tests: Program,
        tests_limits: Limits,
        *,
        stdin: bytes = b"",
        files: Mapping[str, bytes] | None = None,
    ) -> tuple[Report, Report]:
        """Run two programs at one time, each in a sandbox of its own, joined by two pipes and nothing else.

        `stdin` and `files` are those of the tests.

        Each reads from the other on descriptor 6 and writes to it on descriptor 7. When the tests' run ends, that of
        the candidate is ended, too: DISMISSED if it was over no limit. -> (candidate's report, tests' report). Raises
        SandboxError, also where the tests' sandbox died for no reason of the run. Cancelling kills both.
        """


@dataclass(frozen=True, slots=True)
class Isolation:
    """What is in force, for Describe and doctor; the fields are those of IsolationInfo in verifier.proto."""

    runtime: str
    profile: str
    namespaces: tuple[str, ...]
    seccomp: bool
    memory_control: str
    cpu_accounting: str
    weaknesses: tuple[str, ...] = field(default=())


class SandboxPool(ABC):
    """Prepared sandboxes, as many as may run at one time. Runtimes implement it."""

    @abstractmethod
    async def start(self) -> None:
        """Make the sandboxes ready. Raises SandboxUnavailable where this machine cannot."""

    @abstractmethod
    async def close(self) -> None:
        """End every run and leave nothing behind."""

    @abstractmethod
    def sandbox(self, environment: Environment) -> AbstractAsyncContextManager[Sandbox]:
        """Lend one sandbox, first come first served; waits until one is free."""

    @property
    @abstractmethod
    def isolation(self) -> Isolation:
        """What is in force. Known after start."""

    @property
    def tree_owner(self) -> int | None:
        """User who must own the files of Environment.trees and Environment.root; None: ourselves. Known after start."""
        return None

    @property
    @abstractmethod
    def python_version(self) -> str:
        """Version of the interpreter that runs PythonProgram and PythonCalls, e.g. "3.11.2". Known after start."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many sandboxes there may be at one time."""

    @property
    @abstractmethod
    def in_use(self) -> int:
        """How many are lent now."""
