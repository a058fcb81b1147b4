"""Form `equivalence`: what is asked of tasks, and of a candidate's files."""

from __future__ import annotations

import random
import re

import pytest
from verilog_equivalences import ADDER, ASYNC, COUNTER, fails, passes
from verilog_judge import SHORT, Judge, equivalence, explain, name_of, outcome

from basanite.v1 import tasks_pb2
from basanite_sandboxes.spec import Environment
from basanite_services.chassis.verifier import InvalidItem, TaskFault


@pytest.mark.parametrize(
    ("golden", "message"),
    [
        ("module TopModule(input a, output y); assign y = ; endmodule", "golden.sv"),
        ("module Other(input a, output y); assign y = a; endmodule", "TopModule"),
        ("module TopModule(input a); endmodule", "no outputs"),
        ("module TopModule(input a, inout y); assign y = a; endmodule", "inout ports are not supported"),
        ("module TopModule(input a, output y); nothing n(a, y); endmodule", "nothing"),
        ("module TopModule(input a, output real y); assign y = a; endmodule", "not supported"),
        ("module TopModule(input a, output y); endmodule", "unknown (x) all the time"),
        (
            "module TopModule(input clk, output reg y); always @(posedge clk) y <= ~y; endmodule",
            "unknown (x) all the time",
        ),
        (
            "module TopModule(input a, output reg y); initial forever y = a; endmodule",
            "more than 1 s of CPU time",
        ),
        ("not verilog at all", "TopModule"),
        ("", "TopModule"),
    ],
)
def test_a_golden_that_does_not_work_is_the_tasks_fault(judge: Judge, golden: str, message: str) -> None:
    right = "module TopModule(input a, output y); assign y = a; endmodule"
    with pytest.raises(TaskFault, match=re.escape(message)) as caught:
        judge(equivalence(right, golden), **SHORT)
    assert caught.value.field == "verilog.equivalence.golden"


def test_the_task_is_looked_at_before_the_candidate(judge: Judge) -> None:
    with pytest.raises(TaskFault):
        judge(equivalence("module nonsense", "module TopModule(input a, output y); endmodule"))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"top": "1x"}, "verilog.top"),
        ({"golden_top": "a b"}, "verilog.equivalence.golden_top"),
        ({"golden": {"../x.v": ""}}, "verilog.equivalence.golden"),
        ({"parameters": {"W": "four"}}, "verilog.equivalence.parameters['W']"),
        ({"parameters": {"W)": "4"}}, "verilog.equivalence.parameters['W)']"),
        ({"cycles": 100_001}, "verilog.equivalence.stimuli.cycles"),
        ({"cycles": -1}, "verilog.equivalence.stimuli.cycles"),
        ({"directed": [({"a": "1'bx"}, 1)]}, "verilog.equivalence.stimuli.directed[0].inputs['a']"),
        ({"directed": [({"a": "1"}, 10_001)]}, "verilog.equivalence.stimuli.directed[0].cycles"),
        ({"directed": [({"c": "1"}, 1)]}, "verilog.equivalence.stimuli"),
        ({"directed": [({"a": "256"}, 1)]}, "verilog.equivalence.stimuli"),
        ({"cycles": 5, "directed": [({"a": "1"}, 6)]}, "verilog.equivalence.stimuli"),
        (
            {"clocking": tasks_pb2.Clocking(clocks=[{"port": "a"}])},
            "verilog.equivalence.clocking.clocks[0].port",
        ),
        (
            {"clocking": tasks_pb2.Clocking(resets=[{"port": "s"}])},
            "verilog.equivalence.clocking.resets[0].port",
        ),
        ({"data": {"a": "", "a/b": ""}}, "verilog.data[1].name"),
        ({"include_directories": ["/etc"]}, "verilog.include_directories[0]"),
        ({"defines": {"A": "1\n`include x"}}, "verilog.defines['A']"),
        ({"defines": {"A B": "1"}}, "verilog.defines['A B']"),
        ({"top": "module"}, "verilog.top"),
        ({"golden_top": "wire"}, "verilog.equivalence.golden_top"),
    ],
)
def test_a_task_that_breaks_a_rule_is_refused(judge: Judge, change: dict[str, object], field: str) -> None:
    arguments: dict[str, object] = {"candidate": ADDER, "golden": ADDER, **change}
    with pytest.raises(InvalidItem) as caught:
        judge(equivalence(**arguments))  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.parametrize(
    "body",
    [
        "always begin #999999 r = a + 1; #1 r = 0; end",
        "always @(a) begin r = 0; #1000000 r = a + 1; #1 r = 0; end",
    ],
)
def test_no_design_knows_when_it_is_sampled(judge: Judge, body: str) -> None:
    golden = "module TopModule(input [7:0] a, output [7:0] y); assign y = a + 1; endmodule"
    header = "module TopModule(input [7:0] a, output [7:0] y); reg [7:0] r = 0; assign y = r;"
    fails(judge, f"{header} {body} endmodule", golden)


def test_a_memory_whose_file_a_parameter_names(judge: Judge) -> None:
    golden = """module TopModule(input [1:0] a, output [7:0] y);
      reg [7:0] m [0:3]; initial $readmemh("rom.hex", m); assign y = m[a]; endmodule"""
    candidate = """module rom #(parameter FILE = "") (input [1:0] a, output [7:0] y);
      reg [7:0] m [0:3]; initial if (FILE != "") $readmemh(FILE, m); assign y = m[a]; endmodule
      module TopModule(input [1:0] a, output [7:0] y); rom #(.FILE("rom.hex")) r(a, y); endmodule"""
    passes(judge, candidate, golden, data={"rom.hex": "01 23 45 67"})


def test_an_environment_is_refused_rather_than_ignored(judge: Judge) -> None:
    with pytest.raises(InvalidItem, match="must be empty") as caught:
        judge(equivalence(ADDER, ADDER), environment=Environment("science"))
    assert caught.value.field == "environment"


def test_outputs_that_cannot_be_written_down_are_refused_before_they_run(judge: Judge) -> None:
    with pytest.raises(InvalidItem, match=r"must be at least \d+ for what the outputs are") as caught:
        judge(equivalence(ADDER, ADDER), output_bytes=10_000)
    assert caught.value.field == "limits.output_bytes"
    wide = "module TopModule(input [60000:0] a, output y); assign y = ^a; endmodule"
    with pytest.raises(InvalidItem, match="must be at most 8947 for 60001 bits of inputs"):
        judge(equivalence(wide, wide, cycles=100_000))


def test_a_form_must_be_set_and_its_proof_within_limits(judge: Judge) -> None:
    with pytest.raises(InvalidItem, match="must be set: equivalence"):
        judge(tasks_pb2.VerilogTask(top="TopModule"))
    proof = equivalence(ADDER, ADDER)
    for field, wrong in (
        ("cpu_seconds", -1.0),
        ("cpu_seconds", float("nan")),
        ("cpu_seconds", 301),
        ("depth", 201),
    ):
        proof.equivalence.formal.Clear()
        setattr(proof.equivalence.formal, field, wrong)
        with pytest.raises(InvalidItem) as caught:
            judge(proof)
        assert caught.value.field == f"verilog.equivalence.formal.{field}"


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"a b.v": ADDER},
        {"/etc/passwd": ADDER},
        {"top.vh": ADDER},
        {"top.v": ""},
        {"top.v": "\0\1\2\ufffd" * 100},
        {"top.v": "x" * (1 << 20)},
        {"top.v": "(" * 500_000},
        {f"f{number}.v": ADDER for number in range(101)},
        {"top.v": "`protected\nabcdef\n`endprotected\n"},
    ],
    ids=lambda files: " ".join(files)[:20] or "none",
)
def test_files_that_are_no_design_are_the_candidates(judge: Judge, files: dict[str, str]) -> None:
    task = equivalence(files, ADDER)
    verdict = judge(task)
    assert (outcome(verdict), verdict.score) == ("REJECTED", 0), explain(verdict)
    assert name_of(verdict.cases[0].outcome) == "REJECTED"
    assert len(verdict.SerializeToString()) < 10_000


def test_two_files_of_one_name_are_the_candidates(judge: Judge) -> None:
    task = equivalence(ADDER, ADDER)
    task.files.extend(list(task.files))
    assert outcome(judge(task)) == "REJECTED"


def test_ten_megabytes_are_the_candidates(judge: Judge) -> None:
    assert outcome(judge(equivalence("// x\n" * 2_000_000, ADDER))) == "REJECTED"


def test_a_verdict_on_a_thousand_wrong_outputs_can_be_sent(judge: Judge) -> None:
    def design(expression: str) -> str:
        ports = ", ".join(f"output [99:0] y{number}" for number in range(1000))
        body = " ".join(f"assign y{number} = {expression};" for number in range(1000))
        return f"module TopModule(input [99:0] a, input [255:0] b, {ports}); {body} endmodule"

    verdict = judge(equivalence(design("a + b[7:0]"), design("a"), cycles=40))
    assert outcome(verdict) == "FAILED"
    assert len(verdict.SerializeToString()) < 1 << 20
    assert [len(case.mismatch.window) > 0 for case in verdict.cases].count(True) == 16


def test_whatever_a_candidate_writes_gets_a_verdict(judge: Judge) -> None:
    """Texts that were right once, broken at random: nothing but a Verdict may come of them."""
    draw = random.Random(7)
    pieces = [
        "",
        " ",
        "\n",
        ";",
        "end",
        "begin",
        "(",
        ")",
        "`",
        '"',
        "\\",
        "$",
        "#",
        "[",
        "'",
        "module",
        "endmodule",
    ]
    pieces += [
        "input",
        "output",
        "inout",
        "\u00e9",
        "\x7f",
        "\0",
        "`line 3",
        "`include",
        "`define x",
        "//",
        "/*",
        "= 1;",
    ]
    pieces += [
        "generate",
        "for (;;)",
        "1'bx",
        "9999999999",
        "\\a+b ",
        "interface i;",
        "package p;",
        "import p::*;",
        "x.y",
    ]
    texts = []
    for _ in range(150):
        text = draw.choice([COUNTER, ASYNC, ADDER])
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(text))
            text = text[:at] + draw.choice(pieces) + text[at + draw.choice([0, 0, 1, 5, 20]) :]
        texts.append(text)
    for verdict in judge.all(equivalence(text, COUNTER, cycles=20) for text in texts):
        assert outcome(verdict) in ("PASSED", "FAILED", "REJECTED", "FORBIDDEN"), explain(verdict)
