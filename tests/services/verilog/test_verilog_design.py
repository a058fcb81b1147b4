"""What is told of a design from its text: ports, clocks, resets."""

from __future__ import annotations

import pytest
from verilog_tables import GOLDEN, Problem, problems

from basanite_services.verilog.design import (
    Clock,
    Design,
    DesignError,
    Port,
    Reset,
    describe,
)
from basanite_services.verilog.ports import declared_ports
from basanite_services.verilog.preprocess import Sources

of_the_sample = pytest.mark.parametrize("problem", problems(), ids=lambda problem: problem.id)


def told(text: str, **parameters: str) -> Design:
    return describe(Sources({"golden.v": text}), "m", parameters)


def clocked(body: str, inputs: str = "clk, rst, rst_n, d") -> tuple[tuple[Clock, ...], tuple[Reset, ...]]:
    design = told(f"module m(input {inputs}, output reg q);\n{body}\nendmodule")
    return design.clocks, design.resets


# Ports --------------------------------------------------------------------------------------------------------


def test_ports_with_an_ansi_header() -> None:
    text = """
    module m #(parameter W = 4, parameter [7:0] N = W * 2) (
      input clk, input wire [W-1:0] a, b, input signed [N:0] s, output reg [$clog2(W)-1:0] q, output logic y);
    endmodule"""
    assert told(text).ports == (
        Port("clk", "input", 1, False),
        Port("a", "input", 4, False),
        Port("b", "input", 4, False),
        Port("s", "input", 9, True),
        Port("q", "output", 2, False),
        Port("y", "output", 1, False),
    )
    assert [port.width for port in told(text, W="8").ports] == [1, 8, 8, 17, 3, 1]
    assert [port.width for port in told(text, W="8", N="8'h3").ports] == [1, 8, 8, 4, 3, 1]


def test_ports_with_an_old_header() -> None:
    text = """
    module m(a, q, s); parameter W = 3; output [W-1:0] q; input [0:W] a; output signed [1:0] s; reg [W-1:0] q;
    endmodule"""
    assert told(text).ports == (
        Port("a", "input", 4, False),
        Port("q", "output", 3, False),
        Port("s", "output", 2, True),
    )
    assert told(text, W="5").ports[1].width == 5


def test_ports_of_named_types() -> None:
    text = """
    package p; typedef struct packed { logic [3:0] a; logic b; } pair; localparam N = 3; endpackage
    typedef enum logic [1:0] {A, B} two;
    module m import p::*; (input pair x, input two y, input logic [N-1:0][1:0] z, output p::pair q, output int i);
    endmodule"""
    assert [port.width for port in told(text).ports] == [5, 2, 6, 5, 32]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("module other(input a); endmodule", "there is no module m"),
        ("", "there is no module m"),
        ("module m; endmodule", "module m has no ports"),
        ("module m(inout a, input b); endmodule", "module m: inout ports are not supported: a"),
        ("module m(input a [3:0]); endmodule", "port a: its type logic$[3:0] is not supported"),
        ("module m(input real a); endmodule", "port a: its type real is not supported"),
        ("interface i; endinterface module m(i a); endmodule", "port a: interfaces and joined ports are not"),
        ("module m({a, b}); input a, b; endmodule", "port (unnamed): interfaces and joined ports are not"),
        ("module m(input [100000:0] a); endmodule", "port a has more than 65536 bits"),
        ("module m(input a;\nendmodule", "golden.v:1: "),
        ("module m(input a); assign = 1; endmodule", "golden.v:1: "),
        ("module m(input a);\n`nope\nendmodule", "golden.v:2: the macro `nope is not defined"),
        ("module m(input a); initial " + "(" * 1000, "golden.v:1: nested more than 200 deep"),
        (
            "module m(input a); wire w = " + "a + " * 20_000 + "a; endmodule",
            "golden.v:1: a statement of more than 10000 tokens",
        ),
        (
            "module m(input a); wire w = " + "a ? a : " * 2000 + "a; endmodule",
            "an expression or statement is nested",
        ),
        (
            "module m(input a); generate " + "if (0) wire x; else " * 6000 + ";endgenerate endmodule",
            "golden.v:1: more than 5000 times `else`",
        ),
    ],
)
def test_what_cannot_be_judged_by_is_named(text: str, message: str) -> None:
    with pytest.raises(DesignError) as caught:
        told(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("X", "1", "module m has no parameter X"),
        ("W", "1; $finish", "parameter W: '1; $finish' is no number or string"),
        ("a b", "1", "parameter 'a b' is no name"),
    ],
)
def test_parameters_are_checked(name: str, value: str, message: str) -> None:
    with pytest.raises(DesignError) as caught:
        describe(Sources({"g.v": "module m #(parameter W = 1) (input a); endmodule"}), "m", {name: value})
    assert str(caught.value).startswith(message)


# Clocks and resets --------------------------------------------------------------------------------------------

CLK = Clock("clk", True, False)
GATED = Clock("clk", True, False, gated=True)


@pytest.mark.parametrize(
    ("body", "clocks", "resets"),
    [
        ("always @* q = d;", (), ()),
        ("always @(posedge clk) q <= d;", (CLK,), (Reset("rst", False, False), Reset("rst_n", True, False))),
        ("always @(negedge clk) q <= d;", (Clock("clk", False, True),), ...),
        ("always_ff @(posedge clk) q <= d; always @(negedge clk) q <= d;", (Clock("clk", True, True),), ...),
        ("always @(posedge clk or negedge clk) q <= d;", (Clock("clk", True, True),), ...),
        ("always @(edge clk) q <= d;", (Clock("clk", True, True),), ...),
        (
            "always @(posedge clk or negedge rst_n) if (!rst_n) q <= 0; else q <= d;",
            (CLK,),
            (Reset("rst", False, False), Reset("rst_n", True, True)),
        ),
        (
            "always @(posedge rst, posedge clk) begin if (rst == 1'b1) q <= 0; else q <= d; end",
            (CLK,),
            (Reset("rst", False, True), Reset("rst_n", True, False)),
        ),
        (
            "always @(posedge clk, negedge rst_n, posedge rst)"
            " if (rst_n == 0) q <= 0; else if (rst) q <= 1; else q <= d;",
            (CLK,),
            (Reset("rst", False, True), Reset("rst_n", True, True)),
        ),
        (
            "always @(posedge clk) if (~rst) q <= 0; else q <= d;",
            (CLK,),
            (Reset("rst", True, False), Reset("rst_n", True, False)),
        ),
        (
            "always @(posedge clk) q <= rst_n !== 1 ? 0 : d;",
            (CLK,),
            (Reset("rst", False, False), Reset("rst_n", True, False)),
        ),
        (
            "always @(posedge clk) begin q <= d; if (d || rst) q <= 0; end",
            (CLK,),
            (Reset("rst", False, False), ...),
        ),
        ("always begin @(posedge clk); q <= d; end", (CLK,), ...),
        ("always @(posedge clk or posedge d) if (d) q <= 0;", (CLK,), (..., ..., Reset("d", False, True))),
        ("wire n = ~clk; always @(posedge n) q <= d;", (Clock("clk", False, True),), ...),
        ("wire g; assign g = clk & d; always @(posedge g) q <= d;", (GATED,), ...),
        ("wire g = ~(clk & d), h = !g; always @(posedge h) q <= d;", (GATED,), ...),
        ("reg r; always @(posedge clk) r <= d; always @(posedge r) q <= d;", (CLK,), ...),
        ("initial @(posedge d) q = 0;", (), ()),
        (
            "wire r = !rst; always @(posedge clk, negedge r) if (!r) q <= 0; else q <= d;",
            (CLK,),
            (Reset("rst", False, True), ...),
        ),
    ],
)
def test_clocks_and_resets(body: str, clocks: tuple[Clock, ...], resets: object) -> None:
    found_clocks, found_resets = clocked(body)
    assert found_clocks == clocks
    if isinstance(resets, tuple):
        assert len(found_resets) == len(resets)
        assert all(want is ... or want == got for want, got in zip(resets, found_resets, strict=True))


def test_clocks_are_found_through_instances() -> None:
    text = """
    module ff(input c, input r, input d, output reg q);
      always @(negedge c or posedge r) if (r) q <= 0; else q <= d;
    endmodule
    module pair(input [0:0] ck, input clear, input d, output q);
      wire n; ff one(.c(ck), .r(clear), .d(d), .q(n)); ff two(ck, clear, n, q);
    endmodule
    module m(input fast, input slow, input nclr, input d, output q, output p);
      generate if (1) begin : g pair a(.ck(fast), .clear(~nclr), .d(d), .q(q)); end endgenerate
      pair b(slow, ~nclr, d, p);
    endmodule"""
    design = told(text)
    assert design.clocks == (Clock("fast", False, True), Clock("slow", False, True))
    assert design.resets == (Reset("nclr", True, True),)


@pytest.mark.parametrize(
    ("name", "low"),
    [
        ("rst", False),
        ("reset", False),
        ("areset", False),
        ("i_rst", False),
        ("sys_reset", False),
        ("clear", False),
        ("rst_n", True),
        ("resetn", True),
        ("aresetn", True),
        ("rstn", True),
        ("reset_n_i", True),
        ("RESET_N", True),
        ("rst_ni", True),
        ("nreset", True),
        ("n_reset", True),
    ],
)
def test_resets_are_known_by_their_names(name: str, low: bool) -> None:
    assert clocked("always @(posedge clk) q <= d;", f"clk, {name}, d")[1] == (Reset(name, low, False),)


@pytest.mark.parametrize("name", ["first", "preset_value", "burst", "interest", "result", "clearance", "d"])
def test_other_inputs_are_no_resets(name: str) -> None:
    assert clocked("always @(posedge clk) q <= 1;", f"clk, {name}")[1] == ()


@of_the_sample
def test_references_are_described(problem: Problem) -> None:
    design = describe(Sources({"ref.v": problem.reference}), GOLDEN)
    ports = {port.name: port.direction for port in design.ports}
    assert declared_ports(Sources({"ref.v": problem.reference}), GOLDEN) == ports
    names = {port.name for port in design.ports}
    assert {clock.name for clock in design.clocks} == names & {"clk"}
    assert {reset.name for reset in design.resets} == names & {"reset", "areset", "aresetn"}
    for reset in design.resets:
        assert reset.asynchronous is reset.name.startswith("a")
        assert reset.active_low is reset.name.endswith("n")
