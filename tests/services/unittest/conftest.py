"""One judge for all tests of this folder.

BASANITE_REQUIRE=sandbox (a comma-separated list) makes the absence of a sandbox a failure instead of a skip.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from unittest_judge import Judge

from basanite_sandboxes.spec import SandboxUnavailable


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    try:
        made = Judge()
    except SandboxUnavailable as error:
        if "sandbox" in os.environ.get("BASANITE_REQUIRE", "").split(","):
            pytest.fail(f"{error} (BASANITE_REQUIRE asks for sandbox)")
        pytest.skip(str(error))
    yield made
    made.close()
