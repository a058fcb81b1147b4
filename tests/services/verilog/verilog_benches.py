"""Testbenches for designs that have none of their own, and the cheats against testbenches, as data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from verilog_judge import Rule

from basanite_services.verilog.design import Design

_TABLE = tomllib.loads((Path(__file__).parent / "testbench_cheats.toml").read_text())
RIGHT: str = _TABLE["header"]["right"]


@dataclass(frozen=True)
class Bench:
    name: str
    rule: Rule
    text: str


@dataclass(frozen=True)
class BenchCheat:
    id: str
    text: str
    limit: bool


def _bench(name: str, rule: str | list[str], text: str) -> Bench:
    return Bench(name, (rule[0], rule[1]) if isinstance(rule, list) else rule, text)  # type: ignore[arg-type]


def _cheat(id: str, text: str, limit: bool = False) -> BenchCheat:
    whole = text if "module TopModule" in text else _TABLE["header"]["text"] + text
    return BenchCheat(id, whole, limit)


BENCHES = [_bench(name, **bench) for name, bench in _TABLE["benches"].items()]
BENCH_CHEATS = [_cheat(**cheat) for cheat in _TABLE["cheats"]]


def comparing(design: Design) -> str:
    """A testbench as VerilogEval has them, of a golden RefModule against TopModule, both with these ports."""
    inputs = [port for port in design.ports if port.direction == "input"]
    outputs = [port for port in design.ports if port.direction == "output"]
    clocks = {clock.name for clock in design.clocks}
    resets = {reset.name: reset for reset in design.resets}
    declared = [f"reg [{port.width - 1}:0] {port.name} = 0;" for port in inputs]
    declared += [
        f"wire [{port.width - 1}:0] {port.name}_{who};" for port in outputs for who in ("ref", "dut")
    ]
    drawn = []
    for port in inputs:
        if port.name in resets:
            on, off = ("0", "1") if resets[port.name].active_low else ("1", "0")
            drawn.append(f"{port.name} = tick < 3 || $random % 32 == 0 ? {on} : {off};")
        elif port.name not in clocks:
            drawn.append(f"{port.name} = {{{', '.join(['$random'] * -(-port.width // 32))}}};")
    rise = "".join(f"{name} = 1; " for name in clocks)
    fall = "".join(f"{name} = 0; " for name in clocks)
    connections = {
        who: ", ".join(
            [f".{port.name}" for port in inputs] + [f".{port.name}({port.name}_{who})" for port in outputs]
        )
        for who in ("ref", "dut")
    }
    ref = "{" + ", ".join(f"{port.name}_ref" for port in outputs) + "}"
    dut = "{" + ", ".join(f"{port.name}_dut" for port in outputs) + "}"
    return f"""
`timescale 1ns/1ps
module tb;
  {" ".join(declared)}
  integer errors = 0, samples = 0, tick;
  RefModule good1 ({connections["ref"]});
  TopModule top_module1 ({connections["dut"]});
  task check;
    samples = samples + 1;
    if ({ref} !== {dut} && {ref} !== ({ref} ^ {dut} ^ {ref})) errors = errors + 1;
  endtask
  initial begin
    for (tick = 0; tick < 300; tick = tick + 1) begin
      {" ".join(drawn)}
      #2 check; {rise} #5 check; {fall} #3;
    end
    $display("Mismatches: %0d in %0d samples", errors, samples);
    $finish;
  end
endmodule
"""
