"""cocotb in a cell: Icarus Verilog's simulator with a Python inside that runs trusted tests of a design.

The simulator is a warm tool whose Python has cocotb imported before the first run. What runs in there is
guest/cocotb/basanite_cocotb.py; see it for what it reads and what it answers.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from basanite_sandboxes.icarus import DESIGN, Icarus, Stage
from basanite_sandboxes.lending import lendable, place_of
from basanite_sandboxes.spec import Command, EmbeddedPython, Environment, SandboxUnavailable, Tool

_PLACE = "/modules"
_PACKAGES = (
    "cocotb",
    "cocotb_tools",
    "pygpi",
    "pytest",
    "_pytest",
    "pluggy",
    "py",
    "iniconfig",
    "packaging",
    "pygments",
)
"""cocotb and what it imports."""
_GUEST = Path(__file__).parent / "guest" / "cocotb"
_RELEASE = "2.1"
"""Of cocotb: its test manager, which the guest replaces in part, is no public interface."""


@dataclass(frozen=True, slots=True)
class Cocotb:
    """An installation, for one of Icarus Verilog."""

    version: str
    icarus: Icarus
    library: Path
    """libpython of the interpreter that runs us."""
    modules: tuple[Path, ...]

    @property
    def environment(self) -> Environment:
        """Of sandboxes that compile designs and test them."""
        simulator, *others = self.icarus.environment.tools[::-1]
        python = EmbeddedPython(
            str(self.library), "import basanite_cocotb; basanite_cocotb.warm()", "basanite_cocotb.begin()"
        )
        standard = dict.fromkeys(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
        tool = Tool(simulator.path, simulator.loads, (*simulator.files, *standard), python)
        return Environment(
            name="cocotb",
            tools=(*others, tool),
            modules=self.modules,
            variables=tuple(self._variables.items()),
        )

    @property
    def _variables(self) -> dict[str, str]:
        extension = f"{_PLACE}/cocotb/simulator{sysconfig.get_config_var('EXT_SUFFIX')}"
        return {
            "GPI_USERS": f"{self.library};{extension},initialize",
            "GPI_LOG_LEVEL": "ERROR",
            "PYGPI_PYTHON_BIN": str(_interpreter()),
            "PYGPI_USERS": "basanite_cocotb:run",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHOME": sys.base_prefix,
            "PYTHONNOUSERSITE": "1",
            "PYTHONPATH": _PLACE,
        }

    def simulate(
        self, key: bytes, output: str, top: str, modules: Sequence[str], seed: int, *, run: bool = True
    ) -> Stage:
        """Run the tests of these modules on the program in the file DESIGN, whose root is `top`; without `run` only
        say which there are. Answers come in Report.answers, each line authenticated with `key`.

        `output`: a name that no file has.
        """
        job = {
            "key": key.hex(),
            "output": output,
            "top": top,
            "modules": list(modules),
            "seed": seed,
            "run": run,
        }
        library = f"{_PLACE}/cocotb/libs/libcocotbvpi_icarus.so"
        command = Command((str(self.icarus.vvp), "-n", "-m", library, DESIGN), output=output)
        return Stage(command, json.dumps(job).encode())


@functools.cache
def find_cocotb(icarus: Icarus) -> Cocotb:
    """The installation in the Python that runs us. Raises SandboxUnavailable, saying what to install."""
    try:
        distribution = importlib.metadata.distribution("cocotb")
    except importlib.metadata.PackageNotFoundError:
        raise SandboxUnavailable("cocotb is missing: pip install 'basanite[verilog]'") from None
    version = distribution.version
    if version.split(".")[:2] != _RELEASE.split("."):
        raise SandboxUnavailable(
            f"cocotb is {version}, and must be {_RELEASE}: pip install 'cocotb=={_RELEASE}.*'"
        )
    name = sysconfig.get_config_var("INSTSONAME")
    library = Path(sysconfig.get_config_var("LIBDIR"), name)
    if ".so" not in name or not library.is_file():
        raise SandboxUnavailable(
            "the library of this Python is missing, which simulators need: install the package libpython"
            f"{sys.version_info.major}.{sys.version_info.minor}, or a Python that was built with --enable-shared"
        )
    about = Path(str(distribution.locate_file(f"cocotb-{version}.dist-info")))  # where it reads its version
    packages = [place_of(name, "cocotb", "pip install 'basanite[verilog]'") for name in _PACKAGES]
    modules = [*packages, about, *sorted(_GUEST.glob("*.py"))]
    lent = lendable(modules, "basanite-cocotb-", _other_simulators)
    return Cocotb(version, icarus, library.resolve(), lent)


def _interpreter() -> Path:
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def _other_simulators(directory: str, names: list[str]) -> set[str]:
    return {name for name in names if name.startswith("libcocotb") and "icarus" not in name}
