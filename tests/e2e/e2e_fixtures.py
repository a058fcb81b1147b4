"""Fixtures of the tests that run whole servers and commands.

BASANITE_REQUIRE=sandbox (a comma-separated list) makes the absence of a sandbox a failure instead of a skip.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import e2e_command as command
import pytest

from basanite_sandboxes.dafny import find_dafny
from basanite_sandboxes.lean import find_lean
from basanite_sandboxes.spec import SandboxUnavailable

REQUIRED = "sandbox" in os.environ.get("BASANITE_REQUIRE", "").split(",")


@pytest.fixture(scope="session", autouse=True)
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No setting of the machine reaches a test, and nothing is written to its caches."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [
            name for name in os.environ if name.startswith("BASANITE_") and name != "BASANITE_REQUIRE"
        ]:
            patch.delenv(name)
        home = tmp_path_factory.mktemp("home")
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
        # The sandboxes' user must be able to go there.
        snapshots = Path(tempfile.mkdtemp(prefix="be-snapshots-", dir="/tmp"))
        snapshots.chmod(0o755)
        patch.setenv("BASANITE_SNAPSHOT_DIR", str(snapshots))
        for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):
            patch.delenv(name, raising=False)
        yield
        shutil.rmtree(snapshots)


@pytest.fixture(scope="session")
def doctor(surroundings: None) -> str:
    """What the doctor says about this machine, which can judge programs."""
    done = command.run("doctor")
    if done.returncode != 0:
        reason = f"this machine has no sandbox:\n{done.stdout}{done.stderr}"
        if REQUIRED:
            pytest.fail(f"{reason} (BASANITE_REQUIRE asks for it)")
        pytest.skip(reason)
    return done.stdout


@pytest.fixture(scope="session")
def verilog_tools() -> None:
    for tool in ("iverilog", "yosys"):
        if shutil.which(tool) is None:
            if "verilog" in os.environ.get("BASANITE_REQUIRE", "").split(","):
                pytest.fail(f"{tool} is not installed (BASANITE_REQUIRE asks for verilog)")
            pytest.skip(f"{tool} is not installed")


@pytest.fixture(scope="session")
def lean() -> None:
    try:
        find_lean()
    except SandboxUnavailable as error:
        if "lean" in os.environ.get("BASANITE_REQUIRE", "").split(","):
            pytest.fail(f"{error} (BASANITE_REQUIRE asks for lean)")
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def dafny() -> None:
    try:
        find_dafny()
    except SandboxUnavailable as error:
        if "dafny" in os.environ.get("BASANITE_REQUIRE", "").split(","):
            pytest.fail(f"{error} (BASANITE_REQUIRE asks for dafny)")
        pytest.skip(str(error))


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder with another for temporary files in it; its path is short enough for a socket."""
    path = Path(tempfile.mkdtemp(prefix="be-", dir="/tmp"))
    (path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(path / "tmp"))
    yield path
    shutil.rmtree(path)


@contextlib.contextmanager
def serving(
    *settings: str, service: Sequence[str] = (*command.BASANITE, "serve")
) -> Iterator[tuple[str, int]]:
    """A server of our own, which ends in order: its address and process id."""
    path = Path(tempfile.mkdtemp(prefix="be-", dir="/tmp"))
    socket, log = path / "s", path / "log"
    with log.open("w") as stderr:
        server = subprocess.Popen([*service, "--listen", f"unix:{socket}", *settings], stderr=stderr)
    try:
        command.wait_for(lambda: '"serving"' in log.read_text() or server.poll() is not None)
        assert server.poll() is None, log.read_text()
        yield f"unix:{socket}", server.pid
        server.terminate()
        assert server.wait(20) == 0, log.read_text()
        assert not socket.exists()
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(path)


@pytest.fixture(scope="module")
def address(doctor: str) -> Iterator[str]:
    """The address of a server."""
    with serving() as (where, _):
        yield where
