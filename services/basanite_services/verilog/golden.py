"""What a golden reference puts out for a task's stimuli, simulated once for all candidates of the task."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakValueDictionary

from basanite_services.verilog.compare import Expectation
from basanite_services.verilog.design import Design
from basanite_services.verilog.stimuli import Stimuli


@dataclass(frozen=True)
class Golden:
    design: Design
    stimuli: Stimuli
    expectation: Expectation

    @cached_property
    def memory_bytes(self) -> int:
        """About what it takes to keep it."""
        bits = sum(port.width for port in self.design.ports)
        return len(self.stimuli.rows) * (3 * bits + 150 * (1 + len(self.design.outputs)))


class GoldenStore:
    """The last used, as many as fit. One that several ask for at one time is made once."""

    def __init__(self, memory_bytes: int) -> None:
        self._room = memory_bytes
        self._kept: OrderedDict[bytes, Golden] = OrderedDict()
        self._making: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def get(self, key: bytes, make: Callable[[], Awaitable[Golden]]) -> Golden:
        """The golden of a key, made if it is not kept. Raises what `make` raises, of which nothing is kept."""
        if (found := self._find(key)) is not None:
            return found
        lock = self._making.get(key)
        if lock is None:
            lock = self._making[key] = asyncio.Lock()
        # Who waits makes it itself if the one before could not: it may have been cancelled.
        async with lock:
            if (found := self._find(key)) is not None:
                return found
            golden = await make()
            self._keep(key, golden)
            return golden

    def _find(self, key: bytes) -> Golden | None:
        golden = self._kept.get(key)
        if golden is not None:
            self._kept.move_to_end(key)
        return golden

    def _keep(self, key: bytes, golden: Golden) -> None:
        if golden.memory_bytes > self._room:
            return
        self._kept[key] = golden
        while sum(one.memory_bytes for one in self._kept.values()) > self._room:
            self._kept.popitem(last=False)
