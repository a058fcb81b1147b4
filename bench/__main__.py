"""Runs the measurements, prints tables, writes bench/results/latest.json (or soak.json)."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from basanite import Client
from basanite_sandboxes.process.python import find_interpreter
from bench.dafny import BARE as BARE_OF_PROGRAMS
from bench.dafny import CONCURRENCY as PROGRAM_CONCURRENCY
from bench.dafny import program_verdicts
from bench.lean import BARE as BARE_OF_PROOFS
from bench.lean import library, proof_verdicts
from bench.measure import Cost, running_server
from bench.memory import memory_mib
from bench.native import native_ms
from bench.overhead import overhead_ms
from bench.sandboxfusion import sandboxfusion
from bench.soak import LEAST_MINUTES, soak
from bench.step import ADAPTER, RAW, step_costs
from bench.suites import BARE as BARE_OF_SUITES
from bench.suites import candidates_of_one_repository, suite_verdicts
from bench.verdicts import contenders, measure_rounds
from bench.verilog import BARE, verilog_ms
from bench.verilog_forms import BARE as BARE_OF_FORMS
from bench.verilog_forms import verilog_verdicts

RESULTS = Path(__file__).parent / "results"
CONCURRENCY = (1, 8, 32, 0)
"""0: all items in one batch."""
PROOF_CONCURRENCY = (1, 4, 8)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measurement (default 5)")
    parser.add_argument(
        "--items", type=int, default=20_000, help="items of the memory measurement (default 20,000)"
    )
    parser.add_argument(
        "--sandboxfusion", metavar="URL", help="a running SandboxFusion server on this machine"
    )
    parser.add_argument("--sandboxfusion-pid", metavar="PID", type=int, help="its process id")
    parser.add_argument("--verilog", action="store_true", help="instead: the kind verilog alone")
    parser.add_argument("--dafny", action="store_true", help="instead: the kind dafny alone")
    parser.add_argument("--lean", action="store_true", help="instead: the kind lean alone")
    parser.add_argument("--unittest", action="store_true", help="instead: the kind unittest alone")
    parser.add_argument(
        "--soak",
        metavar="MINUTES",
        type=float,
        help="instead: does a server grow under a steady mix of items?",
    )
    options = parser.parse_args()
    if options.sandboxfusion and not options.sandboxfusion_pid:
        parser.error("--sandboxfusion needs --sandboxfusion-pid: its CPU time is measured on this machine")
    console = Console()
    if options.soak is not None:
        if options.soak < LEAST_MINUTES:
            parser.error(f"--soak needs at least {LEAST_MINUTES} minutes")
        write("soak.json", machine() | soak(options.soak, console))
        return
    if options.verilog:
        write("verilog.json", machine() | measure_verilog(options.rounds, console))
        return
    if options.dafny:
        write("dafny.json", machine() | measure_dafny(options.rounds, console))
        return
    if options.lean:
        write("lean.json", machine() | measure_lean(options.rounds, console))
        return
    if options.unittest:
        write("unittest.json", machine() | measure_unittest(options.rounds, console))
        return
    interpreter = str(find_interpreter(None, None).executable)
    found = machine() | {"interpreter": interpreter}
    with running_server(os.cpu_count() or 1) as server, Client(server.address) as client:
        for concurrency in CONCURRENCY:
            named = contenders(server, client, interpreter, concurrency or 2)
            if concurrency == 0:
                ours = contenders(server, client, interpreter, 0)
                named |= {name: ours[name] for name in ours if "python" not in name}
            if options.sandboxfusion and concurrency == 1:
                named["SandboxFusion"] = sandboxfusion(options.sandboxfusion, options.sandboxfusion_pid)
            costs = measure_rounds(named, options.rounds)
            label = f"concurrency {concurrency}" if concurrency else "one batch"
            found[label] = in_ms(costs)
            show_costs(console, label, costs)
        found["overhead_ms"] = overhead_ms(server, client, options.rounds)
        costs = step_costs(server, options.rounds)
        found["step"] = in_ms(costs)
        show_step(console, costs)
    show(console, "CPU ms an item beside its run, 2,000 trivial items in one batch", found["overhead_ms"])
    found["native_ms"] = native_ms(options.rounds)
    show(console, "CPU ms a run of /usr/bin/true", found["native_ms"])
    found |= measure_verilog(options.rounds, console)
    found |= measure_unittest(options.rounds, console)
    found |= measure_lean(options.rounds, console)
    found |= measure_dafny(options.rounds, console)
    found["memory_mib"] = memory_mib(options.items)
    show(console, f"MiB, before and after {options.items} items", found["memory_mib"])
    write("latest.json", found)


def measure_verilog(rounds: int, console: Console) -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["verilog_ms"], found["verilog_tools_mib"] = verilog_ms(rounds)
    show_ratios(console, "CPU ms for a Verilog design and its testbench", found["verilog_ms"], BARE)
    show(console, "MiB of each warm tool in a cell", found["verilog_tools_mib"])
    with running_server(os.cpu_count() or 1) as server, Client(server.address) as client:
        for concurrency, costs in verilog_verdicts(server, client, rounds).items():
            found[f"verilog, concurrency {concurrency}"] = in_ms(costs)
            title = f"A verdict on a Verilog design, concurrency {concurrency}"
            show_verdicts(console, title, costs, BARE_OF_FORMS)
    return found


def measure_lean(rounds: int, console: Console) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with (
        library() as environments,
        running_server(os.cpu_count() or 1, "--environments-dir", str(environments)) as server,
        Client(server.address) as client,
    ):
        for concurrency in PROOF_CONCURRENCY:
            costs = proof_verdicts(server, client, environments, rounds, concurrency)
            found[f"lean, concurrency {concurrency}"] = in_ms(costs)
            show_verdicts(console, f"A verdict on a proof, concurrency {concurrency}", costs, BARE_OF_PROOFS)
    return found


def measure_dafny(rounds: int, console: Console) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with running_server(os.cpu_count() or 1) as server, Client(server.address) as client:
        for concurrency in PROGRAM_CONCURRENCY:
            costs = program_verdicts(server, client, rounds, concurrency)
            found[f"dafny, concurrency {concurrency}"] = in_ms(costs)
            title = f"A verdict on a Dafny program, concurrency {concurrency}"
            show_verdicts(console, title, costs, BARE_OF_PROGRAMS)
    return found


def measure_unittest(rounds: int, console: Console) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with running_server(os.cpu_count() or 1) as server, Client(server.address) as client:
        costs = suite_verdicts(server, client, rounds)
        found["unittest"] = in_ms(costs)
        show_verdicts(console, "A verdict by a test suite", costs, BARE_OF_SUITES)
        found["candidates"] = candidates_of_one_repository(server, client)
    show(console, "200 candidates of one repository", found["candidates"])
    return found


def machine() -> dict[str, Any]:
    return {
        "machine": {"cores": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0]},
        "time": time.strftime("%Y-%m-%d %H:%M"),
    }


def in_ms(costs: dict[str, Cost]) -> dict[str, dict[str, float]]:
    return {name: {"cpu_ms": cost.cpu_ms, "wall_ms": cost.wall_ms} for name, cost in costs.items()}


def write(name: str, found: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(json.dumps(found, indent=2) + "\n")


def show_costs(console: Console, label: str, costs: dict[str, Cost]) -> None:
    table = Table(title=f"A verdict, {label}")
    for column in ("", "CPU ms", "wall ms", "CPU / bare"):
        table.add_column(column, justify="right" if column else "left")
    bare = costs["bare python -I -S"].cpu_ms
    for name, cost in costs.items():
        table.add_row(name, f"{cost.cpu_ms:.2f}", f"{cost.wall_ms:.2f}", f"{cost.cpu_ms / bare:.2f}")
    console.print(table)
    for form in ("stdio", "function"):
        one, ten = costs[f"one-case {form}"].cpu_ms, costs[f"ten-case {form}"].cpu_ms
        console.print(
            f"ten-case {form}: {ten / one:.2f} of one case, {ten / one / 10:.2f} of ten one-case items"
        )


def show_step(console: Console, costs: dict[str, Cost]) -> None:
    show(console, "A completion of a step, wall ms", {name: cost.wall_ms for name, cost in costs.items()})
    adapter, raw = costs[ADAPTER], costs[RAW]
    wall, cpu = adapter.wall_ms / raw.wall_ms, adapter.cpu_ms / raw.cpu_ms
    console.print(f"TRL adapter: {wall:.2f} of the raw client in wall time, {cpu:.2f} in CPU")


def show_verdicts(console: Console, title: str, costs: dict[str, Cost], bare_of: dict[str, str]) -> None:
    table = Table(title=title)
    for column in ("", "CPU ms", "wall ms", "a second", "CPU / bare", "wall / bare"):
        table.add_column(column, justify="right" if column else "left")
    for name, cost in costs.items():
        bare = costs.get(bare_of.get(name, ""))
        ratios = (
            (f"{cost.cpu_ms / bare.cpu_ms:.2f}", f"{cost.wall_ms / bare.wall_ms:.2f}") if bare else ("", "")
        )
        table.add_row(name, f"{cost.cpu_ms:.1f}", f"{cost.wall_ms:.1f}", f"{1e3 / cost.wall_ms:.0f}", *ratios)
    console.print(table)


def show_ratios(console: Console, title: str, figures: dict[str, float], bare: str) -> None:
    table = Table(title=title)
    for column in ("", "CPU ms", "CPU / bare"):
        table.add_column(column, justify="right" if column else "left")
    for name, figure in figures.items():
        table.add_row(name, f"{figure:.2f}", f"{figure / figures[bare]:.2f}")
    console.print(table)


def show(console: Console, title: str, figures: dict[str, float]) -> None:
    table = Table(title=title)
    table.add_column("")
    table.add_column("", justify="right")
    for name, figure in figures.items():
        table.add_row(name, f"{figure:.3f}")
    console.print(table)


if __name__ == "__main__":
    main()
