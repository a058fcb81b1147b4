"""Which limits the run in progress is over, as seen from outside of it.

Load makes a run look slower than it is: CPU time grows by up to a half when cores share caches, and what sleeps is
woken late. So a run that has company gets LOAD_FACTOR times its time limits. What ends by itself in between is near
its limit: it is run once more, alone, and that decides. So is what answered something more after its limit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from basanite_sandboxes.process import procfs
from basanite_sandboxes.process.cgroup import Group
from basanite_sandboxes.process.processes import Processes
from basanite_sandboxes.spec import Ended, Limits

LOOK_SECONDS = 0.05
"""How often a run is looked at; shorter runs are judged by their final account alone."""
LOAD_FACTOR = 1.5
OVERTIME, PATIENCE_SECONDS = 10, 30.0
"""A run that mostly waited for a core may take this many times wall_seconds, or this long if that is more."""


class Watch:
    """One run, from its begin to its report."""

    def __init__(
        self,
        limits: Limits,
        group: Group | None,
        processes: Processes,
        alone_since: Callable[[float], bool],
        progress: Callable[[], int],
        *,
        preparing: bool = False,
        prepared: bool = False,
    ) -> None:
        """`progress`: how much the run has answered so far. `preparing`: what runs is the compiler. `prepared`: the
        run is that of a child of the agent."""
        self.limits = limits
        self.preparing = preparing
        self.stopped: Ended | None = None
        """Why we ended it."""
        self.stopped_at = 0.0
        self.is_late = False
        """It went on beyond wall_seconds, which may be due to load."""
        self._prepared = prepared
        self._processes = processes
        self._alone_since = alone_since
        self._progress = progress
        self._progress_at_limit: int | None = None
        self._wait = procfs.WaitForCore()
        self._group = group
        self._memory = group if group is not None and group.counts_memory else None
        self._kills_before = self._memory_kills()
        self._hits_before = self._memory.limit_hits() if self._memory is not None else 0
        self._is_large = False
        self._cpu_before = (group.cpu_seconds() or 0.0) if group is not None else 0.0
        self._began = time.monotonic()

    @property
    def alone(self) -> bool:
        """Whether nothing else of the pool ran beside it so far."""
        return self._alone_since(self._began)

    @property
    def went_on(self) -> bool:
        """Whether it answered something after it was over a time limit: how much is a matter of chance."""
        return self._progress() != (self._progress_at_limit or 0)

    def kernel_cpu_seconds(self) -> int:
        """RLIMIT_CPU: the kernel's own end, past ours, should nobody look."""
        return math.ceil(self.limits.cpu_seconds * LOAD_FACTOR) + 1

    def cpu_seconds(self) -> float | None:
        """CPU time of all processes of the run, those that nobody waited for included; None without a cgroup."""
        total = self._group.cpu_seconds() if self._group is not None else None
        return total - self._cpu_before if total is not None else None

    def out_of_memory(self) -> bool:
        """Whether the kernel ended a process for the memory limit of the cell."""
        return self._memory is not None and self._fell_for_memory() and self._hit_limit(self._memory)

    def out_of_machines_memory(self) -> bool:
        """Whether the kernel ended a process of the cell though the cell was within its limit: there is too little
        memory for all cells together, in the machine or in the container around us."""
        return self._memory is not None and self._fell_for_memory() and not self._hit_limit(self._memory)

    def is_above_suspicion(self) -> bool:
        """Whether the run could kill neither the first of its processes nor one of the cell's, and gave nobody a reason
        to: it did not fall to the kernel's memory killer, and took less than half of the memory that it may, so that
        no memory killer of the host's own can have meant it."""
        if not self._processes.guards_first or self._is_large or self._fell_for_memory():
            return False
        return self._memory is None or self._memory.peak_bytes() <= self.limits.memory_bytes // 2

    def _fell_for_memory(self) -> bool:
        return self._memory_kills() > self._kills_before

    def _hit_limit(self, memory: Group) -> bool:
        return memory.limit_hits() > self._hits_before

    def _memory_kills(self) -> int:
        """In the cell, or where nobody counts that, on the whole machine."""
        return (self._memory or procfs).out_of_memory_kills()

    def look(self) -> Ended | None:
        """The limit that the run is over so far that it must end now, if any."""
        limits = self.limits
        elapsed = time.monotonic() - self._began
        if elapsed < LOOK_SECONDS:
            return None
        members: list[int] = []
        cpu = self.cpu_seconds()
        counts_memory = self._memory is not None
        may_wait = elapsed > limits.wall_seconds / 2
        if cpu is None or not counts_memory or may_wait or self._processes.watches_disk:
            members = self._processes.of_run(prepared=self._prepared)
        if cpu is None:
            cpu = procfs.cpu_seconds(members)
        grace = 1.0 if self.alone else LOAD_FACTOR
        if cpu > limits.cpu_seconds:
            self._note_limit()
        if cpu > limits.cpu_seconds * grace:
            return Ended.CPU_LIMIT
        if self.out_of_memory():  # of one process; the others may wait for it for ever
            return Ended.MEMORY_LIMIT
        if not counts_memory and self._processes.uses_more_memory(members, limits.memory_bytes // 2):
            self._is_large = True
            if self._processes.uses_more_memory(members, limits.memory_bytes):
                return Ended.MEMORY_LIMIT
        if self._processes.watches_disk and self._processes.uses_more_disk(members, limits):
            return Ended.MEMORY_LIMIT  # as where temporary files are memory
        if may_wait:
            self._wait.look(members)
        waited = self._wait.seconds
        if elapsed <= limits.wall_seconds:
            return None
        if elapsed - waited > limits.wall_seconds:
            self.is_late = True
            self._note_limit()
        had_its_time = elapsed - waited > limits.wall_seconds * grace
        if not had_its_time and elapsed < max(OVERTIME * limits.wall_seconds, PATIENCE_SECONDS):
            return None
        if had_its_time and self.alone:
            return Ended.WALL_LIMIT
        # On an idle machine no thread waits longer than the run itself computes: the difference is other load.
        return Ended.STARVED if waited - cpu > elapsed / 2 else Ended.WALL_LIMIT

    def _note_limit(self) -> None:
        if self._progress_at_limit is None:
            self._progress_at_limit = self._progress()
