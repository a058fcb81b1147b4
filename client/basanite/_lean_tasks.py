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
    leanchecker: bool = False
    """The opinion of the toolchain's own leanchecker is asked for, too: the part "leanchecker" of the verdict."""


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
    leanchecker: bool = False


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


@dataclass(frozen=True, slots=True)
class LeanCodeTest:
    """Of a function, and of its specification."""

    arguments: str
    """Terms with a space between them, e.g. "3 [1, 2]"."""
    expected: str
    unexpected: Sequence[str] = ()
    """Results that the postcondition must reject."""


@dataclass(frozen=True, slots=True)
class LeanVerifiedCodeTask:
    """A function, its specification and a proof, as VERINA has them; what is given is judged, each part apart."""

    name: str
    parameters: Sequence[tuple[str, str]]
    """Name and type, e.g. ("a", "Nat")."""
    return_type: str
    implementation: str = ""
    """The candidate's, as are the next three."""
    precondition: str = ""
    """A proposition about the parameters; "" is True."""
    postcondition: str = ""
    """A proposition about the parameters and `result`."""
    proof: str = ""
    """That the implementation satisfies the specification; of the references, where they are given."""
    tests: Sequence[LeanCodeTest] = ()
    rejected_arguments: Sequence[str] = ()
    """Arguments that the precondition must reject."""
    preamble: str = ""
    """Trusted: imports and definitions for all."""
    reference_implementation: str = ""
    """Trusted: what the proof is about, where there is no implementation of the candidate's."""
    reference_precondition: str = ""
    reference_postcondition: str = ""
    """Trusted, both: the specification that the proof is about instead of the candidate's."""
    allowed_axioms: Sequence[str] = STANDARD_AXIOMS


LeanTask: TypeAlias = (
    LeanTheoremTask | LeanCompleteTask | LeanStepsTask | LeanVerifiedCodeTask | LeanElaborateTask
)
