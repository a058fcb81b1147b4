"""What a caller builds: items and the tasks in them.

Nothing is checked here. An item that breaks a rule comes back as a Result with an INVALID_ITEM Failure that
names field and rule, so that one bad item never spoils its batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

from basanite._dafny_tasks import DafnyTask
from basanite._lean_tasks import LeanTask
from basanite._results import Assurance
from basanite._unittest_tasks import UnittestTask
from basanite._verilog_tasks import VerilogTask

TextPolicy: TypeAlias = Literal[
    "exact", "trailing_whitespace", "tokens", "float_tolerance", "unordered_lines"
]
"""How a program's output is compared with what is expected."""
ValuePolicy: TypeAlias = Literal["equal", "strict", "sequence", "float_tolerance", "unordered"]
"""How a returned value is compared with what is expected."""


class _NotGiven(Enum):
    """Tells "no expectation" from an expectation of None."""

    NOT_GIVEN = "NOT_GIVEN"

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Final = _NotGiven.NOT_GIVEN


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison with tolerances. Where the defaults serve, the policy's name alone does too.

    With "float_tolerance" numbers a and b are equal if |a - b| <= max(absolute, relative * |b|), b the
    expected one. Tolerances are at least 0 and below 1; with neither given both are 1e-6.
    """

    policy: TextPolicy | ValuePolicy
    absolute_tolerance: float | None = None
    relative_tolerance: float | None = None


@dataclass(frozen=True, slots=True)
class Checker:
    """A trusted program that decides instead of a comparison.

    It reads the files input, output and answer, named by its arguments in this order, and exits 0 for right
    and 1 or 2 for wrong (testlib's convention).
    """

    source: str
    language: str = "python"


@dataclass(frozen=True, slots=True)
class StdioCase:
    """One run: what the program reads, and what it must write."""

    stdin: str | bytes
    expected: str | bytes
    weight: int = 1
    """1 to 10^6."""
    comparison: TextPolicy | Comparison | None = None
    """Instead of the task's."""


@dataclass(frozen=True, slots=True)
class StdioTask:
    """A program that reads standard input and writes standard output; a fresh process per case."""

    source: str
    """The candidate's text."""
    cases: Sequence[StdioCase]
    """1 to 10,000."""
    comparison: TextPolicy | Comparison = "trailing_whitespace"
    stop_on_first_failure: bool = False
    """Cases after the first that does not pass are NOT_RUN."""
    checker: Checker | None = None
    language: str = "python"


@dataclass(frozen=True, slots=True)
class FunctionCase:
    """One call: the arguments, and what must come of it.

    Values are plain built-ins (None, bool, int, float, complex, str, bytes, list, tuple, dict, set,
    frozenset, nested at will). Give `expected`, or `raises`, or only `expected_args_after`.
    """

    args: Sequence[Any] = ()
    expected: Any = NOT_GIVEN
    """The value that must be returned."""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    raises: str | None = None
    """Name of the exception's class, or of one of its bases."""
    expected_args_after: Sequence[Any] | None = None
    """What `args` must be after the call, for functions that work in place."""
    weight: int = 1
    """1 to 10^6."""
    comparison: ValuePolicy | Comparison | None = None
    """Instead of the task's."""


@dataclass(frozen=True, slots=True)
class FunctionTask:
    """A function that is called with arguments."""

    source: str
    """The candidate's text."""
    entry_point: str
    """Name of the function, or "Class.method" for a method of an instance made without arguments."""
    cases: Sequence[FunctionCase]
    """1 to 10,000."""
    comparison: ValuePolicy | Comparison = "equal"
    stop_on_first_failure: bool = False
    """Cases after the first that does not pass are NOT_RUN."""
    fresh_process: bool = False
    """A process per case instead of one for the item."""
    language: str = "python"


@dataclass(frozen=True, slots=True)
class PythonTestCase:
    """Some of the tests."""

    source: str
    """Trusted; passes if it runs to its end without an exception."""
    weight: int = 1
    """1 to 10^6."""


@dataclass(frozen=True, slots=True)
class PythonTestTask:
    """Trusted Python tests of what the candidate defines, as HumanEval and MBPP have them.

    They run in a process of their own. What the candidate defines is called there by its name, and answers from the
    candidate's process with data; see docs/python-tests.md for what tests can do.
    """

    source: str
    """The candidate's text."""
    cases: Sequence[PythonTestCase]
    """1 to 10,000, executed in order in one namespace."""
    entry_points: Sequence[str] = ()
    """Names of the functions that come from the candidate; 1 to 100 with those of classes."""
    classes: Sequence[str] = ()
    """Names of the classes that come from the candidate."""
    prelude: str = ""
    """Trusted; runs first and defines every other name that the tests need: the prompt's helpers, imports."""
    stop_on_first_failure: bool = False
    """Cases after the first that does not pass are NOT_RUN."""
    language: str = "python"


@dataclass(frozen=True, slots=True)
class ProgramTask:
    """A program that is run and reported, not judged. Its verdict has no score."""

    source: str
    stdin: str | bytes = ""
    arguments: Sequence[str] = ()
    """At most 1,000, 128 KiB together."""
    language: str = "python"


@dataclass(frozen=True, slots=True)
class ExtensionTask:
    """A task of a kind that is not part of the contract."""

    kind: str
    """e.g. "example.org/sql"."""
    payload: bytes = b""


CodeTask: TypeAlias = StdioTask | FunctionTask | PythonTestTask | ProgramTask
Task: TypeAlias = CodeTask | DafnyTask | LeanTask | UnittestTask | VerilogTask | ExtensionTask


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on each run of an item. None is the verifier's default; see describe() for defaults and
    ceilings."""

    cpu_seconds: float | None = None
    """CPU time of all processes of the run together. Decides TIME_LIMIT."""
    wall_seconds: float | None = None
    """Time from the start of the run. A backstop for runs that sleep."""
    memory_bytes: int | None = None
    processes: int | None = None
    file_bytes: int | None = None
    """Size of one file."""
    disk_bytes: int | None = None
    """Size of all files."""
    open_files: int | None = None
    output_bytes: int | None = None
    """Standard output, and likewise standard error."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to be judged."""

    task: Task
    id: str = ""
    """1 to 256 bytes, unique in its batch. "" is replaced by one made from the item's place, e.g.
    "item-3"."""
    limits: Limits | None = None
    environment: str = ""
    """Name of a prepared set of packages (see describe()); "" is the default one."""
    cache: bool = True
    """False: judge anew even if a verdict on an identical item is known, and even beside one in the same
    batch."""
    require_assurance: Assurance | None = None
    """The least assurance accepted. None is what the call asks for."""
    deadline_seconds: float | None = None
    """From the start of the call, or, in a stream, from when the item was taken. Without a verdict by then
    the item's Result is a DEADLINE Failure."""

    @classmethod
    def from_json(cls, text: str | bytes) -> Item:
        """Read the protobuf JSON of an Item. Raises ItemFormatError, which names field and rule."""
        from basanite._json import item_from_json

        return item_from_json(text)

    def to_json(self) -> str:
        """Write the protobuf JSON of the Item, on one line; its deadline is not part of that. Raises
        ItemFormatError."""
        from basanite._json import item_to_json

        return item_to_json(self)
