"""Form `repository`: patches judged by the repository's own tests."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import pytest
from unittest_judge import Judge, repository, said

from basanite.v1 import result_pb2, tasks_pb2
from basanite_services.chassis.verifier import InvalidItem, TaskFault

FILES = {
    "setup.cfg": "[tool:pytest]\naddopts = -q\n",
    "src/calc/__init__.py": "from calc.core import add, div\n",
    "src/calc/core.py": "def add(a, b):\n    return a - b\n\n\ndef div(a, b):\n    return a / b\n",
    "tests/conftest.py": "import pytest\n\n\n@pytest.fixture\ndef two():\n    return 2\n",
    "tests/data.txt": "4\n",
    "tests/test_core.py": """
import pathlib

import pytest
from calc import add, div


def test_add(two):
    assert add(two, 2) == int(pathlib.Path(__file__).with_name("data.txt").read_text())


@pytest.mark.parametrize("a, b", [(4, 2), (9, 3)])
def test_div(a, b):
    assert div(a, b) * b == a


@pytest.mark.skipif(True, reason="not here")
def test_elsewhere():
    assert False
""",
}
FAIL_TO_PASS = ["tests/test_core.py::test_add"]
PASS_TO_PASS = ["tests/test_core.py::test_div[4-2]", "tests/test_core.py::test_div[9-3]"]
SKIPPED = "tests/test_core.py::test_elsewhere"
CORE = FILES["src/calc/core.py"]
FIXED = CORE.replace("a - b", "a + b")
PATHS = {"python_path": ["src"]}


def diff(changes: Mapping[str, str | None], files: Mapping[str, str] = FILES) -> str:
    """A patch that gives files these contents; None deletes one."""
    parts = []
    for name, after in changes.items():
        before = files.get(name)
        old, new = (before or "").splitlines(True), (after or "").splitlines(True)
        head = f"diff --git a/{name} b/{name}\n"
        if before is None:
            head += "new file mode 100644\n"
        elif after is None:
            head += "deleted file mode 100644\n"
        names = (
            "/dev/null" if before is None else f"a/{name}",
            "/dev/null" if after is None else f"b/{name}",
        )
        parts.append(head + "".join(difflib.unified_diff(old, new, *names)))
    return "".join(parts)


GOLD = diff({"src/calc/core.py": FIXED})


@pytest.fixture(scope="session")
def snapshot(judge: Judge) -> str:
    return judge.snapshot({f"project-1.0/{name}": text for name, text in FILES.items()})


def test_the_right_patch_passes_and_none_does_not(judge: Judge, snapshot: str) -> None:
    for reference in ("", GOLD):
        given = {**PATHS, "reference_patch": reference}
        verdict = judge(repository(GOLD, snapshot, FAIL_TO_PASS, PASS_TO_PASS, **given))
        assert verdict.outcome == result_pb2.OUTCOME_PASSED, said(verdict)
        assert (verdict.score, verdict.score_policy) == (1.0, "all_tests")
        assert [case.test.name for case in verdict.cases] == FAIL_TO_PASS + PASS_TO_PASS
        verdict = judge(repository("", snapshot, FAIL_TO_PASS, PASS_TO_PASS, **given))
        assert verdict.outcome == result_pb2.OUTCOME_FAILED
        assert verdict.cases[0].test.status == tasks_pb2.TEST_STATUS_FAILED
        assert verdict.score == 0


def test_a_patch_may_fix_one_thing_and_break_another(judge: Judge, snapshot: str) -> None:
    patch = diff({"src/calc/core.py": FIXED.replace("a / b", "a // b + 1")})
    task = repository(patch, snapshot, FAIL_TO_PASS, PASS_TO_PASS, **PATHS)
    assert judge(task).score == 0
    task.scoring = tasks_pb2.TEST_SCORING_FRACTION
    verdict = judge(task)
    assert verdict.score == pytest.approx(1 / 3)
    assert verdict.outcome == result_pb2.OUTCOME_FAILED


def test_skipped_tests_count_as_swe_bench_counts_them(judge: Judge, snapshot: str) -> None:
    verdict = judge(repository(GOLD, snapshot, FAIL_TO_PASS, [*PASS_TO_PASS, SKIPPED], **PATHS))
    assert verdict.outcome == result_pb2.OUTCOME_PASSED, said(verdict)
    assert verdict.cases[-1].test.status == tasks_pb2.TEST_STATUS_SKIPPED
    verdict = judge(repository(GOLD, snapshot, [*FAIL_TO_PASS, SKIPPED], PASS_TO_PASS, **PATHS))
    assert verdict.outcome == result_pb2.OUTCOME_FAILED
    assert "was skipped" in verdict.cases[1].message


def test_equal_statuses_are_asked_for_as_r2e_gym_asks(judge: Judge, snapshot: str) -> None:
    passed, skipped = tasks_pb2.TEST_STATUS_PASSED, tasks_pb2.TEST_STATUS_SKIPPED
    statuses = {**dict.fromkeys(FAIL_TO_PASS + PASS_TO_PASS, passed), SKIPPED: skipped}
    scoring = tasks_pb2.TEST_SCORING_STATUSES
    task = repository(GOLD, snapshot, expected_statuses=statuses, scoring=scoring, **PATHS)
    assert judge(task).score == 1
    task.patch = ""
    assert judge(task).score == 0
    del statuses[SKIPPED]
    verdict = judge(repository(GOLD, snapshot, expected_statuses=statuses, scoring=scoring, **PATHS))
    assert verdict.score == 0
    assert "4 tests ran, 3 were expected" in verdict.cases[0].message


PROTECTED = {
    "a conftest": {
        "src/calc/core.py": CORE,
        "conftest.py": "def pytest_pyfunc_call(pyfuncitem):\n    return True\n",
    },
    "the conftest of the tests": {
        "tests/conftest.py": "def pytest_pyfunc_call(pyfuncitem):\n    return True\n"
    },
    "the tests": {"tests/test_core.py": FILES["tests/test_core.py"].replace("assert add", "add")},
    "no tests": {"tests/test_core.py": None},
    "data of the tests": {"tests/data.txt": "0\n"},
    "a file beside the tests": {
        "tests/calc.py": "def add(a, b):\n    return 4\ndef div(a, b):\n    return a / b\n"
    },
    "configuration": {"pytest.ini": "[pytest]\npython_functions = none\n"},
    "configuration that is there": {"setup.cfg": "[tool:pytest]\naddopts = --collect-only\n"},
    "pyproject": {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-k nothing'\n"},
    "sitecustomize": {"src/sitecustomize.py": "import os\nos._exit(0)\n"},
    "a path file": {"src/a.pth": "import os; os._exit(0)\n"},
    "a module for pytest": {"src/pytest.py": "raise SystemExit\n"},
    "a module of the standard library": {"src/pathlib.py": "raise SystemExit\n"},
    "an entry point": {"src/calc.egg-info/entry_points.txt": "[pytest11]\nx = calc.core\n"},
}


@pytest.mark.parametrize("name", PROTECTED)
def test_what_is_protected_is_reported_and_not_obeyed(judge: Judge, snapshot: str, name: str) -> None:
    changes = {path: text for path, text in PROTECTED[name].items() if text != CORE}
    verdict = judge(repository(diff(changes), snapshot, FAIL_TO_PASS, PASS_TO_PASS, **PATHS))
    assert verdict.score == 0
    warned = [one for one in verdict.diagnostics if one.severity == result_pb2.Diagnostic.SEVERITY_WARNING]
    assert [one.file for one in warned] == list(changes), said(verdict)
    assert "has no effect" in warned[0].message
    fixed = judge(repository(diff(changes) + GOLD, snapshot, FAIL_TO_PASS, PASS_TO_PASS, **PATHS))
    assert fixed.outcome == result_pb2.OUTCOME_PASSED, said(fixed)


def test_more_can_be_protected(judge: Judge, snapshot: str) -> None:
    task = repository(GOLD, snapshot, FAIL_TO_PASS, PASS_TO_PASS, protected=["src/**/core.py"], **PATHS)
    verdict = judge(task)
    assert verdict.score == 0
    assert "is protected by the task" in said(verdict)


def test_trusted_files_are_put_in_place_after_the_patch(judge: Judge, snapshot: str) -> None:
    tests = {"tests/test_new.py": "from calc import add\ndef test_new():\n    assert add(1, 1) == 2\n"}
    name = "tests/test_new.py::test_new"
    patch = GOLD + diff({"tests/test_new.py": "def test_new():\n    pass\n"})
    verdict = judge(repository(patch, snapshot, [name], PASS_TO_PASS, tests=tests, **PATHS))
    assert verdict.outcome == result_pb2.OUTCOME_PASSED, said(verdict)
    assert "tests/test_new.py" in said(verdict)
    cheat = diff({"tests/test_new.py": "def test_new():\n    pass\n"})
    assert judge(repository(cheat, snapshot, [name], PASS_TO_PASS, tests=tests, **PATHS)).score == 0


CHEATS = {
    "skips": "import unittest\ndef add(a, b):\n    raise unittest.SkipTest('no')\n",
    "skips what passed": "import pytest\ndef add(a, b):\n    return a + b\ndef div(a, b):\n"
    "    pytest.skip('no')\n",
    "expects to fail": "import pytest\ndef add(a, b):\n    return a + b\ndef div(a, b):\n"
    "    pytest.xfail('no')\n",
    "ends the process": "import os\nos._exit(0)\n",
    "registers a plugin": "import gc\nfrom _pytest.config import Config\nclass P:\n"
    "    def pytest_pyfunc_call(self): return True\n"
    "for o in gc.get_objects():\n"
    "    if isinstance(o, Config): o.pluginmanager.register(P())\n"
    "def add(a, b): return 0\ndiv = add\n",
    "writes over the tests": "import pathlib\np = pathlib.Path('tests/test_core.py')\n"
    "p.write_text('def test_add(): pass')\n",
}


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_in_the_code_scores_nothing(judge: Judge, snapshot: str, name: str) -> None:
    code = CHEATS[name] + ("" if "def div" in CHEATS[name] else "\ndef div(a, b):\n    return a / b\n")
    code += "" if "def add" in code else "def add(a, b):\n    return a - b\n"
    patch = diff({"src/calc/core.py": code})
    verdict = judge(repository(patch, snapshot, FAIL_TO_PASS, PASS_TO_PASS, **PATHS))
    assert verdict.score == 0, said(verdict)


BAD_PATCHES = {
    "a hunk that is elsewhere": (
        "--- a/setup.py\n+++ b/setup.py\n@@ -1 +1 @@\n-x\n+y\n",
        "setup.py: there is no such file",
    ),
    "context that differs": (
        GOLD.replace("return a / b", "return a % b").replace(" def div", " def dif"),
        "hunk 1 of src/calc/core.py",
    ),
    "no patch": ("this is no patch\n", "no diff in it"),
    "outside": ("--- a/../x\n+++ b/../x\n@@ -0,0 +1 @@\n+y\n", "outside of the repository"),
    "absolute": ("--- /dev/null\n+++ b//etc/passwd\n@@ -0,0 +1 @@\n+y\n", "outside of the repository"),
    "a link": (
        "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n"
        "@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n",
        "symbolic links",
    ),
    "a submodule": (
        "diff --git a/l b/l\nnew file mode 160000\n--- /dev/null\n+++ b/l\n"
        "@@ -0,0 +1 @@\n+Subproject commit 1\n",
        "submodules",
    ),
    "a device": ("diff --git a/l b/l\nnew file mode 020666\nindex 0000000..e69de29\n", "is none of a file"),
    "binary": (
        "diff --git a/l b/l\nnew file mode 100644\nGIT binary patch\nliteral 1\nIcmZPo\n",
        "binary patches",
    ),
    "the git directory": (
        "--- /dev/null\n+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+y\n",
        "not part of the repository",
    ),
    "below a file": ("--- /dev/null\n+++ b/setup.cfg/x\n@@ -0,0 +1 @@\n+y\n", "no directory"),
}


@pytest.mark.parametrize("name", BAD_PATCHES)
def test_a_patch_that_does_not_apply_is_rejected_and_says_where(
    judge: Judge, snapshot: str, name: str
) -> None:
    patch, why = BAD_PATCHES[name]
    verdict = judge(repository(patch, snapshot, FAIL_TO_PASS, PASS_TO_PASS, **PATHS))
    assert verdict.outcome == result_pb2.OUTCOME_REJECTED
    assert verdict.score == 0
    assert why in verdict.cases[0].message, verdict.cases[0].message


BAD_TASKS = {
    "an unknown test": ({"fail_to_pass": ["tests/test_core.py::test_none"]}, TaskFault, "there is no test"),
    "an unknown file": (
        {"fail_to_pass": ["tests/test_x.py::test_none"]},
        InvalidItem,
        "it has no file tests/test_x.py",
    ),
    "a test that passes anyway": (
        {"fail_to_pass": PASS_TO_PASS[:1], "pass_to_pass": []},
        TaskFault,
        "passes without any change",
    ),
    "a test that never passed": (
        {"fail_to_pass": [], "pass_to_pass": FAIL_TO_PASS},
        TaskFault,
        "does not pass without any change",
    ),
    "no tests": ({"fail_to_pass": [], "pass_to_pass": []}, InvalidItem, "must be 1 to 20000 tests"),
    "no snapshot": ({"snapshot": "0" * 64}, InvalidItem, "upload it"),
    "no digest": ({"snapshot": "abc"}, InvalidItem, "64 lower-case hexadecimal digits"),
    "a reference that does not apply": (
        {"reference_patch": "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-x\n+y\n"},
        TaskFault,
        "no such file",
    ),
    "a reference that is wrong": (
        {"reference_patch": diff({"src/calc/core.py": CORE + "\n"})},
        TaskFault,
        "does not pass with it",
    ),
    "a path outside": ({"test_paths": ["../x"]}, InvalidItem, "relative path inside"),
}


@pytest.mark.parametrize("name", BAD_TASKS)
def test_a_task_that_cannot_work_is_said_to_be_so(judge: Judge, snapshot: str, name: str) -> None:
    changes, kind, why = BAD_TASKS[name]
    given = {
        "snapshot": snapshot,
        "fail_to_pass": FAIL_TO_PASS,
        "pass_to_pass": PASS_TO_PASS,
        **PATHS,
        **changes,
    }
    with pytest.raises(kind, match=why.replace("(", r"\(")):
        judge(repository(GOLD, **given))


def test_a_second_opinion_notices_tests_that_do_not_depend_on_the_change(judge: Judge, snapshot: str) -> None:
    opinion = tasks_pb2.SecondOpinion(tests=2, mutations=3)
    given = {**PATHS, "second_opinion": opinion}
    assert judge(repository(GOLD, snapshot, FAIL_TO_PASS, PASS_TO_PASS, **given)).score == 1
    idle = diff({"src/calc/idle.py": "def never(n):\n    n += 1\n    return n\n"})
    verdict = judge(repository(idle, snapshot, [], PASS_TO_PASS, **given))
    assert verdict.outcome == result_pb2.OUTCOME_FAILED
    assert "the tests pass as well where never raises (src/calc/idle.py, line 1)" in verdict.cases[0].message


def test_flaky_tests_fail_or_are_left_out(judge: Judge) -> None:
    tests = """
import os

import value


def test_sure():
    assert value.VALUE == 2


def test_flaky():
    assert value.VALUE == 1 or os.urandom(1)[0] % 2
"""
    digest = judge.snapshot({"value.py": "VALUE = 1\n", "test_code.py": tests})
    patch = "--- a/value.py\n+++ b/value.py\n@@ -1 +1 @@\n-VALUE = 1\n+VALUE = 2\n"
    repeats = tasks_pb2.TestRepeats(runs=10, flaky=tasks_pb2.FLAKY_POLICY_EXCLUDE)
    task = repository(
        patch, digest, ["test_code.py::test_sure"], ["test_code.py::test_flaky"], repeats=repeats
    )
    verdict = judge(task)
    assert verdict.outcome == result_pb2.OUTCOME_PASSED, said(verdict)
    assert [case.test.flaky for case in verdict.cases] == [False, True]
    task.repeats.flaky = tasks_pb2.FLAKY_POLICY_FAIL
    verdict = judge(task)
    assert verdict.outcome == result_pb2.OUTCOME_FAILED
    assert "it is flaky" in verdict.cases[1].message


def test_unittests_own_names_work_as_well(judge: Judge, snapshot: str) -> None:
    tests = {
        "tests/test_case.py": "import unittest\nfrom calc import add, div\nclass Case(unittest.TestCase):\n"
        "    def test_add(self):\n        self.assertEqual(add(1, 1), 2)\n"
        "    def test_div(self):\n        self.assertEqual(div(4, 2), 2)\n"
    }
    given = {"tests": tests, "framework": tasks_pb2.TEST_FRAMEWORK_UNITTEST, **PATHS}
    names = (["tests.test_case.Case.test_add"], ["tests.test_case.Case.test_div"])
    verdict = judge(repository(GOLD, snapshot, *names, **given))
    assert verdict.outcome == result_pb2.OUTCOME_PASSED, said(verdict)
    assert judge(repository("", snapshot, *names, **given)).score == 0


def test_many_candidates_leave_nothing_on_the_disk(judge: Judge, snapshot: str) -> None:
    task = repository(GOLD, snapshot, FAIL_TO_PASS, PASS_TO_PASS, **PATHS)
    judge(task)
    before = sorted(str(path) for path in judge.folder.rglob("*"))
    for _ in range(5):
        assert judge(task).score == 1
    assert sorted(str(path) for path in judge.folder.rglob("*")) == before


def test_what_trusted_code_changes_candidates_may_leave_changed(judge: Judge) -> None:
    """A project whose own code replaces something that decides is no cheat, and no other change is hidden by it."""
    files = {
        **FILES,
        "src/calc/__init__.py": "import builtins\nfrom calc.core import add, div\n\n\nclass Sorted:\n"
        "    def __call__(self, *a, **k):\n        return type(self).old(*a, **k)\n\n\n"
        "Sorted.old = builtins.sorted\nbuiltins.sorted = Sorted()\n",
    }
    digest = judge.snapshot(files)
    verdict = judge(repository(GOLD, digest, FAIL_TO_PASS, PASS_TO_PASS, **PATHS))
    assert verdict.outcome == result_pb2.OUTCOME_PASSED, said(verdict)
    cheat = FIXED + "\nimport builtins\nbuiltins.divmod = lambda *a: 0\n"
    verdict = judge(
        repository(diff({"src/calc/core.py": cheat}), digest, FAIL_TO_PASS, PASS_TO_PASS, **PATHS)
    )
    assert verdict.score == 0
    assert "builtins.divmod was replaced" in verdict.cases[0].message


@pytest.mark.parametrize(
    "name", ["test_new.py/x", "test_new.py", "checks", ".basanite_unittest.py", "TEST_NEW.py"]
)
def test_no_file_gets_in_the_way_of_trusted_ones(judge: Judge, snapshot: str, name: str) -> None:
    tests = dict.fromkeys(
        ("test_new.py", "checks/test_more.py"),
        "from calc import add\ndef test_new():\n    assert add(1, 1) == 2\n",
    )
    fail_to_pass = [f"{path}::test_new" for path in tests]
    patch = GOLD + diff({name: "def test_new(): pass\n"})
    verdict = judge(repository(patch, snapshot, fail_to_pass, PASS_TO_PASS, tests=tests, **PATHS))
    assert verdict.outcome == result_pb2.OUTCOME_PASSED, said(verdict)
    assert f"the change of {name} has no effect" in said(verdict)


def test_a_file_may_become_a_directory(judge: Judge, snapshot: str) -> None:
    patch = diff({"src/calc/core.py": None, "src/calc/core.py/x": "1\n"}) + diff({"src/calc/sums.py": FIXED})
    patch += diff({"src/calc/__init__.py": "from calc.sums import add, div\n"})
    opinion = tasks_pb2.SecondOpinion(mutations=2)
    task = repository(patch, snapshot, FAIL_TO_PASS, PASS_TO_PASS, second_opinion=opinion, **PATHS)
    verdict = judge(task)
    assert verdict.outcome == result_pb2.OUTCOME_PASSED, said(verdict)
