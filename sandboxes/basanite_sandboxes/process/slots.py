"""How many sandboxes are lent at one time, to whom next, and who has the machine for itself."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from basanite_sandboxes.spec import SandboxError


class Slots:
    """First come, first served. Who asks for all of them gets them when those before have given theirs back, and
    those after wait for it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._company_until = 0.0

    @property
    def used(self) -> int:
        return self.size - self._free

    def alone_since(self, moment: float) -> bool:
        """Whether at most one slot was in use at any time since `moment` of the monotonic clock."""
        return self.used <= 1 and self._company_until <= moment

    async def take(self, count: int = 1) -> None:
        """Raises SandboxError once closed."""
        if self._free >= count and not self._waiting:
            self._give(count)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back(count)
            else:
                self._pass_on()  # those behind may need less
            raise

    def give_back(self, count: int = 1) -> None:
        if self.used > 1:
            self._company_until = time.monotonic()
        self._free += count
        self._pass_on()

    def close(self) -> None:
        """Refuse whoever waits."""
        for _, turn in self._waiting:
            if not turn.done():
                turn.set_exception(SandboxError("the pool is closed"))
        self._waiting.clear()

    def _pass_on(self) -> None:
        while self._waiting:
            count, turn = self._waiting[0]
            if turn.done():
                self._waiting.popleft()
                continue
            if self._free < count:
                return
            self._waiting.popleft()
            self._give(count)
            turn.set_result(None)

    def _give(self, count: int) -> None:
        self._free -= count
