"""Which cells there are, who has one, and what happens when one is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from basanite_sandboxes.process import cgroup, native, procfs, seccomp
from basanite_sandboxes.process.cell import AGENT, LOOK_SECONDS, Cell, CellConfig, CellLost
from basanite_sandboxes.process.python import find_interpreter
from basanite_sandboxes.spec import (
    Ended,
    Environment,
    Isolation,
    Limits,
    Program,
    PythonProgram,
    Report,
    Sandbox,
    SandboxError,
    SandboxPool,
    SandboxUnavailable,
)

DEFAULT_UID_BASE = 52000
"""As root, cell N runs as this user plus N: one that owns nothing. As anyone else, as ourselves."""
NAMESPACES = ("user", "pid", "mount", "net", "ipc", "uts")
ATTEMPTS = 2
"""A run whose cell died is tried once more, on a new cell."""


class ProcessPool(SandboxPool):
    """Cells of the process runtime. Belongs to one event loop, whose thread must live as long as the pool: the
    kernel ends the cells with the thread that started them."""

    def __init__(self, cells: int = 0, python: Path | None = None, uid_base: int = DEFAULT_UID_BASE) -> None:
        """`cells`: how many run at one time, 0 for one a core. `python`: the interpreter of candidates."""
        self._size = cells or os.cpu_count() or 1
        self._python = python
        self._uid_base = uid_base
        self._idle: list[Cell] = []
        self._busy: set[Cell] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._free_numbers = list(range(self._size))
        self._numbers: dict[Cell, int] = {}
        self._slots = self._size
        self._dying: set[Cell] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._config: CellConfig | None = None
        self._closed = False

    # Life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self._config = await asyncio.to_thread(self._prepare)
        self._control = await asyncio.to_thread(cgroup.find_control)
        _sweep_orphans()
        self._watcher = asyncio.create_task(self._watch())
        try:
            default = Environment()
            self._idle += await asyncio.gather(*(self._make(default) for _ in range(self._size)))
        except BaseException:
            await self.close()
            raise

    def _prepare(self) -> CellConfig:
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            raise SandboxUnavailable("bubblewrap is missing: install the package bubblewrap")
        uid = self._uid_base if os.geteuid() == 0 else None
        interpreter = find_interpreter(self._python, uid)
        return CellConfig(bwrap, interpreter, seccomp.filter_programs(), native.library())

    async def close(self) -> None:
        self._closed = True
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        for turn in self._waiting:
            if not turn.done():
                turn.set_exception(SandboxError("the pool is closed"))
        self._waiting.clear()
        for cell in list(self._numbers):  # idle, busy, and those that are just being made
            self._discard(cell)
        self._idle.clear()
        while self._closing:
            await asyncio.gather(*self._closing, return_exceptions=True)

    @property
    def python_version(self) -> str:
        assert self._config is not None
        return self._config.interpreter.version

    @property
    def isolation(self) -> Isolation:
        weaknesses = []
        if self._control.memory == "rlimit":
            weaknesses.append(
                "No memory cgroup: memory is limited for each process by RLIMIT_DATA and for the run by a watcher "
                f"that looks every {LOOK_SECONDS} seconds; buffers of sockets and pipes are not counted."
            )
        if self._control.cpu == "proc":
            weaknesses.append("No cgroup counts CPU time: that of processes nobody waited for may be missed.")
        return Isolation(
            "process", "full", NAMESPACES, True, self._control.memory, self._control.cpu, tuple(weaknesses)
        )

    @property
    def size(self) -> int:
        return self._size

    @property
    def in_use(self) -> int:
        return self._size - self._slots

    # Lending ---------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def sandbox(self, environment: Environment) -> AsyncIterator[Sandbox]:
        await self._take_slot()
        lent = _Lent(self, environment)
        try:
            yield lent
        finally:
            lent.give_back()
            self._return_slot()

    async def _take_slot(self) -> None:
        if self._slots > 0 and not self._waiting:
            self._slots -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._return_slot()
            raise

    def _return_slot(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)  # the slot passes on
                return
        self._slots += 1

    async def acquire(self, environment: Environment, *, new: bool = False) -> Cell:
        """A living cell with this environment; for a holder of a slot. `new`: one that nothing ran in."""
        for cell in reversed(self._idle):
            if cell.environment == environment and not new:
                self._idle.remove(cell)
                if cell.alive:
                    self._busy.add(cell)
                    return cell
                self._discard(cell)
                break
        cell = await self._make(environment)
        self._busy.add(cell)
        return cell

    def release(self, cell: Cell) -> None:
        self._busy.discard(cell)
        if cell.reusable and not self._closed:
            self._idle.append(cell)
        else:
            self._discard(cell)

    async def _make(self, environment: Environment) -> Cell:
        assert self._config is not None
        while not self._free_numbers and not self._closed:
            if self._idle:
                self._discard(self._idle.pop(0))  # the one that was idle longest
            await asyncio.wait(self._closing, return_when=asyncio.FIRST_COMPLETED)
        if self._closed:
            raise SandboxError("the pool is closed")
        number = self._free_numbers.pop()
        uid = self._uid_base + number if os.geteuid() == 0 else None
        try:
            group = self._control.make()
        except OSError as error:
            self._free_numbers.append(number)
            raise SandboxError(f"no cgroup could be made: {error}") from error
        cell = Cell(self._config, environment, uid, group)
        self._numbers[cell] = number
        try:
            await cell.start()
        except BaseException:
            self._discard(cell)
            raise
        return cell

    def _discard(self, cell: Cell) -> None:
        """End a cell in the background; its number is free when the kernel has nothing left of it."""
        self._busy.discard(cell)
        cell.kill()

        async def close() -> None:
            try:
                await cell.close()
            finally:
                self._free_numbers.append(self._numbers.pop(cell))
                self._dying.discard(cell)

        if cell in self._numbers and cell not in self._dying:
            self._dying.add(cell)
            task = asyncio.create_task(close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for cell in list(self._busy):
                try:
                    cell.look()
                except Exception:
                    cell.kill()  # whom nobody can watch, nobody can limit


class _Lent(Sandbox):
    """A slot of the pool, and the cell that fills it just now."""

    def __init__(self, pool: ProcessPool, environment: Environment) -> None:
        self._pool = pool
        self._environment = environment
        self._cell: Cell | None = None

    def give_back(self) -> None:
        if self._cell is not None:
            self._pool.release(self._cell)
            self._cell = None

    async def _living(self, attempt: int) -> Cell:
        if self._cell is not None and not self._cell.alive:
            self.give_back()
        if self._cell is None:
            # Cells that died while they were idle, perhaps all of them at once, must not be the program's fault.
            self._cell = await self._pool.acquire(self._environment, new=attempt > 0)
        return self._cell

    async def run(
        self,
        program: Program,
        limits: Limits,
        *,
        stdin: bytes = b"",
        files: Mapping[str, bytes] | None = None,
    ) -> Report:
        for attempt in range(ATTEMPTS):
            cell = await self._living(attempt)
            try:
                return await cell.run(program, limits, stdin, files or {})
            except CellLost as lost:
                if lost.reason is not None:
                    return _lost(lost.reason, limits)
        return _lost(Ended.CELL_LOST, limits)

    async def run_cases(
        self, program: PythonProgram, limits: Limits, stdins: Sequence[bytes]
    ) -> AsyncGenerator[Report, None]:
        done = 0
        attempts = 0
        while done < len(stdins):
            cell = await self._living(attempts)
            compiles = False
            try:
                rejection = await cell.open(program, limits)
                compiles = True
                if rejection is not None:
                    yield Report(Ended.REJECTED, None, None, b"", b"", b"", 0.0, 0.0, 0, rejection)
                    return
                try:
                    while done < len(stdins):
                        report = await cell.run_case(limits, stdins[done])
                        done += 1
                        attempts = 0
                        yield report
                finally:
                    if cell.alive:
                        with contextlib.suppress(CellLost):
                            await cell.close_program()
            except CellLost as lost:
                attempts += 1
                if lost.reason is not None or attempts == ATTEMPTS:
                    # Over a limit before it even ran: so it would be in every other case.
                    report = _lost(lost.reason or Ended.CELL_LOST, limits)
                    until = done + 1 if compiles else len(stdins)
                    while done < until:
                        done += 1
                        yield report
                        report = replace(report, cpu_seconds=0.0, wall_seconds=0.0)
                    attempts = 0


def _lost(reason: Ended, limits: Limits) -> Report:
    """What is known of a run whose cell is gone."""
    cpu = limits.cpu_seconds if reason is Ended.CPU_LIMIT else 0.0
    wall = limits.wall_seconds if reason is Ended.WALL_LIMIT else 0.0
    return Report(reason, None, None, b"", b"", b"", cpu, wall, 0)


def _sweep_orphans() -> None:
    """End what servers left that were killed in the very moment in which a cell of theirs was starting: a child of
    bubblewrap that waits for its parent for ever."""
    for pid in procfs.orphaned_inits(AGENT.encode()):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
