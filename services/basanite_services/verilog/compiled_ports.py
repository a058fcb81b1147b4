"""The ports of a design by its compiler's word: what kind they are, and which nobody asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from basanite_services.verilog.design import Design

_PORT = re.compile(rb'^    \.port_info \d+ /(INPUT|OUTPUT|INOUT) \d+ "([^"\n]*)"', re.MULTILINE)
_REAL = re.compile(rb'^v0x\S+ \.(?:net|var)/real "([^"\n]*)"', re.MULTILINE)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")


@dataclass(frozen=True)
class CompiledPorts:
    faults: tuple[str, ...] = ()
    """Ports of another direction or type than was asked for, one sentence each."""
    extra: tuple[str, ...] = ()
    """Those beside the ones that were asked for, likewise. They are left unconnected."""


def compiled_ports(program: bytes, instance: str, design: Design) -> CompiledPorts:
    """program: what the compiler wrote of a design with an instance of this name, which no other has."""
    start = program.find(b'.scope module, "%s" ' % instance.encode())
    end = program.find(b"\nS_0x", start)
    scope = program[start : end if end >= 0 else None] if start >= 0 else b""
    real = {name.decode(errors="replace") for name in _REAL.findall(scope)}
    asked = {port.name: port for port in design.ports}
    faults, extra = [], []
    for kind, found in _PORT.findall(scope):
        name, direction = found.decode(errors="replace"), kind.decode().lower()
        port = asked.get(name)
        if port is None:
            if _PLAIN.fullmatch(name):
                extra.append(
                    f"{direction} {name} is not among the ports that were asked for: left unconnected"
                )
        elif direction != port.direction:
            faults.append(f"{name} is an {direction}, and should be an {port.direction}")
        elif name in real:
            bits = "1 bit" if port.width == 1 else f"{port.width} bits"
            faults.append(f"{direction} {name} is real, and should have {bits}")
    return CompiledPorts(tuple(faults), tuple(extra))
