"""From an answer and a row of the data set to an Item."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from basanite._errors import ConfigurationError
from basanite._results import Assurance, Failure, FailureReason
from basanite._tasks import Item, Limits, Task

ItemBuilder: TypeAlias = Callable[[str, Mapping[str, Any]], Item | Failure]
"""From the answer and its row to what is sent, or why it cannot be."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the data set, and how a value of it becomes what the task's field takes."""

    name: str
    read: Callable[[Any], Any] | None = None
    """Raises ValueError for what it cannot read: an INVALID_ITEM Failure of that row."""


class Items:
    """Makes Items of one form of task."""

    def __init__(
        self,
        task: type[Task],
        *,
        answer: str = "source",
        limits: Limits | None = None,
        environment: str = "",
        cache: bool = True,
        require_assurance: Assurance | None = None,
        **fields: Any,
    ) -> None:
        """task: the class, e.g. StdioTask.
        answer: the task's field that takes the answer.
        limits, environment, cache, require_assurance: of every Item.
        fields: what the other fields of the task are, a Column or the same value for all rows.

        Raises ConfigurationError if the task has no such field, or one that it needs is missing.
        """
        known = {field.name: field for field in dataclasses.fields(task)}
        needed = {
            name
            for name, field in known.items()
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        }
        given = {answer, *fields}
        if answer in fields:
            raise ConfigurationError(f"{task.__name__}.{answer} takes the answer, and can be nothing else")
        if unknown := sorted(given - set(known)):
            raise ConfigurationError(
                f"{task.__name__} has no field {', '.join(unknown)}; it has {', '.join(known)}"
            )
        if missing := sorted(needed - given):
            raise ConfigurationError(
                f"{task.__name__} needs {', '.join(missing)}: say e.g. {missing[0]}=Column({missing[0]!r})"
            )
        self._task = task
        self._answer = answer
        self._fixed = {name: value for name, value in fields.items() if not isinstance(value, Column)}
        self._columns = {name: value for name, value in fields.items() if isinstance(value, Column)}
        self._limits = limits
        self._environment = environment
        self._cache = cache
        self._require_assurance = require_assurance

    def __call__(self, answer: str, row: Mapping[str, Any]) -> Item | Failure:
        """The Item, or an INVALID_ITEM Failure if the row's value cannot be read.

        Raises ConfigurationError if the data set has no such column.
        """
        fields: dict[str, Any] = {self._answer: answer, **self._fixed}
        for name, column in self._columns.items():
            if column.name not in row:
                have = ", ".join(sorted(row)) or "none"
                raise ConfigurationError(f"the data set has no column {column.name!r}; it has: {have}")
            value = row[column.name]
            try:
                fields[name] = value if column.read is None else column.read(value)
            except ValueError as error:
                return Failure(
                    FailureReason.INVALID_ITEM, f"column {column.name!r}: {error}", column.name, str(error)
                )
        return Item(
            self._task(**fields),
            limits=self._limits,
            environment=self._environment,
            cache=self._cache,
            require_assurance=self._require_assurance,
        )
