"""From the agent's reply and the kernel's counts to the report on a run."""

from __future__ import annotations

import os
import signal

from basanite_sandboxes.guest import wire
from basanite_sandboxes.process.cgroup import Group
from basanite_sandboxes.process.files import CellFiles
from basanite_sandboxes.process.replies import Garbled, Reply
from basanite_sandboxes.process.watch import LOAD_FACTOR, Watch
from basanite_sandboxes.spec import Ended, Limits, Rejection, Report, SandboxError


class Unsure(Exception):
    """A time limit ended the run, and load may be to blame: only a run alone can tell. Has the report all the same."""

    def __init__(self, report: Report) -> None:
        super().__init__("near a time limit")
        self.report = report


class KilledFromOutside(Exception):
    """Neither we nor a limit of its own ended the run. `report` is what to believe if it happens again: the run may
    have done it."""

    def __init__(self, report: Report | None = None, *, innocent: bool) -> None:
        super().__init__("killed from outside")
        self.report = report
        self.innocent = innocent
        """Whether the run cannot have brought it about."""


def account(reply: Reply, watch: Watch, files: CellFiles, group: Group | None) -> Report:
    """The report. Raises SandboxError if the run could not be made, Unsure, KilledFromOutside, Garbled."""
    out_of_memory = watch.out_of_memory()
    if watch.out_of_machines_memory():
        raise KilledFromOutside(innocent=False)
    was_dismissed = watch.stopped is Ended.DISMISSED
    if reply.stage < wire.ISOLATED and not out_of_memory and not was_dismissed:
        if reply.signal == signal.SIGKILL:
            raise KilledFromOutside(innocent=True)  # nothing of the candidate's ran yet
        raise SandboxError(f"a run could not be isolated: step {reply.stage}, {os.strerror(reply.error)}")
    if reply.stage > wire.REJECTED:
        raise Garbled(f"a run at stage {reply.stage}")
    cpu = max(reply.cpu_us / 1e6, watch.cpu_seconds() or 0.0)
    rejection = files.rejection() if reply.stage == wire.REJECTED else None
    ended, is_unsure = _how_it_ended(reply, watch, cpu, out_of_memory, rejection)
    is_unexplained = ended is Ended.SIGNALED and reply.signal == signal.SIGKILL
    exited = os.WIFEXITED(reply.status)
    stdout, stderr, answers = files.take_outputs(
        [reply.stdout, reply.stderr, reply.answers], watch.limits.output_bytes
    )
    counts_memory = group is not None and group.counts_memory
    report = Report(
        ended=ended,
        exit_status=os.WEXITSTATUS(reply.status) if exited else None,
        signal=reply.signal,
        stdout=stdout,
        stderr=stderr,
        answers=answers,
        cpu_seconds=cpu,
        wall_seconds=reply.wall_us / 1e6,
        peak_memory_bytes=group.peak_bytes()
        if group is not None and counts_memory
        else reply.maxrss_kb << 10,
        rejection=rejection,
    )
    if is_unsure:
        raise Unsure(report)
    if is_unexplained:
        own_limit = bool(reply.flags & wire.OWN_CPU_LIMIT)
        raise KilledFromOutside(report, innocent=not own_limit and watch.is_above_suspicion())
    return report


def _how_it_ended(
    reply: Reply, watch: Watch, cpu: float, out_of_memory: bool, rejection: Rejection | None
) -> tuple[Ended, bool]:
    """-> (how, whether only a run alone can tell)"""
    limits = watch.limits
    killed = bool(reply.flags & wire.KILLED)
    may_be_load = not watch.alone
    if cpu > limits.cpu_seconds and may_be_load:
        return Ended.CPU_LIMIT, cpu <= limits.cpu_seconds * LOAD_FACTOR or watch.went_on
    if out_of_memory:
        return Ended.MEMORY_LIMIT, False
    if watch.stopped in (Ended.WALL_LIMIT, Ended.STARVED) and not killed:
        # It had ended by itself, and we were late to see it.
        return Ended.WALL_LIMIT, True
    if watch.stopped is not None and watch.stopped is not Ended.DISMISSED:
        is_chance = watch.stopped is Ended.WALL_LIMIT and may_be_load and watch.went_on
        return watch.stopped, watch.stopped is Ended.STARVED or is_chance
    if cpu > limits.cpu_seconds:
        return Ended.CPU_LIMIT, False
    if reply.flags & wire.OVER_OUTPUT:
        return Ended.OUTPUT_LIMIT, False
    if watch.is_late and _took_too_long(reply, limits):
        return Ended.WALL_LIMIT, may_be_load
    if rejection is not None:
        return Ended.REJECTED, False
    if reply.signal == signal.SIGSYS:
        return Ended.FILTER, False
    if watch.stopped is Ended.DISMISSED and reply.signal == signal.SIGKILL:
        return Ended.DISMISSED, False
    return (Ended.EXITED if reply.signal is None else Ended.SIGNALED), False


def _took_too_long(reply: Reply, limits: Limits) -> bool:
    return reply.wall_us / 1e6 > limits.wall_seconds
