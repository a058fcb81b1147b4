"""Rules of the parts of a LeanTask. Each check raises InvalidItem with the field's path and the rule."""

from __future__ import annotations

from collections.abc import Sequence

from basanite.v1 import tasks_pb2
from basanite_services.chassis.verifier import InvalidItem
from basanite_services.lean.index import Name
from basanite_services.lean.terms import read_name

STANDARD: frozenset[Name] = frozenset({("propext",), ("Quot", "sound"), ("Classical", "choice")})
MAX_TRUSTED_BYTES = 4 << 20
MAX_SOLUTION_BYTES = 1 << 20
MAX_TARGETS = 1_000
MAX_AXIOMS = 100
MAX_WEIGHT = 1_000_000


def allowed_axioms(task: tasks_pb2.LeanTask) -> frozenset[Name]:
    if not task.HasField("allowed_axioms"):
        return STANDARD
    names = task.allowed_axioms.names
    if len(names) > MAX_AXIOMS:
        raise InvalidItem("lean.allowed_axioms.names", f"must be at most {MAX_AXIOMS}")
    found = set()
    for number, text in enumerate(names):
        try:
            found.add(read_name(text))
        except ValueError as error:
            raise InvalidItem(
                f"lean.allowed_axioms.names[{number}]", f"must be a name, e.g. propext: {error}"
            ) from None
    if ("sorryAx",) in found:
        raise InvalidItem("lean.allowed_axioms.names", "must not allow sorryAx, which is sorry")
    return frozenset(found)


def trusted(field: str, *texts: str) -> None:
    if sum(len(text.encode()) for text in texts) > MAX_TRUSTED_BYTES:
        raise InvalidItem(field, f"must be at most {MAX_TRUSTED_BYTES} bytes")


def targets(field: str, names: Sequence[str]) -> tuple[str, ...]:
    if len(names) > MAX_TARGETS:
        raise InvalidItem(field, f"must be at most {MAX_TARGETS}")
    return tuple(names)


def too_long(*texts: str) -> str:
    """What is wrong with a candidate's text; empty: nothing."""
    size = sum(len(text.encode()) for text in texts)
    return f"it has {size} bytes, at most {MAX_SOLUTION_BYTES} are taken" if size > MAX_SOLUTION_BYTES else ""
