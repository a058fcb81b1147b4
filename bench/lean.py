"""A verdict on a Lean proof, from client to result, beside Lean alone on the same file, without any sandbox or
check."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from basanite import Client, Item, LeanStep, LeanStepsTask, LeanTheoremTask
from basanite_sandboxes.kept import cache_directory
from basanite_sandboxes.lean import Lean, find_lean
from bench.measure import Cost, Server
from bench.verdicts import Contender, bare, measure_rounds, ours

SMALL, LIBRARY = "bare lean, a small file", "bare lean, with 5,000 constants imported"
SEPARATE = "100 small statements, an item each"
BARE = {
    "small file": SMALL,
    "with 5,000 constants imported": LIBRARY,
    "100 small statements in one item": SEPARATE,
}
"""What each is measured by."""
ENVIRONMENT = "library"
_MODULES, _CONSTANTS = 50, 100
_UNITS, _STEPS = 32, 100
_STATEMENT = "theorem swap (p q : Prop) (hp : p) (hq : q) : q ∧ p"
_PROOF = " := by\n  constructor\n  · exact hq\n  · exact hp\n"
_IMPORT = f"import Library.M{_MODULES - 1}\n"
_numbers = itertools.count()


@contextmanager
def library() -> Iterator[Path]:
    """A directory of environments with one: a generated library, compiled."""
    lean = find_lean()
    place = cache_directory() / "bench-lean"  # the same each time: what is known of it is kept by its path
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o755, parents=True)
    try:
        root = place / ENVIRONMENT
        built = root / ".lake/build/lib/lean"
        (built / "Library").mkdir(parents=True)
        (root / "Library").mkdir()
        for number in range(_MODULES):
            source = Path("Library", f"M{number}.lean")
            (root / source).write_text(_module(number))
            made = built / source.with_suffix(".olean")
            command = [str(lean.program), "-j1", "-o", str(made), str(source)]
            subprocess.run(command, cwd=root, env=_environment(lean, root), check=True, capture_output=True)
        yield place
    finally:
        shutil.rmtree(place)


def proof_verdicts(
    server: Server, client: Client, environments: Path, rounds: int, concurrency: int
) -> dict[str, Cost]:
    """By name. The challenges are known to the server already."""
    lean, root = find_lean(), environments / ENVIRONMENT
    with tempfile.TemporaryDirectory(prefix="basanite-bench-") as directory:
        contenders: dict[str, Contender] = {
            SMALL: _bare(lean, root, Path(directory, "small"), "", concurrency),
            "small file": ours(server, client, lambda: _proof(""), concurrency, _UNITS),
            LIBRARY: _bare(lean, root, Path(directory, "library"), _IMPORT, concurrency),
            "with 5,000 constants imported": ours(
                server, client, lambda: _proof(_IMPORT), concurrency, _UNITS
            ),
        }
        if concurrency == 1:
            contenders |= {
                SEPARATE: ours(server, client, lambda: _steps(1), 1, _STEPS),
                "100 small statements in one item": ours(server, client, lambda: _steps(_STEPS), 1, 1),
            }
        found = measure_rounds(contenders, rounds)
    if concurrency == 1:  # both for all of them
        found[SEPARATE] = Cost(
            *(value * _STEPS for value in (found[SEPARATE].cpu_ms, found[SEPARATE].wall_ms))
        )
    return found


def _module(number: int) -> str:
    lines = [f"import Library.M{number - 1}"] if number else []
    for index in range(number * _CONSTANTS // 2, (number + 1) * _CONSTANTS // 2):
        lines.append(f"def f{index} (n : Nat) : Nat := Nat.add n {index}")
        lines.append(f"theorem f{index}_eq (n : Nat) : f{index} n = Nat.add n {index} := rfl")
    return "\n".join(lines) + "\n"


def _environment(lean: Lean, root: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LEAN_PATH": ":".join(map(str, lean.search_path(root)))}


def _bare(lean: Lean, root: Path, directory: Path, header: str, concurrency: int) -> Contender:
    directory.mkdir()
    (directory / "Main.lean").write_text(f"{header}{_STATEMENT}{_PROOF}")
    path = _environment(lean, root)["LEAN_PATH"]
    command = f"cd {directory} && LEAN_PATH={path} exec {lean.program} -j1 --json Main.lean"
    return bare(["/bin/sh", "-c", command], concurrency, _UNITS)


def _proof(header: str) -> Item:
    solution = f"{header}{_STATEMENT}{_PROOF}-- {next(_numbers)}\n"
    task = LeanTheoremTask(solution, f"{header}{_STATEMENT} := sorry\n")
    return Item(task, environment=ENVIRONMENT if header else "")


def _steps(count: int) -> Item:
    steps = [
        LeanStep(f"s{index}", f"theorem s{index} (p : Prop) (h : p) : p ∧ p", f"⟨h, h⟩ -- {next(_numbers)}")
        for index in range(count)
    ]
    return Item(LeanStepsTask(steps))
