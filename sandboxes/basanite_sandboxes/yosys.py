"""Yosys as commands for a sandbox: from a design to a netlist, and a proof about a netlist.

Scripts hold nothing of anybody but names that are checked here. Files have fixed names in the working directory.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from basanite_sandboxes.spec import Command, Environment, SandboxUnavailable, Tool

SOURCE = "design.sv"
"""The file in which `netlist` finds the design."""
PROBLEM = "problem.il"
"""The file in which `prove` finds what to prove, in Yosys's own format."""
_ANSWER = "answer.json"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# What `proc` does, but for passes that take an unknown value for whatever suits them: constants are worked out where
# initial values of memories come from, and nowhere else.
_NETLIST = (
    "read_verilog -sv {source}; hierarchy -check -top {top}; "
    "proc_clean; proc_rmdead; proc_prune; proc_init; proc_arst; proc_mux {unknown}; proc_dlatch; proc_dff; proc_memwr; "
    "proc_clean; opt_expr -keepdc t:$meminit_v2 %ci*; "
    "flatten; memory_collect; memory_map; hierarchy -top {top}; write_json {answer}; write_rtlil"
)
_AS_SIMULATED = "-ifx"
_PROOF = (
    "read_rtlil {problem}; sat -enable_undef -set-def-inputs -prove {never} 0 {depth} -show-inputs "
    "-dump_json {answer} {top}"
)
_INDUCTION = "-tempinduct -set-init-undef {only} -maxsteps {steps}"
_BASE_ONLY = "-tempinduct-baseonly"


@dataclass(frozen=True, slots=True)
class Yosys:
    """An installation."""

    version: str
    """e.g. "0.23"."""
    path: Path

    @property
    def environment(self) -> Environment:
        """Of the sandboxes that its commands run in."""
        return Environment(name="yosys", tools=(Tool(str(self.path)),))

    def netlist(self, top: str, *, unknown_is_false: bool) -> Command:
        """The design in the file SOURCE, with its module `top` at the top, in one flat module of simple cells: JSON in
        Report.answers, RTLIL on standard output. An error may leave part of them there: the exit status says so.

        `unknown_is_false`: an unknown condition is not true, as in a simulation; else what depends on it is unknown.
        """
        _check(top)
        unknown = _AS_SIMULATED if unknown_is_false else ""
        return self._command(
            _NETLIST.format(source=SOURCE, top=top, unknown=unknown, answer=_ANSWER), quiet=True
        )

    def prove(self, top: str, never: str, steps: int | None, *, refute: bool = False) -> Command:
        """Is the bit `never` of the module `top`, in the file PROBLEM, 0 for ever, whatever its inputs are?

        `steps`: the longest induction, of a module with flip-flops; None for one without. `refute`: only look for a
        counterexample within these steps, which takes less. What came of it is on standard output, a counterexample as
        WaveJSON in Report.answers.
        """
        _check(top)
        _check(never)
        depth = "" if steps is None else _INDUCTION.format(steps=steps, only=_BASE_ONLY if refute else "")
        script = _PROOF.format(problem=PROBLEM, never=never, depth=depth, answer=_ANSWER, top=top)
        return self._command(script, quiet=False)

    def _command(self, script: str, *, quiet: bool) -> Command:
        flags = ("-q",) if quiet else ()
        return Command((str(self.path), "-Q", "-T", *flags, "-p", script), output=_ANSWER)


@functools.cache
def find_yosys() -> Yosys:
    """The installation on this machine. Raises SandboxUnavailable, saying what to install."""
    path = shutil.which("yosys")
    if path is None:
        raise SandboxUnavailable("Yosys is missing: install the package yosys")
    said = subprocess.run([path, "-V"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"Yosys (\S+)", said)
    if version is None:
        raise SandboxUnavailable(f"{path} does not say its version")
    return Yosys(version[1], Path(path).resolve())


def _check(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name[:100]!r} is no plain name")
