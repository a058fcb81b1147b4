"""What a task's check is worth: does it pass a good design, and reject those that do nothing, or have one fault?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from basanite._results import Assurance, Outcome, PartState, Result, Severity
from basanite._tasks import Item
from basanite._verilog_tasks import (
    CocotbTask,
    Files,
    FormalCheck,
    VerilogEquivalenceTask,
    VerilogTestbenchTask,
)
from basanite.verilog._mutants import Mutant, choose, mutants
from basanite.verilog._stubs import Stub, stubs
from basanite.verilog._tokens import tokenize

if TYPE_CHECKING:
    from basanite._sync import Client

AuditableTask: TypeAlias = VerilogEquivalenceTask | VerilogTestbenchTask | CocotbTask

_FORMS: Final[Mapping[type, str]] = {
    VerilogEquivalenceTask: "equivalence",
    VerilogTestbenchTask: "testbench",
    CocotbTask: "cocotb",
}
_SINGLE: Final = "top.v"
_PROOF: Final = FormalCheck(cpu_seconds=5.0)


class NotAuditable(ValueError):
    """An item with nothing to audit. Says why."""


@dataclass(frozen=True, slots=True)
class StubAudit:
    """What became of a design that does nothing."""

    stub: str
    """Its name: "zeros", "ones", "unknown", "undriven", or "passthrough PORT"."""
    passes: bool | None
    """None: it does not compile, or could not be judged."""
    differs: bool | None = None
    """Of one that passes: whether it differs from the good design, as a comparison of both has it; None: not known."""

    @property
    def shows_vacuous(self) -> bool:
        """Whether that it passes says that the check is vacuous. A good design may be a passthrough itself."""
        return bool(self.passes) and (not self.stub.startswith("passthrough") or self.differs is True)


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that passes."""

    file: str
    mutant: Mutant
    differs: bool | None = None
    """As StubAudit.differs. Where it is None or False, the mutant may be as right as the good design."""
    proven_equal: bool = False
    """Whether it is proven to be as right as the good design: then it says nothing about the check."""


@dataclass(frozen=True, slots=True)
class TaskAudit:
    """What the check of one task is worth."""

    id: str
    """That of the first item with the task."""
    form: str
    good: Outcome | None
    """What became of the good design; None if it could not be judged."""
    problem: str = ""
    """Why this is no check to train with, but for its being vacuous, or why nothing is known. "" if all is well."""
    remarks: Sequence[str] = ()
    """What the server warned of when it judged the good design."""
    stubs: Sequence[StubAudit] = ()
    mutants: int = 0
    """Those that were judged, less those that do not compile."""
    survivors: Sequence[Survivor] = ()
    not_judged: int = 0
    """Mutants whose results are Failures."""

    @property
    def vacuous_stubs(self) -> list[str]:
        """Names of the stubs that pass and should not."""
        return [stub.stub for stub in self.stubs if stub.shows_vacuous]

    @property
    def vacuous(self) -> bool:
        """Whether a design that does nothing passes."""
        return bool(self.vacuous_stubs)

    @property
    def wrong_mutants(self) -> int:
        """The mutants that were judged, less those that are proven to be right."""
        return self.mutants - sum(survivor.proven_equal for survivor in self.survivors)

    @property
    def rejected(self) -> int:
        """How many mutants the check found."""
        return self.mutants - len(self.survivors)

    @property
    def detection_rate(self) -> float | None:
        """The share of the wrong mutants that are rejected, in [0, 1]; None without any."""
        return self.rejected / self.wrong_mutants if self.wrong_mutants else None

    @property
    def sound(self) -> bool:
        """Whether the good design passes and no design that does nothing does."""
        return self.good is Outcome.PASSED and not self.problem and not self.vacuous


@dataclass(slots=True)
class _Case:
    """A task on its way through the audit."""

    item: Item
    task: AuditableTask
    good: dict[str, str]
    problem: str
    stubs: list[Stub] = field(default_factory=list)
    mutants: list[tuple[str, Mutant]] = field(default_factory=list)
    """With the name of the file that is changed."""

    def with_file(self, name: str, text: str) -> Item:
        return self.of({**self.good, name: text})

    def of(self, files: Files) -> Item:
        return replace(self.item, task=replace(self.task, source=files), require_assurance=Assurance.GUARDED)

    def stub_file(self) -> str:
        return next((name for name, text in self.good.items() if any(stubs(text, self.task.top))), "")


def audit(
    client: Client,
    items: Sequence[Item],
    *,
    mutants: int = 20,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[TaskAudit]:
    """Audit the checks of tasks, one TaskAudit for each different task.

    The good design is the golden, the testbench's reference, or, where there is none, the candidate. Stubs and at most
    `mutants` mutants of it, drawn by `seed`, are judged in one batch. Those that pass are compared with the good design
    in a second, small one: by form equivalence, with a proof if the server has Yosys.

    Raises NotAuditable, which names the item; else as Client.verify_batch.
    """
    cases = [_case(item, mutants, seed) for item in _different(items)]
    batch: list[Item] = []
    for case in cases:
        name = case.stub_file()
        batch.append(case.of(case.good))
        batch += [case.with_file(name, stub.text) for stub in case.stubs]
        batch += [case.with_file(name, mutant.text) for name, mutant in case.mutants]
    results = iter(client.verify_batch(_numbered(batch), on_progress=on_progress))
    audits = []
    for case in cases:
        good = next(results)
        stub_results = [next(results) for _ in case.stubs]
        audits.append(_audited(case, good, stub_results, [next(results) for _ in case.mutants]))
    return _compared(client, cases, audits)


def form_of(item: Item) -> str:
    """The form of a task that can be audited. Raises NotAuditable."""
    if type(item.task) not in _FORMS:
        raise NotAuditable(f"item {item.id!r}: must be of kind verilog, form {', '.join(_FORMS.values())}")
    return _FORMS[type(item.task)]


# Before


def _different(items: Sequence[Item]) -> list[Item]:
    """The first item of each task: rollouts of a group share one."""
    found: dict[str, Item] = {}
    for item in items:
        form_of(item)
        assert isinstance(item.task, AuditableTask)
        key = repr((replace(item.task, source=_good(item.task)), item.limits))
        found.setdefault(key, item)
    return list(found.values())


def _case(item: Item, count: int, seed: int) -> _Case:
    task = item.task
    assert isinstance(task, AuditableTask)
    good = _good(task)
    case = _Case(item, task, {_SINGLE: good} if isinstance(good, str) else dict(good), "")
    if isinstance(task, VerilogEquivalenceTask) and task.golden_top not in ("", task.top):
        if any(token.text == task.top for text in case.good.values() for token in tokenize(text)):
            case.problem = (
                f"the golden has another `{task.top}`: name it so that it can stand in the candidate's place"
            )
            return case
        case.good = {name: _renamed(text, task.golden_top, task.top) for name, text in case.good.items()}
    name = case.stub_file()
    if not name:
        case.problem = f"module `{task.top}` with outputs was not found in the good design"
        return case
    case.stubs = list(stubs(case.good[name], task.top))
    found = [(name, mutant) for name, text in case.good.items() for mutant in mutants(text)]
    case.mutants = choose(found, count, seed)
    return case


def _good(task: AuditableTask) -> Files:
    if isinstance(task, VerilogEquivalenceTask):
        return task.golden
    return task.source if task.reference is None else task.reference


def _renamed(text: str, old: str, new: str) -> str:
    for token in reversed(tokenize(text)):
        if token.text == old:
            text = text[: token.start] + new + text[token.end :]
    return text


def _numbered(items: Sequence[Item]) -> list[Item]:
    return [replace(item, id=f"audit-{number}") for number, item in enumerate(items)]


# After


def _audited(
    case: _Case, good: Result, stub_results: Sequence[Result], mutant_results: Sequence[Result]
) -> TaskAudit:
    judged = [(found, passes(result)) for found, result in zip(case.mutants, mutant_results, strict=True)]
    return TaskAudit(
        id=case.item.id,
        form=_FORMS[type(case.task)],
        good=good.verdict.outcome if good.verdict is not None else None,
        problem=case.problem or _problem(good),
        remarks=_remarks(good),
        stubs=[
            StubAudit(stub.name, passes(result))
            for stub, result in zip(case.stubs, stub_results, strict=True)
        ],
        mutants=sum(passed is not None for _, passed in judged),
        survivors=[Survivor(name, mutant) for (name, mutant), passed in judged if passed],
        not_judged=sum(result.verdict is None for result in mutant_results),
    )


def passes(result: Result) -> bool | None:
    """None if it does not say anything about the check: a Failure, or a design that does not compile."""
    if result.verdict is None or result.verdict.outcome in (Outcome.REJECTED, Outcome.FORBIDDEN):
        return None
    return result.passed


def _problem(good: Result) -> str:
    if good.verdict is None:
        failure = good.failure
        return "it could not be judged" if failure is None else f"{failure.reason.name}: {failure.message}"
    if good.passed:
        return ""
    said = [case.message for case in good.verdict.cases if case.message]
    return f"the good design is {good.verdict.outcome.name}" + (f": {said[0]}" if said else "")


def _remarks(good: Result) -> list[str]:
    if good.verdict is None:
        return []
    remarks = good.verdict.diagnostics
    return [remark.message for remark in remarks if remark.severity is Severity.WARNING and not remark.file]


def _compared(client: Client, cases: list[_Case], audits: list[TaskAudit]) -> list[TaskAudit]:
    """With what a comparison says of what passed."""
    if not any(map(_has_passed, audits)):
        return audits
    formal = _PROOF if _proves(client) else None
    batch: list[Item] = []
    for case, done in zip(cases, audits, strict=True):
        if _has_passed(done):
            batch += [_comparison(case, files, formal) for files in _passed(case, done)]
    results = iter(client.verify_batch(_numbered(batch)))
    compared = []
    for done in audits:
        if _has_passed(done):
            first = done.form != "equivalence"
            stub_results = [next(results) if stub.passes else None for stub in done.stubs]
            survivor_results = [next(results) for _ in done.survivors]
            done = replace(
                done,
                stubs=[
                    stub if result is None else replace(stub, differs=_differs(result, simulation=first))
                    for stub, result in zip(done.stubs, stub_results, strict=True)
                ],
                survivors=[
                    replace(
                        survivor,
                        differs=_differs(result, simulation=first),
                        proven_equal=_formal(result) is PartState.PASS,
                    )
                    for survivor, result in zip(done.survivors, survivor_results, strict=True)
                ],
            )
        compared.append(done)
    return compared


def _has_passed(done: TaskAudit) -> bool:
    """Whether something did besides the good design."""
    return done.good is Outcome.PASSED and bool(done.survivors or any(stub.passes for stub in done.stubs))


def _proves(client: Client) -> bool:
    return any(
        tool.name == "yosys"
        for verifier in client.describe().verifiers
        if verifier.kind == "verilog"
        for tool in verifier.toolchain
    )


def _passed(case: _Case, done: TaskAudit) -> Sequence[Files]:
    """The designs that passed: stubs, then mutants."""
    name = case.stub_file()
    return [
        {**case.good, name: stub.text}
        for stub, found in zip(case.stubs, done.stubs, strict=True)
        if found.passes
    ] + [{**case.good, survivor.file: survivor.mutant.text} for survivor in done.survivors]


def _comparison(case: _Case, source: Files, formal: FormalCheck | None) -> Item:
    task = case.task
    if isinstance(task, VerilogEquivalenceTask):
        return Item(replace(task, source=source, formal=formal), limits=case.item.limits)
    equivalence = VerilogEquivalenceTask(
        source,
        task.top,
        case.good,
        parameters=task.parameters if isinstance(task, CocotbTask) else {},
        formal=formal,
        include_directories=task.include_directories,
        defines=task.defines,
        data=task.data,
    )
    return Item(equivalence, limits=case.item.limits)


def _differs(result: Result, *, simulation: bool) -> bool | None:
    """None where it is not known, which includes a comparison that nothing can fail. `simulation`: whether that says
    something, for it is not what the design passed before."""
    passed = passes(result)
    if passed is None or (passed and not simulation and _formal(result) is not PartState.PASS):
        return None
    return not passed


def _formal(result: Result) -> PartState | None:
    parts = () if result.verdict is None else result.verdict.parts
    return next((part.state for part in parts if part.name == "formal"), None)
