"""The testbench form: what passes, what a testbench's own faults come to, and what a design is told."""

from __future__ import annotations

import asyncio

import pytest
from verilog_benches import BENCHES, RIGHT
from verilog_judge import SHORT, Judge, Rule, explain, in_testbench, outcome
from verilog_tables import problems

from basanite.v1 import result_pb2, tasks_pb2
from basanite_services.chassis.verifier import InvalidItem, TaskFault

PATTERN: Rule = ("Passed", ".*[Ff]ail.*")
NOT = "module TopModule(input a, output y);\n  assign y = ~a;\nendmodule\n"
WRONG = NOT.replace("~", "")
DOES_NOT_COMPILE = "module TopModule(input a, output y);\n  assign y = b;\nendmodule\n"
BENCH = """
module tb;
  reg a;
  wire y;
  integer errors = 0;
  TopModule dut(
    .a(a),
    .y(y)
  );
  initial begin
    a = 0; #1 if (y !== 1) errors = errors + 1;
    a = 1; #1 if (y !== 0) errors = errors + 1;
    if (errors) $display("Failed: %0d", errors); else $display("Passed");
    {more}
    $finish;
  end
endmodule
"""


def bench(more: str = "") -> str:
    return BENCH.replace("{more}", more)


def fault(judge: Judge, task: tasks_pb2.VerilogTask, *candidates: str) -> str:
    """What is wrong with a task, whatever the candidate."""
    said = set()
    for candidate in (NOT, WRONG, DOES_NOT_COMPILE, "module TopModule; endmodule", *candidates):
        task.files[0].content = candidate
        with pytest.raises(TaskFault) as raised:
            judge(task)
        said.add((raised.value.field, str(raised.value)))
    assert len(said) == 1
    (found,) = said
    assert found[0].startswith("verilog.testbench.")
    return found[1]


# Verdicts --------------------------------------------------------------------------------------------------


def test_a_right_design_passes_with_one_case(judge: Judge) -> None:
    verdict = judge(in_testbench(NOT, bench(), rule=PATTERN))
    assert (outcome(verdict), verdict.score, len(verdict.cases)) == ("PASSED", 1, 1)
    assert verdict.assurance == result_pb2.ASSURANCE_GUARDED
    assert verdict.guards
    assert verdict.cases[0].usage.cpu_seconds > 0


@pytest.mark.parametrize("reference", [None, NOT])
def test_a_wrong_design_fails(judge: Judge, reference: str | None) -> None:
    verdict = judge(in_testbench(WRONG, bench(), rule=PATTERN, reference=reference))
    assert (outcome(verdict), verdict.score) == ("FAILED", 0)
    assert verdict.cases[0].message == "the testbench says that the design failed"
    assert not verdict.diagnostics


def test_mismatches_are_told_by_output(judge: Judge) -> None:
    hints = """final $display("Hint: Output '%s' has %0d mismatches. First mismatch occurred at time %0d.", "y", 2, 1);
    final $display("Mismatches: %1d in %1d samples", errors, 2);
endmodule"""
    text = bench().replace("endmodule", hints)
    verdict = judge(in_testbench(WRONG, text, reference=NOT))
    assert verdict.cases[0].message == "2 of 2 samples differ; output y: 2 samples, the first at time 1"


def test_every_rule_tells_right_from_wrong(judge: Judge) -> None:
    wrong = RIGHT.replace("a + b", "a - b")
    for one in BENCHES:
        right, other = (judge(in_testbench(text, one.text, rule=one.rule)) for text in (RIGHT, wrong))
        assert (outcome(right), outcome(other)) == ("PASSED", "FAILED"), one.name


@pytest.mark.parametrize(
    ("rule", "more", "why"),
    [
        (PATTERN, '$display("bye");', "the testbench's verdict is not the last that it printed"),
        (PATTERN, '$display("Passed");', "the testbench gave more than one verdict"),
        (PATTERN, "$fatal;", "the testbench's verdict is not the last that it printed"),
        ("finish", "$stop;", "the testbench ended by $fatal or $stop"),
        ("finish", "$fatal;", "the testbench reported an error"),
        ("finish", '$error("no");', "the testbench reported an error"),
        ("finish", "#1 ; wait (0);", "the simulation ended without the testbench's $finish"),
        ("mismatches", "", "the testbench did not come to its verdict"),
        ("mismatches", '$display("Mismatches: 0 in 0 samples");', "the testbench took no samples"),
        ("nonce", '$display("PASS");', "the testbench did not come to its verdict"),
    ],
)
def test_an_end_that_is_no_verdict_is_none(judge: Judge, rule: Rule, more: str, why: str) -> None:
    verdict = judge(in_testbench(NOT, bench(more), rule=rule))
    assert outcome(verdict) == "FAILED"
    assert verdict.cases[0].message.startswith(why)
    assert fault(judge, in_testbench(NOT, bench(more), rule=rule, reference=NOT)).startswith(
        f"the testbench does not pass its reference: {why}"
    )


@pytest.mark.parametrize("rule", [PATTERN, "finish"])
def test_a_testbench_may_dump_and_stop_where_that_is_no_fault(judge: Judge, rule: Rule) -> None:
    verdict = judge(in_testbench(NOT, bench('$dumpfile("w.vcd"); $dumpvars(0, tb);'), rule=rule))
    assert outcome(verdict) == "PASSED", explain(verdict)
    if rule != "finish":
        assert outcome(judge(in_testbench(NOT, bench("$stop;"), rule=rule))) == "PASSED"


def test_finish_is_seen_wherever_a_statement_may_stand(judge: Judge) -> None:
    for ending in ("$finish", "$finish()", "$finish ( 2 )", "begin : last $finish; end"):
        text = bench().replace("$finish;", f"if (errors) $fatal; else {ending};")
        assert outcome(judge(in_testbench(NOT, text, rule="finish"))) == "PASSED", ending
        assert outcome(judge(in_testbench(WRONG, text, rule="finish"))) == "FAILED"


def test_limits_are_the_candidates(judge: Judge) -> None:
    endless = NOT.replace("endmodule", "  initial forever begin end\nendmodule")
    verdict = judge(in_testbench(endless, bench(), rule=PATTERN, reference=NOT), **SHORT)
    assert (outcome(verdict), verdict.score) == ("TIME_LIMIT", 0)
    floods = bench("if (y === 1'bx) forever $display(a);")
    verdict = judge(in_testbench(NOT.replace("~a", "1'bx"), floods, rule=PATTERN, reference=NOT), **SHORT)
    assert outcome(verdict) in ("OUTPUT_LIMIT", "TIME_LIMIT")


# Files -----------------------------------------------------------------------------------------------------


def test_a_testbench_may_read_and_write_files_that_its_design_may_not(judge: Judge) -> None:
    reads = """
    file = $fopen("out.txt", "w"); $fdisplay(file, "1"); $fclose(file);
    file = $fopen("data/reference.txt", "r"); errors = $fscanf(file, "%d", wanted); $fclose(file);
    $readmemh("rom.hex", rom);
    if (wanted !== 42 || rom[1] !== 8'h22) $display("Failed");
    """
    text = bench().replace("integer", "integer file, wanted; reg [7:0] rom [0:1]; integer")
    text = text.replace("if (errors) $display", f"{reads} if (errors != 1) $display")
    files = {"tb.sv": text, "data/reference.txt": "42\n", "rom.hex": "11 22\n"}
    assert outcome(judge(in_testbench(NOT, files, rule=PATTERN))) == "PASSED"
    thief = (
        'module TopModule(input a, output y); reg [7:0] m [0:1]; initial $readmemh("rom.hex", m); endmodule'
    )
    assert outcome(judge(in_testbench(thief, files, rule=PATTERN))) == "FORBIDDEN"


def test_testbenches_have_files_includes_and_macros(judge: Judge) -> None:
    files = {
        "tb/tb.v": '`include "defs.vh"\n`include "more/words.svh"\n' + bench("`DONE"),
        "tb/defs.vh": '`define DONE if (`LIMIT != 3) $display("no");',
        "tb/more/words.svh": "",
        "package.sv": "package numbers; parameter THREE = 3; endpackage",
    }
    task = in_testbench(NOT, files, rule=PATTERN, bench_defines={"LIMIT": "numbers::THREE"}, bench_top="tb")
    task.testbench.testbench.sort(key=lambda file: file.name != "package.sv")
    verdict = judge(task)
    assert outcome(verdict) == "PASSED", explain(verdict)


def test_macros_of_one_side_are_not_the_others(judge: Judge) -> None:
    text = "`define WIDTH 8\n" + bench()
    candidate = "`ifdef WIDTH\nthis is broken\n`endif\n`define errors nothing\n" + NOT
    assert outcome(judge(in_testbench(candidate, text, rule=PATTERN))) == "PASSED"


def test_a_design_without_a_time_scale_has_the_testbenchs(judge: Judge) -> None:
    late = NOT.replace("assign", "assign #2")
    slow = "`timescale 1ns/1ps\n" + bench().replace("#1", "#3")
    assert outcome(judge(in_testbench(late, slow, rule=PATTERN))) == "PASSED"
    assert outcome(judge(in_testbench(late, slow.replace("#3", "#1"), rule=PATTERN))) == "FAILED"
    own = "`timescale 1ps/1ps\n" + late
    assert outcome(judge(in_testbench(own, slow.replace("#3", "#1"), rule=PATTERN))) == "PASSED"


def test_inouts_are_for_tasks_whose_reference_has_them(judge: Judge) -> None:
    pad = "module TopModule(inout a, output y); assign a = 1'bz; assign y = ~a; endmodule"
    text = bench().replace(".a(a)", ".a(w)").replace("wire y;", "wire y; wire w = a;")
    assert outcome(judge(in_testbench(pad, text, rule=PATTERN, reference=pad))) == "PASSED"
    assert outcome(judge(in_testbench(pad, text, rule=PATTERN, reference=NOT))) == "FORBIDDEN"
    assert outcome(judge(in_testbench(pad, text, rule=PATTERN))) == "FORBIDDEN"


OPEN_DRAIN = """
module TopModule(input a, output y, output z, output w);
  assign y = a ? 1'b0 : 1'bz;
  assign w = a ? 1'b0 : 1'bz;
  assign z = a ? 1'b0 : 1'bz, z = a ? 1'bz : 1'b1;
  wire [1:0] bus;
  pad p0(bus[0], a), p1(bus[1], a);
endmodule
module pad(inout x, input a);
  assign x = a ? 1'b1 : 1'bz;
endmodule
"""


@pytest.mark.parametrize("reference", [None, OPEN_DRAIN])
def test_outputs_may_have_many_drivers_and_nets_inside_both_directions(
    judge: Judge, reference: str | None
) -> None:
    text = (
        bench().replace(".y(y)", ".y(y), .z(z), .w(w)").replace("wire y;", "wire y, z; tri1 w; pullup (y);")
    )
    text = text.replace("y !== 1", "{y, z, w} !== 7").replace("y !== 0", "{y, z, w} !== 0")
    verdict = judge(in_testbench(OPEN_DRAIN, text, rule=PATTERN, reference=reference))
    assert outcome(verdict) == "PASSED", explain(verdict)


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("package p; parameter ONE = 1; endpackage import p::*;", "a ^ ONE"),
        ("parameter ONE = 1;", "a ^ ONE"),
        ("function automatic logic inverse(input logic x); return ~x; endfunction", "inverse(a)"),
        ("typedef enum logic { ZERO, ONE } errors;", "a ^ ONE"),
        ("timeunit 1ns/1ps;", "~a"),
    ],
)
def test_a_design_may_declare_outside_of_its_modules(judge: Judge, declared: str, value: str) -> None:
    text = f"{declared}\n{NOT.replace('~a', value)}"
    verdict = judge(in_testbench(text, bench(), rule=PATTERN))
    assert outcome(verdict) == "PASSED", explain(verdict)


def test_a_testbench_may_declare_outside_of_its_modules_too(judge: Judge) -> None:
    outside = """parameter y = 1; typedef struct packed { logic a; } pair; int count = 0;
    package words; logic a; endpackage import words::*;
    function automatic int next(input int a); return a + 1; endfunction\n"""
    text = outside + bench("count = next(count); if (count != y) $stop;")
    assert outcome(judge(in_testbench(NOT, text, rule=PATTERN))) == "PASSED"


@pytest.mark.parametrize("word", ["unique", "unique0", "priority"])
def test_a_case_without_a_match_says_nothing_in_the_testbenchs_output(judge: Judge, word: str) -> None:
    """The simulator would warn, and name the block."""
    text = (
        "module TopModule(input a, output reg y);\n"
        f"always @* begin : Passed y = 0; {word} case (a) 1'b0: y = 0; endcase end\n"
        f"reg z; always @* {word} if (a) z = 1; else z = 0;\nendmodule"
    )
    silent = bench().replace('$display("Failed: %0d", errors)', "")
    assert outcome(judge(in_testbench(text, silent, rule=(".*Passed.*", "")))) == "FAILED"
    right = text.replace("y = 0; endcase", "y = 1; endcase")
    assert outcome(judge(in_testbench(right, silent, rule=("Passed", ".*WARNING.*")))) == "PASSED"


# What a design is told ---------------------------------------------------------------------------------------


def test_errors_are_in_the_designs_own_lines_and_names(judge: Judge) -> None:
    for name in ("top.sv", "tb.sv"):
        verdict = judge(in_testbench({name: DOES_NOT_COMPILE}, bench(), rule=PATTERN))
        assert (outcome(verdict), verdict.score) == ("REJECTED", 0)
        assert {(one.file, one.line) for one in verdict.diagnostics} == {(name, 2)}
        assert "`b'" in verdict.cases[0].message
        assert "tb" not in "".join(one.message for one in verdict.diagnostics)
        assert "dut" not in "".join(one.message for one in verdict.diagnostics)


def test_what_the_simulator_cannot_do_is_named_so(judge: Judge) -> None:
    text = "module TopModule(input a, output y); typedef struct { logic u; } t; t p; assign p.u = a, y = p.u; endmodule"
    verdict = judge(in_testbench(text, bench(), rule=PATTERN))
    assert outcome(verdict) == "REJECTED"
    assert verdict.cases[0].message.startswith("not supported by Icarus Verilog: ")


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        ("module TopModule(input a, output Y); assign Y = ~a; endmodule", "port y is missing"),
        (
            "module TopModule(output a, output y); assign a = 0, y = 1; endmodule",
            "does not fit the testbench",
        ),
        (
            "module TopModule(input a, output y); assign a = 0, y = 1; endmodule",
            "input a is driven by the design",
        ),
    ],
)
def test_ports_that_do_not_fit_are_the_candidates(judge: Judge, candidate: str, said: str) -> None:
    verdict = judge(in_testbench(candidate, bench(), rule=PATTERN))
    assert (outcome(verdict), verdict.score) == ("REJECTED", 0)
    assert verdict.cases[0].message.startswith(said)


def test_an_output_where_an_input_was_asked_for_is_named(judge: Judge) -> None:
    swapped = RIGHT.replace("input [3:0] a", "output [3:0] a")
    verdict = judge(in_testbench(swapped, BENCHES[0].text))
    assert outcome(verdict) == "REJECTED"
    assert verdict.cases[0].message == "port a must not be driven by the design: is it an input?"


def test_with_a_reference_ports_are_told_by_it(judge: Judge) -> None:
    upper = "module TopModule(input a, output Y); assign Y = ~a; endmodule"
    verdict = judge(in_testbench(upper, bench(), rule=PATTERN, reference=NOT))
    assert outcome(verdict) == "REJECTED"
    assert verdict.cases[0].message == "output y is missing (there is Y: case counts)"
    wide = "module TopModule(input a, output [3:0] y); assign y = a; endmodule"
    verdict = judge(in_testbench(wide, bench(), rule=PATTERN, reference=NOT))
    assert outcome(verdict) == "FAILED"
    assert [one.message for one in verdict.diagnostics] == ["port y has 4 bits, and 1 are connected to it"]


def test_a_testbench_may_look_inside_of_a_design(judge: Judge) -> None:
    looks = bench('if (dut.state !== 1) $display("no");')
    assert (
        outcome(judge(in_testbench(NOT.replace("assign", "reg state = 1; assign"), looks, rule=PATTERN)))
        == "PASSED"
    )
    verdict = judge(in_testbench(NOT, looks, rule=PATTERN))
    assert (outcome(verdict), verdict.cases[0].message) == ("REJECTED", "does not fit the testbench")


def test_with_every_name_connected_a_design_has_the_ports_of_the_reference_alone(judge: Judge) -> None:
    text = (
        bench()
        .replace("dut(\n    .a(a),\n    .y(y)\n  )", "dut(.*)")
        .replace("wire y;", "wire y; wire want = ~a;")
    )
    thief = "module TopModule(input a, input want, output y);\n  assign y = want;\nendmodule\n"
    assert outcome(judge(in_testbench(NOT, text, rule=PATTERN, reference=NOT))) == "PASSED"
    verdict = judge(in_testbench(thief, text, rule=PATTERN, reference=NOT))
    assert outcome(verdict) == "REJECTED"
    assert verdict.cases[0].message == "input want is not among the ports that were asked for"
    assert "connects the design by .*" in fault(judge, in_testbench(NOT, text, rule=PATTERN), thief)


def test_ports_are_named_as_the_design_names_them(judge: Judge) -> None:
    """Also those that had to get other names."""
    text = bench().replace("dut(\n    .a(a),\n    .y(y)\n  )", "dut(a, y)")
    drives = "module TopModule(input a, output y); pullup (a); assign y = ~a; endmodule"
    text = text.replace("dut(a,", "dut(w,").replace("wire y;", "wire y; wire w = a;")
    verdict = judge(in_testbench(drives, text, rule=PATTERN))
    assert (outcome(verdict), verdict.cases[0].message) == (
        "REJECTED",
        "input a is driven by the design itself",
    )


# The testbench's own faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (bench("if"), "the testbench does not compile; tb.sv:15: syntax error"),
        ("`ifdef NEVER\n" + bench(), "the testbench cannot be preprocessed; tb.sv:1: error: "),
        ('`include "no.vh"\n' + bench(), "the testbench cannot be preprocessed; "),
        ("logic x, a = 0;\n" + bench(), "the testbench declares a outside of its modules, where a design"),
        (bench() + "/* no end", "the testbench cannot be judged by: tb.sv:18: a comment does not end"),
        (bench().rstrip().removesuffix("endmodule"), "the testbench does not compile; tb.sv:"),
        (bench("never = 1;"), "the testbench does not compile; tb.sv:14: "),
        (bench("$never;"), "the testbench calls what the simulator does not have"),
        (bench() + "module other; endmodule", "the testbench cannot be judged by: the modules tb, other are"),
        (bench().replace("TopModule", "Other"), "the testbench cannot be judged by: it does not instantiate"),
        (bench() + NOT, "the testbench cannot be judged by: it has a module TopModule itself"),
        (bench().replace("wire y;", "wire y; RefModule good(a);"), "the testbench does not compile; tb.sv:4: Unknown"),
        (
            bench("").replace("wire y;", "wire y; typedef struct { int n; } t; t p; initial p.n = 1;"),
            "the testbench does not compile; tb.sv:4: ",
        ),
    ],
)  # fmt: skip
def test_a_broken_testbench_is_the_tasks_fault_whatever_the_candidate(
    judge: Judge, text: str, said: str
) -> None:
    for reference in (None, NOT):
        task = in_testbench(NOT, text, rule=PATTERN, reference=reference)
        found = fault(judge, task, "module TopModule; endmodule module RefModule(input a); endmodule")
        if reference is None:
            assert found.startswith(said)


def test_a_reference_that_does_not_pass_is_the_tasks_fault(judge: Judge) -> None:
    for reference, said in (
        (
            WRONG,
            "the testbench does not pass its reference: the testbench says that the design failed; the last",
        ),
        (DOES_NOT_COMPILE, "the testbench does not pass its reference: does not compile; reference.sv:2: "),
        ("module Other; endmodule", "the reference is no design that can be judged: reference.sv:1: "),
        (
            NOT.replace("y)", "z)"),
            "the testbench does not pass its reference: does not compile; port y is missing",
        ),
    ):
        assert fault(judge, in_testbench(NOT, bench(), rule=PATTERN, reference=reference)).startswith(said)


def test_a_broken_testbench_is_tried_once(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = 0
    from basanite_services.verilog import testbench as form

    real = form.try_testbench

    async def counted(*arguments: object) -> object:
        nonlocal tried
        tried += 1
        return await real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(form, "try_testbench", counted)
    task = in_testbench(NOT, bench("if") + "// once", rule=PATTERN)

    async def many() -> list[object]:
        return await asyncio.gather(*(judge.judge(task) for _ in range(8)), return_exceptions=True)

    assert {type(one) for one in judge.run(many())} == {TaskFault}
    assert tried == 1
    # Where more is allowed, more may work.
    with pytest.raises(TaskFault):
        judge(task, cpu_seconds=9.0)
    assert tried == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda task: task.testbench.ClearField("mismatches"), "verilog.testbench.rule"),
        (lambda task: task.testbench.pattern.SetInParent(), "verilog.testbench.pattern.passed"),
        (lambda task: setattr(task.testbench.pattern, "passed", "("), "verilog.testbench.pattern.passed"),
        (lambda task: setattr(task.testbench.pattern, "passed", r"(.)\1"), "verilog.testbench.pattern.passed"),
        (lambda task: setattr(task.testbench, "testbench_top", "a b"), "verilog.testbench.testbench_top"),
        (lambda task: setattr(task.testbench, "testbench_top", "module"), "verilog.testbench.testbench_top"),
        (lambda task: task.testbench.testbench.pop(), "verilog.testbench.testbench"),
        (lambda task: setattr(task.testbench.testbench[0], "name", "../tb.v"), "verilog.testbench.testbench[0].name"),
        (lambda task: setattr(task.testbench.testbench[0], "name", "tb.txt"), "verilog.testbench.testbench"),
        (lambda task: task.testbench.defines.update({"a b": ""}), "verilog.testbench.defines['a b']"),
        (lambda task: task.testbench.reference.add(name="x.vh"), "verilog.testbench.reference"),
        (lambda task: task.data.add(name="tb.sv"), "verilog.testbench.testbench"),
        (lambda task: setattr(task, "top", ""), "verilog.top"),
    ],
)  # fmt: skip
def test_what_breaks_the_contract_is_an_invalid_item(judge: Judge, change: object, field: str) -> None:
    task = in_testbench(NOT, bench())
    change(task)  # type: ignore[operator]
    with pytest.raises(InvalidItem) as raised:
        judge(task)
    assert raised.value.field == field


# Checks that check nothing -------------------------------------------------------------------------------------


def test_a_check_that_unknown_outputs_pass_is_said_to_be_vacuous(judge: Judge) -> None:
    weak = bench().replace("!==", "!=")
    for reference, words in ((NOT, "all outputs are unknown (x)"), (None, "does nothing")):
        verdict = judge(in_testbench(NOT, weak, rule=PATTERN, reference=reference))
        assert outcome(verdict) == "PASSED"
        (only,) = verdict.diagnostics
        assert only.severity == result_pb2.Diagnostic.SEVERITY_WARNING
        assert only.message.startswith("the check is vacuous: ")
        assert words in only.message


def test_a_public_testbench_whose_reference_is_never_known_is_said_to_be_vacuous(judge: Judge) -> None:
    """VerilogEval's Prob053 has this reference: without a reset it stays unknown, and x is compared with nothing."""
    found = {one.id: one.testbench for one in problems()}
    if not found:
        pytest.skip("the sample is not there")
    unknown = """module RefModule(input clk, input [7:0] in, output reg [7:0] pedge);
  always @(posedge clk) pedge <= in ^ pedge;
endmodule"""
    files = {"tb.sv": found["Prob054_edgedetect"], "ref.sv": unknown}
    right = unknown.replace("RefModule", "TopModule")
    constant = "module TopModule(input clk, input [7:0] in, output [7:0] pedge); assign pedge = 5; endmodule"
    for candidate in (right, constant):
        verdict = judge(in_testbench(candidate, files, bench_top="tb", reference=right))
        assert outcome(verdict) == "PASSED"
        assert [one.message.rpartition(" of which ")[2] for one in verdict.diagnostics] == [
            "all outputs are 0",
            "all outputs are unknown (x)",
        ]


@pytest.mark.full
def test_no_reference_of_the_sample_has_a_vacuous_testbench(judge: Judge) -> None:
    tasks = []
    for one in problems():
        right = one.reference.replace("RefModule", "TopModule")
        files = {"tb.sv": one.testbench, "ref.sv": one.reference}
        tasks.append(in_testbench(right, files, bench_top="tb", reference=right))
    if not tasks:
        pytest.skip("the sample is not there")
    for verdict in judge.all(tasks):
        assert outcome(verdict) == "PASSED", explain(verdict)
        assert not any("vacuous" in one.message for one in verdict.diagnostics)


def test_a_check_that_a_constant_passes_is_said_to_be_vacuous(judge: Judge) -> None:
    task = in_testbench(
        NOT, bench().replace("y !== 0", "0").replace("y !== 1", "y !== y"), rule=PATTERN, reference=NOT
    )
    verdict = judge(task)
    assert sorted(one.message.rpartition(" of which ")[2] for one in verdict.diagnostics) == [
        "all outputs are 0",
        "all outputs are unknown (x)",
    ]
