"""Values for the inputs of a design, cycle by cycle: random ones, and those in which designs go wrong.

Every input is in a *mode* for some cycles, then in another: uniformly random, held, corner values, one bit set, values
that come again, one more or less than before, what another input of its width has, numbers from the golden's text.
Inputs of one bit are biased instead (an enable that is mostly 1 lets a counter get far, one that is mostly 0 shows that
it holds), or make runs of ones and zeros, which serial protocols count. A mode is drawn for each input on its own, so
that all combinations of them come up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from basanite_services.verilog.draw import Draw

_BIASES = (64, 96, 128, 160, 192, 208, 224)
_EXTREME_BIASES = (0, 8, 16, 240, 248, 256)
"""How many of 256 cycles an input of one bit is 1 in."""
_LONGEST_RUNS = (1, 1, 2, 3, 6, 6, 8, 8)
_PHASES = (4, 8, 16, 32, 64)
_REMEMBERED = 6


class InputValues:
    """The values of all inputs that are not moved on a schedule of their own (clocks and asynchronous resets are).

    widths: of the inputs, in bits. constants: (value, width) of numbers that stand in the golden's text, width 0 for
    one without. held: whether all inputs together are held at times, as only designs with a state need it.
    """

    def __init__(
        self, draw: Draw, widths: Sequence[int], constants: Sequence[tuple[int, int]], *, held: bool
    ) -> None:
        self._draw = draw
        self._widths = widths
        # A lone serial input has nothing to wait for.
        alone = sum(widths) == 1
        self._held = held and not alone
        self._sources = [_Source(draw, width, constants, alone=alone) for width in widths]
        self._twins = [
            [other for other, its_width in enumerate(widths) if other != number and its_width == width]
            for number, width in enumerate(widths)
        ]
        self._all_held = 0

    def next(self, last: Sequence[int]) -> list[int]:
        """The values of the next cycle; `last` are those of the one before."""
        draw = self._draw
        if self._all_held:
            self._all_held -= 1
            return list(last)
        if self._held and draw.one_in(150):
            self._all_held = draw.between(1, 20)
        values = [source.next(before) for source, before in zip(self._sources, last, strict=True)]
        for number, twins in enumerate(self._twins):
            # Equal operands, and nearly equal ones, never come up by chance where they are wide.
            if twins and self._widths[number] > 1 and draw.one_in(10):
                near = draw.between(-1, 1) if draw.one_in(2) else 0
                values[number] = (values[draw.pick(twins)] + near) % (1 << self._widths[number])
        return values


class _Source:
    """The values of one input."""

    def __init__(self, draw: Draw, width: int, constants: Sequence[tuple[int, int]], *, alone: bool) -> None:
        self._draw = draw
        self._alone = alone
        self._width = width
        self._ones = (1 << width) - 1
        # Those that are wider than the input may be fields that several inputs make up.
        self._constants = [(value & self._ones, min(size or width, width)) for value, size in constants]
        self._pool = [draw.bits(width) for _ in range(_REMEMBERED)]
        self._left = 0
        self._bias = 128
        self._longest = (1, 1)
        self._run = 0
        self._mode: Callable[[int], int] = self._uniform
        modes = [self._corner, self._one_bit, self._again, self._near, self._flip, self._hold, self._small]
        self._odd_modes = modes + [self._constant] * 2 if self._constants else modes

    def next(self, last: int) -> int:
        if not self._left:
            self._begin_phase()
        self._left -= 1
        return self._mode(last)

    def _begin_phase(self) -> None:
        self._left = self._draw.pick(_PHASES)
        if self._width == 1:
            extreme = not self._alone and self._draw.one_in(3)
            self._bias = self._draw.pick(_EXTREME_BIASES if extreme else _BIASES)
            self._longest = (self._draw.pick(_LONGEST_RUNS), self._draw.pick(_LONGEST_RUNS))
            self._mode = self._runs if self._draw.one_in(2) else self._biased
            return
        kind = self._draw.below(8)
        if kind < 3:
            self._mode = self._uniform
        elif kind < 6:
            self._mode = self._any
        else:
            self._mode = self._draw.pick(self._odd_modes)

    def _biased(self, last: int) -> int:
        return int(self._draw.bits(8) < self._bias)

    def _runs(self, last: int) -> int:
        if self._run:
            self._run -= 1
            return last
        self._run = self._draw.below(self._longest[1 - last])
        return 1 - last

    def _any(self, last: int) -> int:
        return self._uniform(last) if self._draw.one_in(2) else self._draw.pick(self._odd_modes)(last)

    def _uniform(self, last: int) -> int:
        return self._draw.bits(self._width)

    def _corner(self, last: int) -> int:
        ones = self._ones
        return self._draw.pick(
            (0, ones, 1, ones - 1, ones >> 1, (ones >> 1) + 1, ones // 3, ones - ones // 3)
        )

    def _one_bit(self, last: int) -> int:
        walking = 1 << self._draw.below(self._width)
        return self._ones ^ walking if self._draw.one_in(4) else walking

    def _again(self, last: int) -> int:
        slot = self._draw.below(_REMEMBERED)
        if self._draw.one_in(8):
            self._pool[slot] = self._draw.bits(self._width)
        return self._pool[slot]

    def _near(self, last: int) -> int:
        return (last + (1 if self._draw.one_in(2) else -1)) & self._ones

    def _flip(self, last: int) -> int:
        return last ^ (1 << self._draw.below(self._width))

    def _hold(self, last: int) -> int:
        return last

    def _small(self, last: int) -> int:
        return self._draw.bits(min(4, self._width))

    def _constant(self, last: int) -> int:
        draw = self._draw
        value, size = draw.pick(self._constants)
        if draw.one_in(4):
            value = (value + (1 if draw.one_in(2) else -1)) & self._ones
        if size == self._width or draw.one_in(3):
            return value
        # A field of a wider word: an opcode in an instruction, say.
        offset = draw.pick((0, self._width - size, draw.below(self._width - size + 1)))
        field = ((1 << size) - 1) << offset
        return (draw.bits(self._width) & ~field) | ((value << offset) & field)
