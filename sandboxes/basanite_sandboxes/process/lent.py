"""A lent sandbox: what a verifier holds. Which cell a run gets, and when it is run again."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from basanite_sandboxes.process.account import Unsure
from basanite_sandboxes.process.cell import Cell, CellLost
from basanite_sandboxes.process.channel import channel
from basanite_sandboxes.process.slots import Slots
from basanite_sandboxes.spec import (
    Ended,
    Environment,
    Limits,
    Program,
    PythonProgram,
    Report,
    Sandbox,
    SandboxError,
    Tree,
)

KILLS = 5
"""So many cells of one run may be killed by others until that is a failure of ours."""
ATTEMPTS = 3
"""A run whose cell died, and that may be behind it, is tried so often, each time on a new cell. A second loss proves
little: who kills a process a second hits one of some thousand runs twice."""


class Cells(Protocol):
    """What the pool does for the holder of a slot."""

    async def acquire(self, environment: Environment, *, new: bool = False) -> Cell: ...

    def release(self, cell: Cell) -> None: ...


class Losses:
    """How often a cell died under one run."""

    def __init__(self) -> None:
        self._by_the_run = 0
        self._by_others = 0

    @property
    def any(self) -> bool:
        return bool(self._by_the_run or self._by_others)

    def add(self, lost: CellLost) -> bool:
        """Count one more. -> whether the run may be tried again. Raises SandboxError if others killed too many."""
        if not lost.innocent:
            self._by_the_run += 1
            return self._by_the_run < ATTEMPTS
        self._by_others += 1
        if self._by_others == KILLS:
            raise SandboxError(f"{KILLS} sandboxes of this run were killed from outside") from lost
        return True


class LentSandbox(Sandbox):
    """A slot of the pool, and the cells that fill it just now."""

    def __init__(self, pool: Cells, slots: Slots, environment: Environment) -> None:
        self._pool = pool
        self._slots = slots
        self._held = 1
        self._environment = environment
        self._cells: list[Cell] = []

    def give_back(self) -> None:
        """End the loan."""
        self._release()
        self._slots.give_back(self._held)
        self._held = 0

    async def run(
        self,
        program: Program,
        limits: Limits,
        *,
        stdin: bytes = b"",
        files: Mapping[str, bytes] | None = None,
        tree: Tree | None = None,
    ) -> Report:
        try:
            return await self._run_once(program, limits, stdin, files, tree)
        except Unsure:
            return await self._run_alone(program, limits, stdin, files, tree)

    async def run_cases(
        self, program: PythonProgram, limits: Limits, stdins: Sequence[bytes]
    ) -> AsyncGenerator[Report, None]:
        done = 0
        losses = Losses()
        while done < len(stdins):
            (cell,) = await self._living(1, new=losses.any)
            compiles = False
            try:
                rejection = await cell.open(program, limits, self._slots.alone_since)
                compiles = True
                if rejection is not None:
                    yield Report(Ended.REJECTED, None, None, b"", b"", b"", 0.0, 0.0, 0, rejection)
                    return
                try:
                    while done < len(stdins):
                        run = cell.run_case(limits, self._slots.alone_since, stdins[done])
                        report = await _settled(run, limits)
                        done += 1
                        losses = Losses()
                        yield report
                finally:
                    if cell.alive:
                        with contextlib.suppress(CellLost):
                            await cell.close_program()
            except Unsure:
                yield await self._run_alone(program, limits, stdins[done])
                done += 1
            except CellLost as lost:
                if lost.reason is Ended.STARVED:  # while it compiled
                    yield await self._run_alone(program, limits, stdins[done])
                    done += 1
                    losses = Losses()
                elif lost.reason is not None or not losses.add(lost):
                    # Over a limit before it even ran: so it would be in every other case.
                    report = lost.report or _lost(lost.reason or Ended.CELL_LOST, limits)
                    until = done + 1 if compiles else len(stdins)
                    while done < until:
                        done += 1
                        yield report
                        report = replace(report, cpu_seconds=0.0, wall_seconds=0.0)
                    losses = Losses()

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
        once = functools.partial(
            self._pair_once, candidate, limits, tests, tests_limits, stdin=stdin, files=files
        )
        try:
            return await once()
        except Unsure:
            async with self._solitude():
                return await once(alone=True)

    async def _run_alone(
        self,
        program: Program,
        limits: Limits,
        stdin: bytes,
        files: Mapping[str, bytes] | None = None,
        tree: Tree | None = None,
    ) -> Report:
        async with self._solitude():
            return await self._run_once(program, limits, stdin, files, tree, alone=True)

    async def _run_once(
        self,
        program: Program,
        limits: Limits,
        stdin: bytes,
        files: Mapping[str, bytes] | None,
        tree: Tree | None,
        *,
        alone: bool = False,
    ) -> Report:
        believed = _lost(Ended.CELL_LOST, limits)
        losses = Losses()
        while True:
            (cell,) = await self._living(1, new=losses.any)
            run = cell.run(program, limits, self._alone_since(alone), stdin=stdin, files=files, tree=tree)
            try:
                return await _settled(run, limits, alone=alone)
            except CellLost as lost:
                if lost.reason is not None:
                    return _lost(lost.reason, limits)
                believed = lost.report or believed
                if not losses.add(lost):
                    return believed

    async def _pair_once(
        self,
        candidate: Program,
        limits: Limits,
        tests: Program,
        tests_limits: Limits,
        *,
        stdin: bytes,
        files: Mapping[str, bytes] | None,
        alone: bool = False,
    ) -> tuple[Report, Report]:
        """Raises Unsure, and SandboxError if the cell of the tests was lost."""
        believed = _lost(Ended.CELL_LOST, limits)
        losses = Losses()
        while True:
            first, second = await self._living(2, new=losses.any)
            ends = channel()
            runs = [
                asyncio.create_task(_settled(run, limits, alone=alone))
                for run in (
                    first.run(
                        candidate,
                        limits,
                        self._alone_since(alone),
                        channel=ends[0],
                        progress=second.answered,
                    ),
                    second.run(
                        tests,
                        tests_limits,
                        self._alone_since(alone),
                        stdin=stdin,
                        files=files,
                        channel=ends[1],
                    ),
                )
            ]
            try:
                # If the candidate ends first the tests hear of it: the kernel closes its ends of the pipes.
                await asyncio.wait(runs[1:])
                first.dismiss()
                try:
                    report = await runs[0]
                except CellLost as lost:
                    if lost.reason is None:
                        believed = lost.report or believed
                        if losses.add(lost):
                            continue
                        return believed, _lost(Ended.DISMISSED, tests_limits)
                    report = _lost(lost.reason, limits)
                try:
                    return report, await runs[1]
                except CellLost as lost:
                    if lost.reason is not None:
                        return report, _lost(lost.reason, tests_limits)
                    if not lost.innocent:
                        raise SandboxError("the cell of the tests died") from lost
                    losses.add(lost)
            finally:
                for run in runs:
                    run.cancel()
                await asyncio.gather(*runs, return_exceptions=True)
                for end in ends:
                    end.close()

    def _alone_since(self, alone: bool) -> Callable[[float], bool]:
        return _always if alone else self._slots.alone_since

    async def _living(self, count: int, *, new: bool) -> list[Cell]:
        for cell in [cell for cell in self._cells if not cell.alive]:
            self._cells.remove(cell)
            self._pool.release(cell)
        while len(self._cells) < count:
            # Cells that died while they were idle, perhaps all of them at once, must not be the program's fault.
            self._cells.append(await self._pool.acquire(self._environment, new=new))
        return self._cells[:count]

    def _release(self) -> None:
        while self._cells:
            self._pool.release(self._cells.pop())

    @contextlib.asynccontextmanager
    async def _solitude(self) -> AsyncIterator[None]:
        """Have the machine for ourselves, as far as this pool goes."""
        self.near_limit = True
        # Not while holding anything: two that want all would wait for each other.
        self._release()
        self._slots.give_back(self._held)
        self._held = 0
        await self._slots.take(self._slots.size)
        self._held = self._slots.size
        try:
            yield
        finally:
            self._slots.give_back(self._held - 1)
            self._held = 1


async def _settled(run: Awaitable[Report], limits: Limits, *, alone: bool = False) -> Report:
    """The report. Raises Unsure only if it was not `alone`, and CellLost."""
    try:
        return await run
    except Unsure as unsure:
        if alone:
            return unsure.report
        raise
    except CellLost as lost:
        if lost.reason is Ended.STARVED and not alone:
            raise Unsure(_lost(Ended.STARVED, limits)) from lost
        raise


def _always(moment: float) -> bool:
    return True


def _lost(reason: Ended, limits: Limits) -> Report:
    """What is known of a run whose cell is gone."""
    cpu = limits.cpu_seconds if reason is Ended.CPU_LIMIT else 0.0
    wall = limits.wall_seconds if reason is Ended.WALL_LIMIT else 0.0
    return Report(reason, None, None, b"", b"", b"", cpu, wall, 0)
