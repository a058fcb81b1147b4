"""Names of tests, as pytest ("tests/test_a.py::TestA::test_b[1]") and unittest ("test_a.TestA.test_b") have them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from basanite_services.chassis.verifier import InvalidItem

MAX_NAME = 2000
_UNITTEST = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def check_names(field: str, names: Sequence[str], *, is_pytest: bool) -> None:
    """Raises InvalidItem."""
    for number, name in enumerate(names):
        where = f"{field}[{number}]"
        if not 1 <= len(name) <= MAX_NAME:
            raise InvalidItem(where, f"must be 1 to {MAX_NAME} characters")
        if is_pytest:
            path = file_of(name)
            if path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
                raise InvalidItem(where, 'must be as pytest names it, e.g. "tests/test_a.py::test_b"')
        elif _UNITTEST.fullmatch(name) is None:
            raise InvalidItem(where, 'must be as unittest names it, e.g. "test_a.TestA.test_b"')
    if len(set(names)) < len(names):
        raise InvalidItem(field, "must not name a test twice")


def file_of(name: str) -> str:
    """Of pytest's name of a test."""
    return name.partition("::")[0]


def is_selected(name: str, selected: Collection[str], *, is_pytest: bool) -> bool:
    """Whether a selection names the test, or all of a parametrised test, class, file or module that it belongs to."""
    if name in selected:
        return True
    if is_pytest:
        base = name.partition("[")[0]
        parts = base.split("::")
        return any("::".join(parts[:length]) in selected for length in range(1, len(parts) + 1))
    parts = name.split(".")
    return any(".".join(parts[:length]) in selected for length in range(1, len(parts)))
