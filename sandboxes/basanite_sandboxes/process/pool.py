"""Which cells there are, who has one, and what happens to one that is given back."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from basanite_sandboxes.process import cgroup, remedy
from basanite_sandboxes.process.cell import Cell, CellLost
from basanite_sandboxes.process.lent import LentSandbox
from basanite_sandboxes.process.profile import Full, Profile
from basanite_sandboxes.process.reduced.profile import ReducedProfile
from basanite_sandboxes.process.slots import Slots
from basanite_sandboxes.process.watch import LOOK_SECONDS
from basanite_sandboxes.spec import (
    Environment,
    Isolation,
    Sandbox,
    SandboxError,
    SandboxPool,
    SandboxUnavailable,
)

DEFAULT_UID_BASE = 52000
"""As root, cell N runs as this user plus N: one that owns nothing. As anyone else, as ourselves. Without namespaces,
cells take users from a random one on that is not below."""
AUTO, FULL, REDUCED = "auto", "full", "reduced"
STARTS = 5
"""So many cells may be killed by others while they start until that is a failure of ours."""
CELLS_PER_SLOT = 4
"""Of a pair of runs one waits for the other most of the time: together they count as one. And where items ask for
several environments by turns, each finds its cell warm."""


class ProcessPool(SandboxPool):
    """Cells of the process runtime. Belongs to one event loop, whose thread must live as long as the pool: the
    kernel ends the cells with the thread that started them."""

    def __init__(
        self,
        cells: int = 0,
        python: Path | None = None,
        uid_base: int = DEFAULT_UID_BASE,
        isolation: str = AUTO,
    ) -> None:
        """`cells`: how many run at one time, 0 for one a core. `python`: the interpreter of candidates. `isolation`:
        FULL, REDUCED (without namespaces, as root), or AUTO: the first that this machine can."""
        self._slots = Slots(cells or os.cpu_count() or 1)
        self._python = python
        self._uid_base = uid_base
        self._idle: list[Cell] = []
        self._busy: set[Cell] = set()
        self._free_numbers = list(range(self.size * CELLS_PER_SLOT))
        self._numbers: dict[Cell, int] = {}
        self._dying: set[Cell] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._asked = isolation
        self._profile: Profile | None = None
        self._closed = False

    # Life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self._control = await asyncio.to_thread(cgroup.find_control)
        self._watcher = asyncio.create_task(self._watch())
        try:
            if self._asked != REDUCED:
                await self._start_full()
            if self._profile is None:
                await self._start_with(self._reduced())
            default = Environment()
            missing = self.size - len(self._idle)
            self._idle += await asyncio.gather(*(self._make(default) for _ in range(missing)))
        except BaseException:
            await self.close()
            raise

    async def _start_full(self) -> None:
        """Raises SandboxUnavailable unless another profile may be used."""
        try:
            await self._start_with(Full(self._python, self._uid_base))
        except SandboxUnavailable as error:
            why = str(error)
            if not await asyncio.to_thread(remedy.namespaces_are_allowed):
                why = "the kernel or the container allows no namespaces"
            elif self._profile is None or "bwrap:" not in why:
                raise  # for want of something that can be had, or in a cell that was made
            self._profile = None
            if self._asked == FULL:
                raise SandboxUnavailable(f"{why}. {remedy.for_namespaces()}") from error
            try:
                await self._start_with(self._reduced(why))
            except SandboxUnavailable as other:
                raise SandboxUnavailable(f"{why}. {remedy.for_namespaces()} Or else: {other}") from error

    def _reduced(self, why: str = "") -> Profile:
        return ReducedProfile(self._python, self._uid_base, self.size * CELLS_PER_SLOT, why)

    async def _start_with(self, profile: Profile) -> None:
        """With its first cell. Raises SandboxUnavailable."""
        await asyncio.to_thread(profile.prepare)
        self._profile = profile
        self._idle.append(await self._make(Environment()))

    async def close(self) -> None:
        self._closed = True
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        self._slots.close()
        for cell in list(self._numbers):  # idle, busy, and those that are just being made
            self._discard(cell)
        self._idle.clear()
        while self._closing:
            await asyncio.gather(*self._closing, return_exceptions=True)
        if self._profile is not None:
            await asyncio.to_thread(self._profile.close)

    @property
    def python_version(self) -> str:
        assert self._profile is not None
        return self._profile.python_version

    @property
    def tree_owner(self) -> int | None:
        assert self._profile is not None
        return self._profile.tree_owner

    @property
    def isolation(self) -> Isolation:
        assert self._profile is not None
        weaknesses = [*self._profile.weaknesses]
        if self._control.memory == "rlimit":
            weaknesses.append(
                "No memory cgroup: memory is limited for each process by RLIMIT_DATA and for the run by a watcher "
                f"that looks every {LOOK_SECONDS} seconds; buffers of sockets and pipes are not counted."
            )
        if self._control.cpu == "proc":
            weaknesses.append("No cgroup counts CPU time: that of processes nobody waited for may be missed.")
        return Isolation(
            *("process", self._profile.name, self._profile.namespaces, True),
            *(self._control.memory, self._control.cpu, tuple(weaknesses)),
        )

    @property
    def size(self) -> int:
        return self._slots.size

    @property
    def in_use(self) -> int:
        return self._slots.used

    # Lending ---------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def sandbox(self, environment: Environment) -> AsyncIterator[Sandbox]:
        await self._slots.take()
        lent = LentSandbox(self, self._slots, environment)
        try:
            yield lent
        finally:
            lent.give_back()

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
        for _ in range(STARTS):
            try:
                return await self._make_once(environment)
            except CellLost:
                pass
        raise SandboxError(f"{STARTS} sandboxes were killed from outside while they started")

    async def _make_once(self, environment: Environment) -> Cell:
        assert self._profile is not None
        while not self._free_numbers and not self._closed:
            if self._idle:
                self._discard(self._idle.pop(0))  # the one that was idle longest
            await asyncio.wait(self._closing, return_when=asyncio.FIRST_COMPLETED)
        if self._closed:
            raise SandboxError("the pool is closed")
        number = self._free_numbers.pop()
        try:
            cell = Cell(await self._profile.make(environment, number), self._control.make())
        except OSError as error:
            self._free_numbers.append(number)
            raise SandboxError(f"no cgroup could be made: {error}") from error
        except BaseException:
            self._free_numbers.append(number)
            raise
        self._numbers[cell] = number
        if self._closed:
            self._discard(cell)
            raise SandboxError("the pool is closed")
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
            for cell in [cell for cell in self._idle if not cell.alive]:
                self._idle.remove(cell)
                self._discard(cell)
