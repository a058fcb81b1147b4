"""What the agent says, checked: it is ours, but runs beside candidates."""

from __future__ import annotations

import json
import os
import struct
from typing import NamedTuple

from basanite_sandboxes.guest import wire
from basanite_sandboxes.spec import Rejection

_MOST = 1 << 52
"""Of any count: microseconds, KiB, bytes."""
_LAST_ERRNO = 4095


class Garbled(Exception):
    """No agent in its right mind says this: its cell is to be ended."""


class Reply(NamedTuple):
    """wire.REPLY."""

    status: int
    error: int
    stage: int
    flags: int
    cpu_us: int
    wall_us: int
    maxrss_kb: int
    stdout: int
    stderr: int
    answers: int

    @classmethod
    def read(cls, packet: bytes) -> Reply:
        """Raises Garbled."""
        try:
            reply = cls._make(wire.REPLY.unpack(packet))
        except struct.error as error:
            raise Garbled(f"a reply of {len(packet)} bytes") from error
        if not (0 <= reply.status <= 0xFFFF and 0 <= reply.error <= _LAST_ERRNO and max(reply[2:]) < _MOST):
            raise Garbled(f"an impossible reply: {reply}")
        return reply

    @property
    def signal(self) -> int | None:
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else None


def read_rejection(text: bytes) -> Rejection:
    """The detail of stage REJECTED. Raises Garbled."""
    try:
        _, _, length = wire.STAGE.unpack_from(text)
        detail = json.loads(text[wire.STAGE.size : wire.STAGE.size + max(0, length)])
        message, line, column = detail["message"], detail["line"], detail["column"]
    except (struct.error, ValueError, LookupError, TypeError, RecursionError) as error:
        raise Garbled("a rejection that cannot be read") from error
    if not (isinstance(message, str) and type(line) is type(column) is int):
        raise Garbled("a rejection of the wrong types")
    if not (0 <= line < 1 << 31 and 0 <= column < 1 << 31):
        raise Garbled("a rejection at an impossible place")
    # What the compiler quotes of the source may hold lone surrogates, which no message can carry.
    return Rejection(message.encode(errors="replace").decode(), line, column)
