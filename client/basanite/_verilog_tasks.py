"""What a caller builds of the kind "verilog": tasks about a hardware design, and what they are made of.

Texts are one file or several: a str is one file, a mapping has the text of each file by its relative path
("rtl/alu.v"), in the order in which they are compiled. As with all tasks, nothing is checked here; see _tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Files: TypeAlias = str | Mapping[str, str]
"""One file, or the text of each file by its relative path."""
VerilogNumber: TypeAlias = str | int
"""As Verilog has it, e.g. "8'hff", or an int that is not negative."""
ClockEdge: TypeAlias = Literal["positive", "negative", "both"]
"""The edges that inputs keep away from."""


@dataclass(frozen=True, slots=True)
class ClockPort:
    """An input that is a clock."""

    port: str
    edge: ClockEdge = "positive"


@dataclass(frozen=True, slots=True)
class ResetPort:
    """An input that is a reset."""

    port: str
    active_low: bool = False
    asynchronous: bool = False
    """Takes effect without a clock: it is also moved between edges."""


@dataclass(frozen=True, slots=True)
class Clocking:
    """Which inputs are clocks and resets. Neither: the design is combinational."""

    clocks: Sequence[ClockPort] = ()
    resets: Sequence[ResetPort] = ()


@dataclass(frozen=True, slots=True)
class StimulusVector:
    """What inputs are driven with on purpose."""

    inputs: Mapping[str, VerilogNumber]
    """Number by input port; ports left out keep their values."""
    cycles: int = 1
    """For how many cycles, 1 to 10,000."""


@dataclass(frozen=True, slots=True)
class StimulusPlan:
    """How long the inputs are driven, with random values for the most part.

    Those are the same for every candidate of a task, and unknown to candidates.
    """

    cycles: int | None = None
    """Cycles, or vectors for a combinational design: 1 to 100,000. None is 1,000, or 3,000 for a clocked design with at
    most two bits of inputs besides clocks and resets."""
    directed: Sequence[StimulusVector] = ()
    """Driven first, in order, after a reset."""


@dataclass(frozen=True, slots=True)
class FormalCheck:
    """After a simulation that found no difference: is there a proof?

    It is the part "formal" of the verdict, PASS, FAIL or UNKNOWN.
    """

    cpu_seconds: float = 10.0
    depth: int = 20
    """Cycles of the temporal induction, 1 to 200."""


@dataclass(frozen=True, slots=True)
class VerilogEquivalenceTask:
    """Is a design equal to a golden reference, cycle by cycle?

    The two are simulated apart, with the same stimuli, and compared outside. One case an output port.
    """

    source: Files
    """The candidate's; a str is the file "top.v"."""
    top: str
    """Name of the module that is asked for, e.g. "TopModule"."""
    golden: Files
    """Trusted; a str is the file "golden.v"."""
    golden_top: str = ""
    """Name of the golden's module; "" is `top`."""
    parameters: Mapping[str, VerilogNumber] = field(default_factory=dict)
    """Of both modules."""
    clocking: Clocking | None = None
    """None: found in the golden's text."""
    stimuli: StimulusPlan = StimulusPlan()
    formal: FormalCheck | None = None
    """None: simulation alone."""
    vcd: bool = False
    """Verdict.vcd is wanted."""
    include_directories: Sequence[str] = ()
    """Folders, among the candidate's files, in which `include looks beside the including file's own."""
    defines: Mapping[str, str] = field(default_factory=dict)
    """Texts of macros that are defined before the candidate's first file."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Trusted: what comes with the task, to be included, or read with $readmemh by its name; text by name."""


@dataclass(frozen=True, slots=True)
class PatternRule:
    """What a testbench's lines say, as regular expressions that match a whole line."""

    passed: str
    """Must match exactly one line, the last one printed but for the simulator's own."""
    failed: str = ""
    """Must match no line; "" is none."""


TestbenchRule: TypeAlias = Literal["mismatches", "finish", "nonce"] | PatternRule
"""How a testbench says that a design passed.

"mismatches": "Mismatches: 0 in N samples" with N above 0, once, as VerilogEval's testbenches print it.
"finish": the simulation ends by the testbench's $finish, and neither $error nor $fatal was called.
"nonce": it prints the text that +nonce=TEXT gave it, and " PASS" or " FAIL", once and last.
"""


@dataclass(frozen=True, slots=True)
class VerilogTestbenchTask:
    """A trusted testbench that instantiates the design, and says what came of it by what it prints.

    Candidate and testbench share a simulation: ask for require_assurance=Assurance.GUARDED.
    """

    source: Files
    """The candidate's; a str is the file "top.v"."""
    top: str
    """Name of the module that is asked for, e.g. "TopModule"."""
    testbench: Files
    """Trusted, with all that it needs but the design; a str is the file "testbench.v"."""
    rule: TestbenchRule
    testbench_top: str = ""
    """Name of the testbench's module; "" is the one that no other instantiates."""
    reference: Files | None = None
    """Trusted, a design that passes; a str is the file "reference.v". A testbench that it does not pass is a
    TASK_FAULT."""
    testbench_defines: Mapping[str, str] = field(default_factory=dict)
    """Texts of macros that are defined before the testbench's first file."""
    vcd: bool = False
    """Verdict.vcd is wanted."""
    include_directories: Sequence[str] = ()
    """Folders, among the candidate's files, in which `include looks beside the including file's own."""
    defines: Mapping[str, str] = field(default_factory=dict)
    """Texts of macros that are defined before the candidate's first file."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Trusted: what comes with the task, to be included, or read with $readmemh by its name; text by name."""


@dataclass(frozen=True, slots=True)
class CocotbTask:
    """A trusted cocotb test of the design. One case a test.

    Candidate and tests share a simulation: ask for require_assurance=Assurance.GUARDED.
    """

    source: Files
    """The candidate's; a str is the file "top.v"."""
    top: str
    """Name of the module that is asked for, e.g. "TopModule"."""
    tests: Files
    """Trusted Python; a str is the file "tests.py"."""
    expected_tests: Sequence[str]
    """The tests that must pass, "module.function", e.g. "tests.adds". No more and no fewer may run."""
    modules: Sequence[str] = ()
    """Python modules with the tests; () is those that `expected_tests` names."""
    parameters: Mapping[str, VerilogNumber] = field(default_factory=dict)
    reference: Files | None = None
    """Trusted, a design that passes; a str is the file "reference.v". Tests that it does not pass are a
    TASK_FAULT."""
    include_directories: Sequence[str] = ()
    """Folders, among the candidate's files, in which `include looks beside the including file's own."""
    defines: Mapping[str, str] = field(default_factory=dict)
    """Texts of macros that are defined before the candidate's first file."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Trusted: what comes with the task, to be included, or read with $readmemh by its name; text by name."""


@dataclass(frozen=True, slots=True)
class VerilogCompileTask:
    """Does a design compile? PASSED or REJECTED, with the compiler's remarks."""

    source: Files
    """The candidate's; a str is the file "top.v"."""
    top: str
    """Name of the module that is asked for, e.g. "TopModule"."""
    lint: bool = False
    """All of the compiler's warnings are given as diagnostics, too."""
    verilator: bool = False
    """What Verilator's linter says, too, as diagnostics with a code, and as the part "lint" of the verdict beside the
    part "compile"; the outcome is that of compiling alone."""
    include_directories: Sequence[str] = ()
    """Folders, among the candidate's files, in which `include looks beside the including file's own."""
    defines: Mapping[str, str] = field(default_factory=dict)
    """Texts of macros that are defined before the candidate's first file."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Trusted: what comes with the task, to be included, or read with $readmemh by its name; text by name."""


VerilogTask: TypeAlias = VerilogEquivalenceTask | VerilogTestbenchTask | CocotbTask | VerilogCompileTask
