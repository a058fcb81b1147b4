"""Form `equivalence`: the candidate is simulated alone; what it puts out is compared with what the golden put out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import CaseResult, Diagnostic, Part, Usage, Verdict
from basanite_sandboxes.icarus import Icarus
from basanite_sandboxes.yosys import Yosys
from basanite_services.chassis.verifier import Context, InvalidItem, TaskFault
from basanite_services.verilog import check
from basanite_services.verilog.compare import Compared, Expectation
from basanite_services.verilog.constants import constants_of
from basanite_services.verilog.design import Design, DesignError, describe
from basanite_services.verilog.formal import LEAST_SECONDS, Proof, look_for_proof, make_netlist
from basanite_services.verilog.gates import Unprovable
from basanite_services.verilog.golden import Golden, GoldenStore
from basanite_services.verilog.guard import Guarded, Level, guard
from basanite_services.verilog.messages import diagnostics
from basanite_services.verilog.mismatch import MAX_IN_FULL, mismatch_of
from basanite_services.verilog.names import Surroundings
from basanite_services.verilog.outcome import (
    error,
    failed_as_a_whole,
    info,
    trusted_part,
    verdict_of,
    warning,
)
from basanite_services.verilog.ports import declared_ports, port_faults
from basanite_services.verilog.preprocess import Sources, preprocess
from basanite_services.verilog.silence import silence
from basanite_services.verilog.simulation import Simulated, simulate, sum_of
from basanite_services.verilog.sources import BadFiles, make_sources
from basanite_services.verilog.stimuli import Directed, Plan, Stimuli, make_stimuli, usual_cycles
from basanite_services.verilog.tokens import Token
from basanite_services.verilog.vcd import value_changes
from basanite_services.verilog.waves import MalformedWaves, Waves, read_waves, waves_bytes
from basanite_services.verilog.write import write

_FORM = "verilog.equivalence"
_MAX_STIMULI_BITS = 1 << 29
"""Of all inputs in all cycles."""
_MAX_NUMBER = 80
"""Characters of a value in a sentence."""


@dataclass(frozen=True)
class _Task:
    """The trusted part."""

    golden: Sources
    golden_top: str
    data: Mapping[str, str]
    parameters: Mapping[str, str]
    plan: Plan
    form: tasks_pb2.EquivalenceForm
    proof: tuple[float, int] | None
    """Seconds of CPU time and cycles of the induction, if one is asked for."""


async def judge_equivalence(
    task: tasks_pb2.VerilogTask,
    context: Context,
    icarus: Icarus,
    store: GoldenStore,
    find_yosys: Callable[[], Yosys],
) -> Verdict:
    """Raises InvalidItem, TaskFault (the golden does not work, or nothing of it can be compared), ToolchainError (a
    proof is asked for, and there is no Yosys), Overloaded."""
    trusted = trusted_part(task)
    if context.environment.name:
        raise InvalidItem("environment", "must be empty: a design has no use for Python packages")
    seed = context.seed(trusted)
    checked = _check(task)
    yosys = find_yosys() if checked.proof else None
    key = (seed, context.limits)
    golden = await store.get(key, lambda: _make_golden(checked, seed, context, icarus, yosys))
    outputs = len(golden.design.outputs)

    try:
        sources = make_sources(task.files, task.include_directories, task.defines, checked.data)
    except BadFiles as bad:
        return failed_as_a_whole(result_pb2.OUTCOME_REJECTED, str(bad), outputs, [error(str(bad))])
    connections = {port.name for port in golden.design.ports} | checked.parameters.keys()
    around = Surroundings(connections=frozenset(connections))
    guarded = await asyncio.to_thread(guard, sources, task.top, Level.ALONE, around, data=checked.data)
    if guarded.broken is not None:
        message, place = guarded.broken.message, guarded.broken.place
        return failed_as_a_whole(result_pb2.OUTCOME_REJECTED, message, outputs, [error(message, place)])
    if guarded.refusals:
        refused = [error(refusal.message, refusal.place) for refusal in guarded.refusals]
        return failed_as_a_whole(result_pb2.OUTCOME_FORBIDDEN, refused[0].message, outputs, refused)

    async with context.lend(icarus.environment) as sandbox:
        simulated = await simulate(
            sandbox,
            icarus,
            guarded.text,
            task.top,
            golden.design,
            checked.parameters,
            golden.stimuli,
            checked.data,
            context.limits,
        )
    said = [replace(message, text=guarded.original(message.text)) for message in simulated.messages]
    names = {file.name for file in task.files}
    found = diagnostics(said, names, compiled=simulated.compiled)
    found += [warning(extra) for extra in simulated.extra_ports]
    verdict = await _judge(golden, simulated, found, vcd=task.equivalence.vcd)
    if verdict.outcome in (result_pb2.OUTCOME_FAILED, result_pb2.OUTCOME_REJECTED):
        # The compiler says little about ports that are not as they should be: a mismatch may come from there.
        ports = await asyncio.to_thread(declared_ports, sources, task.top)
        told = port_faults(golden.design.ports, ports) if ports is not None else []
        faults = told or simulated.port_faults
        if faults:
            wrong = [*(error(fault) for fault in faults), *found]
            return failed_as_a_whole(result_pb2.OUTCOME_REJECTED, faults[0], outputs, wrong, simulated.usage)
    if checked.proof is None or yosys is None:
        return verdict
    second = _SecondTier(checked, task.top, guarded, golden, seed, context, icarus, yosys)
    return await second.judge(verdict, found)


def _check(task: tasks_pb2.VerilogTask) -> _Task:
    form = task.equivalence
    check.check_folders("verilog.include_directories", task.include_directories)
    check.check_defines("verilog.defines", task.defines)
    check.check_name("verilog.top", task.top)
    if form.golden_top:
        check.check_name(f"{_FORM}.golden_top", form.golden_top)
    proof = check.read_formal(f"{_FORM}.formal", form.formal) if form.HasField("formal") else None
    data = check.read_data("verilog.data", task.data)
    try:
        golden = make_sources(form.golden, task.include_directories, task.defines, data)
    except BadFiles as bad:
        raise InvalidItem(f"{_FORM}.golden", f"must be files of Verilog: {bad}") from None
    parameters = check.check_parameters(f"{_FORM}.parameters", form.parameters)
    plan = check.read_plan(f"{_FORM}.stimuli", form.stimuli)
    return _Task(golden, form.golden_top or task.top, data, parameters, plan, form, proof)


async def _make_golden(
    task: _Task, seed: bytes, context: Context, icarus: Icarus, yosys: Yosys | None
) -> Golden:
    try:
        design = await asyncio.to_thread(describe, task.golden, task.golden_top, task.parameters)
        tokens = await asyncio.to_thread(preprocess, task.golden)
    except DesignError as bad:
        raise TaskFault(f"{_FORM}.golden", f"the golden reference cannot be judged by: {bad}") from None
    if task.form.HasField("clocking"):
        gated = {clock.name for clock in design.clocks if clock.gated}
        clocks, resets = check.read_clocking(f"{_FORM}.clocking", task.form.clocking, design.ports, gated)
        design = replace(design, clocks=clocks, resets=resets)
    if not design.outputs:
        raise TaskFault(
            f"{_FORM}.golden", f"module {task.golden_top} has no outputs: nothing can be compared"
        )
    plan = replace(task.plan, cycles=task.plan.cycles or usual_cycles(design))
    input_bits = sum(port.width for port in design.inputs)
    if input_bits * plan.cycles > _MAX_STIMULI_BITS:
        most = _MAX_STIMULI_BITS // input_bits
        raise InvalidItem(
            f"{_FORM}.stimuli.cycles", f"must be at most {most} for {input_bits} bits of inputs"
        )
    try:
        stimuli = await asyncio.to_thread(make_stimuli, design, plan, seed, constants_of(tokens))
    except ValueError as bad:
        raise InvalidItem(f"{_FORM}.stimuli", str(bad)) from None
    if (needed := waves_bytes(design.outputs, len(stimuli.rows))) > context.limits.output_bytes:
        raise InvalidItem(
            "limits.output_bytes", f"must be at least {needed} for what the outputs are in all cycles"
        )
    expectation = await _simulate_golden(task, design, tokens, stimuli, context, icarus)
    if expectation.compares_nothing:
        raise TaskFault(
            f"{_FORM}.golden",
            "all outputs of the golden reference are unknown (x) all the time, so every candidate would pass: "
            "give clocking or directed vectors that bring it into a known state",
        )
    golden = Golden(design, tuple(tokens), stimuli, expectation)
    if yosys is None or task.proof is None:
        return golden
    try:
        async with context.lend(yosys.environment) as sandbox:
            limits = replace(context.limits, cpu_seconds=task.proof[0])
            quiet = silence(tokens).tokens
            netlist, _ = await make_netlist(
                sandbox, yosys, quiet, design.name, design, task.parameters, limits, golden=True
            )
    except Unprovable as reason:
        return replace(golden, netlist=f"the reference: {reason}")
    return replace(golden, netlist=netlist)


async def _simulate_golden(
    task: _Task,
    design: Design,
    tokens: Sequence[Token],
    stimuli: Stimuli,
    context: Context,
    icarus: Icarus,
) -> Expectation:
    async with context.lend(icarus.environment) as sandbox:
        simulated = await simulate(
            sandbox,
            icarus,
            write(tokens),
            design.name,
            design,
            task.parameters,
            stimuli,
            task.data,
            context.limits,
        )
    if simulated.outcome != result_pb2.OUTCOME_COMPLETED:
        errors = [f"{one.file}:{one.line}: {one.text}" for one in simulated.messages if one.kind != "warning"]
        raise TaskFault(f"{_FORM}.golden", "; ".join([f"the golden reference: {simulated.why}", *errors[:3]]))
    try:
        waves = await asyncio.to_thread(read_waves, simulated.waves, design.outputs, len(stimuli.rows))
    except MalformedWaves as bad:
        raise TaskFault(f"{_FORM}.golden", f"the golden reference: {bad}") from None
    return Expectation(waves)


@dataclass(frozen=True)
class _SecondTier:
    """Is there a proof for a design that passed simulation? The parts of its verdict."""

    task: _Task
    top: str
    guarded: Guarded
    golden: Golden
    seed: bytes
    context: Context
    icarus: Icarus
    yosys: Yosys

    async def judge(self, simulated: Verdict, said: list[Diagnostic]) -> Verdict:
        """The verdict with its parts; that of a counterexample that shows in simulation, where there is one."""
        if simulated.outcome != result_pb2.OUTCOME_PASSED:
            return _with_parts(simulated, Part.STATE_FAIL, Part.STATE_NOT_RUN)
        proof = await self._prove()
        why = proof.why
        if proof.counterexample:
            shown = await self._replay(proof.counterexample, said)
            if shown is not None:
                shown.cases[0].usage.MergeFrom(_sum(simulated, proof, shown))
                return _with_parts(shown, Part.STATE_PASS, Part.STATE_FAIL)
            why = "there is a counterexample, and in simulation it makes no difference"
        simulated.cases[0].usage.MergeFrom(_sum(simulated, proof))
        if proof.proven:
            return _with_parts(simulated, Part.STATE_PASS, Part.STATE_PASS)
        simulated.diagnostics.append(info(f"no proof: {why}"))
        return _with_parts(simulated, Part.STATE_PASS, Part.STATE_UNKNOWN)

    async def _prove(self) -> Proof:
        golden, design = self.golden.netlist, self.golden.design
        if isinstance(golden, str):
            return Proof(why=golden)
        seconds, depth = self.task.proof or (0.0, 0)
        limits = replace(self.context.limits, cpu_seconds=seconds)
        usage = Usage()
        try:
            async with self.context.lend(self.yosys.environment) as sandbox:
                netlist, usage = await make_netlist(
                    sandbox,
                    self.yosys,
                    self.guarded.tokens,
                    self.top,
                    design,
                    self.task.parameters,
                    limits,
                    golden=False,
                )
                left = replace(limits, cpu_seconds=max(seconds - usage.cpu_seconds, LEAST_SECONDS))
                proof = await look_for_proof(sandbox, self.yosys, golden, netlist, design, depth, left)
        except Unprovable as reason:
            return Proof(why=self.guarded.original(str(reason)), usage=usage)
        return replace(proof, usage=sum_of(usage, proof.usage))

    async def _replay(self, inputs: Sequence[Directed], said: list[Diagnostic]) -> Verdict | None:
        """The verdict of a simulation with these inputs, if the design fails there."""
        design = self.golden.design
        plan = Plan(len(inputs), tuple(inputs))
        stimuli = await asyncio.to_thread(make_stimuli, design, plan, self.seed)
        if waves_bytes(design.outputs, len(stimuli.rows)) > self.context.limits.output_bytes:
            return None
        expectation = await _simulate_golden(
            self.task, design, self.golden.tokens, stimuli, self.context, self.icarus
        )
        golden = replace(self.golden, stimuli=stimuli, expectation=expectation)
        async with self.context.lend(self.icarus.environment) as sandbox:
            simulated = await simulate(
                sandbox,
                self.icarus,
                self.guarded.text,
                self.top,
                design,
                self.task.parameters,
                stimuli,
                self.task.data,
                self.context.limits,
            )
        verdict = await _judge(golden, simulated, said, vcd=self.task.form.vcd)
        return verdict if verdict.outcome == result_pb2.OUTCOME_FAILED else None


def _sum(*of: Verdict | Proof) -> Usage:
    return sum_of(*(one.usage if isinstance(one, Proof) else one.cases[0].usage for one in of))


def _with_parts(verdict: Verdict, simulation: Part.State.ValueType, formal: Part.State.ValueType) -> Verdict:
    for name, state in (("simulation", simulation), ("formal", formal)):
        verdict.parts.append(Part(name=name, state=state))
    return verdict


async def _judge(golden: Golden, simulated: Simulated, said: list[Diagnostic], *, vcd: bool) -> Verdict:
    outputs = golden.design.outputs
    if simulated.outcome != result_pb2.OUTCOME_COMPLETED:
        errors = [one.message for one in said if one.severity == Diagnostic.SEVERITY_ERROR]
        rejected = simulated.outcome == result_pb2.OUTCOME_REJECTED
        why = [*errors, *simulated.port_faults, simulated.why][0] if rejected else simulated.why
        return failed_as_a_whole(simulated.outcome, why, len(outputs), said, simulated.usage)
    try:
        waves = await asyncio.to_thread(read_waves, simulated.waves, outputs, len(golden.stimuli.rows))
    except MalformedWaves as bad:
        return failed_as_a_whole(result_pb2.OUTCOME_FAILED, str(bad), len(outputs), said, simulated.usage)
    cases = await asyncio.to_thread(_cases, golden, waves)
    cases[0].usage.CopyFrom(simulated.usage)
    vacuous = [warning(f"output {port.name} {why}") for port, why in golden.expectation.vacuous()]
    verdict = verdict_of(cases, [*said, *vacuous])
    if vcd and verdict.outcome == result_pb2.OUTCOME_FAILED:
        verdict.vcd = await asyncio.to_thread(value_changes, golden, waves)
    return verdict


def _cases(golden: Golden, waves: Waves) -> list[CaseResult]:
    cases: list[CaseResult] = []
    wrong = 0
    for compared in golden.expectation.compare(waves):
        wrong += bool(compared.mismatched)
        cases.append(_case(golden, compared, waves, in_full=wrong <= MAX_IN_FULL))
    return cases


def _case(golden: Golden, compared: Compared, waves: Waves, *, in_full: bool) -> CaseResult:
    if not compared.mismatched:
        return CaseResult(outcome=result_pb2.OUTCOME_PASSED, weight=1)
    mismatch = mismatch_of(
        compared, golden.design, golden.expectation, waves, golden.stimuli, in_full=in_full
    )
    message = (
        f"output {mismatch.port}: {mismatch.mismatched_samples} of {mismatch.compared_samples} samples differ, first "
        f"in cycle {mismatch.first_cycle}"
    )
    if 0 < len(mismatch.got) <= _MAX_NUMBER:
        message += f": expected {mismatch.expected}, got {mismatch.got}"
    if mismatch.hints:
        message += f" ({'; '.join(mismatch.hints)})"
    return CaseResult(outcome=result_pb2.OUTCOME_FAILED, weight=1, message=message, mismatch=mismatch)
