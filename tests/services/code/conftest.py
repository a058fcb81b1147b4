"""One pool a module: a pool belongs to one event loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from code_judge import Judge


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    made = Judge()
    yield made
    made.close()
