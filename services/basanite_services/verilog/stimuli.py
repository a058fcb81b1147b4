"""From a design, a plan and a seed to what the inputs are driven with, step by step.

A step gives every input a value, clocks included; then time passes, and the outputs are sampled. In one step either one
clock moves, or resets that need no clock move, or all the others do: what moves together never races. A *cycle* is a
vector of inputs and the edge that takes it in; a design without clocks has one step a cycle. The vector comes before
the clock's idle edge or after it: a latch that is open at one level of the clock is no flip-flop. With several clocks
each has a period of its own, drawn anew now and then, and takes in vectors of its own.

What random stimuli find: whatever shows within the given number of cycles with fair probability. What they do not:
a design that is wrong for one value of a wide input, or after a count longer than any run between two resets. Numbers
that stand in the golden's text are driven on purpose; for others give directed vectors, for long counts more cycles.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from basanite_services.verilog.design import Clock, Design, Port, Reset
from basanite_services.verilog.draw import Draw
from basanite_services.verilog.values import InputValues

PAUSE_BITS = 20
_FIRST_RESET_CYCLES = 3
_CALM_CYCLES = 20
"""In these, inputs move between the idle edge and the active one: a mistake of edges shows most clearly there."""
_SAME_PERIODS = 200
"""For how many edges several clocks keep their periods."""


@dataclass(frozen=True, slots=True)
class Directed:
    """Values of some inputs, by name, for so many cycles."""

    inputs: Mapping[str, int]
    cycles: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    cycles: int
    directed: tuple[Directed, ...] = ()


def usual_cycles(design: Design) -> int:
    """How many cycles serve for most designs. One that reads serially sees little a cycle, and has deep states."""
    data = data_inputs(design)
    serial = design.clocks and data and sum(port.width for port in data) <= 2
    return 3_000 if serial else 1_000


def data_inputs(design: Design) -> list[Port]:
    """Inputs that are neither clocks nor resets."""
    scheduled = {clock.name for clock in design.clocks} | {reset.name for reset in design.resets}
    return [port for port in design.inputs if port.name not in scheduled]


@dataclass(frozen=True)
class Stimuli:
    inputs: tuple[Port, ...]
    rows: tuple[int, ...]
    """One a step: the values of all inputs, the first input in the highest bits."""
    cycles: tuple[int, ...]
    """The cycle of each step."""
    resets: frozenset[int]
    """The steps in which a reset is active."""
    pauses: tuple[int, ...]
    """How much longer than usual each step lasts: so no design knows when it is sampled. At most PAUSE_BITS."""

    @cached_property
    def image(self) -> bytes:
        """All rows as `$readmemh` reads them, the pauses in front of the inputs."""
        width = sum(port.width for port in self.inputs)
        paused = zip(self.pauses, self.rows, strict=True)
        return "".join([f"{pause << width | row:x}\n" for pause, row in paused]).encode()

    def values(self, step: int) -> dict[str, int]:
        """What each input is driven with in a step."""
        return _split(self.rows[step], self.inputs)


def make_stimuli(
    design: Design, plan: Plan, seed: bytes, constants: Sequence[tuple[int, int]] = ()
) -> Stimuli:
    """The same stimuli for the same arguments, always.

    constants: (value, width) of numbers that are worth driving. Raises ValueError if a directed vector names a port
    that is no input or is a clock, or if there are more directed cycles than cycles.
    """
    _check_directed(design, plan)
    draw = Draw(seed)
    driver = _Driver(design, draw, constants)
    driver.run(_schedule(design, plan, draw))
    return driver.stimuli()


def _check_directed(design: Design, plan: Plan) -> None:
    inputs = {port.name: port.width for port in design.ports if port.direction == "input"}
    clocks = {clock.name for clock in design.clocks}
    for number, vector in enumerate(plan.directed):
        for name, value in vector.inputs.items():
            if name not in inputs:
                raise ValueError(f"directed[{number}]: `{name}` is no input of the golden")
            if name in clocks:
                raise ValueError(f"directed[{number}]: `{name}` is a clock, which is moved every cycle")
            if value >> inputs[name]:
                raise ValueError(
                    f"directed[{number}]: {value} is too much for `{name}`, {inputs[name]} bits wide"
                )
    if sum(vector.cycles for vector in plan.directed) > plan.cycles:
        raise ValueError(f"directed: there are more directed cycles than cycles, {plan.cycles}")


# What is planned for a cycle.


@dataclass(slots=True)
class _Cycle:
    given: Mapping[str, int] | None
    """Values of some inputs, while the others stay as they are; None: new values for all of them."""
    held: dict[str, int] = field(default_factory=dict)
    """Resets that are not at rest, and take effect with the edge."""
    moves: tuple[_Moves, _Moves, _Moves] = field(default_factory=lambda: ([], [], []))
    """Resets that need no edge: moved before the data, before the edge and after it, each in a step of its own."""


_Moves = list[dict[str, int]]


def _schedule(design: Design, plan: Plan, draw: Draw) -> list[_Cycle]:
    """A reset, the directed vectors, and then everything else, with resets now and then."""
    first_reset = _FIRST_RESET_CYCLES * max(1, 2 * len(design.clocks) - 1) if design.resets else 0
    cycles = [_Cycle(None) for _ in range(first_reset)]
    if first_reset:
        _plan_reset(cycles, range(first_reset), design.resets, begin=1, end=2)
    cycles.extend(_directed_cycles(design, plan))
    directed = len(cycles) - first_reset
    values = _systematic(design, plan.cycles - directed, draw)
    cycles.extend(_Cycle(given) for given in values)
    cycles.extend(_Cycle(None) for _ in range(plan.cycles - directed - len(values)))
    if design.resets:
        if directed:
            _rest_resets(cycles[first_reset + directed :], design.resets)
        _plan_resets(cycles, first_reset + directed, design.resets, draw)
    return cycles


def _rest_resets(cycles: list[_Cycle], resets: Sequence[Reset]) -> None:
    """Directed vectors may have left an asynchronous reset active."""
    moved = {reset.name: 1 - _active(reset) for reset in resets if reset.asynchronous}
    if cycles and moved:
        cycles[0].moves[0].append(moved)


def _directed_cycles(design: Design, plan: Plan) -> Iterator[_Cycle]:
    values = {reset.name: 1 - _active(reset) for reset in design.resets if not reset.asynchronous}
    for vector in plan.directed:
        values.update(vector.inputs)
        for _ in range(vector.cycles):
            yield _Cycle(dict(values))


def _systematic(design: Design, cycles: int, draw: Draw) -> list[dict[str, int]]:
    """Without clocks: all values of few inputs, or walking ones and zeros over more of them."""
    data = data_inputs(design)
    width = sum(port.width for port in data)
    if design.clocks or not width:
        return []
    if width < 32 and 1 << width <= cycles:
        rows: Sequence[int] = draw.shuffled(range(1 << width))
    else:
        ones = (1 << width) - 1
        walking = [1 << bit for bit in range(width)] if width <= cycles // 8 else []
        rows = [0, ones, *walking, *(ones ^ one for one in walking)][:cycles]
    return [_split(row, data) for row in rows]


def _plan_resets(cycles: list[_Cycle], first: int, resets: Sequence[Reset], draw: Draw) -> None:
    """Half of the cycles stay without a reset, for what counts far; then come stretches of all lengths between them."""
    at = first + (len(cycles) - first) // 2
    while at < len(cycles):
        last = min(at + draw.pick((1, 1, 2, 3)), len(cycles)) - 1
        chosen = [reset for reset in resets if draw.one_in(2)] or [draw.pick(resets)]
        begin = draw.below(3)
        # At times for no edge at all: only a reset that needs none sees that.
        end = None if draw.one_in(3) else 2
        _plan_reset(cycles, range(at, last + 1), chosen, begin=begin, end=end)
        at = last + 1 + draw.between(2, draw.pick((6, 20, 60, 120)))


def _plan_reset(
    cycles: list[_Cycle], when: range, resets: Sequence[Reset], *, begin: int, end: int | None
) -> None:
    """Resets are active in the cycles `when`. Asynchronous ones: from the moment `begin` of the first cycle to the
    moment `end` of the last, or, if that is None, between two edges of the first."""
    for reset in resets:
        if not reset.asynchronous:
            for number in when:
                cycles[number].held[reset.name] = _active(reset)
    moved = [reset for reset in resets if reset.asynchronous]
    if moved:
        cycles[when[0]].moves[begin].append({reset.name: _active(reset) for reset in moved})
        release = cycles[when[0]].moves[begin] if end is None else cycles[when[-1]].moves[end]
        release.append({reset.name: 1 - _active(reset) for reset in moved})


# Driving it.


class _Driver:
    def __init__(self, design: Design, draw: Draw, constants: Sequence[tuple[int, int]]) -> None:
        self._draw = draw
        self._clocks = design.clocks
        self._inputs = design.inputs
        self._resets = design.resets
        self._data = data_inputs(design)
        self._values = InputValues(
            draw, [port.width for port in self._data], constants, held=bool(design.clocks)
        )
        self._now = {port.name: 0 for port in design.inputs}
        self._now.update({clock.name: idle_level(clock) for clock in design.clocks})
        self._now.update({reset.name: 1 - _active(reset) for reset in design.resets})
        self._rows: list[int] = []
        self._cycles: list[int] = []
        self._in_reset: set[int] = set()

    def stimuli(self) -> Stimuli:
        return Stimuli(
            self._inputs,
            tuple(self._rows),
            tuple(self._cycles),
            frozenset(self._in_reset),
            tuple(self._draw.bits(PAUSE_BITS) for _ in self._rows),
        )

    def run(self, cycles: list[_Cycle]) -> None:
        edges = self._edges()
        for number, cycle in enumerate(cycles):
            clock = next(edges, None)
            before_data, before_edge, after_edge = cycle.moves
            at_once, alone = self._data_of(cycle)
            data = [*before_data, at_once, *alone]
            early = clock is not None and not clock.gated and number >= _CALM_CYCLES and self._draw.one_in(3)
            if early:
                self._steps(number, data)
            while clock is not None and not self._is_active_next(clock):
                self._step(number if early else number - 1, {clock.name: 1 - self._now[clock.name]})
                clock = next(edges)
            self._steps(number, before_edge if early else [*data, *before_edge])
            if clock is not None:
                self._step(number, {clock.name: 1 - self._now[clock.name]})
            self._steps(number, after_edge)

    def _data_of(self, cycle: _Cycle) -> tuple[dict[str, int], _Moves]:
        """-> (what moves together, what moves alone)"""
        if cycle.given is None:
            last = [self._now[port.name] for port in self._data]
            drawn = zip(self._data, self._values.next(last), strict=True)
            values = {port.name: value for port, value in drawn}
        else:
            values = dict(cycle.given)
        alone: _Moves = []
        for reset in self._resets:
            if not reset.asynchronous:
                values.setdefault(reset.name, cycle.held.get(reset.name, 1 - _active(reset)))
            elif reset.name in values:
                alone.append({reset.name: values.pop(reset.name)})
        return values, alone

    def _edges(self) -> Iterator[Clock]:
        """The clock that moves next: one alone always does, several have periods that are drawn anew now and then."""
        if len(self._clocks) < 2:
            yield from itertools.cycle(self._clocks)
            return
        due = [self._draw.between(1, 10) for _ in self._clocks]
        while True:
            half_periods = [self._draw.between(4, 20) for _ in self._clocks]
            for _ in range(_SAME_PERIODS):
                number = due.index(min(due))
                due[number] += half_periods[number]
                yield self._clocks[number]

    def _is_active_next(self, clock: Clock) -> bool:
        return (clock.posedge and clock.negedge) or self._now[clock.name] == idle_level(clock)

    def _steps(self, cycle: int, moves: _Moves) -> None:
        for move in moves:
            self._step(cycle, move)

    def _step(self, cycle: int, changed: Mapping[str, int]) -> None:
        self._now.update(changed)
        row = 0
        for port in self._inputs:
            row = row << port.width | self._now[port.name]
        if any(self._now[reset.name] == _active(reset) for reset in self._resets):
            self._in_reset.add(len(self._rows))
        self._rows.append(row)
        self._cycles.append(cycle)


def idle_level(clock: Clock) -> int:
    """The level from which a clock makes its active edge; from 0 if both edges are."""
    return int(not clock.posedge)


def _active(reset: Reset) -> int:
    return int(not reset.active_low)


def _split(row: int, ports: Sequence[Port]) -> dict[str, int]:
    """Values of ports from one number in which they stand side by side, the first in the highest bits."""
    values = {}
    for port in reversed(ports):
        values[port.name] = row & ((1 << port.width) - 1)
        row >>= port.width
    return {port.name: values[port.name] for port in ports}
