"""Runs guarded designs on the real simulator, for tests of what the guard lets through. Without a sandbox."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from basanite_services.verilog.design import Design

CYCLES = 400
_SECONDS = 20
_VERDICT = re.compile(r"Mismatches: (\d+) in (\d+) samples")


class DoesNotCompile(Exception):
    """Its message is the compiler's."""


def compile_design(folder: Path, texts: list[str], root: str) -> str:
    """Makes the file `simulation`. -> what the compiler warned of. Raises DoesNotCompile."""
    files = []
    for number, text in enumerate(texts):
        file = folder / f"part{number}.v"
        file.write_text(text)
        files.append(file.name)
    compiled = subprocess.run(
        ["iverilog", "-g2012", "-Wall", "-s", root, "-o", "simulation", *files],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if compiled.returncode:
        raise DoesNotCompile(compiled.stdout + compiled.stderr)
    return compiled.stderr


def simulate(folder: Path, texts: list[str], root: str) -> tuple[str, str]:
    """-> what the compiler warned of, and what the simulation printed. Raises DoesNotCompile."""
    warnings = compile_design(folder, texts, root)
    run = subprocess.run(
        ["vvp", "-n", "simulation"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_SECONDS,
        check=False,
    )
    return warnings, run.stdout


def passes_testbench(folder: Path, testbench: str, golden: str, text: str, samples: int) -> bool:
    """As a harness would that reads the last line that looks like a verdict."""
    try:
        warnings, output = simulate(folder, [testbench, golden, text], "tb")
    except DoesNotCompile:
        return False
    if "coerced to inout" in warnings:
        return False
    verdicts = _VERDICT.findall(output)
    return bool(verdicts) and verdicts[-1] == ("0", str(samples))


def traces(folder: Path, design: Design, text: str, top: str) -> list[str]:
    """The outputs of a design that is alone, cycle by cycle. Raises DoesNotCompile."""
    return simulate(folder, [_harness(design, top), text], "alone_harness")[1].splitlines()


def agree(golden: list[str], candidate: list[str]) -> bool:
    """Where the golden is known, the candidate is the same."""
    return len(golden) == len(candidate) >= CYCLES and all(
        len(one) == len(other) and all(a in ("x", b) for a, b in zip(one, other, strict=True))
        for one, other in zip(golden, candidate, strict=True)
    )


def _harness(design: Design, top: str) -> str:
    """Inputs from a generator of its own, resets at the start and now and then; outputs before and after an edge."""
    inputs = [port for port in design.ports if port.direction == "input"]
    outputs = [port for port in design.ports if port.direction == "output"]
    clocks = [clock.name for clock in design.clocks]
    resets = {reset.name: reset for reset in design.resets}
    declared = [f"reg [{port.width - 1}:0] {port.name} = 0;" for port in inputs]
    declared += [f"wire [{port.width - 1}:0] {port.name};" for port in outputs]
    changes = []
    for port in inputs:
        if port.name in clocks:
            continue
        if port.name in resets:
            on, off = ("0", "1") if resets[port.name].active_low else ("1", "0")
            changes.append(f"draw; {port.name} = (cycle < 3 || noise[40:36] == 0) ? {on} : {off};")
        else:
            words = -(-port.width // 32)
            changes.append(
                f"for (word = 0; word < {words}; word = word + 1) begin draw; "
                f"wide = (wide << 32) | noise[63:32]; end {port.name} = wide;"
            )
    rise = " ".join(f"{name} = 1;" for name in clocks)
    fall = " ".join(f"{name} = 0;" for name in clocks)
    # A Mealy output answers an input before the edge only.
    both = "#1; sample;" if not clocks else f"#2; sample; {rise} #5; sample; {fall} #3;"
    connections = ", ".join(f".{port.name}({port.name})" for port in design.ports)
    values = ", ".join(port.name for port in outputs)
    return f"""
`timescale 1ns/1ps
module alone_harness;
  {" ".join(declared)}
  reg [63:0] noise = 64'h9e3779b97f4a7c15;
  reg [4095:0] wide;
  integer cycle, word;
  {top} under_test ({connections});
  task draw; begin
    noise = noise ^ (noise << 13); noise = noise ^ (noise >> 7); noise = noise ^ (noise << 17);
  end endtask
  task sample; $display("%b", {{{values}}}); endtask
  initial begin
    for (cycle = 0; cycle < {CYCLES}; cycle = cycle + 1) begin
      {" ".join(changes)}
      {both}
    end
    $finish;
  end
endmodule
"""
