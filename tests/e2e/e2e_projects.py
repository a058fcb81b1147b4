"""Real projects from their source distributions: how they are broken, and what bare pytest says of that."""

from __future__ import annotations

import difflib
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("BASANITE_PROJECTS", Path(sys.prefix) / "projects"))
REQUIRED = "projects" in os.environ.get("BASANITE_REQUIRE", "").split(",")

_ORACLE = """
import json, sys
statuses = {}

def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        status = report.outcome
        if hasattr(report, "wasxfail"):
            status = "xfailed" if report.skipped else "xpassed"
        statuses.setdefault(report.nodeid, status)
        if status == "failed":
            statuses[report.nodeid] = "failed" if report.when == "call" else "error"

def pytest_sessionfinish():
    with open(sys.argv[-1] + ".json", "w") as file:
        json.dump(statuses, file)
"""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One wrong change of a file."""

    file: str
    right: str
    wrong: str


@dataclass(frozen=True, slots=True)
class Project:
    archive: str
    tests: str
    """What pytest is asked to run."""
    mutations: tuple[Mutation, ...]
    left_out: str = "-"
    """How names of tests begin that need a network."""


PROJECTS = {
    "toolz": Project(
        "toolz-1.0.0.tar.gz",
        "toolz/tests",
        (
            Mutation("toolz/itertoolz.py", "        if val2 < val1:", "        if val2 > val1:"),
            Mutation("toolz/itertoolz.py", "deque(seq, n))", "deque(seq, n + 1))"),
            Mutation("toolz/itertoolz.py", "islice(seq, 0, None, n)", "islice(seq, 1, None, n)"),
            Mutation("toolz/dicttoolz.py", "        if predicate(v):", "        if not predicate(v):"),
            Mutation("toolz/dicttoolz.py", "        if no_default:", "        if not no_default:"),
            Mutation("toolz/itertoolz.py", "        if val not in seen:", "        if item not in seen:"),
        ),
    ),
    "more-itertools": Project(
        "more-itertools-10.5.0.tar.gz",
        "tests",
        (
            Mutation(
                "more_itertools/more.py", "islice(iterable, n + 1), default", "islice(iterable, n), default"
            ),
            Mutation("more_itertools/more.py", "if len(chunk) != n:", "if len(chunk) == n:"),
            Mutation(
                "more_itertools/more.py", "        return self._cache[0]", "        return self._cache[-1]"
            ),
            Mutation("more_itertools/more.py", "(start < 0) or (stop < 0)", "(start < 0) and (stop < 0)"),
            Mutation(
                "more_itertools/more.py", "    if default is _marker:", "    if default is not _marker:"
            ),
        ),
    ),
    "boltons": Project(
        "boltons-26.2.0.tar.gz",
        "tests",
        (
            Mutation("boltons/cacheutils.py", "        if max_size <= 0:", "        if max_size < 0:"),
            Mutation(
                "boltons/cacheutils.py", "if len(self) < self.max_size:", "if len(self) <= self.max_size:"
            ),
            Mutation("boltons/iterutils.py", "split_count >= maxsplit:", "split_count > maxsplit:"),
            Mutation("boltons/iterutils.py", "    if value < 0 or (", "    if value < 1 or ("),
            Mutation(
                "boltons/strutils.py",
                "            if numstr[-2] == '1':",
                "            if numstr[-2] == '2':",
            ),
            Mutation("boltons/strutils.py", "    elif len(word) == 2:", "    elif len(word) == 3:"),
        ),
        "tests/test_socketutils.py",
    ),
}


def require(name: str) -> Project:
    """Skips, or fails where BASANITE_REQUIRE names `projects`, if the archive is not there."""
    project = PROJECTS[name]
    if not (FOLDER / project.archive).is_file():
        how = f"{project.archive} is not in {FOLDER}: make test downloads it"
        if REQUIRED:
            pytest.fail(f"{how} (BASANITE_REQUIRE asks for it)")
        pytest.skip(how)
    return project


def unpack(project: Project, folder: Path) -> Path:
    """-> the project's directory."""
    with tarfile.open(FOLDER / project.archive) as archive:
        archive.extractall(folder)
    return folder / project.archive.removesuffix(".tar.gz")


def change(directory: Path, mutation: Mutation) -> tuple[str, str]:
    """Apply it there. -> (patch that does it, patch that undoes it)"""
    path = directory / mutation.file
    right = path.read_text()
    assert mutation.right in right, mutation
    wrong = right.replace(mutation.right, mutation.wrong, 1)
    path.write_text(wrong)
    return patch(mutation.file, right, wrong), patch(mutation.file, wrong, right)


def patch(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), f"a/{name}", f"b/{name}")
    return f"diff --git a/{name} b/{name}\n" + "".join(lines)


def bare(project: Project, directory: Path, plugins: Path) -> dict[str, str]:
    """How each test ends, by pytest alone, without any sandbox."""
    plugins.mkdir(exist_ok=True)
    (plugins / "oracle.py").write_text(_ORACLE)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{plugins}:{directory}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "TZ": "UTC",
        "LANG": "C.UTF-8",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "oracle", project.tests]
    subprocess.run(command, cwd=directory, env=environment, capture_output=True, timeout=100, check=False)
    found = directory / f"{project.tests}.json"
    statuses: dict[str, str] = json.loads(found.read_text())
    found.unlink()
    return statuses
