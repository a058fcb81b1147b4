"""The preprocessor: what it makes of macros, conditions and includes, where it says things are, and what stops it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from verilog_tables import HONEST, problems

from basanite_services.verilog.preprocess import MAX_SOURCE_BYTES, Sources, preprocess
from basanite_services.verilog.tokens import PATTERN, BrokenSource, Kind, kind_of
from basanite_services.verilog.write import write


def words(text: str, **sources: dict[str, str]) -> list[str]:
    tokens = preprocess(Sources({"top.v": text}, **sources))
    return [token.text for token in tokens if token.kind is not Kind.DIRECTIVE]


def broken(text: str, **sources: dict[str, str]) -> BrokenSource:
    with pytest.raises(BrokenSource) as caught:
        preprocess(Sources({"top.v": text}, **sources))
    return caught.value


def plain_tokens(text: str) -> list[str]:
    return [
        match[0].replace(" ", "").replace("\t", "")
        for match in PATTERN.finditer(text)
        if kind_of(match) is not None
    ]


# Like the compiler's own --------------------------------------------------------------------------------------

TEXTS = {honest.id: honest.text for honest in HONEST} | {
    problem.id: problem.reference for problem in problems()
}


@pytest.mark.parametrize("name", TEXTS)
def test_tokens_are_those_of_icarus(name: str, tmp_path: Path, iverilog: None) -> None:
    (tmp_path / "top.v").write_text(TEXTS[name], newline="")
    theirs = subprocess.run(
        ["iverilog", "-E", "-o", "out.v", "top.v"], cwd=tmp_path, check=True, capture_output=True, timeout=20
    )
    assert b"error" not in theirs.stderr
    out = (tmp_path / "out.v").read_text()
    lines = [line for line in out.splitlines() if not line.lstrip().startswith("`")]
    tables = name == "primitive_table"  # which has tokens of its own
    ours = "".join(words(TEXTS[name])).replace(" ", "").replace("\t", "")
    if tables:
        assert ours == "".join(plain_tokens("\n".join(lines)))
    else:
        assert "".join(plain_tokens("\n".join(lines))) == ours


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_written_has_the_same_tokens_at_the_same_lines(name: str) -> None:
    once = preprocess(Sources({"top.v": TEXTS[name]}))
    text = write(once)
    again = preprocess(Sources({"top.v": text}))
    kept = [token.text for token in once if token.kind is not Kind.DIRECTIVE]
    assert kept == [token.text for token in again if token.kind is not Kind.DIRECTIVE]
    # `line directives move the lines back.
    line, found = 0, []
    for row in text.split("\n"):
        if row.startswith("`line "):
            line = int(row.split()[1]) - 1
        elif row.strip():
            found.append(line)
        line += not row.startswith("`line ") or 1
    assert {token.place.line for token in once if token.kind is not Kind.DIRECTIVE} <= set(found)


# Macros -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`define A 1\n`A", "1"),
        ("`define A(x) x + x\n`A(b)", "b + b"),
        ("`define A(x, y = 2) x y\n`A(1) `A(1, 3) `A(1,)", "1 2 1 3 1 2"),
        ("`define A() z\n`A()", "z"),
        ("`define A (x)\n`A", "( x )"),
        ("`define J(a, b) a``b\n`J(one, two)", "onetwo"),
        ("`define J(a, b) a``_``b\n`J(one, two)", "one_two"),
        ('`define S(a) `"a b`"\n`S(x)', '"x b"'),
        ('`define S(a) "a"\n`S(x)', '"a"'),
        ("`define A(x) x\n`A((1, 2))", "( 1 , 2 )"),
        ("`define A(x) x\n`A({1, 2})", "{ 1 , 2 }"),
        ('`define A(x) x\n`A("),")', '"),"'),
        ("`define A(x) [x]\n`A(`A(`A(1)))", "[ [ [ 1 ] ] ]"),
        ("`define A b // c\n`A d", "b d"),
        ("`define A b /* c */ d\n`A", "b d"),
        ('`define A "// no comment"\n`A', '"// no comment"'),
        ("`define A b \\\n c\n`A", "b c"),
        ("`define A b \\\r\n c\r\n`A", "b c"),
        ("`define B `A\n`define A 1\n`B", "1"),
        ("`define A 1\n`define A 2\n`A", "2"),
        ("`define W 8\n`W'hff 8'h`W", "8 'hff 8 'h8"),
        ("`undef A\nx", "x"),
        ("`undef A x", "x"),
        ("`__FILE__ `__LINE__", '"top.v" 1'),
        ("`ifdef __ICARUS__\ny\n`endif", "y"),
        ('`line 7 "x.v" 0\n`pragma foo\nx', "x"),
        ("`celldefine x `endcelldefine", "x"),
    ],
)
def test_macros(text: str, expected: str) -> None:
    assert " ".join(words(text)) == expected


@pytest.mark.parametrize(
    ("defines", "expected"),
    [("", "c"), ("A", "a"), ("B", "b"), ("A B", "a"), ("A C", "a in"), ("C", "c")],
)
def test_conditions(defines: str, expected: str) -> None:
    text = "`ifdef A a `ifdef C in `else `endif `elsif B b `else c `endif"
    assert " ".join(words(text, defines=dict.fromkeys(defines.split(), "1"))) == expected


def test_what_is_left_out_needs_no_tokens() -> None:
    assert words(
        '`ifdef NO\n it\'s \\ "open\n é `undefined `include "no" // `endif\n /* `else */ `endif x'
    ) == ["x"]


def test_includes_are_the_tasks_files_or_the_candidates_own() -> None:
    files = Sources(
        {"a.v": '`include "b.v"\n`include "task.vh"\n`include <task.vh>', "b.v": "b"}, {"task.vh": "t"}
    )
    assert [token.text for token in preprocess(files) if token.kind is Kind.WORD] == ["b", "t", "t", "b"]


def test_a_byte_order_mark_is_nothing() -> None:
    tokens = preprocess(Sources({"a.v": '\ufeff`include "b.v"\nx', "b.v": "\ufeffy"}))
    assert [token.text for token in tokens if token.kind is Kind.WORD] == ["y", "x", "y"]
    assert broken("x \ufeff").place == ("top.v", 1, 3)


def test_macros_of_one_file_hold_in_the_next() -> None:
    tokens = preprocess(Sources({"a.v": "`define A 1", "b.v": "`A"}))
    assert [token.text for token in tokens if token.kind is Kind.NUMBER] == ["1"]


# Places -------------------------------------------------------------------------------------------------------


def test_places_are_those_of_the_candidates_text() -> None:
    text = "a\n  b\t/* \n */ c\r\n`define M(x) x y\n `M(\n z) d"
    places = {token.text: token.place[1:] for token in preprocess(Sources({"top.v": text}))}
    assert places["a"] == (1, 1)
    assert places["b"] == (2, 3)
    assert places["c"] == (3, 5)
    assert places["z"] == places["y"] == (5, 2)
    assert places["d"] == (6, 5)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a\n /* b", 2, 2, "a comment that does not end"),
        ('a "b\n"', 1, 3, "a string that does not end on its line"),
        ("a \0", 1, 3, "the control character U+0000: is this text?"),
        ("a é", 1, 3, "the character 'é' (U+00E9) outside of comments and strings"),
        ("```verilog", 1, 1, "a backtick that no name follows"),
        ("\n `nope", 2, 2, "the macro `nope is not defined"),
        ("`ifdef A", 1, 1, "an `ifdef or `ifndef without its `endif"),
        ("`ifndef A\n`ifdef __ICARUS__\nx", 2, 1, "an `ifdef or `ifndef without its `endif"),
        ("x `endif", 1, 3, "`endif without `ifdef or `ifndef"),
        ("`ifdef A\n`else\n`else\n`endif", 3, 1, "`else after `else"),
        ("`define A(x) x\n`A(1", 2, 1, "the arguments of a macro do not end"),
        ("`define A(x) x\n`A(1, 2)", 2, 1, "the macro `A takes 1 arguments"),
        ("`define A(x, y) x\n`A(1)", 2, 1, "the macro `A takes 2 arguments"),
        ("`define A(x) x\n`A", 2, 1, "the macro `A needs arguments"),
        ("`define A `A\n`A", 2, 1, "the macro `A expands more than 64 deep: does it use itself?"),
        ('`include "no.vh"', 1, 1, "`include: the task has no file 'no.vh'"),
        ('`include "top.v"', 1, 1, "files include each other more than 64 deep"),
        ("`timescale 3ns/1ps", 1, 1, "`timescale needs a unit and a precision, such as 1ns/1ps"),
        ("`protected\nabc", 1, 1, "encrypted or protected text cannot be judged"),
        ("`pragma protect begin", 1, 1, "encrypted or protected text cannot be judged"),
        ("x = 4'h;", 1, 6, "a number without digits"),
        ("x = 10force", 1, 5, "a number that runs on after '10'"),
        ("x = 4'b012", 1, 6, 'a number that runs on after "\'b01"'),
        ("`end_keywords", 1, 1, "`end_keywords without `begin_keywords"),
        ("`define __ICARUS__ 0", 1, 1, "`__ICARUS__ belongs to the compiler"),
        ("table $finish endtable", 1, 7, "what belongs into no table of a primitive"),
    ],
)
def test_what_is_broken_is_named_with_its_place(text: str, line: int, column: int, message: str) -> None:
    error = broken(text)
    assert (error.message, error.place) == (message, ("top.v", line, column))


# Bombs: a second at most, where without a bound it would be hours -------------------------------------

N = 100_000
BOMBS = {
    "exponential": "`define A(x) x x\n" + "`A(" * 60 + "1" + ")" * 60,
    "exponential_chain": "`define A0 x\n"
    + "".join(f"`define A{i + 1} `A{i} `A{i}\n" for i in range(60))
    + "`A60",
    "of_nothing": "`define N(x) `N(x)`N(x)\n`N()",
    "deep_chain": "".join(f"`define A{i + 1} `A{i}\n" for i in range(N // 4)) + f"`A{N // 4}",
    "many_undefs": "`undef A " * N,
    "many_conditions": "`ifdef A\n" * N + "`endif\n" * N,
    "many_open_conditions": "`ifndef A\n" * N,
    "many_elses": "`ifdef A\n" + "`elsif A\n" * N + "`endif",
    "open_comments_left_out": "`ifdef A\n" + "/* " * (3 * N) + "\n`endif",
    "open_strings_left_out": "`ifdef A\n" + '\\"' * (3 * N) + "\n`endif",
    "open_comments_in_macros": "".join(f"`define A{i} /*\n" for i in range(N // 2)),
    "open_strings": '"\\' * N,
    "open_arguments": "`define A(x) x\n" + "`A((" * N,
    "many_arguments": "`define A(x) x\n`A(" + "1," * N + ")",
    "many_formals": "`define A(" + ",".join(f"a{i}" for i in range(N)) + ") x\n`A(1)",
    "many_formals_with_defaults": "`define A("
    + ",".join(f"a{i}=" for i in range(N // 2))
    + ") x\n"
    + "`A()" * N,
    "many_keywords": '`begin_keywords "1364-2005"\n' * (N // 3),
    "long_name": "`define " + "a" * (5 * N) + " 1\n`" + "a" * (5 * N),
    "long_number": "8'h" + "f" * (5 * N),
    "backslashes": "\\" * (5 * N),
    "table_without_end": "table " + "0 " * (4 * N),
    "many_tokens": "; " * (5 * N),
    "quotes": "'" * (5 * N),
    "glued_stars": "/" + "*" * (5 * N),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_do_not_go_off(name: str) -> None:
    text = BOMBS[name]
    assert len(text) <= MAX_SOURCE_BYTES * 2
    message = ""
    try:
        preprocess(Sources({"top.v": text}))
    except BrokenSource as error:
        message = error.message
    assert len(message) < 300


def test_ten_megabytes_are_too_many() -> None:
    assert broken("//" + "x" * (10 << 20)).message == f"the design must be at most {MAX_SOURCE_BYTES} bytes"
    assert (
        broken("//" + "é" * MAX_SOURCE_BYTES).message
        == f"the design must be at most {MAX_SOURCE_BYTES} bytes"
    )
    assert preprocess(Sources({"top.v": "//" + "x" * (MAX_SOURCE_BYTES - 2)}))


@pytest.mark.parametrize("name", ["a b.v", 'a".v', "", "a\n.v", "é.v", "a" * 201])
def test_names_of_files_are_plain(name: str) -> None:
    with pytest.raises(BrokenSource, match="the name of a file must be"):
        preprocess(Sources({name: "module m; endmodule"}))
