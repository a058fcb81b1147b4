"""What this machine can do, checked by doing it, and what to do about what it cannot."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from basanite_sandboxes.cocotb import find_cocotb
from basanite_sandboxes.dafny import find_dafny
from basanite_sandboxes.icarus import find_icarus
from basanite_sandboxes.lean import find_lean
from basanite_sandboxes.process import ProcessPool, cgroup, native, remedy
from basanite_sandboxes.process.pool import DEFAULT_UID_BASE
from basanite_sandboxes.process.python import find_interpreter
from basanite_sandboxes.spec import Ended, Environment, Isolation, Limits, PythonProgram, SandboxError
from basanite_sandboxes.verilator import find_verilator
from basanite_sandboxes.yosys import find_yosys


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried."""

    name: str
    works: bool
    needed: bool
    """Without it nothing runs; otherwise something is only slower or weaker."""
    found: str
    """What there is."""
    remedy: str = ""
    """What to do, where it does not work."""


def examine(python: Path | None = None) -> list[Check]:
    """Everything that needs no sandbox; takes well under a second."""
    control = cgroup.find_control()
    namespaces = remedy.namespaces_are_allowed()
    uid = DEFAULT_UID_BASE if os.geteuid() == 0 and namespaces else None
    return [
        _kernel(),
        Check(
            "namespaces",
            namespaces,
            False,
            "allowed" if namespaces else "not allowed: isolation is reduced",
            remedy.for_namespaces(),
        ),
        _tool("bubblewrap", "bwrap", "apt-get install bubblewrap", needed=namespaces),
        _seccomp(),
        _attempt("interpreter", lambda: _interpreter(python, uid), "set BASANITE_PYTHON", needed=True),
        Check(
            "compiler",
            native.library() is not None,
            False,
            "cell.c is compiled" if native.library() else "none: a run costs about 1.3 times the CPU",
            "apt-get install gcc libc6-dev",
        ),
        Check(
            "memory limit",
            control.memory != "rlimit",
            False,
            control.memory,
            "run as root, or in a delegated cgroup (systemd-run --user --scope -p Delegate=yes)",
        ),
        _attempt(
            "iverilog",
            lambda: f"Icarus Verilog {find_icarus().version}",
            "apt-get install iverilog: the kind verilog needs it",
            needed=False,
        ),
        _attempt(
            "cocotb",
            lambda: f"cocotb {find_cocotb(find_icarus()).version}",
            "for the form cocotb of the kind verilog",
            needed=False,
        ),
        _attempt(
            "yosys",
            lambda: f"Yosys {find_yosys().version}",
            "apt-get install yosys: proofs of the kind verilog need it",
            needed=False,
        ),
        _attempt(
            "verilator",
            lambda: f"Verilator {find_verilator().version}",
            "apt-get install verilator: verilog items need it that ask for its linter",
            needed=False,
        ),
        _attempt(
            "lean",
            _lean,
            "install Lean with elan, or pip install 'basanite[lean]': the kind lean needs it",
            needed=False,
        ),
        _attempt(
            "dafny",
            _dafny,
            "apt-get install dafny and pip install 'basanite[dafny]': the kind dafny needs it",
            needed=False,
        ),
        Check("CPU accounting", control.cpu != "proc", False, control.cpu, "as for the memory limit"),
    ]


async def try_sandbox(python: Path | None = None) -> tuple[Check, Isolation | None]:
    """Make a sandbox and run a program in it."""
    pool = ProcessPool(cells=1, python=python)
    try:
        await pool.start()
        async with pool.sandbox(Environment()) as sandbox:
            report = await sandbox.run(PythonProgram(b"print(6 * 7)"), Limits())
        if report.ended is not Ended.EXITED or report.stdout != b"42\n":
            return Check("sandbox", False, True, f"a program did not run: {report}"), None
        return Check(
            "sandbox", True, True, f"ran a program in {report.cpu_seconds * 1e3:.1f} ms CPU"
        ), pool.isolation
    except SandboxError as error:
        return Check("sandbox", False, True, str(error)), None
    finally:
        await pool.close()


def _kernel() -> Check:
    release = platform.release()
    major, minor = (int("".join(filter(str.isdigit, part)) or 0) for part in release.split(".")[:2])
    return Check("kernel", (major, minor) >= (5, 9), True, f"Linux {release}", "Linux 5.9 or later is needed")


def _tool(name: str, command: str, to_do: str, *, needed: bool) -> Check:
    path = shutil.which(command)
    if path is None:
        return Check(name, False, needed, "missing", to_do)
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return Check(name, True, needed, done.stdout.strip())


def _seccomp() -> Check:
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return Check("libseccomp", False, True, "missing", "apt-get install libseccomp2")
    return Check("libseccomp", True, True, "libseccomp.so.2")


def _lean() -> str:
    lean = find_lean(os.environ.get("BASANITE_LEAN", ""))
    core = "its own libraries" if lean.official else "a small core of ours, no libraries"
    return f"Lean {lean.version}, commit {lean.commit[:12]}, {core}"


def _dafny() -> str:
    dafny = find_dafny(os.environ.get("BASANITE_DAFNY", ""))
    return f"Dafny {dafny.version}, z3 {dafny.solver}"


def _interpreter(python: Path | None, uid: int | None) -> str:
    found = find_interpreter(python, uid)
    return f"{found.executable} ({found.version})"


def _attempt(name: str, attempt: Callable[[], str], to_do: str, *, needed: bool) -> Check:
    try:
        return Check(name, True, needed, attempt())
    except SandboxError as error:
        return Check(name, False, needed, str(error), to_do)
