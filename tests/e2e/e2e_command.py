"""The command line as a user runs it, and what it leaves on the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from basanite import Result

ROOT = Path(__file__).parents[2]
BASANITE = [sys.executable, "-W", "error", "-m", "basanite.cli"]
GONE_SECONDS = 5.0
"""How long what ran may take to be gone. The promise is one second, on a machine that does nothing else."""


def run(*arguments: str | os.PathLike[str], **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    # Not by default: readline has put COLUMNS into this process's environment behind Python's back.
    more.setdefault("env", dict(os.environ))
    command = [*BASANITE, *map(os.fspath, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, **more)


def start(*arguments: str | os.PathLike[str], **more: Any) -> subprocess.Popen[str]:
    """Start a command in a session of its own."""
    command = [*BASANITE, *map(os.fspath, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **more
    )


def stdio(source: str, **more: Any) -> dict[str, Any]:
    """An item whose program must print 42 when it reads 21."""
    code = {
        "language": "python",
        "source": source,
        "stdio": {"cases": [{"stdin": "21\n", "expected": "42\n"}]},
    }
    return {"kind": "code", "code": code, **more}


def right(**more: Any) -> dict[str, Any]:
    return stdio("print(int(input()) * 2)", **more)


def write_lines(path: Path, lines: Iterable[dict[str, Any] | bytes]) -> Path:
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    return path


def read_results(path: Path) -> dict[str, Result]:
    """The results of a file by id. Each id is there once."""
    results = [Result.from_json(line) for line in path.read_bytes().splitlines()]
    by_id = {result.id: result for result in results}
    assert len(by_id) == len(results), sorted(result.id for result in results)
    return by_id


@dataclass(frozen=True)
class Process:
    """A process, told from a later one with the same number."""

    pid: int
    started: str

    @property
    def is_alive(self) -> bool:
        found = _stat(self.pid)
        return found is not None and found[1] == self.started and found[2] not in "ZX"


def _stat(pid: int) -> tuple[int, str, str] | None:
    """(parent, start time, state)"""
    try:
        # A process may call itself what is no text.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rsplit(")", 1)[1].split()
    except OSError:
        return None
    return int(fields[1]), fields[19], fields[0]


def descendants(pid: int) -> set[Process]:
    """The process and all below it, with those in sandboxes."""
    known = {number: found for number in _pids() if (found := _stat(number)) is not None}
    below = {pid}
    while more := {number for number, (parent, _, _) in known.items() if parent in below} - below:
        below |= more
    return {Process(number, known[number][1]) for number in below if number in known}


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def wait_for(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Poll until the condition holds, and return it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return found


def assert_gone(processes: Iterable[Process], seconds: float = GONE_SECONDS) -> None:
    """None of the processes is left, nor a control group of theirs."""
    watched = list(processes)
    assert watched
    end = time.monotonic() + seconds
    while left := [process for process in watched if process.is_alive]:
        assert time.monotonic() < end, [_describe(process.pid) for process in left]
        time.sleep(0.01)
    names = tuple(f"basanite-{process.pid}-" for process in watched)
    wait_for(lambda: not [path for path in control_groups() if path.name.startswith(names)], seconds)


def _describe(pid: int) -> str:
    try:
        return f"{pid}: {Path(f'/proc/{pid}/cmdline').read_text()[:200]!r}"
    except OSError as error:
        return f"{pid}: {error}"


def control_groups() -> list[Path]:
    found = []
    for directory, names, _ in os.walk("/sys/fs/cgroup"):
        found += [Path(directory, name) for name in names if name.startswith("basanite-")]
    return found
