"""Short ways to build items whose behaviour the fake server reads from their source."""

from __future__ import annotations

from typing import Any

from basanite import Item, StdioCase, StdioTask

CASES = (StdioCase("1\n", "1\n"),)


def item(script: str = "pass", item_id: str = "", **more: Any) -> Item:
    """An item that does as the script says; see fake_server."""
    return Item(StdioTask(script, CASES), id=item_id, **more)


def numbered(count: int, script: str = "pass") -> list[Item]:
    """Items that differ in their cases, so that none is like another."""
    return [Item(StdioTask(script, [StdioCase(str(n), str(n))]), id=f"n{n}") for n in range(count)]
