"""A trainer's step in trouble ends, and gives no reward that a quiet machine would not give."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from e2e_fixtures import serving
from e2e_restarts import RestartingServer, free_port
from e2e_steps import (
    FORMS,
    Step,
    assert_true_or_masked,
    doubled,
    fenced,
    killed_in_the_middle,
    make_step,
    scoring,
)

from basanite import ConnectionFailed, Limits

ONE_AT_ONCE = (pytest.param("synchronous", marks=pytest.mark.full), "asynchronous")
"""Of what takes long, one form each time."""
PROCESSES = Path(__file__).with_name("steps_in_processes.py")


@pytest.mark.parametrize("form", ONE_AT_ONCE)
def test_a_step_gets_its_rewards_though_the_server_is_killed_and_comes_back(
    doctor: str, folder: Path, form: str
) -> None:
    step, later = make_step(1, 200), make_step(2, 40)
    at_once = threading.Event()
    at_once.set()
    with (
        RestartingServer(f"unix:{folder}/s", folder) as server,
        scoring(server.address, form) as score,
    ):
        with killed_in_the_middle(server, at_once):
            rewards = score(step)
        assert server.killed
        assert rewards == step.deserved
        assert score(later) == later.deserved


@pytest.mark.full
@pytest.mark.parametrize("form", FORMS)
def test_a_step_whose_server_does_not_come_back_masks_the_rest_and_the_next_one_works(
    doctor: str, folder: Path, form: str
) -> None:
    step, later = make_step(3, 400), make_step(4, 40)
    step_ended = threading.Event()
    with (
        RestartingServer(f"unix:{folder}/s", folder) as server,
        scoring(server.address, form) as score,
    ):
        assert score(make_step(5, 20)).count(None) == 0  # the adapter has met its server
        with killed_in_the_middle(server, step_ended):
            rewards = score(step, deadline_seconds=3, max_failure_fraction=1.0)
            step_ended.set()
        assert server.killed
        assert 0 < rewards.count(None) < 400
        assert_true_or_masked(rewards, step.deserved)
        assert score(later) == later.deserved


@pytest.mark.parametrize(
    ("form", "transport"), [pytest.param(FORMS[0], "unix", marks=pytest.mark.full), (FORMS[1], "tcp")]
)
def test_a_step_without_a_server_ends_soon_with_an_error_that_says_what_to_do(
    folder: Path, form: str, transport: str
) -> None:
    address = f"unix:{folder}/s" if transport == "unix" else f"127.0.0.1:{free_port()}"
    began = time.monotonic()
    with scoring(address, form) as score, pytest.raises(ConnectionFailed) as raised:
        score(make_step(6, 200))
    assert time.monotonic() - began < 10  # five seconds, on a machine that does nothing else
    assert address in str(raised.value)
    assert "basanite serve" in str(raised.value)


@pytest.mark.parametrize("form", ONE_AT_ONCE)
def test_a_step_ends_at_its_deadline_and_late_rows_are_masked(doctor: str, form: str) -> None:
    quick = [fenced(f"print(int(input()) * {n % 3})  # {n}") for n in range(20)]
    slow = [fenced(f"import time\ntime.sleep(60)\nprint(int(input()) * 2)  # {n}") for n in range(20)]
    deserved = [float(n % 3 == 2) for n in range(20)]
    with (
        serving() as (address, _),
        scoring(address, form) as score,
    ):
        began = time.monotonic()
        step = Step(quick + slow, [doubled(1)] * 40, deserved + [1.0] * 20)
        rewards = score(step, limits=Limits(wall_seconds=100), deadline_seconds=5)
        assert time.monotonic() - began < 30  # one of the slow alone takes a minute
        assert rewards == deserved + [None] * 20
        # The next step finds the sandboxes free.
        assert score(Step(quick, [doubled(2)] * 20, deserved)) == deserved


@pytest.mark.full
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_each_of_several_processes_gets_the_rewards_of_its_own_rows(doctor: str, method: str) -> None:
    with serving() as (address, _):
        program = [sys.executable, "-W", "error", PROCESSES, address, method]
        done = subprocess.run(program, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
