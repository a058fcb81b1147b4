"""Test suites in a cell: the trusted runner, and where its pytest comes from.

What runs in the cell is guest/unittest/basanite_unittest.py; see it for what it reads and what it answers.
"""

from __future__ import annotations

import functools
import importlib.metadata
from dataclasses import replace
from pathlib import Path

from basanite_sandboxes.lending import lendable, place_of
from basanite_sandboxes.spec import Command, Environment, PythonProgram, SandboxUnavailable

_GUEST = Path(__file__).parent / "guest" / "unittest"
_RUNNER = _GUEST / "basanite_unittest.py"
_WARM = _GUEST / "basanite_warm_pytest.py"
_PACKAGES = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")
"""pytest and what it imports."""
_PROGRAM = PythonProgram(b"import basanite_unittest\nbasanite_unittest.main()\n", answers=True)
RUNNER_NAME = ".basanite_unittest.py"
"""Name that the runner's file has in an image."""


@functools.cache
def pytest_version() -> str:
    """Of the pytest in the Python that runs us. Raises SandboxUnavailable, saying what to install."""
    try:
        return importlib.metadata.version("pytest")
    except importlib.metadata.PackageNotFoundError:
        raise SandboxUnavailable("pytest is missing: pip install 'basanite[unittest]'") from None


@functools.cache
def _modules(with_pytest: bool) -> tuple[Path, ...]:
    wanted = [_RUNNER, _WARM]
    if with_pytest:
        pytest_version()
        how = "pip install 'basanite[unittest]'"
        wanted += [place_of(package, "pytest", how) for package in _PACKAGES]
    return lendable(wanted, "basanite-pytest-")


def suite_environment(environment: Environment, trees: Path | None = None) -> Environment:
    """An environment in which test suites can be run; `trees` as in Environment.

    The default one is lent our own pytest; others have theirs, or none.
    """
    if environment.root is not None:
        return environment
    if environment.path is None:
        return replace(
            environment,
            modules=_modules(True),
            trees=trees,
            preload=("basanite_warm_pytest",),
        )
    preload = "basanite_warm_pytest" if has_pytest(environment) else "basanite_unittest"
    return replace(
        environment,
        modules=_modules(False),
        trees=trees,
        preload=(*environment.preload, preload),
    )


def has_pytest(environment: Environment) -> bool:
    """Whether suites of pytest can be run in it, as far as can be seen from outside."""
    return environment.path is None or (environment.path / "pytest").is_dir()


def installed_modules(environment: Environment) -> set[str]:
    """Names of the top modules of an environment's packages; of an image they are not known."""
    if environment.path is None:
        return set()
    return {
        path.name.partition(".")[0] for path in environment.path.iterdir() if not path.name.endswith("-info")
    }


def suite_program(
    environment: Environment, interpreter: str
) -> tuple[PythonProgram | Command, dict[str, bytes]]:
    """What runs a suite, and the files that it needs. `interpreter`: that of an image."""
    if environment.root is None:
        return _PROGRAM, {}
    # Not -I: packages of the image may lie where only its variables point.
    command = Command((interpreter, "-B", RUNNER_NAME), output=".basanite_answers")
    return command, {RUNNER_NAME: _RUNNER.read_bytes()}
