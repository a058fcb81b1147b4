"""`basanite doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from basanite_sandboxes.doctor import Check


def show_doctor(console: Console) -> bool:
    """Print what was found. -> whether this machine can judge programs"""
    # The one place where the client looks into the sandboxes, and only when asked to.
    from basanite_sandboxes.doctor import examine, try_sandbox

    checks = examine()
    sandbox, isolation = asyncio.run(try_sandbox())
    checks.append(sandbox)
    console.print(_table(checks))
    if isolation is not None:
        namespaces = ", ".join(isolation.namespaces) or "none"
        console.print(
            f"In force: {isolation.runtime} runtime, {isolation.profile} profile; namespaces {namespaces}; "
            f"system-call filter; memory by {isolation.memory_control}; CPU time by {isolation.cpu_accounting}."
        )
        for weakness in isolation.weaknesses:
            console.print(f"Weaker than it could be: {weakness}")
    works = all(check.works for check in checks if check.needed)
    console.print("This machine can judge programs." if works else "This machine cannot judge programs yet.")
    return works


def _table(checks: Iterable[Check]) -> Table:
    table = Table(title="basanite doctor")
    table.add_column("")
    table.add_column("")
    table.add_column("found", overflow="fold")
    table.add_column("to do", overflow="fold")
    for check in checks:
        state = "[green]ok" if check.works else "[red]missing" if check.needed else "[yellow]weaker"
        table.add_row(check.name, state, check.found, "" if check.works else check.remedy)
    return table
