"""Drives the verifier on a real pool, without a server: what goes in is a task, what comes out is checked as the
chassis would check it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from basanite.v1 import result_pb2, tasks_pb2
from basanite_sandboxes.process import ProcessPool
from basanite_sandboxes.spec import Environment, Limits
from basanite_services.chassis.guard import flaw, sum_usage
from basanite_services.chassis.verifier import Context
from basanite_services.code.verifier import CodeVerifier

T = TypeVar("T")
MIB = 1 << 20
LIMITS = Limits(cpu_seconds=4, wall_seconds=20, memory_bytes=256 * MIB, output_bytes=MIB)
SHORT = {"cpu_seconds": 0.3, "wall_seconds": 0.7}
"""For candidates that are meant to run into a limit."""


class Judge:
    """One pool of two cells on one event loop."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._pool = ProcessPool(cells=2)
        self._verifier = CodeVerifier()
        self.run(self._pool.start())

    def close(self) -> None:
        self.run(self._pool.close())
        self._runner.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    def __call__(self, task: tasks_pb2.CodeTask, **limits: Any) -> result_pb2.Verdict:
        """Judge one task. Raises what the verifier raises: it would become a Failure."""
        return self.run(self._judge(task, limits))

    def all(
        self, jobs: Iterable[tuple[tasks_pb2.CodeTask, dict[str, Any]]]
    ) -> list[result_pb2.Verdict | BaseException]:
        """Judge many tasks, each with its limits, at one time."""

        async def both() -> list[result_pb2.Verdict | BaseException]:
            return await asyncio.gather(
                *(self._judge(task, limits) for task, limits in jobs), return_exceptions=True
            )

        return self.run(both())

    async def _judge(self, task: tasks_pb2.CodeTask, limits: dict[str, Any]) -> result_pb2.Verdict:
        context = Context(dataclasses.replace(LIMITS, **limits), Environment(), self._pool.sandbox, bytes)
        verdict = await self._verifier.verify(task, context)
        # Over the wire and through the chassis' own check: what breaks there is a Failure as well.
        verdict = result_pb2.Verdict.FromString(verdict.SerializeToString())
        assert flaw(verdict) is None
        sum_usage(verdict.cases, 0.0)
        return verdict


def refuse(task: tasks_pb2.CodeTask) -> Coroutine[Any, Any, result_pb2.Verdict]:
    """Judge a task that must be refused before it needs a sandbox."""

    @contextlib.asynccontextmanager
    async def lend(environment: Environment) -> Any:
        raise AssertionError("the item reached a sandbox")
        yield

    return CodeVerifier().verify(task, Context(LIMITS, Environment(), lend, bytes))


def stdio(source: str, *cases: tuple[str | bytes, str | bytes] | tasks_pb2.StdioCase, **form: Any) -> Any:
    """A stdio task; a case is (stdin, expected) or a message."""
    made = [case if isinstance(case, tasks_pb2.StdioCase) else stdio_case(*case) for case in cases]
    return tasks_pb2.CodeTask(language="python", source=source, stdio=tasks_pb2.StdioForm(cases=made, **form))


def stdio_case(stdin: str | bytes, expected: str | bytes, **rest: Any) -> tasks_pb2.StdioCase:
    texts = {
        "stdin" if isinstance(stdin, str) else "stdin_bytes": stdin,
        "expected" if isinstance(expected, str) else "expected_bytes": expected,
    }
    return tasks_pb2.StdioCase(**texts, **rest)


def function(source: str, entry: str, *cases: dict[str, Any], **form: Any) -> tasks_pb2.CodeTask:
    """A function task; `cases` are the fields of FunctionCase."""
    made = [tasks_pb2.FunctionCase(**case) for case in cases]
    return tasks_pb2.CodeTask(
        language="python",
        source=source,
        function=tasks_pb2.FunctionForm(entry_point=entry, cases=made, **form),
    )


def call(*arguments: Any, **rest: Any) -> dict[str, Any]:
    """A case whose arguments are plain JSON; `gives` is its expected value, also plain JSON."""
    if "gives" in rest:
        rest["expected"] = json.dumps(rest.pop("gives"))
    return {"arguments": json.dumps(list(arguments)), **rest}


def program(source: str, *arguments: str, **form: Any) -> tasks_pb2.CodeTask:
    return tasks_pb2.CodeTask(
        language="python", source=source, program=tasks_pb2.ProgramForm(arguments=arguments, **form)
    )


def python_test(source: str, entry: str | list[str], *cases: str, **form: Any) -> tasks_pb2.CodeTask:
    """A python_test task; a case is its source."""
    return tasks_pb2.CodeTask(
        language="python",
        source=source,
        python_test=tasks_pb2.PythonTestForm(
            entry_points=[entry] if isinstance(entry, str) else entry,
            cases=[tasks_pb2.PythonTestCase(source=case) for case in cases],
            **form,
        ),
    )


def name_of(outcome: int) -> str:
    return result_pb2.Outcome.Name(outcome).removeprefix("OUTCOME_")


def outcome(verdict: result_pb2.Verdict) -> str:
    return name_of(verdict.outcome)


def outcomes(verdict: result_pb2.Verdict) -> list[str]:
    return [name_of(case.outcome) for case in verdict.cases]


def explain(verdict: result_pb2.Verdict | BaseException) -> str:
    """What a failed assertion should show."""
    if isinstance(verdict, BaseException):
        return repr(verdict)
    cases = [
        (name_of(case.outcome), case.message, case.output.stdout[:300], case.output.stderr[-600:])
        for case in verdict.cases[:5]
    ]
    return f"{outcome(verdict)} {cases}"
