"""One judge for all tests of this folder.

BASANITE_REQUIRE=dafny (a comma-separated list) makes the absence of Dafny, or of a sandbox, a failure instead of a
skip.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from dafny_judge import Judge

from basanite_sandboxes.spec import SandboxUnavailable
from basanite_services.chassis.verifier import ToolchainError


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    try:
        made = Judge()
    except (SandboxUnavailable, ToolchainError) as error:
        if {"dafny", "sandbox"} & {*os.environ.get("BASANITE_REQUIRE", "").split(",")}:
            pytest.fail(f"{error} (BASANITE_REQUIRE asks for it)")
        pytest.skip(str(error))
    yield made
    made.close()
