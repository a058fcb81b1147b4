"""A verdict on a small design in each form of the kind verilog, from client to result, beside the bare tools on the
same files. An equivalence is measured by bare runs of the same harness and stimuli."""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from basanite import (
    Assurance,
    Client,
    CocotbTask,
    FormalCheck,
    Item,
    VerilogCompileTask,
    VerilogEquivalenceTask,
    VerilogTestbenchTask,
)
from basanite_services.verilog.constants import constants_of
from basanite_services.verilog.design import describe
from basanite_services.verilog.harness import make_harness
from basanite_services.verilog.preprocess import Sources, preprocess
from basanite_services.verilog.stimuli import Plan, make_stimuli, usual_cycles
from bench.cocotb import DUT as COUNTER
from bench.cocotb import EXPECTED, RUNNER, TESTS
from bench.measure import Cost, Server
from bench.verdicts import Contender, bare, measure_rounds, ours
from bench.verilog import BENCH, DUT

CONCURRENCY = (1, 2, 8, 32)
BARE = {
    "testbench": "bare iverilog and vvp, the testbench",
    "equivalence": "bare iverilog and vvp, the harness",
    "cocotb": "bare cocotb runner",
}
"""What a form is measured by."""
_UNITS = 64
_COCOTB_UNITS = 8
_SHELL = "a shell"
_RUN = "iverilog -g2012 -o x$$ {files} && exec vvp -n x$$"
_numbers = itertools.count()


def verilog_verdicts(server: Server, client: Client, rounds: int) -> dict[int, dict[str, Cost]]:
    """By how many are asked for at a time, by name. Of bare runs without the shell that starts them."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="basanite-bench-") as directory:
        folder = Path(directory)
        _write(folder)
        for concurrency in CONCURRENCY:
            costs = measure_rounds(_contenders(server, client, folder, concurrency), rounds)
            shell = costs.pop(_SHELL)
            for name in BARE.values():
                cost = costs[name]
                costs[name] = Cost(cost.cpu_ms - shell.cpu_ms, cost.wall_ms - shell.wall_ms)
            found[concurrency] = costs
    return found


def _contenders(server: Server, client: Client, folder: Path, concurrency: int) -> dict[str, Contender]:
    def shell(command: str, units: int = _UNITS) -> Contender:
        return bare(["/bin/sh", "-c", f"cd {folder} && {command}"], concurrency, units)

    def form(make: Callable[[], Item], units: int = _UNITS) -> Contender:
        return ours(server, client, make, concurrency, units)

    python = Path(sys.executable)
    runner = f"mkdir r$$ && cd r$$ && PATH={python.parent}:$PATH exec {python} ../run.py"
    return {
        _SHELL: shell(":"),
        BARE["testbench"]: shell(_RUN.format(files="tb.v dut.v")),
        "testbench": form(_testbench),
        BARE["equivalence"]: shell(_RUN.format(files="harness.v")),
        "equivalence": form(_equivalence),
        "equivalence with a proof": form(lambda: _equivalence(FormalCheck())),
        BARE["cocotb"]: shell(runner, _COCOTB_UNITS),
        "cocotb": form(_cocotb),
        "compile": form(lambda: Item(VerilogCompileTask(_new(DUT.decode()), "TopModule"))),
    }


def _new(text: str) -> str:
    """A design that no cache knows."""
    return f"// {next(_numbers)}\n{text}"


def _testbench() -> Item:
    task = VerilogTestbenchTask(_new(DUT.decode()), "TopModule", BENCH.decode(), "mismatches")
    return Item(task, require_assurance=Assurance.GUARDED)


def _equivalence(formal: FormalCheck | None = None) -> Item:
    return Item(VerilogEquivalenceTask(_new(DUT.decode()), "TopModule", DUT.decode(), formal=formal))


def _cocotb() -> Item:
    task = CocotbTask(_new(COUNTER), "counter", {"test_counter.py": TESTS}, EXPECTED)
    return Item(task, require_assurance=Assurance.GUARDED)


def _write(folder: Path) -> None:
    (folder / "dut.v").write_bytes(DUT)
    (folder / "tb.v").write_bytes(BENCH)
    sources = Sources({"golden.v": DUT.decode()})
    design = describe(sources, "TopModule")
    plan = Plan(usual_cycles(design), ())
    stimuli = make_stimuli(design, plan, bytes(32), constants_of(preprocess(sources)))
    harness = make_harness("TopModule", design, {}, stimuli, "harness")
    (folder / "harness.v").write_bytes(harness.text.encode() + DUT)
    (folder / harness.stimuli_file).write_bytes(harness.stimuli)
    (folder / "counter.v").write_text(COUNTER)
    (folder / "test_counter.py").write_text(TESTS)
    (folder / "run.py").write_text(RUNNER)
