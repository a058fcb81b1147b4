"""What comes back for an item: a Verdict about the candidate, or a Failure about us or the item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from basanite import values
from basanite._errors import ResultHasNoScore


class Outcome(StrEnum):
    """What became of a candidate, or of one case."""

    PASSED = "passed"
    FAILED = "failed"
    REJECTED = "rejected"
    """Does not compile, parse or apply."""
    CRASHED = "crashed"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    FORBIDDEN = "forbidden"
    COMPLETED = "completed"
    """Ran to its end, and nobody asked to judge it. Has no score."""
    NOT_RUN = "not_run"
    """Of cases only: after an early stop."""


class Assurance(StrEnum):
    """How far the candidate was from what decided the verdict."""

    GUARDED = "guarded"
    """Candidate and judge shared a process or a simulation; Verdict.guards names what stood guard."""
    SEPARATED = "separated"
    """No byte that decided the verdict passed unchecked through a process that the candidate could write
    in."""


class FailureReason(StrEnum):
    """Why there is no verdict. Never the candidate's doing."""

    SANDBOX = "sandbox"
    TOOLCHAIN = "toolchain"
    OVERLOADED = "overloaded"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    INTERNAL = "internal"
    INVALID_ITEM = "invalid_item"
    TASK_FAULT = "task_fault"
    """The trusted part of the task (reference, checker, testbench) does not work."""
    UNSUPPORTED_KIND = "unsupported_kind"


class PartState(StrEnum):
    """What became of one part of a reward."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_RUN = "not_run"


class TestStatus(StrEnum):
    """How a test ended."""

    __test__ = False  # of ours, not one of pytest's

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    """Its set-up or tear-down raised, or its file cannot be imported."""
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    """It failed, as it was expected to."""
    XPASSED = "xpassed"
    """It passed, though it was expected to fail."""
    MISSING = "missing"
    """There is no such test, or it did not run."""


class Severity(StrEnum):
    """How bad a diagnostic is."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Usage:
    """What an item or a case cost."""

    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    queue_seconds: float = 0.0
    """From arrival at the server to the start of the first run. Of items only."""
    peak_memory_bytes: int = 0
    """0 if the server cannot tell."""


@dataclass(frozen=True, slots=True)
class CapturedOutput:
    """What a run wrote, at most the first 64 KiB of each."""

    stdout: bytes = b""
    stderr: bytes = b""
    stdout_truncated: bool = False
    stderr_truncated: bool = False


@dataclass(frozen=True, slots=True)
class RaisedException:
    """What a function raised, as the candidate's process told it."""

    types: tuple[str, ...] = ()
    """Names of the class and its bases, most derived first."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class WaveCycle:
    """What was on ports in one cycle."""

    cycle: int
    values: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Verilog number by port."""


@dataclass(frozen=True, slots=True)
class WaveMismatch:
    """Where an output of a design first differs from the golden reference. It tells what the design was driven with."""

    port: str
    mismatched_samples: int
    compared_samples: int
    first_cycle: int
    """That of the first sample that differs."""
    expected: str
    """Of the first sample that differs, a Verilog number, e.g. "8'hx3"."""
    got: str
    window: tuple[WaveCycle, ...] = ()
    """Inputs and this output in at most four cycles, oldest first; the last is that of the first difference."""
    hints: tuple[str, ...] = ()
    """What it looks like, e.g. "one cycle late"."""


@dataclass(frozen=True, slots=True)
class TestResult:
    """What became of one test. All of it but the name is what the process of the tests said."""

    __test__: ClassVar[bool] = False  # of ours, not one of pytest's

    name: str
    status: TestStatus
    wall_seconds: float = 0.0
    """Set-up and tear-down included; 0 if unknown."""
    flaky: bool = False
    """It ended differently from run to run."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of one case."""

    outcome: Outcome
    weight: int = 1
    usage: Usage = Usage()
    output: CapturedOutput | None = None
    exit_status: int | None = None
    signal: int | None = None
    message: str = ""
    """Why the case did not pass, in one sentence."""
    returned_json: str | None = None
    """Function tasks: the returned value as tagged JSON; None if there is none."""
    arguments_after_json: str | None = None
    """Function tasks: the arguments after the call as tagged JSON; None if the call left them alone."""
    raised: RaisedException | None = None
    mismatch: WaveMismatch | None = None
    """Equivalence of designs: how the output differs from the golden's."""
    test: TestResult | None = None
    """Unit tests: which one, and how it ended."""
    declaration: str = ""
    """Lean, Dafny: the declaration that the case is about."""

    @property
    def returned(self) -> Any:
        """The returned value, rebuilt; None if there is none. Raises ValueFormatError if it is malformed."""
        return None if self.returned_json is None else values.loads(self.returned_json)

    @property
    def arguments_after(self) -> Any:
        """The list of arguments after the call, rebuilt; None if the call left them alone. Raises
        ValueFormatError if it is malformed."""
        return None if self.arguments_after_json is None else values.loads(self.arguments_after_json)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a reward of several parts."""

    name: str
    state: PartState
    score: float | None = None
    """In [0, 1]."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A remark on the candidate's own text."""

    severity: Severity
    message: str
    file: str = ""
    line: int = 0
    """1-based; 0 if unknown."""
    column: int = 0
    """1-based, in code points; 0 if unknown."""
    code: str = ""
    """Name that a linter has for it, e.g. "WIDTH"."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """About the candidate."""

    outcome: Outcome
    """PASSED, or that of the first case that did not pass."""
    score: float | None
    """In [0, 1], 1 exactly when PASSED; None for a run that nobody asked to judge."""
    assurance: Assurance
    guards: tuple[str, ...] = ()
    cases: tuple[CaseResult, ...] = ()
    score_is_lower_bound: bool = False
    """True if cases were NOT_RUN."""
    parts: tuple[Part, ...] = ()
    score_policy: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()
    near_limit: bool = False
    """True if a run came so close to its time limit that the verdict was confirmed by a run of its own."""
    vcd: str | None = None
    """A value change dump of a FAILED design for which one was asked, at most 256 KiB. Equivalence: inputs, outputs and
    what was expected, step by step; where all does not fit, from shortly before the first difference on. Testbench: the
    ports of the design; where all does not fit, as far as it does. Empty if there is nothing that can be shown."""
    feedback: str = ""
    """Of Lean: what a prover can be told to correct itself with; empty if there is nothing to tell."""


@dataclass(frozen=True, slots=True)
class Failure:
    """About us or about the item, never about the candidate."""

    reason: FailureReason
    message: str
    field: str = ""
    """INVALID_ITEM and TASK_FAULT: path of the field, e.g. "code.stdio.cases[2].weight"."""
    rule: str = ""
    """INVALID_ITEM: the rule it broke."""
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """Exactly one per item: either `verdict` or `failure` is set."""

    id: str
    verdict: Verdict | None = None
    failure: Failure | None = None
    usage: Usage = Usage()
    cached: bool = False
    """True if the server had the verdict already, or just then judged an identical item; usage is then that of
    the one run."""
    digest: str = ""
    """SHA-256 in hex over all that decides the verdict. "" for an item that was not read."""
    environment_digest: str = ""

    @property
    def passed(self) -> bool:
        """True if there is a verdict and it is PASSED. A Failure is not passed; nor does it say anything
        about the candidate."""
        return self.verdict is not None and self.verdict.outcome is Outcome.PASSED

    @property
    def score(self) -> float:
        """The verdict's score, in [0, 1]. Raises ResultHasNoScore for a Failure and for an unscored
        verdict."""
        if self.verdict is None:
            failure = self.failure
            said = "no verdict" if failure is None else f"{failure.reason.name}: {failure.message}"
            raise ResultHasNoScore(f"item {self.id!r} has no score, its result is a Failure ({said})")
        if self.verdict.score is None:
            raise ResultHasNoScore(
                f"item {self.id!r} has no score: its verdict is {self.verdict.outcome.name} on a run"
                " that nobody asked to judge"
            )
        return self.verdict.score

    @classmethod
    def from_json(cls, text: str | bytes) -> Result:
        """Read the protobuf JSON of a Result. Raises ItemFormatError."""
        from basanite._json import result_from_json

        return result_from_json(text)

    def to_json(self) -> str:
        """Write the protobuf JSON of the Result, on one line."""
        from basanite._json import result_to_json

        return result_to_json(self)
