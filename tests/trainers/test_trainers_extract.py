"""Extractors: an honest answer is found whole, and what is no answer says why."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from basanite.trainers import NoAnswer, fenced_block, tagged, whole_text

LONG = 1 << 20
PROGRAM = 'print("""\n``\n~~~ `x` ```y``` """)\n    # ```\n'


def fenced(text: str, said: str = "python", fence: str = "```") -> str:
    return f"{fence}{said}\n{text}{fence}\n"


@pytest.mark.parametrize(
    "completion",
    [
        fenced(PROGRAM),
        fenced(PROGRAM, "Python"),
        fenced(PROGRAM, "py"),
        fenced(PROGRAM, "python3 title=main.py"),
        fenced(PROGRAM, " python"),
        fenced(PROGRAM, fence="````"),
        "Think.\n" + fenced("wrong\n") + "No:\n" + fenced(PROGRAM) + "Done.",
        fenced(PROGRAM) + "It prints:\n" + fenced("1\n", "text"),
        fenced(PROGRAM) + "```text\nnever closed",
        fenced(fenced("print(1)\n") + "x\n", "markdown", "````") + fenced(PROGRAM),
        fenced(PROGRAM).removesuffix("\n") + "  \t",
        fenced(PROGRAM, "python  \t"),
        "1. So:\n\n" + textwrap.indent(fenced(PROGRAM), "   ") + "2. Done.",
        "10. So:\n" + textwrap.indent(fenced(PROGRAM), "    ") + "\n```text\n1\n```",
        "\t" + fenced(PROGRAM).replace("\n", "\n\t"),
        "- " + textwrap.indent(fenced(PROGRAM), "  ").lstrip() + fenced("1\n", "text"),
        "2) " + textwrap.indent(fenced(PROGRAM), "   ").lstrip(),
        "   " + fenced(PROGRAM),
        fenced(fenced(PROGRAM), "markdown"),
        "<think>\n```python\nwait, no\n</think>\n" + fenced(PROGRAM),
    ],
)
def test_the_last_block_of_the_language_is_the_answer(completion: str) -> None:
    assert fenced_block("python")(completion) == PROGRAM


@pytest.mark.parametrize(
    "said", ["verilog", "systemverilog", "SystemVerilog", "sv", "v", "verilog title=top.v"]
)
@pytest.mark.parametrize("wanted", ["verilog", "systemverilog"])
def test_the_names_of_verilog_stand_for_each_other(said: str, wanted: str) -> None:
    design = "`timescale 1ns/1ps\n`define A `B\nmodule top; endmodule\n"
    assert fenced_block(wanted)(fenced(design, said) + fenced("assert x", "python")) == design


@pytest.mark.parametrize("said", ["diff", "patch", "Diff"])
@pytest.mark.parametrize("wanted", ["diff", "patch"])
def test_a_patch_is_found_whole_with_its_blank_context_and_last_newline(said: str, wanted: str) -> None:
    patch = "--- a/x\n+++ b/x\n@@ -1,4 +1,4 @@\n a\n \n-b\n+c\n \n"
    assert fenced_block(wanted)(fenced(patch, said) + fenced("x", "python")) == patch
    assert (
        fenced_block(wanted)("1. so\n\n" + textwrap.indent(fenced(patch, said), "   ", lambda _: True))
        == patch
    )


def test_line_ends_of_windows_do_not_hide_a_block() -> None:
    assert fenced_block("python")("a\r\n```python\r\nprint(1)\r\n```\r\n") == "print(1)\r\n"


def test_tildes_fence_too() -> None:
    assert fenced_block("python")("~~~python\nprint('```')\n```\n~~~") == "print('```')\n```\n"


def test_a_fence_within_the_program_that_is_indented_as_code_is_no_fence() -> None:
    program = 'def f():\n    """Adds.\n\n    ```python\n    f(1)\n    ```\n    """\n'
    assert fenced_block("python")(fenced(program)) == program
    assert fenced_block("python")(textwrap.indent(fenced(program), "    ")) == program


def test_without_a_language_the_last_block_counts() -> None:
    assert fenced_block()(fenced("a\n") + fenced("b\n", "")) == "b\n"


@pytest.mark.parametrize(
    ("completion", "message", "line"),
    [
        ("", "there is no fenced python block", 0),
        ("print(1)", "there is no fenced python block", 0),
        (fenced("print(1)\n", ""), "there is no fenced python block", 0),
        (fenced("print(1)\n", "pythonic"), "there is no fenced python block", 0),
        ("``` python `x`\nprint(1)\n```", "there is no fenced python block", 0),
        ("x ```python\nprint(1)\n```", "there is no fenced python block", 0),
        (fenced("a\n") + "So:\n```python\nprint(", "the last fenced python block is not closed", 5),
    ],
)
def test_what_holds_no_block_says_why(completion: str, message: str, line: int) -> None:
    assert fenced_block("python")(completion) == NoAnswer(message, line)


@given(
    program=st.text(st.characters(exclude_characters="`~", exclude_categories=["Cs"])),
    before=st.text(st.characters(exclude_characters="`~")),
)
def test_whatever_has_no_fence_of_its_own_comes_out_as_it_went_in(program: str, before: str) -> None:
    assert fenced_block("python")(f"{before}\n```python\n{program}\n```") == program + "\n"
    assert whole_text(program) == program


@pytest.mark.parametrize(
    "completion",
    [
        "```" + " " * LONG + "`",
        "```" + "a" * LONG + "`",
        "~~~" + "~ " * LONG,
        " " * LONG + "-" + " " * LONG + "``",
        "1" * LONG + "```",
        "`" * LONG + "x`",
        "\n" * LONG,
        "```python\n" * (LONG // 10),
        "```python\nx\n```\n" * (LONG // 16),
        "<answer>" * (LONG // 8),
        "</answer>" * (LONG // 9) + "<answer>",
    ],
    ids=lambda completion: completion[:12],
)
def test_the_time_that_extraction_takes_grows_with_the_length_alone(completion: str) -> None:
    # Were it the square of the length, this would take minutes.
    for extract in (fenced_block("python"), fenced_block(), tagged()):
        assert isinstance(extract(completion), (str, NoAnswer))


@given(st.text("`~ \npython"))
def test_no_text_breaks_an_extractor(text: str) -> None:
    for extract in (fenced_block("python"), fenced_block(), tagged(), whole_text):
        assert isinstance(extract(text), (str, NoAnswer))


def test_the_last_tagged_answer_is_the_answer() -> None:
    extract = tagged("answer")
    assert extract("<answer>1</answer> or <answer>\nif a < b:\n  c\n</answer>.") == "if a < b:\n  c\n"
    assert extract("</answer><answer></answer>") == ""
    assert extract("1") == NoAnswer("there is no <answer>")
    assert extract("<answer>1</answer>\n<answer>2") == NoAnswer("the last <answer> is not closed", 2)
    with pytest.raises(ValueError, match="name"):
        tagged("<answer>")
