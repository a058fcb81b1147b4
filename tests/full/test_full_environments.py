"""Environments as users make them: from a lock, and from a container image with an interpreter of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from basanite import (
    Assurance,
    Client,
    FailureReason,
    Item,
    Outcome,
    RepositoryTask,
    StdioCase,
    StdioTask,
    UnittestSuiteTask,
)

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]
REQUIRED = os.environ.get("BASANITE_REQUIRE", "").split(",")
BASANITE = [str(Path(sys.executable).with_name("basanite"))]
LOCK = "pytest==8.3.4\niniconfig==2.0.0\npluggy==1.5.0\npackaging==24.2\nsix==1.17.0\n"
CODE = "import six\n\n\ndef text(value):\n    return six.text_type(value) + '!'\n"
TESTS = "import pytest\nimport code_of\n\n\ndef test_text(tmp_path):\n    assert code_of.text(3) == '3'\n"
TESTS += "\n\ndef test_version():\n    assert pytest.__version__\n"
FIX = "--- a/code_of.py\n+++ b/code_of.py\n@@ -2,4 +2,4 @@\n \n \n def text(value):\n"
FIX += "-    return six.text_type(value) + '!'\n+    return six.text_type(value)\n"
FAIL_TO_PASS, PASS_TO_PASS = ["test_code.py::test_text"], ["test_code.py::test_version"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the sandboxes' user can enter."""
    with tempfile.TemporaryDirectory(prefix="basanite-test-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def env(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [*BASANITE, "env", *words, "--environments-dir", str(folder / "environments")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def local(folder: Path) -> Client:
    places = {"environments_dir": str(folder / "environments"), "snapshot_dir": str(folder / "snapshots")}
    return Client.local(settings=places, require_assurance=Assurance.GUARDED)


def test_a_lock_becomes_an_environment_once(folder: Path) -> None:
    lock = folder / "requirements.lock"
    lock.write_text(LOCK)
    made, again = (
        env("build", "tests", str(lock), folder=folder),
        env("build", "tests", str(lock), folder=folder),
    )
    assert made.returncode == again.returncode == 0, made.stderr
    assert made.stdout.startswith(
        "made tests: iniconfig 2.0.0, packaging 24.2, pluggy 1.5.0, pytest 8.3.4, six 1.17.0"
    )
    assert again.stdout == made.stdout.replace("made", "there already:", 1)
    lock.write_text(LOCK.replace("six==1.17.0", ""))
    other = env("build", "tests", str(lock), folder=folder)
    assert other.returncode == 2
    assert "choose another name" in other.stderr
    lock.write_text("pytest==8.3.4\n")
    partial = env("build", "partial", str(lock), folder=folder)
    assert "it also needs iniconfig, packaging, pluggy" in partial.stderr
    assert sorted(path.name for path in (folder / "environments").iterdir()) == ["tests"]
    (folder / "project").mkdir()
    (folder / "project/code_of.py").write_text(CODE)
    (folder / "project/test_code.py").write_text(TESTS)
    with local(folder) as client:
        snapshot = client.upload(folder / "project")
        for patch, score in ((FIX, 1.0), ("", 0.0)):
            task = RepositoryTask(patch, snapshot, FAIL_TO_PASS, PASS_TO_PASS)
            result = client.verify(Item(task, environment="tests"))
            assert result.score == score, result
        suite = UnittestSuiteTask(
            "import six\ndef f(): return six.text_type(1)",
            "from solution import f\ndef test(): assert f() == '1'",
        )
        assert client.verify(Item(suite, environment="tests")).score == 1.0
        bare = client.verify(Item(RepositoryTask(FIX, snapshot, FAIL_TO_PASS, PASS_TO_PASS)))
        assert bare.failure is not None, bare.verdict  # it has no six
        assert bare.failure.reason is FailureReason.TASK_FAULT


def test_an_image_is_an_environment_with_an_interpreter_of_its_own(folder: Path) -> None:
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        if "docker" in REQUIRED:
            pytest.fail("an image is made by mmdebstrap, as root (BASANITE_REQUIRE asks for docker)")
        pytest.skip("an image is made by mmdebstrap, as root")
    rootfs = folder / "rootfs"
    packages = "--include=python3-minimal,python3-pytest,python3-six"
    subprocess.run(
        ["mmdebstrap", "--variant=minbase", packages, "bookworm", rootfs], capture_output=True, check=True
    )
    (rootfs / "testbed").mkdir()
    (rootfs / "testbed/code_of.py").write_text(CODE)
    (rootfs / "testbed/test_code.py").write_text(TESTS)
    archive = folder / "rootfs.tar"
    subprocess.run(["tar", "-C", rootfs, "-cf", archive, "."], check=True)
    made = env("import", "image", str(archive), folder=folder)
    assert made.returncode == 0, made.stderr
    assert made.stdout == "made image: an image whose interpreter is /usr/bin/python3\n"
    about = json.loads((folder / "environments/image/image.json").read_text())
    assert about["python"] == "/usr/bin/python3"
    root = folder / "environments/image/root"
    assert not [
        path
        for path in (root / "usr/bin").iterdir()
        if not path.is_symlink() and path.stat().st_mode & 0o6000
    ]
    with local(folder) as client:
        for patch, outcome in ((FIX, Outcome.PASSED), ("", Outcome.FAILED), ("--- a/x\n", Outcome.REJECTED)):
            task = RepositoryTask(
                patch, directory="/testbed", fail_to_pass=FAIL_TO_PASS, pass_to_pass=PASS_TO_PASS
            )
            result = client.verify(Item(task, environment="image"))
            assert result.verdict is not None, result.failure
            assert result.verdict.outcome is outcome, result.verdict
        other = client.verify(Item(StdioTask("", [StdioCase("", "")]), environment="image"))
        assert other.failure is not None
        assert other.failure.reason is FailureReason.INVALID_ITEM
        assert "not an image" in other.failure.message
    assert "'!'" in (root / "testbed/code_of.py").read_text()
