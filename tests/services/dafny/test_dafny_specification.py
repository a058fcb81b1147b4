"""A candidate must declare what the specification does, as it does; bodies, hints and helpers are its own."""

import pytest
from dafny_texts import ABS, SORTED

from basanite_services.dafny.declarations import read_program
from basanite_services.dafny.specification import compare

BODY = "{ b := a; }\n"
CLASS = "class C { var x: int method inc() modifies this ensures x == old(x) + 1 { x := x + 1; } }"
DATA = "datatype L = N | C(h: int, t: L) function len(l: L): nat { match l case N => 0 case C(_, t) => 1 + len(t) }"
MODULE = "module M { const k := 3 lemma l() ensures k == 3 { } }"


def differences(reference: str, candidate: str) -> list[str]:
    return [one.message for one in compare(read_program(reference), read_program(candidate)).differences]


CHANGES = {
    "a missing postcondition": (SORTED, SORTED.replace("  ensures sorted(b)\n", "")),
    "a weaker postcondition": (SORTED, SORTED.replace("ensures sorted(b)", "ensures sorted(b) || true")),
    "a postcondition in a comment": (SORTED, SORTED.replace("  ensures sorted(b)\n", "// ensures sorted(b)\n")),
    "postconditions in another order": (ABS, ABS.replace("  ensures x >= 0 ==> y == x\n", "").replace(
        "y == -x\n{", "y == -x\n  ensures x >= 0 ==> y == x\n{")),
    "a stronger precondition": (SORTED, SORTED.replace("requires sorted(a)", "requires sorted(a) && |a| > 3")),
    "a further precondition": (SORTED, SORTED.replace("requires sorted(a)", "requires sorted(a) requires false")),
    "a missing precondition": (SORTED, SORTED.replace("  requires sorted(a)\n", "")),
    "a redefined predicate": (SORTED, SORTED.replace("a[i] <= a[j]", "true")),
    "a predicate as a function": (
        SORTED,
        SORTED.replace("predicate sorted(a: seq<int>)", "function sorted(a: seq<int>): bool"),
    ),
    "a compiled predicate": (SORTED, SORTED.replace("predicate", "predicate method")),
    "another name": (ABS, ABS.replace("Abs", "Abs'")),
    "another type": (ABS, ABS.replace("y: int", "y: nat")),
    "a ghost parameter": (ABS, ABS.replace("x: int", "ghost x: int")),
    "another order of parameters": (SORTED, SORTED.replace("a: seq<int>, x: int", "x: int, a: seq<int>")),
    "a ghost method": (ABS, f"ghost {ABS}"),
    "a lemma": (ABS, ABS.replace("method", "lemma")),
    "in a module": (ABS, f"module M {{ {ABS} }}"),
    "in a class": (ABS, f"class M {{ {ABS} }}"),
    "missing": (ABS, "method other() { }"),
    "other fields": (CLASS, CLASS.replace("var x: int", "var x: nat")),
    "more to modify": (CLASS, CLASS.replace("modifies this", "modifies this, {}")),
    "other constructors": (DATA, DATA.replace("N |", "N | M |")),
    "another definition": (DATA, DATA.replace("1 + len(t)", "0")),
    "another constant": (MODULE, MODULE.replace("k := 3", "k := 4")),
    "a shadowing function": (CLASS.replace("x == old(x) + 1", "good(x)") + " predicate good(x: int) { x > 0 }",
        CLASS.replace("x == old(x) + 1", "good(x)").replace("class C {", "class C { predicate good(x: int) { true }")
        + " predicate good(x: int) { x > 0 }"),
    "a shadowing constructor": (DATA, f"{DATA} datatype E = len | F"),
    "a shadowing field": (DATA, f"{DATA} datatype E = E0(h: int)"),
    "a shadowing module": (SORTED, f"{SORTED} module sorted {{ }}"),
    "declared twice": (ABS, f"{ABS}{ABS}"),
    "an attribute more": (ABS, ABS.replace("method Abs", "method {:verify false} Abs")),
    "an attribute less": (ABS.replace("method Abs", "method {:opaque} Abs"), ABS),
}  # fmt: skip
KEPT = {
    "the same": (ABS, ABS),
    "a body": (SORTED, SORTED + BODY),
    "another body": (ABS, ABS.replace("if x < 0 { y := -x; } else { y := x; }", "y := if x < 0 then -x else x;")),
    "a further postcondition": (SORTED, SORTED + "  ensures |b| == |a| + 1\n" + BODY),
    "a postcondition in between": (ABS, ABS.replace("==> y == x\n", "==> y == x\n  ensures y >= 0\n")),
    "a measure": (ABS, ABS.replace("y == -x\n", "y == -x\n  decreases x\n")),
    "comments and space": (ABS, ABS.replace(" ", "  /* */ ").replace("\n", " // x\n")),
    "a helper": (SORTED, SORTED + BODY + "lemma Helper(s: seq<int>) ensures |s| >= 0 { }"),
    "a helper's type": (SORTED, SORTED + BODY + "datatype Tree = Leaf | Node(left: Tree, right: Tree)"),
    "an attribute of a hint": (ABS, ABS.replace("method Abs", "method {:tailrecursion} Abs")),
    "a body of a function": (
        "function f(x: int): int ensures f(x) > x",
        "function f(x: int): int ensures f(x) > x { x + 1 }",
    ),
    "classes": (CLASS, CLASS.replace("x := x + 1;", "var y := x; x := y + 1;")),
    "data": (DATA, f"{DATA} lemma helper() {{ }}"),
    "modules": (MODULE, MODULE),
}  # fmt: skip


@pytest.mark.parametrize(("reference", "candidate"), CHANGES.values(), ids=CHANGES)
def test_what_changes_the_specification_is_found(reference: str, candidate: str) -> None:
    assert differences(reference, candidate)


@pytest.mark.parametrize(("reference", "candidate"), KEPT.values(), ids=KEPT)
def test_what_is_the_candidates_own_is_not(reference: str, candidate: str) -> None:
    assert differences(reference, candidate) == []


def test_an_axiom_of_the_specification_may_stay_one() -> None:
    reference = read_program("lemma {:axiom} Euclid() ensures true")
    candidate = read_program("lemma {:axiom} Euclid() ensures true lemma {:axiom} Own() ensures false")
    compared = compare(reference, candidate)
    first, second = candidate.declarations
    assert {first.token.start, first.attributes[0][0].start} <= compared.exempt
    assert not {second.token.start, second.attributes[0][0].start} & compared.exempt
