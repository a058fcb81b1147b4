"""What a candidate's ports are, read without working out anything."""

from __future__ import annotations

import pytest

from basanite_services.verilog.design import Port
from basanite_services.verilog.ports import declared_ports, port_faults
from basanite_services.verilog.preprocess import Sources

GOLDEN_PORTS = (
    Port("clk", "input", 1, False),
    Port("d", "input", 8, False),
    Port("q", "output", 8, False),
)


@pytest.mark.parametrize(
    ("header", "faults"),
    [
        ("input clk, input [7:0] d, output reg [7:0] q", []),
        ("output signed [7:0] q, input logic [0:7] d, input clk", []),
        ("input clk, input [7:0] d", ["output q is missing"]),
        (
            "input CLK, input [7:0] d, output [7:0] q",
            [
                "input clk is missing (there is CLK: case counts)",
                "input CLK is not among the ports that were asked for",
            ],
        ),
        (
            "input clk, output [7:0] d, inout [7:0] q",
            ["d is an output, and should be an input", "q is an inout, and should be an output"],
        ),
        (
            "input clk, input [7:0] d, output [7:0] q, output z",
            ["output z is not among the ports that were asked for"],
        ),
    ],
)
def test_port_faults(header: str, faults: list[str]) -> None:
    ports = declared_ports(Sources({"top.v": f"module m({header}); endmodule"}), "m")
    assert ports is not None
    assert port_faults(GOLDEN_PORTS, ports) == faults


def test_a_candidates_ports_are_read_without_its_body() -> None:
    text = """
    `define W 8
    typedef logic [3:0] nibble;
    module other(input [99:0] clk); wire input_like; endmodule
    (* keep *) module m #(parameter N = `W) (clk, d, q, e);
      function integer half(input integer x); half = x / 2; endfunction
      localparam H = half(N);
      (* mark *) input clk;
      input [N-1:0] d; output [H-1:0] q; output nibble e;
      task t; input [55:0] d; begin end endtask
      always @(posedge clk) begin : b reg [2:0] input1; end
      generate if (1) begin localparam H = 77; end endgenerate
      nonsense that no parser ( likes ;
    endmodule"""
    ports = declared_ports(Sources({"top.v": text}), "m")
    assert ports == {"clk": "input", "d": "input", "q": "output", "e": "output"}


N = 100_000


@pytest.mark.parametrize(
    ("header", "ports"),
    [
        ("", {}),
        ("()", {}),
        ("#(parameter A = f(1, 2), type T = logic) (input T a, b)", {"a": "input", "b": "input"}),
        ("import p::*; #(parameter A = 1) (output p::t [A:0] a = '{1, 2})", {"a": "output"}),
        (
            '(input a, (* mark = "x", n = 2 *) output reg [3:0] b [0:1], c = 1)',
            {"a": "input", "b": "output", "c": "output"},
        ),
        ("(input \\a+b , inout [1:0][2:0] \\begin )", {"a+b": "input", "begin": "inout"}),
        ("(output struct packed {logic a; logic b;} pair)", {"pair": "output"}),
        ("(a, b)", None),
        ("(a, b); input a, b, c", {"a": "input", "b": "input"}),
        ("(.a(b))", None),
        ("({a, b}, c); input a, b, c", None),
        ("(bus.slave a, input b)", None),
        ("(input b, bus.slave a)", None),
    ],
)
def test_styles_of_headers(header: str, ports: dict[str, str] | None) -> None:
    assert declared_ports(Sources({"top.v": f"module m {header}; endmodule"}), "m") == ports


@pytest.mark.parametrize(
    "text",
    [
        "module m(input a" + "[1:0]" * N + "); endmodule",
        "module m(input [" + "1+" * N + "1:0] a); endmodule",
        "module m(input [" + "-" * N + "1:0] a); endmodule",
        "module m(input [" + "(" * N + "1" + ")" * N + ":0] a); endmodule",
        "module m(input [" + "1?1:" * N + "1:0] a); endmodule",
        "module m(input " + "struct packed {" * N + " logic a; " + "} a;" * N + "); endmodule",
        "module m #(parameter A = '{" + "'{" * N + "}) (input a); endmodule",
        "module m #("
        + ",".join(f"parameter P{i} = P{i + 1}" for i in range(900))
        + ")(input [P0:0] a); endmodule",
        "module m(input [f(1):0] a); function f(input x); f = f(x); endfunction endmodule",
        "module m(input [f(1):0] a); function integer f(input x); begin while (1) f = 1; end endfunction endmodule",
        "module m(input [(1<<100)-1:0] a); endmodule",
        "module m(input a); typedef m t; endmodule",
        "module m import m::*; (input a); endmodule",
        "package p; import p::*; localparam A = A; endpackage module m(input [p::A:0] a); endmodule",
        "module m(input a); " + "import p::*;" * N + " endmodule",
        "module m" * N,
        "module m(",
        "module m(input a); `nope",
        "",
        # What would take gigabytes, or hours, if anybody worked it out here.
        'module m #(parameter string P = {30000{"aaaaaaaaaaaaaaaa"}}, string Q = {30000{P}})(input [Q.len():0] a);'
        " endmodule",
        "module m #(parameter logic [9000000:0] P = '1, Q = P**P)(input [Q[3:0]:0] a); endmodule",
    ],
)
def test_no_candidate_upsets_the_reading_of_its_ports(text: str) -> None:
    declared_ports(Sources({"top.v": text}), "m")
