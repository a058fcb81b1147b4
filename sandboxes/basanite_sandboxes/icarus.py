"""Icarus Verilog, a stage at a time, as commands for a sandbox: preprocess, compile, simulate. Its driver, which
starts a shell and writes temporary files for each design, is not used.

Names of files are relative to the working directory, so that no message tells where anything lies.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from basanite_sandboxes.spec import Command, Environment, SandboxUnavailable, Tool

MODULES = ("system", "vhdl_sys", "vhdl_textio", "v2005_math", "va_math", "v2009")
"""Libraries of system tasks, those that the driver takes for -g2012."""
DESIGN = "design.vvp"
"""The file in which `simulate` finds what `compile` put out."""
_GENERATION = (
    *("2012", "no-specify", "assertions", "xtypes", "io-range-error", "no-strict-ca-eval"),
    *("no-strict-expr-width", "shared-loop-index", "no-verilog-ams", "icarus-misc"),
)
"""What the driver says for -g2012."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A command and the standard input that it needs. Its files are the caller's."""

    command: Command
    stdin: bytes = b""


@dataclass(frozen=True, slots=True)
class Icarus:
    """An installation."""

    version: str
    """e.g. "11.0"."""
    base: Path
    """Where the parts of the compiler lie."""
    vvp: Path

    @property
    def environment(self) -> Environment:
        """Of the sandboxes that its stages run in."""
        return Environment(name="icarus", tools=self._tools)

    @property
    def _tools(self) -> tuple[Tool, ...]:
        modules = tuple(str(self.base / f"{name}.vpi") for name in MODULES)
        target, settings = str(self.base / "vvp.tgt"), str(self.base / "vvp.conf")
        return (
            Tool(str(self.base / "ivlpp"), files=(str(self.base / "include"),)),
            Tool(str(self.base / "ivl"), loads=(*modules, target), files=(settings,)),
            Tool(str(self.vvp), loads=modules),
        )

    def preprocess(
        self,
        sources: Sequence[str],
        *,
        include: Sequence[str] = (),
        defines: Mapping[str, str] | None = None,
    ) -> Stage:
        """The sources, one after another, become one text on standard output, with `line directives.

        An error may leave the exit status 0: whatever is on standard error but warnings counts. Neither a folder nor a
        macro may hold a line break.
        """
        lines = ["D:__ICARUS__=1"]
        lines += (f"D:{name}={value}" for name, value in (defines or {}).items())
        lines += (f"I:{folder}" for folder in (*include, self.base / "include"))
        lines.append("relative include:true")
        return Stage(Command((str(self.base / "ivlpp"), "-L", "-F/dev/stdin", "--", *sources)), _text(lines))

    def compile(
        self,
        sources: Sequence[str],
        *,
        top: Sequence[str] = (),
        warnings: str = "n",
        parameters: Mapping[str, str] | None = None,
    ) -> Stage:
        """Preprocessed sources become the program for `simulate`, in Report.answers.

        An error may leave the exit status 0, but then there is no program. Several sources are as many compilation
        units: directives and declarations outside of modules end with each.
        `top`: names of root modules; none: those that no other instantiates. `warnings`: letters as in ivl's settings.
        `parameters`: of root modules, by names like "top.WIDTH"; one that is not there is told by a warning.
        """
        lines = [
            *(f"root:{name}" for name in top),
            *(f"defparam:{name}={value}" for name, value in (parameters or {}).items()),
            f"basedir:{self.base}",
            *(f"module:{self.base / name}.vpi" for name in MODULES),
            *(f"generation:{flag}" for flag in _GENERATION),
            f"warnings:{warnings}",
            "ignore_missing_modules:false",
            f"out:{DESIGN}",
            *("iwidth:32", "widthcap:65536"),
        ]
        settings = f"-C{self.base / 'vvp.conf'}"
        command = (str(self.base / "ivl"), "-C/dev/stdin", settings, "--", *sources)
        return Stage(Command(command, output=DESIGN), _text(lines))

    def simulate(
        self,
        *,
        output: str = "",
        plusargs: Sequence[str] = (),
        stop_is_a_fault: bool = False,
        dumps: bool = True,
    ) -> Stage:
        """Run the program in the file DESIGN. What it writes to the file `output` comes in Report.answers.

        $stop is $finish, but for the exit status 1 if it is a fault. Without `dumps` $dumpvars and the like write
        nothing. `plusargs` without their plus.
        """
        words = (f"+{word}" for word in plusargs)
        batch = "-N" if stop_is_a_fault else "-n"
        silent = () if dumps else ("-none",)
        return Stage(Command((str(self.vvp), batch, DESIGN, *silent, *words), output=output))


@functools.cache
def find_icarus() -> Icarus:
    """The installation on this machine. Raises SandboxUnavailable, saying what to install."""
    driver, vvp = shutil.which("iverilog"), shutil.which("vvp")
    if driver is None or vvp is None:
        raise SandboxUnavailable("Icarus Verilog is missing: install the package iverilog")
    said = subprocess.run([driver, "-V"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"Icarus Verilog version (\S+)", said)
    prefix = Path(driver).resolve().parents[1]
    for base in (prefix / "lib/ivl", *prefix.glob("lib/*/ivl")):
        if version is not None and (base / "ivl").is_file():
            return Icarus(version[1], base, Path(vvp).resolve())
    raise SandboxUnavailable(f"the compiler that belongs to {driver} cannot be found")


def _text(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
