"""The value change dump of a design that failed in a testbench: its ports, and nothing else of the simulation."""

from __future__ import annotations

from itertools import pairwise

import pytest
from verilog_benches import BENCHES, RIGHT, Bench
from verilog_judge import Judge, Rule, explain, in_testbench, outcome

from basanite.v1 import result_pb2, tasks_pb2
from basanite_services.verilog import port_dump
from basanite_services.verilog.vcd import MAX_BYTES

PATTERN: Rule = ("Passed", "Failed.*")
WRONG = """module TopModule(input clk, input [3:0] step, output reg [3:0] q);
  reg [3:0] hidden;
  initial begin q = 0; hidden = 0; end
  always @(posedge clk) begin hidden <= ~hidden; q <= q - step; end
endmodule
"""
BENCH = """`timescale 1ns/1ps
module tb;
  reg clk = 0, secret_of_the_bench = 0;
  reg [3:0] step = 3, expected_of_the_bench = 0;
  wire [3:0] q;
  TopModule dut(.clk(clk), .step(step), .q(q));
  always @(posedge clk) expected_of_the_bench <= expected_of_the_bench + step;
  integer n;
  initial begin
    {before}
    for (n = 0; n < {times}; n = n + 1) begin #5 clk = 1; #5 clk = 0; end
    if (q !== expected_of_the_bench) $display("Failed"); else $display("Passed");
    {after}
    $finish;
  end
endmodule
"""


def bench(before: str = "", after: str = "", times: int = 3) -> str:
    return BENCH.replace("{before}", before).replace("{after}", after).replace("{times}", str(times))


def dumped(task: tasks_pb2.VerilogTask) -> tasks_pb2.VerilogTask:
    task.testbench.vcd = True
    return task


def vcd_of(verdict: result_pb2.Verdict) -> str:
    assert (outcome(verdict), verdict.HasField("vcd")) == ("FAILED", True), explain(verdict)
    return verdict.vcd


def signals(vcd: str) -> list[str]:
    """ "scope.name [range]" of each."""
    found, scope = [], ""
    for line in vcd.partition("$enddefinitions")[0].splitlines():
        words = line.split()
        if words[0] == "$scope":
            assert not scope
            scope = words[2]
        elif words[0] == "$upscope":
            scope = ""
        elif words[0] == "$var":
            found.append(f"{scope}.{' '.join(words[4:-1])}")
    return sorted(found)


def values(vcd: str, name: str) -> list[tuple[int, str]]:
    """When a signal changed, and to what."""
    (code,) = (
        line.split()[3] for line in vcd.splitlines() if line.startswith("$var") and line.split()[4] == name
    )
    now, found = 0, []
    for line in vcd.partition("$enddefinitions $end\n")[2].splitlines():
        if line.startswith("#"):
            now = int(line[1:])
        elif line.startswith("b") and line.split()[1] == code:
            found.append((now, line.split()[0][1:]))
        elif line[1:] == code:
            found.append((now, line[0]))
    return found


def test_ports_are_shown_as_the_simulation_goes_and_nothing_else(judge: Judge) -> None:
    vcd = vcd_of(judge(dumped(in_testbench(WRONG, bench(), rule=PATTERN))))
    assert signals(vcd) == ["TopModule.clk", "TopModule.q [3:0]", "TopModule.step [3:0]"]
    assert values(vcd, "q") == [(0, "0"), (5000, "1101"), (15000, "1010"), (25000, "111")]
    assert values(vcd, "step") == [(0, "11")]
    assert vcd.startswith("$timescale 1ps $end\n")
    assert not any(word in vcd for word in ("tb", "dut", "bench", "hidden", "$date", "$version"))


@pytest.mark.parametrize(
    "dumps",
    [
        '$dumpfile("w.vcd"); $dumpvars(0, tb); $dumplimit(10);',
        '$dumpfile({"w", ".vcd"}); $dumpvars;',
        "$dumpvars(0, dut); if (step) $dumpoff; else $dumpall;",
        'begin : named reg [8*9:1] name; name = "w.vcd"; $dumpfile(name); $dumplimit(n + 1); end',
    ],
)
def test_what_the_testbench_dumps_does_not_matter(judge: Judge, dumps: str) -> None:
    plain, dumping = (
        judge(dumped(in_testbench(WRONG, text, rule=PATTERN)))
        for text in (bench(), bench(dumps, "$dumpflush;"))
    )
    assert vcd_of(dumping) == vcd_of(plain) != ""


def test_each_instance_is_a_scope_that_does_not_tell_where_it_is(judge: Judge) -> None:
    text = bench().replace(
        "endmodule", "genvar g; for (g = 0; g < 2; g = g + 1) begin : deep inner i(clk); end endmodule"
    )
    text += "module inner(input clk); wire [3:0] q; TopModule two(clk, 4'd1, q); endmodule\n"
    vcd = vcd_of(judge(dumped(in_testbench(WRONG, text, rule=PATTERN))))
    assert signals(vcd) == sorted(
        f"{scope}.{port}"
        for scope in ("TopModule", "TopModule_2", "TopModule_3")
        for port in ("clk", "q [3:0]", "step [3:0]")
    )
    assert not any(word in vcd for word in ("deep", "inner", "two"))


def test_ports_have_the_names_of_the_candidates_text(judge: Judge) -> None:
    by_position = bench().replace(".clk(clk), .step(step), .q(q)", "clk, step, q")
    vcd = vcd_of(judge(dumped(in_testbench(WRONG, by_position, rule=PATTERN))))
    assert signals(vcd) == ["TopModule.clk", "TopModule.q [3:0]", "TopModule.step [3:0]"]
    escaped = WRONG.replace("step", "\\st-ep ")
    vcd = vcd_of(judge(dumped(in_testbench(escaped, by_position, rule=PATTERN))))
    assert signals(vcd) == ["TopModule.clk", "TopModule.q [3:0]", "TopModule.st-ep [3:0]"]


@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.name)
def test_to_ask_for_it_changes_nothing_else(judge: Judge, bench: Bench) -> None:
    for design in (RIGHT, RIGHT.replace("a + b", "a - b"), "module TopModule(input a, output b); endmodule"):
        without, verdict = (
            judge(task)
            for task in (
                in_testbench(design, bench.text, rule=bench.rule),
                dumped(in_testbench(design, bench.text, rule=bench.rule)),
            )
        )
        assert verdict.HasField("vcd") is (outcome(verdict) == "FAILED")
        if verdict.HasField("vcd"):
            assert signals(verdict.vcd)
        verdict.ClearField("vcd")
        for one in (without, verdict):
            for case in one.cases:
                case.ClearField("usage")
        assert without == verdict


def test_of_a_long_one_there_is_the_beginning(judge: Judge) -> None:
    vcd = vcd_of(judge(dumped(in_testbench(WRONG, bench(times=20_001), rule=PATTERN))))
    assert 0.99 * MAX_BYTES < len(vcd) <= MAX_BYTES
    assert vcd.endswith("\n")
    q = [int(value, 2) for _, value in values(vcd, "q")]
    assert all((before - after) % 16 == 3 for before, after in pairwise(q))


def test_without_room_in_the_output_there_is_what_fits(judge: Judge) -> None:
    task = dumped(in_testbench(WRONG, bench(times=2_001), rule=PATTERN))
    vcd = vcd_of(judge(task, output_bytes=4000))
    assert 1000 < len(vcd) < 4000
    assert vcd_of(judge(task)).startswith(vcd)


def test_it_is_empty_without_room_for_a_moment(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    task = dumped(in_testbench(WRONG, bench(), rule=PATTERN))
    header = vcd_of(judge(task)).index("#0\n")
    monkeypatch.setattr(port_dump, "MAX_BYTES", header + 20)
    assert vcd_of(judge(task)) == ""


def test_a_design_without_ports_has_an_empty_one(judge: Judge) -> None:
    text = 'module tb; TopModule dut(); initial begin #1 $display("Failed"); $finish; end endmodule'
    assert vcd_of(judge(dumped(in_testbench("module TopModule; endmodule", text, rule=PATTERN)))) == ""
