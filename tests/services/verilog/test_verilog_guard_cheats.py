"""Designs that cheat: what the guard refuses, and that what it lets through passes nothing."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from verilog_sim import DoesNotCompile, agree, compile_design, passes_testbench, traces
from verilog_tables import CHEATS, GOLDEN, TASKS, TOP, Cheat

from basanite_services.verilog.design import describe
from basanite_services.verilog.guard import Guarded, Level, guard
from basanite_services.verilog.names import surroundings
from basanite_services.verilog.preprocess import Sources

SAMPLES = 256
by_id = pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.id)


def guarded(cheat: Cheat, level: Level) -> Guarded:
    if level is Level.ALONE:
        return guard(Sources({"top.v": cheat.text}), TOP, level)
    task = TASKS[cheat.task]
    around = surroundings(Sources({"tb.v": task.testbench, "ref.v": task.golden}), TOP)
    return guard(Sources({"top.v": cheat.text}), TOP, level, around)


def test_there_are_many_cheats() -> None:
    assert len(CHEATS) >= 60
    assert len({cheat.id for cheat in CHEATS}) == len(CHEATS)
    assert {cheat.shared for cheat in CHEATS} | {cheat.alone for cheat in CHEATS} == {
        "refuse",
        "fail",
        "limit",
    }


@by_id
@pytest.mark.parametrize("level", Level, ids=lambda level: level.name)
def test_what_is_to_be_refused_is_refused_with_its_place(cheat: Cheat, level: Level) -> None:
    result = guarded(cheat, level)
    refused = (cheat.shared if level is Level.SHARED else cheat.alone) == "refuse"
    assert bool(result.refusals) is refused, result.refusals
    lines = cheat.text.splitlines()
    for refusal in result.refusals:
        assert refusal.place.file == "top.v"
        assert 1 <= refusal.place.column <= len(lines[refusal.place.line - 1])
        assert refusal.message
    assert not (result.refusals and result.text)


@pytest.mark.full  # through the service all are tried each time
@by_id
def test_what_is_not_refused_passes_no_testbench(cheat: Cheat, tmp_path: Path, iverilog: None) -> None:
    result = guarded(cheat, Level.SHARED)
    if not result.text or cheat.shared == "limit":
        return
    task = TASKS[cheat.task]
    assert not passes_testbench(tmp_path, task.testbench, task.golden, result.text, SAMPLES)


@pytest.mark.full
@by_id
def test_what_is_not_refused_is_not_equivalent(cheat: Cheat, tmp_path: Path, iverilog: None) -> None:
    result = guarded(cheat, Level.ALONE)
    if not result.text or cheat.alone == "limit":
        return
    golden = TASKS[cheat.task].golden
    design = describe(Sources({"ref.v": golden}), GOLDEN)
    try:
        trace = traces(tmp_path, design, result.text, TOP)
    except DoesNotCompile:
        return
    assert not agree(traces(tmp_path, design, golden, GOLDEN), trace)


_CALL = re.compile(r'(?:%vpi_(?:call|func)|\.sfunc)[^"\n]*"(\$[^"\n]*)"')


@by_id
@pytest.mark.parametrize("level", Level, ids=lambda level: level.name)
def test_what_is_compiled_calls_nothing_else(
    cheat: Cheat, level: Level, tmp_path: Path, iverilog: None
) -> None:
    """By the compiler's word, which may read a text in another way than the guard."""
    text = guarded(cheat, level).text
    if not text or "limit" in (cheat.shared, cheat.alone):
        return
    with suppress(DoesNotCompile):
        compile_design(tmp_path, [text], TOP)
    compiled = tmp_path / "simulation"
    called = set(_CALL.findall(compiled.read_text())) if compiled.exists() else set()
    assert called <= {"$time", "$random"}


@pytest.mark.parametrize("name", TASKS)
def test_the_goldens_pass_their_own_testbenches(name: str, tmp_path: Path, iverilog: None) -> None:
    task = TASKS[name]
    around = surroundings(Sources({"tb.v": task.testbench, "ref.v": task.golden}), TOP)
    text = guard(Sources({"top.v": task.golden.replace(GOLDEN, TOP)}), TOP, Level.SHARED, around).text
    assert passes_testbench(tmp_path, task.testbench, task.golden, text, SAMPLES)
