"""What a harness wrote down: all outputs of a design, step by step, as text of 0, 1, x and z.

The candidate's process wrote it, so it is read strictly: exactly the expected number of samples, each exactly as wide
as expected, in the layout of `$writememb`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from basanite_services.verilog.design import Port

_WORDS_A_NOTE = 16
"""`$writememb` notes the address of every sixteenth word in a line of its own."""
_NOTE = b"// 0x%08x"


class MalformedWaves(Exception):
    """No trace of the expected layout; the message says what is wrong with it."""


@dataclass(frozen=True)
class Waves:
    ports: tuple[Port, ...]
    samples: tuple[bytes, ...]
    """One a step: all outputs side by side, the first one first, a character of `01xz` a bit."""

    @cached_property
    def columns(self) -> dict[str, list[bytes]]:
        """The samples of each output."""
        columns = {}
        at = 0
        for port in self.ports:
            columns[port.name] = [sample[at : at + port.width] for sample in self.samples]
            at += port.width
        return columns


def waves_bytes(ports: Sequence[Port], steps: int) -> int:
    """How long the text of a trace is."""
    width = sum(port.width for port in ports)
    return steps * (width + 1) + -(-steps // _WORDS_A_NOTE) * (len(_NOTE % 0) + 1)


def read_waves(text: bytes, ports: Sequence[Port], steps: int) -> Waves:
    """Raises MalformedWaves."""
    if not text:
        raise MalformedWaves("the simulation ended before all samples were taken")
    expected = waves_bytes(ports, steps)
    if len(text) != expected:
        raise MalformedWaves(f"the samples have {len(text)} bytes, {expected} are expected")
    lines = text.removesuffix(b"\n").split(b"\n")
    notes = lines[:: _WORDS_A_NOTE + 1]
    del lines[:: _WORDS_A_NOTE + 1]
    if notes != [_NOTE % at for at in range(0, steps, _WORDS_A_NOTE)]:
        raise MalformedWaves("the samples have samples in another order")
    width = sum(port.width for port in ports)
    if len(lines) != steps or set(map(len, lines)) != {width}:
        raise MalformedWaves("the samples have samples of another width")
    if b"".join(lines).translate(None, b"01xz"):
        raise MalformedWaves("the samples hold something else than 0, 1, x and z")
    return Waves(tuple(ports), tuple(lines))
