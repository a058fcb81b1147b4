"""Imports: a library is read once, trusted, and looked up; what is known of it follows from its files."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from lean_compiled import environment
from lean_judge import Judge, explain, outcome, theorem

from basanite_sandboxes.kept import cache_directory
from basanite_sandboxes.lean import Lean
from basanite_sandboxes.spec import Environment
from basanite_services.chassis.verifier import TaskFault
from basanite_services.lean.index import Index, LibraryError, write_index
from basanite_services.lean.library import Libraries

MODULES, CONSTANTS = 50, 100


def compile_module(lean: Lean, root: Path, name: str, text: str) -> None:
    source, built = root / f"{name}.lean", root / ".lake/build/lib/lean"
    (built / name).parent.mkdir(parents=True, exist_ok=True)
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text)
    subprocess.run(
        [lean.program, "-j1", "-o", built / f"{name}.olean", f"{name}.lean"],
        cwd=root,
        env=environment(lean, [built]),
        check=True,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def project(lean: Lean) -> Iterator[Environment]:
    """5,000 constants in 50 modules, each importing the one before, and one module with an axiom."""
    cache_directory().mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="test-lean-", dir=cache_directory()))
    root.chmod(0o755)
    for number in range(MODULES):
        lines = [f"import Library.M{number - 1}"] if number else []
        for index in range(number * CONSTANTS // 2, (number + 1) * CONSTANTS // 2):
            lines.append(f"def f{index} (n : Nat) : Nat := Nat.add n {index}")
            lines.append(f"theorem f{index}_eq (n : Nat) : f{index} n = Nat.add n {index} := rfl")
        compile_module(lean, root, f"Library/M{number}", "\n".join(lines) + "\n")
    trust = [
        "axiom trust (p : Prop) : p",
        "theorem proved (p : Prop) : p := trust p",
        "theorem draft (p : Prop) : p := sorry",
    ]
    compile_module(lean, root, "Trust", "\n".join(trust) + "\n")
    yield Environment(name="library", path=root, digest="1" * 64)
    shutil.rmtree(root)


HEAD = "import Library.M49\n"
STATEMENT = "theorem t (n : Nat) : f2499 n = Nat.add n 2499"


def test_a_proof_over_a_library_verifies(judge: Judge, project: Environment) -> None:
    task = theorem(f"{HEAD}{STATEMENT} := sorry", f"{HEAD}{STATEMENT} := f2499_eq n")
    verdict = judge(task, project)
    assert outcome(verdict) == "PASSED", explain(verdict)


@pytest.mark.parametrize(
    "head",
    [
        "-- mine\nimport Library.M49\n",
        "\n\nimport Init\nimport Library.M49 -- all\n",
        "import «Library».M49\n",
    ],
)
def test_the_same_imports_in_other_words_are_the_same(judge: Judge, project: Environment, head: str) -> None:
    verdict = judge(theorem(f"{HEAD}{STATEMENT} := sorry", f"{head}{STATEMENT} := f2499_eq n"), project)
    assert outcome(verdict) == "PASSED", explain(verdict)


def test_axioms_of_imported_modules_are_known(judge: Judge, project: Environment) -> None:
    challenge = "import Trust\ntheorem t : False := sorry"
    verdict = judge(theorem(challenge, "import Trust\ntheorem t : False := proved _"), project)
    assert (outcome(verdict), "trust" in explain(verdict)) == ("FORBIDDEN", True)
    verdict = judge(theorem(challenge, "import Trust\ntheorem t : False := draft _"), project)
    assert (outcome(verdict), "sorry" in explain(verdict)) == ("FAILED", True)
    allowed = theorem(challenge, "import Trust\ntheorem t : False := proved _", axioms=["trust"])
    assert outcome(judge(allowed, project)) == "PASSED"


@pytest.mark.parametrize("head", ["", "import Library.M48\n", "import Library.M49\nimport Trust\n"])
def test_other_imports_are_rejected(judge: Judge, project: Environment, head: str) -> None:
    verdict = judge(theorem(f"{HEAD}{STATEMENT} := sorry", f"{head}{STATEMENT} := by rfl"), project)
    assert outcome(verdict) == "REJECTED"


def test_a_module_of_the_library_cannot_be_declared_again(judge: Judge, project: Environment) -> None:
    text = f"{HEAD}namespace Other\ndef f2499 (n : Nat) : Nat := Nat.add n 2499\nend Other\nopen Other\n"
    verdict = judge(theorem(f"{HEAD}{STATEMENT} := sorry", f"{text}{STATEMENT} := rfl"), project)
    assert outcome(verdict) in ("FAILED", "REJECTED")


def test_a_library_that_is_built_again_is_read_again(judge: Judge, lean: Lean, project: Environment) -> None:
    assert project.path is not None
    compile_module(lean, project.path, "Changing", "def g : Nat := 1\n")
    challenge = "import Changing\ntheorem t : g = {} := sorry"
    solution = "import Changing\ntheorem t : g = {} := rfl"
    assert outcome(judge(theorem(challenge.format(1), solution.format(1)), project)) == "PASSED"
    compile_module(lean, project.path, "Changing", "def g : Nat := 2\ndef h : Nat := 2\n")

    async def look() -> None:
        libraries = Libraries(lean)
        library = await libraries.get(project.path, (("Changing",),))
        assert library.index.axioms(("h",)) == frozenset()

    asyncio.run(look())


def test_an_import_that_is_not_there_is_the_tasks_fault(judge: Judge, project: Environment) -> None:
    with pytest.raises(TaskFault, match="no module Mathlib"):
        judge(theorem("import Mathlib\ntheorem t : True := sorry", "x"), project)


def test_an_index_says_what_it_was_told(tmp_path: Path) -> None:
    axioms = {
        ("a",): frozenset({("propext",)}),
        ("a", "b"): frozenset(),
        ("a.b",): frozenset({("x", 3)}),
        ("a", 1): frozenset({("propext",)}),
        ("a", "1"): frozenset(),
    }
    write_index(tmp_path / "index", axioms)
    index = Index(tmp_path / "index")
    assert {name: index.axioms(name) for name in axioms} == axioms
    assert index.axioms(("c",)) is None
    assert len(index) == len(axioms)


def test_what_is_no_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index").write_bytes(bytes(100))
    with pytest.raises(ValueError, match="no index"):
        Index(tmp_path / "index")
    assert issubclass(LibraryError, Exception)
