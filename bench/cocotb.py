"""A small design and its cocotb tests, and how cocotb's own runner runs them."""

from __future__ import annotations

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
EXPECTED = ["test_counter.starts_at_zero", "test_counter.counts"]
RUNNER = """
import sys
from pathlib import Path

from cocotb_tools.runner import get_runner

here = Path(__file__).parent
sys.path.insert(0, str(here))
runner = get_runner("icarus")
runner.build(sources=[here / "counter.v"], hdl_toplevel="counter", always=True)
results = runner.test(hdl_toplevel="counter", test_module="test_counter")
assert "<failure" not in Path(results).read_text()
"""
