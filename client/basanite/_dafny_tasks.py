"""What a caller builds of the kind "dafny": programs that are proved. As with all tasks, nothing is checked here; see
_tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class DafnyVerifyTask:
    """Does Dafny prove all of a program? One case a method, lemma, function or iterator."""

    program: str
    """The candidate's."""


@dataclass(frozen=True, slots=True)
class DafnyImplementTask:
    """Does a program do what a specification says, word by word, with bodies and helpers of its own?"""

    program: str
    """The candidate's, with the specification's declarations in it."""
    specification: str
    """Trusted: a program in which what is to be implemented has no body."""


@dataclass(frozen=True, slots=True)
class DafnySpecifyTask:
    """Is a program's own specification at least as strong as a trusted one? Parts of the verdict: "verified",
    "preconditions", "postconditions" and "converse"."""

    program: str
    """The candidate's."""
    specification: str
    """Trusted: methods, lemmas and functions without a body, with what their specifications use."""


@dataclass(frozen=True, slots=True)
class DafnyHintsTask:
    """Does Dafny prove a given program, to which the candidate has added assertions and invariants, and nothing else?
    The task of DafnyBench."""

    program: str
    """The candidate's."""
    given: str
    """Trusted: the program without its hints."""


DafnyTask: TypeAlias = DafnyVerifyTask | DafnyImplementTask | DafnySpecifyTask | DafnyHintsTask
