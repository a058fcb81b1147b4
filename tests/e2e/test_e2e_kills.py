"""Items are judged truly while the server's own processes are killed at random, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

from e2e_kills import judge_under_fire


def test_items_are_judged_truly_while_processes_of_the_server_are_killed(doctor: str, folder: Path) -> None:
    judge_under_fire(150, 0.25, folder)
