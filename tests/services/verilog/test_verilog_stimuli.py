"""What designs are driven with: determined by the seed alone, without moves that race, and all that matters."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections import Counter

import pytest

from basanite_services.verilog.design import Clock, Design, Port, Reset
from basanite_services.verilog.stimuli import Directed, Plan, Stimuli, make_stimuli

SEED = bytes(range(32))
CLK = Port("clk", "input", 1, False)
DATA = (Port("d", "input", 8, False), Port("en", "input", 1, False))
Q = Port("q", "output", 8, False)
RISING = Clock("clk", posedge=True, negedge=False)


def design(*inputs: Port, clocks: tuple[Clock, ...] = (), resets: tuple[Reset, ...] = ()) -> Design:
    return Design("T", (*inputs, Q), clocks, resets)


def bit(name: str) -> Port:
    return Port(name, "input", 1, False)


COUNTER = design(CLK, *DATA, bit("rst"), clocks=(RISING,), resets=(Reset("rst", False, False),))
ASYNC = design(CLK, *DATA, bit("rst_n"), clocks=(RISING,), resets=(Reset("rst_n", True, True),))
GATES = design(*DATA)
BOTH_EDGES = design(CLK, *DATA, clocks=(Clock("clk", posedge=True, negedge=True),))
TWO_CLOCKS = design(CLK, bit("slow"), *DATA, clocks=(RISING, Clock("slow", posedge=False, negedge=True)))
ALL = [COUNTER, ASYNC, GATES, BOTH_EDGES, TWO_CLOCKS]


def values(stimuli: Stimuli) -> list[dict[str, int]]:
    return [stimuli.values(step) for step in range(len(stimuli.rows))]


def moves(stimuli: Stimuli) -> list[set[str]]:
    """The inputs that move in each step after the first."""
    return [
        {name for name in after if before[name] != after[name]}
        for before, after in itertools.pairwise(values(stimuli))
    ]


@pytest.mark.parametrize("one", ALL)
def test_the_seed_decides_everything(one: Design) -> None:
    plan = Plan(300)
    assert make_stimuli(one, plan, SEED) == make_stimuli(one, plan, SEED)
    assert make_stimuli(one, plan, SEED).rows != make_stimuli(one, plan, SEED[::-1]).rows


def test_a_seed_gives_the_same_stimuli_on_every_machine() -> None:
    # All replicas must agree. A change here changes verdicts, and needs a new version of the server.
    rows = make_stimuli(ASYNC, Plan(1000, (Directed({"d": 1}),)), SEED, ((200, 8),)).rows
    assert hashlib.sha256(repr(rows).encode()).hexdigest()[:16] == "d0d05ba72016d888"


@pytest.mark.parametrize("one", ALL)
def test_there_are_as_many_cycles_as_planned(one: Design) -> None:
    stimuli = make_stimuli(one, Plan(300), SEED)
    reset = 3 if one.resets else 0
    assert stimuli.cycles[-1] + 1 == 300 + reset
    assert list(stimuli.cycles) == sorted(stimuli.cycles)


@pytest.mark.parametrize("one", ALL)
def test_clocks_and_resets_without_a_clock_move_alone(one: Design) -> None:
    alone = {clock.name for clock in one.clocks} | {reset.name for reset in one.resets if reset.asynchronous}
    for moved in moves(make_stimuli(one, Plan(500), SEED)):
        assert len(moved) < 2 or not moved & alone, moved


@pytest.mark.parametrize("one", [COUNTER, ASYNC, BOTH_EDGES, TWO_CLOCKS])
def test_every_cycle_has_one_active_edge(one: Design) -> None:
    stimuli = make_stimuli(one, Plan(400), SEED)
    edges: Counter[int] = Counter()
    for step, (before, after) in enumerate(itertools.pairwise(values(stimuli)), 1):
        for clock in one.clocks:
            rises, falls = before[clock.name] < after[clock.name], before[clock.name] > after[clock.name]
            edges[stimuli.cycles[step]] += (rises and clock.posedge) or (falls and clock.negedge)
    assert set(edges.values()) == {1}


def test_clocks_begin_away_from_their_edge() -> None:
    first = make_stimuli(TWO_CLOCKS, Plan(10), SEED).values(0)
    assert (first["clk"], first["slow"]) == (0, 1)


def test_inputs_move_at_both_levels_of_a_clock_unless_it_is_gated() -> None:
    gated = design(CLK, *DATA, clocks=(Clock("clk", posedge=True, negedge=False, gated=True),))
    for one, levels in ((COUNTER, {0, 1}), (gated, {0})):
        stimuli = make_stimuli(one, Plan(500), SEED)
        moved = zip(values(stimuli)[1:], moves(stimuli), strict=True)
        assert {value["clk"] for value, names in moved if names and "clk" not in names} == levels


def test_several_clocks_move_against_each_other() -> None:
    stimuli = make_stimuli(TWO_CLOCKS, Plan(2000), SEED)
    order = ["clk" if "clk" in moved else "slow" for moved in moves(stimuli) if moved & {"clk", "slow"}]
    runs = {(name, len(list(run))) for name, run in itertools.groupby(order)}
    assert {("clk", 1), ("slow", 1)} < runs
    assert any(length > 2 for _, length in runs)


@pytest.mark.parametrize(("one", "name", "active"), [(COUNTER, "rst", 1), (ASYNC, "rst_n", 0)])
def test_a_reset_comes_first_and_again_now_and_then(one: Design, name: str, active: int) -> None:
    stimuli = make_stimuli(one, Plan(1000), SEED)
    steps = [step for step, value in enumerate(values(stimuli)) if value[name] == active]
    assert stimuli.resets == set(steps)
    cycles = sorted({stimuli.cycles[step] for step in steps})
    assert {0, 1, 2} <= set(cycles)
    # Half of the time nothing is reset, for what counts far; then it is, a few times.
    assert not [cycle for cycle in cycles if 5 < cycle < 480]
    assert 5 < sum(after - before > 1 for before, after in itertools.pairwise(cycles)) < 100


def test_a_reset_without_a_clock_also_comes_and_goes_between_edges() -> None:
    seen = values(make_stimuli(ASYNC, Plan(1000), SEED))
    glitches = [
        two
        for one, two, three in zip(seen, seen[1:], seen[2:], strict=False)
        if (one["rst_n"], two["rst_n"], three["rst_n"]) == (1, 0, 1)
        and one["clk"] == two["clk"] == three["clk"]
    ]
    assert {glitch["clk"] for glitch in glitches} == {0, 1}


def test_directed_vectors_come_first_after_a_reset_in_order() -> None:
    plan = Plan(100, (Directed({"d": 7}, 2), Directed({"en": 1}), Directed({"d": 9, "rst": 1})))
    stimuli = make_stimuli(COUNTER, plan, SEED)
    at_edge = {stimuli.cycles[step]: value for step, value in enumerate(values(stimuli)) if value["clk"]}
    assert [at_edge[cycle]["d"] for cycle in (3, 4, 5, 6)] == [7, 7, 7, 9]
    assert [at_edge[cycle]["en"] for cycle in (5, 6)] == [1, 1]
    assert [at_edge[cycle]["rst"] for cycle in (2, 3, 5, 6, 7)] == [1, 0, 0, 1, 0]


def test_a_directed_reset_does_not_stay() -> None:
    stimuli = make_stimuli(ASYNC, Plan(20, (Directed({"rst_n": 0}),)), SEED)
    at_edge = {stimuli.cycles[step]: value for step, value in enumerate(values(stimuli)) if value["clk"]}
    assert [at_edge[cycle]["rst_n"] for cycle in (3, 4, 5)] == [0, 1, 1]


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (Directed({"x": 1}), "`x` is no input"),
        (Directed({"q": 1}), "`q` is no input"),
        (Directed({"clk": 1}), "is a clock"),
        (Directed({"d": 256}), "is too much for `d`, 8 bits wide"),
        (Directed({"d": 1}, 11), "more directed cycles than cycles"),
    ],
)
def test_a_directed_vector_that_cannot_be_driven_is_refused(vector: Directed, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_stimuli(COUNTER, Plan(10, (vector,)), SEED)


def test_few_inputs_without_a_clock_take_all_their_values() -> None:
    one = design(Port("a", "input", 5, False), Port("b", "input", 4, False))
    assert len(set(make_stimuli(one, Plan(512), SEED).rows)) == 512


def test_every_bit_of_many_inputs_is_alone_once() -> None:
    rows = make_stimuli(design(Port("a", "input", 100, False)), Plan(1000), SEED).rows
    ones = (1 << 100) - 1
    assert {0, ones, *(1 << at for at in range(100)), *(ones ^ 1 << at for at in range(100))} <= set(rows)


def test_wide_inputs_are_random_in_all_bits() -> None:
    wide = Port("a", "input", 4096, False)
    for one in (design(wide), design(CLK, wide, clocks=(RISING,))):
        seen = {value["a"] for value in values(make_stimuli(one, Plan(400), SEED))}
        half = [value for value in seen if 1800 < value.bit_count() < 2300]
        assert len(half) > 100
        together = 0
        for value in half:
            together |= value
        assert together == (1 << 4096) - 1


def test_operands_are_equal_and_nearly_equal_at_times() -> None:
    pair = design(Port("a", "input", 32, False), Port("b", "input", 32, False))
    gaps = Counter(value["a"] - value["b"] for value in values(make_stimuli(pair, Plan(1000), SEED)))
    assert gaps[0] > 10
    assert gaps[1] > 3
    assert gaps[-1] > 3


def test_numbers_of_the_golden_are_driven_on_purpose() -> None:
    one = design(CLK, Port("word", "input", 32, False), clocks=(RISING,))
    constants = ((0xDEADBEEF, 32), (0x6F, 7))
    words = [value["word"] for value in values(make_stimuli(one, Plan(1000), SEED, constants))]
    assert 0xDEADBEEF in words
    assert sum(word & 0x7F == 0x6F for word in words) > 30


def test_enables_are_held_and_biased_both_ways() -> None:
    seen = values(make_stimuli(COUNTER, Plan(3000), SEED))
    runs = [(value, len(list(run))) for value, run in itertools.groupby(value["en"] for value in seen)]
    assert max(length for value, length in runs if value) > 60
    assert max(length for value, length in runs if not value) > 60


def test_all_inputs_are_held_at_times() -> None:
    stimuli = make_stimuli(dataclasses.replace(COUNTER, resets=()), Plan(2000), SEED)
    data = [(value["d"], value["en"]) for value in values(stimuli) if value["clk"]]
    assert max(len(list(run)) for _, run in itertools.groupby(data)) >= 8


def test_a_design_without_inputs_has_steps_nevertheless() -> None:
    stimuli = make_stimuli(design(), Plan(10), SEED)
    assert (stimuli.rows, stimuli.values(3)) == ((0,) * 10, {})
