"""What a caller builds of the kind "lean": proofs in Lean 4. As with all tasks, nothing is checked here; see _tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

STANDARD_AXIOMS: Final = ("propext", "Quot.sound", "Classical.choice")


@dataclass(frozen=True, slots=True)
class LeanTheoremTask:
    """Does the kernel accept a proof of exactly what the challenge states? One case a target."""

    solution: str
    """The candidate's file."""
    challenge: str
    """Trusted: imports, definitions, and statements ended by `sorry`."""
    targets: Sequence[str] = ()
    """Names of what the solution is to prove, or to define; none: all that the challenge ends by `sorry`."""
    allowed_axioms: Sequence[str] = STANDARD_AXIOMS


@dataclass(frozen=True, slots=True)
class LeanCompleteTask:
    """As LeanTheoremTask, for a prover that emits a proof alone."""

    solution: str
    """The candidate's text, in the place of the hole."""
    prefix: str
    """Trusted text before the hole, e.g. "theorem t (n : Nat) : n + 0 = n := by\\n  "."""
    suffix: str = ""
    targets: Sequence[str] = ()
    allowed_axioms: Sequence[str] = STANDARD_AXIOMS


@dataclass(frozen=True, slots=True)
class LeanStep:
    """A small statement and its proof."""

    name: str
    statement: str
    """Trusted: the declaration without what follows its ":=", e.g. "theorem step_1 (n : Nat) : n + 0 = n"."""
    proof: str
    """The candidate's, e.g. "by simp"."""
    weight: int = 1
    """1 to 10^6."""


@dataclass(frozen=True, slots=True)
class LeanStepsTask:
    """Many small statements, a case each. What does not compile fails alone."""

    steps: Sequence[LeanStep]
    """1 to 1,000."""
    preamble: str = ""
    """Trusted: imports and definitions for all."""
    allowed_axioms: Sequence[str] = STANDARD_AXIOMS


@dataclass(frozen=True, slots=True)
class LeanElaborateTask:
    """What Lean says about a file, as diagnostics. Not judged."""

    solution: str


LeanTask: TypeAlias = LeanTheoremTask | LeanCompleteTask | LeanStepsTask | LeanElaborateTask
