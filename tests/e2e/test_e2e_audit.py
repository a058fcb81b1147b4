"""`basanite verilog audit`: a check that finds nothing is told from one that finds what is wrong."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import e2e_command as command
import pytest

from basanite import (
    Client,
    CocotbTask,
    Item,
    StdioCase,
    StdioTask,
    StimulusPlan,
    VerilogCompileTask,
    VerilogEquivalenceTask,
    VerilogTestbenchTask,
)
from basanite.verilog import NotAuditable, audit

COUNTER = """\
module Golden(input clk, input rst, input [3:0] step, output reg [3:0] q, output wire odd);
  assign odd = q[0];
  always @(posedge clk)
    if (rst) q <= 0;
    else q <= q + step;
endmodule
"""
CONSTANT = "module Golden(input a, output [3:0] y); assign y = 4'd9 - 4'd9; endmodule\n"
# Without a reset it is never known, as VerilogEval's Prob053_m2014_q4d: a testbench that skips x compares nothing.
UNKNOWN = "module Golden(input clk, input a, output reg y); always @(posedge clk) y <= y ^ a; endmodule\n"
WIRE = "module Golden(input a, output y); assign y = a; endmodule\n"


@pytest.fixture(scope="module")
def verilog(address: str) -> str:
    """The address of a server that judges Verilog."""
    if shutil.which("iverilog") is None:
        if "verilog" in os.environ.get("BASANITE_REQUIRE", "").split(","):
            pytest.fail("iverilog is not installed")
        pytest.skip("iverilog is not installed")
    return address


def equivalence(golden: str, id: str, **more: Any) -> Item:
    return Item(VerilogEquivalenceTask("", "Top", golden, "Golden", **more), id)


def write(folder: Path, *items: Item) -> Path:
    return command.write_lines(folder / "items.jsonl", [item.to_json().encode() for item in items])


def test_a_good_check_rejects_stubs_and_mutants(verilog: str, folder: Path) -> None:
    file = write(
        folder, equivalence(COUNTER, "counter"), equivalence(WIRE, "wire"), equivalence(WIRE, "again")
    )
    done = command.run("verilog", "audit", file, "--address", verilog, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    counter, wire = map(json.loads, done.stdout.splitlines())  # the third has the task of the second
    assert (counter["id"], counter["form"], counter["good"]) == ("counter", "equivalence", "PASSED")
    assert [stub["passes"] for stub in counter["stubs"]] == [False] * 7
    assert counter["mutants"] > 10
    assert counter["detection_rate"] == 1.0
    assert counter["survivors"] == []
    assert [stub["stub"] for stub in wire["stubs"] if stub["passes"]] == ["passthrough a"]
    assert wire["vacuous"] is False  # it is what was asked for


def test_a_vacuous_check_is_named(verilog: str, folder: Path) -> None:
    file = write(folder, equivalence(COUNTER, "counter"), equivalence(CONSTANT, "always-0"))
    done = command.run("verilog", "audit", file, "--address", verilog, "--mutants", "5")
    assert done.returncode == 1
    assert "always-0: VACUOUS: a design passes that is zeros" in done.stdout
    assert "always-0: output y never changes in the reference, so a constant is as good" in done.stdout
    assert "counter:" not in done.stdout
    assert "5 of 5" in done.stdout
    assert "1 vacuous checks, 0 with other trouble." in done.stdout


def test_a_task_whose_good_design_cannot_be_judged_is_no_check(verilog: str) -> None:
    absent = Item(VerilogEquivalenceTask("", "Absent", WIRE))
    taken = equivalence(f"{COUNTER} module Top(input a); endmodule", "taken")
    with Client(verilog) as client:
        unknown, not_there, name = audit(client, [equivalence(UNKNOWN, "Prob053"), absent, taken], mutants=3)
    assert unknown.good is None
    assert unknown.problem.startswith("TASK_FAULT: all outputs of the golden reference are unknown")
    assert unknown.not_judged == 3
    assert unknown.detection_rate is None
    assert not_there.problem == "module `Absent` with outputs was not found in the good design"
    assert "another `Top`" in name.problem
    assert not any(each.sound for each in (unknown, not_there, name))


def test_what_survives_is_named_with_its_place(verilog: str) -> None:
    unused = COUNTER.replace("endmodule", "  wire unused = step[0] & step[1];\nendmodule")
    with Client(verilog) as client:
        [found] = audit(client, [equivalence(unused, "unused")], mutants=100)
        [again] = audit(client, [equivalence(unused, "unused")], mutants=100)
    assert found == again
    assert found.sound
    assert {survivor.mutant.line for survivor in found.survivors} == {6}
    assert {survivor.file for survivor in found.survivors} == {"top.v"}
    assert found.mutants == found.rejected + len(found.survivors)


def test_a_survivor_that_is_proven_to_be_right_is_nothing_that_was_missed(verilog: str) -> None:
    if shutil.which("yosys") is None:
        pytest.skip("yosys is not installed")
    unused = COUNTER.replace("endmodule", "  wire unused = step[0] & step[1];\nendmodule")
    testbench = VerilogTestbenchTask("", "Top", WEAK, "mismatches", reference=unused.replace("Golden", "Top"))
    with Client(verilog) as client:
        equal, weak = audit(client, [equivalence(unused, "unused"), Item(testbench, "weak")], mutants=100)
    assert equal.survivors
    assert all(survivor.proven_equal and survivor.differs is False for survivor in equal.survivors)
    assert equal.detection_rate == 1
    missed = [survivor for survivor in weak.survivors if not survivor.proven_equal]
    assert 0 < len(missed) < len(weak.survivors)
    assert all(survivor.differs for survivor in missed)
    assert weak.detection_rate == weak.rejected / (weak.rejected + len(missed))


def test_simulation_can_miss_what_a_proof_finds(verilog: str) -> None:
    if shutil.which("yosys") is None:
        pytest.skip("yosys is not installed")
    # The one input that matters is no constant of the text, near which stimuli are drawn.
    product = "a * 32'h9e3779b1 == 32'h35a1cb07"
    rare = f"module Top(input [31:0] a, output y); assign y = {product}; endmodule\n"
    with Client(verilog) as client:
        [found] = audit(
            client, [Item(VerilogEquivalenceTask("", "Top", rare, stimuli=StimulusPlan(40)))], mutants=100
        )
    assert any(survivor.differs for survivor in found.survivors)
    assert not any(survivor.proven_equal for survivor in found.survivors if survivor.differs)


def test_seeds_draw_different_mutants_of_several_files(verilog: str) -> None:
    files = {"top.v": "module Top(input a, b, output y); Inner i(a, b, y); endmodule", "inner.v": ""}
    files["inner.v"] = "module Inner(input a, b, output y); assign y = a & ~b ^ b; endmodule"
    item = Item(VerilogEquivalenceTask("", "Top", files), "files")
    with Client(verilog) as client:
        [found] = audit(client, [item], mutants=100)
    assert found.sound
    assert found.mutants > 4


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "line 2: item: must be the JSON of basanite.v1.Item"),
        (
            Item(StdioTask("1", [StdioCase("", "")])).to_json().encode(),
            "line 2: item '': must be of kind verilog",
        ),
        (
            Item(VerilogCompileTask(WIRE, "Golden"), "c").to_json().encode(),
            "line 2: item 'c': must be of kind verilog",
        ),
    ],
)
def test_a_line_that_cannot_be_audited_is_named(folder: Path, line: bytes, said: str) -> None:
    file = command.write_lines(folder / "items.jsonl", [equivalence(WIRE, "wire").to_json().encode(), line])
    done = command.run("verilog", "audit", file)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_only_tasks_with_a_design_to_judge_are_taken(verilog: str) -> None:
    with Client(verilog) as client, pytest.raises(NotAuditable, match="form equivalence, testbench, cocotb"):
        audit(client, [Item(VerilogCompileTask(WIRE, "Golden"), "c")])


# A testbench that only sees q at its end; and one whose reference is x for ever.
WEAK = """\
module tb;
  reg clk = 0, rst = 1;
  reg [3:0] step = 0;
  wire [3:0] q;
  wire odd;
  Top dut(clk, rst, step, q, odd);
  initial begin
    repeat (3) begin #1 clk = 1; #1 clk = 0; end
    rst = 0; step = 3;
    repeat (3) begin #1 clk = 1; #1 clk = 0; end
    $display("Mismatches: %0d in 1 samples", q !== 4'd9);
    $finish;
  end
endmodule
"""
BLIND = WEAK.replace("q !== 4'd9", "(q ^ 4'bx) === 4'd9")


def test_a_testbench_is_compared_with_the_good_design(verilog: str) -> None:
    top = COUNTER.replace("Golden", "Top")
    weak, blind = (
        Item(VerilogTestbenchTask(top, "Top", text, "mismatches"), name)
        for name, text in (("weak", WEAK), ("blind", BLIND))
    )
    with Client(verilog) as client:
        forms = next(each.forms for each in client.describe().verifiers if each.kind == "verilog")
        if "testbench" not in forms:
            pytest.skip("the server does not judge testbenches")
        of_weak, of_blind = audit(client, [weak, blind], mutants=100)
    assert of_weak.sound
    differs = {survivor.mutant.before for survivor in of_weak.survivors if survivor.differs}
    assert differs > {"q[0]", "posedge"}  # nobody looks at `odd`, nor between two edges
    assert "q + step" not in differs
    assert of_blind.vacuous_stubs == [stub.stub for stub in of_blind.stubs]
    assert of_blind.detection_rate == 0


COCOTB = """\
import cocotb
from cocotb.triggers import Timer


async def step(dut, rst, step):
    dut.rst.value, dut.step.value, dut.clk.value = rst, step, 0
    await Timer(1, "ns")
    dut.clk.value = 1
    await Timer(1, "ns")


@cocotb.test()
async def resets(dut):
    await step(dut, 1, 3)
    assert dut.q.value == 0


@cocotb.test()
async def counts(dut):
    await step(dut, 1, 3)
    for n in range(1, 20):
        await step(dut, 0, 3)
        assert dut.q.value == 3 * n % 16
"""


@pytest.mark.parametrize("referenced", [True, False])
def test_cocotb_tests_are_tried(verilog: str, referenced: bool) -> None:
    top = COUNTER.replace("Golden", "Top")
    reference = top if referenced else None
    good = CocotbTask(top, "Top", COCOTB, ["tests.resets", "tests.counts"], reference=reference)
    weak = CocotbTask(top, "Top", COCOTB.partition("@cocotb.test()\nasync def counts")[0], ["tests.resets"])
    blind = CocotbTask(top, "Top", "import cocotb\n@cocotb.test()\nasync def f(dut): pass\n", ["tests.f"])
    with Client(verilog) as client:
        of_good, of_weak, of_blind = audit(
            client, [Item(good, "good"), Item(weak, "weak"), Item(blind, "blind")]
        )
    assert (of_good.form, of_good.sound, of_good.vacuous) == ("cocotb", True, False)
    assert of_good.mutants > 10
    missed = {survivor.mutant.before for survivor in of_good.survivors if survivor.differs}
    assert missed == {
        "posedge",
        "0",
        "q[0]",
        "assign odd = q[0];",
    }  # nobody looks at `odd`, nor between two edges
    assert of_weak.vacuous_stubs == ["zeros"]
    assert of_blind.vacuous_stubs == [stub.stub for stub in of_blind.stubs]
    assert of_blind.detection_rate == 0
    assert not of_weak.sound
    assert not of_blind.sound
