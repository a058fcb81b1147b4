"""`basanite verify`: items of a file in, results appended to another, resumable.

Every line gets exactly one result, under an id of its own: the item's, or "line-N" for an item without one and
for a line that is refused because its id came before. Verdicts of a former run are kept; what it could not judge,
and a last line that was cut off, is judged again.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, TypeAlias

from rich.console import Console
from rich.table import Table

from basanite._errors import CandidateRefused, ItemFormatError
from basanite._progress import progress
from basanite._results import Failure, FailureReason, Result
from basanite._run import rejected
from basanite._sync import Client
from basanite._tasks import Item

_MAX_ID_BYTES = 256
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_Write: TypeAlias = Callable[[Result], None]


class UnusableFile(Exception):
    """The results cannot be written where they should be. Says why."""


class FileVerification:
    """The items of a file that have no verdict in another one yet."""

    def __init__(self, file: Path, output: Path) -> None:
        """Reads and tidies `output`, if there is one. Raises OSError and UnusableFile."""
        self._file = file
        self._output = output
        self._summary = _Summary()
        with file.open("rb"):
            pass  # an error that belongs here, not after a server was started
        self._done = _keep_verdicts(file, output, self._summary)

    def run(self, client: Client, console: Console) -> bool:
        """Judge them. -> whether every item has a verdict. Raises OSError."""
        if self._done:
            console.print(f"{len(self._done)} verdicts of a former run are kept.")
        total = _count_lines(self._file)
        with (
            self._output.open("a", encoding="utf-8") as results,
            progress(console, "judged", total) as advance,
        ):
            lock = threading.Lock()  # the client reads the items in a thread of its own

            def write(result: Result) -> None:
                with lock:
                    results.write(result.to_json() + "\n")
                    results.flush()
                    self._summary.add(result)
                    advance(self._summary.count, total)

            with self._file.open("rb") as lines:
                for result in client.stream(_items(lines, self._done, write)):
                    write(result)
        self._summary.show(console)
        return not self._summary.failures


def _count_lines(file: Path) -> int | None:
    if not file.is_file():  # a pipe can be read once
        return None
    with file.open("rb") as lines:
        return sum(1 for line in lines if line.strip())


def _items(lines: IO[bytes], done: set[str], refuse: _Write) -> Iterator[Item]:
    """The items to send. A line that is none is refused on the spot, and so is an id that came before."""
    taken: set[str] = set()
    for number, line in enumerate(lines, 1):
        if number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line.strip():
            continue
        read: Item | ItemFormatError
        try:
            read = Item.from_json(line)
            given = read.id
        except ItemFormatError as error:
            read, given = error, _id_of(line)
        key = given or f"line-{number}"
        if key in taken:
            if given:
                read = ItemFormatError("id", f"must be unique in the file, but {given!r} came before")
            key = f"line-{number}"
            while key in taken:  # as the id of another line
                key += "+"
        taken.add(key)
        if key in done:
            continue
        if isinstance(read, Item):
            yield replace(read, id=key)
        else:
            refuse(_refused(key, number, read))


def _refused(key: str, number: int, error: ItemFormatError) -> Result:
    """The Result of a line that is not sent."""
    if isinstance(error, CandidateRefused):
        return Result(key, rejected(error))
    field = error.field or "item"
    message = f"line {number}: {field}: {error.rule}"
    return Result(key, failure=Failure(FailureReason.INVALID_ITEM, message, field, error.rule))


def _id_of(line: bytes) -> str:
    """The id in a line that is no item, "" if there is none that a result can have."""
    try:
        found = json.loads(line)["id"]
        if isinstance(found, str) and len(found.encode()) <= _MAX_ID_BYTES:
            return found
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    return ""


def _keep_verdicts(file: Path, output: Path, summary: _Summary) -> set[str]:
    """Read what a former run wrote; drop from it what must be judged again. -> ids that have a verdict"""
    if not output.exists():
        output.touch()
        return set()
    if output.samefile(file):
        raise UnusableFile(f"{output} holds the items; name another file for the results")
    if not output.is_file():  # e.g. /dev/stdout
        return set()
    done: set[str] = set()
    dropped: set[int] = set()
    whole = True
    with output.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            whole = line.endswith(b"\n")
            try:
                result = Result.from_json(line)
            except ItemFormatError as error:
                if whole:  # nobody's results: not ours to change
                    raise UnusableFile(
                        f"{output}: line {number} is no result ({error.rule}); name another file"
                    ) from error
                dropped.add(number)
                continue
            if result.verdict is None or result.id in done:
                dropped.add(number)
                continue
            done.add(result.id)
            summary.add(result)
    if dropped or not whole:
        scratch = output.with_name(f".{output.name}.kept")
        with output.open("rb") as lines, scratch.open("wb") as kept:
            for number, line in enumerate(lines, 1):
                if number not in dropped:
                    kept.write(line.removesuffix(b"\n") + b"\n")
        scratch.chmod(output.stat().st_mode & 0o7777)
        scratch.replace(output.resolve())
    return done


class _Summary:
    def __init__(self) -> None:
        self.count = 0
        self.failures = 0
        self._outcomes: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._scores: list[float] = []

    def add(self, result: Result) -> None:
        self.count += 1
        if result.verdict is None:
            self.failures += 1
            reason, message = "UNKNOWN", "nothing"
            if result.failure is not None:
                reason, message = result.failure.reason.name, result.failure.message
            self._outcomes[f"Failure {reason}"] += 1
            self._examples.setdefault(reason, f"{reason}, for example {result.id}: {message}")
            return
        self._outcomes[result.verdict.outcome.name] += 1
        if result.verdict.score is not None:
            self._scores.append(result.verdict.score)

    def show(self, console: Console) -> None:
        table = Table(title=f"{self.count} items")
        table.add_column("outcome")
        table.add_column("items", justify="right")
        for name, count in self._outcomes.most_common():
            table.add_row(name, str(count))
        console.print(table)
        if self._scores:
            mean = sum(self._scores) / len(self._scores)
            console.print(f"Mean score of {len(self._scores)} scored verdicts: {mean:.3f}")
        for example in self._examples.values():
            console.print(example, markup=False, highlight=False)
