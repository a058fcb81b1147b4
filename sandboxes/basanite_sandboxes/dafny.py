"""Dafny as a command for a sandbox: prove all of a program.

Two generations: Debian's Dafny 2.3, which mono runs, and Dafny 4. Debian's solver does not fit the former (proofs are
lost to "unknown parameter 'model_compress'"): z3 4.8.5 of the PyPI package z3-solver does. What mono runs is compiled
ahead of time, once: a start then costs half.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from basanite_sandboxes.kept import is_visible, kept_directory
from basanite_sandboxes.spec import Command, Environment, SandboxUnavailable, Tool

SOURCE = "Program.dfy"
"""The file that `verify` proves."""
_REPORT = "report"
_ASSEMBLIES = (Path("/usr/lib/dafny"), Path("/usr/lib/boogie"))
_LIBRARIES = Path("/usr/lib/mono/4.5")
_SYSTEM = (
    *("mscorlib", "System", "System.Core", "System.Numerics", "System.Xml", "System.Configuration"),
    *("System.Runtime.Caching", "Mono.Security", "Mono.Posix"),
)
_FITTING = "4.8.5"
_PIP = "pip install 'basanite[dafny]'"
_TIMEOUT = 300


@dataclass(frozen=True, slots=True)
class Dafny:
    """An installation."""

    version: str
    """e.g. "2.3.0.10506"."""
    solver: str
    """e.g. "4.8.5"."""
    program: tuple[str, ...]
    """What runs it, without its arguments."""
    z3: Path
    files: tuple[str, ...]
    """What it needs besides the system's libraries."""
    variables: tuple[tuple[str, str], ...]

    @property
    def generation(self) -> int:
        """2 or 4: which words it takes, and how it reports."""
        return int(self.version.split(".")[0])

    @property
    def environment(self) -> Environment:
        """Of the sandboxes that it runs in."""
        # Not its interpreter's name: mono cannot be kept warm, its main thread must be the process's first.
        tool = Tool(self.program[-1], files=(*self.files, str(self.z3)))
        return Environment(name="dafny", tools=(tool,), variables=self.variables)

    def verify(
        self, cpu_seconds: float, *, only: str = "", axioms: bool = False, resolve: bool = False
    ) -> Command:
        """Prove the file SOURCE. The report's second part comes in Report.answers.

        `only`: a part of the names of what is to be proved. `axioms`: declarations without a body are no errors.
        `resolve`: names and types alone are looked at, and nothing is proved.

        The solver's own time limit is wall time, so that it is a backstop alone, at ten times the CPU time of the run;
        without one Dafny 2.3 takes what a solver has given up for proved.
        """
        backstop = max(int(10 * cpu_seconds), 10)
        if self.generation >= 4:
            if resolve:
                return Command((*self.program, "resolve", "--json-output", SOURCE), output=_REPORT)
            words = [
                *("verify", "--json-output", "--cores", "1", "--verification-time-limit", str(backstop)),
                *("--log-format", f"json;LogFileName={_REPORT}", "--solver-path", str(self.z3)),
                *(("--filter-symbol", only) if only else ()),
            ]
        else:
            words = [
                *("/compile:0", f"/noCheating:{int(not axioms)}", f"/timeLimit:{backstop}", "/trace"),
                *(f"/z3exe:{self.z3}", f"/xml:{_REPORT}"),
                *((f"/proc:*{only}*",) if only else ()),
                *(("/dafnyVerify:0",) if resolve else ()),
            ]
        return Command((*self.program, *words, SOURCE), output=_REPORT)


@functools.cache
def find_dafny(place: str = "") -> Dafny:
    """The `dafny` in a directory, or on the PATH. Raises SandboxUnavailable, saying what to install."""
    command = shutil.which("dafny", path=place or None)
    if command is None:
        where = f"{place} has no program dafny" if place else "Dafny is missing"
        raise SandboxUnavailable(f"{where}: apt-get install dafny, or install Dafny 4 and name its directory")
    if Path(command).resolve() == Path("/usr/bin/dafny") and (_ASSEMBLIES[0] / "Dafny.exe").is_file():
        return _of_debian()
    return _of_release(Path(command).resolve())


def _of_debian() -> Dafny:
    mono = shutil.which("mono-sgen") or shutil.which("mono")
    if mono is None:
        raise SandboxUnavailable("mono is missing, which Dafny 2.3 needs: apt-get install mono-runtime")
    z3 = _fitting_solver()
    compiled = _compile_ahead(mono)
    variables = (
        ("MONO_PATH", str(compiled)),
        # What it would keep in a home directory, and share with other processes.
        *(("MONO_DISABLE_SHARED_AREA", "1"), ("LANG", "C.UTF-8")),
    )
    program = (str(Path(mono).resolve()), str(compiled / "Dafny.exe"))
    said = _ask([*program, "/version"], dict(variables))
    version = re.search(r"Dafny (\d[\d.]*\d)", said)
    if version is None:
        raise SandboxUnavailable(f"dafny does not say which it is: {said.strip()[:100]!r}")
    files = (str(compiled), "/etc/mono")
    return Dafny(version[1], _FITTING, program, z3, files, variables)


def _compile_ahead(mono: str) -> Path:
    """A directory of Dafny's assemblies and the system's, each with native code."""
    libraries = [path for name in _SYSTEM if (path := _LIBRARIES / f"{name}.dll").is_file()]
    sources = {path.name: path for folder in reversed(_ASSEMBLIES) for path in folder.iterdir()}
    sources |= {path.name: path for path in libraries}

    def make(directory: Path) -> None:
        for name, path in sources.items():
            shutil.copy(path, directory / name)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(directory), "MONO_PATH": str(directory)}
        for path in sorted(directory.iterdir()):
            if path.suffix in (".dll", ".exe"):
                # Where it cannot be compiled, it is compiled as it runs.
                subprocess.run(
                    [mono, "--aot", path.name],
                    cwd=directory,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=_TIMEOUT,
                    check=False,
                )

    state = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in sources.values()]
    parts = [Path(mono).resolve().read_bytes()[-4096:], *(one.encode() for one in sorted(state))]
    return kept_directory("dafny", parts, make)


def _fitting_solver() -> Path:
    """z3 4.8.5, where cells can see it."""
    for candidate in _solvers():
        if _FITTING in _ask([str(candidate), "--version"], {}):
            return candidate if is_visible(candidate.parent) else _copy(candidate)
    raise SandboxUnavailable(f"Dafny 2.3 needs z3 {_FITTING}: {_PIP}")


def _solvers() -> Iterator[Path]:
    for place in (Path(sysconfig.get_path("scripts"), "z3"), Path(shutil.which("z3") or "/usr/bin/z3")):
        if place.is_file():
            yield place


def _copy(solver: Path) -> Path:
    def make(directory: Path) -> None:
        shutil.copy(solver, directory / "z3")
        (directory / "z3").chmod(0o755)

    state = solver.stat()
    return kept_directory("z3", [_FITTING.encode(), str(state.st_size).encode()], make) / "z3"


def _of_release(command: Path) -> Dafny:
    """Dafny 4 as its releases come: a program with its libraries and solvers beside it."""
    said = _ask([str(command), "--version"], {})
    version = re.match(r"(?:Dafny )?(4\.\d+[\d.]*)", said.strip())
    if version is None:
        raise SandboxUnavailable(
            f"{command} is {said.strip()[:60]!r}; supported are Debian's 2.3 and Dafny 4"
        )
    solvers = sorted(command.parent.glob("z3/bin/z3-*"))
    if not solvers:
        raise SandboxUnavailable(f"{command.parent} has no z3/bin: use a release of Dafny as it is")
    if not is_visible(command.parent):
        raise SandboxUnavailable(
            f"{command.parent} cannot be entered by every user, or is below /tmp: sandboxes need what is in it"
        )
    variables = (("DOTNET_CLI_TELEMETRY_OPTOUT", "1"), ("DOTNET_EnableDiagnostics", "0"), ("HOME", "/tmp"))
    solver = re.search(r"Z3 version (\S+)", _ask([str(solvers[-1]), "--version"], {}))
    root = os.environ.get("DOTNET_ROOT")
    files = (str(command.parent), *((root,) if root else ()))
    return Dafny(version[1], solver[1] if solver else "", (str(command),), solvers[-1], files, variables)


def _ask(command: list[str], variables: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            command,
            env={"PATH": "/usr/bin:/bin", "HOME": "/tmp", **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxUnavailable(f"{command[0]} does not say what it is: {error}") from None
    return done.stdout + done.stderr
