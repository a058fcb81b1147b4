"""The `dafny` verifier: which form a task has, and who judges it."""

from __future__ import annotations

from typing import ClassVar

from basanite.v1 import result_pb2, tasks_pb2
from basanite_sandboxes.dafny import find_dafny
from basanite_sandboxes.spec import Limits, SandboxPool, SandboxUnavailable
from basanite_services.chassis.settings import Settings
from basanite_services.chassis.verifier import Context, InvalidItem, ToolchainError, Verifier
from basanite_services.dafny.forms import judge_hints, judge_implement, judge_verify
from basanite_services.dafny.proving import Prover
from basanite_services.dafny.specify import judge_specify
from basanite_services.dafny.tokens import SourceError
from basanite_services.dafny.verdict import rejected


class DafnyVerifier(Verifier[tasks_pb2.DafnyTask]):
    kind: ClassVar[str] = "dafny"
    forms: ClassVar[tuple[str, ...]] = ("verify", "implement", "specify", "hints")
    languages: ClassVar[tuple[str, ...]] = ("dafny",)
    default_limits: ClassVar[Limits] = Limits(
        cpu_seconds=60, wall_seconds=300, memory_bytes=2 << 30, processes=64, output_bytes=16 << 20
    )
    max_limits: ClassVar[Limits] = Limits(
        cpu_seconds=3600,
        wall_seconds=7200,
        memory_bytes=64 << 30,
        processes=1024,
        file_bytes=1 << 30,
        disk_bytes=4 << 30,
        open_files=65536,
        output_bytes=256 << 20,
    )

    def __init__(self) -> None:
        self._prover: Prover | None = None
        self._place = ""

    def configure(self, settings: Settings) -> None:
        self._place = settings.dafny

    def toolchain(self, pool: SandboxPool) -> tuple[tuple[str, str], ...]:
        try:
            dafny = find_dafny(self._place)
        except SandboxUnavailable as error:
            raise ToolchainError(str(error)) from None
        self._prover = Prover(dafny)
        return (("dafny", dafny.version), ("z3", dafny.solver))

    async def verify(self, task: tasks_pb2.DafnyTask, context: Context) -> result_pb2.Verdict:
        if self._prover is None:
            raise ToolchainError("Dafny was not found when the server started")
        judges = {
            "verify": judge_verify,
            "implement": judge_implement,
            "specify": judge_specify,
            "hints": judge_hints,
        }
        form = task.WhichOneof("form")
        if form is None:
            raise InvalidItem("dafny.form", f"must be set: {', '.join(self.forms)}")
        if context.environment.name:
            raise InvalidItem("environment", "must be empty: the kind dafny has none")
        try:
            return await judges[form](task, context, self._prover)
        except SourceError as error:  # of the candidate's text: trusted ones are looked through first
            return rejected(error)
