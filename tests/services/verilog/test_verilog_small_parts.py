"""Numbers, messages of the compiler, names of files, constants of a text."""

from __future__ import annotations

import pytest

from basanite.v1.result_pb2 import Diagnostic
from basanite.v1.tasks_pb2 import SourceFile
from basanite_services.verilog.constants import MAX_CONSTANTS, constants_of
from basanite_services.verilog.messages import MAX_LINES, diagnostics, read_messages
from basanite_services.verilog.numbers import read_number, verilog_number, written
from basanite_services.verilog.preprocess import preprocess
from basanite_services.verilog.sources import BadFiles, make_sources


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("1_000", 1000),
        ("8'hff", 255),
        ("8'HfF", 255),
        ("'b101", 5),
        ("12'o17", 15),
        ("8'sd5", 5),
        (" 4 'd 9 ", 9),
        ("64'hffff_ffff_ffff_ffff", 2**64 - 1),
    ],
)
def test_numbers_are_read(text: str, value: int) -> None:
    assert read_number(text) == value


@pytest.mark.parametrize(
    "text", ["", "x", "8'hxx", "8'b2", "4'h1f", "8'q1", "-1", "1.5", "'h", "9" * 30_000, "8'h_"]
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_number(text)


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        ("1", "1'b1"),
        ("x", "1'bx"),
        ("01", "2'h1"),
        ("xx", "2'hx"),
        ("1x", "2'b1x"),
        ("00001111", "8'h0f"),
        ("xxxx0011", "8'hx3"),
        ("zzzzz", "5'hzz"),
        ("x0000", "5'hx0"),
    ],
)
def test_samples_are_written_as_verilog_has_them(bits: str, text: str) -> None:
    assert verilog_number(bits.encode()) == text


def test_known_values_are_written() -> None:
    assert (written(0, 1), written(10, 6)) == ("1'b0", "6'h0a")


# As Icarus Verilog 11.0 says it.
STDERR = b"""\
top.sv:4: syntax error
top.sv:4: error: malformed statement
top.sv:7: warning: Port 3 (c) of T expects 4 bits, got 1.
top.sv:7:        : Padding 3 high bits of the port.
top.sv:9: sorry: Unpacked structs not supported.
lib/a.v:2: error: Unable to bind wire/reg/memory `e' in `T'
secret:14: error: secret_i1 Unable to assign to unresolved wires.
I give up.
"""


def test_messages_become_diagnostics_in_the_candidates_files() -> None:
    found = diagnostics(read_messages(STDERR), {"top.sv", "lib/a.v"}, compiled=False)
    assert [(one.file, one.line, one.severity) for one in found] == [
        ("top.sv", 4, Diagnostic.SEVERITY_ERROR),
        ("top.sv", 4, Diagnostic.SEVERITY_ERROR),
        ("top.sv", 9, Diagnostic.SEVERITY_ERROR),
        ("lib/a.v", 2, Diagnostic.SEVERITY_ERROR),
        ("top.sv", 7, Diagnostic.SEVERITY_WARNING),
    ]
    assert found[0].message == "syntax error"
    assert found[2].message == "not supported by Icarus Verilog: Unpacked structs not supported."
    assert found[4].message.endswith("expects 4 bits, got 1. Padding 3 high bits of the port.")


def test_what_is_said_of_a_design_that_compiles_is_a_warning() -> None:
    found = diagnostics(read_messages(STDERR), {"top.sv"}, compiled=True)
    assert {one.severity for one in found} == {Diagnostic.SEVERITY_WARNING}


def test_a_thousand_messages_are_twenty() -> None:
    said = b"".join(b"top.sv:%d: error: x\n" % line for line in range(1, 1001))
    assert len(diagnostics(read_messages(said), {"top.sv"}, compiled=False)) == 20


def files(**texts: str) -> list[SourceFile]:
    return [SourceFile(name=name, content=text) for name, text in texts.items()]


def test_headers_are_included_and_not_compiled() -> None:
    given = files(**{"rtl/top.v": "a", "rtl/inc/defs.vh": "b", "common.svh": "c"})
    sources = make_sources(given, ["rtl/inc/"], {}, {})
    assert [*sources.files] == ["rtl/top.v"]
    assert {"rtl/inc/defs.vh", "common.svh"} <= set(sources.includes)
    assert sources.aliases["defs.vh"] == sources.aliases["inc/defs.vh"] == "rtl/inc/defs.vh"


@pytest.mark.parametrize(
    ("folders", "include", "found"),
    [
        ([], "defs.vh", "rtl/a"),
        ([], "./defs.vh", "rtl/a"),
        ([], "../b/defs.vh", "rtl/b"),
        ([], "rtl/b/defs.vh", "rtl/b"),
        ([], "sub/deep.vh", "sub"),
        ([], "deep.vh", "sub"),
        (["./rtl/b/", "."], "only_b.vh", "b"),
        ([], "rom.hex", "data"),
    ],
)
def test_where_an_include_is_looked_for(folders: list[str], include: str, found: str) -> None:
    given = files(
        **{
            "rtl/a/top.v": f'`include "{include}"',
            "rtl/b/other.v": "",
            "rtl/b/defs.vh": '"rtl/b"',
            "rtl/a/defs.vh": '"rtl/a"',
            "rtl/b/only_b.vh": '"b"',
            "rtl/a/sub/deep.vh": '"sub"',
        }
    )
    tokens = preprocess(make_sources(given, folders, {}, {"rom.hex": '"data"'}))
    assert [token.text for token in tokens if token.text.startswith('"')] == [f'"{found}"']


def test_what_is_included_stands_in_its_own_file() -> None:
    given = files(**{"rtl/top.v": '`include "defs.vh"', "inc/defs.vh": "\nx"})
    tokens = preprocess(make_sources(given, ["inc"], {}, {}))
    assert next(token.place for token in tokens if token.text == "x") == ("inc/defs.vh", 2, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "1 to 100 files"),
        (files(**{f"f{number}.v": "" for number in range(101)}), "1 to 100 files"),
        (files(**{"../top.v": ""}), "relative path"),
        (files(**{"/top.v": ""}), "relative path"),
        (files(**{'a".v': ""}), "relative path"),
        (files(**{"a\nb.v": ""}), "relative path"),
        (files(**{"": ""}), "relative path"),
        (files(**{"a/": ""}), "relative path"),
        (files(**{"a" * 201: ""}), "relative path"),
        (files(**{"a.v": ""}) * 2, "two files of this name"),
        (files(**{"a.vh": ""}), "all files are headers"),
        (files(**{"a.v": "x" * (1 << 20), "b.v": "y"}), "more than 1048576 bytes"),
        (files(**{"a.v": "é" * (1 << 19), "b.v": "y"}), "more than 1048576 bytes"),
        (files(**{"./a.v": ""}), "relative path"),
    ],
)
def test_files_that_break_a_rule_are_refused(given: list[SourceFile], message: str) -> None:
    with pytest.raises(BadFiles, match=message):
        make_sources(given, [], {}, {})


def test_the_numbers_of_a_text_are_found() -> None:
    text = "module m; wire a = 8'h1b + 12 - 4 'b1010; wire b = 'hff; wire c = 8'hx1; wire [7:0] d; endmodule"
    tokens = preprocess(make_sources(files(**{"m.v": text}), [], {}, {}))
    found = constants_of(tokens)
    assert {(0x1B, 8), (12, 0), (10, 4), (255, 0)} <= set(found)
    many = " ".join(f"{number};" for number in range(1000))
    tokens = preprocess(make_sources(files(**{"m.v": many}), [], {}, {}))
    assert len(constants_of(tokens)) == MAX_CONSTANTS


def test_of_very_many_messages_the_harness_keeps_its_own() -> None:
    own = "\n".join(f"top.sv:{number}: error: no {number}" for number in range(3 * MAX_LINES))
    said = f"{own}\nh1:4: warning: input port a is coerced to inout.\nh12:5: error: other\n"
    messages = read_messages(said.encode(), "h1")
    assert len(messages) == MAX_LINES + 1
    assert messages[-1].text == "input port a is coerced to inout."
