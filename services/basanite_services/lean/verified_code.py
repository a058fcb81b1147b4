"""Form `verified_code`: a function, its specification and a proof, each judged apart, as VERINA does (verina.io).

What a test says is a statement that the kernel decides, or its opposite; where it decides neither, the part is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import CaseResult, Part, Verdict
from basanite.v1.tasks_pb2 import VerifiedCodeForm
from basanite_services.chassis.verifier import Context, InvalidItem
from basanite_services.lean import check
from basanite_services.lean.judging import Judge
from basanite_services.lean.messages import Message
from basanite_services.lean.terms import read_name
from basanite_services.lean.together import Step, judge_together
from basanite_services.lean.verdict import verdict_on

MAX_TESTS = 100
SCORE_POLICY = "fraction_of_parts"
_FIELD = "lean.verified_code"
_DECIDE = "by decide"
_PROOF = "proof"
_PASSED = result_pb2.OUTCOME_PASSED


@dataclass(frozen=True, slots=True)
class _Claim:
    """Of a test: what must hold."""

    name: str
    statement: str


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked about one part, or two."""

    definitions: tuple[Step, ...]
    """The candidate's; they must be what they are declared to be."""
    claims: dict[str, tuple[_Claim, ...]]
    """By the name of the part."""
    preamble: str


async def judge_verified_code(task: tasks_pb2.LeanTask, context: Context, judge: Judge) -> Verdict:
    form = task.verified_code
    _check(task, form)
    axioms = check.allowed_axioms(task)
    long = check.too_long(form.implementation, form.precondition, form.postcondition, form.proof)
    cases: list[CaseResult] = []
    parts: list[Part] = []
    messages: list[Message] = []
    usages: list[result_pb2.Usage] = []
    for question in _questions(form):
        if long:
            found = dict.fromkeys(question.claims, (Part.STATE_FAIL, long, result_pb2.OUTCOME_REJECTED))
        else:
            steps = [*question.definitions]
            for name, claims in question.claims.items():
                steps += _both(claims, form.proof if name == _PROOF else "")
            result = await judge_together(
                question.preamble, steps, axioms, _FIELD, context, judge, one_by_one=False
            )
            own = {step.name for step in question.definitions}
            own |= {claim.name for claim in question.claims.get(_PROOF, ())}
            messages += [one for number, one in result.messages.items() if steps[number].name in own]
            usages += result.usages
            by_name = dict(zip((step.name for step in steps), result.cases, strict=True))
            found = {
                name: _state(_needed(question, name), group, by_name)
                for name, group in question.claims.items()
            }
        for name, (state, message, outcome) in found.items():
            parts.append(Part(name=name, state=state))
            cases.append(CaseResult(outcome=outcome, message=message, declaration=name))
    verdict = verdict_on(cases, usages, "", messages)
    verdict.parts.extend(parts)
    verdict.score_policy = SCORE_POLICY
    return verdict


def _questions(form: VerifiedCodeForm) -> Iterator[_Question]:
    """All that is the candidate's is judged from one file: text can mean one thing where its tests see it and another
    where its proof does. Only a specification of its own that nothing is proved about is apart."""
    name, given = form.name, " ".join(f"({one.name} : {one.type})" for one in form.parameters)
    names = " ".join(one.name for one in form.parameters)
    head = f"{given} " if given else ""
    code = f"def {name} {head}: {form.return_type}"
    before = f"@[reducible] def {name}_precond {head}: Prop"
    after = f"@[reducible] def {name}_postcond {head}(result : {form.return_type}) : Prop"
    preamble = f"{form.preamble.rstrip()}\n" if form.preamble.strip() else ""
    specification = [Step(f"{name}_precond", before, form.precondition or "True")]
    if form.postcondition:
        specification.append(Step(f"{name}_postcond", after, form.postcondition))
    has_own = bool(form.precondition or form.postcondition)
    definitions: list[Step] = []
    claims: dict[str, tuple[_Claim, ...]] = {}
    if form.implementation:
        definitions.append(Step(name, code, form.implementation))
        claims["code"] = tuple(
            _Claim(f"{name}_test_{number}", f"{name} {test.arguments} = ({test.expected})")
            for number, test in enumerate(form.tests)
        )
    elif form.proof:
        preamble += f"{code} := {form.reference_implementation}\n"
    if form.reference_postcondition:
        preamble += f"{before} := {form.reference_precondition or 'True'}\n"
        preamble += f"{after} := {form.reference_postcondition}\n"
    elif has_own:
        definitions += specification
        claims |= _specification(form)
    if form.proof:
        arguments = f"{names} " if names else ""
        statement = f"{name}_postcond {arguments}({name} {names})"
        hypothesis = f"(h_precond : {name}_precond {names})"
        claims[_PROOF] = (_Claim(f"{name}_postcond_satisfied", f"{head}{hypothesis} : {statement}"),)
    if claims:
        yield _Question(tuple(definitions), claims, preamble)
    if form.reference_postcondition and has_own:
        yield _Question(tuple(specification), dict(_specification(form)), form.preamble)


def _specification(form: VerifiedCodeForm) -> Iterator[tuple[str, tuple[_Claim, ...]]]:
    name = form.name
    sound: list[_Claim] = []
    complete: list[_Claim] = []
    for number, text in enumerate(form.rejected_arguments):
        sound.append(_Claim(f"{name}_rejects_{number}", f"¬ {name}_precond {text}"))
    for number, test in enumerate(form.tests):
        complete.append(_Claim(f"{name}_accepts_{number}", f"{name}_precond {test.arguments}"))
        if form.postcondition:
            statement = f"{name}_postcond {test.arguments}"
            complete.append(_Claim(f"{name}_expects_{number}", f"{statement} ({test.expected})"))
            for other, wrong in enumerate(test.unexpected):
                sound.append(_Claim(f"{name}_denies_{number}_{other}", f"¬ {statement} ({wrong})"))
    yield "soundness", tuple(sound)
    yield "completeness", tuple(complete)


def _needed(question: _Question, part: str) -> Sequence[Step]:
    """The candidate's definitions that a part is about."""
    first = 1 if "code" in question.claims else 0
    if part == "code":
        return question.definitions[:first]
    return question.definitions if part == _PROOF else question.definitions[first:]


def _both(claims: Sequence[_Claim], proof: str) -> Iterator[Step]:
    """Each claim and its opposite; with a proof, which is the candidate's, the claim alone."""
    for claim in claims:
        if proof:
            yield Step(claim.name, f"theorem {claim.name} {claim.statement}", proof)
        else:
            yield Step(claim.name, f"theorem {claim.name} : {claim.statement}", _DECIDE)
            yield Step(f"{claim.name}_not", f"theorem {claim.name}_not : ¬ ({claim.statement})", _DECIDE)


def _state(
    definitions: Sequence[Step], claims: Sequence[_Claim], by_name: dict[str, CaseResult]
) -> tuple[Part.State.ValueType, str, result_pb2.Outcome.ValueType]:
    for step in definitions:
        case = by_name[step.name]
        if case.outcome != _PASSED:
            return Part.STATE_FAIL, f"{step.name}: {case.message}", case.outcome
    open_ = ""
    for claim in claims:
        case, opposite = by_name[claim.name], by_name.get(f"{claim.name}_not")
        if case.outcome == _PASSED:
            continue
        if opposite is None:
            return Part.STATE_FAIL, case.message, case.outcome
        if opposite.outcome == _PASSED:
            return Part.STATE_FAIL, f"it does not hold that {claim.statement}", result_pb2.OUTCOME_FAILED
        open_ = open_ or claim.statement
    if open_:
        return Part.STATE_UNKNOWN, f"the kernel does not decide {open_}", result_pb2.OUTCOME_FAILED
    return Part.STATE_PASS, "", _PASSED


def _check(task: tasks_pb2.LeanTask, form: VerifiedCodeForm) -> None:
    if task.solution:
        raise InvalidItem("lean.solution", "must be empty: the form has the candidate's texts")
    try:
        read_name(form.name)
    except ValueError as error:
        raise InvalidItem(f"{_FIELD}.name", f"must be a name: {error}") from None
    if not form.return_type.strip():
        raise InvalidItem(f"{_FIELD}.return_type", "must be a type, e.g. Nat")
    if not (form.implementation or form.precondition or form.postcondition or form.proof):
        raise InvalidItem(f"{_FIELD}.implementation", "must be given, or a specification, or a proof")
    for field, count in (
        ("tests", len(form.tests)),
        ("rejected_arguments", len(form.rejected_arguments)),
        *((f"tests[{number}].unexpected", len(test.unexpected)) for number, test in enumerate(form.tests)),
    ):
        if count > MAX_TESTS:
            raise InvalidItem(f"{_FIELD}.{field}", f"must be at most {MAX_TESTS}")
    if form.implementation and not form.tests:
        raise InvalidItem(f"{_FIELD}.tests", "must be at least one, to judge an implementation")
    if form.proof and not (form.implementation or form.reference_implementation):
        raise InvalidItem(
            f"{_FIELD}.proof", "must be about an implementation, the candidate's or a reference"
        )
    if form.reference_precondition and not form.reference_postcondition:
        raise InvalidItem(f"{_FIELD}.reference_precondition", "must come with a reference_postcondition")
    if form.proof and not (form.postcondition or form.reference_postcondition):
        raise InvalidItem(f"{_FIELD}.proof", "must be of a postcondition, the candidate's or a reference")
    trusted = [form.preamble, form.return_type, form.reference_implementation, form.reference_precondition]
    trusted += [form.reference_postcondition, *form.rejected_arguments]
    check.trusted(_FIELD, *trusted, *(f"{test.arguments}{test.expected}" for test in form.tests))
