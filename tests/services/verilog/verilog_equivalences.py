"""Designs and checks that tests of form `equivalence` share."""

from __future__ import annotations

from verilog_judge import Judge, equivalence, explain, outcome

from basanite.v1 import result_pb2

COUNTER = """
module TopModule(input clk, input reset, input en, output reg [3:0] q, output wrapped);
  always @(posedge clk) if (reset) q <= 0; else if (en) q <= q + 1;
  assign wrapped = &q;
endmodule
"""
ADDER = "module TopModule(input [7:0] a, input [7:0] b, output [8:0] s); assign s = a + b; endmodule"


def passes(judge: Judge, candidate: str, golden: str, **task: object) -> None:
    verdict = judge(equivalence(candidate, golden, **task))  # type: ignore[arg-type]
    assert outcome(verdict) == "PASSED", explain(verdict)
    assert verdict.score == 1


def fails(judge: Judge, candidate: str, golden: str, **task: object) -> result_pb2.Verdict:
    verdict = judge(equivalence(candidate, golden, **task))  # type: ignore[arg-type]
    assert outcome(verdict) == "FAILED", explain(verdict)
    assert verdict.score < 1
    return verdict


ASYNC = """module TopModule(input clk, input rst_n, input d, output reg q);
  always @(posedge clk, negedge rst_n) if (!rst_n) q <= 1; else q <= d; endmodule"""
