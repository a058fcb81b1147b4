"""`basanite verify`: items of a file in, results appended to another, resumable.

An item without an id gets "line-N", so that a second run knows it again. Results of a former run are kept,
except Failures that may be retried and a last line that was cut off.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, TypeAlias

from rich.console import Console
from rich.table import Table

from basanite._errors import ItemFormatError
from basanite._progress import progress
from basanite._results import Failure, FailureReason, Result
from basanite._sync import Client
from basanite._tasks import Item

_Write: TypeAlias = Callable[[Result], None]


def verify_file(client: Client, file: Path, output: Path, console: Console) -> bool:
    """Judge the items of `file` that `output` does not have yet. -> whether every item has a verdict"""
    summary = _Summary()
    done = _keep_finished(output, summary)
    if done:
        console.print(f"{len(done)} results of a former run are kept.")
    total = sum(1 for line in file.open("rb") if line.strip())
    with output.open("a", encoding="utf-8") as results, progress(console, "judged", total) as advance:
        lock = threading.Lock()  # the client reads the items in a thread of its own

        def write(result: Result) -> None:
            with lock:
                results.write(result.to_json() + "\n")
                results.flush()
                summary.add(result)
                advance(summary.count, total)

        with file.open("rb") as lines:
            for result in client.stream(_items(lines, done, write)):
                write(result)
    console.print(summary.table())
    return not summary.failures


def _items(lines: IO[bytes], done: set[str], refuse: _Write) -> Iterator[Item]:
    """The items to send. A line that is none is refused on the spot, and so is an id that came before."""
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fallback = f"line-{number}"
        try:
            item = Item.from_json(line)
        except ItemFormatError as error:
            item_id = _id_of(line) or fallback
            if item_id not in done:
                refuse(_invalid(item_id, error.field, f"{error.rule} (line {number})"))
            continue
        item = replace(item, id=item.id or fallback)
        if item.id in seen:
            refuse(_invalid(item.id, "id", f"must be unique in the file; line {number} repeats it"))
            continue
        seen.add(item.id)
        if item.id not in done:
            yield item


def _invalid(item_id: str, field: str, rule: str) -> Result:
    failure = Failure(FailureReason.INVALID_ITEM, f"{field} {rule}", field, rule, retryable=False)
    return Result(item_id, failure=failure)


def _id_of(line: bytes) -> str | None:
    try:
        found = json.loads(line)["id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def _keep_finished(output: Path, summary: _Summary) -> set[str]:
    """Read what a former run wrote; drop from the file what must be judged again. -> ids that are finished"""
    if not output.exists():
        return set()
    kept, dropped, done = [], False, set()
    for line in output.read_bytes().splitlines():
        try:
            result = Result.from_json(line)
        except ItemFormatError:
            dropped = True
            continue
        if result.failure is not None and result.failure.retryable:
            dropped = True
            continue
        kept.append(line)
        done.add(result.id)
        summary.add(result)
    if dropped or (kept and not output.read_bytes().endswith(b"\n")):
        scratch = output.with_name(f".{output.name}.{os.getpid()}")
        scratch.write_bytes(b"".join(line + b"\n" for line in kept))
        scratch.replace(output)
    return done


class _Summary:
    def __init__(self) -> None:
        self.count = 0
        self.failures = 0
        self._outcomes: Counter[str] = Counter()
        self._scores: list[float] = []

    def add(self, result: Result) -> None:
        self.count += 1
        if result.verdict is None:
            self.failures += 1
            reason = result.failure.reason.name if result.failure else "UNKNOWN"
            self._outcomes[f"Failure {reason}"] += 1
            return
        self._outcomes[result.verdict.outcome.name] += 1
        if result.verdict.score is not None:
            self._scores.append(result.verdict.score)

    def table(self) -> Table:
        table = Table(title=f"{self.count} items")
        table.add_column("outcome")
        table.add_column("items", justify="right")
        for name, count in self._outcomes.most_common():
            table.add_row(name, str(count))
        if self._scores:
            mean = sum(self._scores) / len(self._scores)
            table.caption = f"mean score of {len(self._scores)} scored verdicts: {mean:.3f}"
        return table
