"""One cell: started, asked to run programs one at a time, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping

from basanite_sandboxes.guest import wire
from basanite_sandboxes.process.account import KilledFromOutside, account
from basanite_sandboxes.process.cgroup import Group
from basanite_sandboxes.process.channel import Channel
from basanite_sandboxes.process.files import CellFiles
from basanite_sandboxes.process.processes import INODES, Processes
from basanite_sandboxes.process.program import program_text
from basanite_sandboxes.process.replies import Garbled, Reply
from basanite_sandboxes.process.watch import Watch
from basanite_sandboxes.spec import (
    TREE,
    Command,
    Ended,
    Limits,
    Program,
    PythonCalls,
    PythonProgram,
    PythonTests,
    Rejection,
    Report,
    SandboxError,
    SandboxUnavailable,
    Tree,
)

START_SECONDS = 60.0
GONE_SECONDS = 0.5
"""How long a cell whose agent is gone may take to end by itself, which tells how the agent ended."""
STOP_SECONDS = 1.0
"""How long a stopped run may take to be gone before its cell is destroyed."""
CLOSE_SECONDS = 10.0
"""How long the end of a program may take that runs nothing, before its cell is destroyed."""
MOST_UNREAD = 2
"""Replies that may wait: OPEN has two."""
AGENT_BYTES = 16 << 20
"""What RLIMIT_DATA counts of the agent in each run."""
ANSWERING = (PythonCalls, PythonTests)
"""Programs that answer, one thing after the other, on a descriptor of its own."""


class CellLost(Exception):
    """The whole cell died, or its run was killed by none of ours. `reason` says why, if we ended it because of the run;
    `report` is what to believe if it happens again: the run may have done it."""

    def __init__(self, reason: Ended | None, report: Report | None = None, *, innocent: bool = False) -> None:
        super().__init__("the cell died")
        self.reason = reason
        self.report = report
        self.innocent = innocent
        """Whether the run cannot have brought it about."""


class Cell:
    """Not for concurrent use: one run at a time."""

    def __init__(self, processes: Processes, group: Group | None) -> None:
        self.environment = processes.environment
        self.alive = False
        self.processes = processes
        self._group = group
        self._opened = False
        self._ended_by_us = False
        self._watch: Watch | None = None
        self._warm: dict[str, socket.socket] = {}
        self._lost_tool = False
        self._packets: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._exited: asyncio.Future[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    # Life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Raises SandboxUnavailable with what bubblewrap or the agent said, CellLost if somebody killed it."""
        loop = asyncio.get_running_loop()
        self._sock, far = _socket_pair()
        self._running = self._sock
        tools = self.environment.tools if self.processes.warms_tools else ()
        pairs = {tool.path: _socket_pair() for tool in tools}
        self._warm = {path: near for path, (near, _) in pairs.items()}
        far_ends = {path: end for path, (_, end) in pairs.items()}
        self._files = CellFiles()
        try:
            self.processes.start(self._files, far, far_ends)
        except BaseException:
            self._close_sockets()
            self._files.close()
            raise
        finally:
            for end in (far, *far_ends.values()):
                end.close()
        self.alive = True
        self._exited = loop.create_future()
        loop.add_reader(self.processes.pidfd, self._on_exit, self.processes.pidfd)
        loop.add_reader(self._sock, self._on_packet, self._sock)
        try:
            reply = await asyncio.wait_for(self._receive(), START_SECONDS)
            self._listen_to_tools(reply.flags)
            await self._attach()
        except BaseException as error:
            await self.close()
            if isinstance(error, CellLost) and error.innocent:
                raise
            if isinstance(error, (CellLost, TimeoutError, OSError)):
                words = self.processes.last_words()
                raise SandboxUnavailable(f"no sandbox could be made: {words}") from error
            raise
        finally:
            self.processes.close_words()

    def _listen_to_tools(self, ready: int) -> None:
        """`ready`: a bit for each that is warm."""
        for number, path in enumerate(list(self._warm)):
            if ready >> number & 1:
                sock = self._warm[path]
                asyncio.get_running_loop().add_reader(sock, self._on_packet, sock)
            else:
                self._warm.pop(path).close()

    @property
    def warm_tools(self) -> tuple[str, ...]:
        """Paths of the environment's tools that run warm here."""
        return tuple(self._warm)

    def _forget_tool(self, sock: socket.socket) -> None:
        """It died while it ran nothing: from now on it runs cold here, and the cell is not used again."""
        self._warm = {path: other for path, other in self._warm.items() if other is not sock}
        self._lost_tool = True
        sock.close()

    def _close_sockets(self) -> None:
        for sock in (self._sock, *self._warm.values()):
            sock.close()

    async def _attach(self) -> None:
        members = self.processes.started()
        try:
            if self._group is not None:
                self._group.attach(members)
        except ProcessLookupError:
            raise await self._lost() from None

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
            self._files.close()
        if self._group is not None:
            await asyncio.to_thread(_empty, self._group)
            self._group = None

    @property
    def reusable(self) -> bool:
        """Whether the next program finds nothing of the last one in it."""
        return self.alive and self._watch is None and not self._opened and not self._lost_tool

    def kill(self) -> None:
        """Begin to end the cell."""
        if self.alive:
            self.alive = False
            self._ended_by_us = True
            self.processes.kill()

    def _on_exit(self, pidfd: int) -> None:
        """The first process is gone, or all of them."""
        loop = asyncio.get_running_loop()
        self.alive = False
        loop.remove_reader(pidfd)
        rest = self.processes.reap()
        if rest is not None:
            loop.add_reader(rest, self._on_exit, rest)
            return
        for sock in (self._sock, *self._warm.values()):
            loop.remove_reader(sock)
        self._close_sockets()
        self._wake()
        assert self._exited is not None
        self._exited.set_result(None)

    def _on_packet(self, sock: socket.socket) -> None:
        """From the agent or a warm tool."""
        try:
            packet = sock.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        loop = asyncio.get_running_loop()
        if not packet:
            loop.remove_reader(sock)
            if sock is not self._sock and sock is not self._running:
                self._forget_tool(sock)
                return
            if sock is not self._sock:  # the agent knows how the tool ended, and ends likewise
                with contextlib.suppress(OSError):
                    self._sock.shutdown(socket.SHUT_WR)
            loop.call_later(GONE_SECONDS, self.kill)
        elif len(self._packets) == MOST_UNREAD:
            loop.remove_reader(sock)
            self.kill()  # the agent is mad
        else:
            self._packets.append(packet)
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Runs ------------------------------------------------------------------------------------------------

    async def run(
        self,
        program: Program,
        limits: Limits,
        alone_since: Callable[[float], bool],
        *,
        stdin: bytes = b"",
        files: Mapping[str, bytes] | None = None,
        tree: Tree | None = None,
        channel: Channel | None = None,
        progress: Callable[[], int] | None = None,
    ) -> Report:
        """Run a program once. `alone_since`: whether nothing else of the pool ran since a moment. `progress`: how
        much it has brought about so far, if its answers do not tell.

        Raises Unsure, CellLost or SandboxError.
        """
        try:
            text = program_text(program, files or {}, tree)
            places = self._places(program, tree)
            await self._require_life()
            sock = self._warm.get(program.argv[0]) if isinstance(program, Command) else None
            self._files.place(text, stdin)
            self._files.clear_answers()
            answers = isinstance(program, ANSWERING)
            has_output = isinstance(program, Command) and bool(program.output)
            may_answer = isinstance(program, PythonProgram) and program.answers
            flags = wire.ANSWERS if answers or has_output or may_answer else 0
            if isinstance(program, Command) and self.environment.root is not None:
                flags |= wire.IMAGE
            watch = self._begin(
                limits, alone_since, progress=progress or (self.answered if answers else None)
            )
            return await self._run_once(watch, len(text), len(stdin), flags, channel, sock, places)
        finally:
            if channel is not None:
                channel.close()

    def _places(self, program: Program, tree: Tree | None) -> tuple[bytes, bytes]:
        """The tree that a run works in, as its agent sees it, and where the run sees it. Raises ValueError."""
        if tree is None:
            return b"", b""
        if tree.name.startswith("/"):
            if self.environment.root is None or not isinstance(program, Command):
                raise ValueError("only a Command in an image can work in a directory of it")
            place = wire.IMAGE_PLACE + tree.name
            places = place, place
        else:
            if self.environment.trees is None or (self.environment.root is not None):
                raise ValueError("this environment has no trees")
            places = f"{wire.TREES_PLACE}/{tree.name}", TREE
        if any(len(name.encode()) > wire.LONGEST_PLACE or set(name) & set(",:\\\0") for name in places):
            raise ValueError(f"{tree.name[:40]!r} cannot be the name of a tree")
        return places[0].encode(), places[1].encode()

    async def open(
        self, program: Program, limits: Limits, alone_since: Callable[[float], bool]
    ) -> Rejection | None:
        """Compile a program for `run_case`. If it is rejected it is closed already. Raises CellLost or SandboxError."""
        text = program_text(program, {})
        await self._require_life()
        self._files.place(text, b"")
        self._program_length = len(text)
        watch = self._begin(limits, alone_since, preparing=True)
        self._opened = True
        try:
            reply = await self._exchange(wire.OPEN, watch, len(text), 0, 0)
            if reply.stage == wire.OPENED:
                return None
            if reply.stage == wire.REJECTED:
                rejection = self._files.rejection()
                await self._receive()  # the preparing child is gone
            elif reply.stage != 0:
                raise Garbled(f"a program at stage {reply.stage}")
            elif watch.out_of_memory():
                self._opened = False
                raise CellLost(Ended.MEMORY_LIMIT)
            elif reply.error:  # there was no child: nothing of the source was seen
                self._opened = False
                raise SandboxError(f"a program could not be prepared: {os.strerror(reply.error)}")
            elif reply.signal == signal.SIGKILL:
                self.kill()  # by none of ours: the host's memory killer, or somebody
                raise CellLost(None, innocent=watch.is_above_suspicion())
            else:  # It died while it compiled: the source is to blame, not we.
                rejection = Rejection("the source cannot be compiled", 0, 0)
            self._opened = False
            return rejection
        except Garbled:
            self.kill()
            raise CellLost(None) from None
        finally:
            self._watch = None

    async def run_case(self, limits: Limits, alone_since: Callable[[float], bool], stdin: bytes) -> Report:
        """Run the open program once. As `run`."""
        await self._require_life()
        self._files.write_input(stdin, self._program_length)
        watch = self._begin(limits, alone_since, prepared=True)
        return await self._run_once(watch, self._program_length, len(stdin), wire.PREPARED)

    async def close_program(self) -> None:
        """End what `open` began. Raises CellLost."""
        try:
            await asyncio.wait_for(self._exchange(wire.CLOSE, None, 0, 0, 0), CLOSE_SECONDS)
        except TimeoutError:  # nobody watches it
            raise CellLost(None) from None
        self._opened = False

    def answered(self) -> int:
        """Bytes that the run in progress has answered so far."""
        return self._files.answered()

    def dismiss(self) -> None:
        """End the run in progress though it is over no limit: nobody needs it any more."""
        if self._watch is not None and self._watch.stopped is None and self.alive:
            self._watch.stopped, self._watch.stopped_at = Ended.DISMISSED, time.monotonic()
            self._send_kill()

    async def _run_once(
        self,
        watch: Watch,
        program_length: int,
        stdin_length: int,
        flags: int,
        channel: Channel | None = None,
        sock: socket.socket | None = None,
        places: tuple[bytes, bytes] = (b"", b""),
    ) -> Report:
        """`sock`: of a warm tool. `places`: see `_places`."""
        self._running = sock or self._sock
        try:
            reply = await self._exchange(
                wire.RUN, watch, program_length, stdin_length, flags, channel, places
            )
            self.processes.run_ended(left_files=bool(reply.flags & wire.LEFT_FILES))
            if flags & wire.PREPARED and reply.stage == 0:
                self.kill()  # the agent's word that the preparing child died: its run may live on
                was_killed = reply.signal == signal.SIGKILL
                raise CellLost(None, innocent=was_killed and watch.is_above_suspicion())
            return account(reply, watch, self._files, self._group)
        except KilledFromOutside as killed:
            if self.processes.guards_first:
                self.kill()
            raise CellLost(None, killed.report, innocent=killed.innocent) from None
        except Garbled:
            self.kill()
            raise CellLost(None) from None
        except CellLost:
            if watch.out_of_memory():
                raise CellLost(Ended.MEMORY_LIMIT) from None
            raise
        finally:
            self._watch = None
            self._running = self._sock

    def _begin(
        self,
        limits: Limits,
        alone_since: Callable[[float], bool],
        *,
        progress: Callable[[], int] | None = None,
        preparing: bool = False,
        prepared: bool = False,
    ) -> Watch:
        if self._group is not None:
            try:
                self._group.limit_memory(limits.memory_bytes)
            except OSError as error:  # more is in use than this limit allows, though nothing runs
                self.kill()
                raise CellLost(None, innocent=True) from error
        self._watch = Watch(
            limits,
            self._group,
            self.processes,
            alone_since,
            progress or _none,
            preparing=preparing,
            prepared=prepared,
        )
        return self._watch

    async def _require_life(self) -> None:
        if not self.alive:
            raise await self._lost()

    async def _lost(self) -> CellLost:
        """What to raise where the cell is about to be gone, or is."""
        assert self._exited is not None
        while not self._exited.done():
            await self._news()  # and not for _exited: its other waiter takes away what is read here
        watch = self._watch
        was_killed = self.processes.was_killed and not self._ended_by_us
        innocent = was_killed and (watch is None or watch.is_above_suspicion())
        return CellLost(watch.stopped if watch is not None else None, innocent=innocent)

    async def _exchange(
        self,
        op: int,
        watch: Watch | None,
        program_length: int,
        stdin_length: int,
        flags: int,
        channel: Channel | None = None,
        places: tuple[bytes, bytes] = (b"", b""),
    ) -> Reply:
        await self._require_life()
        if packet := self._unasked():  # the preparing child died, or the agent is mad
            self.kill()
            raise CellLost(None, innocent=self.processes.guards_first and _says_killed(packet))
        limits = watch.limits if watch is not None else Limits()
        counts_memory = self._group is not None and self._group.counts_memory
        packet = wire.REQUEST.pack(
            *(op, flags | (wire.CHANNEL if channel is not None else 0)),
            *(program_length, program_length, stdin_length),
            watch.kernel_cpu_seconds() if watch is not None else 0,
            *(limits.processes, limits.file_bytes, limits.open_files),
            wire.UNLIMITED if counts_memory else limits.memory_bytes + AGENT_BYTES,
            limits.output_bytes,
            b"mode=755,nr_inodes=%d,size=%d" % (INODES, limits.disk_bytes),
            *places,
        )
        try:
            if channel is not None:
                socket.send_fds(self._running, [packet], channel.fds)
                channel.close()
            else:
                self._running.send(packet)
        except OSError as error:  # the agent is gone
            raise await self._lost() from error
        return await self._receive()

    def _unasked(self) -> bytes:
        """A reply to nothing that was asked, if there is one."""
        if self._packets:
            return self._packets.popleft()
        try:
            return self._running.recv(4096)
        except OSError:
            return b""

    async def _receive(self) -> Reply:
        """The next reply. If we are cancelled meanwhile, the cell is ended before we return."""
        while not self._packets:
            if not self.alive:
                raise await self._lost()
            await self._news()
        try:
            return Reply.read(self._packets.popleft())
        except Garbled as error:
            self.kill()
            raise CellLost(None) from error

    async def _news(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.kill()
            raise

    # Watching --------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Stop the run in progress if it is over a limit. Called every LOOK_SECONDS."""
        watch = self._watch
        if watch is None or not self.alive:
            return
        now = time.monotonic()
        if watch.stopped is not None:
            if now - watch.stopped_at > STOP_SECONDS:
                self.kill()
            return
        reason = watch.look()
        if reason is None:
            return
        watch.stopped, watch.stopped_at = reason, now
        if watch.preparing:
            self.kill()
        else:
            self._send_kill()

    def _send_kill(self) -> None:
        with contextlib.suppress(OSError):
            self._running.send(wire.REQUEST.pack(wire.KILL, *[0] * 10, b"", b"", b""))


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    """Ours, which does not block, and another's."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.setblocking(False)
    return near, far


def _none() -> int:
    return 0


def _says_killed(packet: bytes) -> bool:
    """Whether this is the agent's word that SIGKILL ended the preparing child."""
    try:
        reply = Reply.read(packet)
    except Garbled:
        return False
    return reply.stage == 0 and reply.signal == signal.SIGKILL


def _empty(group: Group) -> None:
    until = time.monotonic() + 10
    while (left := group.processes()) and time.monotonic() < until:
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)
    group.remove()
