"""Comparing what a candidate put out with what the golden put out, sample by sample and bit by bit.

A bit that is unknown in the golden is not compared. One that is not driven (z) is compared where the golden drives it
at other times: then not to drive it is what a tri-state output does; one that is never driven is not compared. A known
bit must be that bit: unknown and not driven are different from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from basanite_services.verilog.design import Port
from basanite_services.verilog.waves import Waves


@dataclass(frozen=True, slots=True)
class Compared:
    """An output of a candidate against the golden's."""

    port: Port
    compared: int
    """Samples in which at least one bit was compared."""
    mismatched: tuple[int, ...]
    """The steps of those that differ, in order."""


@dataclass(frozen=True, slots=True)
class _Column:
    """An output of the golden, with what of it is not compared made `x`."""

    port: Port
    required: tuple[bytes, ...]
    compared: int
    constant: bool


class Expectation:
    """What is required of a candidate. Made once for a golden's trace."""

    def __init__(self, golden: Waves) -> None:
        self.golden = golden
        self.columns = [_column(port, golden.columns[port.name]) for port in golden.ports]
        self._exact = not any(b"x" in sample or b"z" in sample for sample in golden.samples)

    @property
    def compares_nothing(self) -> bool:
        """Whether any candidate would do."""
        return not any(column.compared for column in self.columns)

    def vacuous(self) -> list[tuple[Port, str]]:
        """The outputs of which a candidate that does nothing, or next to nothing, may be right, and why in words."""
        found = []
        for column in self.columns:
            if not column.compared:
                found.append(
                    (column.port, "is unknown in the reference all the time, so it was not compared")
                )
            elif column.constant:
                found.append((column.port, "never changes in the reference, so a constant is as good"))
        return found

    def compare(self, candidate: Waves) -> list[Compared]:
        """One for each output. `candidate` has as many samples as the golden."""
        same = self._exact and candidate.samples == self.golden.samples
        results = []
        for column in self.columns:
            got = () if same else candidate.columns[column.port.name]
            mismatched = tuple(
                step
                for step, (required, given) in enumerate(zip(column.required, got, strict=False))
                if required != given and differs(required, given)
            )
            results.append(Compared(column.port, column.compared, mismatched))
        return results


def differs(required: bytes, given: bytes) -> bool:
    """Whether two values of one width differ, where x in the first is not compared."""
    if b"x" not in required:
        return required != given
    return any(one != other for one, other in zip(required, given, strict=True) if one != _UNKNOWN)


_UNKNOWN = ord("x")


def _column(port: Port, samples: list[bytes]) -> _Column:
    ever = {value: _ever(samples, value) for value in b"01z"}
    undriven = ever[ord("z")] & ~(ever[ord("0")] | ever[ord("1")])
    if undriven:
        samples = [_without(sample, undriven) for sample in samples]
        ever[ord("z")] &= ~undriven
    unknown = b"x" * port.width
    compared = sum(sample != unknown for sample in samples)
    zeros, ones, open_ = ever.values()
    constant = not (zeros & ones or zeros & open_ or ones & open_)
    return _Column(port, tuple(samples), compared, constant)


def _ever(samples: list[bytes], value: int) -> int:
    """The bits that have a value in some sample, as a number."""
    table = bytes(ord("1") if code == value else ord("0") for code in range(256))
    found = 0
    for sample in set(samples):
        found |= int(sample.translate(table), 2)
    return found


def _without(sample: bytes, bits: int) -> bytes:
    """A sample with x in the place of some bits."""
    mask = f"{bits:0{len(sample)}b}".encode()
    return bytes(_UNKNOWN if out == ord("1") else value for value, out in zip(sample, mask, strict=True))
