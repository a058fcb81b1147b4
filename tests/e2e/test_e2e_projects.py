"""Real projects, judged by their own test suites as bare pytest judges them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import e2e_projects as projects
import pytest

from basanite import Assurance, Client, Item, Limits, Outcome, RepositoryTask, Result

EVERY_PROJECT = [
    pytest.param(name, marks=() if name == "toolz" else pytest.mark.full) for name in projects.PROJECTS
]
REMARK = """diff --git a/REMARK.txt b/REMARK.txt
new file mode 100644
--- /dev/null
+++ b/REMARK.txt
@@ -0,0 +1 @@
+nothing is changed
"""
"""A patch that changes nothing of the code."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A project, unpacked."""

    project: projects.Project
    directory: Path
    plugins: Path
    good: dict[str, str]
    """How each test ends, by bare pytest."""

    @property
    def passing(self) -> list[str]:
        return [
            name
            for name, status in self.good.items()
            if status == "passed" and not name.startswith(self.project.left_out)
        ]

    def bare(self) -> dict[str, str]:
        return projects.bare(self.project, self.directory, self.plugins)


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address) as client:
        yield client


@pytest.fixture(scope="module", params=EVERY_PROJECT)
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    project = projects.require(request.param)
    folder = tmp_path_factory.mktemp("project")
    directory = projects.unpack(project, folder)
    return Prepared(
        project, directory, folder / "plugins", projects.bare(project, directory, folder / "plugins")
    )


def judge(client: Client, **task: object) -> Result:
    item = Item(
        RepositoryTask(**task),  # type: ignore[arg-type]
        limits=Limits(cpu_seconds=60, wall_seconds=200),
        require_assurance=Assurance.GUARDED,
    )
    return client.verify(item)


def test_the_untouched_project_passes_its_own_suite(client: Client, prepared: Prepared) -> None:
    snapshot = client.upload(prepared.directory)
    result = judge(client, patch=REMARK, snapshot=snapshot, pass_to_pass=prepared.passing)
    assert result.failure is None, result.failure
    assert result.score == 1.0
    assert result.verdict is not None
    assert [case.test.name for case in result.verdict.cases if case.test] == prepared.passing


def test_each_mutation_is_judged_as_bare_pytest_judges_it(client: Client, prepared: Prepared) -> None:
    snapshot = client.upload(prepared.directory)
    caught = 0
    for mutation in prepared.project.mutations:
        right = (prepared.directory / mutation.file).read_text()
        breaks, _ = projects.change(prepared.directory, mutation)
        expected = prepared.bare()
        (prepared.directory / mutation.file).write_text(right)
        result = judge(client, patch=breaks, snapshot=snapshot, pass_to_pass=prepared.passing)
        assert result.verdict is not None, (mutation, result.failure)
        said = {case.test.name: case.test.status.value for case in result.verdict.cases if case.test}
        assert said == {name: expected.get(name, "missing") for name in prepared.passing}, mutation
        catches = any(expected.get(name) != "passed" for name in prepared.passing)
        assert result.score == (0.0 if catches else 1.0), mutation
        caught += catches
    assert caught >= 2


def test_a_reverse_patch_repairs_a_mutated_project(client: Client, prepared: Prepared) -> None:
    for mutation in prepared.project.mutations:
        right = (prepared.directory / mutation.file).read_text()
        _, repairs = projects.change(prepared.directory, mutation)
        try:
            broken = prepared.bare()
            snapshot = client.upload(prepared.directory)
        finally:
            (prepared.directory / mutation.file).write_text(right)
        fail_to_pass = [name for name in prepared.passing if broken.get(name) != "passed"]
        if not fail_to_pass:
            continue
        pass_to_pass = [name for name in prepared.passing if broken.get(name) == "passed"]
        task = {"snapshot": snapshot, "fail_to_pass": fail_to_pass, "pass_to_pass": pass_to_pass}
        repaired = judge(client, patch=repairs, reference_patch=repairs, **task)
        assert repaired.failure is None, (mutation, repaired.failure)
        assert repaired.score == 1.0, mutation
        left = judge(client, patch=REMARK, **task)
        assert left.verdict is not None, left.failure
        assert left.score == 0.0
        assert left.verdict.outcome is Outcome.FAILED
        return
    pytest.fail("no mutation was caught")
