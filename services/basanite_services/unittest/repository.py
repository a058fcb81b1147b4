"""Form `repository`: a snapshot, a candidate's patch, and the repository's own tests."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from basanite.v1 import result_pb2, tasks_pb2
from basanite.v1.result_pb2 import Diagnostic, Verdict
from basanite.v1.tasks_pb2 import TestScoring, TestStatus
from basanite_sandboxes.pytest_environment import has_pytest, installed_modules, suite_environment
from basanite_sandboxes.spec import Environment, Sandbox, Tree
from basanite_services.chassis.kept import Store
from basanite_services.chassis.verifier import Context, InvalidItem, TaskFault, ToolchainError
from basanite_services.unittest import check
from basanite_services.unittest.apply import Changes, apply
from basanite_services.unittest.mutants import Mutant, mutants
from basanite_services.unittest.names import check_names, file_of
from basanite_services.unittest.patch import PatchRejected, parse
from basanite_services.unittest.protected import Protection, split
from basanite_services.unittest.report import SuiteReport
from basanite_services.unittest.running import Suite, run_suite
from basanite_services.unittest.scoring import Expected, Rules, overall, verdict_of
from basanite_services.unittest.suite import GUARDS, differ, trusted_part
from basanite_services.unittest.worktree import WorkTree

FIELD = "unittest.repository"
_GUARDS = (*GUARDS, "tests and configuration of the snapshot")
_GOOD = (TestStatus.TEST_STATUS_PASSED, TestStatus.TEST_STATUS_XFAILED, TestStatus.TEST_STATUS_SKIPPED)


@dataclass(frozen=True, slots=True)
class Pristine:
    """What trusted runs said before any candidate."""

    tests: tuple[str, ...]
    """All that there are, in order: with the reference, or without any change."""
    is_complete: bool
    """No file of tests failed to be imported: there are no others."""
    changed: tuple[str, ...] = ()
    """See SuiteReport."""

    @property
    def memory_bytes(self) -> int:
        return 200 + sum(map(len, self.tests))


@dataclass(frozen=True, slots=True)
class _Task:
    expected: tuple[Expected, ...]
    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...]
    suite: Suite
    trusted: Mapping[str, bytes]
    rules: Rules
    runs: int
    opinion: tasks_pb2.SecondOpinion
    environment: Environment
    name: str
    """Of the tree."""
    work: WorkTree
    protection: Protection
    seed: bytes


@dataclass(frozen=True, slots=True)
class _Candidate:
    changes: Changes
    warnings: Sequence[Diagnostic]


async def judge_repository(task: tasks_pb2.UnittestTask, context: Context, store: Store[Pristine]) -> Verdict:
    """Raises InvalidItem, TaskFault (the tests do not end as the task says), ToolchainError, Overloaded."""
    async with _tree(task, context) as (environment, name, directory):
        work = WorkTree(directory)
        checked = await asyncio.to_thread(_check, task, context, environment, name, work)
        reference = await asyncio.to_thread(_reference, task, checked)
        async with context.lend(environment) as sandbox:
            key = (checked.seed, context.limits)
            pristine = await store.get(key, lambda: _try(checked, reference, sandbox))
            try:
                candidate = await asyncio.to_thread(_patched, task.patch.encode(), checked)
            except PatchRejected as rejected:
                return overall(result_pb2.OUTCOME_REJECTED, str(rejected), checked.rules, checked.expected)
            run = functools.partial(_run, checked, candidate.changes, sandbox, allowed=pristine.changed)
            reports = [await run() for _ in range(checked.runs)]
            doubt = next((why for report in reports if (why := _differ(pristine, report))), "")
            verdict = verdict_of(checked.expected, reports, checked.rules, candidate.warnings, doubt)
            if verdict.outcome == result_pb2.OUTCOME_PASSED:
                doubt = await _second_opinion(checked, candidate.changes, reports[0], run)
                if doubt:
                    verdict = verdict_of(checked.expected, reports, checked.rules, candidate.warnings, doubt)
            return verdict


@contextlib.asynccontextmanager
async def _tree(
    task: tasks_pb2.UnittestTask, context: Context
) -> AsyncIterator[tuple[Environment, str, Path]]:
    """-> the environment in which runs work, the tree's name there, where it lies"""
    form = task.repository
    source = form.WhichOneof("source")
    if source is None:
        raise InvalidItem(f"{FIELD}.source", "must be set: snapshot or directory")
    root = context.environment.root
    if source == "directory":
        name = form.directory.rstrip("/")
        if root is None:
            raise InvalidItem(f"{FIELD}.directory", "must not be set: the environment is no image")
        parts = name.split("/")
        if parts[0] or any(part in ("", ".", "..") for part in parts[1:]) or len(parts) < 2:
            raise InvalidItem(f"{FIELD}.directory", 'must be an absolute path, e.g. "/testbed"')
        try:
            found = WorkTree(root).exists(name[1:]) and (root / name[1:]).is_dir()
        except PatchRejected:
            found = False
        if not found:
            raise InvalidItem(
                f"{FIELD}.directory", "must be a directory of the environment, not behind a link"
            )
        yield suite_environment(context.environment), name, root / name[1:]
        return
    if root is not None:
        raise InvalidItem(
            f"{FIELD}.snapshot", "must not be set: the environment is an image; name its directory"
        )
    if context.snapshots is None:
        raise ToolchainError("this server keeps no snapshots")
    async with context.snapshots.use(form.snapshot, f"{FIELD}.snapshot") as directory:
        environment = suite_environment(context.environment, directory.parent)
        yield environment, directory.name, directory


def _check(
    task: tasks_pb2.UnittestTask, context: Context, environment: Environment, name: str, work: WorkTree
) -> _Task:
    form, is_pytest = task.repository, check.is_pytest(task)
    if is_pytest and not has_pytest(context.environment):
        raise InvalidItem("environment", "must have pytest among its packages, or framework be unittest")
    scoring = check.scoring_of(task)
    check_names(f"{FIELD}.fail_to_pass", form.fail_to_pass, is_pytest=is_pytest)
    check_names(f"{FIELD}.pass_to_pass", form.pass_to_pass, is_pytest=is_pytest)
    if both := sorted(set(form.fail_to_pass) & set(form.pass_to_pass)):
        raise InvalidItem(f"{FIELD}.pass_to_pass", f"must not name a test of fail_to_pass: {both[0]}")
    by_statuses = scoring == TestScoring.TEST_SCORING_STATUSES
    if by_statuses != bool(form.expected_statuses):
        rule = "must be set" if by_statuses else "must be empty"
        raise InvalidItem(f"{FIELD}.expected_statuses", f"{rule} for this scoring")
    check.check_statuses(f"{FIELD}.expected_statuses", form.expected_statuses.values())
    check_names(f"{FIELD}.expected_statuses", [*form.expected_statuses], is_pytest=is_pytest)
    if by_statuses:
        expected = [Expected(test, status=status) for test, status in form.expected_statuses.items()]
    else:
        expected = [Expected(test) for test in form.fail_to_pass]
        expected += [Expected(test, skipped_passes=True) for test in form.pass_to_pass]
    if not 1 <= len(expected) <= check.MAX_TESTS:
        raise InvalidItem(f"{FIELD}.fail_to_pass", f"must be 1 to {check.MAX_TESTS} tests, with pass_to_pass")
    trusted = check.trusted_files(f"{FIELD}.tests", form.tests) if form.tests else {}
    check.check_folders(f"{FIELD}.python_path", form.python_path)
    check.check_folders(f"{FIELD}.test_paths", form.test_paths)
    check.check_patterns(f"{FIELD}.protected", form.protected)
    if len(form.reference_patch) > check.MAX_PATCH_BYTES:
        raise InvalidItem(f"{FIELD}.reference_patch", f"must be at most {check.MAX_PATCH_BYTES} characters")
    opinion = form.second_opinion
    if not 0 <= opinion.tests <= check.MAX_OPINION_TESTS:
        raise InvalidItem(f"{FIELD}.second_opinion.tests", f"must be 0 to {check.MAX_OPINION_TESTS}")
    if not 0 <= opinion.mutations <= check.MAX_OPINION_MUTATIONS:
        raise InvalidItem(f"{FIELD}.second_opinion.mutations", f"must be 0 to {check.MAX_OPINION_MUTATIONS}")
    python_path = (*form.python_path, "")
    names = [test.name for test in expected]
    files = _test_files(names, python_path, trusted, work, is_pytest=is_pytest)
    paths = tuple(form.test_paths) or tuple(files)
    runs, flaky = check.repeats_of(task)
    rules = Rules(scoring, flaky, result_pb2.ASSURANCE_GUARDED, _GUARDS, context.limits)
    protection = Protection(
        [*files, *trusted, *form.test_paths],
        [*form.protected, *(f"/{path.rstrip('/')}/**" for path in form.test_paths)],
        form.python_path,
        work.exists,
        installed_modules(context.environment),
    )
    return _Task(
        tuple(expected),
        tuple(form.fail_to_pass),
        tuple(form.pass_to_pass),
        Suite(is_pytest, paths, python_path, None),
        trusted,
        rules,
        runs,
        opinion,
        environment,
        name,
        work,
        protection,
        context.seed(trusted_part(task) + context.environment.digest.encode()),
    )


def _test_files(
    names: Sequence[str],
    python_path: Sequence[str],
    trusted: Mapping[str, bytes],
    work: WorkTree,
    *,
    is_pytest: bool,
) -> list[str]:
    """Files of the tests that are named. Raises InvalidItem if one is not there."""

    def exists(path: str) -> bool:
        try:
            return path in trusted or work.is_file(path)
        except PatchRejected:
            return False

    if is_pytest:
        files = list(dict.fromkeys(map(file_of, names)))
        for path in files:
            if not exists(path):
                raise InvalidItem(
                    f"{FIELD}.fail_to_pass", f"must name tests of the repository: it has no file {path}"
                )
        return files
    found: dict[str, None] = {}
    for name in names:
        parts = name.split(".")
        inner = ["/".join(parts[:length]) + ".py" for length in range(len(parts) - 1, 0, -1)]
        paths = [f"{place}/{path}" if place else path for place in python_path for path in inner]
        there = next(filter(exists, paths), None)
        if there is None:
            raise InvalidItem(
                f"{FIELD}.fail_to_pass", f"must name tests of the repository: it has no file of {name}"
            )
        found[there] = None
    return list(found)


def _reference(task: tasks_pb2.UnittestTask, checked: _Task) -> Changes | None:
    text = task.repository.reference_patch
    if not text:
        return None
    try:
        return apply(split(parse(text.encode()), checked.protection)[0], checked.work)
    except PatchRejected as rejected:
        raise TaskFault(f"{FIELD}.reference_patch", f"{FIELD}.reference_patch: {rejected}") from None


def _patched(patch: bytes, task: _Task) -> _Candidate:
    """Raises PatchRejected."""
    if len(patch) > check.MAX_PATCH_BYTES:
        raise PatchRejected(f"the patch must be at most {check.MAX_PATCH_BYTES} bytes")
    patches = parse(patch)
    if not patches and patch.strip():
        raise PatchRejected("the patch has no diff in it")
    obeyed, dropped = split(patches, task.protection)
    return _Candidate(apply(obeyed, task.work), [_warning(*one) for one in dropped])


def _warning(path: str, why: str) -> Diagnostic:
    message = f"the change of {path[:200]} has no effect: it {why}"
    return Diagnostic(severity=Diagnostic.SEVERITY_WARNING, message=message, file=path[:200])


async def _run(
    task: _Task,
    changes: Changes,
    sandbox: Sandbox,
    *,
    files: Mapping[str, bytes] | None = None,
    only: Sequence[str] | None = None,
    allowed: Sequence[str] | None = None,
) -> SuiteReport:
    """`files`: instead of those of the changes. `only`: tests to run. `allowed`: see run_suite."""
    written = {**changes.files, **(files or {}), **task.trusted}
    tree = Tree(
        task.name,
        removed=tuple(sorted(changes.removed - written.keys())),
        executable=tuple(sorted(changes.executable & written.keys())),
    )
    suite = task.suite
    if only is not None and suite.is_pytest:
        suite = replace(suite, paths=tuple(dict.fromkeys(map(file_of, only))))
    candidate = changes.files.keys() - task.trusted.keys()
    return await run_suite(
        sandbox,
        task.environment,
        suite,
        task.rules.limits,
        files=written,
        candidate=candidate,
        tree=tree,
        selected=only,
        allowed=allowed,
    )


async def _try(task: _Task, reference: Changes | None, sandbox: Sandbox) -> Pristine:
    """Nothing here depends on a candidate: what goes wrong is the task's fault."""
    plain = await _run(task, Changes(), sandbox)
    _require_run(plain)
    report = plain
    if reference is not None:
        report = await _run(task, reference, sandbox)
        _require_run(report)
        verdict = verdict_of(task.expected, [report], task.rules)
        if verdict.outcome != result_pb2.OUTCOME_PASSED:
            case = next(case for case in verdict.cases if case.outcome != result_pb2.OUTCOME_PASSED)
            raise _fault("reference_patch", f"{case.test.name} does not pass with it: {case.message}")
    for name in task.fail_to_pass:
        ended = plain.tests.get(name)
        if ended is not None and ended.status in _GOOD[:2]:
            raise _fault("fail_to_pass", f"{name} passes without any change")
        if ended is None and reference is None and plain.complete and not _may_come(name, plain):
            raise _fault("fail_to_pass", f"there is no test {name}")
    again: SuiteReport | None = None
    for name in task.pass_to_pass:
        ended = plain.tests.get(name)
        if ended is not None and ended.status in _GOOD:
            continue
        if again is None:  # one that is flaky is no fault
            again = await _run(task, Changes(), sandbox)
        ended = again.tests.get(name)
        if ended is None:
            raise _fault(
                "pass_to_pass", f"there is no test {name}" if plain.complete else f"{name} does not run"
            )
        if ended.status not in _GOOD:
            raise _fault("pass_to_pass", f"{name} does not pass without any change: {ended.message}")
    if not report.collected and not report.broken:
        raise _fault("test_paths", "no tests are collected")
    changed = tuple(dict.fromkeys(plain.changed + report.changed))
    return Pristine(report.collected, not report.broken, changed)


def _require_run(report: SuiteReport) -> None:
    """Raises TaskFault if the framework does not even start."""
    if report.refused:
        raise _fault("test_paths", f"the repository's own code does what no candidate may: {report.refused}")
    if not report.collected and not report.broken:
        words = report.report.stderr.decode(errors="replace").strip()[-500:] if report.report else ""
        raise _fault("test_paths", f"no tests are collected{': ' if words else ''}{words}")


def _may_come(name: str, report: SuiteReport) -> bool:
    """Whether a test that is not there may be there with the right change: its file cannot be imported now."""
    return any(
        name.startswith((f"{path}::", path.removesuffix(".py").replace("/", "."))) for path in report.broken
    )


def _fault(field: str, message: str) -> TaskFault:
    return TaskFault(f"{FIELD}.{field}", f"{FIELD}.{field}: {message}")


def _differ(pristine: Pristine, report: SuiteReport) -> str:
    if pristine.is_complete:
        return differ(pristine.tests, report)
    known = set(pristine.tests)
    kept = [name for name in report.collected if name in known]
    return differ(pristine.tests, replace(report, collected=tuple(kept)))


async def _second_opinion(
    task: _Task, changes: Changes, report: SuiteReport, run: Callable[..., Awaitable[SuiteReport]]
) -> str:
    """Why what passed is not believed after all, "" if it is."""
    passed = [
        test.name for test in task.expected if report.tests[test.name].status == TestStatus.TEST_STATUS_PASSED
    ]
    drawn = random.Random(task.seed).sample(passed, min(task.opinion.tests, len(passed)))
    for name in drawn:
        alone = await run(only=[name])
        ended = alone.tests.get(name)
        if ended is None or ended.status not in _GOOD or alone.refused:
            return f"{name} passes among the others, and not alone"
    broken = await asyncio.to_thread(_mutants, task, changes)
    for mutant in broken:
        mutated = await run(files={mutant.file: mutant.content})
        if verdict_of(task.expected, [mutated], task.rules).outcome != result_pb2.OUTCOME_PASSED:
            return ""
    if broken:
        return f"the tests pass as well where {broken[0].what} ({broken[0].file}, line {broken[0].line})"
    return ""


def _mutants(task: _Task, changes: Changes) -> list[Mutant]:
    if not task.opinion.mutations:
        return []
    changed = {path: (_before(task, path), content) for path, content in changes.files.items()}
    return mutants(changed, task.opinion.mutations, task.seed)


def _before(task: _Task, path: str) -> bytes:
    try:
        return task.work.read(path) or b""
    except PatchRejected:  # a file was where now is a directory
        return b""
