"""Judging cases through the public client: each candidate beside honest neighbours, and before others."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance_cases import HERE, LOSE, Case, load_theme

from basanite import Client, Item, Outcome, Result

LANES = 3
"""Cases judged at one time."""
PATIENCE_SECONDS = 100.0
"""A verdict must be there by then."""
MAX_RESULT_CHARACTERS = 8 << 20
"""Of a result as JSON, whatever the candidate printed or returned."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A property that did not hold."""

    case: Case
    way: str
    flaw: str

    def __str__(self) -> str:
        return f"{self.case.theme}: {self.case.name} ({self.way}): {self.flaw}"


def embedded(lanes: int, environments: Path | None) -> Client:
    """A server of our own, with a sandbox a lane and one for the neighbour. Raises LocalServerFailed."""
    settings = {"cells": str(lanes + 1)}
    if environments is not None:
        settings["environments_dir"] = str(environments)
    return Client.local(settings=settings)


def flaw_of(case: Case, result: Result) -> str | None:
    """What is wrong with the result of this case, or None."""
    verdict = result.verdict
    if verdict is None:
        assert result.failure is not None
        return f"a Failure instead of a verdict: {result.failure.reason}, {result.failure.message}"
    if len(result.to_json()) > MAX_RESULT_CHARACTERS:
        return "the result is too large"
    passed = [number for number, one in enumerate(verdict.cases) if one.outcome is Outcome.PASSED]
    if case.must == LOSE:
        if verdict.score or passed or verdict.outcome is Outcome.PASSED:
            return f"it scored {verdict.score}, with cases {passed} passed"
        if verdict.score is None and case.form != "program":
            return "it has no score"
        return None
    if verdict.score == 1 and verdict.outcome is Outcome.PASSED and len(passed) == len(verdict.cases):
        return None
    return f"{verdict.outcome} instead of passed: {_first_trouble(result)}"


def _first_trouble(result: Result) -> str:
    assert result.verdict is not None
    for number, one in enumerate(result.verdict.cases):
        if one.outcome is not Outcome.PASSED:
            stderr = one.output.stderr[-300:].decode(errors="replace") if one.output else ""
            got = one.output.stdout[:200] if one.output else one.returned_json
            return f"case {number}, {one.message}, {got!r}, {stderr!r}"
    return "every case passed"


class Judging:
    """Judges cases in `lanes` at one time. Beside them an honest neighbour is always being judged; after each
    candidate that must lose, its lane judges an honest one, which a server with lanes + 1 sandboxes runs in the
    sandbox that the candidate has just left."""

    def __init__(self, client: Client, lanes: int) -> None:
        self._client = client
        self._lanes = lanes
        self._lock = threading.Lock()
        self._running: set[Case] = set()
        self._suspects: set[Case] = set()
        self._findings: list[Finding] = []
        self._error: BaseException | None = None
        honest = {case.name: case for case in load_theme(HERE / "neighbours.toml")}
        self._beside = honest.pop("beside")
        self._after = list(honest.values())

    def __call__(
        self, cases: Iterable[Case], judged: Callable[[Case], None] = lambda case: None
    ) -> Sequence[Finding]:
        """-> what did not hold. `judged` is called after each case, in one thread at a time. Raises what the client
        raises."""
        waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
        for case in cases:
            waiting.put(case)
        done = threading.Event()

        def lane() -> None:
            while self._error is None:
                try:
                    case = waiting.get_nowait()
                except queue.Empty:
                    return
                self._judge(case)
                with self._lock:
                    judged(case)

        def neighbours() -> None:
            while not done.is_set() and self._error is None:
                self._judge_neighbour()

        beside = self._start(neighbours)
        lanes = [self._start(lane) for _ in range(self._lanes)]
        try:
            for thread in lanes:
                thread.join()
        finally:
            done.set()
            beside.join()
        if self._error is not None:
            raise self._error
        return self._findings

    def _start(self, work: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                work()
            except BaseException as error:
                self._error = error

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread

    def _judge(self, case: Case) -> None:
        with self._lock:
            self._running.add(case)
            self._suspects.add(case)
        for way, item in case.items().items():
            self._find(case, way, flaw_of(case, self._verify(item)))
            if case.must == LOSE:
                for honest in self._after:
                    after = next(iter(honest.items().values()))
                    flaw = flaw_of(honest, self._verify(after))
                    self._find(case, way, flaw and f"hurt the honest {honest.name} after it: {flaw}")
        with self._lock:
            self._running.remove(case)

    def _judge_neighbour(self) -> None:
        with self._lock:
            self._suspects = set(self._running)
        flaw = flaw_of(self._beside, self._verify(next(iter(self._beside.items().values()))))
        with self._lock:
            suspects = list(self._suspects)
        for case in suspects:
            self._find(case, "as one", flaw and f"hurt, or another did, an honest one beside it: {flaw}")

    def _find(self, case: Case, way: str, flaw: str | None) -> None:
        if flaw is not None:
            with self._lock:
                self._findings.append(Finding(case, way, flaw))

    def _verify(self, item: Item) -> Result:
        return self._client.verify(item, deadline_seconds=PATIENCE_SECONDS)
