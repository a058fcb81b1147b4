"""A design as a synthesizer understood it: cells that compute, and flip-flops. Read strictly.

A candidate's netlist comes from a process that read its text, so nothing is taken from it but kinds of cells that are
known here, numbers and bits. What the proof is about is written anew from that (`miter.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from basanite_services.verilog.design import Port
from basanite_services.verilog.keywords import words

Bit = int | str
"""A number for a net, or a constant: "0", "1", "x"."""
Bits = tuple[Bit, ...]
"""Lowest first."""

_UNARY = words("$not $pos $neg $reduce_and $reduce_or $reduce_xor $reduce_xnor $reduce_bool $logic_not")
_BINARY = words(
    """
    $and $or $xor $xnor $add $sub $mul $div $mod $shl $shr $sshl $sshr $shift $shiftx $lt $le $eq $ne $eqx $nex $ge $gt
    $logic_and $logic_or
    """
)
_MUXES = ("$mux", "$pmux")
_FLIP_FLOPS = ("$dff", "$dffe", "$adff", "$adffe")
_BY_BIT = ("$not", "$pos", "$and", "$or", "$xor", "$xnor")
_MAX_BITS = 1 << 17
"""Nets of a design."""


class Unprovable(Exception):
    """There is no proof to be looked for, for a reason that says nothing about the design's worth."""


@dataclass(frozen=True, slots=True)
class Cell:
    kind: str
    pins: Mapping[str, Bits]
    """Inputs A, B, S, output Y."""
    a_signed: bool = False
    b_signed: bool = False


@dataclass(frozen=True, slots=True)
class FlipFlop:
    clock: Bit
    rising: bool
    d: Bits
    q: tuple[int, ...]
    enable: tuple[Bit, bool] | None
    """A net, and whether it enables when high."""
    reset: tuple[Bit, bool] | None
    """An asynchronous one, likewise."""
    reset_value: Bits = ()


@dataclass(frozen=True)
class Netlist:
    """All nets are driven once, by a port, a cell or a flip-flop, or are constant; there are no loops but through
    flip-flops, and nothing that outputs do not depend on."""

    inputs: tuple[tuple[int, ...], ...]
    """In the order of the design's inputs."""
    outputs: tuple[Bits, ...]
    cells: tuple[Cell, ...]
    flip_flops: tuple[FlipFlop, ...]
    initial: Mapping[int, str] = field(default_factory=dict)
    """Values that nets of flip-flops have at the start."""


def input_name(number: int) -> str:
    """Of a port in the module that is made into a netlist."""
    return f"i{number}"


def output_name(number: int) -> str:
    return f"o{number}"


def read_netlist(
    text: bytes, connections: bytes, module: str, inputs: Iterable[Port], outputs: Iterable[Port]
) -> Netlist:
    """What Yosys wrote of a module whose ports are called `input_name` and `output_name`, as JSON and as RTLIL.
    Raises Unprovable."""
    _check_connections(connections.decode(errors="replace"))
    try:
        found = json.loads(text)["modules"][module]
        return _Reader(found).read([port.width for port in inputs], [port.width for port in outputs])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise Unprovable("Yosys wrote no netlist that can be read") from None


_WIRE = re.compile(r"^  wire (?:width (\d+) )?.*?(\S+)$", re.MULTILINE)
_CONNECT = re.compile(r"^  connect (\{ [^}]*\}|\S+(?: \[[0-9:]+\])?) ", re.MULTILINE)
_PART = re.compile(r"(\S+)(?: \[(\d+)(?::(\d+))?\])?\s*")


def _check_connections(text: str) -> None:
    """JSON has but one name for all that is connected, and forgets that 0 and 1 were connected to the same."""
    widths = {name: int(width or "1") for width, name in _WIRE.findall(text)}
    seen: set[tuple[str, int]] = set()
    for target in _CONNECT.findall(text):
        for name, high, low in _PART.findall(target.strip("{} ")):
            last = int(high) if high else widths.get(name, 0) - 1
            first = int(low) if low else int(high) if high else 0
            bits = {(name, bit) for bit in range(first, last + 1)}
            if not bits or name not in widths:
                raise Unprovable("Yosys wrote no netlist that can be read")
            if bits & seen:
                raise Unprovable("a signal has two drivers")
            seen |= bits
    if text.count("\n  connect ") != len(_CONNECT.findall(text)):
        raise Unprovable("Yosys wrote no netlist that can be read")


class _Reader:
    def __init__(self, module: Mapping[str, Any]) -> None:
        self._module = module
        self._initial: dict[int, str] = {}
        self._cells: list[Cell] = []
        self._flip_flops: list[FlipFlop] = []
        self._driver: dict[int, Cell | FlipFlop | None] = {}
        """None for an input."""
        self._disputed: set[int] = set()

    def read(self, inputs: list[int], outputs: list[int]) -> Netlist:
        ports = self._module["ports"]
        if len(ports) != len(inputs) + len(outputs):
            raise Unprovable("Yosys sees other ports")
        input_bits = [
            self._port(ports[input_name(number)], "input", width) for number, width in enumerate(inputs)
        ]
        output_bits = [
            self._port(ports[output_name(number)], "output", width) for number, width in enumerate(outputs)
        ]
        for bits in input_bits:
            for net in _nets(bits, "an input is driven by the design itself"):
                self._drive(net, None)
        self._read_initial()
        for cell in self._module["cells"].values():
            self._read_cell(cell)
        return self._reachable([_nets(bits, "") for bits in input_bits], output_bits)

    def _port(self, port: Mapping[str, Any], direction: str, width: int) -> Bits:
        bits = _bits(port["bits"])
        if port["direction"] != direction or len(bits) != width:
            raise Unprovable("Yosys sees other ports")
        return bits

    def _read_initial(self) -> None:
        for net in self._module["netnames"].values():
            value = net["attributes"].get("init")
            if value is None:
                continue
            for bit, start in zip(_bits(net["bits"]), reversed(value), strict=True):
                if start not in ("0", "1"):
                    continue
                if not isinstance(bit, int):
                    # Its only driver is a constant: another value than that at the start would be one more.
                    raise Unprovable("a constant has an initial value")
                if self._initial.setdefault(bit, start) != start:
                    raise Unprovable("a signal has two initial values")

    def _read_cell(self, cell: Mapping[str, Any]) -> None:
        kind, pins = cell["type"], {name: _bits(bits) for name, bits in cell["connections"].items()}
        values = {name: _number(value) for name, value in cell["parameters"].items()}
        if kind in _FLIP_FLOPS:
            self._flip_flop(kind, pins, values, cell["parameters"].get("ARST_VALUE", ""))
            return
        if kind in ("$dlatch", "$adlatch", "$dlatchsr", "$sr"):
            raise Unprovable("a latch is not modelled")
        if kind in ("$dffsr", "$dffsre", "$aldff", "$aldffe"):
            raise Unprovable("a flip-flop that is loaded without a clock is not modelled")
        names = {"A", "B", "S", "Y"} if kind in _MUXES else {"A", "B", "Y"} if kind in _BINARY else {"A", "Y"}
        if kind not in (*_MUXES, *_BINARY, *_UNARY) or pins.keys() != names:
            raise Unprovable(f"Yosys's cell {str(kind)[:40]!r} is not modelled")
        if kind in _MUXES:
            width, selects = len(pins["Y"]), len(pins["S"])
            if (
                len(pins["A"]) != width
                or len(pins["B"]) != width * selects
                or (kind == "$mux" and selects != 1)
            ):
                raise Unprovable("Yosys wrote no netlist that can be read")
        made = Cell(kind, pins, bool(values.get("A_SIGNED")), bool(values.get("B_SIGNED")))
        self._cells.append(made)
        for net in _nets(pins["Y"], "a signal has two drivers"):
            self._drive(net, made)

    def _flip_flop(self, kind: str, pins: Mapping[str, Bits], values: Mapping[str, int], reset: str) -> None:
        q = _nets(pins["Q"], "a signal has two drivers")
        made = FlipFlop(
            clock=_single(pins["CLK"]),
            rising=bool(values["CLK_POLARITY"]),
            d=pins["D"],
            q=q,
            enable=(_single(pins["EN"]), bool(values["EN_POLARITY"])) if kind.endswith("e") else None,
            reset=(_single(pins["ARST"]), bool(values["ARST_POLARITY"])) if kind.startswith("$a") else None,
            reset_value=_bits(tuple(reversed(reset))) if kind.startswith("$a") else (),
        )
        if len(made.d) != len(q) or (made.reset is not None and len(made.reset_value) != len(q)):
            raise Unprovable("Yosys wrote no netlist that can be read")
        self._flip_flops.append(made)
        for net in q:
            self._drive(net, made)

    def _drive(self, net: int, driver: Cell | FlipFlop | None) -> None:
        # Yosys joins two names of a signal into one net, so two drivers, or two inputs, could meet there.
        if net in self._driver:
            self._disputed.add(net)
        if len(self._driver) >= _MAX_BITS:
            raise Unprovable(f"the design has more than {_MAX_BITS} bits of signals")
        self._driver[net] = driver

    def _reachable(self, inputs: list[tuple[int, ...]], outputs: list[Bits]) -> Netlist:
        """What outputs depend on, and a constant for what nothing drives: its initial value, or x."""
        cells: dict[int, Cell] = {}
        flip_flops: dict[int, FlipFlop] = {}
        seen: set[int] = set()
        queue = [bit for bits in outputs for bit in bits]
        while queue:
            bit = queue.pop()
            if not isinstance(bit, int) or bit in seen:
                continue
            if bit in self._disputed:
                raise Unprovable("a signal has two drivers")
            seen.add(bit)
            driver = self._driver.get(bit)
            if isinstance(driver, Cell) and id(driver) not in cells:
                cells[id(driver)] = driver
                queue += [one for name, bits in driver.pins.items() if name != "Y" for one in bits]
            elif isinstance(driver, FlipFlop) and id(driver) not in flip_flops:
                flip_flops[id(driver)] = driver
                queue += driver.d
                queue += [driver.clock, *(pin[0] for pin in (driver.enable, driver.reset) if pin)]
        _check_loops(outputs, cells.values(), flip_flops.values())
        idle = {bit: self._initial.get(bit, "x") for bit in seen if bit not in self._driver}

        def driven(bits: Bits) -> Bits:
            return tuple(idle.get(bit, bit) if isinstance(bit, int) else bit for bit in bits)

        def driven_pin(pin: tuple[Bit, bool] | None) -> tuple[Bit, bool] | None:
            return (driven((pin[0],))[0], pin[1]) if pin else None

        stored = {bit for one in flip_flops.values() for bit in one.q}
        return Netlist(
            inputs=tuple(inputs),
            outputs=tuple(driven(bits) for bits in outputs),
            cells=tuple(
                Cell(
                    cell.kind,
                    {name: driven(bits) for name, bits in cell.pins.items()},
                    cell.a_signed,
                    cell.b_signed,
                )
                for cell in cells.values()
            ),
            flip_flops=tuple(
                FlipFlop(
                    driven((one.clock,))[0],
                    one.rising,
                    driven(one.d),
                    one.q,
                    driven_pin(one.enable),
                    driven_pin(one.reset),
                    one.reset_value,
                )
                for one in flip_flops.values()
            ),
            initial={bit: value for bit, value in self._initial.items() if bit in stored},
        )


def _bits(given: Any) -> Bits:
    bits = tuple(given)
    for bit in bits:
        if isinstance(bit, bool) or not (isinstance(bit, int) or bit in ("0", "1", "x")):
            raise Unprovable("signals that are not driven (z) are not modelled")
    return bits


def _single(bits: Bits) -> Bit:
    (bit,) = bits
    return bit


def _nets(bits: Bits, why: str) -> tuple[int, ...]:
    nets = tuple(bit for bit in bits if isinstance(bit, int))
    if len(nets) != len(bits) or len(set(nets)) != len(nets):
        raise Unprovable(why)
    return nets


def _number(value: Any) -> int:
    """Of a parameter: a string of bits. Those of no cell that is modelled are wide, but for a reset's value."""
    if isinstance(value, int):
        return value
    return int(value, 2) if value.strip("01") == "" and value else -1


def _check_loops(outputs: list[Bits], cells: Iterable[Cell], flip_flops: Iterable[FlipFlop]) -> None:
    """A loop could have no consistent value at all, and of what cannot be everything is proved."""
    sources: dict[int, tuple[Cell, int]] = {
        bit: (cell, place)
        for cell in cells
        for place, bit in enumerate(cell.pins["Y"])
        if isinstance(bit, int)
    }
    done: set[object] = set()
    active: set[object] = set()
    roots = [bit for bits in outputs for bit in bits]
    for one in flip_flops:
        roots += one.d
        roots += [pin[0] for pin in (one.enable, one.reset) if pin]
    for root in roots:
        stack: list[tuple[object, Iterator[Bit]]] = []

        def enter(bit: Bit, stack: list[tuple[object, Iterator[Bit]]] = stack) -> None:
            source = sources.get(bit) if isinstance(bit, int) else None
            if source is None:
                return
            cell, place = source
            # One node for a cell all of whose output depends on all of its input, else one for each bit.
            node: object = (id(cell), place) if cell.kind in (*_BY_BIT, *_MUXES) else id(cell)
            if node in active:
                raise Unprovable("a signal depends on itself without a flip-flop between")
            if node not in done:
                active.add(node)
                stack.append((node, iter(_depends(cell, place))))

        enter(root)
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                active.discard(node)
                done.add(node)
            else:
                enter(following)


def _depends(cell: Cell, place: int) -> Iterator[Bit]:
    """The bits that one bit of a cell's output depends on."""
    pins = cell.pins
    if cell.kind in _MUXES:
        width = len(pins["A"])
        yield pins["A"][place]
        yield from pins["B"][place::width]
        yield from pins["S"]
    elif cell.kind in _BY_BIT:
        for name in pins.keys() - {"Y"}:
            if pins[name]:
                yield pins[name][min(place, len(pins[name]) - 1)]
    else:
        for name in pins.keys() - {"Y"}:
            yield from pins[name]
