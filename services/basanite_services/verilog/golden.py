"""What a golden reference puts out for a task's stimuli, simulated once for all candidates of the task."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from basanite_services.chassis.kept import Store
from basanite_services.verilog.compare import Expectation
from basanite_services.verilog.design import Design
from basanite_services.verilog.gates import Netlist
from basanite_services.verilog.stimuli import Stimuli
from basanite_services.verilog.tokens import Token

_CELL_BYTES, _TOKEN_BYTES = 1000, 250


@dataclass(frozen=True)
class Golden:
    design: Design
    tokens: tuple[Token, ...]
    stimuli: Stimuli
    expectation: Expectation
    netlist: Netlist | str = "nobody asked for it"
    """For proofs; or why there is none."""

    @cached_property
    def memory_bytes(self) -> int:
        """About what it takes to keep it."""
        bits = sum(port.width for port in self.design.ports)
        text = _TOKEN_BYTES * len(self.tokens)
        samples = len(self.stimuli.rows) * (3 * bits + 150 * (1 + len(self.design.outputs)))
        return (
            text + samples + (0 if isinstance(self.netlist, str) else _CELL_BYTES * len(self.netlist.cells))
        )


GoldenStore = Store[Golden]
