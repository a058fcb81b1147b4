"""Forms `verify`, `implement` and `hints`: a program is compared, and proved."""

from __future__ import annotations

import asyncio

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import CaseResult, Verdict
from basanite_sandboxes.spec import Sandbox
from basanite_services.chassis.verifier import Context
from basanite_services.dafny import check
from basanite_services.dafny.declarations import Program
from basanite_services.dafny.guard import refusals
from basanite_services.dafny.hints import first_difference, without_hints
from basanite_services.dafny.proving import Prover, Proving, cases_of, diagnostics, mangled
from basanite_services.dafny.report import CORRECT
from basanite_services.dafny.specification import Difference, compare
from basanite_services.dafny.vacuous import mark_for, with_probes
from basanite_services.dafny.verdict import error_at, forbidden, verdict_on

SPECIFICATION, GIVEN = "dafny.implement.specification", "dafny.hints.given"


async def judge_verify(task: tasks_pb2.DafnyTask, context: Context, prover: Prover) -> Verdict:
    program = await asyncio.to_thread(check.candidates, task.program)
    if refused := await asyncio.to_thread(refusals, program):
        return forbidden(refused)
    async with context.lend(prover.dafny.environment) as sandbox:
        proving = await prover.prove(program.source.text, sandbox, context)
        if proving.proved and not proving.findings:
            proving.proved, proving.outcome = False, result_pb2.OUTCOME_FAILED
            proving.message = "it has nothing to prove"
        verdict = verdict_of(program, proving, prover)
        if proving.proved:
            await _look_for_vacuous(program, verdict, prover, sandbox, context)
        return verdict


async def judge_implement(task: tasks_pb2.DafnyTask, context: Context, prover: Prover) -> Verdict:
    reference = await asyncio.to_thread(check.trusted, SPECIFICATION, task.implement.specification)
    async with context.lend(prover.dafny.environment) as sandbox:
        await prover.check_trusted(SPECIFICATION, reference, sandbox, context)
        program = await asyncio.to_thread(check.candidates, task.program)
        compared = await asyncio.to_thread(compare, reference, program)
        refused = await asyncio.to_thread(refusals, program, compared.exempt)
        if refused or compared.differences:
            return forbidden([*compared.differences, *refused])
        proving = await prover.prove(program.source.text, sandbox, context, axioms=_has_axioms(program))
        return verdict_of(program, proving, prover)


async def judge_hints(task: tasks_pb2.DafnyTask, context: Context, prover: Prover) -> Verdict:
    given = await asyncio.to_thread(check.trusted, GIVEN, task.hints.given)
    program = await asyncio.to_thread(check.candidates, task.program)
    wanted = await asyncio.to_thread(without_hints, given.source.tokens)
    own = await asyncio.to_thread(without_hints, program.source.tokens)
    found = first_difference(wanted, own)
    if found is not None:
        expected, token = found
        said = f"{expected.text[:80]!r} is expected" if expected is not None else "nothing more is expected"
        return forbidden([Difference(f"more than hints is changed: {said}", token)])
    # What is left is the given program, so that what is refused in it is the task's own.
    own_places = {token.start for token in own}
    exempt = frozenset(one.start for one in own) if refusals(given) else frozenset[int]()
    if refused := [one for one in refusals(program, exempt) if one.token.start not in own_places]:
        return forbidden(refused)
    async with context.lend(prover.dafny.environment) as sandbox:
        proving = await prover.prove(program.source.text, sandbox, context, axioms=_has_axioms(program))
        return verdict_of(program, proving, prover)


def verdict_of(program: Program, proving: Proving, prover: Prover) -> Verdict:
    last_line = program.source.text.count("\n") + 1
    cases = cases_of(program, proving, prover.dafny.generation)
    return verdict_on(cases, diagnostics(proving.messages, last_line))


def _has_axioms(program: Program) -> bool:
    return any(one.is_callable and one.body is None for one in program.all())


async def _look_for_vacuous(
    program: Program, verdict: Verdict, prover: Prover, sandbox: Sandbox, context: Context
) -> None:
    """A proved program whose preconditions contradict themselves has proved nothing."""
    mark = mark_for(program)
    text, probes = with_probes(program, mark)
    if not probes:
        return
    proving = await prover.prove(text, sandbox, context, only=mangled(mark))
    verdict.cases[0].usage.cpu_seconds += sum(one.cpu_seconds for one in proving.usages)
    verdict.cases[0].usage.wall_seconds += sum(one.wall_seconds for one in proving.usages)
    if not proving.checked:
        return
    names = {finding.name.rpartition(".")[2]: finding.outcome for finding in proving.findings}
    for name, one in probes.items():
        if names.get(mangled(name)) != CORRECT:
            continue
        path = ".".join(one.path)
        message = f"{one.shown}: its preconditions contradict each other, so that it proves nothing"
        case = next((case for case in verdict.cases if case.declaration == path), None)
        if case is None:
            case = verdict.cases.add(declaration=path, weight=1)
        case.outcome, case.message = result_pb2.OUTCOME_FAILED, message
        verdict.diagnostics.append(error_at(one.token, message))
    changed = verdict_on(
        [CaseResult.FromString(case.SerializeToString()) for case in verdict.cases], list(verdict.diagnostics)
    )
    verdict.CopyFrom(changed)
