"""Form `cocotb`: trusted Python tests and the candidate share a simulation; what the tests say comes authenticated."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import CaseResult, Diagnostic, Usage, Verdict
from basanite_sandboxes.cocotb import Cocotb
from basanite_services.chassis.kept import Store
from basanite_services.chassis.verifier import Context, InvalidItem, TaskFault
from basanite_services.verilog import check
from basanite_services.verilog.design import DesignError, Port, describe
from basanite_services.verilog.driven_inputs import ports_of_other_names
from basanite_services.verilog.guard import Level, guard
from basanite_services.verilog.messages import diagnostics
from basanite_services.verilog.outcome import SCORE_POLICY, error, trusted_part, warning
from basanite_services.verilog.preprocess import Sources, preprocess
from basanite_services.verilog.sources import BadFiles, make_sources
from basanite_services.verilog.tested import Bench, Checked, missing_tests, passed, try_design
from basanite_services.verilog.tokens import BrokenSource
from basanite_services.verilog.write import write

_FORM = "verilog.cocotb"
_GUARDS = (
    "the design's tokens",
    "the design's output taken out",
    "results authenticated",
    "inputs that the design leaves alone",
)
_MAX_TESTS = 1000
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_MAX_NAME = 300
_NOTHING = {"0": "all outputs are 0", "x": "all outputs are unknown (x)"}
_STUB_CPU_SECONDS = 2.0
"""A design that does nothing either passes soon, or is waited for in vain."""


@dataclass(frozen=True)
class Tried:
    """What was found out about a task before any candidate."""

    free: frozenset[str] = frozenset()
    """Signals that the tests write although they are no inputs of the reference."""
    vacuous: tuple[str, ...] = ()
    """What passes although it does nothing, a sentence each."""

    @property
    def memory_bytes(self) -> int:
        return 1000 + sum(map(len, self.free))


TriedStore = Store[Tried]


async def judge_cocotb(
    task: tasks_pb2.VerilogTask, context: Context, cocotb: Cocotb, store: TriedStore
) -> Verdict:
    """Raises InvalidItem, TaskFault (the tests are not as expected, or do not pass their reference), Overloaded."""
    if context.environment.name:
        raise InvalidItem("environment", "must be empty: tests have the standard library, cocotb and pytest")
    seed = context.seed(trusted_part(task))
    bench, reference = _check(task, int.from_bytes(seed[:6], "big"))
    tried = await store.get((seed, context.limits), lambda: _try(bench, reference, context, cocotb))
    vacuous = [warning(text) for text in tried.vacuous]
    try:
        sources = make_sources(task.files, task.include_directories, task.defines, bench.data)
    except BadFiles as bad:
        return _all(bench, result_pb2.OUTCOME_REJECTED, str(bad), [error(str(bad))])
    guarded = await asyncio.to_thread(guard, sources, bench.top, Level.SHARED, data=bench.data)
    if guarded.broken is not None:
        message, place = guarded.broken.message, guarded.broken.place
        return _all(bench, result_pb2.OUTCOME_REJECTED, message, [error(message, place), *vacuous])
    if guarded.refusals:
        refused = [error(refusal.message, refusal.place) for refusal in guarded.refusals]
        return _all(bench, result_pb2.OUTCOME_FORBIDDEN, refused[0].message, [*refused, *vacuous])

    tokens = await asyncio.to_thread(preprocess, sources)
    if others := ports_of_other_names(tokens, bench.top):
        why = f"port {others[0].text} has another name than its signal, by which tests would find it"
        return _all(bench, result_pb2.OUTCOME_REJECTED, why, [error(why, others[0].place), *vacuous])

    async with context.lend(cocotb.environment) as sandbox:
        tested = await try_design(sandbox, cocotb, guarded.text, bench, context.limits)
    said = [replace(message, text=guarded.original(message.text)) for message in tested.messages]
    found = diagnostics(said, {file.name for file in task.files}, compiled=tested.compiled)
    return _judge(bench, tried, tested, [*found, *vacuous])


def _check(task: tasks_pb2.VerilogTask, seed: int) -> tuple[Bench, Sources | None]:
    form = task.cocotb
    check.check_folders("verilog.include_directories", task.include_directories)
    check.check_defines("verilog.defines", task.defines)
    check.check_name("verilog.top", task.top)
    data = check.read_data("verilog.data", task.data)
    tests = check.read_data(f"{_FORM}.tests", form.tests)
    if twice := sorted(tests.keys() & data.keys()):
        raise InvalidItem(f"{_FORM}.tests", f"must not have the name of a file of verilog.data: {twice[0]}")
    if not any(name.endswith(".py") for name in tests):
        raise InvalidItem(f"{_FORM}.tests", "must have a file whose name ends in .py")
    if not form.modules:
        raise InvalidItem(f"{_FORM}.modules", "must be at least one Python module with tests, e.g. test_alu")
    for number, module in enumerate(form.modules):
        if not _MODULE.fullmatch(module) or len(module) > _MAX_NAME:
            raise InvalidItem(
                f"{_FORM}.modules[{number}]", "must be the name of a Python module, e.g. test_alu"
            )
    expected = tuple(form.expected_tests)
    if not 1 <= len(expected) <= _MAX_TESTS:
        raise InvalidItem(f"{_FORM}.expected_tests", f"must be 1 to {_MAX_TESTS} names of tests")
    for number, name in enumerate(expected):
        if len(name) > _MAX_NAME or not any(name.startswith(f"{module}.") for module in form.modules):
            raise InvalidItem(
                f"{_FORM}.expected_tests[{number}]",
                f'must be "module.function", with one of the modules, of at most {_MAX_NAME} characters',
            )
    if len(set(expected)) < len(expected):
        raise InvalidItem(f"{_FORM}.expected_tests", "must not name a test twice")
    if len(set(form.modules)) < len(form.modules):
        raise InvalidItem(f"{_FORM}.modules", "must not name a module twice")
    parameters = check.check_parameters(f"{_FORM}.parameters", form.parameters)
    reference = None
    if form.reference:
        try:
            reference = make_sources(form.reference, task.include_directories, task.defines, data)
        except BadFiles as bad:
            raise InvalidItem(f"{_FORM}.reference", f"must be files of Verilog: {bad}") from None
    return Bench(task.top, tuple(form.modules), expected, tests, data, parameters, seed), reference


async def _try(bench: Bench, reference: Sources | None, context: Context, cocotb: Cocotb) -> Tried:
    """Nothing here depends on a candidate: what goes wrong is the task's fault."""
    async with context.lend(cocotb.environment) as sandbox:
        if reference is None:
            stub = f"module {bench.top}; endmodule\n"
            _require_tests(bench, await try_design(sandbox, cocotb, stub, bench, context.limits, run=False))
            return Tried()
        try:
            text = write(await asyncio.to_thread(preprocess, reference))
        except BrokenSource as bad:
            raise TaskFault(
                f"{_FORM}.reference", f"{bad.place.file}:{bad.place.line}: {bad.message}"
            ) from None
        tested = await try_design(sandbox, cocotb, text, bench, context.limits)
        _require_tests(bench, tested)
        for name in bench.expected:
            result = tested.answers.results.get(name)
            if not passed(result):
                why = f"{result.outcome}: {result.message}" if result else tested.why or "did not run"
                raise TaskFault(f"{_FORM}.reference", f"the reference does not pass {name}: {why}")
        try:
            ports = (await asyncio.to_thread(describe, reference, bench.top, bench.parameters)).ports
        except DesignError:  # what the compiler takes all the same
            ports = ()
        limits = replace(context.limits, cpu_seconds=min(_STUB_CPU_SECONDS, context.limits.cpu_seconds))
        vacuous = []
        for value, words in _NOTHING.items() if ports else ():
            tested_stub = await try_design(sandbox, cocotb, _stub(bench, ports, value), bench, limits)
            if all(passed(tested_stub.answers.results.get(name)) for name in bench.expected):
                vacuous.append(f"the check is vacuous: the tests also pass a design of which {words}")
        return Tried(frozenset(tested.faults), tuple(vacuous))


def _require_tests(bench: Bench, tested: Checked) -> None:
    """The tests can be imported, and are those that are expected."""
    answers = tested.answers
    if answers.broken is not None:
        raise TaskFault(f"{_FORM}.tests", f"the tests cannot be imported: {answers.broken}")
    if not tested.compiled:
        errors = [f"{one.file}:{one.line}: {one.text}" for one in tested.messages if one.kind != "warning"]
        raise TaskFault(f"{_FORM}.reference", "; ".join([f"the reference {tested.why}", *errors[:3]]))
    if answers.tests is None:
        raise TaskFault(f"{_FORM}.tests", f"the tests do not start: {tested.why}: {tested.said}")
    if differ := missing_tests(bench.expected, answers.tests):
        raise TaskFault(f"{_FORM}.expected_tests", differ)


def _stub(bench: Bench, ports: Sequence[Port], value: str) -> str:
    """A module with these ports and parameters that puts out nothing else."""
    names = ", ".join(f"{port.direction} [{port.width - 1}:0] \\{port.name} " for port in ports)
    lines = [f"  parameter \\{name} = {value};" for name, value in bench.parameters.items()]
    lines += [
        f"  assign \\{port.name} = {{{port.width}{{1'b{value}}}}};"
        for port in ports
        if port.direction == "output"
    ]
    return "\n".join([f"module {bench.top}({names});", *lines, "endmodule\n"])


def _judge(bench: Bench, tried: Tried, tested: Checked, said: list[Diagnostic]) -> Verdict:
    answers = tested.answers
    if not tested.compiled:
        errors = [one.message for one in said if one.severity == Diagnostic.SEVERITY_ERROR]
        rejected = tested.outcome == result_pb2.OUTCOME_REJECTED
        why = [*errors, tested.why][0] if rejected else tested.why
        return _all(bench, tested.outcome, why, said, tested.usage)
    faults = {name: fault for name, fault in tested.faults.items() if name not in tried.free}
    if faults:
        told = [f"{name}, which the tests drive, {fault}" for name, fault in sorted(faults.items())]
        wrong = [error(text) for text in told[:20]]
        return _all(bench, result_pb2.OUTCOME_REJECTED, told[0], [*wrong, *said], tested.usage)
    if answers.forged:
        why = "somebody else than the tests has written results"
        return _all(bench, result_pb2.OUTCOME_FAILED, why, said, tested.usage)
    if answers.broken is not None:
        why = f"the tests cannot be imported: {answers.broken}"
        return _all(bench, result_pb2.OUTCOME_FAILED, why, said, tested.usage)
    if answers.tests is not None and (differ := missing_tests(bench.expected, answers.tests)):
        return _all(bench, result_pb2.OUTCOME_FAILED, differ, said, tested.usage)
    complete = tested.outcome == result_pb2.OUTCOME_COMPLETED
    if not complete and len(answers.results) == len(bench.expected):
        return _all(bench, tested.outcome, f"after the tests, {tested.why}", said, tested.usage)
    cases = [_case(name, tested) for name in bench.expected]
    return _verdict(cases, said, tested.usage)


def _case(name: str, tested: Checked) -> CaseResult:
    result = tested.answers.results.get(name)
    if result is None:
        if tested.outcome == result_pb2.OUTCOME_COMPLETED:
            return _failed(result_pb2.OUTCOME_FAILED, f"{name} did not run")
        return _failed(tested.outcome, f"{name} did not end: {tested.why}")
    if result.outcome == "passed":
        return CaseResult(outcome=result_pb2.OUTCOME_PASSED, weight=1)
    message = (
        f"{name} was skipped: {result.message}"
        if result.outcome == "skipped"
        else f"{name}: {result.message}"
    )
    return _failed(result_pb2.OUTCOME_FAILED, message)


def _failed(outcome: result_pb2.Outcome.ValueType, message: str) -> CaseResult:
    return CaseResult(outcome=outcome, weight=1, message=message)


def _all(
    bench: Bench,
    outcome: result_pb2.Outcome.ValueType,
    message: str,
    said: Sequence[Diagnostic],
    usage: Usage | None = None,
) -> Verdict:
    """All tests have the same outcome: the design as a whole could not be tested."""
    return _verdict([_failed(outcome, message) for _ in bench.expected], said, usage)


def _verdict(cases: Sequence[CaseResult], said: Sequence[Diagnostic], usage: Usage | None) -> Verdict:
    if usage is not None:
        cases[0].usage.CopyFrom(usage)
    wrong = [case.outcome for case in cases if case.outcome != result_pb2.OUTCOME_PASSED]
    return Verdict(
        outcome=wrong[0] if wrong else result_pb2.OUTCOME_PASSED,
        score=1 - len(wrong) / len(cases),
        assurance=result_pb2.ASSURANCE_GUARDED,
        guards=_GUARDS,
        cases=cases,
        diagnostics=said,
        score_policy=SCORE_POLICY,
    )
