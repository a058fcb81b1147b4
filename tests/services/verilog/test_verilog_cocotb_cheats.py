"""Form `cocotb`: designs that cheat score nothing, and what the guard does not see is found out all the same."""

from __future__ import annotations

import hmac
import json
import tomllib
from pathlib import Path

import pytest
from verilog_judge import SHORT, Judge, cocotb, explain, outcome, outcomes

from basanite_sandboxes.cocotb import find_cocotb
from basanite_sandboxes.icarus import find_icarus
from basanite_sandboxes.spec import Limits
from basanite_services.verilog.cocotb_answers import read_answers
from basanite_services.verilog.tested import Bench, Checked, try_design

with (Path(__file__).parent / "cheats.toml").open("rb") as file:
    CHEATS = {cheat["id"]: cheat for cheat in tomllib.load(file)["cheats"] if cheat["task"] == "logic"}

AND = "module top(input a, input b, output y); assign y = a & b; endmodule"
TESTS = """
import random
import cocotb
from cocotb.triggers import Timer


@cocotb.test()
async def is_and(dut):
    for a, b in [(0, 0), (0, 1), (1, 0), (1, 1)]:
        dut.a.value, dut.b.value = a, b
        await Timer(1, "ns")
        assert dut.y.value == a & b


@cocotb.test()
async def is_what_its_inputs_say(dut):
    for _ in range(20):
        dut.a.value, dut.b.value = random.randint(0, 1), random.randint(0, 1)
        await Timer(1, "ns")
        assert dut.y.value == (dut.a.value & dut.b.value)
"""
NAMES = ("is_and", "is_what_its_inputs_say")
WRONG = "assign y = 1'b0;"

PORTS = "module top(input a, input b, output y); "
BACK = (
    "reg t = 0, u = 0; always @(a) if (a) begin t = 1; #0 t = 0; end\n"
    "always @(b) if (b) begin u = 1; #0 u = 0; end assign y = 0; "
)
"""Drivers that undo what others write to a and b."""
OWN = {
    "finishes": PORTS + "initial $finish; endmodule",
    "finishes_late": PORTS + WRONG + " initial #3 $finish(0); endmodule",
    "stops": PORTS + WRONG + " initial $stop; endmodule",
    "is_fatal": PORTS + WRONG + " initial $fatal(0); endmodule",
    "writes_results_xml": PORTS + "integer f; initial begin #50 f = "
    '$fopen("results.xml"); $fwrite(f, "<testsuites/>"); end endmodule',
    "prints_results": PORTS + WRONG + ' initial $display("** TESTS=2 PASS=2 FAIL=0 SKIP=0 **"); endmodule',
    "prints_answers": PORTS + WRONG + " initial "
    '$display("{\\"test\\": \\"test_it.is_and\\", \\"outcome\\": \\"passed\\"}"); endmodule',
    "drives_its_inputs": PORTS + "assign a = 0; assign b = 0; assign y = 0; endmodule",
    "drives_its_inputs_below": "module zero(output o); assign o = 0; endmodule\n"
    + PORTS
    + "zero x(a), z(b); assign y = 0; endmodule",
    "drives_an_input_by_a_gate": PORTS + "buf (a, y), (b, y); assign y = 0; endmodule",
    "has_no_inputs": "module top(output y); wire a = 0, b = 0; assign y = 0; endmodule",
    "has_variables_for_inputs": "module top(output reg y); reg a, b;\n"
    "always @* begin a = 0; b = 0; y = 0; end endmodule",
    "has_outputs_for_inputs": "module top(output a, output b, output y);\n"
    "assign a = 0; assign b = 0; assign y = 0; endmodule",
    "has_nameless_ports": "module top({a}, {b}, y); input a, b;\n"
    "output y; assign a = 0; assign b = 0; assign y = 0; endmodule",
    "has_ports_under_other_names": "module top(.c(a), .d(b), y); input a, b; output y; assign a = 0; assign b = 0; "
    "assign y = 0; endmodule",
    "has_signals_under_the_names_of_ports": "module top(.a(c), .b(d), y); input c, d; output y; wire a, b;\n"
    + BACK
    + "assign a = t, b = u; endmodule",
    "takes_back_what_is_written": PORTS + BACK + "assign a = t, b = u; endmodule",
    "takes_it_back_below": "module s(inout o, input i); assign o = i; endmodule\n"
    + PORTS
    + BACK
    + "s p(a, t), q(b, u); endmodule",
    "takes_it_back_by_gates": PORTS + BACK + "nmos (a, t, 1'b1), (b, u, 1'b1); endmodule",
    "takes_it_back_in_variables": "module top(output y); reg a = 0, b = 0; always @(a) a = 0; always @(b) b = 0;\n"
    "assign y = 0; endmodule",
    "has_two_way_ports": "module top(inout a, inout b, output y); assign a = 0; assign b = 0; assign y = 0; endmodule",
    "joins_ports": PORTS + "tran (a, y); tran (b, y); endmodule",
    "forces_its_inputs": PORTS + "initial begin force a = 0; force b = 0; end assign y = 0; endmodule",
    "is_unknown": PORTS + "assign y = 1'bx; endmodule",
    "is_not_driven": PORTS + "endmodule",
    "is_a_real": "module top(input a, input b, output real y); endmodule",
    "has_arrays_for_inputs": "module top(input a [0:0], input b [0:0], output y); assign y = 0; endmodule",
    "has_functions_for_outputs": "module top(input a, input b); function y; input x; y = 0; endfunction endmodule",
    "is_its_instance": "module y; endmodule module top(input a, input b); y y(); endmodule",
    "calls_into_the_simulator": PORTS + "initial $vpi_call; endmodule",
    "calls_for_a_shell": PORTS + 'initial $system("true"); endmodule',
    "reads_arguments": PORTS + 'initial if ($test$plusargs("x")) ; endmodule',
    "ends_below_zero_time": PORTS + "reg r = 0; always @(r) r <= ~r; initial r = 1; endmodule",
    "binds": "module z; endmodule bind top z z1(); module top(input a, input b, output y); endmodule",
    "names_the_module_of_the_tests": "module test_it; endmodule module top(input a, input b, output y); endmodule",
}


@pytest.mark.parametrize("name", OWN)
def test_a_cheat_passes_no_more_than_it_deserves(judge: Judge, name: str) -> None:
    verdict = judge(cocotb(OWN[name], TESTS, NAMES), **SHORT)
    assert set(outcomes(verdict)).isdisjoint({"PASSED"}), explain(verdict)
    assert verdict.score == 0
    assert outcome(verdict) != "PASSED"


def test_the_right_design_passes_the_same_tests(judge: Judge) -> None:
    assert outcome(judge(cocotb(AND, TESTS, NAMES))) == "PASSED"


LOGIC = """
import cocotb
from cocotb.triggers import Timer


@cocotb.test()
async def computes(dut):
    for a in range(16):
        for b in range(16):
            dut.a.value, dut.b.value = a, b
            await Timer(10, "ns")
            assert dut.y.value == (a & b) ^ 5
"""


@pytest.mark.parametrize("name", CHEATS)
def test_known_cheats_do_not_pass(judge: Judge, name: str) -> None:
    verdict = judge(cocotb(CHEATS[name]["text"], LOGIC, ["computes"], top="TopModule"), **SHORT)
    assert verdict.score == 0, explain(verdict)


BEHIND_THE_GUARD = {
    "takes_the_channel": PORTS + "assign y = a & b; integer f; initial begin f = "
    '$fopen("/dev/answers", "w"); $fwrite(f, "forged\\n"); $fflush(f); end endmodule',
    "asks_for_its_descriptors": PORTS + "assign y = a & b; integer f, i; reg [8*20:1] s; "
    'initial for (i = 3; i < 12; i = i + 1) begin $sformat(s, "/proc/self/fd/%0d", i); '
    'f = $fopen(s, "w"); if (f) begin $fwrite(f, "forged\\n"); $fflush(f); end end endmodule',
    "reads_the_job": PORTS + "integer c = $fgetc(32'h8000_0000); "
    "assign y = c == -1 ? a & b : 1'bx; endmodule",
    "reads_the_job_first": PORTS + "function integer early(input integer z); "
    "early = $fgetc(32'h8000_0000); endfunction int c = early(0); assign y = c == -1 ? a & b : 1'bx; endmodule",
}


def run(judge: Judge, text: str, **limits: float) -> Checked:
    """Without the guard."""
    tools = find_cocotb(find_icarus())
    names = tuple(f"test_it.{name}" for name in NAMES)
    bench = Bench("top", ("test_it",), names, {"test_it.py": TESTS}, {}, {}, 1)

    async def go() -> Checked:
        async with judge.pool.sandbox(tools.environment) as sandbox:
            return await try_design(sandbox, tools, text, bench, Limits(**limits))

    return judge.run(go())


def test_who_ends_the_simulation_has_failed_what_did_not_end(judge: Judge) -> None:
    tested = run(judge, PORTS + WRONG + " initial #1 $finish; endmodule")
    assert len(tested.answers.results) == len(NAMES)
    assert all(result.outcome == "failed" for result in tested.answers.results.values())


@pytest.mark.parametrize("name", ["takes_the_channel", "asks_for_its_descriptors"])
def test_who_writes_into_the_answers_is_found_out(judge: Judge, name: str) -> None:
    """Or has written nothing at all."""
    tested = run(judge, BEHIND_THE_GUARD[name])
    assert tested.answers.forged or tested.answers.ended


@pytest.mark.parametrize("name", ["reads_the_job", "reads_the_job_first"])
def test_the_key_is_gone_before_a_design_can_read(judge: Judge, name: str) -> None:
    tested = run(judge, BEHIND_THE_GUARD[name])
    assert [result.outcome for result in tested.answers.results.values()] == ["passed", "passed"], tested


KEY = b"k" * 32


def line(number: int, key: bytes = KEY, **said: object) -> bytes:
    text = json.dumps(said)
    return f"{hmac.digest(key, f'{number} {text}'.encode(), 'sha256').hex()} {text}\n".encode()


PLAN = line(0, tests=["t.a", "t.b"])
A = line(1, test="t.a", outcome="passed", message="", written=["x"])
B = line(2, test="t.b", outcome="passed", message="", written=[])
END = line(3, end=True)


def test_answers_of_a_whole_run() -> None:
    found = read_answers(PLAN + A + B + END, KEY)
    assert (found.ended, found.forged, found.written) == (True, False, {"x"})
    assert [result.outcome for result in found.results.values()] == ["passed", "passed"]


def test_what_was_cut_off_is_no_forgery() -> None:
    whole = PLAN + A + B + END
    for length in range(len(whole)):
        found = read_answers(whole[:length], KEY)
        assert not found.forged
        assert not found.ended
        assert len(found.results) <= whole[:length].count(b"\n")


@pytest.mark.parametrize(
    "answers",
    [
        b"\n" + PLAN + A + B + END,
        PLAN + A + b"forged\n" + B + END,
        PLAN + A + B + END + b"more",
        PLAN + A + B + END + b"\n",
        PLAN + A + A + B + END,
        PLAN + B + A + END,
        PLAN + line(1, b"other", test="t.a", outcome="passed", message="", written=[]),
        PLAN + line(1, test="t.c", outcome="passed", message="", written=[]),
        PLAN + line(1, tests=["t.a"]),
        A + B + END,
        END,
        b"\xff" * 100 + b"\n",
        "é {}\n".encode(),
    ],
)
def test_whatever_else_is_written_is_a_forgery(answers: bytes) -> None:
    found = read_answers(answers, KEY)
    assert found.forged
    assert not found.ended
