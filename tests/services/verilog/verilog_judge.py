"""Drives the verifier on a real pool, without a server: what goes in is a task, what comes out is checked as the
chassis would check it."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Literal, TypeVar

from basanite.v1 import result_pb2, tasks_pb2
from basanite_sandboxes.process import ProcessPool
from basanite_sandboxes.spec import Environment, Limits
from basanite_services.chassis.guard import flaw, sum_usage
from basanite_services.chassis.seeds import Seeds
from basanite_services.chassis.verifier import Context
from basanite_services.verilog.verifier import VerilogVerifier

T = TypeVar("T")
Rule = Literal["mismatches", "finish", "nonce"] | tuple[str, str]
LIMITS = Limits(cpu_seconds=10, wall_seconds=60)
SHORT = {"cpu_seconds": 1.0, "wall_seconds": 20.0}
"""For candidates that are meant to run into a limit."""


class Judge:
    """One pool of two cells on one event loop."""

    def __init__(
        self,
        secret: str = "the secret of the tests",
        pool: ProcessPool | None = None,
        start: Callable[[ProcessPool], Coroutine[Any, Any, None]] = ProcessPool.start,
    ) -> None:
        self._runner = asyncio.Runner()
        self.pool = pool or ProcessPool(cells=2)
        self._verifier = VerilogVerifier()
        self._seed = functools.partial(Seeds(secret).seed, "verilog")
        self.run(start(self.pool))

    def close(self) -> None:
        self.run(self.pool.close())
        self._runner.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    def __call__(self, task: tasks_pb2.VerilogTask, **limits: Any) -> result_pb2.Verdict:
        """Judge one task. Raises what the verifier raises: it would become a Failure."""
        return self.run(self.judge(task, **limits))

    def all(self, tasks: Iterable[tasks_pb2.VerilogTask]) -> list[result_pb2.Verdict]:
        """Judge many tasks at one time."""

        async def both() -> list[result_pb2.Verdict]:
            return await asyncio.gather(*(self.judge(task) for task in tasks))

        return self.run(both())

    async def judge(
        self, task: tasks_pb2.VerilogTask, environment: Environment | None = None, **limits: Any
    ) -> result_pb2.Verdict:
        effective = dataclasses.replace(LIMITS, **limits)
        context = Context(effective, environment or Environment(), self.pool.sandbox, self._seed)
        verdict = await self._verifier.verify(task, context)
        # Over the wire and through the chassis' own check: what breaks there is a Failure as well.
        verdict = result_pb2.Verdict.FromString(verdict.SerializeToString())
        assert flaw(verdict) is None, flaw(verdict)
        sum_usage(verdict.cases, 0.0)
        return verdict


def equivalence(
    candidate: str | Mapping[str, str],
    golden: str | Mapping[str, str],
    top: str = "TopModule",
    *,
    golden_top: str = "",
    cycles: int = 0,
    directed: Iterable[tuple[Mapping[str, str], int]] = (),
    clocking: tasks_pb2.Clocking | None = None,
    parameters: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
    formal: tasks_pb2.FormalCheck | None = None,
    **task: Any,
) -> tasks_pb2.VerilogTask:
    """An equivalence task; a text alone is a file of its own."""
    vectors = [tasks_pb2.StimulusVector(inputs=inputs, cycles=times) for inputs, times in directed]
    form = tasks_pb2.EquivalenceForm(
        golden=_files(golden, "golden.sv"),
        golden_top=golden_top,
        parameters=parameters or {},
        clocking=clocking,
        stimuli=tasks_pb2.StimulusPlan(cycles=cycles, directed=vectors),
        formal=formal,
    )
    return tasks_pb2.VerilogTask(
        files=_files(candidate, "top.sv"), top=top, data=_files(data or {}, ""), equivalence=form, **task
    )


def in_testbench(
    candidate: str | Mapping[str, str],
    bench: str | Mapping[str, str],
    top: str = "TopModule",
    *,
    reference: str | Mapping[str, str] | None = None,
    bench_top: str = "",
    bench_defines: Mapping[str, str] | None = None,
    rule: Rule = "mismatches",
    data: Mapping[str, str] | None = None,
    **task: Any,
) -> tasks_pb2.VerilogTask:
    """A testbench task. `rule`: its name, or a pair of patterns."""
    form = tasks_pb2.TestbenchForm(
        testbench=_files(bench, "tb.sv"),
        testbench_top=bench_top,
        reference=_files(reference, "reference.sv") if reference is not None else [],
        defines=bench_defines or {},
    )
    if isinstance(rule, tuple):
        form.pattern.passed, form.pattern.failed = rule
    else:
        getattr(form, rule).SetInParent()
    return tasks_pb2.VerilogTask(
        files=_files(candidate, "top.sv"), top=top, data=_files(data or {}, ""), testbench=form, **task
    )


def compiling(
    candidate: str | Mapping[str, str],
    top: str = "TopModule",
    *,
    lint: bool = False,
    verilator: bool = False,
    **task: Any,
) -> tasks_pb2.VerilogTask:
    form = tasks_pb2.CompileForm(lint=lint, verilator=verilator)
    return tasks_pb2.VerilogTask(files=_files(candidate, "top.sv"), top=top, compile=form, **task)


def cocotb(
    candidate: str | Mapping[str, str],
    tests: str | Mapping[str, str],
    expected: Iterable[str],
    top: str = "top",
    *,
    modules: Iterable[str] = ("test_it",),
    reference: str | Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
    **task: Any,
) -> tasks_pb2.VerilogTask:
    """A cocotb task; a text alone is a file of its own. Expected tests without a module are of test_it."""
    form = tasks_pb2.CocotbForm(
        tests=_files(tests, "test_it.py"),
        modules=modules,
        expected_tests=[name if "." in name else f"test_it.{name}" for name in expected],
        parameters=parameters or {},
        reference=[] if reference is None else _files(reference, "reference.sv"),
    )
    return tasks_pb2.VerilogTask(
        files=_files(candidate, "top.sv"), top=top, data=_files(data or {}, ""), cocotb=form, **task
    )


def _files(given: str | Mapping[str, str], name: str) -> list[tasks_pb2.SourceFile]:
    texts = {name: given} if isinstance(given, str) else given
    return [tasks_pb2.SourceFile(name=name, content=text) for name, text in texts.items()]


def outcome(verdict: result_pb2.Verdict) -> str:
    return name_of(verdict.outcome)


def name_of(outcome: int) -> str:
    return result_pb2.Outcome.Name(outcome).removeprefix("OUTCOME_")


def outcomes(verdict: result_pb2.Verdict) -> list[str]:
    return [name_of(case.outcome) for case in verdict.cases]


def parts(verdict: result_pb2.Verdict) -> dict[str, str]:
    """The states of a verdict's parts, by name."""
    return {one.name: result_pb2.Part.State.Name(one.state).removeprefix("STATE_") for one in verdict.parts}


def explain(verdict: result_pb2.Verdict) -> str:
    """What a failed assertion should show."""
    cases = [(name_of(case.outcome), case.message) for case in verdict.cases[:5]]
    said = [f"{one.file}:{one.line}:{one.column}: {one.message}" for one in verdict.diagnostics[:5]]
    return f"{outcome(verdict)} {cases} {said}"
