"""What to do where this machine has no sandbox.

BASANITE_REQUIRE=sandbox (a comma-separated list) makes missing tools a failure instead of a skip.
"""

from __future__ import annotations

import os
import shutil

import pytest

REQUIRED = "sandbox" in os.environ.get("BASANITE_REQUIRE", "").split(",")


def unavailable(reason: str) -> None:
    """Skip the test, or fail it where the sandbox is required."""
    if REQUIRED:
        pytest.fail(f"{reason} (BASANITE_REQUIRE asks for the sandbox)")
    pytest.skip(reason)


def require_sandbox() -> None:
    if shutil.which("bwrap") is None:
        unavailable("bubblewrap is missing")
