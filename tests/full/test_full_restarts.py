"""Two thousand items over a server that is killed four times meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_restarts import FORMS, judge_over_restarts

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


@pytest.mark.parametrize("transport", ["unix", "tcp"])
@pytest.mark.parametrize("form", FORMS)
def test_two_thousand_items_end_once_though_the_server_is_killed(
    doctor: str, folder: Path, transport: str, form: str
) -> None:
    judge_over_restarts(2_000, 4, folder, transport, form)
