"""What is installed from a wheel works, with the oldest and the newest of what it needs and with what trainers pin."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import e2e_command as command
import pytest

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

JUDGE = Path(__file__).with_name("judge.py")
PACKAGES = (("client", "basanite"), ("services", "basanite_services"), ("sandboxes", "basanite_sandboxes"))
VERSIONS = {
    "oldest": ("grpcio==1.71.2", "protobuf==5.29.*"),
    "trainers": ("grpcio==1.80.*", "protobuf==6.33.*"),  # what verl and vLLM bring along
    "newest": ("grpcio", "protobuf"),
}


def run(*arguments: object, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, arguments)),
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, command.ROOT, cwd=folder)
    [built] = folder.glob("basanite-*.whl")
    return built


@pytest.fixture(scope="module", params=VERSIONS)
def client_only(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, wheel: Path
) -> Path:
    """The folder of programs of a fresh environment in which the client is installed, without extras."""
    folder = tmp_path_factory.mktemp(request.param)
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    programs = folder / "venv" / "bin"
    run(programs / "pip", "install", "--quiet", wheel, *VERSIONS[request.param], cwd=folder)
    return programs


def test_a_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    expected = {
        path.relative_to(command.ROOT / folder).as_posix()
        for folder, package in PACKAGES
        for path in (command.ROOT / folder / package).rglob("*")
        if path.is_file() and not any(part == "__pycache__" or part[0] == "." for part in path.parts)
    }
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert found == expected
    assert "basanite/py.typed" in found
    assert "basanite_sandboxes/guest/cell.c" in found
    assert sum(name.startswith("basanite/demo/problems/") for name in found) == 36


def test_the_client_needs_grpcio_and_protobuf_alone(client_only: Path, address: str) -> None:
    listed = run(client_only / "pip", "list", "--format=freeze", cwd=client_only)
    installed = {line.partition("==")[0].lower().replace("_", "-") for line in listed.splitlines()}
    assert {"basanite", "grpcio", "protobuf"} <= installed
    # grpcio itself needs typing-extensions in its newer versions.
    assert installed <= {"basanite", "grpcio", "protobuf", "typing-extensions", "pip", "setuptools"}
    used = run(client_only / "python", "-W", "error", JUDGE, address, cwd=client_only)
    assert used.startswith("grpcio==")


def test_commands_say_which_extra_they_need(client_only: Path) -> None:
    done = subprocess.run([client_only / "basanite", "demo"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert (
        done.stderr == "basanite: the command line needs more packages: pip install 'basanite[cli,server]'\n"
    )
    text = "from basanite import Client; Client.local()"
    done = subprocess.run([client_only / "python", "-c", text], capture_output=True, text=True, check=False)
    assert "pip install 'basanite[server]'" in done.stderr


def test_the_demo_works_from_a_wheel(client_only: Path, wheel: Path, doctor: str, folder: Path) -> None:
    # Comes last: it adds to the environment.
    before = run(client_only / "pip", "freeze", "--exclude", "basanite", cwd=folder).split()
    run(client_only / "pip", "install", "--quiet", f"{wheel}[server,cli]", *before, cwd=folder)
    shown = run(client_only / "basanite", "demo", cwd=folder)
    assert "as it must" in shown
    # By the environment, so that a warning is an error in the services too.
    used = run(client_only / "python", JUDGE, "local", cwd=folder, PYTHONWARNINGS="error")
    assert set(used.split()) <= set(before)
    assert "editable" not in run(client_only / "pip", "show", "basanite", cwd=folder).lower()
