"""A design under trusted cocotb tests, in a sandbox: compiled, then simulated, then asked for its inputs."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import Usage
from basanite_sandboxes.cocotb import Cocotb
from basanite_sandboxes.icarus import DESIGN
from basanite_sandboxes.spec import Ended, Limits, Report, Sandbox
from basanite_services.verilog.cocotb_answers import Answers, Result, read_answers
from basanite_services.verilog.driven_inputs import check_stage, faults_of
from basanite_services.verilog.messages import Message, read_messages
from basanite_services.verilog.simulation import PROGRAM_BYTES, outcome_of, usage_of, why_of

_TEXT = "design.v"
_SCALE = "`timescale 1ns/1ps\n"
_NO_PARAMETER = re.compile(r"^:0: warning: parameter (\S+) not found in ", re.MULTILINE)
_LAST_WORDS = 500
"""Characters of what Python said before it ended."""


@dataclass(frozen=True)
class Bench:
    """The trusted part of a task."""

    top: str
    modules: tuple[str, ...]
    expected: tuple[str, ...]
    tests: Mapping[str, str]
    """Files by name."""
    data: Mapping[str, str]
    parameters: Mapping[str, str]
    seed: int


@dataclass(frozen=True)
class Checked:
    """What came of it: of the tests, or, where none could be heard, an outcome and a sentence."""

    outcome: result_pb2.Outcome.ValueType
    """COMPLETED if the simulation went to the end of the tests: then `answers` say what came of each."""
    why: str = ""
    """Why it did not. One sentence without its subject, the design."""
    answers: Answers = dataclasses.field(default_factory=Answers)
    faults: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Signals that tests write and that are no inputs, and what they are."""
    messages: tuple[Message, ...] = ()
    """The compiler's."""
    compiled: bool = False
    usage: Usage = dataclasses.field(default_factory=Usage)
    said: str = ""
    """What was printed at last on standard error, for those who may see the tests."""


async def try_design(
    sandbox: Sandbox, cocotb: Cocotb, text: str, bench: Bench, limits: Limits, *, run: bool = True
) -> Checked:
    """Test a design, given as preprocessed text; without `run`, only ask which tests there are.

    The limits hold for each stage. Raises Overloaded if a run says nothing about the design; SandboxError.
    """
    name = _fresh_name(text)
    # A module of ours makes times as fine as tests want them, whatever time scale the design has.
    whole = f"{_SCALE}module {name}; endmodule\n{text}".encode(errors="replace")
    parameters = {f"{bench.top}.{key}": value for key, value in bench.parameters.items()} if run else {}
    stage = cocotb.icarus.compile([_TEXT], top=[bench.top, name], parameters=parameters)
    compiled = await sandbox.run(
        stage.command,
        dataclasses.replace(limits, output_bytes=PROGRAM_BYTES),
        stdin=stage.stdin,
        files={_TEXT: whole},
    )
    all_messages = await asyncio.to_thread(read_messages, compiled.stderr)
    messages = tuple(message for message in all_messages if name not in message.text)
    if not _has_program(compiled):
        return Checked(
            outcome_of(compiled, result_pb2.OUTCOME_REJECTED),
            why_of(compiled, limits, "compiling it"),
            messages=messages,
            usage=usage_of(compiled),
        )
    if missing := _NO_PARAMETER.search(compiled.stderr.decode(errors="replace")):
        why = f"has no parameter {missing[1]}"
        return Checked(result_pb2.OUTCOME_REJECTED, why, messages=messages, usage=usage_of(compiled))

    key, output = secrets.token_bytes(32), f"answers_{secrets.token_hex(8)}"
    stage = cocotb.simulate(key, output, bench.top, bench.modules, bench.seed, run=run)
    files = {key: content.encode() for key, content in {**bench.data, **bench.tests}.items()}
    report = await sandbox.run(
        stage.command, limits, stdin=stage.stdin, files={**files, DESIGN: compiled.answers}
    )
    answers = read_answers(report.answers, key)
    reports = [compiled, report]
    faults: Mapping[str, str] = {}
    if answers.written and any(result.outcome == "passed" for result in answers.results.values()):
        checked, faults = await _faults(sandbox, cocotb, text, bench, sorted(answers.written), limits)
        reports.append(checked)
    ended = answers.ended or answers.broken is not None
    whole_run = report.ended is Ended.EXITED and report.exit_status == 0 and ended
    return Checked(
        result_pb2.OUTCOME_COMPLETED if whole_run else outcome_of(report, result_pb2.OUTCOME_CRASHED),
        "" if whole_run else why_of(report, limits, "simulating it"),
        answers,
        faults,
        messages,
        compiled=True,
        usage=usage_of(*reports),
        said=report.stderr.decode(errors="replace").strip()[-_LAST_WORDS:],
    )


async def _faults(
    sandbox: Sandbox, cocotb: Cocotb, text: str, bench: Bench, names: Sequence[str], limits: Limits
) -> tuple[Report, dict[str, str]]:
    module = _fresh_name(text)
    stage, before = check_stage(cocotb.icarus, bench.top, bench.parameters, names, module, _TEXT)
    report = await sandbox.run(
        stage.command,
        dataclasses.replace(limits, output_bytes=PROGRAM_BYTES),
        stdin=stage.stdin,
        files={_TEXT: f"{_SCALE}{before}{text}".encode(errors="replace")},
    )
    outcome_of(report, result_pb2.OUTCOME_REJECTED)
    return report, faults_of(names, report.stderr, module, compiled=_has_program(report))


def _has_program(report: Report) -> bool:
    return bool(report.ended is Ended.EXITED and report.exit_status == 0 and report.answers)


def _fresh_name(text: str) -> str:
    while True:
        name = f"h{secrets.token_hex(8)}"
        if name not in text:
            return name


def missing_tests(expected: Collection[str], there: Collection[str]) -> str:
    """What differs between the tests that are expected and those that there are; empty if nothing does."""
    told = []
    if lacking := sorted(set(expected) - set(there)):
        told.append(f"there is no test {', '.join(lacking[:5])}")
    if more := sorted(set(there) - set(expected)):
        told.append(f"there is a test that is not expected: {', '.join(more[:5])}")
    if twice := sorted({name for name in there if list(there).count(name) > 1}):
        told.append(f"there are several tests {', '.join(twice[:5])}")
    return "; ".join(told)


def passed(result: Result | None) -> bool:
    return result is not None and result.outcome == "passed"
