"""Trees: directories that runs work in, each with changes of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_box import LocalBox, limits_of

from basanite_sandboxes.spec import Command, Environment, PythonProgram, Report, SandboxUnavailable, Tree

LOWER = {"pkg/a.py": "x = 1\n", "pkg/deep/b.txt": "b", "gone/only.txt": "g", "read_only.txt": "r"}


@pytest.fixture
def trees(local_box: LocalBox) -> Iterator[Environment]:
    """Two trees, `one` and `other`, that the cells' user owns."""
    owner = local_box.pool.tree_owner
    with tempfile.TemporaryDirectory(prefix="basanite-trees-") as top:
        for name, text in {
            **{f"one/{name}": text for name, text in LOWER.items()},
            "other/s": "secret",
        }.items():
            path = Path(top, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        Path(top, "one/read_only.txt").chmod(0o444)
        Path(top).chmod(0o755)
        for directory, names, files in os.walk(top):
            for name in (*names, *files):
                if owner is not None:
                    os.chown(Path(directory, name), owner, owner)
        yield Environment("trees", trees=Path(top))


def run(box: LocalBox, environment: Environment, source: str, **keywords: object) -> Report:
    async def go() -> Report:
        limits = limits_of(**keywords.pop("limits", {}))  # type: ignore[arg-type]
        tree = keywords.pop("tree", Tree("one"))
        async with box.pool.sandbox(environment) as sandbox:
            program = PythonProgram(source.encode(), answers=True)
            return await sandbox.run(program, limits, tree=tree, **keywords)  # type: ignore[arg-type]

    if box.isolation.profile == "reduced":
        with pytest.raises(SandboxUnavailable, match="namespaces"):
            box.do(go())
        pytest.skip("reduced isolation has no trees, and says so")
    report: Report = box.do(go())
    return report


def out(*arguments: object, **keywords: object) -> str:
    report = run(*arguments, **keywords)  # type: ignore[arg-type]
    assert (report.exit_status, report.stderr) == (0, b""), report
    return report.stdout.decode()


def lower(environment: Environment) -> dict[str, str]:
    assert environment.trees is not None
    top = environment.trees / "one"
    return {str(path.relative_to(top)): path.read_text() for path in top.rglob("*") if path.is_file()}


def test_a_run_works_in_the_tree_with_its_files_on_top(local_box: LocalBox, trees: Environment) -> None:
    source = """
import os
print(os.getcwd(), open("pkg/a.py").read().strip(), open("read_only.txt").read(), open("new/f").read())
print(os.path.exists("gone"), os.access("run.sh", os.X_OK), os.access("pkg/a.py", os.X_OK))
os.write(5, b"answer")
"""
    tree = Tree("one", removed=("gone/only.txt",), executable=("run.sh",))
    files = {"pkg/a.py": b"x = 2\n", "read_only.txt": b"R", "new/f": b"n", "run.sh": b""}
    report = run(local_box, trees, source, tree=tree, files=files)
    assert report.stdout.decode() == "/testbed x = 2 R n\nFalse True False\n", report
    assert report.answers == b"answer"
    assert lower(trees) == LOWER


def test_what_a_run_changes_is_gone_with_it(local_box: LocalBox, trees: Environment) -> None:
    changes = """
import os, shutil
shutil.rmtree("pkg")
os.mkdir("pkg")
open("pkg/a.py", "w").write("x = 3")
os.link("gone/only.txt", "linked")
os.unlink("gone/only.txt")
os.rename("linked", "renamed")
with open("read_only.txt", "rb") as file:
    pass
os.chmod("read_only.txt", 0o600)
open("read_only.txt", "a").write("!")
os.symlink("/etc/passwd", "link")
print(sorted(os.listdir()), os.listdir("pkg"), open("renamed").read(), open("read_only.txt").read())
"""
    said = "['gone', 'link', 'pkg', 'read_only.txt', 'renamed'] ['a.py'] g r!\n"
    for _ in range(2):
        assert out(local_box, trees, changes) == said
        assert lower(trees) == LOWER
    assert (
        out(local_box, trees, "import os; print(sorted(os.listdir()))")
        == "['gone', 'pkg', 'read_only.txt']\n"
    )


def test_only_its_own_tree_is_in_sight(local_box: LocalBox, trees: Environment) -> None:
    source = """
import os
print(os.listdir("/snapshots"), os.listdir("/tmp"))
found = [os.path.join(where, name) for where, _, names in os.walk("/", followlinks=False) for name in names
         if name in ("s", "only.txt")]
print(found)
for name in ("/snapshots/x", "/snapshots/one/pkg/a.py"):
    try:
        open(name, "w")
    except OSError:
        print("no")
"""
    assert out(local_box, trees, source) == "[] []\n['/testbed/gone/only.txt']\nno\nno\n"


def test_mounts_cannot_be_changed(local_box: LocalBox, trees: Environment) -> None:
    source = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for call in (
    lambda: libc.umount2(b"/snapshots", 2), lambda: libc.umount2(b"/testbed", 2), lambda: libc.umount2(b"/tmp", 2),
    lambda: libc.mount(b"/snapshots", b"/tmp", None, 4096, None), lambda: libc.mount(b"x", b"/tmp", b"tmpfs", 32, None),
    lambda: libc.syscall(155, b".", b"."), lambda: libc.unshare(0x10000000), lambda: libc.chroot(b"/tmp"),
):
    print(call(), ctypes.get_errno())
"""
    assert out(local_box, trees, source) == "-1 1\n" * 8


def test_changes_count_as_files_do(local_box: LocalBox, trees: Environment) -> None:
    source = """
import errno
def fill(name):
    with open(name, "wb", buffering=0) as file:
        try:
            for _ in range(64):
                file.write(bytes(1 << 20))
        except OSError as error:
            return errno.errorcode[error.errno]
print(fill("big"), fill("/tmp/big"))
"""
    assert out(local_box, trees, source, limits={"disk_bytes": 8 << 20}) == "ENOSPC ENOSPC\n"


def test_names_that_are_none_are_refused(local_box: LocalBox, trees: Environment) -> None:
    if local_box.isolation.profile == "reduced":
        pytest.skip("reduced isolation has no trees")
    for name in ("a,lowerdir=/", "a:b", "/etc", "x" * 300, "back\\slash"):
        with pytest.raises(ValueError, match=r"tree|image"):
            run(local_box, trees, "", tree=Tree(name))
    with pytest.raises(ValueError, match="no trees"):
        run(local_box, Environment(), "", tree=Tree("one"))


@pytest.fixture
def image(local_box: LocalBox) -> Iterator[Environment]:
    """A root directory with a shell, as an imported image has one."""
    programs = [Path("/bin", name) for name in ("sh", "ls", "cat", "readlink")]
    with tempfile.TemporaryDirectory(prefix="basanite-image-") as top:
        root = Path(top, "root")
        said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
        words = [word for line in said.splitlines() if line[0] == "\t" for word in line.split()]
        wanted = {*programs, *(Path(word) for word in words if word.startswith("/"))}
        for path in wanted:
            target = root / str(path)[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        for name in ("dev", "proc", "tmp", "etc", "testbed/sub"):
            (root / name).mkdir(parents=True, exist_ok=True)
        (root / "testbed/f").write_text("lower\n")
        for path in (Path(top), root, *root.rglob("*")):
            if local_box.pool.tree_owner is not None:
                os.chown(path, local_box.pool.tree_owner, local_box.pool.tree_owner)
        Path(top).chmod(0o755)
        yield Environment("image", root=root, variables=(("PATH", "/bin:/usr/bin"), ("GREETING", "hi")))


def test_commands_of_an_image_see_its_root_alone(local_box: LocalBox, image: Environment) -> None:
    if local_box.isolation.profile == "reduced":
        pytest.skip("reduced isolation has no images")
    script = """
        pwd; ls /; cat f; echo changed > f; cat f; cat in; ls /tmp /dev; echo $GREETING; readlink /proc/self/root
        echo x > /etc/x || echo no; cat ../../../../etc/passwd || echo no; echo out > answer; exit 3
    """

    async def go() -> Report:
        async with local_box.pool.sandbox(image) as sandbox:
            command = Command(("/bin/sh", "-c", script), output="answer")
            return await sandbox.run(command, limits_of(), files={"in": b"input\n"}, tree=Tree("/testbed"))

    for _ in range(2):
        report = local_box.do(go())
        words = report.stdout.decode().split()
        assert report.exit_status == 3, report
        assert report.answers == b"out\n"
        assert words[0] == "/testbed"
        assert {"image", "basanite", "snapshots", "modules", "environment"}.isdisjoint(words), words
        assert "lower changed input" in " ".join(words)
        assert "answers fd null random shm stderr stdin stdout urandom zero /tmp: hi / no no" in " ".join(
            words
        )
    assert image.root is not None
    assert (image.root / "testbed/f").read_text() == "lower\n"
