"""The second tier of the form `equivalence`: proofs, counterexamples, and neither."""

from __future__ import annotations

import contextlib
import json
from collections import Counter

import pytest
from verilog_judge import Judge, equivalence, explain, outcome, parts
from verilog_tables import GOLDEN, HONEST, TOP, problems
from verilog_unprovable import COUNT, FOUND, OTHER_EVENTS, STORE, STORED, UNKNOWN, XOR, Unprovable, module

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.tasks_pb2 import FormalCheck
from basanite_services.verilog.design import describe
from basanite_services.verilog.gates import Unprovable as NoProof
from basanite_services.verilog.gates import read_netlist
from basanite_services.verilog.miter import ask
from basanite_services.verilog.preprocess import Sources, preprocess
from basanite_services.verilog.synthesizable import synthesizable

pytestmark = pytest.mark.usefixtures("yosys")
PASSED = {"simulation": "PASS", "formal": "PASS"}
UNDECIDED = {"simulation": "PASS", "formal": "UNKNOWN"}
REFUTED = {"simulation": "PASS", "formal": "FAIL"}
FEW_CYCLES = 20
WIDE = "input [31:0] a, input [31:0] b, output [31:0] y"


def check(candidate: str, golden: str, seconds: float = 2.0, **task: object) -> tasks_pb2.VerilogTask:
    return equivalence(candidate, golden, formal=FormalCheck(cpu_seconds=seconds), **task)  # type: ignore[arg-type]


def why(verdict: result_pb2.Verdict) -> str:
    return "; ".join(one.message for one in verdict.diagnostics if one.message.startswith("no proof: "))


# Proofs ----------------------------------------------------------------------------------------------------------


def test_an_equal_design_is_proven(judge: Judge) -> None:
    verdict = judge(check(module(WIDE, "assign y = a & ~b | ~a & b;"), XOR))
    assert (outcome(verdict), parts(verdict), verdict.score) == ("PASSED", PASSED, 1), explain(verdict)
    assert not verdict.diagnostics
    assert verdict.cases[0].usage.cpu_seconds > 0


@pytest.mark.parametrize(
    ("golden", "body"),
    [
        (STORE, "always_ff @(posedge clk) begin q <= d; if (reset) q <= 8'd0; end"),
        (STORE, "wire [7:0] n = reset ? 8'h00 : d; always @(posedge clk) q <= n;"),
        (STORE, "reg [7:0] i; always @(posedge clk) i <= ~d | {8{reset}}; always @* q = ~i;"),
    ],
)
def test_an_equal_design_with_flip_flops_is_proven(judge: Judge, golden: str, body: str) -> None:
    verdict = judge(check(module(STORED, body), golden))
    assert parts(verdict) == PASSED, why(verdict)


def test_a_reset_between_two_edges_is_part_of_the_proof(judge: Judge) -> None:
    """Half of the flip-flops keep what they have while the others are reset: the clock must be able to stand still."""
    header = "input clk, input reset, input [1:0] d, output reg [1:0] q"
    golden = """
      always @(posedge clk) q[0] <= d[0];
      always @(posedge clk or posedge reset) if (reset) q[1] <= 0; else q[1] <= d[1];"""
    twin = """
      reg h, l;
      always @(posedge clk or posedge reset) if (reset) h <= 1; else h <= !d[1];
      always @(posedge clk) l <= d[0];
      always @* q = {!h, l};"""
    assert parts(judge(check(module(header, twin), module(header, golden)))) == PASSED


def test_parameters_are_those_of_the_task(judge: Judge) -> None:
    golden = "module TopModule #(parameter W = 4)(input [7:0] a, output y); assign y = a > W; endmodule"
    text = "module TopModule #(parameter W = 9)(input [7:0] a, output y); assign y = !(a <= W); endmodule"
    verdict = judge(check(text, golden, parameters={"W": "200"}))
    assert parts(verdict) == PASSED, why(verdict)


def test_what_is_unknown_in_the_golden_may_be_anything(judge: Judge) -> None:
    golden = module(
        "input [1:0] a, output reg y", "always @* case (a) 0: y = 1; 1: y = 0; default: y = 1'bx; endcase"
    )
    verdict = judge(check(module("input [1:0] a, output y", "assign y = !a[0];"), golden))
    assert parts(verdict) == PASSED, why(verdict)


def test_references_are_proven_against_themselves(judge: Judge) -> None:
    rows = problems()
    if not rows:
        pytest.skip("the sample is not there")
    tasks = [
        check(row.reference.replace(GOLDEN, TOP), row.reference, 10.0, golden_top=GOLDEN) for row in rows
    ]
    verdicts = judge.all(tasks)
    assert {outcome(verdict) for verdict in verdicts} == {"PASSED"}
    states = Counter(parts(verdict)["formal"] for verdict in verdicts)
    assert states["FAIL"] == 0
    assert states["PASS"] >= 38, states


def test_honest_designs_are_proven_or_left_open(judge: Judge) -> None:
    tasks = [check(one.text, one.golden, 1.0, golden_top=GOLDEN, data=one.data) for one in HONEST]
    verdicts = judge.all(tasks)
    assert {outcome(verdict) for verdict in verdicts} == {"PASSED"}
    states = Counter(parts(verdict)["formal"] for verdict in verdicts)
    assert states["FAIL"] == 0
    assert states["PASS"] >= 23, states


@pytest.mark.parametrize(
    ("ports", "golden", "body"),
    [
        (WIDE, "assign y = a ^ b;", "always_comb for (int i = 0; i < 32; i = i + 1) y[i] = a[i] ^ b[i];"),
        (
            WIDE,
            "assign y = {a[15:0], b[31:16]};",
            "localparam int W = 32; localparam int H = W / 2; assign y = {a[H-1:0], b[W-1:H]};",
        ),
        ("input [1:0] a, output y", "assign y = a === 2'b10;", "assign y = a == 2;"),
    ],
)
def test_types_of_two_states_count_and_goldens_compare_what_is_unknown(
    judge: Judge, ports: str, golden: str, body: str
) -> None:
    ports_of_body = ports.replace("output [31:0] y", "output reg [31:0] y") if "always" in body else ports
    verdict = judge(check(module(ports_of_body, body), module(ports, golden)))
    assert parts(verdict) == PASSED, why(verdict)


@pytest.mark.parametrize(
    "body",
    [
        "bit q; always @(posedge clk) q <= d; assign y = q;",
        "enum {A, B} q; always @(posedge clk) if (d) q <= B; else q <= A; assign y = q == B;",
        "reg m [0:1]; always @(posedge clk) m[0] <= d; assign y = m[0];",
    ],
)
def test_what_yosys_knows_less_of_than_a_simulation_is_no_reference(judge: Judge, body: str) -> None:
    """What is unknown in a golden is not compared."""
    ports = "input clk, input d, output y"
    verdict = judge(check(module(ports, body.replace("bit q", "reg q = 0")), module(ports, body)))
    assert parts(verdict)["formal"] in ("UNKNOWN", "NOT_RUN")
    verdict = judge(check(module(ports, body), module(ports, body)))
    assert (parts(verdict), why(verdict)[:23]) == (UNDECIDED, "no proof: the reference")


@pytest.mark.parametrize(
    "item", ["genvar g ", "parameter p = 1 ", "enum ", "always @(posedge a) y = a; ", "function f; "]
)
def test_reading_a_text_for_proofs_looks_at_each_token_once(item: str) -> None:
    text = f"module TopModule(input a, output reg y); {item * 12_000} endmodule"
    with contextlib.suppress(NoProof):
        synthesizable(preprocess(Sources({"top.sv": text})), "TopModule")


# Counterexamples -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", FOUND, ids=lambda design: design.id)
def test_a_difference_that_simulation_misses_is_found_and_shown(judge: Judge, design: Unprovable) -> None:
    verdict = judge(check(design.text, design.golden, 20.0, cycles=4))
    assert (outcome(verdict), parts(verdict)) == ("FAILED", REFUTED), why(verdict)
    assert verdict.score < 1
    mismatch = next(case.mismatch for case in verdict.cases if case.mismatch.port)
    assert mismatch.expected != mismatch.got
    assert mismatch.window


def test_a_counterexample_names_the_input_that_shows_it(judge: Judge) -> None:
    wrong = next(design for design in FOUND if design.id == "one_value")
    verdict = judge(check(wrong.text, wrong.golden))
    assert verdict.cases[0].mismatch.window[-1].values["a"] == "32'hdeadbeef"


def test_a_design_that_fails_in_simulation_is_not_looked_at_again(judge: Judge) -> None:
    verdict = judge(check(XOR.replace("^", "|"), XOR))
    assert (outcome(verdict), parts(verdict)) == ("FAILED", {"simulation": "FAIL", "formal": "NOT_RUN"})


# Neither ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", UNKNOWN, ids=lambda design: design.id)
def test_what_synthesis_may_see_otherwise_has_no_proof(judge: Judge, design: Unprovable) -> None:
    verdict = judge(check(design.text, design.golden, 0.5, cycles=FEW_CYCLES))
    assert (outcome(verdict), parts(verdict)) == ("PASSED", UNDECIDED), explain(verdict)
    assert why(verdict)


@pytest.mark.parametrize("name", OTHER_EVENTS)
def test_what_stores_at_another_moment_has_no_proof(judge: Judge, name: str) -> None:
    """Whatever simulation finds: with a single cycle next to nothing."""
    golden, body = OTHER_EVENTS[name]
    for cycles in (1, 2, 50):
        verdict = judge(check(module(STORED, body), golden, 1.0, cycles=cycles))
        assert parts(verdict)["formal"] in ("FAIL", "UNKNOWN", "NOT_RUN"), cycles


def test_what_does_not_show_in_simulation_is_no_failure(judge: Judge) -> None:
    """After three edges of reset the model's memory is unknown; what the golden shows of it then is not compared."""
    header = "input clk, input reset, input en, input d, output q"
    golden = module(
        header, "reg s; always @(posedge clk) if (en) s <= d; assign q = (s === 1'bx) ? 1'b0 : s;"
    )
    text = module(header, "reg s = 0; always @(posedge clk) if (en) s <= d; assign q = s;")
    verdict = judge(check(text, golden))
    assert outcome(verdict) == "PASSED"
    assert parts(verdict)["formal"] != "FAIL"


def test_time_that_is_over_is_no_failure(judge: Judge) -> None:
    verdict = judge(check(module(WIDE, "assign y = b * a;"), module(WIDE, "assign y = a * b;"), 0.5))
    assert (outcome(verdict), parts(verdict)) == ("PASSED", UNDECIDED)
    assert "not decided within the time" in why(verdict)


def test_memory_that_is_full_is_no_failure(judge: Judge) -> None:
    header = "input [63:0] a, input [63:0] b, output [63:0] y"
    text = module(header, "assign y = (a * b) * (a + b) * (a - b);")
    verdict = judge(check(text, text, 20.0), memory_bytes=64 << 20)
    assert (outcome(verdict), parts(verdict)) == ("PASSED", UNDECIDED)
    assert "within the memory" in why(verdict)


def test_what_yosys_cannot_read_is_told_in_the_lines_of_the_candidate_alone(judge: Judge) -> None:
    text = module(
        WIDE,
        "typedef struct packed { logic z; } p; typedef enum logic {A, B} e; e s, t; assign t = s.first(); "
        "assign y = a ^ b;",
    )
    verdict = judge(check(text, XOR))
    assert parts(verdict) == UNDECIDED
    assert "Yosys cannot read it: " in why(verdict)
    golden = judge(check(XOR, text))
    assert why(golden) == "no proof: the reference: Yosys cannot read it"


# What is read of a netlist ---------------------------------------------------------------------------------------

_DESIGN = describe(Sources({"golden.sv": COUNT}), "TopModule")


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b'{"modules": {"m": {}}}', b"[" * 100_000, b'{"modules": 1}', b"\xff"]
)
def test_a_netlist_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(NoProof):
        read_netlist(text, b"", "m", _DESIGN.inputs, _DESIGN.outputs)


_AND = describe(Sources({"g.sv": "module m(input a, input b, output y); assign y = a & b; endmodule"}), "m")


def netlist(
    output: list[object], *cells: tuple[str, dict[str, list[object]]], **inputs: list[object]
) -> bytes:
    """A module as Yosys writes it. Its inputs are 2 and 3 if nothing else is said."""
    ports = {
        name: {"direction": "input", "bits": bits} for name, bits in ({"i0": [2], "i1": [3]} | inputs).items()
    }
    ports["o0"] = {"direction": "output", "bits": output}
    made = {
        f"named {number}": {"type": kind, "parameters": {}, "connections": pins}
        for number, (kind, pins) in enumerate(cells)
    }
    return json.dumps({"modules": {"m": {"ports": ports, "cells": made, "netnames": {}}}}).encode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (netlist([4], ("$assume", {"A": [2], "EN": [3]})), "is not modelled"),
        (netlist([4], ("$anyseq", {"Y": [4]})), "is not modelled"),
        (netlist([4], ("leaf", {"A": [2], "Y": [4]})), "is not modelled"),
        (netlist([4], ("$not", {"A": [4], "Y": [4]})), "depends on itself"),
        (netlist([2], ("$not", {"A": [3], "Y": [2]})), "two drivers"),
        (netlist([4], ("$not", {"A": [2], "Y": [4]}), ("$not", {"A": [3], "Y": [4]})), "two drivers"),
        (netlist([4], ("$not", {"A": ["z"], "Y": [4]})), "not driven"),
        (netlist([4], ("$not", {"A": [2], "Y": ["0"]})), "two drivers"),
        (netlist([2], i1=[2]), "two drivers"),
        (netlist([2], i1=["0"]), "driven by the design"),
        (netlist([2, 3]), "other ports"),
        (netlist([2], i2=[7]), "other ports"),
    ],
)
def test_a_netlist_with_anything_odd_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(NoProof, match=reason):
        read_netlist(text, b"", "m", _AND.inputs, _AND.outputs)


def test_a_signal_that_is_connected_twice_is_refused() -> None:
    for connections in (
        b"module \\m\n  wire \\w\n  connect \\w 1'0\n  connect \\w 1'1\nend\n",
        b"module \\m\n  wire width 4 \\w\n  connect \\w [2:1] 2'00\n  connect { \\w [3:2] } 2'11\nend\n",
        b"module \\m\n  connect \\unknown 1'1\nend\n",
    ):
        with pytest.raises(NoProof):
            read_netlist(netlist([2]), connections, "m", _AND.inputs, _AND.outputs)


def test_a_question_holds_no_name_of_a_design() -> None:
    text = netlist([4], ("$and", {"A": [2], "B": [3], "Y": [4]}))
    read = read_netlist(text, b"", "m", _AND.inputs, _AND.outputs)
    assert b"named" in text
    assert "named" not in ask(_AND, read, read).text
