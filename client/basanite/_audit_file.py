"""`basanite verilog audit`: tasks of a file in, what their checks are worth out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from basanite._errors import ItemFormatError
from basanite._tasks import Item
from basanite.verilog import NotAuditable, StubAudit, Survivor, TaskAudit
from basanite.verilog._audit import form_of

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_EXAMPLES = 3
"""Survivors of a task that are shown."""


class UnusableTasks(Exception):
    """A line is no task that can be audited. Says which and why."""


def read_tasks(file: Path) -> list[Item]:
    """The items of a file, each with an id. Raises OSError and UnusableTasks."""
    items = []
    for number, line in enumerate(file.read_bytes().removeprefix(_BYTE_ORDER_MARK).split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            item = Item.from_json(line)
            form_of(item)
        except ItemFormatError as error:
            raise UnusableTasks(f"{file}: line {number}: {error.field or 'item'}: {error.rule}") from None
        except NotAuditable as error:
            raise UnusableTasks(f"{file}: line {number}: {error}") from None
        items.append(Item(item.task, item.id or f"line-{number}", item.limits, item.environment))
    if not items:
        raise UnusableTasks(f"{file} holds no items")
    return items


def to_json(audit: TaskAudit) -> str:
    """On one line."""
    return json.dumps(
        {
            "id": audit.id,
            "form": audit.form,
            "good": audit.good.name if audit.good is not None else None,
            "sound": audit.sound,
            "problem": audit.problem,
            "remarks": list(audit.remarks),
            "vacuous": audit.vacuous,
            "stubs": [
                {"stub": stub.stub, "passes": stub.passes, "differs": stub.differs} for stub in audit.stubs
            ],
            "mutants": audit.mutants,
            "wrong_mutants": audit.wrong_mutants,
            "not_judged": audit.not_judged,
            "detection_rate": audit.detection_rate,
            "survivors": [_survivor_json(survivor) for survivor in audit.survivors],
        },
        ensure_ascii=False,
    )


def _survivor_json(survivor: Survivor) -> dict[str, Any]:
    mutant = survivor.mutant
    return {
        "file": survivor.file,
        "line": mutant.line,
        "operator": mutant.operator,
        "before": mutant.before,
        "after": mutant.after,
        "differs": survivor.differs,
        "proven_equal": survivor.proven_equal,
    }


def show(audits: Sequence[TaskAudit], console: Console) -> None:
    """A table of the tasks, and below it what is wrong with them."""
    table = Table(title=f"{len(audits)} tasks")
    table.add_column("task", overflow="fold")
    table.add_column("form")
    table.add_column("good design")
    table.add_column("stubs that pass", overflow="fold")
    table.add_column("mutants rejected", justify="right")
    for audit in audits:
        table.add_row(
            Text(audit.id),
            audit.form,
            audit.good.name if audit.good is not None else "not judged",
            Text(", ".join(map(_stub_name, filter(_passes, audit.stubs)))),
            f"{audit.rejected} of {audit.wrong_mutants}" if audit.mutants else "",
        )
    console.print(table)
    for audit in audits:
        for line in _remarks(audit):
            console.print(f"{audit.id}: {line}", markup=False, highlight=False, soft_wrap=True)
    rejected = sum(audit.rejected for audit in audits)
    total = sum(audit.wrong_mutants for audit in audits)
    equal = sum(audit.mutants for audit in audits) - total
    vacuous = sum(audit.vacuous for audit in audits)
    unsound = sum(not audit.sound for audit in audits) - vacuous
    console.print(
        f"{rejected} of {total} mutants rejected; {vacuous} vacuous checks, {unsound} with other trouble."
    )
    if equal:
        console.print(f"{equal} more mutants are proven to be as right as the good design.")
    if total > rejected:
        console.print("A mutant that survives may be as right as the good design, but for those that differ.")


def _passes(stub: StubAudit) -> bool:
    return bool(stub.passes)


def _stub_name(stub: StubAudit) -> str:
    return stub.stub if stub.shows_vacuous else f"({stub.stub})"


def _remarks(audit: TaskAudit) -> list[str]:
    lines = []
    if audit.problem:
        lines.append(audit.problem)
    if audit.vacuous:
        lines.append(f"VACUOUS: a design passes that is {', '.join(audit.vacuous_stubs)}")
    lines += audit.remarks
    missed = (survivor for survivor in audit.survivors if not survivor.proven_equal)
    worst = sorted(missed, key=lambda survivor: survivor.differs is not True)
    for survivor in worst[:_EXAMPLES]:
        mutant = survivor.mutant
        known = {True: ", and differs", False: ", no difference found", None: ""}[survivor.differs]
        change = (
            f"{mutant.before!r} became {mutant.after!r}" if mutant.after else f"without {mutant.before!r}"
        )
        lines.append(f"passes{known}: {survivor.file}:{mutant.line}: {mutant.operator}, {change}")
    if audit.not_judged:
        lines.append(f"{audit.not_judged} mutants could not be judged")
    return lines
