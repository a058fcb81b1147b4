"""Rules of the parts of a DafnyTask."""

from __future__ import annotations

from basanite_services.chassis.verifier import InvalidItem, TaskFault
from basanite_services.dafny.declarations import Program, read_program
from basanite_services.dafny.guard import refusals
from basanite_services.dafny.hints import without_hints
from basanite_services.dafny.tokens import SourceError

MAX_BYTES = 1 << 20
MAX_DECLARATIONS = 1_000


def trusted(field: str, text: str) -> Program:
    """Raises InvalidItem, TaskFault."""
    if not text.strip():
        raise InvalidItem(field, "must not be empty")
    if len(text.encode()) > MAX_BYTES:
        raise InvalidItem(field, f"must be at most {MAX_BYTES} bytes")
    try:
        program = read_program(text)
        refusals(program)
        without_hints(program.source.tokens)
    except SourceError as error:
        raise TaskFault(field, f"{field}: line {error.line}: {error.message}") from None
    if sum(1 for _ in program.all()) > MAX_DECLARATIONS:
        raise InvalidItem(field, f"must have at most {MAX_DECLARATIONS} declarations")
    return program


def candidates(text: str) -> Program:
    """Raises SourceError."""
    if len(text.encode()) > MAX_BYTES:
        raise SourceError(f"it has {len(text.encode())} bytes, at most {MAX_BYTES} are taken", 0, 0)
    program = read_program(text)
    if not program.declarations:
        raise SourceError("it declares nothing", 0, 0)
    if sum(1 for _ in program.all()) > MAX_DECLARATIONS:
        raise SourceError(f"it has more than {MAX_DECLARATIONS} declarations", 0, 0)
    return program
