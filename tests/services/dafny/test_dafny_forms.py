"""What Dafny proves, and is what was asked for, passes; nothing else does."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from dafny_judge import Judge, explain, hints, implement, outcome, parts, specify, verify
from dafny_texts import ABS, SORTED

from basanite.v1 import result_pb2, tasks_pb2
from basanite_services.chassis.selftest import Example, examples_directory, load_examples
from basanite_services.chassis.verifier import InvalidItem, TaskFault
from basanite_services.dafny.check import MAX_BYTES
from basanite_services.dafny.verifier import DafnyVerifier

HONEST = {
    case["name"]: case["program"]
    for case in tomllib.loads((Path(__file__).parent / "honest.toml").read_text())["case"]
}
EXAMPLES = load_examples(examples_directory(DafnyVerifier), DafnyVerifier.kind)
SUCCESS = "Dafny program verifier finished with 1 verified, 0 errors"
WANTED = ABS.partition("{")[0]
MAX = """method Max(a: int, b: int) returns (m: int)
  requires a >= 0
  ensures m >= a && m >= b
  ensures m == a || m == b
"""
BODY = "{ if a > b { m := a; } else { m := b; } }"
GROWS = "function F(x: int): int\n  requires x > 0\n  ensures F(x) > x\n"


def max_with(specification: str, body: str = BODY) -> str:
    return f"method Max(a: int, b: int) returns (m: int) {specification} {body}"


CHEATS = {
    "a wrong program": (verify(ABS.replace("y := -x", "y := x")), "FAILED"),
    "nothing to prove": (verify("method m() { }"), "FAILED"),
    "a precondition that is false": (
        verify("method m() returns (y: int) requires false ensures y == 5 { }"),
        "FAILED",
    ),
    "preconditions that contradict each other": (
        verify("method m(x: int) returns (y: int) requires x > 0 requires x < 0 ensures y == 5 { }"),
        "FAILED",
    ),
    "a contradiction by a predicate": (
        verify("predicate p(x: int) { x > x } method m(x: int) requires p(x) ensures x == 5 { }"),
        "FAILED",
    ),
    "a contradiction in a class": (
        verify("class C { var f: int method m(x: int) requires f > 0 requires f < 0 ensures x == 5 { } }"),
        "FAILED",
    ),
    "a contradiction of a function": (
        verify("module M { function g<T>(x: T): int requires x != x ensures g(x) == 3 { 1 } }"),
        "FAILED",
    ),
    "a contradiction of a lemma": (
        verify("lemma {:induction false} L(x: nat) requires x < 0 ensures x == 7 { }"),
        "FAILED",
    ),
    "an endless recursion": (verify("method m() ensures false { m(); }"), "FAILED"),
    "an endless loop": (verify("method m() ensures false { while true { } }"), "FAILED"),
    "a lemma by itself": (verify("lemma L(x: int) ensures x > x { L(x); }"), "FAILED"),
    "lemmas by each other": (
        verify("lemma A() ensures false { B(); } lemma B() ensures false { A(); }"),
        "FAILED",
    ),
    "a partial function": (verify("function f(x: int): int ensures f(x) > x { f(x) + 1 }"), "FAILED"),
    "a type that is empty": (verify("type E = x: int | x > x method m(e: E) ensures false { }"), "FAILED"),
    "a null reference": (
        verify("class C { var x: int } method m(c: C?) returns (r: int) { r := c.x; }"),
        "FAILED",
    ),
    "an index out of bounds": (verify("method m(s: seq<int>) returns (r: int) { r := s[0]; }"), "FAILED"),
    "an error's words": (verify(f'method m() ensures false {{ print "{SUCCESS}\\n"; }}'), "FAILED"),
    "a name like a success line": (verify(f'include "{SUCCESS}"'), "FORBIDDEN"),
    "lines that Dafny 2.3 leaves out": (
        implement(WANTED, "/*\n#if NO\n*/\n" + ABS.replace("y := -x", "y := x") + "\n/*\n#endif\n*/"),
        "FAILED",
    ),
    "a specification in lines that are left out": (
        implement(
            WANTED,
            "method Abs(x: int) returns (y: int) /*\n#if NO\n*/"
            + WANTED.partition("\n")[2]
            + "/*\n#endif\n*/ { y := 0; }",
        ),
        "FAILED",
    ),
    "a wrong body": (implement(WANTED, WANTED + "{ y := x; }"), "FAILED"),
    "an assumption": (implement(WANTED, WANTED + "{ assume false; }"), "FORBIDDEN"),
    "no body": (implement(WANTED, WANTED), "FORBIDDEN"),
    "a weaker postcondition": (implement(WANTED, ABS.replace("x < 0 ==>", "x < -1 ==>")), "FORBIDDEN"),
    "a redefined predicate": (
        implement(SORTED, SORTED.replace("a[i] <= a[j]", "true") + "{ b := a + [x]; }"),
        "FORBIDDEN",
    ),
    "a helper that is assumed": (
        implement(WANTED, ABS.replace("{\n", "{ H();\n", 1) + "lemma H() ensures false"),
        "FORBIDDEN",
    ),
    "a helper that is wrong": (implement(WANTED, WANTED + "{ H(); } lemma H() ensures false { }"), "FAILED"),
    "a lemma of a trait": (
        implement(WANTED, WANTED + "{ T.H(); } trait T { static lemma H() ensures false }"),
        "FORBIDDEN",
    ),
    "a weaker postcondition, specified": (specify(MAX, max_with("requires a >= 0 ensures m >= a")), "FAILED"),
    "a tautology, specified": (specify(MAX, max_with("requires a >= 0 ensures m == m")), "FAILED"),
    "nothing, specified": (specify(MAX, max_with("") + " lemma L() ensures 1 == 1 { }"), "FAILED"),
    "what the body alone knows, specified": (
        specify(MAX, max_with("ensures m >= a", "{ m := a; if b > a { m := b; } assert m >= b; }")),
        "FAILED",
    ),
    "a stronger precondition, specified": (
        specify(
            MAX, max_with("requires a > b >= 0 ensures m >= a && m >= b && (m == a || m == b)", "{ m := a; }")
        ),
        "FAILED",
    ),
    "a precondition that is false, specified": (
        specify(MAX, max_with("requires false ensures m >= a && m >= b && (m == a || m == b)")),
        "FAILED",
    ),
    "a specification that is not met": (specify(MAX, MAX + "{ m := a; }"), "FAILED"),
    "a specification that is false": (specify(MAX, max_with("ensures false")), "FAILED"),
    "a weaker function": (specify(GROWS, GROWS.replace("> x\n", "> 0\n") + "{ x + 1 }"), "FAILED"),
    "a function of less": (
        specify(GROWS, GROWS.replace("requires x > 0", "requires x > 1") + "{ x + 1 }"),
        "FAILED",
    ),
    "another predicate of the same name": (
        specify(
            "predicate p(x: int) { x > 0 } method M() returns (r: int) ensures p(r)",
            "predicate p(x: int) { true } method M() returns (r: int) ensures p(r) { r := 1; }",
        ),
        "FAILED",
    ),
    "a specification with a comment's end": (
        specify(MAX, max_with("requires a >= 0 ensures true /* ) || ( */")),
        "FAILED",
    ),
    "another signature": (specify(MAX, MAX.replace("m: int", "m: nat") + BODY), "FORBIDDEN"),
    "a changed program": (hints(ABS, ABS.replace("x < 0 ==>", "x < -1 ==>")), "FORBIDDEN"),
    "an assumption as a hint": (hints(ABS, ABS.replace("{\n", "{ assume false;\n", 1)), "FORBIDDEN"),
    "an attribute in a hint": (
        hints(ABS, ABS.replace("{\n", "{ assert {:verify false} false;\n", 1)),
        "FORBIDDEN",
    ),
    "a hint that is wrong": (hints(ABS, ABS.replace("{\n", "{ assert x > 0;\n", 1)), "FAILED"),
    "decreases * as a hint": (
        hints(
            "method m() ensures 1 > 2 { while true { } }",
            "method m() ensures 1 > 2 decreases * { while true decreases * { } }",
        ),
        "FORBIDDEN",
    ),
}


@pytest.mark.parametrize(("task", "expected"), CHEATS.values(), ids=CHEATS)
def test_a_cheat_scores_nothing(judge: Judge, task: tasks_pb2.DafnyTask, expected: str) -> None:
    verdict = judge(task)
    assert outcome(verdict) == expected, explain(verdict)
    assert verdict.score == 0
    assert verdict.diagnostics


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(program, id=name, marks=[pytest.mark.full] if number % 4 else [])
        for number, (name, program) in enumerate(HONEST.items())
    ],
)
def test_an_honest_program_passes(judge: Judge, program: str) -> None:
    verdict = judge(verify(program))
    assert outcome(verdict) == "PASSED", explain(verdict)
    assert verdict.score == 1


def test_there_are_enough_of_both() -> None:
    assert len(CHEATS) >= 40
    assert len(HONEST) >= 40


@pytest.mark.parametrize(
    "example",
    [example for folder in EXAMPLES.values() for example in folder],
    ids=lambda example: f"{example.path.parent.name}/{example.path.stem}",
)
def test_an_example_comes_out_as_it_says(judge: Judge, example: Example) -> None:
    verdict = judge(example.item.dafny)
    assert verdict.outcome == example.outcome, explain(verdict)


def test_each_declaration_has_a_case(judge: Judge) -> None:
    text = "lemma Right() ensures 1 < 2 { }\nclass C { method wrong'(x_: int) ensures x_ > 0 { } constructor () { } }\n"
    verdict = judge(verify(text))
    found = {case.declaration: result_pb2.Outcome.Name(case.outcome)[8:] for case in verdict.cases}
    assert found == {"Right": "PASSED", "C.wrong'": "FAILED", "C": "NOT_RUN"}
    assert [(one.line, one.column) for one in verdict.diagnostics] == [(2, 49), (2, 45)]


@pytest.mark.parametrize(
    ("program", "line", "column"),
    [
        ("", 0, 0),
        ("method m() { var x := ; }", 1, 23),
        ("method m()\n{ x := 1; }", 2, 3),
        ("method m() { /* }", 1, 14),
        ("import Nothing", 1, 8),
        ("module M { import Nothing }", 1, 19),
        ("\0", 1, 1),
        ("method m() {" + "(" * 300 + ")" * 300 + "}", 1, 212),
        ("x" * (MAX_BYTES + 1), 0, 0),
        ("class C extends D { }", 1, 17),
    ],
)
def test_what_is_no_program_is_rejected_with_its_place(
    judge: Judge, program: str, line: int, column: int
) -> None:
    verdict = judge(verify(program))
    assert outcome(verdict) == "REJECTED", explain(verdict)
    assert (verdict.diagnostics[0].line, verdict.diagnostics[0].column) == (line, column), explain(verdict)


@pytest.mark.parametrize(
    ("specification", "converse"),
    [
        ("requires a >= 0 ensures m >= a && m >= b ensures m == a || m == b", "PASS"),
        ("requires a >= 0 ensures m == a || m == b ensures m >= b && a <= m", "PASS"),
        ("ensures m >= b && m >= a ensures m in {a, b}", "FAIL"),
        ("ensures m == if a > b then a else b", "FAIL"),
    ],
)
def test_a_specification_that_is_as_strong_passes(judge: Judge, specification: str, converse: str) -> None:
    verdict = judge(specify(MAX, max_with(specification)))
    assert outcome(verdict) == "PASSED", explain(verdict)
    assert parts(verdict) == {
        **dict.fromkeys(("verified", "preconditions", "postconditions"), "PASS"),
        "converse": converse,
    }


@pytest.mark.full
@pytest.mark.parametrize(
    ("specification", "program", "failed"),
    [
        (MAX, max_with("requires a >= 0 ensures m >= a"), {"postconditions"}),
        (
            MAX,
            max_with("requires a > 0 ensures m >= a && m >= b && (m == a || m == b)"),
            {"preconditions"},
        ),
        (GROWS, GROWS + "{ x + 1 }", set()),
        (GROWS, GROWS.replace("requires x > 0", "") + "{ x + 1 }", {"converse"}),
        (GROWS, GROWS.replace("> x\n", "> x + 1\n") + "{ x + 2 }", {"converse"}),
        (GROWS, GROWS.replace("> x\n", "> 0\n") + "{ x + 2 }", {"postconditions"}),
        (
            "lemma L(x: int) requires x > 1 ensures x > 0",
            "lemma L(x: int) requires x > 0 ensures x > 0 { }",
            {"converse"},
        ),
        (
            "method M(a: array<int>) modifies a ensures a[..] == old(a[..])",
            "method M(a: array<int>) { } lemma l() ensures 1 == 1 { }",
            {"converse"},
        ),
    ],
)
def test_the_parts_say_what_is_weaker(
    judge: Judge, specification: str, program: str, failed: set[str]
) -> None:
    verdict = judge(specify(specification, program))
    found = {name for name, state in parts(verdict).items() if state != "PASS"}
    assert found == failed, explain(verdict)


def test_predicates_of_the_candidates_own_are_kept_apart(judge: Judge) -> None:
    wanted = "predicate p(x: int) { x > 0 } method M() returns (r: int) ensures p(r)"
    own = "predicate p(x: int) { x > 9 } method M() returns (r: int) ensures p(r) { r := 10; }"
    verdict = judge(specify(wanted, own))
    assert outcome(verdict) == "PASSED", explain(verdict)
    assert parts(verdict)["converse"] == "FAIL"


@pytest.mark.parametrize(
    "task",
    [
        implement("method m( {", ABS),
        implement("method m() ensures nothing", ABS),
        implement("method m() returns (x: Unknown)", ABS),
        specify("method m() { }", ABS),
        specify("class C { method m() ensures true }", ABS),
        specify("method m() ensures undefined(3)", ABS),
        hints("method m() {", ABS),
    ],
)
def test_a_trusted_text_that_does_not_work_is_the_tasks_fault(
    judge: Judge, task: tasks_pb2.DafnyTask
) -> None:
    with pytest.raises(TaskFault) as caught:
        judge(task)
    assert caught.value.field.startswith("dafny.")


@pytest.mark.parametrize(
    ("task", "field"),
    [
        (tasks_pb2.DafnyTask(program=ABS), "dafny.form"),
        (implement("", ABS), "dafny.implement.specification"),
        (specify(" \n", ABS), "dafny.specify.specification"),
        (hints("/" * (MAX_BYTES + 1), ABS), "dafny.hints.given"),
    ],
)
def test_an_item_that_breaks_a_rule_names_its_field(
    judge: Judge, task: tasks_pb2.DafnyTask, field: str
) -> None:
    with pytest.raises(InvalidItem) as caught:
        judge(task)
    assert caught.value.field == field


def test_a_search_without_end_ends_at_its_limit(judge: Judge) -> None:
    text = (
        "lemma Easy() ensures 1 < 2 { }\n"
        "lemma Hard(a: int, b: int, c: int) requires a > 0 && b > 0 && c > 0 && a * a + b * b == c * c && a % 4 == 3"
        " ensures (a * b * c) % 60 == 0 { }"
    )
    verdict = judge(verify(text), cpu_seconds=3)
    assert outcome(verdict) == "TIME_LIMIT", explain(verdict)
    assert verdict.cases[-1].declaration == "Hard"
    assert verdict.cases[-1].outcome == result_pb2.OUTCOME_TIME_LIMIT


def test_an_axiom_of_the_specification_may_be_used(judge: Judge) -> None:
    reference = (
        "lemma {:axiom} Euclid(n: nat) ensures n < n * n + 2\nmethod M(n: nat) returns (m: nat) ensures m > n"
    )
    good = reference + "{ m := n * n + 2; Euclid(n); }"
    verdict = judge(implement(reference, good))
    assert outcome(verdict) == "PASSED", explain(verdict)
    bad = good.replace("method", "lemma {:axiom} Own() ensures false\nmethod")
    assert outcome(judge(implement(reference, bad))) == "FORBIDDEN"
