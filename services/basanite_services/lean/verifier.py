"""The `lean` verifier: which form a task has, and who judges it."""

from __future__ import annotations

from typing import ClassVar

from basanite.v1 import result_pb2, tasks_pb2
from basanite_sandboxes.lean import find_lean
from basanite_sandboxes.spec import Limits, SandboxPool, SandboxUnavailable
from basanite_services.chassis.settings import Settings
from basanite_services.chassis.verifier import Context, InvalidItem, ToolchainError, Verifier
from basanite_services.lean.elaborate import judge_elaborate
from basanite_services.lean.judging import Judge
from basanite_services.lean.steps import judge_steps
from basanite_services.lean.theorem import judge_complete, judge_theorem
from basanite_services.lean.verified_code import judge_verified_code

_STORE_BYTES = 256 << 20


class LeanVerifier(Verifier[tasks_pb2.LeanTask]):
    kind: ClassVar[str] = "lean"
    forms: ClassVar[tuple[str, ...]] = ("theorem", "complete", "steps", "elaborate", "verified_code")
    languages: ClassVar[tuple[str, ...]] = ("lean4",)
    default_limits: ClassVar[Limits] = Limits(
        cpu_seconds=60,
        wall_seconds=300,
        memory_bytes=4 << 30,
        processes=64,
        file_bytes=256 << 20,
        disk_bytes=256 << 20,
        output_bytes=256 << 20,
    )
    max_limits: ClassVar[Limits] = Limits(
        cpu_seconds=3600,
        wall_seconds=7200,
        memory_bytes=256 << 30,
        processes=1024,
        file_bytes=1 << 30,
        disk_bytes=4 << 30,
        open_files=65536,
        output_bytes=1 << 30,
    )

    def __init__(self) -> None:
        self.judge: Judge | None = None
        self._place = ""

    def configure(self, settings: Settings) -> None:
        self._place = settings.lean

    def toolchain(self, pool: SandboxPool) -> tuple[tuple[str, str], ...]:
        try:
            lean = find_lean(self._place)
        except SandboxUnavailable as error:
            raise ToolchainError(str(error)) from None
        self.judge = Judge(lean, _STORE_BYTES)
        core = "official" if lean.official else "basanite"
        return (("lean", lean.version), ("lean commit", lean.commit), ("lean core", core))

    async def verify(self, task: tasks_pb2.LeanTask, context: Context) -> result_pb2.Verdict:
        if self.judge is None:
            raise ToolchainError("Lean was not found when the server started")
        form = task.WhichOneof("form")
        judges = {
            "theorem": judge_theorem,
            "complete": judge_complete,
            "steps": judge_steps,
            "elaborate": judge_elaborate,
            "verified_code": judge_verified_code,
        }
        if task.leanchecker and form not in ("theorem", "complete"):
            raise InvalidItem("lean.leanchecker", "must be false: it is for forms theorem and complete")
        if form is None:
            raise InvalidItem("lean.form", f"must be set: {', '.join(self.forms)}")
        try:
            return await judges[form](task, context, self.judge)
        except SandboxUnavailable as error:
            raise ToolchainError(str(error)) from None
