"""Declarations are found with what belongs to each."""

import json
from pathlib import Path

import pytest

from basanite_services.dafny.declarations import Declaration, read_program, texts
from basanite_services.dafny.tokens import SourceError

SAMPLE = Path(__file__).parents[4] / "shared/data/dafnybench/sample.jsonl"


def only(text: str) -> Declaration:
    (found,) = read_program(text).declarations
    return found


@pytest.mark.parametrize(
    ("head", "clauses"),
    [
        ("method m(s: set<int>) ensures s == {} ", ["s == {}"]),
        ("method m(s: set<int>) requires 1 in s requires |s| > 0 ", ["1 in s", "|s| > 0"]),
        ("method m(s: set<int>) requires 0 < |s| ", ["0 < |s|"]),
        ("method m(s: set<int>) ensures s == set x | x in s && x > 0 :: x + 1 ", None),
        ("method m(s: set<int>) ensures (set x | x in s) == s ", None),
        ("method m(x: int) ensures match x case 0 => true case _ => false ", None),
        ("method m(x: int) ensures match x { case 0 => true case _ => false } ", None),
        ("method m(x: int) ensures forall y {:trigger f(y)} :: f(y) > x ", None),
        ("method m(x: int) ensures if x > 0 then {x} == {1} else true ", None),
        ("method m(a: array<int>) modifies a ensures multiset(a[..]) == old(multiset(a[..])) ", None),
        ("method m(x: int) requires x > 0; ensures x > 0; ", ["x > 0", "x > 0"]),
        ("method m(x: int) decreases * ", ["*"]),
        ("method m(x: int) ensures assert x == x; x > 0 ", None),
        ("method {:axiom} m<T(==)>(x: T, ghost y: int) returns (z: T) ensures z == x ", ["z == x"]),
        ("function f(s: seq<int>): (r: seq<int>) ensures |r| == |s| ", ["|r| == |s|"]),
        ("function f(x: int): int reads * ", ["*"]),
        ("lemma {:induction false} l(x: int) ensures x == x ", None),
        ("method m(x: int) ensures x < 0 || {1} != multiset{x} ", None),
    ],
)
def test_a_body_begins_where_its_specification_ends(head: str, clauses: list[str] | None) -> None:
    found = only(f"{head}{{ body }}")
    assert texts(found.body or ()) == ("{", "body", "}")
    if clauses is not None:
        assert [" ".join(texts(one.tokens)) for one in found.clauses] == [
            " ".join(texts(read_program(f"const c := {one}").declarations[0].head[1:])) for one in clauses
        ]
    assert only(head).body is None


def test_kinds_and_paths() -> None:
    text = """module A.B { class C<T> extends D { var x: int, y: nat; const c := 1
      constructor () {} constructor Named() {} static function method f(): int { 1 } twostate lemma t() {} }
      datatype T = L | N(l: T, x: int) type S = x: int | x > 0 witness 1 newtype n = int }
      least predicate p() { true } inductive lemma q() {} ghost method g() {} import opened X = A.B
      function by(): int { 1 } by method { return 1; } abstract module Z { }"""
    found = [(one.kind, ".".join(one.path)) for one in read_program(text).all()]
    assert found == [
        ("module", "A.B"),
        ("class", "A.B.C"),
        ("var", "A.B.C.x"),
        ("const", "A.B.C.c"),
        ("constructor", "A.B.C"),
        ("constructor", "A.B.C.Named"),
        ("function method", "A.B.C.f"),
        ("twostate lemma", "A.B.C.t"),
        ("datatype", "A.B.T"),
        ("type", "A.B.S"),
        ("newtype", "A.B.n"),
        ("least predicate", "p"),
        ("inductive lemma", "q"),
        ("method", "g"),
        ("import", "X"),
        ("function", "by"),
        ("module", "Z"),
    ]


@pytest.mark.parametrize(
    "text",
    ["x", "method", "method m( {", "class C", "module M { x }", "{ }", "method m() {} ; 3", "var x: int"],
)
def test_what_is_no_declaration_is_an_error(text: str) -> None:
    with pytest.raises(SourceError):
        read_program(text)


def test_modules_in_modules_end() -> None:
    with pytest.raises(SourceError, match="deep"):
        read_program("module M { " * 30 + "}" * 30)


def test_the_programs_of_the_sample_are_read() -> None:
    if not SAMPLE.is_file():
        pytest.skip("the sample of DafnyBench is not here")
    for line in SAMPLE.read_text().splitlines():
        program = read_program(json.loads(line)["program"])
        assert [*program.all()]
        assert sum(len(one.tokens) for one in program.declarations) <= len(program.source.tokens)
