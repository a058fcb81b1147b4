"""What a caller builds of the kind "unittest": tasks that test suites judge.

Texts are one file or several, as for Verilog: a mapping has the text of each file by its relative path. As with all
tasks, nothing is checked here; see _tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from basanite._results import TestStatus
from basanite._verilog_tasks import Files

Framework: TypeAlias = Literal["pytest", "unittest"]
Mode: TypeAlias = Literal["isolated", "shared"]
"""Where the candidate's code runs: in a sandbox of its own (assurance SEPARATED), or with the tests (GUARDED)."""
SuiteScoring: TypeAlias = Literal["all", "fraction"]
RepositoryScoring: TypeAlias = Literal["all", "fraction", "statuses"]
Flaky: TypeAlias = Literal["fail", "exclude"]
"""What becomes of a test that ends differently from run to run."""


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """Checks of a candidate whose tests passed, in fresh processes."""

    tests: int = 0
    """So many of the tests that passed are run one by one, 0 to 100."""
    mutations: int = 0
    """So many functions that the candidate wrote or changed are broken, 0 to 20, one a run: some test must notice."""


@dataclass(frozen=True, slots=True)
class UnittestSuiteTask:
    """Do the candidate's files pass a trusted test suite? One case a test."""

    files: Files
    """The candidate's; a str is solution.py."""
    tests: Files
    """Trusted: test files and what they need; a str is test_solution.py."""
    framework: Framework = "pytest"
    selected: Sequence[str] = ()
    """Names of tests; none: all."""
    mode: Mode = "isolated"
    classes: Sequence[str] = ()
    """Isolated: classes whose instances the tests may use as data are, "module.Class". None: those that `reference`
    defines; without it, names in CamelCase that the tests take from the candidate's modules."""
    reference: Files | None = None
    """Trusted files that pass; a str is solution.py. Given, a suite that they do not pass is a TASK_FAULT."""
    scoring: SuiteScoring = "all"
    runs: int = 1
    """1 to 10."""
    flaky: Flaky = "fail"


@dataclass(frozen=True, slots=True)
class RepositoryTask:
    """Do a repository's tests pass once the candidate's patch is applied? One case a test. Assurance GUARDED."""

    patch: str
    """The candidate's, as `git apply` takes it."""
    snapshot: str = ""
    """Digest that Client.upload gave. Either this or `directory`."""
    fail_to_pass: Sequence[str] = ()
    pass_to_pass: Sequence[str] = ()
    directory: str = ""
    """Of the item's environment, an imported image, e.g. "/testbed"."""
    tests: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Trusted files that are put in place after the patch."""
    protected: Sequence[str] = ()
    """Further paths that the candidate may not change, patterns as .gitignore has them."""
    reference_patch: str = ""
    """Trusted: a patch that is right. Given, a task that it does not solve is a TASK_FAULT."""
    expected_statuses: Mapping[str, TestStatus] = field(default_factory=dict, hash=False)
    """How each test must end, for the scoring "statuses"."""
    python_path: Sequence[str] = ()
    """Directories that come first on sys.path, e.g. "src"."""
    test_paths: Sequence[str] = ()
    """What the framework is asked to run; none: the files of the tests that are named."""
    second_opinion: SecondOpinion | None = None
    framework: Framework = "pytest"
    scoring: RepositoryScoring = "all"
    runs: int = 1
    """1 to 10."""
    flaky: Flaky = "fail"


UnittestTask: TypeAlias = UnittestSuiteTask | RepositoryTask
