"""Patches: what `git apply` makes of them, and nothing else."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from basanite_services.unittest.apply import Changes, apply
from basanite_services.unittest.patch import PatchRejected, parse

WORDS = [b"a", b"b", b"", b"x y", b"\tz", b"c\r"]
NAMES = ["f1", "dir/f2", "sp ace", "d2/\u00e9"]


class Folder:
    """A directory as apply.Files has it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, path: str) -> bytes | None:
        file = self._path / path
        return file.read_bytes() if file.is_file() else None


class Texts(dict[str, bytes]):
    def read(self, path: str) -> bytes | None:
        return self.get(path)


def applied(patch: str, **files: str) -> Changes:
    return apply(parse(patch.encode()), Texts({name: text.encode() for name, text in files.items()}))


def test_a_hunk_that_moved_is_found_and_context_must_be_there() -> None:
    lines = "".join(f"{number}\n" for number in range(40))
    patch = "--- a/f\n+++ b/f\n@@ -10,3 +10,3 @@\n 20\n-21\n+new\n 22\n"
    assert applied(patch, f=lines).files == {"f": lines.replace("21\n", "new\n").encode()}
    with pytest.raises(
        PatchRejected, match=r"hunk 1 of f \(line 3 of the patch\) does not apply: line 10 is '9', not '20'"
    ):
        applied(patch, f=lines.replace("22", "x"))


def test_new_deleted_renamed_and_executable_files() -> None:
    patch = (
        "diff --git a/new b/new\nnew file mode 100755\n--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+x\n"
        "diff --git a/old b/old\ndeleted file mode 100644\n--- a/old\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n"
        "diff --git a/from b/to\nsimilarity index 100%\nrename from from\nrename to to\n"
        "diff --git a/script b/script\nold mode 100644\nnew mode 100755\n"
        "diff --git a/empty b/empty\nnew file mode 100644\nindex 0000000..e69de29\n"
    )
    made = applied(patch, old="gone\n", **{"from": "kept\n", "script": "#!\n"})
    assert made.files == {"new": b"x\n", "to": b"kept\n", "script": b"#!\n", "empty": b""}
    assert made.removed == {"old", "from"}
    assert made.executable == {"new", "script"}


def test_text_around_a_patch_and_a_missing_last_newline_do_no_harm() -> None:
    patch = "Here is the fix:\n\n--- a/f\t2026-01-01\n+++ b/f\t2026-01-02\n@@ -1 +1 @@\n-a\n+b"
    assert applied(patch, f="a\n").files == {"f": b"b\n"}


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ("--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-a\n+b\n", "ends in the middle of a hunk"),
        ("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n*b\n", "begins with none of"),
        ("@@ -1 +1 @@\n-a\n+b\n", "without the name of a file"),
        ("diff --git a/f b/f\n--- a/f\n+++ b/f\n", "without hunks"),
        ("--- f\n+++ f\n@@ -1 +1 @@\n-a\n+b\n", "lacks the prefix"),
        ("--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+b\n", "exists already"),
        ("--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", r"hunk 1 of f .* does not apply"),
        ('--- "a/f\n+++ "b/f\n@@ -1 +1 @@\n-a\n+b\n', "does not end"),
    ],
)
def test_what_is_wrong_is_said(patch: str, why: str) -> None:
    with pytest.raises(PatchRejected, match=why):
        applied(patch, f="a\nb\n")


def test_a_hostile_patch_is_refused_in_time() -> None:
    hunks = "".join(f"@@ -{number},2 +{number},2 @@\n a\n-no\n+b\n" for number in range(2, 20_000))
    with pytest.raises(PatchRejected):
        applied("--- a/f\n+++ b/f\n" + hunks, f="a\n" * 200_000)


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ("-c", "user.name=x", "-c", "user.email=x@x")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=environment, capture_output=True, check=False
    )


def text(chance: random.Random, count: int) -> bytes:
    made = b"\n".join(chance.choice(WORDS) for _ in range(count))
    return made + (b"\n" if made and chance.random() < 0.8 else b"")


def edited(chance: random.Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(lines))
        if chance.random() < 0.5 and at < len(lines):
            del lines[at]
        else:
            lines.insert(at, chance.choice(WORDS))
    return b"\n".join(lines)


def change_at_random(chance: random.Random, folder: Path, before: dict[str, bytes]) -> None:
    for name, content in before.items():
        path, what = folder / name, chance.random()
        if what < 0.15:
            path.unlink()
        elif what < 0.3:
            path.rename(folder / f"moved{name.replace('/', '_')}")
        elif what < 0.9:
            path.write_bytes(edited(chance, content))
        if path.exists() and chance.random() < 0.2:
            path.chmod(0o755)
    if chance.random() < 0.5:
        (folder / "new").write_bytes(text(chance, chance.randint(0, 5)))


@pytest.mark.parametrize(
    "seed", [*range(12), *(pytest.param(seed, marks=pytest.mark.full) for seed in range(12, 150))]
)
def test_git_apply_says_and_does_the_same(tmp_path: Path, seed: int) -> None:
    """Of patches that git made: on the files that they were made for, and on others."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    chance = random.Random(seed)
    before = {name: text(chance, chance.randint(0, 30)) for name in NAMES}
    for name, content in before.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    git(tmp_path, "init", "-q"), git(tmp_path, "add", "-A"), git(tmp_path, "commit", "-qm", "x")
    change_at_random(chance, tmp_path, before)
    git(tmp_path, "add", "-A")
    renames = "-M" if chance.random() < 0.5 else "--no-renames"
    patch = git(tmp_path, "diff", "--cached", renames, f"-U{chance.choice([1, 3, 3, 3])}").stdout
    git(tmp_path, "reset", "-q", "--hard"), git(tmp_path, "clean", "-qfd")
    if chance.random() < 0.5:  # meanwhile the files have changed
        for name, content in before.items():
            if content.endswith(b"\n"):
                (tmp_path / name).write_bytes(b"extra\n" * chance.randint(0, 3) + content)
    try:
        changes = apply(parse(patch), Folder(tmp_path))
    except PatchRejected as error:
        changes, why = None, str(error)
    else:
        why = ""
    (tmp_path / ".git" / "patch").write_bytes(patch)
    done = git(tmp_path, "apply", ".git/patch")
    assert (changes is not None) == (done.returncode == 0 or not patch), (why, done.stderr)
    if changes is not None:
        for name, content in changes.files.items():
            assert (tmp_path / name).read_bytes() == content
            assert (name in changes.executable) <= bool((tmp_path / name).stat().st_mode & 0o100)
        there = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
        there = {name for name in there if not name.startswith(".git/")}
        assert there == ({*before, *changes.files} - changes.removed)
