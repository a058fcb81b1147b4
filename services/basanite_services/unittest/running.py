"""One run of a suite in the interpreter that the candidate's code runs in."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from basanite_sandboxes.pytest_environment import suite_program
from basanite_sandboxes.spec import Environment, Limits, Sandbox, Tree
from basanite_services.unittest.answers import KEY_BYTES, read_answers
from basanite_services.unittest.report import SuiteReport


@dataclass(frozen=True, slots=True)
class Suite:
    """What is run, the same for all candidates."""

    is_pytest: bool
    paths: tuple[str, ...]
    """Files or directories of tests."""
    python_path: tuple[str, ...]
    """Directories that come first on sys.path; "" is the one in which the tests run."""
    selected: tuple[str, ...] | None
    """None: all."""


async def run_suite(
    sandbox: Sandbox,
    environment: Environment,
    suite: Suite,
    limits: Limits,
    *,
    files: Mapping[str, bytes],
    candidate: Collection[str],
    tree: Tree | None = None,
    selected: Sequence[str] | None = None,
    allowed: Sequence[str] | None = None,
) -> SuiteReport:
    """`files` are those of the run; `candidate`: paths of those that the candidate wrote. `selected`: instead of what
    the suite says. `allowed`: what trusted runs changed of what decides; None: this is one."""
    key = os.urandom(KEY_BYTES)
    chosen = suite.selected if selected is None else selected
    job = {
        "key": key.hex(),
        "framework": "pytest" if suite.is_pytest else "unittest",
        "paths": suite.paths,
        "python_path": suite.python_path,
        "candidate": sorted(candidate),
        "selected": None if chosen is None else list(chosen),
        "canaries": os.urandom(16).hex(),
        "run": True,
        "isolated": None,
        "trusted": allowed is None,
        "allowed": list(allowed or ()),
    }
    program, needed = suite_program(environment, environment.python)
    report = await sandbox.run(
        program, limits, stdin=json.dumps(job).encode(), files={**files, **needed}, tree=tree
    )
    return read_answers(report, key)
