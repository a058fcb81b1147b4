"""One cell: started, asked to run programs one at a time, watched, accounted for, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from basanite_sandboxes.guest import wire
from basanite_sandboxes.process import procfs
from basanite_sandboxes.process.cgroup import Group
from basanite_sandboxes.process.program import program_text
from basanite_sandboxes.process.python import Interpreter
from basanite_sandboxes.process.rootfs import GROUP, GUEST, GUEST_FILES, PASSWD, root_arguments
from basanite_sandboxes.spec import (
    Ended,
    Environment,
    Limits,
    Program,
    PythonCalls,
    Rejection,
    Report,
    SandboxError,
    SandboxUnavailable,
)

AGENT = "/basanite/agent.py"
START_SECONDS = 60.0
STOP_SECONDS = 1.0
"""How long a stopped run may take to be gone before its cell is destroyed."""
LOOK_SECONDS = 0.05
"""How often a run is looked at; shorter runs are judged by their final account alone."""
OVERTIME = 10
"""A run that mostly waited for a core may take this many times wall_seconds."""
AGENT_BYTES = 16 << 20
"""What RLIMIT_DATA counts of the agent in each run."""
INODES = 8192
KEEP_BYTES = 1 << 20
"""Memory files that grew beyond this are emptied after a run."""


class CellLost(Exception):
    """The whole cell died. `reason` says why, if we ended it because of the run."""

    def __init__(self, reason: Ended | None) -> None:
        super().__init__("the cell died")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CellConfig:
    """What every cell of a pool has in common."""

    bwrap: str
    interpreter: Interpreter
    filters: tuple[bytes, bytes]
    """Of the cell, and of each run on top of it."""
    library: bytes | None
    """cell.c compiled, None without a compiler."""


@dataclass(slots=True)
class _Run:
    """The run in progress."""

    limits: Limits
    began: float
    cpu_before: float
    kills_before: int
    stopped: Ended | None = None
    stopped_at: float = 0.0
    preparing: bool = False
    prepared: bool = False
    """Run by the child that prepared it, not by the agent."""


class Cell:
    """Not for concurrent use: one run at a time."""

    def __init__(
        self, config: CellConfig, environment: Environment, uid: int | None, group: Group | None
    ) -> None:
        self.environment = environment
        self.alive = False
        self._config = config
        self._uid = uid
        self._group = group
        self._init: int | None = None
        self._opened = False
        self._run: _Run | None = None
        self._packets: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._exited: asyncio.Future[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    # Life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Raises SandboxUnavailable with what bubblewrap or the agent said."""
        loop = asyncio.get_running_loop()
        self._sock, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sock.setblocking(False)
        self._input = _memory_file("input")
        self._outputs = [_memory_file(name) for name in ("stdout", "stderr", "answers")]
        self._stage = _memory_file("stage")
        contents = {
            f"/basanite/{name}": _memory_file(name, (GUEST / name).read_bytes()) for name in GUEST_FILES
        }
        contents["/etc/passwd"] = _memory_file("passwd", PASSWD)
        contents["/etc/group"] = _memory_file("group", GROUP)
        if self._config.library is not None:
            contents["/basanite/cell.so"] = _memory_file("cell.so", self._config.library)
        numbers = [
            far.fileno(),
            self._input,
            _memory_file(
                "filters", wire.FILTERS.pack(*map(len, self._config.filters)) + b"".join(self._config.filters)
            ),
            *self._outputs,
            self._stage,
        ]
        # The warm interpreter's standard streams are what the candidate's will be: a file and two pipes.
        stdin = _memory_file("stdin")
        stdout_reader, stdout = os.pipe()
        stderr_reader, stderr = os.pipe()
        command = [
            self._config.bwrap,
            *root_arguments(self._config.interpreter, self.environment.path, contents),
            *(str(self._config.interpreter.executable), "-s", "-S", AGENT),
            *map(str, numbers),
            "/basanite/cell.so" if self._config.library is not None else "",
            *self.environment.preload,
        ]
        try:
            # Not asyncio's: it waits for each process with a thread.
            self._process = subprocess.Popen(  # noqa: ASYNC220
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
            raise SandboxUnavailable(f"{self._config.bwrap} does not start: {error}") from error
        finally:
            far.close()
            os.close(stdout_reader)
            for fd in (stdin, stdout, stderr, numbers[2], *contents.values()):
                os.close(fd)
        self.alive = True
        self._pidfd = os.pidfd_open(self._process.pid)
        self._exited = loop.create_future()
        loop.add_reader(self._pidfd, self._on_exit)
        loop.add_reader(self._sock, self._on_packet)
        try:
            await asyncio.wait_for(self._receive(), START_SECONDS)
            members = procfs.descendants(self._process.pid)
            if members:
                self._init = os.pidfd_open(members[0])
            if self._group is not None:
                self._group.attach([self._process.pid, *members])
        except BaseException as error:
            await self.close()
            if isinstance(error, (CellLost, TimeoutError, OSError)):
                raise SandboxUnavailable(f"no sandbox could be made: {_last_words(stderr_reader)}") from error
            raise
        finally:
            os.close(stderr_reader)

    async def close(self) -> None:
        """End the cell and whatever runs in it; returns once the kernel has nothing left of it. May be called often."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        self.kill()
        if self._exited is not None:
            await self._exited
            # Not before: the report of a run that ended just before its cell is still to be read.
            for fd in (self._input, self._stage, *self._outputs):
                os.close(fd)
        if self._group is not None:
            await asyncio.to_thread(self._empty_group, self._group)
            self._group = None

    @property
    def reusable(self) -> bool:
        """Whether the next program finds nothing of the last one in it."""
        return self.alive and self._run is None and not self._opened

    def kill(self) -> None:
        """Begin to end the cell: with its pid 1 the kernel kills all of its pid namespace, then bubblewrap exits.

        Bubblewrap alone would leave the rest to whoever is their new parent, dying while we go on.
        """
        if self.alive:
            self.alive = False
            with contextlib.suppress(ProcessLookupError):
                if self._init is not None:
                    signal.pidfd_send_signal(self._init, signal.SIGKILL)
                else:
                    self._kill_while_starting()

    def _kill_while_starting(self) -> None:
        """Bubblewrap's child asks to die with it only late: until then it would wait for its parent for ever."""
        self._process.send_signal(
            signal.SIGSTOP
        )  # it starts nothing more, so that we find all that it started
        procfs.wait_until_stopped(self._process.pid)
        for pid in procfs.descendants(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.kill()

    def _empty_group(self, group: Group) -> None:
        until = time.monotonic() + 10
        while (left := group.processes()) and time.monotonic() < until:
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)
        group.remove()

    def _on_exit(self) -> None:
        loop = asyncio.get_running_loop()
        self.alive = False
        loop.remove_reader(self._pidfd)
        loop.remove_reader(self._sock)
        self._process.wait()
        os.close(self._pidfd)
        if self._init is not None:
            os.close(self._init)
            self._init = None
        self._sock.close()
        self._wake()
        assert self._exited is not None
        self._exited.set_result(None)

    def _on_packet(self) -> None:
        try:
            packet = self._sock.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self.kill()  # the agent is gone; _on_exit follows
            with contextlib.suppress(OSError):
                asyncio.get_running_loop().remove_reader(self._sock)
        else:
            self._packets.append(packet)
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Runs ------------------------------------------------------------------------------------------------

    async def run(self, program: Program, limits: Limits, stdin: bytes, files: Mapping[str, bytes]) -> Report:
        """Run a program once. Raises CellLost or SandboxError."""
        text = program_text(program, files)
        self._place(text, stdin)
        flags = wire.ANSWERS if isinstance(program, PythonCalls) else 0
        return await self._run_once(limits, len(text), len(stdin), flags)

    async def open(self, program: Program, limits: Limits) -> Rejection | None:
        """Compile a program for `run_case`. If it is rejected it is closed already."""
        text = program_text(program, {})
        self._place(text, b"")
        self._program_length = len(text)
        self._begin(limits)
        assert self._run is not None
        self._run.preparing = self._opened = True
        try:
            reply = await self._exchange(wire.OPEN, limits, len(text), 0, 0)
            stage = reply[2]
            if stage == wire.OPENED:
                return None
            if stage == wire.REJECTED:
                rejection = self._detail()
                await self._receive()  # the preparing child is gone
            else:  # It died while it compiled: the source is to blame, not we.
                rejection = Rejection("the source cannot be compiled", 0, 0)
            self._opened = False
            return rejection
        finally:
            self._run = None

    async def run_case(self, limits: Limits, stdin: bytes) -> Report:
        """Run the open program once. Raises CellLost or SandboxError."""
        if not self.alive:
            raise CellLost(None)
        self._write_input(stdin, self._program_length)
        return await self._run_once(limits, self._program_length, len(stdin), wire.PREPARED)

    async def close_program(self) -> None:
        """End what `open` began."""
        await self._exchange(wire.CLOSE, Limits(), 0, 0, 0)
        self._opened = False

    async def _run_once(self, limits: Limits, program_length: int, stdin_length: int, flags: int) -> Report:
        self._begin(limits)
        try:
            assert self._run is not None
            self._run.prepared = bool(flags & wire.PREPARED)
            reply = await self._exchange(wire.RUN, limits, program_length, stdin_length, flags)
            if self._run.prepared and reply[2] == 0:
                self.kill()  # the agent's word that the preparing child died: its run may live on
                raise CellLost(None)
            return self._report(reply)
        except CellLost:
            if self._out_of_memory():
                raise CellLost(Ended.MEMORY_LIMIT) from None
            raise
        finally:
            self._run = None

    def _begin(self, limits: Limits) -> None:
        cpu, kills = 0.0, 0
        if self._group is not None:
            try:
                self._group.limit_memory(limits.memory_bytes)
            except OSError as error:  # more is in use than this limit allows, though nothing runs
                self.kill()
                raise CellLost(None) from error
            cpu, kills = self._group.cpu_seconds() or 0.0, self._group.out_of_memory_kills()
        self._run = _Run(limits, time.monotonic(), cpu, kills)

    async def _exchange(
        self, op: int, limits: Limits, program_length: int, stdin_length: int, flags: int
    ) -> tuple[int, ...]:
        if not self.alive:
            raise CellLost(None)
        counts_memory = self._group is not None and self._group.counts_memory
        try:
            self._sock.send(
                wire.REQUEST.pack(
                    *(op, flags, program_length, program_length, stdin_length),
                    # The kernel's own end, past ours, should nobody look.
                    *(
                        math.ceil(limits.cpu_seconds) + 1,
                        limits.processes,
                        limits.file_bytes,
                        limits.open_files,
                    ),
                    wire.UNLIMITED if counts_memory else limits.memory_bytes + AGENT_BYTES,
                    limits.output_bytes,
                    b"mode=755,nr_inodes=%d,size=%d" % (INODES, limits.disk_bytes),
                )
            )
        except OSError as error:
            self.kill()
            raise CellLost(None) from error
        return await self._receive()

    async def _receive(self) -> tuple[int, ...]:
        """The next reply. If we are cancelled meanwhile, the cell is ended before we return."""
        while not self._packets:
            if not self.alive:
                raise CellLost(self._run.stopped if self._run else None)
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            except asyncio.CancelledError:
                self.kill()
                raise
        return wire.REPLY.unpack(self._packets.popleft())

    def _report(self, reply: tuple[int, ...]) -> Report:
        run = self._run
        assert run is not None
        status, error, stage, flags, cpu_us, wall_us, maxrss_kb, *lengths = reply
        cpu = cpu_us / 1e6
        peak = maxrss_kb << 10
        if self._group is not None:
            total = self._group.cpu_seconds()
            if total is not None:
                cpu = max(cpu, total - run.cpu_before)
            if self._group.counts_memory:
                peak = self._group.peak_bytes()
        limits = run.limits
        if stage < wire.ISOLATED and not self._out_of_memory():
            raise SandboxError(f"a run could not be isolated: step {stage}, {os.strerror(error)}")
        exited = os.WIFEXITED(status)
        killed_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        rejection = self._detail() if stage == wire.REJECTED else None
        if self._out_of_memory():
            ended = Ended.MEMORY_LIMIT
        elif run.stopped is not None:
            ended = run.stopped
        elif cpu > limits.cpu_seconds:
            ended = Ended.CPU_LIMIT
        elif flags & wire.OVER_OUTPUT:
            ended = Ended.OUTPUT_LIMIT
        elif rejection is not None:
            ended = Ended.REJECTED
        elif killed_by == signal.SIGSYS:
            ended = Ended.FILTER
        else:
            ended = Ended.EXITED if exited else Ended.SIGNALED
        stdout, stderr, answers = (
            self._take(fd, min(length, limits.output_bytes))
            for fd, length in zip(self._outputs, lengths, strict=True)
        )
        return Report(
            ended=ended,
            exit_status=os.WEXITSTATUS(status) if exited else None,
            signal=killed_by,
            stdout=stdout,
            stderr=stderr,
            answers=answers,
            cpu_seconds=cpu,
            wall_seconds=wall_us / 1e6,
            peak_memory_bytes=peak,
            rejection=rejection,
        )

    def _out_of_memory(self) -> bool:
        return (
            self._group is not None
            and self._run is not None
            and self._group.out_of_memory_kills() > self._run.kills_before
        )

    def _detail(self) -> Rejection:
        """What the trusted part of the run said of a source that does not compile."""
        text = os.pread(self._stage, 4096, 0)
        _, _, length = wire.STAGE.unpack_from(text)
        detail = json.loads(text[wire.STAGE.size : wire.STAGE.size + length])
        return Rejection(detail["message"], detail["line"], detail["column"])

    def _place(self, text: bytes, stdin: bytes) -> None:
        if not self.alive:
            raise CellLost(None)
        if len(text) + len(stdin) > KEEP_BYTES:
            os.ftruncate(self._input, 0)
        self._write_input(text, 0)
        self._write_input(stdin, len(text))

    def _write_input(self, data: bytes, at: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._input, view, at)
            at += written
            view = view[written:]

    def _take(self, fd: int, length: int) -> bytes:
        if not length:
            return b""
        data = os.pread(fd, length, 0)
        if length > KEEP_BYTES:
            os.ftruncate(fd, 0)
        return data

    # Watching --------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Stop the run in progress if it is over a limit. Called every LOOK_SECONDS."""
        run = self._run
        if run is None or not self.alive:
            return
        now = time.monotonic()
        if run.stopped is not None:
            if now - run.stopped_at > STOP_SECONDS:
                self.kill()
            return
        elapsed = now - run.began
        if elapsed < LOOK_SECONDS:
            return
        reason = self._over_limit(run, elapsed)
        if reason is None:
            return
        run.stopped, run.stopped_at = reason, now
        if run.preparing:
            self.kill()
        else:
            with contextlib.suppress(OSError):
                self._sock.send(wire.REQUEST.pack(wire.KILL, *[0] * 10, b""))

    def _over_limit(self, run: _Run, elapsed: float) -> Ended | None:
        members: list[int] = []  # without bubblewrap, the agent and the preparing child, which live longer
        total = self._group.cpu_seconds() if self._group is not None else None
        counts_memory = self._group is not None and self._group.counts_memory
        if total is None or not counts_memory or elapsed > run.limits.wall_seconds:
            members = procfs.descendants(self._process.pid)[3 if run.prepared else 2 :]
        cpu = total - run.cpu_before if total is not None else procfs.cpu_seconds(members)
        if cpu > run.limits.cpu_seconds:
            return Ended.CPU_LIMIT
        if self._out_of_memory():  # of one process; the others may wait for it for ever
            return Ended.MEMORY_LIMIT
        if not counts_memory and procfs.uses_more_memory(members, run.limits.memory_bytes):
            return Ended.MEMORY_LIMIT
        if elapsed <= run.limits.wall_seconds:
            return None
        waited = procfs.longest_wait_for_core(members)
        if elapsed < OVERTIME * run.limits.wall_seconds and elapsed - waited <= run.limits.wall_seconds:
            return None
        # On an idle machine no thread waits longer than the run itself computes: the difference is other load.
        return Ended.STARVED if waited - cpu > elapsed / 2 else Ended.WALL_LIMIT


def _memory_file(name: str, content: bytes = b"") -> int:
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _last_words(stderr: int) -> str:
    os.set_blocking(stderr, False)
    with contextlib.suppress(BlockingIOError):
        lines = os.read(stderr, 65536).decode(errors="replace").strip().splitlines()
        if lines:
            return lines[-1]
    return "the agent did not answer"
