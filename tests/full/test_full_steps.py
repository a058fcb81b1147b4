"""A step as large as GRPO's gets the rewards of a quiet machine while its cells are killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_steps import FORMS, score_under_fire

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


@pytest.mark.parametrize("form", FORMS)
def test_a_step_of_a_thousand_rows_gets_the_rewards_of_a_quiet_machine_while_its_cells_are_killed(
    doctor: str, folder: Path, form: str
) -> None:
    score_under_fire(form, 1_024)
