"""The `verilog` verifier: which form a task has, and who judges it."""

from __future__ import annotations

import importlib.metadata
from contextlib import suppress
from typing import ClassVar

from basanite.v1 import result_pb2, tasks_pb2
from basanite_sandboxes.cocotb import Cocotb, find_cocotb
from basanite_sandboxes.icarus import find_icarus
from basanite_sandboxes.spec import Limits, SandboxPool, SandboxUnavailable
from basanite_sandboxes.verilator import Verilator, find_verilator
from basanite_sandboxes.yosys import Yosys, find_yosys
from basanite_services.chassis.verifier import Context, InvalidItem, ToolchainError, Verifier
from basanite_services.verilog.cocotb_form import TriedStore, judge_cocotb
from basanite_services.verilog.compiling import judge_compile
from basanite_services.verilog.equivalence import judge_equivalence
from basanite_services.verilog.golden import GoldenStore
from basanite_services.verilog.testbench import judge_testbench
from basanite_services.verilog.trial import TrialStore

_GOLDEN_BYTES = 256 << 20
_TESTBENCH_BYTES = 128 << 20
_TRIED_BYTES = 8 << 20


def _yosys() -> Yosys:
    try:
        return find_yosys()
    except SandboxUnavailable as error:
        raise ToolchainError(str(error)) from None


def _verilator() -> Verilator:
    try:
        return find_verilator()
    except SandboxUnavailable as error:
        raise ToolchainError(str(error)) from None


def _cocotb() -> Cocotb:
    try:
        return find_cocotb(find_icarus())
    except SandboxUnavailable as error:
        raise ToolchainError(str(error)) from None


class VerilogVerifier(Verifier[tasks_pb2.VerilogTask]):
    kind: ClassVar[str] = "verilog"
    forms: ClassVar[tuple[str, ...]] = ("equivalence", "testbench", "cocotb", "compile")
    languages: ClassVar[tuple[str, ...]] = ("verilog",)
    seeded: ClassVar[bool] = True
    default_limits: ClassVar[Limits] = Limits()
    max_limits: ClassVar[Limits] = Limits(
        cpu_seconds=300,
        wall_seconds=1800,
        memory_bytes=16 << 30,
        processes=1024,
        file_bytes=1 << 30,
        disk_bytes=4 << 30,
        open_files=4096,
        output_bytes=256 << 20,
    )

    def __init__(self) -> None:
        self._goldens = GoldenStore(_GOLDEN_BYTES)
        self._trials = TrialStore(_TESTBENCH_BYTES)
        self._tried = TriedStore(_TRIED_BYTES)

    def toolchain(self, pool: SandboxPool) -> tuple[tuple[str, str], ...]:
        try:
            icarus = find_icarus()
        except SandboxUnavailable as error:
            raise ToolchainError(str(error)) from None
        tools = [("iverilog", icarus.version), ("pyslang", importlib.metadata.version("pyslang"))]
        # Without these, only items that ask for them cannot be judged.
        with suppress(SandboxUnavailable):
            tools.append(("cocotb", find_cocotb(icarus).version))
        with suppress(SandboxUnavailable):
            tools.append(("yosys", find_yosys().version))
        with suppress(SandboxUnavailable):
            tools.append(("verilator", find_verilator().version))
        return tuple(tools)

    async def verify(self, task: tasks_pb2.VerilogTask, context: Context) -> result_pb2.Verdict:
        form = task.WhichOneof("form")
        if form == "equivalence":
            return await judge_equivalence(task, context, find_icarus(), self._goldens, _yosys)
        if form == "testbench":
            return await judge_testbench(task, context, find_icarus(), self._trials)
        if form == "cocotb":
            return await judge_cocotb(task, context, _cocotb(), self._tried)
        if form == "compile":
            return await judge_compile(task, context, find_icarus(), _verilator)
        raise InvalidItem("verilog.form", f"must be set: {', '.join(self.forms)}")
