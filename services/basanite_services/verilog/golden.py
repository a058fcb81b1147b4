"""What a golden reference puts out for a task's stimuli, simulated once for all candidates of the task."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias
from weakref import WeakValueDictionary

from basanite_sandboxes.spec import Limits
from basanite_services.chassis.verifier import TaskFault
from basanite_services.verilog.compare import Expectation
from basanite_services.verilog.design import Design
from basanite_services.verilog.gates import Netlist
from basanite_services.verilog.stimuli import Stimuli
from basanite_services.verilog.tokens import Token

_CELL_BYTES, _TOKEN_BYTES = 1000, 250

Key: TypeAlias = tuple[bytes, Limits]
"""The seed, which follows from all that is trusted; and the limits, within which one may work and not within others."""
_MAX_FAULTS = 1_000


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


class GoldenStore:
    """The last used, as many as fit. One that several ask for at one time is made once, and so is one that cannot be
    made because it does not work."""

    def __init__(self, memory_bytes: int) -> None:
        self._room = memory_bytes
        self._kept: OrderedDict[bytes, Golden] = OrderedDict()
        self._faults: OrderedDict[Key, tuple[str, str]] = OrderedDict()
        """Field and message of the TaskFault that came of making it."""
        self._making: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def get(self, key: Key, make: Callable[[], Awaitable[Golden]]) -> Golden:
        """The golden of a key, made if it is not kept. Raises what `make` raises, of which a TaskFault is kept."""
        if (found := self._find(key)) is not None:
            return found
        lock = self._making.get(key)
        if lock is None:
            lock = self._making[key] = asyncio.Lock()
        # Who waits makes it itself if the one before could not: it may have been cancelled.
        async with lock:
            if (found := self._find(key)) is not None:
                return found
            try:
                golden = await make()
            except TaskFault as fault:
                self._faults[key] = (fault.field, str(fault))
                if len(self._faults) > _MAX_FAULTS:
                    self._faults.popitem(last=False)
                raise
            self._keep(key[0], golden)
            return golden

    def _find(self, key: Key) -> Golden | None:
        if key in self._faults:
            raise TaskFault(*self._faults[key])
        golden = self._kept.get(key[0])
        if golden is not None:
            self._kept.move_to_end(key[0])
        return golden

    def _keep(self, seed: bytes, golden: Golden) -> None:
        if golden.memory_bytes > self._room:
            return
        self._kept[seed] = golden
        while sum(one.memory_bytes for one in self._kept.values()) > self._room:
            self._kept.popitem(last=False)
