"""Challenge and solution, each compiled in a sandbox of its own, read outside, and checked by the kernel in another."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import CaseResult, Part, Usage
from basanite_sandboxes.kept import is_visible
from basanite_sandboxes.lean import COMPILED, RECHECK_FAULTS, SOURCE, Lean
from basanite_sandboxes.spec import Ended, Environment, Limits, Report, Sandbox
from basanite_services.chassis.kept import Store
from basanite_services.chassis.verifier import Context, InvalidItem, TaskFault, ToolchainError
from basanite_services.code.outcome import outcome_of, usage_of, why
from basanite_services.lean.examine import Challenge, Examined, Toolchain, read_challenge
from basanite_services.lean.header import HeaderError, Imports, begins_with, read_imports
from basanite_services.lean.index import LibraryError, Name
from basanite_services.lean.library import INIT, Libraries, Library, headers_directory
from basanite_services.lean.messages import Message, read_messages
from basanite_services.lean.replay import NotChecked, answer

TRIAL_LIMITS = Limits(cpu_seconds=300, wall_seconds=600, memory_bytes=16 << 30, output_bytes=64 << 20)
_TRIALS = 3
MAX_COMPILED_BYTES = 32 << 20
"""Of a solution: it is read by the server, at about 30 MB a second."""
Outcome: TypeAlias = result_pb2.Outcome.ValueType


@dataclass(frozen=True)
class Asked:
    """The trusted part of a judgement."""

    challenge: str
    targets: tuple[str, ...]
    allowed: frozenset[Name]
    field: str
    """Of the challenge."""
    targets_field: str
    leanchecker: bool = False
    """Its opinion is asked for, too."""


@dataclass
class Judged:
    """What came of a solution."""

    targets: tuple[str, ...]
    cases: list[CaseResult]
    """One a target, without weights."""
    messages: list[Message] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    compiled: bool = True
    parts: list[Part] = field(default_factory=list)


class Judge:
    """For all items of a server."""

    def __init__(self, lean: Lean, store_bytes: int) -> None:
        self.lean = lean
        self._libraries = Libraries(lean)
        self._challenges: Store[Challenge] = Store(store_bytes)
        self._pays: dict[Path, bool] = {}
        self._toolchain = Toolchain(lean.release, lean.version, lean.commit)

    def environment(self, context: Context) -> Environment:
        """Of the sandboxes for an item."""
        return self.lean.environment(context.environment.path, headers_directory())

    async def library(self, context: Context, imports: Imports) -> Library:
        """Raises LibraryError, SandboxUnavailable, ToolchainError."""
        place = context.environment.path
        if place is not None and not is_visible(place):
            name = context.environment.name
            raise ToolchainError(
                f"the environment {name} cannot be entered by every user, or lies below /tmp: move it"
            )
        return await self._libraries.get(place, imports)

    async def judge(self, asked: Asked, solution: str, context: Context) -> Judged:
        """Raises InvalidItem, TaskFault, Overloaded, ToolchainError."""
        try:
            imports = read_imports(asked.challenge)
        except HeaderError as error:
            raise InvalidItem(asked.field, f"must have a header of plain imports: {error}") from None
        try:
            library = await self.library(context, imports)
        except LibraryError as error:
            raise TaskFault(asked.field, f"{asked.field}: {error}") from None
        async with context.lend(self.environment(context)) as sandbox:
            challenge = await self._challenge(asked, library, sandbox, context)
            return await self._solution(asked, challenge, library, solution, sandbox, context)

    async def _challenge(
        self, asked: Asked, library: Library, sandbox: Sandbox, context: Context
    ) -> Challenge:
        words = [asked.challenge, *asked.targets, context.environment.digest, str(library.state)]
        key = hashlib.sha256(
            b"".join(len(word.encode()).to_bytes(8, "big") + word.encode() for word in words)
        )

        async def make() -> Challenge:
            report = await self.compile(asked.challenge, library, sandbox, context)
            if report.ended is Ended.STARVED:
                outcome_of(report)
            if not _is_compiled(report):
                said = next((one for one in read_messages(report.stdout) if one.severity == "error"), None)
                reason = f"line {said.line}: {said.text}" if said is not None else why(report, context.limits)
                raise TaskFault(asked.field, f"{asked.field}: the challenge does not compile: {reason}")
            return await asyncio.to_thread(
                read_challenge,
                self._toolchain,
                report.answers,
                asked.targets,
                library.index,
                asked.targets_field,
            )

        return await self._challenges.get((key.digest(), context.limits), make)

    async def _solution(
        self,
        asked: Asked,
        challenge: Challenge,
        library: Library,
        solution: str,
        sandbox: Sandbox,
        context: Context,
    ) -> Judged:
        judged = Judged(challenge.shown, [])
        try:
            imports = read_imports(solution)
        except HeaderError as error:
            return _failed(judged, result_pb2.OUTCOME_REJECTED, str(error))
        if {*imports} - {INIT} != {*library.imports} - {INIT}:
            name = sorted(".".join(map(str, one)) for one in ({*imports} ^ {*library.imports}) - {INIT})[0]
            return _failed(
                judged, result_pb2.OUTCOME_REJECTED, f"it does not import what the challenge imports: {name}"
            )
        report = await self.compile(solution, library, sandbox, context)
        judged.usages.append(usage_of(report))
        judged.messages = read_messages(report.stdout)
        if not _is_compiled(report):
            return _failed(judged, *_not_compiled(report, judged.messages, context))
        if len(report.answers) > MAX_COMPILED_BYTES:
            what = f"what it compiles to has more than {MAX_COMPILED_BYTES} bytes"
            return _failed(judged, result_pb2.OUTCOME_OUTPUT_LIMIT, what)
        examined = await asyncio.to_thread(
            Examined, self._toolchain, challenge, report.answers, library.index, asked.allowed
        )
        judged.cases = [
            CaseResult(outcome=finding.outcome, message=finding.message, declaration=target)
            for target, finding in zip(challenge.shown, examined.findings, strict=True)
        ]
        left = [
            place for place, case in enumerate(judged.cases) if case.outcome == result_pb2.OUTCOME_COMPLETED
        ]
        # All at once; where that does not pass, one by one.
        for places in ([left], [[place] for place in left]) if len(left) > 1 else ([left],):
            for some in filter(None, places):
                said = await self._recheck(examined, some, library, sandbox, context, judged)
                for place in some:
                    judged.cases[place].outcome, judged.cases[place].message = said
            if all(judged.cases[place].outcome == result_pb2.OUTCOME_PASSED for place in left):
                break
        if asked.leanchecker:
            await self._ask_leanchecker(report.answers, sandbox, context, judged)
        return judged

    async def _ask_leanchecker(
        self, compiled: bytes, sandbox: Sandbox, context: Context, judged: Judged
    ) -> None:
        """It maps the file that the solution compiled to, so that its yes alone would prove nothing."""
        state = Part.STATE_NOT_RUN
        if all(case.outcome == result_pb2.OUTCOME_PASSED for case in judged.cases):
            report = await sandbox.run(
                self.lean.check(context.environment.path), context.limits, files={COMPILED: compiled}
            )
            judged.usages.append(usage_of(report))
            outcome = outcome_of(report)
            state = Part.STATE_PASS if outcome == result_pb2.OUTCOME_COMPLETED else Part.STATE_FAIL
            if state == Part.STATE_FAIL:
                if report.ended is Ended.EXITED:
                    outcome = result_pb2.OUTCOME_FAILED
                message = f"leanchecker does not accept it: {why(report, context.limits)}"
                for case in judged.cases:
                    case.outcome, case.message = outcome, message
        judged.parts.append(Part(name="leanchecker", state=state))

    async def compile(self, text: str, library: Library, sandbox: Sandbox, context: Context) -> Report:
        if not self.lean.program.is_file():
            raise ToolchainError(f"{self.lean.program} is gone: start the server again")
        header = None
        if begins_with(text, library.text) and await self._header_pays(library, sandbox):
            header = library.header
        return await sandbox.run(self.lean.compile(header), context.limits, files={SOURCE: text.encode()})

    async def _header_pays(self, library: Library, sandbox: Sandbox) -> bool:
        """Whether a snapshot is faster than the imports, as it is for large libraries. Tried once."""
        if library.header is None:
            return False
        if library.header not in self._pays:
            costs = []
            for header in (library.header, None):
                runs = [
                    await sandbox.run(
                        self.lean.compile(header), TRIAL_LIMITS, files={SOURCE: library.text.encode()}
                    )
                    for _ in range(_TRIALS)
                ]
                costs.append(min(run.cpu_seconds if _is_compiled(run) else math.inf for run in runs))
            self._pays[library.header] = costs[0] < costs[1]
        return self._pays[library.header]

    async def _recheck(
        self,
        examined: Examined,
        places: Sequence[int],
        library: Library,
        sandbox: Sandbox,
        context: Context,
        judged: Judged,
    ) -> tuple[Outcome, str]:
        asked = await asyncio.to_thread(examined.declarations, places)
        modules = [INIT, *(name for name in library.imports if name != INIT)]
        command = self.lean.recheck([tuple(map(str, name)) for name in modules])
        report = await sandbox.run(command, context.limits, stdin=asked.text)
        judged.usages.append(usage_of(report))
        outcome = outcome_of(report)
        if report.ended is not Ended.EXITED or report.exit_status not in (0, *RECHECK_FAULTS):
            return outcome, f"while the kernel checked it: {why(report, context.limits)}"
        try:
            if report.exit_status != 0:
                raise NotChecked(report.stderr[:200].decode(errors="replace"))
            rejected = answer(report.stdout, asked.lines)
        except NotChecked as error:
            raise ToolchainError(f"the check by Lean's kernel did not work: {error}") from None
        return (result_pb2.OUTCOME_FAILED, rejected) if rejected else (result_pb2.OUTCOME_PASSED, "")


def _is_compiled(report: Report) -> bool:
    return report.ended is Ended.EXITED and report.exit_status == 0 and bool(report.answers)


def _not_compiled(report: Report, messages: Sequence[Message], context: Context) -> tuple[Outcome, str]:
    outcome = outcome_of(report)
    if report.ended is not Ended.EXITED:
        return outcome, f"while Lean compiled it: {why(report, context.limits)}"
    first = next((one for one in messages if one.severity == "error"), None)
    if first is not None:
        return result_pb2.OUTCOME_REJECTED, first.text
    said = report.stderr.decode(errors="replace").strip()[:300]
    return result_pb2.OUTCOME_REJECTED, f"Lean ended without a compiled file{f': {said}' if said else ''}"


def _failed(judged: Judged, outcome: Outcome, message: str) -> Judged:
    judged.compiled = False
    judged.cases = [
        CaseResult(outcome=outcome, message=message, declaration=target) for target in judged.targets
    ]
    return judged
