"""A small design and its testbench through Icarus Verilog: bare, and a stage at a time in a cell, cold and warm."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from statistics import mean, median
from typing import Any

from basanite_sandboxes.icarus import DESIGN, Icarus, Stage, find_icarus
from basanite_sandboxes.process import ProcessPool
from basanite_sandboxes.process.procfs import cpu_seconds, descendants
from basanite_sandboxes.spec import Environment, Limits, Report, Sandbox
from bench.measure import rollup

BARE = "bare iverilog and vvp"
RUNS = 50
SAYS = b"Mismatches: 0 in 402 samples\n"
DUT = b"""
module TopModule (input clk, input reset, input [7:0] in, output reg [7:0] out, output parity);
  reg [7:0] previous;
  assign parity = ^out;
  always @(posedge clk)
    if (reset) begin
      out <= 8'h5a;
      previous <= 0;
    end else begin
      previous <= in;
      out <= out + (in & ~previous);
    end
endmodule
"""
BENCH = b"""
`timescale 1 ps/1 ps
module RefModule (input clk, input reset, input [7:0] in, output logic [7:0] out, output logic parity);
  logic [7:0] last;
  always_ff @(posedge clk)
    if (reset) {out, last} <= {8'h5a, 8'h0};
    else {out, last} <= {out + (in & ~last), in};
  assign parity = out[0] ^ out[1] ^ out[2] ^ out[3] ^ out[4] ^ out[5] ^ out[6] ^ out[7];
endmodule

module stimulus (input clk, output logic reset, output logic [7:0] in);
  initial begin
    reset = 1;
    repeat (2) @(negedge clk);
    reset = 0;
    repeat (198) @(posedge clk, negedge clk) in <= $random;
    reset = 1;
    repeat (200) @(posedge clk, negedge clk) {in, reset} <= {$random} % 512;
    $finish;
  end
endmodule

module tb;
  typedef struct packed { int errors; int samples; } counts;
  counts seen;
  reg clk = 0;
  initial forever #5 clk = ~clk;
  logic reset;
  logic [7:0] in, out_ref, out_dut;
  logic parity_ref, parity_dut;
  initial begin
    $dumpfile("wave.vcd");
    $dumpvars(1, stim.clk, same, in, out_ref, out_dut);
  end
  stimulus stim (.*);
  RefModule good (.clk, .reset, .in, .out(out_ref), .parity(parity_ref));
  TopModule dut (.clk, .reset, .in, .out(out_dut), .parity(parity_dut));
  wire same = {out_ref, parity_ref} === ({out_ref, parity_ref} ^ {out_dut, parity_dut} ^ {out_ref, parity_ref});
  always @(posedge clk, negedge clk) begin
    seen.samples++;
    if (!same) seen.errors++;
  end
  final $display("Mismatches: %1d in %1d samples", seen.errors, seen.samples);
endmodule
"""


def verilog_ms(rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """-> (CPU milliseconds a design by way of running it, MiB of each warm tool).

    In cells the testbench was preprocessed before, once.
    """
    return asyncio.run(_measure(rounds, find_icarus()))


async def _measure(rounds: int, icarus: Icarus) -> tuple[dict[str, float], dict[str, float]]:
    pool = ProcessPool(cells=1)
    await pool.start()
    try:
        testbench = await _in_cell(pool, icarus, Environment(), _preprocessed)
        ways: dict[str, Callable[[], Coroutine[Any, Any, float]]] = {
            BARE: lambda: asyncio.to_thread(_bare),
            "cold, in a cell": lambda: _cost(pool, icarus, Environment(), testbench),
            "warm, in a cell": lambda: _cost(pool, icarus, icarus.environment, testbench),
        }
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                found[name].append(await way())
        return {name: median(costs) for name, costs in found.items()}, _memory(icarus)
    finally:
        await pool.close()


def _bare() -> float:
    with tempfile.TemporaryDirectory(prefix="basanite-bench-") as directory:
        Path(directory, "dut.v").write_bytes(DUT)
        Path(directory, "tb.v").write_bytes(BENCH)
        command = f"cd {directory} && iverilog -g2012 -o x tb.v dut.v && exec vvp -n x"
        said = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True).stdout
        if SAYS not in said:
            raise RuntimeError(f"the bare run says {said!r}")
        return _shell_ms(command) - _shell_ms(":")


def _shell_ms(command: str) -> float:
    """CPU of what a shell does, in a process that has no cells to wait for."""
    apart = [sys.executable, "-m", "bench.bare", str(RUNS), "1", "/bin/sh", "-c", command]
    return float(json.loads(subprocess.run(apart, capture_output=True, check=True).stdout)[0])


async def _cost(pool: ProcessPool, icarus: Icarus, environment: Environment, testbench: bytes) -> float:
    async def judge(icarus: Icarus, sandbox: Sandbox) -> None:
        text = await _run(sandbox, icarus.preprocess(["dut.v"]), {"dut.v": DUT})
        units = {"tb.v": testbench, "dut.v": text.stdout}
        program = await _run(sandbox, icarus.compile(["tb.v", "dut.v"]), units)
        said = await _run(sandbox, icarus.simulate(), {DESIGN: program.answers})
        if SAYS not in said.stdout:
            raise RuntimeError(f"the run in a cell says {said!r}")

    await _in_cell(pool, icarus, environment, judge)
    before = _cpu_seconds()
    for _ in range(RUNS):
        await _in_cell(pool, icarus, environment, judge)
    return (_cpu_seconds() - before) / RUNS * 1e3


async def _preprocessed(icarus: Icarus, sandbox: Sandbox) -> bytes:
    return (await _run(sandbox, icarus.preprocess(["tb.v"]), {"tb.v": BENCH})).stdout


async def _in_cell(
    pool: ProcessPool,
    icarus: Icarus,
    environment: Environment,
    work: Callable[[Icarus, Sandbox], Coroutine[Any, Any, Any]],
) -> Any:
    async with pool.sandbox(environment) as sandbox:
        return await work(icarus, sandbox)


async def _run(sandbox: Sandbox, stage: Stage, files: dict[str, bytes]) -> Report:
    report = await sandbox.run(stage.command, Limits(), stdin=stage.stdin, files=files)
    if report.exit_status != 0:
        raise RuntimeError(f"a stage failed: {report}")
    return report


def _memory(icarus: Icarus) -> dict[str, float]:
    """Private pages of the warm tools that there are now."""
    paths = {os.path.realpath(tool.path): Path(tool.path).name for tool in icarus.environment.tools}
    found: dict[str, list[int]] = {}
    for pid in descendants(os.getpid()):
        name = paths.get(os.readlink(f"/proc/{pid}/exe"))
        if name is not None:
            pages = rollup(pid)
            found.setdefault(name, []).append(pages["Private_Clean"] + pages["Private_Dirty"])
    return {name: mean(sizes) / 2**20 for name, sizes in found.items()}


def _cpu_seconds() -> float:
    """Of this process and its cells."""
    return time.process_time() + cpu_seconds(descendants(os.getpid()))
