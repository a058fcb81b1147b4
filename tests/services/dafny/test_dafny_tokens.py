"""What is given to Dafny has the candidate's tokens, where they stood, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from basanite_services.dafny.tokens import MAX_NESTING, SourceError, read_tokens


def words(text: str) -> list[str]:
    return [token.text for token in read_tokens(text).tokens]


@pytest.mark.parametrize(
    "text",
    [
        "a // b\nc",
        "a /* b */ c",
        "a /* /* b */ */ c",
        "a /*\n#if X\n*/ c",
        "a // #endif é ∀\nc",
        "a /* \" */ c",
        "\ufeffa\r\nc",
    ],
)  # fmt: skip
def test_comments_do_not_reach_dafny(text: str) -> None:
    source = read_tokens(text)
    assert [token.text for token in source.tokens] == ["a", "c"]
    assert source.text.split() == ["a", "c"]
    assert source.text.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "text",
    ['"// no comment"', '"a\\"b"', '@"a ""b"" /*"', "'/'", "'\\''", "a'b", "x'", "_?'", "0x1F", "1_000.5"],
)
def test_one_token_is_one_token(text: str) -> None:
    assert words(text) == [text]


def test_signs_are_the_longest() -> None:
    assert words("a<==>b==>c:=d..e...!in s") == [
        *("a", "<==>", "b", "==>", "c", ":=", "d", "..", "e", "...", "!", "in", "s")
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a /* b", "has no end"),
        ("a /* /* b */", "has no end"),
        ('"abc', "begins no token"),
        ('@"a\nb"', "begins no token"),
        ("é := 1", "begins no token"),
        ("a\rb", "U+000D"),
        ("a\0b", "U+0000"),
        ("a\ud800", "U+D800"),
        ("(]", "closes nothing"),
        ("}", "closes nothing"),
        ("{ (", "is not closed"),
        ("a\n  #if X\n", "begin with '#'"),
        ("'ab", "begins no token"),
        ("'a'b", "begins no token"),
        ("0x", "is no number"),
        ("12ab", "is no number"),
        ("[" * (MAX_NESTING + 1), "brackets in brackets"),
    ],
)
def test_what_is_no_text_of_dafny_is_told(text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said.replace("(", r"\(").replace("+", r"\+")):
        read_tokens(text)


def test_an_error_says_where() -> None:
    with pytest.raises(SourceError) as caught:
        read_tokens("method m()\n{\n   é\n}")
    assert (caught.value.line, caught.value.column) == (3, 4)


@given(st.text(alphabet="ab'\"/*\\\n@{}()[]|.:;=<>!&0x1_ #é", max_size=60))
def test_all_tokens_stand_where_they_stood(text: str) -> None:
    try:
        source = read_tokens(text)
    except SourceError:
        return
    assert len(source.text) == len(text)
    for token in source.tokens:
        assert source.text[token.start : token.end] == token.text == text[token.start : token.end]
        assert source.text.split("\n")[token.line - 1][token.column - 1 :].startswith(token.text)
    assert (
        "".join(token.text for token in source.tokens) == "".join(source.text.split())
        or '"' in text
        or "'" in text
    )
