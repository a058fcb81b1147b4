"""Who drives the testbench's nets, by the compiled program's word.

A design shares nets with its testbench, and what it drives on one that the testbench drives changes what the golden
reference beside it sees: unknown inputs make unknown outputs, which match anything. The compiler warns of some ways to
do that and not of others: a port that is an output where an input was meant, an `inout` of a part of one. In the
program all of them look alike: the net has a resolver or a switch where it had a driver before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_SCOPE = re.compile(rf"(S_\S+) \.scope \w+, {_QUOTED}(?: {_QUOTED})?[^;]*?(?:, (S_\w+))?;")
_NET = re.compile(
    rf"v\S+ \.net\S* (?:{_QUOTED}|v\S+) ?(?:\d+ ?)?, ?-?\d+ -?\d+, (\S+); +(?:alias, )?(\d+) drivers"
)
_PORT = re.compile(rf"\s+\.port_info \d+ /(INPUT|OUTPUT|INOUT) +\d+ {_QUOTED}")
_PULL = re.compile(r"(L_\S+) \.functor BUFT \d+, C8<")
"""A constant with a strength: what a net is when nobody else drives it."""
_SHARED = (b" .resolv ", b" .island ")
_UNDRIVEN = "o"


@dataclass(frozen=True)
class Net:
    name: str
    label: str
    """Of what drives it; the same for all nets that are joined."""
    drivers: int

    @property
    def kind(self) -> str:
        """What drives it: a variable (v), a gate (L), a constant (C), a resolver (RS), a switch (p), nothing (o)."""
        return self.label.partition("_")[0] if "_" in self.label else self.label[:1]


@dataclass(frozen=True)
class Netlist:
    outside: Mapping[tuple[str, ...], Net]
    """The testbench's nets by their path."""
    inside: tuple[Net, ...]
    """Those of the instances of the design itself, not of what is in them."""
    outputs: frozenset[str]
    """Labels of the nets that are an output or inout of the design."""
    pulls: frozenset[str]
    """Labels of what pulls a net up or down."""


def read_netlist(program: bytes, root: str, top: str) -> Netlist:
    """Of a program as `ivl` puts it out for the module `root`, which instantiates `top`."""
    outside: dict[tuple[str, ...], Net] = {}
    inside: list[Net] = []
    outputs: set[str] = set()
    pulls: set[str] = set()
    paths: dict[str, tuple[str, ...]] = {}
    within: dict[str, bool] = {}
    scope = ""
    is_top = False
    ports: set[str] = set()
    arrays = 0
    for line in _definitions(program):
        if found := _SCOPE.match(line):
            scope, name, module, parent = found.groups()
            paths[scope] = (*paths.get(parent or "", ()), name)
            is_top = module == top
            within[scope] = is_top or within.get(parent or "", False)
            ports = set()
            arrays = 0
        elif found := _PORT.match(line):
            if found[1] != "INPUT":
                ports.add(found[2])
        elif found := _PULL.match(line):
            pulls.add(found[1])
        elif found := _NET.match(line):
            arrays += found[1] is None
            net = Net(found[1] or f"[{arrays}]", found[2], int(found[3]))
            if is_top:
                inside.append(net)
                if net.name in ports:
                    outputs.add(net.label)
            elif (
                (path := paths.get(scope, ("",)))[0] == root and not within[scope] and net.name[:5] != "_ivl_"
            ):
                outside[*path, net.name] = net
    return Netlist(outside, tuple(inside), frozenset(outputs), frozenset(pulls))


def _definitions(program: bytes) -> Iterator[str]:
    """The lines before those of the processes."""
    end = program.find(b"\n    .scope S_")
    return iter(program[: end if end >= 0 else len(program)].decode(errors="replace").splitlines())


def drivers_of(program: bytes, root: str, top: str) -> Mapping[tuple[str, ...], Net]:
    """The testbench's nets that no output of the design is joined with, and that something drives: of a program with a
    design that does no harm."""
    netlist = read_netlist(program, root, top)
    return {
        path: net
        for path, net in netlist.outside.items()
        if net.label not in netlist.outputs | netlist.pulls and net.kind != _UNDRIVEN
    }


def driven_by_design(
    program: bytes, root: str, top: str, usual: Mapping[tuple[str, ...], Net]
) -> tuple[str, ...]:
    """The design's names of nets that the testbench drives alone, and this design drives as well.

    `usual`: from `drivers_of`.
    """
    if not any(word in program for word in _SHARED):
        return ()
    netlist = read_netlist(program, root, top)
    labels = {
        net.label
        for path, net in netlist.outside.items()
        if (before := usual.get(path)) is not None
        and net.kind in ("RS", "p")
        and (net.kind != before.kind or net.drivers > before.drivers)
    }
    names = {net.label: net.name for net in reversed(netlist.inside)}
    return tuple(sorted(names.get(label, "") for label in labels))
