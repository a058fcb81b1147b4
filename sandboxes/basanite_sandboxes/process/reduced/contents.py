"""What a root without mounts contains: chosen on this machine, copied once.

The interpreter with its standard library, a few commands, the shared libraries that all of them need, time zones.
Nothing of it keeps the rights to be another user.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from basanite_sandboxes.process.python import Interpreter
from basanite_sandboxes.process.rootfs import all_files
from basanite_sandboxes.spec import Environment, SandboxUnavailable

COMMANDS = (
    *("sh", "bash", "env", "true", "false", "test", "expr", "printf", "echo", "yes", "seq", "date", "sleep"),
    *(
        "timeout",
        "kill",
        "nice",
        "nproc",
        "id",
        "pwd",
        "ls",
        "cat",
        "head",
        "tail",
        "wc",
        "sort",
        "uniq",
        "cut",
    ),
    *("tr", "tee", "paste", "grep", "sed", "awk", "diff", "cmp", "find", "xargs", "basename", "dirname"),
    *("mkdir", "rmdir", "mkfifo", "touch", "cp", "mv", "rm", "ln", "chmod", "mktemp", "readlink", "realpath"),
    *("rev", "tac", "nl", "fold", "comm", "join", "split", "shuf", "tsort", "factor"),
    *("stat", "dd", "od", "base64", "md5sum", "sha256sum", "uname", "which"),
)
"""Those of them that there are."""
_SKIPPED = {"site-packages", "dist-packages", "test", "idlelib", "turtledemo", "posix", "right"}
"""Directories of the standard library and of the time zones that no program needs."""
_LOADED_BY_NAME = ("libgcc_s.so.1",)
"""The C library wants it to end threads, and no file says so."""
_TREES = ("/usr/lib/locale/C.utf8", "/usr/share/zoneinfo")
_ASK = "import json, sysconfig as s; print(json.dumps([s.get_path('stdlib'), s.get_path('platstdlib')]))"


class Contents:
    """Paths in the root, each with where on this machine it comes from."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}
        self.links: dict[str, str] = {}

    def add(self, path: Path) -> None:
        """A file, and the symbolic links on the way to it, as they are here."""
        done, left = Path("/"), list(path.parts[1:])
        while left:
            name = left.pop(0)
            here = done.parent if name == ".." else done / name
            if name != ".." and here.is_symlink():
                target = os.readlink(here)
                self.links[str(here)] = target
                steps = Path(target).parts
                if target.startswith("/"):
                    done, steps = Path("/"), steps[1:]
                left = [*steps, *left]
            else:
                done = here
        if done.is_file():
            self.files[str(done)] = done

    def add_tree(self, top: Path) -> None:
        """All files below a directory that everybody needs."""
        for path in _walk(top):
            self.add(path)

    def add_copy(self, top: Path, place: str) -> None:
        """All files below a directory, at another place. Links that lead out of it are left out."""
        top = top.resolve()
        for path in _walk(top, skipped=()):
            inside = f"{place}/{path.relative_to(top)}"
            if not path.is_symlink():
                self.files[inside] = path
            elif path.resolve().is_relative_to(top):
                self.links[inside] = os.path.relpath(path.resolve(), path.parent.resolve())

    def add_libraries(self) -> None:
        """What the programs and libraries among the files need, and those need in turn."""
        binaries = [path for path in self.files.values() if _is_binary(path)]
        for library in _libraries(binaries):
            self.add(library)


def contents(interpreter: Interpreter, environment: Environment) -> Contents:
    """Raises SandboxUnavailable if the interpreter does not say where its library is."""
    root = Contents()
    root.add(interpreter.executable)
    for name in COMMANDS:
        for directory in ("/usr/bin", "/bin"):
            if Path(directory, name).exists():
                root.add(Path(directory, name))
                break
    for library in _standard_library(interpreter):
        root.add_tree(library)
    for name in _TREES:
        root.add_tree(Path(name))
    if Path("/etc/ld.so.cache").exists():
        root.add(Path("/etc/ld.so.cache"))
    if environment.path is not None:
        root.add_copy(environment.path, "/environment")
    for module in environment.modules:
        if module.is_dir():
            root.add_copy(module, f"/modules/{module.name}")
        else:
            root.files[f"/modules/{module.name}"] = module
    for tool in environment.tools:
        for path in map(Path, all_files(tool)):
            root.add(path)
            for inner in _walk(path, skipped=_SKIPPED if tool.python else ()):
                root.add(inner)
    if len(environment.tools) == 1:  # there is no /proc, where Yosys asks where it lies itself
        root.links["/proc/self/exe"] = environment.tools[0].path
    root.add_libraries()
    for libraries in {path.parent for path in root.files.values() if path.name.startswith("libc.so.")}:
        for name in _LOADED_BY_NAME:
            root.add(libraries / name)
    # /bin/sh is how everybody calls it, and where the loader looks.
    for name in ("/bin", "/lib", "/lib64"):
        if Path(name).is_symlink():
            root.links[name] = os.readlink(name)
    return root


def _standard_library(interpreter: Interpreter) -> Iterable[Path]:
    done = subprocess.run(
        [interpreter.executable, "-I", "-S", "-c", _ASK], capture_output=True, check=False, timeout=60
    )
    if done.returncode != 0:
        raise SandboxUnavailable(f"{interpreter.executable} does not say where its standard library is")
    return {Path(path) for path in json.loads(done.stdout)}


def _walk(top: Path, skipped: Iterable[str] = _SKIPPED) -> Iterator[Path]:
    for directory, names, files in os.walk(top):
        names[:] = [name for name in names if name not in skipped]
        for name in (*files, *(name for name in names if Path(directory, name).is_symlink())):
            yield Path(directory, name)


def _is_binary(path: Path) -> bool:
    if not (os.access(path, os.X_OK) or ".so" in path.name):
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _libraries(binaries: list[Path]) -> set[Path]:
    if not binaries:
        return set()
    try:
        done = subprocess.run(["ldd", *binaries], capture_output=True, check=False, env={"PATH": os.defpath})
    except OSError as error:
        raise SandboxUnavailable(f"ldd does not run: {error}") from error
    found = set()
    for line in done.stdout.decode(errors="surrogateescape").splitlines():
        if line.startswith("\t"):
            path = line.partition("=>")[2].partition("(")[0].strip() or line.partition("(")[0].strip()
            if path.startswith("/"):
                found.add(Path(path))
    return found
