"""The `code` verifier: which form a task has, and who judges it."""

from __future__ import annotations

from typing import ClassVar

from basanite.v1 import result_pb2, tasks_pb2
from basanite_sandboxes.spec import Limits, SandboxPool
from basanite_services.chassis.verifier import Context, InvalidItem, Verifier
from basanite_services.code.check import MAX_SOURCE_BYTES, check_language, is_too_long
from basanite_services.code.function import judge_function
from basanite_services.code.outcome import rejected
from basanite_services.code.program import run_program
from basanite_services.code.python_test import judge_python_test
from basanite_services.code.stdio import judge_stdio


class CodeVerifier(Verifier[tasks_pb2.CodeTask]):
    kind: ClassVar[str] = "code"
    forms: ClassVar[tuple[str, ...]] = ("stdio", "function", "python_test", "program")
    languages: ClassVar[tuple[str, ...]] = ("python",)
    default_limits: ClassVar[Limits] = Limits()
    max_limits: ClassVar[Limits] = Limits(
        cpu_seconds=300,
        wall_seconds=1800,
        memory_bytes=16 << 30,
        processes=1024,
        file_bytes=1 << 30,
        disk_bytes=4 << 30,
        open_files=4096,
        output_bytes=64 << 20,
    )

    def toolchain(self, pool: SandboxPool) -> tuple[tuple[str, str], ...]:
        return (("python", pool.python_version),)

    async def verify(self, task: tasks_pb2.CodeTask, context: Context) -> result_pb2.Verdict:
        check_language("code", task.language)
        form = task.WhichOneof("form")
        if form is not None and is_too_long(task.source):
            # The candidate's doing, and so a verdict.
            return rejected(f"the program must be at most {MAX_SOURCE_BYTES} bytes", scored=form != "program")
        match form:
            case "stdio":
                return await judge_stdio(task.source.encode(), task.stdio, context)
            case "function":
                return await judge_function(task.source.encode(), task.function, context)
            case "python_test":
                return await judge_python_test(task.source.encode(), task.python_test, context)
            case "program":
                return await run_program(task.source.encode(), task.program, context)
            case _:
                raise InvalidItem("code.form", "must be set: stdio, function, python_test or program")
