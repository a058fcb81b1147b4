"""Wrong designs made from right ones: what is changed, what is left alone, and designs that do nothing."""

from __future__ import annotations

import difflib
import re

import pytest

from basanite.verilog import OPERATORS, Mutant, mutants, stubs

COUNTER = """\
// a + b in a comment, and `define X 1
`timescale 1ns / 1ps
`define STEP 4'd1
module Counter #(parameter WIDTH = 4) (
  input clk, input rst, input [3:0] a, input [3:0] b, /* two
  lines */ output reg [3:0] q = 4'd3, output wire same
);
  localparam LAST = 9;
  wire [WIDTH-1:0] sum = a + b;
  assign same = a <= b && !(a == 4'hf);
  integer i;
  always @(posedge clk or posedge rst) begin : counting
    if (rst)
      q <= 0;
    else begin
      for (i = 0; i < 4; i = i + 1)
        q[i] <= i > 1 ? sum[2] ^ a[i] : q[i] >> 1;
      case (a[1:0])
        2'd1, 2'd2: q <= #1 q <= 4'd5;
        default: {q[0], q[1]} <= ~b[1:0];
      endcase
    end
  end
endmodule
"""


def found(operator: str, text: str = COUNTER) -> list[tuple[int, str, str]]:
    return [(one.line, one.before, one.after) for one in mutants(text) if one.operator == operator]


def test_every_operator_changes_what_it_says() -> None:
    changed = {operator: found(operator) for operator in OPERATORS}
    assert changed["and_or"] == [(10, "&&", "||")]
    assert changed["xor"] == [(17, "^", "|")]
    assert changed["arithmetic"] == [(9, "+", "-")]
    assert changed["shift"] == [(17, ">>", "<<")]
    assert changed["equality"] == [(10, "==", "!=")]
    assert changed["comparison"] == [(10, "<=", ">"), (17, ">", "<"), (19, "<=", ">")]
    assert changed["edge"] == [(12, "posedge", "negedge")] * 2
    assert changed["dropped_not"] == [(10, "!", ""), (20, "~", "")]
    assert (8, "9", "10") in changed["number"]
    assert (10, "4'hf", "4'h0") in changed["number"]
    assert (19, "2'd1", "2'd0") in changed["number"]
    assert changed["index"] == [(17, "2", "3"), (20, "0", "1"), (20, "1", "0")]
    assert (10, "a", "b") in changed["operand"]
    assert (13, "rst", "clk") in changed["operand"]
    assert changed["condition"] == [(13, "rst", "!(rst)")]
    assert (9, "a + b", "~(a + b)") in changed["inverted"]
    assert (19, "q <= 4'd5", "~(q <= 4'd5)") in changed["inverted"]
    assert (14, "q <= 0;", "begin end") in changed["lost_statement"]
    assert (10, "assign same = a <= b && !(a == 4'hf);", "") in changed["lost_statement"]
    assert (20, "{q[0], q[1]} <= ~b[1:0];", "begin end") in changed["lost_statement"]
    assert changed["branches"] == [(17, "sum[2] ^ a[i] : q[i] >> 1", "q[i] >> 1 : sum[2] ^ a[i]")]


def test_a_mutant_differs_in_one_place_on_the_line_it_says() -> None:
    texts = [one.text for one in mutants(COUNTER)]
    assert len(set(texts)) == len(texts)
    for mutant in mutants(COUNTER):
        edits = [
            edit
            for edit in difflib.SequenceMatcher(
                None, COUNTER.splitlines(), mutant.text.splitlines()
            ).get_opcodes()
            if edit[0] != "equal"
        ]
        assert [(edit[1] + 1, edit[2]) for edit in edits] == [(mutant.line, mutant.line)], mutant


def test_ports_in_the_body_stay() -> None:
    text = "module m(a, b, y); input [1:0] a; input [1:0] b; output y; assign y = a == b; endmodule"
    assert {mutant.before for mutant in mutants(text)} == {"==", "a", "b", "a == b", "assign y = a == b;"}


def test_an_open_quote_in_a_line_that_is_left_out_hides_no_module() -> None:
    text = "`ifdef NEVER\nit's \"\n`endif\nmodule m(input a, output y); assign y = ~a; endmodule"
    assert len(list(mutants(text))) == 3
    assert len(list(stubs(text, "m"))) == 5


def test_headers_comments_directives_and_ranges_stay() -> None:
    before, _, _ = COUNTER.partition("localparam")
    for mutant in mutants(COUNTER):
        assert mutant.text.startswith(before)
        assert "[WIDTH-1:0]" in mutant.text
        assert re.search(
            r"i = [01]; i < [345]; i = i \+ [12]\)", mutant.text
        )  # a loop the wrong way round takes until the time limit


@pytest.mark.parametrize(
    "text", ["", "garbage {{ ((", "module", "module m", "module m(", 'module m; "', "endmodule"]
)
def test_what_is_no_design_has_none(text: str) -> None:
    assert list(mutants(text)) == []
    assert list(stubs(text, "m")) == []


def test_a_long_change_is_shown_cut() -> None:
    [inverted] = [
        one
        for one in mutants(f"module m(input a, output y); assign y = {'a & ' * 40} a; endmodule")
        if one.operator == "inverted"
    ]
    assert isinstance(inverted, Mutant)
    assert len(inverted.before) == 60
    assert inverted.before.endswith("...")


STUBBED = """\
`timescale 1ns/1ps
package p; localparam N = 2; endpackage
module Other(input a, output y); assign y = a; endmodule
module Top #(parameter W = 4, parameter V = {W{1'b1}}) (clk, a, q, r);
  input clk;
  input [W-1:0] a;
  output reg [W-1:0] q = {2'b0, 2'b1};
  output r;
  reg r;
  typedef struct packed { logic [1:0] a; logic b; } pair;
  localparam LAST = 9;
  function f; input x; f = x; endfunction
  always @(posedge clk) q <= a;
endmodule
"""


def test_a_stub_has_the_ports_and_nothing_else() -> None:
    made = {stub.name: stub.text for stub in stubs(STUBBED, "Top")}
    assert list(made) == ["zeros", "ones", "unknown", "undriven", "passthrough clk", "passthrough a"]
    before, _, _ = STUBBED.partition("(clk, a, q, r);")
    for text in made.values():
        assert text.startswith(before)
        assert "always" not in text
    assert made["zeros"].endswith(
        "output [W-1:0] q;\n  output r;\n  assign q = 0;\n  assign r = 0;\nendmodule\n"
    )
    assert made["undriven"].endswith("output r;\nendmodule\n")
    assert "assign q = a;" in made["passthrough a"]


def test_a_header_with_variables_and_initial_values_becomes_one_of_nets() -> None:
    header = "module m(input logic a, output logic [1:0] b = {1'b0, 1'b1}, c, output reg signed [2:0] d = 3)"
    zeros = next(iter(stubs(f"{header}; endmodule", "m"))).text
    assert zeros.startswith("module m(input logic a, output [1:0] b, c, output signed [2:0] d);")
    assert zeros.count("= 0;") == 3


def test_a_module_without_outputs_has_no_stub() -> None:
    assert list(stubs("module m(input a); endmodule", "m")) == []
    assert list(stubs(STUBBED, "Absent")) == []
