"""The `unittest` verifier: which form a task has, and who judges it."""

from __future__ import annotations

from typing import ClassVar

from basanite.v1 import result_pb2, tasks_pb2
from basanite_sandboxes.pytest_environment import pytest_version
from basanite_sandboxes.spec import Limits, SandboxPool, SandboxUnavailable
from basanite_services.chassis.kept import Store
from basanite_services.chassis.verifier import Context, InvalidItem, ToolchainError, Verifier
from basanite_services.unittest.repository import Pristine, judge_repository
from basanite_services.unittest.suite import Tried, judge_suite

_STORE_BYTES = 64 << 20


class UnittestVerifier(Verifier[tasks_pb2.UnittestTask]):
    kind: ClassVar[str] = "unittest"
    forms: ClassVar[tuple[str, ...]] = ("suite", "repository")
    languages: ClassVar[tuple[str, ...]] = ("python",)
    seeded: ClassVar[bool] = True
    takes_images: ClassVar[bool] = True
    default_limits: ClassVar[Limits] = Limits(
        cpu_seconds=60,
        wall_seconds=300,
        memory_bytes=1 << 30,
        processes=128,
        disk_bytes=256 << 20,
        open_files=1024,
    )
    max_limits: ClassVar[Limits] = Limits(
        cpu_seconds=3600,
        wall_seconds=7200,
        memory_bytes=64 << 30,
        processes=4096,
        file_bytes=4 << 30,
        disk_bytes=16 << 30,
        open_files=65536,
        output_bytes=256 << 20,
    )

    def __init__(self) -> None:
        self._tried: Store[Tried] = Store(_STORE_BYTES)
        self._pristine: Store[Pristine] = Store(_STORE_BYTES)

    def toolchain(self, pool: SandboxPool) -> tuple[tuple[str, str], ...]:
        try:
            return (("python", pool.python_version), ("pytest", pytest_version()))
        except SandboxUnavailable as error:
            raise ToolchainError(str(error)) from None

    async def verify(self, task: tasks_pb2.UnittestTask, context: Context) -> result_pb2.Verdict:
        form = task.WhichOneof("form")
        if form == "suite":
            return await judge_suite(task, context, self._tried)
        if form == "repository":
            try:
                return await judge_repository(task, context, self._pristine)
            except SandboxUnavailable as error:
                raise ToolchainError(str(error)) from None
        raise InvalidItem("unittest.form", f"must be set: {' or '.join(self.forms)}")
