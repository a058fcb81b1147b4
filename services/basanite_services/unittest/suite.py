"""Form `suite`: a trusted test suite that imports the candidate's files."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import Verdict
from basanite.v1.tasks_pb2 import TestMode
from basanite_sandboxes.pytest_environment import has_pytest, installed_modules, suite_environment
from basanite_sandboxes.spec import Environment, Sandbox
from basanite_services.chassis.kept import Store
from basanite_services.chassis.verifier import Context, InvalidItem, TaskFault
from basanite_services.unittest import check
from basanite_services.unittest.declared import broken_file, declared_tests, defined_names, is_test_file
from basanite_services.unittest.isolated import run_isolated, whole_classes
from basanite_services.unittest.names import check_names, is_selected
from basanite_services.unittest.needs import modules_of, needs_shared
from basanite_services.unittest.protected import Protection
from basanite_services.unittest.report import SuiteReport
from basanite_services.unittest.running import Suite, run_suite
from basanite_services.unittest.scoring import Expected, Rules, overall, verdict_of

FIELD = "unittest.suite"
GUARDS = (
    "results authenticated",
    "tests that must fail among the others",
    "what decides sealed",
    "the tests that there must be",
)


@dataclass(frozen=True, slots=True)
class Tried:
    """What the reference's run said, before any candidate."""

    tests: tuple[str, ...]
    """All that there are, in order; none if there is no reference."""
    changed: tuple[str, ...] = ()
    """See SuiteReport."""

    @property
    def memory_bytes(self) -> int:
        return 200 + sum(map(len, self.tests))


@dataclass(frozen=True, slots=True)
class _Task:
    suite: Suite
    tests: Mapping[str, bytes]
    reference: Mapping[str, bytes] | None
    declared: tuple[str, ...]
    """Names that the text of the tests alone says."""
    classes: tuple[str, ...]
    is_shared: bool
    environment: Environment
    rules: Rules
    runs: int


async def judge_suite(task: tasks_pb2.UnittestTask, context: Context, store: Store[Tried]) -> Verdict:
    """Raises InvalidItem, TaskFault (the suite does not work, or does not pass its reference), Overloaded."""
    checked = await asyncio.to_thread(_check, task, context)
    async with context.lend(checked.environment) as sandbox:
        tried = Tried(())
        if checked.reference is not None:
            reference = checked.reference
            key = context.seed(trusted_part(task) + context.environment.digest.encode())
            tried = await store.get((key, context.limits), lambda: _try(checked, reference, sandbox))
        try:
            files = check.candidates_files(task.files)
            _check_candidate(files, checked.tests, checked.environment)
        except check.BadFiles as bad:
            names = [*tried.tests] or [*checked.declared] or [*checked.suite.paths]
            rejected = result_pb2.OUTCOME_REJECTED
            return overall(rejected, str(bad), checked.rules, [Expected(name) for name in names])
        await asyncio.to_thread(_require_isolated, checked, files)
        reports = [await _run(checked, files, sandbox, tried.changed) for _ in range(checked.runs)]
    return _judge(checked, tried, reports)


def _check(task: tasks_pb2.UnittestTask, context: Context) -> _Task:
    form, is_pytest = task.suite, check.is_pytest(task)
    tests = check.trusted_files(f"{FIELD}.tests", form.tests)
    if form.mode not in TestMode.values():
        raise InvalidItem(f"{FIELD}.mode", "must be TEST_MODE_ISOLATED or TEST_MODE_SHARED")
    is_shared = form.mode == TestMode.TEST_MODE_SHARED
    if context.environment.root is not None:
        raise InvalidItem("environment", "must not be an image: form suite runs in the server's own Python")
    check.check_classes(form.classes)
    if form.classes and is_shared:
        raise InvalidItem(f"{FIELD}.classes", "must be empty: it says something in TEST_MODE_ISOLATED alone")
    check_names(f"{FIELD}.selected", form.selected, is_pytest=is_pytest)
    if is_pytest and not has_pytest(context.environment):
        raise InvalidItem("environment", "must have pytest among its packages, or framework be unittest")
    paths = tuple(path for path in tests if is_test_file(path, is_pytest=is_pytest))
    if not paths:
        wanted = "test_*.py or *_test.py" if is_pytest else "test*.py"
        raise InvalidItem(f"{FIELD}.tests", f"must have a file whose name is {wanted}")
    if (broken := broken_file(tests)) is not None:
        raise TaskFault(f"{FIELD}.tests", f"{FIELD}.tests: {broken[0]} does not compile: {broken[1]}")
    _check_names(tests, form.selected, is_pytest=is_pytest)
    selected = tuple(form.selected) or None
    declared = declared_tests(tests, is_pytest=is_pytest)
    configures = {"pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "conftest.py"}
    if any(path.rpartition("/")[2] in configures for path in tests):
        declared = []  # it may say that other things are tests
    if selected is not None:
        declared = [name for name in declared if is_selected(name, selected, is_pytest=is_pytest)]
    reference = check.trusted_files(f"{FIELD}.reference", form.reference) if form.reference else None
    runs, flaky = check.repeats_of(task)
    assurance = result_pb2.ASSURANCE_GUARDED if is_shared else result_pb2.ASSURANCE_SEPARATED
    rules = Rules(check.scoring_of(task), flaky, assurance, GUARDS if is_shared else (), context.limits)
    return _Task(
        Suite(is_pytest, paths, ("",), selected),
        tests,
        reference,
        tuple(declared),
        tuple(form.classes),
        is_shared,
        suite_environment(context.environment),
        rules,
        runs,
    )


def _check_candidate(
    files: Mapping[str, bytes], tests: Mapping[str, bytes], environment: Environment
) -> None:
    """Raises BadFiles."""
    protection = Protection([*tests], [], [], lambda path: False, installed_modules(environment))
    for name in files:
        why = protection.why(name)
        top = name.partition("/")[0].removesuffix(".py")
        if why is None and any(path.partition("/")[0].removesuffix(".py") == top for path in tests):
            why = "would stand for a module of the tests"
        if why is not None:
            raise check.BadFiles(f"{name} {why}: a candidate may not bring it")


def _require_isolated(task: _Task, files: Mapping[str, bytes]) -> None:
    """Raises TaskFault where the text of the tests needs what cannot be passed. With a reference that is known."""
    if task.is_shared or task.reference is not None:
        return
    modules = modules_of(files)
    needs = needs_shared(task.tests, modules, whole_classes(task.tests, files, None, task.classes))
    if needs:
        raise TaskFault(f"{FIELD}.tests", f"{FIELD}.tests: {needs}")


async def _run(
    task: _Task, files: Mapping[str, bytes], sandbox: Sandbox, allowed: Sequence[str] | None
) -> SuiteReport:
    """`allowed`: see run_suite."""
    limits = task.rules.limits
    if task.is_shared:
        return await run_suite(
            sandbox,
            task.environment,
            task.suite,
            limits,
            files={**files, **task.tests},
            candidate=[*files],
            allowed=allowed,
        )
    classes = whole_classes(task.tests, files, task.reference, task.classes)
    return await run_isolated(sandbox, task.suite, limits, files=files, tests=task.tests, classes=classes)


async def _try(task: _Task, reference: Mapping[str, bytes], sandbox: Sandbox) -> Tried:
    """Nothing here depends on a candidate: what goes wrong is the task's fault."""
    needs = ""
    if not task.is_shared:
        classes = whole_classes(task.tests, reference, reference, task.classes)
        needs = needs_shared(task.tests, modules_of(reference), classes)
    report = await _run(task, reference, sandbox, None)
    expected = [Expected(name, skipped_passes=True) for name in report.collected]
    if not expected and needs:
        raise TaskFault(f"{FIELD}.tests", f"{FIELD}.tests: {needs}")
    if not expected:
        broken = next(iter(report.broken.values()), None)
        why = f": {broken.message}" if broken is not None else ""
        raise TaskFault(
            f"{FIELD}.tests", f"{FIELD}.tests: the suite collects no tests with the reference{why}"
        )
    verdict = verdict_of(expected, [report], task.rules)
    if verdict.outcome != result_pb2.OUTCOME_PASSED and needs:
        raise TaskFault(f"{FIELD}.tests", f"{FIELD}.tests: {needs}")
    if verdict.outcome != result_pb2.OUTCOME_PASSED:
        case = next(case for case in verdict.cases if case.outcome != result_pb2.OUTCOME_PASSED)
        raise TaskFault(
            f"{FIELD}.reference", f"{FIELD}.reference: it does not pass: {case.test.name} {case.message}"
        )
    return Tried(report.collected, report.changed)


def _judge(task: _Task, tried: Tried, reports: Sequence[SuiteReport]) -> Verdict:
    first = reports[0]
    names = list(tried.tests)
    doubt = ""
    if names:
        for report in reports:
            doubt = doubt or differ(names, report)
    else:
        names = list(dict.fromkeys(name for report in reports for name in report.collected))
        bases = {name.partition("[")[0] for name in names}
        names += [name for name in task.declared if name not in bases]
        wanted = task.suite.selected or ()
        names += [one for one in wanted if not _any_of(names, one, is_pytest=task.suite.is_pytest)]
        doubt = next((why for report in reports if (why := out_of_order(report))), "")
    names = names or [*first.broken] or [*task.suite.paths]
    if len(names) > check.MAX_TESTS or sum(map(len, names)) > check.MAX_NAMES:
        why = f"there are more than {check.MAX_TESTS} tests, or their names have more than {check.MAX_NAMES} characters"
        return overall(result_pb2.OUTCOME_FAILED, why, task.rules, [Expected(task.suite.paths[0])])
    return verdict_of([Expected(name) for name in names], reports, task.rules, doubt=doubt)


def _any_of(names: Sequence[str], wanted: str, *, is_pytest: bool) -> bool:
    return any(is_selected(name, [wanted], is_pytest=is_pytest) for name in names)


def _check_names(tests: Mapping[str, bytes], selected: Sequence[str], *, is_pytest: bool) -> None:
    """Raises TaskFault where the text of the tests alone says that there are none, or not those that are selected."""
    known = defined_names(tests)
    if not any(name.lower().startswith("test") for name in known):
        raise TaskFault(f"{FIELD}.tests", f"{FIELD}.tests: the suite has no tests")
    files = {*tests, *(path.rpartition("/")[2].removesuffix(".py") for path in tests)}
    for wanted in selected:
        name = wanted.rpartition("::" if is_pytest else ".")[2].partition("[")[0]
        if name not in known and name not in files:
            raise TaskFault(f"{FIELD}.selected", f"{FIELD}.selected: there is no test {wanted}")


def differ(expected: Sequence[str], report: SuiteReport) -> str:
    """How the tests that there are differ from those that there must be."""
    if not report.complete and not report.collected:
        return ""
    wanted = [name for name in expected if not any(name.startswith(f"{path}::") for path in report.broken)]
    if list(report.collected) == wanted:
        return out_of_order(report)
    missing = [name for name in wanted if name not in set(report.collected)]
    extra = [name for name in report.collected if name not in set(wanted)]
    if missing:
        return f"{missing[0]} is missing among the tests"
    return f"{extra[0]} is no test of the suite" if extra else "the tests come in another order"


def out_of_order(report: SuiteReport) -> str:
    """Whether tests ran in another order than they were collected in."""
    ran = [name for name in report.collected if name in report.tests]
    return "" if ran == [*report.tests] else "the tests ran in another order, or others ran"


def trusted_part(task: tasks_pb2.UnittestTask) -> bytes:
    trusted = tasks_pb2.UnittestTask()
    trusted.CopyFrom(task)
    del trusted.files[:]
    trusted.patch = ""
    return trusted.SerializeToString(deterministic=True)
