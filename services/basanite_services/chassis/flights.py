"""Single flight: identical items that come at the same time are judged once.

The job that comes first leads: its task judges. Those that come while it does join it: they wait without a task and
without one of the scheduler's slots, so that a thousand copies of one slow item do not keep other items from the
cells. A flight goes on as long as one job waits for it, whichever that is, and is cancelled when the last one left.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias

from basanite.v1 import result_pb2

if TYPE_CHECKING:
    from basanite_services.chassis.scheduler import Job

Assurance: TypeAlias = result_pb2.Assurance.ValueType


class Flight:
    """One judgement under way and the jobs that wait for it."""

    __slots__ = ("_task", "jobs")

    def __init__(self, leader: Job, require_assurance: Assurance, task: asyncio.Task[Any]) -> None:
        self._task = task
        self.jobs: dict[Job, Assurance] = {leader: require_assurance}
        """Who waits, in order of arrival, and what assurance each of them requires."""

    def leave(self, job: Job) -> None:
        """This job waits no longer."""
        if self.jobs.pop(job, None) is not None and not self.jobs:
            self._task.cancel()


class Flights:
    """The flights under way, by digest."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def join(self, digest: str, job: Job, require_assurance: Assurance) -> bool:
        """Let `job` wait for the flight of this digest; False if there is none."""
        flight = self._flights.get(digest)
        # One that nobody waits for is being cancelled.
        if flight is None or not flight.jobs:
            return False
        flight.jobs[job] = require_assurance
        job.flight = flight
        # The leader has the same one; ten thousand large ones are worth freeing.
        job.item = None
        return True

    def begin(self, digest: str, leader: Job, require_assurance: Assurance) -> Flight:
        """A flight that `leader`, whose task calls this, judges for. End it whatever happens."""
        task = asyncio.current_task()
        assert task is not None
        flight = leader.flight = self._flights[digest] = Flight(leader, require_assurance, task)
        return flight

    def end(self, digest: str, flight: Flight) -> None:
        """Nobody can join any more."""
        if self._flights.get(digest) is flight:
            del self._flights[digest]
