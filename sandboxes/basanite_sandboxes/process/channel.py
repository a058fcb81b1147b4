"""Two pipes, one in each direction, between two runs in sandboxes of their own."""

from __future__ import annotations

import os


class Channel:
    """One run's end, until its agent has it."""

    def __init__(self, reader: int, writer: int) -> None:
        self.fds = [reader, writer]

    def close(self) -> None:
        """Close our copies: who waits for the other run must hear when it is gone. May be called often."""
        while self.fds:
            os.close(self.fds.pop())


def channel() -> tuple[Channel, Channel]:
    """Both ends."""
    first_reader, second_writer = os.pipe2(os.O_CLOEXEC)
    second_reader, first_writer = os.pipe2(os.O_CLOEXEC)
    return Channel(first_reader, first_writer), Channel(second_reader, second_writer)
