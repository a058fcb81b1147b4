"""Two netlists as one question: can an output of the second ever differ from that of the first?

The question is a module in Yosys's own format, in which every name and every line is ours. Its output `differs` is 1
where they do, after a reset:

- Every unknown value stays one. A bit that is unknown in the golden is not compared; one that is known there, and
  unknown in the candidate, differs. A flip-flop without an initial value starts unknown.
- A step of the module is a step of the design: inputs take any values, outputs are compared, then the clock makes its
  active edge. That is every behaviour there is, if all flip-flops of both designs wait for the same edge of the same
  input, and that input is used for nothing else: between two edges nothing is stored, so that values of inputs there
  are values of another step, which the same state begins. So all of that is required.
- Resets without a clock act at once, and hold. One may come and go between two edges: so in a step in which one is
  active the clock may stand still, where that makes a difference. They must be inputs themselves.
- The golden's resets are active together in the first RESET_STEPS steps, in which nothing is compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from basanite_services.verilog.design import Design
from basanite_services.verilog.gates import Bit, FlipFlop, Netlist, Unprovable, input_name

MODULE, DIFFERS = "question", "differs"
RESET_STEPS = 3
"""As many edges as the harness makes in its first reset. What the counter of two bits counts to."""
_TICK = "tick"


@dataclass(frozen=True)
class Question:
    text: str
    sequential: bool
    reset_steps: int
    """At the start of a counterexample, in which resets are active whatever their inputs are."""


def ask(design: Design, golden: Netlist, candidate: Netlist) -> Question:
    """`design` is the golden's. Raises Unprovable."""
    flip_flops = [*golden.flip_flops, *candidate.flip_flops]
    for netlist in (golden, candidate):
        _check_clocks(design, golden, netlist)
    return _Writer(design, golden, candidate, flip_flops).write()


def _check_clocks(design: Design, golden: Netlist, netlist: Netlist) -> None:
    name = "the reference" if netlist is golden else "the design"
    inputs = {bit: (number, bits) for number, bits in enumerate(netlist.inputs) for bit in bits}
    clocks = {clock.name for clock in design.clocks}
    edges = {(_input(inputs, one.clock), one.rising) for one in netlist.flip_flops}
    if not edges:
        return
    if len(edges) > 1:
        raise Unprovable(f"{name} has more than one clock, or uses both edges of one")
    (number, rising) = next(iter(edges))
    if number is None or design.inputs[number].name not in clocks:
        raise Unprovable(f"{name} has a clock that is no clock among its inputs")
    theirs = {bit: number for number, bits in enumerate(golden.inputs) for bit in bits}
    if netlist is not golden and any(
        (theirs.get(one.clock) if isinstance(one.clock, int) else None, one.rising) != (number, rising)
        for one in golden.flip_flops
    ):
        raise Unprovable("the design stores at another edge, or with another clock, than the reference")
    if netlist is not golden and not golden.flip_flops:
        raise Unprovable("the design has a clock, and the reference has none")
    clock = set(netlist.inputs[number])
    if any(bit in clock for bit in _data(netlist)):
        raise Unprovable(f"{name} uses its clock as a value")
    for one in netlist.flip_flops:
        if one.reset is not None and _input(inputs, one.reset[0]) is None:
            raise Unprovable(f"{name} has an asynchronous reset that is no input itself")


def _input(inputs: dict[int, tuple[int, tuple[int, ...]]], bit: Bit) -> int | None:
    """Which input of one bit it is."""
    found = inputs.get(bit) if isinstance(bit, int) else None
    return found[0] if found is not None and len(found[1]) == 1 else None


def _data(netlist: Netlist) -> Iterator[Bit]:
    """All bits whose values matter."""
    for bits in netlist.outputs:
        yield from bits
    for cell in netlist.cells:
        for name, bits in cell.pins.items():
            if name != "Y":
                yield from bits
    for one in netlist.flip_flops:
        yield from one.d
        yield from (pin[0] for pin in (one.enable, one.reset) if pin)


@dataclass
class _Writer:
    design: Design
    golden: Netlist
    candidate: Netlist
    flip_flops: list[FlipFlop]
    lines: list[str] = field(default_factory=list)
    count: int = 0

    def write(self) -> Question:
        resets = {reset.name: reset for reset in self.design.resets} if self.flip_flops else {}
        effective: list[list[str]] = []
        for number, port in enumerate(self.design.inputs):
            self.lines.append(f"wire width {port.width} input {number + 1} \\{input_name(number)}")
            effective.append([f"\\{input_name(number)} [{place}]" for place in range(port.width)])
        live = "1'1"
        if resets:
            live = self._steps()
            for number, port in enumerate(self.design.inputs):
                if reset := resets.get(port.name):
                    active = f"1'{int(not reset.active_low)}"
                    effective[number] = [self._mux(active, effective[number][0], live)]
        tick = self._tick(effective, live)
        ours = self._side("g", self.golden, effective, tick)
        theirs = self._side("c", self.candidate, effective, tick)
        self._compare(ours, theirs, live)
        body = "\n".join(f"  {line}" for line in self.lines)
        text = f"module \\{MODULE}\n{body}\nend\n"
        return Question(text, bool(self.flip_flops), RESET_STEPS if resets else 0)

    def _steps(self) -> str:
        """Whether RESET_STEPS steps are over."""
        state = [self._wire("0"), self._wire("0")]
        over = self._cell("$eqx", 1, A=state, B=["1'1", "1'1"])[0]
        following = self._cell("$add", 2, A=state, B=["1'1", "1'0"])
        for bit, after in zip(state, following, strict=True):
            self._flip_flop([self._mux(after, bit, over)], [bit])
        return over

    def _tick(self, effective: list[list[str]], live: str) -> str | None:
        """Whether the clock makes its edge in a step; None for always."""
        resets = {self._reset(one, effective) for one in self._with_resets(self.golden)}
        resets |= {self._reset(one, effective) for one in self._with_resets(self.candidate)}
        if not resets or (len(resets) == 1 and all(one.reset for one in self.flip_flops)):
            return None
        self.lines.append(f"wire input {len(effective) + 1} \\{_TICK}")
        held = self._cell("$not", 1, A=[live])[0]
        ticks = self._or([f"\\{_TICK}", held])
        idle = self._cell("$not", 1, A=[self._or([self._level(bit, high) for bit, high in sorted(resets)])])[
            0
        ]
        return self._or([ticks, idle])

    def _with_resets(self, netlist: Netlist) -> Iterator[tuple[Netlist, tuple[Bit, bool]]]:
        for one in netlist.flip_flops:
            if one.reset is not None:
                yield netlist, one.reset

    def _reset(self, given: tuple[Netlist, tuple[Bit, bool]], effective: list[list[str]]) -> tuple[str, bool]:
        netlist, (bit, high) = given
        number = next(number for number, bits in enumerate(netlist.inputs) if bits == (bit,))
        return effective[number][0], high

    def _side(self, mark: str, netlist: Netlist, effective: list[list[str]], tick: str | None) -> list[str]:
        """One of the designs. -> the bits of its outputs"""
        names: dict[Bit, str] = {value: f"1'{value}" for value in ("0", "1", "x")}
        for bits, wires in zip(netlist.inputs, effective, strict=True):
            names.update(zip(bits, wires, strict=True))
        asynchronous = {bit for one in netlist.flip_flops if one.reset for bit in one.q}
        for bit in self._driven(netlist):
            start = None if bit in asynchronous else netlist.initial.get(bit)
            names[bit] = self._wire(start, f"{mark}{bit}")

        def all_of(bits: Iterable[Bit]) -> list[str]:
            return [names[bit] for bit in bits]

        for cell in netlist.cells:
            pins = {name: all_of(bits) for name, bits in cell.pins.items()}
            self._write_cell(cell.kind, pins, cell.a_signed, cell.b_signed)
        for one in netlist.flip_flops:
            q, d = all_of(one.q), all_of(one.d)
            state = q
            if one.reset is not None:
                state = [self._wire(netlist.initial.get(bit)) for bit in one.q]
            if one.enable is not None:
                enable = self._level(names[one.enable[0]], one.enable[1])
                d = self._choose(d, state, enable)
            if tick is not None:
                d = self._choose(d, state, tick)
            if one.reset is not None:
                reset, value = self._level(names[one.reset[0]], one.reset[1]), all_of(one.reset_value)
                self._write_cell("$mux", {"A": state, "B": value, "S": [reset], "Y": q})
                d = self._choose(value, d, reset)
            self._flip_flop(d, state)
        return [name for bits in netlist.outputs for name in all_of(bits)]

    def _driven(self, netlist: Netlist) -> Iterator[int]:
        for bits in [*(cell.pins["Y"] for cell in netlist.cells), *(one.q for one in netlist.flip_flops)]:
            for bit in bits:
                if isinstance(bit, int):
                    yield bit

    def _compare(self, golden: list[str], candidate: list[str], live: str) -> None:
        unknown = [self._cell("$eqx", 1, A=[bit], B=["1'x"])[0] for bit in golden]
        width = len(golden)
        sides = [self._cell("$or", width, A=side, B=unknown) for side in (golden, candidate)]
        other = self._cell("$nex", 1, A=sides[0], B=sides[1])
        self.lines.append(f"wire \\{DIFFERS}")
        self._write_cell("$and", {"A": other, "B": [live], "Y": [f"\\{DIFFERS}"]})

    # Cells ----------------------------------------------------------------------------------------------------

    def _wire(self, start: str | None = None, name: str = "") -> str:
        if not name:
            self.count += 1
            name = f"w{self.count}"
        if start is not None:
            self.lines.append(f"attribute \\init 1'{start}")
        self.lines.append(f"wire \\{name}")
        return f"\\{name}"

    def _cell(self, kind: str, width: int, **pins: Sequence[str]) -> list[str]:
        y = [self._wire() for _ in range(width)]
        self._write_cell(kind, {**pins, "Y": y})
        return y

    def _level(self, bit: str, high: bool) -> str:
        return bit if high else self._cell("$not", 1, A=[bit])[0]

    def _or(self, bits: Sequence[str]) -> str:
        return self._cell("$reduce_or", 1, A=bits)[0]

    def _mux(self, zero: str, one: str, select: str) -> str:
        return self._cell("$mux", 1, A=[zero], B=[one], S=[select])[0]

    def _choose(self, then: Sequence[str], otherwise: Sequence[str], select: str) -> list[str]:
        return self._cell("$mux", len(then), A=otherwise, B=then, S=[select])

    def _flip_flop(self, d: Sequence[str], q: Sequence[str]) -> None:
        self._write_cell("$ff", {"D": d, "Q": q})

    def _write_cell(
        self,
        kind: str,
        pins: Mapping[str, Sequence[str]],
        a_signed: bool = False,
        b_signed: bool = False,
    ) -> None:
        self.count += 1
        self.lines.append(f"cell {kind} \\n{self.count}")
        if kind == "$ff":
            values = {"WIDTH": len(pins["Q"])}
        elif "S" in pins:
            values = {"WIDTH": len(pins["A"])} | ({"S_WIDTH": len(pins["S"])} if kind == "$pmux" else {})
        else:
            values = {f"{name}_WIDTH": len(bits) for name, bits in pins.items()}
            values |= {"A_SIGNED": int(a_signed)} | ({"B_SIGNED": int(b_signed)} if "B" in pins else {})
        self.lines += [f"  parameter \\{name} {value}" for name, value in values.items()]
        self.lines += [f"  connect \\{name} {{ {' '.join(reversed(bits))} }}" for name, bits in pins.items()]
        self.lines.append("end")
