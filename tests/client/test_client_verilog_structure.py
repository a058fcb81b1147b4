"""How alike two designs look, and that no text keeps the caller waiting."""

from __future__ import annotations

import importlib.util

import pytest

from basanite.verilog import StructureComparison, compare_structures

GOLDEN = """
module Golden(input clk, input rst, input [3:0] step, output reg [3:0] q, output odd);
  assign odd = q[0];
  always @(posedge clk)
    if (rst) q <= 0;
    else q <= q + step;
endmodule
"""
SMALL = "module Small(input a, output y); assign y = a; endmodule\n"


def compare(candidate: str, golden: str = GOLDEN) -> StructureComparison | None:
    [found] = compare_structures([(candidate, golden)])
    return found


def test_a_design_is_like_itself_whatever_its_name_and_layout() -> None:
    again = compare(GOLDEN.replace("Golden", "Top").replace("\n", " // it\n").replace(" = ", "="))
    statements = {"module": 1, "input": 3, "output": 2, "assign": 1, "always": 1, "if": 1, "else": 1}
    assert again == StructureComparison(1.0, 1.0, 0.0, statements, statements)
    assert again.score == 1.0


def test_what_differs_counts_as_in_verireason() -> None:
    found = compare(SMALL.replace("assign y = a", "wire b = a; assign y = b"), SMALL)
    assert found is not None
    # module, input, output, wire, assign b, assign y; of the golden's four the last differs
    assert found.candidate == {"module": 1, "input": 1, "output": 1, "wire": 1, "assign": 2}
    assert found.similarity == 2 * 3 / (6 + 4)
    assert found.coverage == 3 / 4
    assert found.redundancy == 3 / 6
    assert found.score == pytest.approx(0.7 * 0.6 + 0.3 * 0.75 - 0.2 * 0.5)


def test_ports_are_the_same_in_both_styles_of_headers() -> None:
    found = compare("module Small(a, y); input a; output y; assign y = a; endmodule", SMALL)
    assert found is not None
    assert found.score == 1.0


def test_cases_and_instances_are_statements() -> None:
    text = """
module m(input [1:0] s, output reg y);
  wire w;
  Other #(.N(2)) other(.a(s), .y(w));
  always @* case (s) 2'd0, 2'd1: y = w; default: y = 0; endcase
endmodule"""
    found = compare(text, text)
    assert found is not None
    assert found.golden == {
        "module": 1,
        "input": 1,
        "output": 1,
        "wire": 1,
        "instance": 1,
        "always": 1,
        "case": 1,
        "case_item": 2,
    }


def test_what_cannot_be_parsed_is_no_zero_and_spoils_no_other() -> None:
    texts = [
        "",
        "garbage",
        GOLDEN.replace("<= 0", "<= '0"),  # SystemVerilog
        "\ud800" + SMALL,
        SMALL.replace("= a", f"= {'~' * 5_000} a"),  # deeper than Python recurses
        "/*" * 100_000,
        "x" * (2 << 20),
        f'`include "{__file__}"\n{SMALL}',
        SMALL,
    ]
    *unparsed, included, parsed = compare_structures([(text, SMALL) for text in texts])
    assert unparsed == [None] * 7
    assert included == parsed  # nothing is included
    assert parsed is not None
    assert parsed.score == 1.0
    assert compare_structures([]) == []
    assert compare(SMALL, "garbage") is None


def test_a_text_that_takes_too_much_time_or_memory_ends_alone() -> None:
    long = SMALL.replace("assign", "assign y = a; assign " * 40_000)
    assert compare_structures([(long, SMALL), (SMALL, SMALL)], cpu_seconds=0.3)[0] is None
    slow, quick = compare_structures([(long, long), (SMALL, SMALL)], cpu_seconds=0.3, memory_bytes=128 << 20)
    assert slow is None
    assert quick is not None


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="verilog-structure"):
        compare_structures([])
