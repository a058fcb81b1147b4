"""Honest designs in many styles: the guard lets them through, and they do what they did before."""

from __future__ import annotations

from pathlib import Path

import pytest
from verilog_sim import agree, passes_testbench, simulate, traces
from verilog_tables import GOLDEN, HONEST, TASKS, TOP, Honest, Problem, problems

from basanite_services.verilog.design import describe
from basanite_services.verilog.guard import Level, guard
from basanite_services.verilog.names import Surroundings, surroundings
from basanite_services.verilog.ports import declared_ports, port_faults
from basanite_services.verilog.preprocess import Sources

by_id = pytest.mark.parametrize("honest", HONEST, ids=lambda honest: honest.id)
of_the_sample = pytest.mark.parametrize("problem", problems(), ids=lambda problem: problem.id)


def crowded() -> Surroundings:
    """All testbenches of the cheats around it at once."""
    texts = {f"{name}.v": task.testbench for name, task in TASKS.items()}
    user = "module user; wire [7:0] a, y; TopModule dut(.*); endmodule"
    return surroundings(Sources({**texts, "user.v": user}), TOP)


def test_there_are_many_styles() -> None:
    assert len(HONEST) >= 40
    assert len({honest.id for honest in HONEST}) == len(HONEST)


@by_id
@pytest.mark.parametrize("level", Level, ids=lambda level: level.name)
def test_what_passes_the_guard_does_what_the_golden_does(
    honest: Honest, level: Level, tmp_path: Path, iverilog: None
) -> None:
    around = crowded() if level is Level.SHARED else Surroundings()
    result = guard(Sources({"top.v": honest.text}, honest.data), TOP, level, around, data=honest.data)
    if level is Level.SHARED and honest.shared == "refuse":
        assert result.refusals
        return
    assert result.broken is None
    assert not result.refusals
    for name, text in honest.data.items():
        (tmp_path / name).write_text(text)
    design = describe(Sources({"ref.v": honest.golden}), GOLDEN)
    expected = traces(tmp_path, design, honest.golden, GOLDEN)
    assert agree(expected, traces(tmp_path, design, result.text, TOP))
    assert any("x" not in line for line in expected)


@by_id
def test_ports_are_seen_to_fit(honest: Honest) -> None:
    design = describe(Sources({"ref.v": honest.golden}), GOLDEN)
    ports = declared_ports(Sources({"top.v": honest.text}), TOP)
    assert ports is not None
    assert port_faults(design.ports, ports) == []


@of_the_sample
def test_references_pass_their_own_testbench(problem: Problem, tmp_path: Path, iverilog: None) -> None:
    reference = problem.reference.replace(GOLDEN, TOP)
    around = surroundings(Sources({"tb.v": problem.testbench, "ref.v": problem.reference}), TOP)
    result = guard(Sources({"top.v": reference}), TOP, Level.SHARED, around)
    assert result.broken is None
    assert not result.refusals
    _, output = simulate(tmp_path, [problem.testbench, problem.reference, result.text], "tb")
    assert "Mismatches: 0 in" in output


@of_the_sample
def test_references_equal_themselves(problem: Problem, tmp_path: Path, iverilog: None) -> None:
    result = guard(Sources({"ref.v": problem.reference}), GOLDEN, Level.ALONE)
    assert result.broken is None
    assert not result.refusals
    design = describe(Sources({"ref.v": problem.reference}), GOLDEN)
    before = traces(tmp_path, design, problem.reference, GOLDEN)
    assert before == traces(tmp_path, design, result.text, GOLDEN)


@of_the_sample
def test_a_wrong_reference_is_told_from_a_right_one(problem: Problem, tmp_path: Path, iverilog: None) -> None:
    """The comparison of these tests sees something: all outputs stuck at 0 do not pass."""
    design = describe(Sources({"ref.v": problem.reference}), GOLDEN)
    outputs = [port for port in design.ports if port.direction == "output"]
    header = ", ".join(f"{port.direction} [{port.width - 1}:0] {port.name}" for port in design.ports)
    stuck = " ".join(f"assign {port.name} = 0;" for port in outputs)
    text = f"module {TOP}({header}); {stuck} endmodule"
    assert not agree(traces(tmp_path, design, problem.reference, GOLDEN), traces(tmp_path, design, text, TOP))
    assert not passes_testbench(tmp_path, problem.testbench, problem.reference, text, 0)
