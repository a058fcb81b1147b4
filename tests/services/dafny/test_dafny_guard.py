"""What would make Dafny accept what it has not proved is refused, wherever it stands; what looks like it is not."""

import contextlib

import pytest

from basanite_services.dafny.declarations import read_program
from basanite_services.dafny.guard import refusals
from basanite_services.dafny.hints import without_hints
from basanite_services.dafny.tokens import SourceError

IN_A_BODY = {
    "assume": "assume false;",
    "assume with an attribute": "assume {:axiom} false;",
    "assume over lines and comments": "assume\n/* */ // x\nfalse;",
    "assume in an expression": "var y := (assume false; 1);",
    "assign such that, assumed": "var y :| assume y > y;",
    "expect": "expect false;",
    "expect with brackets": "expect(false);",
    "a loop without a body": "while true invariant x > x",
    "a loop without a body, before another statement": "while x > 0 invariant false; x := 1;",
    "a loop without a body, before statements and a block": "while x > 0 invariant false; x := 1; { }",
    "a loop without a body, before a statement in its place": "while x > 0 invariant (false) x := 1; { }",
    "a loop without clauses and body": "while (x > 0) x := 1; { }",
    "a loop without a body, its invariant with an assertion": "while x > 0 invariant assert true; x > x; x := 1; { }",
    "a loop without a body, its invariant with a proof": "while x > 0 invariant assert 1 < 2 by { } 1 > 2; x := 1; { }",
    "a loop without a body, its invariant with a calculation": "while x > 0 invariant calc { } 1 > 2; x := 1; { }",
    "a loop without a body before a match": "while x > 0 invariant x > 1 match x { case _ => }",
    "forall without a body, before a block": "forall y: int ensures y > y; x := 1; { }",
    "decreases among others": "while true decreases 1, * { }",
    "a for loop without a body": "for i := 0 to 3 invariant false",
    "forall without a body": "forall y: int ensures y > y;",
    "forall with a range, without a body": "forall y: int | y > 0 ensures y > y;",
    "forall without a body, at the end": "forall y: int ensures false",
    "decreases * of a loop": "while true decreases * { }",
    "an assertion that is not checked": "assert {:verify false} false;",
    "an assertion with words of its own": 'assert {:error "1 verified, 0 errors"} false;',
    "an assertion that is assumed": "assert {:axiom} false;",
    "only this assertion": "assert {:only} true;",
    "split off": "assert {:split_only} true;",
    "an attribute with space": "assert { : verify false} false;",
    "an attribute with a comment": "assert {/* */:/* */verify false} false;",
    "a refinement's dots": "...;",
}
DECLARED = {
    "a method without a body": "method n() ensures false",
    "a lemma without a body": "lemma n() ensures false",
    "a lemma that is an axiom": "lemma {:axiom} n() ensures false",
    "a function without a body": "function n(): int ensures false",
    "a function method without a body": "function method n(): int",
    "a constructor without a body": "class C { constructor () ensures false }",
    "an iterator without a body": "iterator I() ensures false",
    "a static lemma of a trait": "trait T { static lemma n() ensures false }",
    "an abstract module": "abstract module A { lemma n() ensures false }",
    "a lemma of a nested module": "module A { module B { lemma n() ensures false } }",
    "a refinement": "module A { } module B refines A { }",
    "an include": 'include "x.dfy"',
    "an included success": 'include "Dafny program verifier finished with 1 verified, 0 errors"',
    "unchecked": "method {:verify false} n() ensures false { }",
    "external": 'method {:extern "x"} n() ensures false { }',
    "only this": "lemma {:only} n() { }",
    "a limit of time": "lemma {:timeLimit 1} n() ensures false { }",
    "a limit of resources": "lemma {:rlimit 1} n() ensures false { }",
    "a multiplied limit": "lemma {:timeLimitMultiplier 0} n() ensures false { }",
    "options of a module": 'module {:options "--x"} A { }',
    "no termination": "trait {:termination false} T { }",
    "selective checking": "method {:selective_checking} n() ensures false { }",
    "requirements of its own making": "function {:autoReq} n(): int { 1 }",
    "contracts of its own making": "class {:autocontracts} C { }",
    "an attribute of a clause": "method n() ensures {:axiom} false { }",
    "decreases *": "method n() ensures false decreases * { n(); }",
    "a free ensures": "method n() free ensures false { }",
}
HARMLESS = {
    "words in names": "method assumed(expected: int, reassume: int) { }",
    "a variable called expect": "method m(expect: int) returns (r: int) { r := expect; expect := 1; }",
    "in a string": 'method m() { print "assume false; {:axiom}"; }',
    "in a comment": "method m() { /* assume false; */ // expect false\n }",
    "a trigger": "lemma m() ensures forall x {:trigger f(x)} :: f(x) == f(x) { }",
    "induction": "lemma {:induction false} m() { }",
    "fuel": "lemma {:fuel f, 3, 4} m() { }",
    "opaque": "function {:opaque} f(): int { 1 }",
    "a loop over a length": "method m(s: seq<int>) { var i := 0; while i < |s| { i := i + 1; } }",
    "a loop with a set": "method m(s: set<int>) { while s != {} decreases s { } }",
    "a loop with a set in its invariant": "method m(s: set<int>) { while true invariant s == {1, 2} { } }",
    "a loop of alternatives": "method m(i: int) { while { case i > 0 => } }",
    "a loop of alternatives with an invariant": "method m(i: int) { while invariant i > 0 { case i > 0 => } }",
    "a measure that is a product": "method m(n: nat) { var i := n; while i > 0 decreases i, 2 * i { i := i - 1; } }",
    "a function's own requirements": "lemma l(f: int ~> int) requires f.requires(1) && f.reads(1) == {} { }",
    "what a module provides": "module M { export A provides f export B reveals * function f(): int { 1 } }",
    "an alternative first": "datatype D = | A | B(x: int)",
    "any number of rounds": "method m() { while * decreases 1 { } }",
    "a loop in brackets": "method m(i: int) { while (i > 0) invariant i >= 0 { } }",
    "a loop with old semicolons": "method m(i: int) { while (i > 0) invariant i >= 0; decreases i; { } }",
    "forall with a body": "method m() { forall x: int | x > 0 ensures x > 0 { } }",
    "forall with brackets": "method m(a: array<int>) { forall (i | 0 <= i < a.Length) { a[i] := 0; } }",
    "forall as an expression": "predicate p(s: seq<int>) { forall i :: 0 <= i < |s| ==> s[i] > 0 }",
    "forall in an assertion": "method m() { assert forall i: int :: i == i; }",
    "an old heap": "method m() { label L: assert old@L(1) == 1; }",
    "modules": "module A { const c := 1 } module B { import opened A lemma l() ensures c == 1 { } }",
    "an opaque type": "type T(==) method m(t: T) { }",
}  # fmt: skip


def said(text: str) -> list[str]:
    return [one.message for one in refusals(read_program(text))]


@pytest.mark.parametrize("statement", IN_A_BODY.values(), ids=IN_A_BODY)
@pytest.mark.parametrize(
    "frame",
    ["method m(x: int) {{ {} }}", "module A {{ class C {{ lemma m(x: int) {{ if x > 0 {{ {} }} }} }} }}"],
    ids=["method", "nested"],
)
def test_a_statement_that_is_not_proved_is_refused(statement: str, frame: str) -> None:
    assert said(frame.format(statement))


@pytest.mark.parametrize("text", DECLARED.values(), ids=DECLARED)
def test_a_declaration_that_is_not_proved_is_refused(text: str) -> None:
    assert said(text)
    assert said(f"module Outer {{ {text}\n }}")


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_what_looks_like_it_is_not_refused(text: str) -> None:
    assert said(text) == []


def test_a_refusal_says_where() -> None:
    (one,) = refusals(read_program("method m()\n{\n  assume false;\n}"))
    assert (one.token.line, one.token.column) == (3, 3)


@pytest.mark.parametrize(
    "text", ["@Verify(false) method n() ensures false { }", "class C { @Axiom\nlemma n() ensures false { } }"]
)
def test_attributes_that_dafny_4_alone_knows_are_not_read(text: str) -> None:
    with pytest.raises(SourceError, match="attributes"):
        read_program(text)


@pytest.mark.parametrize("clause", ["invariant s as set<int> {", "invariant s > {", "decreases f<int> {"])
def test_a_brace_that_could_be_either_is_not_read(clause: str) -> None:
    program = read_program(f"method m(s: set<int>) {{ while true {clause} }} {{ }} }}")
    with pytest.raises(SourceError, match="brackets"):
        refusals(program)


@pytest.mark.parametrize(
    "word", ["forall x ", "while x + ", "forall x | ", "while ", "assert ", "match x ", "| "]
)
def test_long_nonsense_is_soon_read(word: str) -> None:
    with contextlib.suppress(SourceError):
        text = f"method m() {{ {word * 20_000} :: }}"
        program = read_program(text)
        refusals(program)
        without_hints(program.source.tokens)


def test_there_are_enough_of_them() -> None:
    assert len(IN_A_BODY) + len(DECLARED) >= 40
