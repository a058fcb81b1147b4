"""LeanDojo's theorems as tasks, and verdicts as its results (PyPI: lean-dojo, extra `lean-dojo`).

    traced = lean_dojo.get_traced_repo_path(repo)         # a repository that is traced already: nothing is downloaded
    theorem = TracedRepo.load_from_disk(traced).get_traced_theorem(Theorem(repo, "Foo/Bar.lean", "Foo.bar"))
    result = client.verify(Item(proof_task(theorem, "by simp"), environment="foo"))
    dojo_result(result)                                   # ProofFinished, LeanError or ProofGivenUp

`lean_dojo` is imported by `dojo_result` alone, when it is called. The environment is the repository, built, on the
server.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Protocol

from basanite._errors import BasaniteError
from basanite._lean_tasks import STANDARD_AXIOMS, LeanCompleteTask
from basanite._results import Outcome, Result

__all__ = ["Position", "TracedTheorem", "dojo_result", "proof_task"]


class Position(Protocol):
    """Of LeanDojo: both from 1, the column in code points."""

    @property
    def line_nb(self) -> int: ...

    @property
    def column_nb(self) -> int: ...


class TracedTheorem(Protocol):
    """What is asked of lean_dojo.TracedTheorem."""

    theorem: Any
    """With `full_name`."""
    traced_file: Any
    """With `lean_file.abs_path`."""

    def locate_proof(self) -> tuple[Any, Any]: ...


def proof_task(
    theorem: TracedTheorem, proof: str, allowed_axioms: Sequence[str] = STANDARD_AXIOMS
) -> LeanCompleteTask:
    """A task: this proof, with its `by` if it has one, in the place of the theorem's own. What follows the theorem in
    its file is left out. Raises OSError if the file is not there, ValueError if it is not the one that was traced."""
    text = theorem.traced_file.lean_file.abs_path.read_text()
    start, _ = theorem.locate_proof()
    lines = text.split("\n")
    if not (1 <= start.line_nb <= len(lines) and 1 <= start.column_nb <= len(lines[start.line_nb - 1]) + 1):
        raise ValueError(f"the proof of {theorem.theorem.full_name} is not where it was traced")
    before = [*lines[: start.line_nb - 1], lines[start.line_nb - 1][: start.column_nb - 1]]
    return LeanCompleteTask(
        proof, "\n".join(before), "\n", (theorem.theorem.full_name,), tuple(allowed_axioms)
    )


def dojo_result(result: Result) -> Any:
    """ProofFinished, ProofGivenUp (it depends on sorry) or LeanError. Raises DojoTacticTimeoutError for a verdict of
    TIME_LIMIT, DojoCrashError for a Failure, BasaniteError if lean-dojo is not installed."""
    try:
        dojo = importlib.import_module("lean_dojo")
    except ImportError as error:
        raise BasaniteError(f"lean-dojo is missing ({error}): pip install 'basanite[lean-dojo]'") from error
    if result.verdict is None:
        why = "no result" if result.failure is None else result.failure.message
        raise dojo.DojoCrashError(why)
    verdict = result.verdict
    message = verdict.cases[0].message if verdict.cases else verdict.outcome.name
    if verdict.outcome is Outcome.PASSED:
        return dojo.ProofFinished(0)
    if verdict.outcome is Outcome.TIME_LIMIT:
        raise dojo.DojoTacticTimeoutError(message)
    if verdict.outcome is Outcome.FAILED and message.endswith("depends on sorry"):
        return dojo.ProofGivenUp()
    return dojo.LeanError(verdict.feedback or message)
