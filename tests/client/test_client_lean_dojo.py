"""LeanDojo's theorems as tasks. The package itself, with Ray and all else that it brings along, is not installed here:
its classes stand in, with the fields that version 4.20 has."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from basanite import Assurance, BasaniteError, CaseResult, Failure, FailureReason, Outcome, Result, Verdict
from basanite.lean_dojo import dojo_result, proof_task


@dataclass(frozen=True)
class Pos:
    line_nb: int
    column_nb: int


@dataclass(frozen=True)
class ProofFinished:
    tactic_state_id: int
    message: str | None = None


@dataclass(frozen=True)
class ProofGivenUp:
    pass


@dataclass(frozen=True)
class LeanError:
    error: str


class DojoCrashError(Exception):
    pass


class DojoTacticTimeoutError(Exception):
    pass


@pytest.fixture
def _dojo(monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType("lean_dojo")
    for kind in (ProofFinished, ProofGivenUp, LeanError, DojoCrashError, DojoTacticTimeoutError):
        setattr(package, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, "lean_dojo", package)


def traced(path: Path, name: str, start: Pos) -> Any:
    return types.SimpleNamespace(
        theorem=types.SimpleNamespace(full_name=name),
        traced_file=types.SimpleNamespace(lean_file=types.SimpleNamespace(abs_path=path)),
        locate_proof=lambda: (start, start),
    )


def test_the_proof_takes_the_place_of_the_theorems_own(tmp_path: Path) -> None:
    path = tmp_path / "A.lean"
    path.write_text(
        "import B\nnamespace N\ntheorem τ (β : Prop) (h : β) : β := by\n  exact h\ntheorem u : True := trivial\n"
    )
    task = proof_task(traced(path, "N.τ", Pos(3, 37)), "by assumption")
    assert task.prefix == "import B\nnamespace N\ntheorem τ (β : Prop) (h : β) : β := "
    assert (task.solution, task.suffix, task.targets) == ("by assumption", "\n", ("N.τ",))


def test_a_file_that_changed_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "A.lean"
    path.write_text("import B\n")
    with pytest.raises(ValueError, match="not where it was traced"):
        proof_task(traced(path, "t", Pos(3, 1)), "x")


def result(outcome: Outcome, message: str = "", feedback: str = "") -> Result:
    case = CaseResult(outcome, message=message)
    score = float(outcome is Outcome.PASSED)
    return Result("x", verdict=Verdict(outcome, score, Assurance.SEPARATED, cases=(case,), feedback=feedback))


@pytest.mark.usefixtures("_dojo")
def test_verdicts_become_its_results() -> None:
    assert dojo_result(result(Outcome.PASSED)) == ProofFinished(0)
    assert dojo_result(result(Outcome.FAILED, "t depends on sorry")) == ProofGivenUp()
    assert dojo_result(result(Outcome.FAILED, "t is missing")) == LeanError("t is missing")
    assert dojo_result(result(Outcome.REJECTED, "no", "Error 1")) == LeanError("Error 1")
    with pytest.raises(DojoTacticTimeoutError):
        dojo_result(result(Outcome.TIME_LIMIT, "slow"))
    failure = Failure(FailureReason.OVERLOADED, "busy", retryable=True)
    with pytest.raises(DojoCrashError, match="busy"):
        dojo_result(Result("x", failure=failure))


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lean_dojo", None)
    with pytest.raises(BasaniteError, match="pip install"):
        dojo_result(result(Outcome.PASSED))
