"""Form `specify`: is a candidate's specification at least as strong as a trusted one? Proved from outside of the
candidate's bodies: a method of ours with the trusted specification calls the candidate's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import CaseResult, Part, Verdict
from basanite_services.chassis.verifier import Context, TaskFault
from basanite_services.dafny import check
from basanite_services.dafny.declarations import Declaration, Program, texts, write
from basanite_services.dafny.forms import verdict_of
from basanite_services.dafny.guard import refusals
from basanite_services.dafny.proving import Prover, Proving
from basanite_services.dafny.report import CORRECT, Finding
from basanite_services.dafny.specification import Difference
from basanite_services.dafny.tokens import Kind, Token
from basanite_services.dafny.vacuous import mark_for
from basanite_services.dafny.verdict import error_at, forbidden, verdict_on

FIELD = "dafny.specify.specification"
_TARGETS = frozenset({"method", "lemma", "function", "predicate"})
_KINDS = frozenset({"requires", "ensures", "modifies", "reads", "decreases"})


@dataclass(frozen=True)
class _Target:
    wanted: Declaration
    given: Declaration


async def judge_specify(task: tasks_pb2.DafnyTask, context: Context, prover: Prover) -> Verdict:
    reference = await asyncio.to_thread(check.trusted, FIELD, task.specify.specification)
    targets = _targets(reference)
    async with context.lend(prover.dafny.environment) as sandbox:
        await prover.check_trusted(FIELD, reference, sandbox, context)
        program = await asyncio.to_thread(check.candidates, task.program)
        pairs, differences = _pairs(targets, program)
        vocabulary, renamed, clashes = _vocabulary(reference, targets, program)
        refused = refusals(program)
        if refused or differences or clashes:
            return forbidden([*differences, *clashes, *refused])
        mark = mark_for(program, "basanite_strength")
        whole = _with_axioms(program, pairs) + "\n" + vocabulary
        checks = [_checks(pair, f"{mark}{number}", renamed) for number, pair in enumerate(pairs)]
        first = await prover.prove(program.source.text, sandbox, context)
        verdict = verdict_of(program, first, prover)
        parts = [_part("verified", first.proved)]
        if first.proved:
            ours = await prover.prove(
                whole + "\n".join(checks), sandbox, context, only=_shown(mark), axioms=True
            )
            converse = [_converse(pair, mark, number, renamed) for number, pair in enumerate(pairs)]
            back = await prover.prove(
                whole + "\n".join(converse), sandbox, context, only=_shown(f"{mark}back"), axioms=True
            )
            verdict = _judged(verdict, ours, back, pairs, mark, parts)
        else:
            parts += [
                Part(name=name, state=Part.STATE_NOT_RUN)
                for name in ("preconditions", "postconditions", "converse")
            ]
        verdict.parts.extend(parts)
        return verdict


def _targets(reference: Program) -> list[Declaration]:
    found = []
    for one in reference.all():
        if not one.is_callable or one.body is not None or one.attributes:
            continue
        if one.kind.replace(" method", "") not in _TARGETS or len(one.path) != 1:
            raise TaskFault(
                FIELD,
                f"{FIELD}: {one.shown}: only methods, lemmas and functions outside of modules and classes",
            )
        if any(clause.kind not in _KINDS for clause in one.clauses):
            raise TaskFault(FIELD, f"{FIELD}: {one.shown}: it has clauses that cannot be compared")
        found.append(one)
    if not found:
        raise TaskFault(
            FIELD, f"{FIELD}: nothing in it is without a body, so that nothing is to be specified"
        )
    return found


def _pairs(targets: list[Declaration], program: Program) -> tuple[list[_Target], list[Difference]]:
    pairs, differences = [], []
    for wanted in targets:
        given = [one for one in program.declarations if one.path == wanted.path and one.is_callable]
        if len(given) != 1 or given[0].kind != wanted.kind:
            differences.append(Difference(f"{wanted.shown} is missing", given[0].token if given else None))
        elif texts(given[0].head) != texts(wanted.head) or given[0].modifiers != wanted.modifiers:
            message = f"{wanted.shown}: the signature must be {write(wanted.head)[:200]}"
            differences.append(Difference(message, given[0].token))
        else:
            pairs.append(_Target(wanted, given[0]))
    return pairs, differences


def _vocabulary(
    reference: Program, targets: list[Declaration], program: Program
) -> tuple[str, dict[str, str], list[Difference]]:
    """What the trusted specification uses, where the candidate has not the same: its text, with new names for functions
    that the candidate defines otherwise."""
    own = {one.name: one for one in program.declarations if one.name}
    names = {token.text for token in program.source.tokens if token.kind is Kind.WORD}
    renamed: dict[str, str] = {}
    added, clashes = [], []
    for one in reference.declarations:
        if one in targets:
            continue
        other = own.get(one.name)
        if other is not None and texts(other.tokens) == texts(one.tokens):
            continue
        if other is not None and one.is_function:
            new = f"{one.name}_wanted"
            while new in names:
                new += "_"
            renamed[one.name] = new
        elif other is not None:
            clashes.append(Difference(f"{one.shown}: it must be as in the specification", other.token))
        added.append(one)
    return "\n".join(write(one.tokens, renamed) for one in added) + "\n", renamed, clashes


def _with_axioms(program: Program, pairs: list[_Target]) -> str:
    """The candidate's text, with functions that are compared known by their specifications alone."""
    text = program.source.text
    for one in sorted((pair.given for pair in pairs), key=lambda one: one.token.start, reverse=True):
        if one.is_function and one.body:
            first, last = one.body[0].start, one.body[-1].end
            blank = "".join(char if char == "\n" else " " for char in text[first:last])
            text = f"{text[:first]}{blank}{text[last:]}"
            text = f"{text[: one.token.start]}{{:axiom}} {text[one.token.start :]}"
    return text


def _checks(pair: _Target, name: str, renamed: dict[str, str]) -> str:
    """Two declarations that Dafny must prove: that the candidate's may be called, and what it then gives."""
    wanted, given = pair.wanted, pair.given
    trusted = _clauses(wanted, renamed, "requires", "modifies")
    both = f"{trusted} {_clauses(given, {}, 'requires')}"
    if wanted.is_function:
        asserted = _asserted(wanted, renamed)
        return "\n".join(
            (
                _caller(f"{name}_pre", wanted, trusted, wanted.name),
                _caller(f"{name}_post", wanted, both, wanted.name, asserted),
            )
        )
    ensures = _clauses(wanted, renamed, "ensures")
    return "\n".join(
        (
            _caller(f"{name}_pre", wanted, trusted, wanted.name),
            _caller(f"{name}_post", wanted, f"{both} {ensures}", wanted.name),
        )
    )


def _converse(pair: _Target, mark: str, number: int, renamed: dict[str, str]) -> str:
    """The trusted specification, taken for granted, gives what the candidate's asks for."""
    wanted, given = pair.wanted, pair.given
    trusted_one = f"{mark}given{number}"
    if wanted.is_function:
        named = {wanted.name: trusted_one}
        clauses = _clauses(wanted, renamed | named, "requires", "reads", "ensures")
        axiom = f"{wanted.kind} {{:axiom}} {trusted_one}{write(wanted.head, renamed)} {clauses}"
        specification = _clauses(given, named, "requires")
        asserted = _asserted(given, named)
        return f"{axiom}\n{_caller(f'{mark}back{number}', wanted, specification, trusted_one, asserted)}"
    clauses = _clauses(wanted, renamed, "requires", "modifies", "ensures")
    axiom = f"{_word(wanted)} {{:axiom}} {trusted_one}{_head(wanted)} {clauses}"
    specification = _clauses(given, {}, "requires", "modifies", "ensures")
    return f"{axiom}\n{_caller(f'{mark}back{number}', wanted, specification, trusted_one)}"


def _caller(name: str, wanted: Declaration, specification: str, called: str, after: str = "") -> str:
    """A declaration that calls one with the parameters of `wanted`."""
    _, parameters, results = _signature(wanted)
    outs = _names(results)
    call = f"{called}({', '.join(_names(parameters))});"
    if wanted.is_function:
        call = f"var {outs[0] if outs else f'{name}_r'} := {call}"
    elif outs:
        call = f"{', '.join(outs)} := {call}"
    return f"{_word(wanted)} {name}{_head(wanted)} {specification} {{ {call} {after} }}"


def _word(wanted: Declaration) -> str:
    if wanted.base == "lemma":
        return "lemma"
    return "ghost method" if wanted.is_function or "ghost" in wanted.modifiers else "method"


def _head(wanted: Declaration) -> str:
    types, parameters, results = _signature(wanted)
    returns = f" returns ({write(results)})" if results and not wanted.is_function else ""
    return f"{types}({write(parameters)}){returns}"


def _asserted(one: Declaration, renamed: dict[str, str]) -> str:
    found = [write(clause.tokens, renamed) for clause in one.clauses if clause.kind == "ensures"]
    return " ".join(f"assert ({text});" for text in found)


def _judged(
    verdict: Verdict, ours: Proving, back: Proving, pairs: list[_Target], mark: str, parts: list[Part]
) -> Verdict:
    cases = [CaseResult.FromString(case.SerializeToString()) for case in verdict.cases]
    said = []
    for number, pair in enumerate(pairs):
        found = {
            part: _proved(ours, f"{mark}{number}_{suffix}")
            for part, suffix in (("preconditions", "pre"), ("postconditions", "post"))
        }
        path = ".".join(pair.wanted.path)
        for part, proved in found.items():
            if not proved:
                message = f"{pair.wanted.shown}: {_MEANING[part]}"
                if ours.outcome not in (result_pb2.OUTCOME_FAILED, result_pb2.OUTCOME_PASSED):
                    message = f"{message}: {ours.message}"
                outcome = ours.outcome if not ours.checked or ours.ended else result_pb2.OUTCOME_FAILED
                cases.append(CaseResult(declaration=path, weight=1, outcome=outcome, message=message))
                verdict.diagnostics.append(error_at(pair.given.token, message))
        said.append(found)
    for part in ("preconditions", "postconditions"):
        parts.append(_part(part, all(found[part] for found in said)))
    converse = all(_proved(back, f"{mark}back{number}") for number in range(len(pairs)))
    parts.append(_part("converse", converse))
    cases[0].usage.cpu_seconds += sum(one.cpu_seconds for some in (ours, back) for one in some.usages)
    cases[0].usage.wall_seconds += sum(one.wall_seconds for some in (ours, back) for one in some.usages)
    return verdict_on(cases, list(verdict.diagnostics))


_MEANING = {
    "preconditions": "it asks for more than the specification allows",
    "postconditions": "it promises less than the specification asks for",
}


def _proved(proving: Proving, name: str) -> bool:
    """A declaration without anything to prove is in no report, where there are no errors either."""
    own = [one for one in proving.findings if _is_about(one, name)]
    return (
        proving.checked
        and not proving.ended
        and all(one.outcome == CORRECT for one in own)
        and (bool(own) or proving.proved)
    )


def _is_about(finding: Finding, name: str) -> bool:
    words = finding.name.partition(" (")[0].rpartition(".")[2]
    return words in (_shown(name), name)


def _shown(mark: str) -> str:
    return mark.replace("_", "__")


def _part(name: str, passed: bool) -> Part:
    return Part(name=name, state=Part.STATE_PASS if passed else Part.STATE_FAIL)


def _clauses(one: Declaration, renamed: dict[str, str], *kinds: str) -> str:
    found = [clause for kind in kinds for clause in one.clauses if clause.kind == kind]
    return " ".join(
        f"{one.kind} ({write(one.tokens, renamed)})"
        if one.kind in ("requires", "ensures")
        else f"{one.kind} {write(one.tokens, renamed)}"
        for one in found
    )


def _signature(one: Declaration) -> tuple[str, list[Token], list[Token]]:
    """-> (type parameters, parameters, results), the latter without brackets."""
    depth = 0
    groups: list[tuple[int, int]] = []
    start = 0
    for at, token in enumerate(one.head):
        if token.text in ("(", "["):
            if depth == 0:
                start = at
            depth += 1
        elif token.text in (")", "]"):
            depth -= 1
            if depth == 0:
                groups.append((start, at))
    opened = next((group for group in groups if not _in_types(one.head, group[0])), None)
    if opened is None:
        raise TaskFault(FIELD, f"{FIELD}: {one.shown}: its parameters cannot be read")
    types = write(one.head[: opened[0]])
    rest = [group for group in groups if group[0] > opened[1]]
    results: list[Token] = []
    if rest and one.head[rest[0][0] - 1].text in ("returns", ":"):
        results = list(one.head[rest[0][0] + 1 : rest[0][1]])
    return types, list(one.head[opened[0] + 1 : opened[1]]), results


def _in_types(head: tuple[Token, ...], at: int) -> bool:
    """Whether a bracket stands among type parameters, as in `<T(==)>`."""
    depth = sum((token.text == "<") - (token.text == ">") for token in head[:at])
    return depth > 0


def _names(parameters: list[Token]) -> list[str]:
    """Of `x: int, ghost y: seq<int>`."""
    names, depth = [], 0
    for at, token in enumerate(parameters):
        following = parameters[at + 1].text if at + 1 < len(parameters) else ""
        if token.kind is Kind.WORD and following == ":" and depth == 0:
            names.append(token.text)
        depth += (token.text in ("(", "[", "<", "{")) - (token.text in (")", "]", ">", "}"))
    return names
