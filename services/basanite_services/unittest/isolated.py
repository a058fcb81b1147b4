"""Mode `isolated`: the tests run in a trusted process, the candidate's files in another sandbox."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from basanite_sandboxes.pytest_environment import suite_program
from basanite_sandboxes.spec import Ended, Environment, Limits, PythonModules, Report, Sandbox
from basanite_services.chassis.verifier import Overloaded
from basanite_services.code.python_test import OVERTIME, TESTS_LIMITS, WAIT_SECONDS
from basanite_services.unittest.answers import KEY_BYTES, read_answers
from basanite_services.unittest.needs import classes_in_tests, classes_of, modules_of
from basanite_services.unittest.report import Ended as TestEnded
from basanite_services.unittest.report import SuiteReport
from basanite_services.unittest.running import Suite

_OVER_LIMIT = (Ended.CPU_LIMIT, Ended.WALL_LIMIT, Ended.MEMORY_LIMIT, Ended.OUTPUT_LIMIT, Ended.STARVED)


def whole_classes(
    tests: Mapping[str, bytes],
    files: Mapping[str, bytes],
    reference: Mapping[str, bytes] | None,
    classes: Sequence[str],
) -> list[str]:
    """ "module.Class" of those whose instances the tests may use as data are; the candidate has no say in it."""
    if classes:
        return list(classes)
    if reference is not None:
        return classes_of(reference)
    return classes_in_tests(tests, modules_of(files))


async def run_isolated(
    sandbox: Sandbox,
    suite: Suite,
    limits: Limits,
    *,
    files: Mapping[str, bytes],
    tests: Mapping[str, bytes],
    classes: Sequence[str],
) -> SuiteReport:
    """`files` are the candidate's. `classes`: see `whole_classes`. Raises Overloaded."""
    key = os.urandom(KEY_BYTES)
    job = {
        "key": key.hex(),
        "framework": "pytest" if suite.is_pytest else "unittest",
        "paths": suite.paths,
        "python_path": suite.python_path,
        "candidate": [],
        "selected": None if suite.selected is None else list(suite.selected),
        "canaries": "",
        "run": True,
        "trusted": False,
        "allowed": [],
        "isolated": {"modules": modules_of(files), "classes": list(classes)},
    }
    program, _ = suite_program(Environment(), "")
    tests_limits = replace(
        TESTS_LIMITS,
        cpu_seconds=max(TESTS_LIMITS.cpu_seconds, limits.cpu_seconds),
        wall_seconds=OVERTIME * limits.wall_seconds + WAIT_SECONDS,
        memory_bytes=max(TESTS_LIMITS.memory_bytes, limits.memory_bytes),
    )
    candidate, trusted = await sandbox.run_pair(
        PythonModules(files), limits, program, tests_limits, stdin=json.dumps(job).encode(), files=tests
    )
    if trusted.ended is Ended.STARVED:
        raise Overloaded("the machine was too busy to run the tests")
    report = _of_these(read_answers(trusted, key), files)
    return replace(report, report=_decisive(candidate, trusted), complete=report.complete and not report.gone)


def _of_these(report: SuiteReport, files: Mapping[str, bytes]) -> SuiteReport:
    """Without places that are in none of the candidate's files: its process told them."""

    def checked(ended: TestEnded) -> TestEnded:
        known = ended.place is not None and ended.place.file in files
        return ended if known or ended.place is None else replace(ended, place=None)

    return replace(
        report,
        tests={name: checked(ended) for name, ended in report.tests.items()},
        broken={name: checked(ended) for name, ended in report.broken.items()},
    )


def _decisive(candidate: Report, tests: Report) -> Report:
    """Of which run the report tells why tests did not end: the candidate's, unless it was only dismissed."""
    if candidate.ended is Ended.DISMISSED and tests.ended in _OVER_LIMIT:
        return replace(tests, cpu_seconds=candidate.cpu_seconds, wall_seconds=candidate.wall_seconds)
    return candidate
