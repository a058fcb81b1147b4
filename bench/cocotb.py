"""A small design and its cocotb tests: by cocotb's own runner, bare, and as the service judges it in warm cells."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from basanite.v1 import result_pb2, tasks_pb2
from basanite_sandboxes.process import ProcessPool
from basanite_sandboxes.process.procfs import cpu_seconds, descendants
from basanite_sandboxes.spec import Environment, Limits
from basanite_services.chassis.seeds import Seeds
from basanite_services.chassis.verifier import Context
from basanite_services.verilog.verifier import VerilogVerifier

BARE = "bare cocotb runner"
RUNS, BARE_RUNS = 20, 5
DUT = """
`timescale 1ns/1ps
module counter(input clk, input rst, input enable, output reg [7:0] q);
  always @(posedge clk)
    if (rst) q <= 0;
    else if (enable) q <= q + 1;
endmodule
"""
TESTS = """
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge


async def reset(dut):
    dut.enable.value = 0
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    await FallingEdge(dut.clk)
    await FallingEdge(dut.clk)
    dut.rst.value = 0


@cocotb.test()
async def starts_at_zero(dut):
    await reset(dut)
    assert dut.q.value == 0, f"after a reset q is {dut.q.value}"


@cocotb.test()
async def counts(dut):
    await reset(dut)
    expected = 0
    for _ in range(100):
        dut.enable.value = go = random.randint(0, 1)
        await FallingEdge(dut.clk)
        expected = (expected + go) % 256
        assert dut.q.value == expected, f"q is {dut.q.value}, and should be {expected}"
"""
RUNNER = """
from cocotb_tools.runner import get_runner
runner = get_runner("icarus")
runner.build(sources=["counter.v"], hdl_toplevel="counter", always=True)
runner.test(hdl_toplevel="counter", test_module="test_counter")
"""


def cocotb_ms(rounds: int) -> dict[str, float]:
    """CPU milliseconds a verdict, all of it: the runner's processes, or this process and its cells."""
    return asyncio.run(_measure(rounds))


async def _measure(rounds: int) -> dict[str, float]:
    pool = ProcessPool(cells=1)
    await pool.start()
    try:
        verifier = VerilogVerifier()
        seeds = Seeds("bench")
        context = Context(Limits(), Environment(), pool.sandbox, lambda text: seeds.seed("verilog", text))
        found: dict[str, list[float]] = {BARE: [], "judged in warm cells": []}
        await _judge(verifier, context)
        for _ in range(rounds):
            found[BARE].append(await asyncio.to_thread(_bare))
            before = _cpu_seconds()
            for _ in range(RUNS):
                await _judge(verifier, context)
            found["judged in warm cells"].append((_cpu_seconds() - before) / RUNS * 1e3)
        return {name: median(costs) for name, costs in found.items()}
    finally:
        await pool.close()


async def _judge(verifier: VerilogVerifier, context: Context) -> None:
    form = tasks_pb2.CocotbForm(
        tests=[tasks_pb2.SourceFile(name="test_counter.py", content=TESTS)],
        modules=["test_counter"],
        expected_tests=["test_counter.starts_at_zero", "test_counter.counts"],
    )
    file = tasks_pb2.SourceFile(name="counter.v", content=DUT)
    verdict = await verifier.verify(tasks_pb2.VerilogTask(files=[file], top="counter", cocotb=form), context)
    if verdict.outcome != result_pb2.OUTCOME_PASSED:
        raise RuntimeError(f"the verdict is {verdict}")


def _bare() -> float:
    with tempfile.TemporaryDirectory(prefix="basanite-bench-") as directory:
        Path(directory, "counter.v").write_text(DUT)
        Path(directory, "test_counter.py").write_text(TESTS)
        Path(directory, "run.py").write_text(RUNNER)
        python = Path(sys.executable)
        command = f"cd {directory} && PATH={python.parent}:$PATH exec {python} run.py"
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True)
        if b"PASS=2 FAIL=0" not in done.stdout:
            raise RuntimeError(f"the bare run says {done.stdout!r}")
        apart = [sys.executable, "-m", "bench.bare", str(BARE_RUNS), "1", "/bin/sh", "-c", command]
        said = subprocess.run(apart, capture_output=True, check=True).stdout
        shutil.rmtree(Path(directory, "sim_build"), ignore_errors=True)
        return float(json.loads(said)[0])


def _cpu_seconds() -> float:
    return time.process_time() + cpu_seconds(descendants(os.getpid()))
