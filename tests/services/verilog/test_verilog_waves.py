"""Reading what a simulation wrote down, and comparing it: strict, bit by bit, with words for what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from basanite_services.verilog.compare import Compared, Expectation
from basanite_services.verilog.design import Clock, Design, Port, Reset
from basanite_services.verilog.hints import hints_of
from basanite_services.verilog.mismatch import mismatch_of
from basanite_services.verilog.stimuli import Plan, Stimuli, make_stimuli
from basanite_services.verilog.waves import MalformedWaves, Waves, read_waves, waves_bytes

Q = Port("q", "output", 4, False)
PORTS = (Q, Port("done", "output", 1, False))
# As Icarus Verilog 11.0 wrote it.
RECORDED = b"""// 0x00000000
xxxxx
00000
00010
00100
00110
01000
01010
01100
01110
10000
10010
10100
10110
11000
11010
11101
// 0x00000010
11111
zzzz0
"""


def test_a_recorded_trace_is_read() -> None:
    waves = read_waves(RECORDED, PORTS, 18)
    assert len(RECORDED) == waves_bytes(PORTS, 18)
    assert waves.samples[2] == b"00010"
    assert waves.columns["q"][15:] == [b"1110", b"1111", b"zzzz"]
    assert waves.columns["done"][14:] == [b"0", b"1", b"1", b"0"]


@pytest.mark.parametrize(
    "text",
    {
        "nothing": b"",
        "too few": RECORDED[:-6],
        "too many": RECORDED + b"00000\n",
        "another width": RECORDED.replace(b"xxxxx\n", b"xxxx\n").replace(b"zzzz0", b"zzzz00"),
        "another character": RECORDED.replace(b"11111", b"11112"),
        "capitals": RECORDED.replace(b"xxxxx", b"XXXXX"),
        "another order": RECORDED.replace(b"// 0x00000010", b"// 0x00000011"),
        "no notes": RECORDED.replace(b"// 0x00000010\n", b"00000\n00000\n0"),
        "more behind it": RECORDED[:-1] + b"x",
        "a carriage return": RECORDED.replace(b"zzzz0\n", b"zzzz\r\n"),
        "a null character": RECORDED.replace(b"zzzz0", b"zzzz\0"),
        "a sample for a note": RECORDED.replace(b"// 0x00000000\nxxxxx\n", b"xxxxx\n// 0x00000000\n"),
    }.values(),
)
def test_whatever_is_not_a_trace_of_this_length_is_none(text: bytes) -> None:
    with pytest.raises(MalformedWaves):
        read_waves(text, PORTS, 18)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    with pytest.raises(MalformedWaves):
        read_waves(text, PORTS, 40)


@pytest.mark.parametrize("steps", [1, 15, 16, 17, 32, 33])
def test_traces_of_all_lengths_are_read(steps: int) -> None:
    lines = []
    for step in range(steps):
        if step % 16 == 0:
            lines.append(f"// 0x{step:08x}")
        lines.append(f"{step % 32:05b}")
    text = "".join(f"{line}\n" for line in lines).encode()
    assert len(text) == waves_bytes(PORTS, steps)
    assert len(read_waves(text, PORTS, steps).samples) == steps


# Comparing -------------------------------------------------------------------------------------------------


def waves(*samples: str, ports: tuple[Port, ...] = (Q,)) -> Waves:
    return Waves(ports, tuple(sample.encode() for sample in samples))


def compared(golden: list[str], candidate: list[str]) -> tuple[int, tuple[int, ...]]:
    (found,) = Expectation(waves(*golden)).compare(waves(*candidate))
    return found.compared, found.mismatched


@pytest.mark.parametrize(
    ("golden", "candidate", "mismatched"),
    [
        ("0101", "0101", False),
        ("0101", "0100", True),
        ("xxxx", "0100", False),
        ("x1x1", "0101", False),
        ("x1x1", "xxx1", True),
        ("0101", "010x", True),
        ("0101", "010z", True),
        ("xxxx", "zzzz", False),
    ],
)
def test_only_what_the_golden_knows_is_compared(golden: str, candidate: str, mismatched: bool) -> None:
    assert bool(compared([golden, "1010"], [candidate, "1010"])[1]) is mismatched


def test_a_sample_of_which_nothing_is_known_is_not_counted() -> None:
    assert compared(["xxxx", "xxx1", "0000"], ["0000"] * 3) == (2, (1,))


def test_an_output_that_is_driven_at_times_must_be_let_go_at_the_others() -> None:
    golden = ["zzzz", "1111", "zzzz", "0000"]
    assert compared(golden, golden) == (4, ())
    assert compared(golden, ["1111", "1111", "xxxx", "0000"])[1] == (0, 2)


def test_bits_that_are_never_driven_are_not_compared() -> None:
    golden = ["zz00", "zz11", "zzxx"]
    assert compared(golden, ["0000", "xx11", "1100"]) == (2, ())
    assert Expectation(waves("zzzz", "zzxx")).compares_nothing


def test_outputs_are_counted_one_by_one() -> None:
    expectation = Expectation(waves("00000", "11111", ports=PORTS))
    found = expectation.compare(waves("00001", "11110", ports=PORTS))
    assert [(one.port.name, one.mismatched) for one in found] == [("q", ()), ("done", (0, 1))]


def test_outputs_that_a_constant_passes_are_named() -> None:
    expectation = Expectation(waves("xxxx0", "xxxx0", ports=PORTS))
    assert [(port.name, why) for port, why in expectation.vacuous()] == [
        ("q", "is unknown in the reference all the time, so it was not compared"),
        ("done", "never changes in the reference, so a constant is as good"),
    ]
    assert not expectation.compares_nothing
    assert Expectation(waves("0x00", "x000", "000x")).vacuous()
    assert not Expectation(waves("0000", "0001")).vacuous()


_bits = st.text("01xz", min_size=4, max_size=4)


@given(st.lists(st.tuples(_bits, _bits), min_size=1, max_size=20))
def test_comparing_is_what_its_rule_says(pairs: list[tuple[str, str]]) -> None:
    golden, candidate = [one for one, _ in pairs], [other for _, other in pairs]
    driven = [any(sample[at] in "01" for sample in golden) for at in range(4)]

    def wrong(required: str, got: str) -> bool:
        return any(
            required[at] != got[at] and (required[at] in "01" or (required[at] == "z" and driven[at]))
            for at in range(4)
        )

    expected = tuple(step for step, pair in enumerate(pairs) if wrong(*pair))
    assert compared(golden, candidate)[1] == expected


# In words --------------------------------------------------------------------------------------------------

CLK, RST = Port("clk", "input", 1, False), Port("rst", "input", 1, False)
COUNTER = Design(
    "T", (CLK, RST, Q), (Clock("clk", posedge=True, negedge=False),), (Reset("rst", False, False),)
)
STIMULI = make_stimuli(COUNTER, Plan(200), b"s" * 32)


def counter(stimuli: Stimuli, *, edge: int = 1, start: int = 0) -> list[str]:
    """What a counter puts out, sample by sample: unknown until it is reset."""
    out: list[str] = []
    state, clock = "xxxx", 0
    for step in range(len(stimuli.rows)):
        now = stimuli.values(step)
        if now["clk"] != clock and now["clk"] == edge:
            if now["rst"]:
                state = f"{start:04b}"
            elif "x" not in state:
                state = f"{(int(state, 2) + 1) % 16:04b}"
        clock = now["clk"]
        out.append(state)
    return out


RIGHT = counter(STIMULI)


def hints(*candidate: str) -> list[str]:
    expectation, got = Expectation(waves(*RIGHT)), waves(*candidate)
    (difference,) = expectation.compare(got)
    return hints_of(difference, COUNTER, expectation, got, STIMULI)


def flipped(sample: str) -> str:
    return sample.translate(str.maketrans("01", "10"))


def delayed(cycles: int) -> list[str]:
    ends = {cycle: RIGHT[step] for step, cycle in enumerate(STIMULI.cycles)}
    return [ends.get(cycle - cycles, "xxxx") for cycle in STIMULI.cycles]


@pytest.mark.parametrize(
    ("candidate", "hint"),
    [
        (["0011"] * len(RIGHT), "constant 4'h3"),
        (["zzzz"] * len(RIGHT), "not driven (z)"),
        (["xxxx"] * len(RIGHT), "unknown (x): a register without reset or initial value, or two drivers?"),
        (["xxxx"] * 40 + RIGHT[40:], "unknown (x) until cycle 13: not initialised by the reset?"),
        ([flipped(sample) for sample in RIGHT], "inverted"),
        ([sample[::-1] for sample in RIGHT], "bit order swapped"),
        (counter(STIMULI, start=1), "one too many"),
        (counter(STIMULI, start=15), "one too few"),
        (counter(STIMULI, edge=0), "right only after the other edge of `clk`"),
        (delayed(1), "one cycle late"),
        (delayed(-1), "one cycle early"),
        ([f"0{sample[1:]}" for sample in RIGHT], "wrong only in bit 3"),
        ([f"{sample[0]}10{sample[3]}" for sample in RIGHT], "wrong only in bits 2:1"),
        (
            ["1010" if step in STIMULI.resets and step > 5 else sample for step, sample in enumerate(RIGHT)],
            "wrong only while a reset is active",
        ),
    ],
)
def test_a_hint_says_what_is_wrong(candidate: list[str], hint: str) -> None:
    assert hint in hints(*candidate)


def test_a_hint_names_the_output_that_was_taken_for_another() -> None:
    ports = (Port("a", "output", 4, False), Port("b", "output", 4, False))
    golden = waves(*(f"{sample}{flipped(sample)}" for sample in RIGHT), ports=ports)
    got = waves(*(f"{flipped(sample)}{sample}" for sample in RIGHT), ports=ports)
    design = Design("T", (CLK, RST, *ports), COUNTER.clocks, COUNTER.resets)
    expectation = Expectation(golden)
    first = expectation.compare(got)[0]
    # Both fit here; "inverted" is the nearer.
    assert hints_of(first, design, expectation, got, STIMULI) == ["inverted"]
    shuffled = waves(*(f"{sample[1:]}{sample[0]}{sample}" for sample in RIGHT), ports=ports)
    expectation = Expectation(waves(*(f"{sample}{sample[1:]}{sample[0]}" for sample in RIGHT), ports=ports))
    first = expectation.compare(shuffled)[0]
    assert "has the values of `b`" in hints_of(first, design, expectation, shuffled, STIMULI)


def test_a_mismatch_shows_the_cycles_before_it_with_inputs() -> None:
    broken = list(RIGHT)
    at = max(step for step, cycle in enumerate(STIMULI.cycles) if cycle == 50)
    broken[at:] = ["1x1z"] * len(broken[at:])
    expectation, got = Expectation(waves(*RIGHT)), waves(*broken)
    (difference,) = expectation.compare(got)
    told = mismatch_of(difference, COUNTER, expectation, got, STIMULI)
    assert (told.port, told.first_cycle, told.got) == ("q", 50, "4'b1x1z")
    assert told.expected == f"4'h{int(RIGHT[at], 2):x}"
    assert told.mismatched_samples == len(RIGHT) - at
    assert [cycle.cycle for cycle in told.window] == [47, 48, 49, 50]
    assert all(set(cycle.values) == {"clk", "rst", "q"} for cycle in told.window)
    assert told.window[-1].values["q"] == "4'b1x1z"
    assert told.window[-2].values["q"] == f"4'h{int(RIGHT[at] or '0', 2) - 1 & 15:x}"


def test_the_window_of_a_first_sample_is_that_sample() -> None:
    expectation = Expectation(waves(*(["0000"] * len(RIGHT))))
    got = waves(*(["0001"] * len(RIGHT)))
    (difference,) = expectation.compare(got)
    assert isinstance(difference, Compared)
    assert len(mismatch_of(difference, COUNTER, expectation, got, STIMULI).window) == 1
