"""A verdict by a test suite, from client to result, beside the same pytest command without any sandbox."""

from __future__ import annotations

import functools
import itertools
import os
import sys
import tempfile
from pathlib import Path

from basanite import Assurance, Client, Item, Limits, RepositoryTask, UnittestSuiteTask
from bench.measure import Cost, Server
from bench.verdicts import Contender, bare, measure_rounds, ours

TINY, LONG = "bare pytest, a tiny suite", "bare pytest, a suite of a second"
BARE = {
    "tiny suite, isolated": TINY,
    "tiny suite, shared": TINY,
    "repository with the tiny suite": TINY,
    "repository with the long suite": LONG,
}
"""What each is measured by."""
CANDIDATES = 200
REPOSITORY_BYTES = 50 << 20
_FILES = 2000
_TINY_UNITS, _LONG_UNITS = 32, 3
_SOLUTION = """
def double(n):
    return n * 2
"""
_TESTS = """
import pytest
from solution import double

@pytest.mark.parametrize("n", [0, 1, -3])
def test_numbers(n):
    assert double(n) == n + n

def test_text():
    assert double("ab") == "abab"
"""
_TINY_NAMES = [*(f"test_solution.py::test_numbers[{n}]" for n in (0, 1, -3)), "test_solution.py::test_text"]
_LONG_TESTS = """
import pytest
from solution import double

@pytest.mark.parametrize("n", range(100))
def test_sums(n):
    assert sum(double(i) % 7 for i in range(n, n + 200_000)) > 0
"""
_LONG_NAMES = [f"test_long.py::test_sums[{n}]" for n in range(100)]
_numbers = itertools.count()


def suite_verdicts(server: Server, client: Client, rounds: int) -> dict[str, Cost]:
    """By name, one at a time."""
    with tempfile.TemporaryDirectory(prefix="basanite-bench-") as directory:
        folder = Path(directory)
        tiny = _repository(folder / "tiny", {"solution.py": _SOLUTION, "test_solution.py": _TESTS})
        long = _repository(folder / "long", {"solution.py": _SOLUTION, "test_long.py": _LONG_TESTS})
        contenders: dict[str, Contender] = {
            TINY: _bare(tiny, _TINY_UNITS),
            "tiny suite, isolated": ours(server, client, lambda: _suite("isolated"), 1, _TINY_UNITS),
            "tiny suite, shared": ours(server, client, lambda: _suite("shared"), 1, _TINY_UNITS),
            LONG: _bare(long, _LONG_UNITS),
        }
        for name, path, names, units in (
            ("repository with the tiny suite", tiny, _TINY_NAMES, _TINY_UNITS),
            ("repository with the long suite", long, _LONG_NAMES, _LONG_UNITS),
        ):
            make = functools.partial(_patched, client.upload(path), names)
            contenders[name] = ours(server, client, make, 1, units)
        return measure_rounds(contenders, rounds)


def candidates_of_one_repository(server: Server, client: Client) -> dict[str, float]:
    """What 200 patches of a large repository cost over those of one with a single file, and what they leave."""
    with tempfile.TemporaryDirectory(prefix="basanite-bench-") as directory:
        files = {"solution.py": _SOLUTION, "test_solution.py": _TESTS}
        small = client.upload(_repository(Path(directory, "small"), files))
        for number in range(_FILES):
            files[f"data/{number // 100}/{number}.txt"] = os.urandom(REPOSITORY_BYTES // _FILES // 2).hex()
        large = client.upload(_repository(Path(directory, "large"), files))
    for digest in (small, large):  # unpacked once, and judged without a candidate
        client.verify(_patched(digest, _TINY_NAMES))
    before = _disk_bytes(server.folder)
    found = {}
    for name, digest in (("one file", small), ("50 MiB", large)):
        cost = server.cost(CANDIDATES, functools.partial(_judge, client, digest))
        found[f"CPU ms a candidate, {name}"] = cost.cpu_ms
        found[f"wall ms a candidate, {name}"] = cost.wall_ms
    found["KiB more on the disk afterwards"] = (_disk_bytes(server.folder) - before) / 1024
    return found


def _judge(client: Client, digest: str) -> None:
    for _ in range(CANDIDATES):
        result = client.verify(_patched(digest, _TINY_NAMES))
        if result.score != 1:
            raise RuntimeError(f"not passed: {result}")


def _bare(directory: Path, units: int) -> Contender:
    quiet = "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTHONDONTWRITEBYTECODE=1"
    command = f"cd {directory} && {quiet} exec {sys.executable} -m pytest -q -p no:cacheprovider"
    return bare(["/bin/sh", "-c", command], 1, units)


def _suite(mode: str) -> Item:
    task = UnittestSuiteTask(f"# {next(_numbers)}{_SOLUTION}", _TESTS, mode=mode)  # type: ignore[arg-type]
    return Item(task, require_assurance=Assurance.GUARDED)


def _patched(snapshot: str, names: list[str]) -> Item:
    """A patch that no cache knows."""
    text = f"# {next(_numbers)}"
    patch = f"--- a/solution.py\n+++ b/solution.py\n@@ -1,1 +1,2 @@\n+{text}\n \n"
    task = RepositoryTask(patch, snapshot, pass_to_pass=names)
    return Item(task, limits=Limits(cpu_seconds=60), require_assurance=Assurance.GUARDED)


def _repository(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def _disk_bytes(folder: Path) -> int:
    sizes = (path.lstat().st_blocks * 512 for path in folder.rglob("*"))
    return sum(sizes)
