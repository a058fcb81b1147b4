"""The value change dump of a design that differs from its golden."""

from __future__ import annotations

import re

import pytest
from verilog_judge import Judge, equivalence, explain, outcome

from basanite_services.verilog import vcd
from basanite_services.verilog.vcd import MAX_BYTES

GOLDEN = """
module Counter(input clk, input rst, input [3:0] step, output reg [3:0] q, output odd);
  assign odd = q[0];
  always @(posedge clk) if (rst) q <= 0; else q <= q + step;
endmodule
"""
WRONG = GOLDEN.replace("q + step", "q - step")
PRINTS = WRONG.replace("endmodule", 'initial $display("$var wire 1 ! forged $end"); endmodule')


def read(text: str) -> tuple[dict[str, list[str]], list[int]]:
    """Of each signal, "scope.name", the values at the times, and the times. Reads it as a viewer does."""
    header, _, body = text.partition("$enddefinitions $end\n")
    names: dict[str, str] = {}
    scope = ""
    for line in header.splitlines():
        words = line.split()
        if words[0] == "$scope":
            scope = words[2]
        elif words[0] == "$var":
            names[words[3]] = f"{scope}.{words[4]}"
    now = dict.fromkeys(names, "")
    found: dict[str, list[str]] = {name: [] for name in names.values()}
    times: list[int] = []
    moments = [moment.splitlines() for moment in re.split(r"^#", body, flags=re.MULTILINE)[1:]]
    for time, *changes in moments:
        if not changes and time == moments[-1][0]:
            break
        times.append(int(time))
        for change in changes:
            value, code = change[1:].split() if change.startswith("b") else (change[0], change[1:])
            now[code] = value
        for code, name in names.items():
            found[name].append(now[code])
    return found, times


def test_a_wrong_design_is_shown_step_by_step(judge: Judge) -> None:
    task = equivalence(WRONG, GOLDEN, "Counter", cycles=200)
    task.equivalence.vcd = True
    verdict = judge(task)
    assert outcome(verdict) == "FAILED", explain(verdict)
    waves, times = read(verdict.vcd)
    assert set(waves) == {
        "judge.mismatch",
        "judge.cycle",
        *(f"inputs.{name}" for name in ("clk", "rst", "step")),
        *(f"{scope}.{name}" for scope in ("outputs", "expected") for name in ("q", "odd")),
    }
    assert times == list(range(len(times)))
    mismatch = verdict.cases[0].mismatch
    outputs = zip(waves["outputs.q"], waves["expected.q"], strict=True)
    differ = [at for at, (got, expected) in enumerate(outputs) if got != expected and "x" not in expected]
    assert len(differ) == mismatch.mismatched_samples
    assert int(waves["judge.cycle"][differ[0]], 2) == mismatch.first_cycle
    assert f"4'h{int(waves['outputs.q'][differ[0]], 2):x}" == mismatch.got
    assert f"4'h{int(waves['expected.q'][differ[0]], 2):x}" == mismatch.expected
    assert [at for at, wrong in enumerate(waves["judge.mismatch"]) if wrong == "1"] == differ


def test_it_is_given_only_where_it_was_asked_for_and_something_differs(judge: Judge) -> None:
    for text, asked, given in ((WRONG, False, False), (GOLDEN, True, False), (WRONG, True, True)):
        task = equivalence(text, GOLDEN, "Counter")
        task.equivalence.vcd = asked
        assert judge(task).HasField("vcd") is given


def test_to_ask_for_it_changes_nothing_else(judge: Judge) -> None:
    task = equivalence(WRONG, GOLDEN, "Counter")
    without = judge(task)
    task.equivalence.vcd = True
    verdict = judge(task)
    verdict.ClearField("vcd")
    for one in (without, verdict):
        for case in one.cases:
            case.ClearField("usage")
    assert without == verdict


def test_a_long_one_begins_shortly_before_the_first_difference(judge: Judge) -> None:
    golden = """
module Wide(input clk, input rst, input [63:0] a, output reg [63:0] q, output reg [9:0] n);
  initial n = 0;
  always @(posedge clk) begin q <= a; n <= rst ? 0 : n + (n != 10'd600); end
endmodule"""
    late = golden.replace("q <= a;", "q <= n == 10'd600 ? ~a : a;")
    task = equivalence(late, golden, "Wide", cycles=5000)
    task.equivalence.vcd = True
    verdict = judge(task)
    assert outcome(verdict) == "FAILED", explain(verdict)
    assert 0.99 * MAX_BYTES < len(verdict.vcd.encode()) <= MAX_BYTES
    waves, times = read(verdict.vcd)
    first = waves["judge.mismatch"].index("1")
    assert first == 64
    assert times[0] > 1000
    assert int(waves["judge.cycle"][first], 2) == verdict.cases[0].mismatch.first_cycle


def test_it_is_empty_without_room_for_a_step(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    task = equivalence(WRONG, GOLDEN, "Counter", cycles=20)
    task.equivalence.vcd = True
    whole = judge(task).vcd
    header = whole.index("#0\n")
    monkeypatch.setattr(vcd, "MAX_BYTES", header + 20)
    verdict = judge(task)
    assert outcome(verdict) == "FAILED", explain(verdict)
    assert (verdict.HasField("vcd"), verdict.vcd) == (True, "")


def test_what_a_design_prints_is_not_in_it(judge: Judge) -> None:
    task = equivalence(PRINTS, GOLDEN, "Counter", cycles=20)
    task.equivalence.vcd = True
    assert "forged" not in judge(task).vcd
