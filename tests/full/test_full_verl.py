"""verl's own reward loop, on CPU, with rewards of ours.

Needs two gigabytes of packages from the package index. BASANITE_REQUIRE=verl (a comma-separated list) makes it a
failure if they cannot be installed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import e2e_command as command
import pytest
from e2e_fixtures import serving

pytestmark = [pytest.mark.full, pytest.mark.timeout(1500)]

EXAMPLE = command.ROOT / "examples" / "verl_reward.py"
PROGRAM = Path(__file__).with_name("verl_rewards.py")
TORCH = (
    "torch==2.13.0"  # first and by itself: which build it is depends on the index, and the others take any
)
PACKAGES = ("verl==0.9.1", "ray==2.60.0", "tensordict==0.10.0", "transformers==5.10.4")
KEYS = [
    "score",
    "acc",
    "reward_failed",
    "basanite_outcome",
    "basanite_queue_seconds",
    "basanite_verdict_seconds",
]


def python_of_an_environment(folder: Path) -> Path:
    """An interpreter with verl and what is here, as a wheel."""
    surroundings = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}

    def run(*arguments: object) -> None:
        words = list(map(str, arguments))
        done = subprocess.run(
            words, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=1200, check=False
        )
        if done.returncode != 0:
            reason = f"{' '.join(words)} failed:\n{done.stderr[-2000:]}"
            if "verl" in os.environ.get("BASANITE_REQUIRE", "").split(","):
                pytest.fail(f"{reason} (BASANITE_REQUIRE asks for verl)")
            pytest.skip(reason)

    python = folder / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", folder / "venv")
    run(python, "-m", "pip", "install", "--quiet", TORCH)
    run(python, "-m", "pip", "install", "--quiet", TORCH, *PACKAGES)
    run(python, "-m", "pip", "install", "--quiet", command.ROOT)
    return python


def write_reward_files(folder: Path) -> None:
    """The example, and others like it."""
    folder.mkdir()
    example = EXAMPLE.read_text()
    (folder / "verl_reward.py").write_text(example)
    number = example.replace("deadline_seconds=300", "on_failure=-1.0, max_failure_fraction=1.0")
    (folder / "with_a_number.py").write_text(number)
    synchronous = number.replace("compute_score_function", "sync_compute_score_function")
    (folder / "synchronous.py").write_text(synchronous)
    nowhere = 'client=AsyncClient("unix:/nonexistent/socket")'
    (folder / "without_a_server.py").write_text(
        "from basanite import AsyncClient\n" + example.replace("deadline_seconds=300", nowhere)
    )
    assert len({path.read_text() for path in folder.iterdir()}) == 4


def processes_that_name(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and os.fsencode(folder) in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


@pytest.fixture(scope="module")
def seen(doctor: str) -> tuple[Any, list[Any]]:
    """What verl saw, and the calls that the server logged."""
    with serving() as (address, _):
        folder = Path(
            address.removeprefix("unix:")
        ).parent  # short, with the log in it, and removed at the end
        python = python_of_an_environment(folder)
        rewards = folder / "rewards"
        write_reward_files(rewards)
        surroundings = {
            **os.environ,
            "BASANITE_ADDRESS": address,
            "HF_HUB_OFFLINE": "1",
            "HOME": str(folder),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        try:
            done = subprocess.run(
                [python, PROGRAM, folder, rewards],
                cwd=rewards,
                env=surroundings,
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            command.wait_for(lambda: processes_that_name(folder / "ray") == [])
        finally:
            for process in processes_that_name(folder / "ray"):
                os.kill(process, signal.SIGKILL)
        saw = json.loads((folder / "saw.json").read_text())
        log = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    return saw, [line for line in log if line["event"] in ("batch", "stream")]


@pytest.mark.parametrize("manager", ["naive", "dapo"])
def test_the_reward_loop_scores_a_batch(seen: Any, manager: str) -> None:
    saw = seen[0][manager]
    assert saw["at_the_end"] == [1.0, 0.0, 0.0] * 67
    assert saw["elsewhere"] == 0.0
    infos = saw["infos"]
    assert list(infos) == KEYS
    assert infos["score"] == infos["acc"] == [1.0, 0.0, 0.0] * 67
    assert infos["basanite_outcome"] == ["passed", "failed", "rejected"] * 67
    assert infos["reward_failed"] == [0.0] * 201


def test_validation_metrics_are_about_the_numbers(seen: Any) -> None:
    metrics = seen[0]["naive"]["metrics"]["squares"]
    assert set(metrics) == set(KEYS) - {"basanite_outcome"}
    assert any(name.startswith("mean@") for name in metrics["acc"])


def test_agent_loops_get_their_rewards_one_by_one(seen: Any) -> None:
    saw = seen[0]["one by one"]
    assert [reward["reward_score"] for reward in saw] == [1.0, 0.0, 0.0] * 20
    assert [list(reward["reward_extra_info"]) for reward in saw] == [KEYS] * 60


@pytest.mark.parametrize("manager", ["naive", "dapo"])
def test_a_failure_ends_the_step_and_not_the_workers(seen: Any, manager: str) -> None:
    error = seen[0][f"{manager}, raising"]
    assert error["type"] == "RewardUnavailable"
    assert "INVALID_ITEM" in error["text"]
    assert "1 to 10000 cases" in error["text"]
    assert seen[0][f"{manager}, after it raised"]["at_the_end"] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("file", ["with_a_number.py", "synchronous.py"])
def test_with_a_number_failures_are_told_apart_by_a_column(seen: Any, file: str) -> None:
    saw = seen[0][file]
    assert saw["at_the_end"] == [1.0, 0.0, 0.0, -1.0] * 6
    assert list(saw["infos"]) == KEYS
    assert saw["infos"]["acc"] == [1.0, 0.0, 0.0, 0.0] * 6
    assert saw["infos"]["reward_failed"] == [0.0, 0.0, 0.0, 1.0] * 6
    assert saw["infos"]["basanite_outcome"][3] == "failure: invalid_item"


def test_an_absent_server_is_named(seen: Any) -> None:
    error = seen[0]["without a server"]
    assert error["type"] == "ConnectionFailed"
    assert "/nonexistent/socket" in error["text"]


def test_samples_travel_together(seen: Any) -> None:
    batches = [call for call in seen[1] if call["event"] == "stream" and call["items"] > 10]
    together = sum(call["items"] for call in batches)
    assert together >= 2 * 134  # of 201 samples a manager, 134 have an answer; the doubled one too
    assert len(batches) < together / 10
