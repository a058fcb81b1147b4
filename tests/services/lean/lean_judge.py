"""Drives the verifier on a real pool, without a server: what goes in is a task, what comes out is checked as the
chassis would check it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any

from basanite.v1 import result_pb2, tasks_pb2
from basanite_sandboxes.lean import Lean
from basanite_sandboxes.process import ProcessPool
from basanite_sandboxes.spec import Environment, Limits
from basanite_services.chassis.guard import flaw, sum_usage
from basanite_services.chassis.verifier import Context
from basanite_services.lean.judging import Judge as LeanJudge
from basanite_services.lean.verifier import LeanVerifier

LIMITS = Limits(cpu_seconds=10, wall_seconds=60, memory_bytes=1 << 30, processes=64, output_bytes=64 << 20)


class Judge:
    """One pool of one cell on one event loop."""

    def __init__(self, pool: ProcessPool | None = None, lean: Lean | None = None) -> None:
        """`lean`: another toolchain than the one that is found."""
        self._runner = asyncio.Runner()
        self._pool = pool or ProcessPool(cells=1, isolation="full")
        self._runner.run(self._pool.start())
        self._verifier = LeanVerifier()
        self._verifier.toolchain(self._pool)
        if lean is not None:
            self._verifier.judge = LeanJudge(lean, 1 << 20)

    def close(self) -> None:
        self._runner.run(self._pool.close())
        self._runner.close()

    def __call__(
        self, task: tasks_pb2.LeanTask, environment: Environment | None = None, **limits: Any
    ) -> result_pb2.Verdict:
        """Judge one task. Raises what the verifier raises: it would become a Failure."""
        return self._runner.run(self._judge(task, environment or Environment(), **limits))

    async def _judge(
        self, task: tasks_pb2.LeanTask, environment: Environment, **limits: Any
    ) -> result_pb2.Verdict:
        effective = dataclasses.replace(LIMITS, **limits)
        context = Context(effective, environment, self._pool.sandbox, lambda trusted: bytes(32))
        verdict = await self._verifier.verify(task, context)
        verdict = result_pb2.Verdict.FromString(verdict.SerializeToString())
        assert flaw(verdict) is None, flaw(verdict)
        sum_usage(verdict.cases, 0.0)
        return verdict


def theorem(
    challenge: str, solution: str, targets: Sequence[str] = (), axioms: Sequence[str] | None = None
) -> tasks_pb2.LeanTask:
    task = tasks_pb2.LeanTask(
        solution=solution, theorem=tasks_pb2.TheoremForm(challenge=challenge, targets=targets)
    )
    if axioms is not None:
        task.allowed_axioms.CopyFrom(tasks_pb2.AllowedAxioms(names=axioms))
    return task


def outcome(verdict: result_pb2.Verdict) -> str:
    return name_of(verdict.outcome)


def name_of(number: result_pb2.Outcome.ValueType) -> str:
    return result_pb2.Outcome.Name(number).removeprefix("OUTCOME_")


def explain(verdict: result_pb2.Verdict) -> str:
    return "\n".join([outcome(verdict), *(case.message for case in verdict.cases)])
