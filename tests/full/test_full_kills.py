"""Ten thousand items are judged truly while the server's own processes are killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_kills import judge_under_fire

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]


def test_ten_thousand_items_are_judged_truly_while_processes_are_killed(doctor: str, folder: Path) -> None:
    judge_under_fire(10_000, 1.0, folder)
