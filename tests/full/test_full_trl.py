"""TRL's own GRPOTrainer, on CPU, with rewards of ours: the example learns, and the trainer takes None as we say.

Needs two gigabytes of packages from the package index. BASANITE_REQUIRE=trl (a comma-separated list) makes it a failure
if they cannot be installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import e2e_command as command
import pytest

pytestmark = [pytest.mark.full, pytest.mark.timeout(2400)]

EXAMPLES = command.ROOT / "examples"
FAILURES = Path(__file__).with_name("trl_failures.py")
TORCH = (
    "torch==2.13.0"  # first and by itself: which build it is depends on the index, and the others take any
)
PACKAGES = ("trl==1.16.0", "matplotlib")
DECLARED_SECONDS = 480
SAVE_ROWS = """
import json, sys
from pathlib import Path
from tiny_model import tasks
every = tasks(held_out=False) + tasks(held_out=True)
answers = {tuple(test["output"] for test in task.tests) for task in every}
assert len(answers) == len(every), "a program can be right for two tasks"
rows = [{"prompt": task.prompt, "tests": json.dumps(task.tests)} for task in tasks(held_out=False)]
Path(sys.argv[1]).write_text(json.dumps(rows))
"""


def environment_without(*names: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in names}


@dataclass(frozen=True)
class Place:
    """An environment with TRL and what is here, as a wheel."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    def install(self) -> None:
        pip = (self.python, "-m", "pip", "install", "--quiet")
        for words in (
            (sys.executable, "-m", "venv", self.folder / "venv"),
            (*pip, TORCH),
            (*pip, TORCH, *PACKAGES),
            (*pip, f"{command.ROOT}[server]"),
        ):
            # Where pip keeps what it downloads is the machine's.
            done = self._run(words, environment_without("XDG_CACHE_HOME"))
            if done.returncode != 0:
                reason = f"{' '.join(map(str, words))} failed:\n{done.stderr[-2000:]}"
                if "trl" in os.environ.get("BASANITE_REQUIRE", "").split(","):
                    pytest.fail(f"{reason} (BASANITE_REQUIRE asks for trl)")
                pytest.skip(reason)

    def python_says(self, *arguments: object) -> str:
        """Standard output of a Python program that succeeds, without a network for models."""
        surroundings = {**environment_without("PYTHONPATH"), "HF_HUB_OFFLINE": "1"}
        done = self._run((self.python, *arguments), {**surroundings, "PYTHONPATH": str(EXAMPLES)})
        assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
        return done.stdout

    def _run(
        self, words: tuple[object, ...], environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            list(map(str, words)),
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=2000,
            check=False,
        )


@pytest.fixture(scope="module")
def place(doctor: str) -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="basanite-trl-"))
    try:
        made = Place(folder)
        made.install()
        yield made
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def learned(place: Place) -> dict[str, Any]:
    """What the example found."""
    print(place.python_says(EXAMPLES / "grpo_trl.py", "--output", "run"))
    found: dict[str, Any] = json.loads((place.folder / "run" / "result.json").read_text())
    return found


@pytest.fixture(scope="module")
def rows(place: Place) -> Path:
    """A file with the example's tasks. No program is right for two of them."""
    path = place.folder / "rows.json"
    place.python_says("-c", SAVE_ROWS, path)
    return path


def test_the_example_learns_from_verdicts_and_from_nothing_else(
    place: Place, learned: dict[str, Any], rows: Path
) -> None:
    runs = {
        kind: [run for run in learned["runs"] if run["rewards"] == kind] for kind in ("verdicts", "shuffled")
    }
    for kind in runs.values():
        assert len({run["seed"] for run in kind}) == len(kind) == 3
        assert all(0.1 <= run["before"] <= 0.3 for run in kind)
        assert all(len(run["curve"]) == 60 for run in kind)
    assert all(run["after"] - run["before"] > 0.3 for run in runs["verdicts"]), learned
    assert all(run["after"] - run["before"] < 0.1 for run in runs["shuffled"]), learned
    assert (place.folder / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
    print(f"{learned['seconds']:.0f} s; {DECLARED_SECONDS} s are declared")


def test_a_program_without_a_reward_is_left_out_of_the_baseline_and_metrics_are_logged(
    place: Place, learned: dict[str, Any], rows: Path
) -> None:
    taught = place.folder / "run" / "taught-11"
    assert "groups teach" in place.python_says(FAILURES, taught, rows, place.folder / "failures")


def test_a_given_model_trains_on_a_given_file(place: Place, learned: dict[str, Any], rows: Path) -> None:
    given, data = place.folder / "given", place.folder / "problems.jsonl"
    shutil.copytree(place.folder / "run" / "taught-11", given)
    (given / "chat_template.jinja").write_text("{% for m in messages %}{{ m['content'] }}\n{% endfor %}")
    problems = [{**row, "tests": json.loads(row["tests"])} for row in json.loads(rows.read_text())[:10]]
    data.write_text("".join(json.dumps(problem) + "\n" for problem in problems))
    arguments = ("--model", given, "--data", data, "--steps", 2, "--output", "given-run")
    said = place.python_says(EXAMPLES / "grpo_trl.py", *arguments)
    [run] = json.loads((place.folder / "given-run" / "result.json").read_text())["runs"]
    assert len(run["curve"]) == 2, said
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        path.name for path in (place.folder / "given-run" / "model").iterdir()
    }


def test_too_few_problems_are_refused(place: Place, learned: dict[str, Any]) -> None:
    data = place.folder / "few.jsonl"
    data.write_text('{"prompt": "p", "tests": [{"input": "", "output": ""}]}\n')
    with pytest.raises(AssertionError, match="at least 5 are needed"):
        place.python_says(
            EXAMPLES / "grpo_trl.py", "--model", place.folder / "run" / "taught-11", "--data", data
        )
