"""Who drives a testbench's nets, as compiled programs say it."""

from __future__ import annotations

from pathlib import Path

import pytest
from verilog_sim import compile_design

from basanite_services.verilog.netlist import driven_by_design, drivers_of

BENCH = """
module golden(input [3:0] a, output [3:0] y); assign y = ~a; endmodule
module tb;
  reg [7:0] i = 0;
  wire [3:0] a = i[7:4];
  wire [3:0] y, expected;
  tri1 z;
  wire pulled;
  pullup (pulled);
  golden good(a, expected);
  generate if (1) begin : part Top dut(.a(a), .b(i[3:0]), .y(y), .z(z), .p(pulled)); end endgenerate
endmodule
"""
HEADER = "module Top(input [3:0] a, input [3:0] b, output [3:0] y, output z, output p);"
STUB = "module Top(input a, input b, input y, input z, input p); endmodule"
RIGHT = HEADER + "assign y = a, z = 0, p = 0; endmodule"


def program(folder: Path, design: str) -> bytes:
    compile_design(folder, [BENCH, design], "tb")
    return (folder / "simulation").read_bytes()


@pytest.mark.parametrize("first", [STUB, RIGHT])
@pytest.mark.parametrize(
    ("design", "driven"),
    [
        (STUB, ()),
        (RIGHT, ()),
        (HEADER + "assign y = a[0] ? a : 4'bz, y = a[0] ? 4'bz : b, z = 1'bz, z = 0, p = 1; endmodule", ()),
        (HEADER.replace("input [3:0] a", "output [3:0] a") + "assign a = 0; endmodule", ("a",)),
        (HEADER + "sub s(a[2]); endmodule module sub(inout x); assign x = 0; endmodule", ("a",)),
        (HEADER + "assign a = 0; endmodule", ("a",)),
        (HEADER + "wire [1:0] w; sub s(w[1]); endmodule module sub(inout x); assign x = 0; endmodule", ()),
    ],
)
def test_what_a_testbench_drives_alone_a_design_does_not(
    tmp_path: Path, iverilog: None, first: str, design: str, driven: tuple[str, ...]
) -> None:
    usual = drivers_of(program(tmp_path, first), "tb", "Top")
    assert {("tb", "a"), ("tb", "good", "a"), ("tb", "expected")} <= usual.keys()
    assert not {("tb", "y"), ("tb", "z"), ("tb", "pulled")} & usual.keys()
    assert driven_by_design(program(tmp_path, design), "tb", "Top", usual) == driven


def test_a_program_that_is_none_says_nothing() -> None:
    assert driven_by_design(b"nonsense .resolv \n S_x .scope\nv1 .net", "tb", "Top", {}) == ()
