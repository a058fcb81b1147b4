"""The guard's rules one by one."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest
from verilog_sim import DoesNotCompile, simulate
from verilog_tables import HONEST, TOP, Honest

from basanite_services.verilog.guard import MAX_REFUSALS, Guarded, Level, guard
from basanite_services.verilog.names import ALONE, Surroundings, surroundings
from basanite_services.verilog.preprocess import MAX_SOURCE_BYTES, Sources

both = pytest.mark.parametrize("level", Level, ids=lambda level: level.name)


def inside(
    body: str, level: Level = Level.ALONE, around: Surroundings = ALONE, **files: list[str]
) -> Guarded:
    text = f"module {TOP}(input a, output y);\n{body}\nendmodule\n"
    return guard(Sources({"top.v": text}), TOP, level, around, **files)


def of_testbench(text: str) -> Surroundings:
    return surroundings(Sources({"tb.v": text}), TOP)


# Refusals -----------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("initial $finish;", "$finish ends the simulation: a design must not"),
        ("initial $foo;", "$foo is no system function that a design may use"),
        ("initial force y = 1;", "force forces a value upon a signal: a design must not"),
        ("final y = 1;", "final runs code when the simulation has ended: a design must not"),
        ('import "DPI-C" function void f();', "import of foreign code: a design must not"),
        ("bind m n o();", "bind binds a module into another one: a design must not"),
        (
            'initial $readmemh("x.hex", m);',
            "$readmemh of anything but a file of the task, by its name in quotes",
        ),
    ],
)
def test_what_no_design_may_say(body: str, message: str, level: Level) -> None:
    (refusal,) = inside(body, level).refusals
    assert refusal.message == message
    assert refusal.place.line == 2


@pytest.mark.parametrize(
    "body", ["initial y = $random;", "initial y = $urandom_range(3);", "tran t(a, y);", "inout z;"]
)
def test_what_only_a_shared_simulation_forbids(body: str) -> None:
    assert inside(body, Level.SHARED).refusals
    assert not inside(body, Level.ALONE).refusals


def test_inouts_may_be_expected_and_stand_below_the_top() -> None:
    port, text = (
        "inout z;",
        f"module {TOP}; task t(inout x); endtask endmodule module below(inout z); endmodule",
    )
    files = Sources({"top.v": f"module {TOP}; {port} endmodule"})
    assert guard(files, TOP, Level.SHARED).refusals
    assert not guard(files, TOP, Level.SHARED, inouts=True).refusals
    assert not guard(Sources({"top.v": text}), TOP, Level.SHARED).refusals


def test_a_file_of_the_task_may_be_read() -> None:
    body = 'reg [3:0] m [0:1]; initial $readmemh("x.hex", m);'
    assert not inside(body, Level.SHARED, data=["x.hex"]).refusals
    assert inside(body.replace('"x.hex"', "x"), Level.SHARED, data=["x"]).refusals


@both
def test_every_place_is_named_up_to_a_limit(level: Level) -> None:
    result = inside("initial begin\n" + "$finish;\n" * 50 + "end", level)
    assert [refusal.place.line for refusal in result.refusals] == list(range(3, 3 + MAX_REFUSALS))


@both
def test_a_refusal_in_a_macro_stands_where_the_macro_is_used(level: Level) -> None:
    result = inside("`define END $fin``ish\n  initial `END ;", level)
    assert result.refusals[0].place == ("top.v", 3, 11)


def test_words_in_strings_and_comments_are_no_words() -> None:
    assert inside('wire [87:0] s = "$finish; force"; // $finish\n/* force */ wire n = \\force ;').text


@both
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"there is no module {TOP}"),
        (f"// module {TOP};", f"there is no module {TOP}"),
        ("module other; endmodule", f"there is no module {TOP}"),
        (f"module {TOP};" + "(" * 1000, "nested more than 200 deep"),
        (f"module {TOP}; initial " + "if (1) " * 1000, "more than 200 conditions, loops and delays in one"),
        ("x" * (10 << 20), f"the design must be at most {MAX_SOURCE_BYTES} bytes"),
        ("\x7fELF\x02\x01\x01\x00", "the control character U+007F: is this text?"),
        (f"module {TOP}; initial $display(", "a bracket that is not closed"),
        (f"module {TOP}; initial $display", "$display without a semicolon after it"),
        (
            f"module {TOP}; assert property (a) begin end",
            "an assertion of a property with more than a message",
        ),
        ("\udcff", "the character '\\udcff' (U+DCFF) outside of comments and strings"),
    ],
)
def test_what_no_compiler_could_read(text: str, message: str, level: Level) -> None:
    result = guard(Sources({"top.v": text}), TOP, level)
    assert result.broken is not None
    assert result.broken.message.startswith(message)
    assert not result.text


def test_no_files_are_no_design() -> None:
    assert guard(Sources({}), TOP, Level.ALONE).broken is not None


# Names --------------------------------------------------------------------------------------------------------

TESTBENCH = r"""
`define OTHER(n) made_``n
module tb; reg a; wire y; TopModule #(.W(2)) dut (.a(a), .y(y));
  task pass; endtask
  function [3:0] twice(input x); twice = x; endfunction
  function old; input x; old = x; endfunction
  initial begin : block dut.state = 1; end
  gold g1 [1:0] (a, y);
  wire `OTHER(up), \odd+name ;
endmodule
module gold(input a, output y); endmodule
"""


def test_what_stands_around_a_design() -> None:
    found = of_testbench(TESTBENCH)
    assert found.modules == {"tb", "gold"}
    assert found.scopes >= {"tb", "gold", "dut", "pass", "twice", "old", "block", "g1"}
    assert not found.scopes & {"a", "y", "state"}
    assert found.connections == {"a", "y", "W", "state"}
    assert not found.by_name_alone
    assert found.names >= {"made_up", "odd+name", "x", "g1"}


def test_a_testbench_that_the_preprocessor_cannot_read_is_read_all_the_same() -> None:
    found = of_testbench(TESTBENCH + '`include "missing.vh"\n é "')
    assert found.modules == {"tb", "gold"}
    assert found.connections == {"a", "y", "W", "state"}


def test_clashing_names_get_new_ones_and_connected_ones_stay() -> None:
    body = "parameter W = 1; reg state, mine; wire g1 = a; wire made_up, \\odd+name ; pass p(); endmodule module pass;"
    result = inside(body, Level.SHARED, around=of_testbench(TESTBENCH))
    own = set(result.renamed.values())
    assert own == {"g1", "made_up", "odd+name", "pass"}
    for new, name in result.renamed.items():
        assert new in result.text
        assert f" {name} " not in result.text.replace(";", " ; ")
    for kept in ("W", "state", "mine", "input a", "output y", f"module {TOP}"):
        assert kept in result.text


def test_new_names_are_new() -> None:
    tb = of_testbench("module tb; wire g1, g1_own; TopModule t(); endmodule")
    result = inside("wire g1, g1_own1;", Level.SHARED, around=tb)
    assert result.renamed == {"g1_own2": "g1"}


def test_with_wildcard_connections_the_header_stays_but_for_what_can_be_reached() -> None:
    tb = of_testbench(
        "module tb; wire a, y, c; gold good(a); TopModule t(.*); endmodule module gold(input a); endmodule"
    )
    text = f"module {TOP}(input a, output y, input gold, input good); wire c = a; endmodule"
    result = guard(Sources({"top.v": text}), TOP, Level.SHARED, tb)
    assert set(result.renamed.values()) == {"gold", "good", "c"}


PORTS_AND_MORE = of_testbench(
    "module tb; TopModule t(.a(x), .y(z), .q(w)); function y(input n); y = ~n; endfunction task a; endtask "
    "gold q(x, w); endmodule module gold(input a, output y); endmodule module b; endmodule"
)


@pytest.mark.parametrize(
    "body",
    [
        "assign z = y(a);",
        "wire z = a ^ \\y (a);",
        "wire [3:0] z = {y(a)};",
        "wire z = a ? y(a) : 1;",
        "always @(z) void'(y(a));",
        "sub s(); initial if (a) y(1);",
        "initial begin : blk a; end",
        "initial begin : blk a(); end",
        "initial begin : p begin : blk end : blk a; end",
        "initial forever #3 a;",
        "initial forever #3 a();",
        "parameter D = 3; initial forever #D a;",
        "parameter D = 3; initial forever #D a();",
        "initial forever #(3) a();",
        "initial begin : blk #(3) a(); end",
        "event e; always @e a;",
        "sub s(); always @s.e a;",
        "sub s [1:0] (); always @s[0].e a();",
        "always @* a;",
        "parameter D = 3; reg z; always @a z = #D y(a);",
        "reg z; always @a z <= @(posedge a) y(a);",
        "initial case (1) 1: a; endcase",
        "initial blk: a;",
        "initial (* x *) a;",
        "initial begin wait (1) a; end",
        "initial disable a;",
        "wire z = q.y;",
        f"always @e[{'0+' * 1000}0] a;",
        f"initial #({'0+' * 1000}0) a();",
    ],
)
def test_a_port_named_like_a_task_of_the_testbench_is_a_port_alone(body: str) -> None:
    """It keeps its name, which climbs: what is a call would be one of the testbench's."""
    result = inside(body, Level.SHARED, around=PORTS_AND_MORE)
    assert [one.message.partition(" ")[2] for one in result.refusals] == [
        "is a name of the testbench, where it is more than a port"
    ]


def test_what_is_no_call_may_be_said_of_such_a_port() -> None:
    body = """
    reg [1:0] r, s; wire w_a = !a; wire z = s[0] ? ^s : a; wire #2 v = a;
    always @(*) if (!a) r = s; else r = a;
    always @(*) case (s) 0, 1: r = ^s; default: r = a ? s : a; endcase
    assign y = (a), z = r[0] & a;
    function f(input a); f = a; endfunction
    sub #(4) q (.a(a), .y(y)); sub a(y); sub #(.N(2)) y (a);
    initial begin r <= @(posedge a) a; r <= #1 a; r = #(2) a; return a; end
    """
    sub = "module sub(a, y); input a; output [0:0] y; wire [0:0] y; p::t a; mine a; wire b, a; logic a; endmodule"
    result = inside(f"{body}\nendmodule\n{sub} module more;", Level.SHARED, around=PORTS_AND_MORE)
    assert not result.refusals
    assert not result.broken


def test_with_wildcard_connections_only_the_ports_that_are_known_stay() -> None:
    tb = dataclasses.replace(
        of_testbench("module tb; wire a, y, want; TopModule t(.*); endmodule"), header=frozenset(("a", "y"))
    )
    text = f"module {TOP}(input a, input want, output y); assign y = want; endmodule"
    result = guard(Sources({"top.v": text}), TOP, Level.SHARED, tb)
    assert set(result.renamed.values()) == {"want"}


def test_alone_only_odd_names_are_replaced() -> None:
    result = inside(r"wire \a.b , \$finish , \c ; wire state = \a.b ;")
    assert set(result.renamed.values()) == {"a.b", "$finish"}
    assert not result.refusals


def test_compilers_messages_are_told_in_the_designs_names() -> None:
    result = inside(r"wire \a.b ;")
    (new,) = result.renamed
    assert result.original(f"top.v:2: {new} is bad, {new}x is not") == f"top.v:2: a.b is bad, {new}x is not"


# Silence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("initial $display;", "initial begin end"),
        ("initial begin $display(1); y = 1; end", "initial begin y = 1; end"),
        ("always @(a) if (a) $display(a); else $strobe(a);", "always @(a) if (a) begin end else begin end"),
        ("always @* begin : b $write(a); end", "always @* begin : b end"),
        (
            "always @* case (a) 0: $write(a); default: y = 1; endcase",
            "always @* case (a) 0: begin end default: y = 1; endcase",
        ),
        ("always @* assert (a);", "always @* begin end"),
        (
            "always @* begin assert (a) y = 1; else y = 0; end",
            "always @* begin if (a) y = 1; else y = 0; end",
        ),
        (
            "always @* begin assert (a) else $error; end",
            "always @* begin if (a) begin end else begin end end",
        ),
        ("always @* begin x: assert (a); end", "always @* begin end"),
        ("always @* begin assert #0 (a); assert final (a); end", "always @* begin end"),
        ('p: assert property (@(posedge a) y |-> (a)) else $error("x");', ""),
        ("assume property (a); cover property (a);", ""),
        ('generate if (1) $fatal(1, "x"); endgenerate', "generate if (1) begin end endgenerate"),
        ("initial $dumpvars(0, tb.dut);", "initial begin end"),
    ],
)
def test_output_is_taken_out(body: str, left: str) -> None:
    result = inside(body)
    assert result.broken is None
    assert not result.refusals
    assert result.silenced
    assert "".join(result.text.split()) == "".join(inside(left).text.split()).replace("`line1", "`line1")


def test_what_hides_in_what_is_taken_out_is_gone() -> None:
    assert "tb" not in inside("initial $display(tb.secret, $random);").text


def test_what_hides_in_a_condition_is_checked() -> None:
    assert inside("initial assert ($system(1)) y = 1;").refusals


# What is written ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("honest", HONEST, ids=lambda honest: honest.id)
def test_guarding_twice_changes_nothing_more(honest: Honest) -> None:
    text, data = honest.text, honest.data
    once = guard(Sources({"top.v": text}, data), TOP, Level.ALONE, data=data)
    twice = guard(Sources({"top.v": once.text}, data), TOP, Level.ALONE, data=data)
    assert twice.broken is None
    assert not twice.refusals
    assert not twice.silenced
    assert not twice.renamed


def test_no_directive_outlives_the_design() -> None:
    text = f'`timescale 1fs/1fs\n`default_nettype none\n`begin_keywords "1364-1995"\nmodule {TOP}; endmodule'
    written = guard(Sources({"top.v": text}), TOP, Level.ALONE).text
    assert written.rstrip().endswith("`resetall")
    assert written.count("`begin_keywords") == written.count("`end_keywords") == 1
    assert written.rindex("`default_nettype wire") > written.index("`default_nettype none")


def test_the_compilers_lines_are_the_candidates(tmp_path: Path, iverilog: None) -> None:
    before = f"\n\n`define X \\\n 1\nmodule {TOP};\n\n initial $display(1);\n" + "\n" * 99
    text = before + " wire w = nope + `X;\nendmodule"
    line = text[: text.index("nope")].count("\n") + 1
    result = guard(Sources({"some/top.v": text}), TOP, Level.ALONE, ALONE)
    with pytest.raises(DoesNotCompile, match=f"some/top.v:{line}: error: Unable to bind wire"):
        simulate(tmp_path, [result.text], TOP)


def test_several_files_are_one_design(tmp_path: Path, iverilog: None) -> None:
    files = {
        "inc/width.vh": "`define WIDTH 4\n",
        "sub.v": '`include "inc/width.vh"\nmodule sub(output [`WIDTH-1:0] q); assign q = 5; endmodule',
        "top.v": f"`default_nettype none\nmodule {TOP}(output wire [`WIDTH-1:0] q); sub s(q); endmodule",
    }
    result = guard(Sources(files), TOP, Level.ALONE)
    tb = 'module tb; wire [3:0] q; TopModule t(q); initial #1 $display("q=%d", q); endmodule'
    assert simulate(tmp_path, [tb, result.text], "tb")[1] == "q= 5\n"


def test_a_text_that_was_cut_off_is_told_so() -> None:
    for text in ("module TopModule(input a);", "module TopModule; endmodule module b; wire a;"):
        broken = guard(Sources({"top.v": text}), TOP, Level.ALONE).broken
        assert broken is not None
        assert broken.message == "a module without its endmodule"
        assert broken.place.column == text.rindex("module ") + 1


@pytest.mark.parametrize(
    ("body", "allowed"),
    [
        ('parameter F = "rom.hex"; initial $readmemh(F, m);', True),
        ('localparam string F = ""; initial if (F != "") $readmemh(F, m);', True),
        ('parameter F = "/etc/passwd"; initial $readmemh(F, m);', False),
        ("reg [99:0] f; initial $readmemh(f, m);", False),
    ],
)
def test_a_parameter_may_name_a_file_of_the_task(body: str, allowed: bool) -> None:
    assert bool(inside(body, data=["rom.hex"]).refusals) is not allowed
    assert inside(body, Level.SHARED, data=["rom.hex"]).refusals


# Time and size: hours and gigabytes, where they would not be bounded ---------------------------------------------


def test_names_that_differ_in_odd_characters_alone() -> None:
    odd = [f"\\{a}{b}{c} " for a, b, c in itertools.product("!#%&*+,-./:;<=>?@^|~()[]{}'`", repeat=3)]
    result = inside(f"wire {', '.join(odd)};")
    assert result.broken is None
    assert len(set(result.renamed)) == len(result.renamed) == len(set(odd))


@pytest.mark.parametrize(
    "text", ["initial ${};", "wire w = 1{}g;", "`include {}", "`{}", "initial $readmemh({});"]
)
def test_no_message_is_as_long_as_the_text(text: str) -> None:
    result = inside(text.format("1" * 500_000) if "1{}" in text else text.format("a" * 500_000))
    refusals = [result.broken] if result.broken else result.refusals
    assert refusals
    assert all(len(refusal.message) < 300 for refusal in refusals)
