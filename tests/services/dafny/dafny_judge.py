"""Drives the verifier on a real pool, without a server: what goes in is a task, what comes out is checked as the
chassis would check it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any

from basanite.v1 import result_pb2, tasks_pb2
from basanite_sandboxes.process import ProcessPool
from basanite_sandboxes.spec import Environment, Limits
from basanite_services.chassis.guard import flaw, sum_usage
from basanite_services.chassis.verifier import Context
from basanite_services.dafny.verifier import DafnyVerifier

LIMITS = Limits(cpu_seconds=30, wall_seconds=120, memory_bytes=2 << 30, processes=64, output_bytes=16 << 20)


class Judge:
    """One pool on one event loop."""

    def __init__(self, cells: int = 1) -> None:
        self._runner = asyncio.Runner()
        self._pool = ProcessPool(cells=cells, isolation="full")
        self._runner.run(self._pool.start())
        self._verifier = DafnyVerifier()
        self._verifier.toolchain(self._pool)

    def close(self) -> None:
        self._runner.run(self._pool.close())
        self._runner.close()

    def __call__(self, task: tasks_pb2.DafnyTask, **limits: Any) -> result_pb2.Verdict:
        """Judge one task. Raises what the verifier raises: it would become a Failure."""
        return self._runner.run(self._judge(task, **limits))

    def at_once(self, tasks: Sequence[tasks_pb2.DafnyTask], **limits: Any) -> list[result_pb2.Verdict]:
        async def all_of_them() -> list[result_pb2.Verdict]:
            return await asyncio.gather(*(self._judge(task, **limits) for task in tasks))

        return self._runner.run(all_of_them())

    async def _judge(self, task: tasks_pb2.DafnyTask, **limits: Any) -> result_pb2.Verdict:
        effective = dataclasses.replace(LIMITS, **limits)
        context = Context(effective, Environment(), self._pool.sandbox, lambda trusted: bytes(32))
        verdict = await self._verifier.verify(task, context)
        verdict = result_pb2.Verdict.FromString(verdict.SerializeToString())
        assert flaw(verdict) is None, flaw(verdict)
        sum_usage(verdict.cases, 0.0)
        return verdict


def verify(program: str) -> tasks_pb2.DafnyTask:
    return tasks_pb2.DafnyTask(program=program, verify=tasks_pb2.VerifyForm())


def implement(specification: str, program: str) -> tasks_pb2.DafnyTask:
    return tasks_pb2.DafnyTask(
        program=program, implement=tasks_pb2.ImplementForm(specification=specification)
    )


def specify(specification: str, program: str) -> tasks_pb2.DafnyTask:
    return tasks_pb2.DafnyTask(program=program, specify=tasks_pb2.SpecifyForm(specification=specification))


def hints(given: str, program: str) -> tasks_pb2.DafnyTask:
    return tasks_pb2.DafnyTask(program=program, hints=tasks_pb2.HintsForm(given=given))


def outcome(verdict: result_pb2.Verdict) -> str:
    return result_pb2.Outcome.Name(verdict.outcome).removeprefix("OUTCOME_")


def parts(verdict: result_pb2.Verdict) -> dict[str, str]:
    return {one.name: result_pb2.Part.State.Name(one.state).removeprefix("STATE_") for one in verdict.parts}


def explain(verdict: result_pb2.Verdict) -> str:
    said = [f"{one.line}:{one.column}: {one.message}" for one in verdict.diagnostics]
    return "\n".join(
        [outcome(verdict), *(f"{case.declaration}: {case.message}" for case in verdict.cases), *said]
    )
