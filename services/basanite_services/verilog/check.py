"""Rules of the trusted part of a VerilogTask. Each check raises InvalidItem with the field's path and the rule."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath

from basanite.v1 import tasks_pb2
from basanite_sandboxes.icarus import DESIGN
from basanite_services.chassis.verifier import InvalidItem
from basanite_services.verilog.design import Clock, Port, Reset
from basanite_services.verilog.keywords import KEYWORDS
from basanite_services.verilog.numbers import read_number
from basanite_services.verilog.sources import MAX_FILES, is_file_name, plain_path
from basanite_services.verilog.stimuli import Directed, Plan

MAX_CYCLES = 100_000
MAX_DIRECTED_CYCLES = 10_000
MAX_DATA_BYTES = 4 << 20
MAX_FORMAL_SECONDS = 300
MAX_FORMAL_DEPTH = 200
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,254}")


def check_name(path: str, name: str) -> None:
    """Of a module or a parameter."""
    if not _IDENTIFIER.fullmatch(name):
        raise InvalidItem(path, "must be a Verilog identifier")
    if name in KEYWORDS:
        raise InvalidItem(path, f"must not be a keyword of SystemVerilog, as {name} is")


def check_defines(path: str, defines: Mapping[str, str]) -> None:
    for name, text in sorted(defines.items()):
        if not _IDENTIFIER.fullmatch(name):
            raise InvalidItem(f"{path}[{name[:40]!r}]", "must be a Verilog identifier")
        if "\n" in text or "\r" in text:
            raise InvalidItem(f"{path}[{name!r}]", "must not hold a line break")


def check_folders(path: str, folders: Sequence[str]) -> None:
    for number, folder in enumerate(folders):
        if folder != "." and not is_file_name(plain_path(folder)):
            raise InvalidItem(f"{path}[{number}]", "must be a relative path, e.g. rtl/include")


def read_data(path: str, files: Sequence[tasks_pb2.SourceFile]) -> dict[str, str]:
    """The task's files by name."""
    data: dict[str, str] = {}
    for number, file in enumerate(files):
        if not is_file_name(file.name) or file.name == DESIGN:
            raise InvalidItem(
                f"{path}[{number}].name", f"must be a relative path, e.g. rom.hex, and not {DESIGN}"
            )
        if file.name in data:
            raise InvalidItem(f"{path}[{number}].name", "must not name a file twice")
        data[file.name] = file.content
    for number, file in enumerate(files):
        if any(str(folder) in data for folder in PurePosixPath(file.name).parents):
            raise InvalidItem(f"{path}[{number}].name", "must not have another file as its folder")
    if len(data) > MAX_FILES or sum(len(text.encode()) for text in data.values()) > MAX_DATA_BYTES:
        raise InvalidItem(path, f"must be at most {MAX_FILES} files of {MAX_DATA_BYTES} bytes together")
    return data


def check_parameters(path: str, parameters: Mapping[str, str]) -> dict[str, str]:
    for name, value in sorted(parameters.items()):
        check_name(f"{path}[{name[:40]!r}]", name)
        try:
            read_number(value.removeprefix("-"))
        except ValueError as error:
            raise InvalidItem(f"{path}[{name!r}]", str(error)) from None
    return dict(parameters)


def read_plan(path: str, plan: tasks_pb2.StimulusPlan) -> Plan:
    """With as many cycles as are asked for, or 0."""
    if not 0 <= plan.cycles <= MAX_CYCLES:
        raise InvalidItem(f"{path}.cycles", f"must be 1 to {MAX_CYCLES}")
    directed = []
    for number, vector in enumerate(plan.directed):
        here = f"{path}.directed[{number}]"
        if not 0 <= vector.cycles <= MAX_DIRECTED_CYCLES:
            raise InvalidItem(f"{here}.cycles", f"must be 1 to {MAX_DIRECTED_CYCLES}")
        inputs = {}
        for name, text in sorted(vector.inputs.items()):
            try:
                inputs[name] = read_number(text)
            except ValueError as error:
                raise InvalidItem(f"{here}.inputs[{name[:40]!r}]", str(error)) from None
        directed.append(Directed(inputs, vector.cycles or 1))
    return Plan(plan.cycles, tuple(directed))


def read_formal(path: str, formal: tasks_pb2.FormalCheck) -> tuple[float, int]:
    """-> (seconds of CPU time, cycles of the induction)"""
    if not 0 <= formal.cpu_seconds <= MAX_FORMAL_SECONDS:
        raise InvalidItem(f"{path}.cpu_seconds", f"must be above 0 and at most {MAX_FORMAL_SECONDS}")
    if not 0 <= formal.depth <= MAX_FORMAL_DEPTH:
        raise InvalidItem(f"{path}.depth", f"must be 1 to {MAX_FORMAL_DEPTH}")
    return formal.cpu_seconds or 10.0, formal.depth or 20


def read_clocking(
    path: str, clocking: tasks_pb2.Clocking, ports: Sequence[Port], gated: Collection[str]
) -> tuple[tuple[Clock, ...], tuple[Reset, ...]]:
    """`ports`: the golden's. `gated`: those that clock something through a gate."""
    bits = {port.name for port in ports if port.direction == "input" and port.width == 1}
    seen: set[str] = set()
    places = [(f"{path}.clocks[{number}]", clock.port) for number, clock in enumerate(clocking.clocks)]
    places += [(f"{path}.resets[{number}]", reset.port) for number, reset in enumerate(clocking.resets)]
    for place, name in places:
        if name not in bits:
            raise InvalidItem(f"{place}.port", "must be an input of the golden that is one bit wide")
        if name in seen:
            raise InvalidItem(f"{place}.port", "must not be named twice")
        seen.add(name)
    edge = tasks_pb2.ClockPort.Edge
    for number, clock in enumerate(clocking.clocks):
        if clock.edge not in edge.values():
            raise InvalidItem(
                f"{path}.clocks[{number}].edge", f"must be an edge that this server knows, not {clock.edge}"
            )
    clocks = tuple(
        Clock(
            clock.port,
            posedge=clock.edge != tasks_pb2.ClockPort.EDGE_NEGATIVE,
            negedge=clock.edge in (tasks_pb2.ClockPort.EDGE_NEGATIVE, tasks_pb2.ClockPort.EDGE_BOTH),
            gated=clock.port in gated,
        )
        for clock in clocking.clocks
    )
    resets = tuple(
        Reset(reset.port, active_low=reset.active_low, asynchronous=reset.asynchronous)
        for reset in clocking.resets
    )
    return clocks, resets
