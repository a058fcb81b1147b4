"""What the testbench form is made of, without a simulator: rules, and what a testbench's text says."""

from __future__ import annotations

import pytest
import re2

from basanite_services.verilog.design_lines import with_names, without_names
from basanite_services.verilog.messages import Message
from basanite_services.verilog.rules import Output, finish, lines_of, mismatches, nonce, pattern
from basanite_services.verilog.testbench_text import (
    BadTestbench,
    Instance,
    doubtful_places,
    mark_finishes,
    read_testbench,
    stub_of,
)
from basanite_services.verilog.tokens import Place

RIGHT = "Mismatches: 0 in 20 samples"
PASSED = pattern(re2.compile("=+ ?Passed ?=+"), re2.compile(".*fail.*"))


def said(*lines: str, status: int = 0) -> Output:
    return Output("\n".join((*lines, "")).encode(), status)


# Rules -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        (RIGHT,),
        ("VCD info: dumping is suppressed.", "Hint: Output 'q' has no mismatches.", "", RIGHT, "", "  "),
        (RIGHT, "tb.sv:12: $finish called at 105 (1ps)"),
        ("Mismatches:          0 in         20 samples",),
        ("WARNING: @design0:3: $readmemh(rom.hex): Not enough words", RIGHT, "ERROR: @design1:9: bad"),
    ],
)
def test_no_mismatches_pass(lines: tuple[str, ...]) -> None:
    assert mismatches(said(*lines)).passed


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((), "did not come"),
        (("Mismatches: none",), "did not come"),
        ((RIGHT, RIGHT), "more than one"),
        ((f"{RIGHT} {RIGHT}",), "more than one"),
        (("Mismatches: 3 in 20 samples", RIGHT), "more than one"),
        ((RIGHT, "bye"), "not the last"),
        ((f"is {RIGHT}",), "not the last"),
        ((f"{RIGHT}!",), "not the last"),
        (("Mismatches: 0 in 0 samples",), "no samples"),
        (("Mismatches: 0 in 000 samples",), "no samples"),
        (("Mismatches: 10 in 20 samples",), "10 of 20 samples differ"),
        (("TIMEOUT", RIGHT), "time-out"),
        (("WARNING: @design0:3: " + RIGHT,), "did not come"),
    ],
)
def test_anything_else_does_not(lines: tuple[str, ...], why: str) -> None:
    judged = mismatches(said(*lines))
    assert not judged.passed
    assert why in judged.why


def test_a_verdict_and_fatal_do_not_pass() -> None:
    assert not mismatches(said(RIGHT, status=1)).passed
    assert not PASSED(said("=Passed=", status=1)).passed


@pytest.mark.parametrize(
    ("lines", "passes"),
    [
        (("==== Passed ====",), True),
        (("some", "==Passed==", "a.v:3: $stop called at 0 (1s)"), True),
        (("==Passed==", "more"), False),
        (("==Passed==", "==Passed=="), False),
        (("1 fails", "==Passed=="), False),
        (("so: ==Passed==",), False),
        (("=" * 5000 + "Passed=",), False),
        ((), False),
    ],
)
def test_a_pattern_matches_the_last_line_alone(lines: tuple[str, ...], passes: bool) -> None:
    assert PASSED(said(*lines)).passed is passes


def test_a_design_that_makes_the_simulator_speak_does_not_break_a_line_of_the_testbench() -> None:
    assert lines_of(b"==WARNING: @design3:14: odd\nPassed==\n") == ["==Passed=="]


@pytest.mark.parametrize(
    ("lines", "status", "passes"),
    [
        (("m",), 0, True),
        (("halfERROR: tb.sv:3: oh", "       Time: 10 Scope: tb", "m"), 0, False),
        (("FATAL: tb.sv:3: ", "m"), 0, False),
        (("ERROR: @design0:3: $readmemh: oh", "m"), 0, True),
        (("m",), 1, False),
        (("mm",), 0, False),
        ((), 0, False),
    ],
)
def test_finish_is_a_mark_and_no_error(lines: tuple[str, ...], status: int, passes: bool) -> None:
    assert finish("m", ["tb.sv"])(said(*lines, status=status)).passed is passes


@pytest.mark.parametrize(
    ("lines", "passes"),
    [
        (("hello", "w PASS"), True),
        (("w FAIL",), False),
        (("w PASS", "w FAIL"), False),
        (("w PASS", "bye"), False),
        (("w PASSED",), False),
        (("PASS",), False),
    ],
)
def test_a_nonce_comes_once_and_last(lines: tuple[str, ...], passes: bool) -> None:
    assert nonce("w")(said(*lines)).passed is passes


# The testbench's text ----------------------------------------------------------------------------------------

EXPANDED = """`line 1 "tb.sv" 1
`timescale 1 ns / 100 ps
`line 10 "tb.sv" 2
module helper(input x); endmodule
module tb;
  helper h(w);
  // TopModule comment(a);
  TopModule #(.W(3), .D(f(2, 3))) dut(
    .a(a[1:0]), .b({c, d}), .*
  ), other(.a());
  initial begin $display("TopModule no(x);"); end
endmodule
`line 1 "more.sv" 1
"""


def test_what_a_testbench_instantiates_is_read_with_its_lines() -> None:
    text = read_testbench(EXPANDED)
    assert (text.root(""), text.root("helper"), text.timescale) == (
        "tb",
        "helper",
        "`timescale 1 ns / 100 ps",
    )
    first, second = text.instances("TopModule")
    assert (first.name, first.parameters, first.values) == ("dut", ("W", "D"), 0)
    assert (first.ports, first.connected) == (("a", "b", "*"), 0)
    assert (second.name, second.ports) == ("other", ("a",))
    assert doubtful_places([first]) == {("tb.sv", line) for line in (14, 15, 16)}
    assert stub_of("TopModule", [first, second]) == (
        "module TopModule #(parameter \\W  = 0, parameter \\D  = 0)(input \\a , input \\b );\nendmodule\n"
    )


def test_ports_by_position_are_counted() -> None:
    (one,) = read_testbench("module tb; TopModule #(1, 2) dut(a, {b, c}, f(d, e)); endmodule").instances(
        "TopModule"
    )
    assert (one.values, one.connected, one.ports) == (2, 3, ())
    assert "input p0, input p1, input p2" in (stub_of("TopModule", [one]) or "")


def test_no_stub_has_ports_by_name_and_by_position() -> None:
    place = Place("", 1, 0)
    named = Instance("x", (), 0, ("a",), 0, place, place)
    counted = Instance("y", (), 0, (), 2, place, place)
    assert stub_of("T", [named, counted]) is None
    assert stub_of("T", []) is None


@pytest.mark.parametrize(
    ("text", "name", "why"),
    [
        ("module a; endmodule module b; endmodule", "", "the modules a, b are instantiated by no other"),
        (
            "module a; b x(); endmodule module b; a y(); endmodule",
            "",
            "no module is instantiated by no other",
        ),
        ("package p; endpackage", "", "it has no module"),
        ("module a; endmodule", "b", "it has no module b"),
    ],
)
def test_a_root_that_is_not_clear_is_asked_for(text: str, name: str, why: str) -> None:
    with pytest.raises(BadTestbench, match=why):
        read_testbench(text).root(name)


def test_every_finish_is_marked_and_no_line_moves() -> None:
    text = 'initial if (x) $finish; else $finish (\n 1 ) ; // $finish;\ninitial $display("$finish;"); $finished;\n'
    marked = mark_finishes(text, "M")
    write = 'begin $write("\\nM\\n"); '
    assert marked == text.replace("$finish; else", f"{write}$finish; end else").replace(
        "$finish (\n 1 ) ;", f"{write}$finish (\n 1 ) ; end"
    )


# The design's lines ------------------------------------------------------------------------------------------


def test_files_of_a_design_have_no_name_of_their_choice() -> None:
    text = '\n`line 3 "rtl/Passed.v" 0\nstring s = "`line 9 \\"a\\" 0";\n`line 1 "b.v" 0\n`line 7 "rtl/Passed.v" 0\n'
    new, names = without_names(text)
    assert names == {"@design0": "rtl/Passed.v", "@design1": "b.v"}
    assert new == text.replace("rtl/Passed.v", "@design0").replace("b.v", "@design1")
    messages = [Message("@design1", 4, "error", "oh"), Message("tb.sv", 4, "error", "secret")]
    assert with_names(messages, names) == [Message("b.v", 4, "error", "oh")]
