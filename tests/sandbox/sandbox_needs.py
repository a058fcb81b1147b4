"""What to do where this machine has no sandbox.

BASANITE_REQUIRE=sandbox (a comma-separated list) makes missing tools a failure instead of a skip.
"""

from __future__ import annotations

import os
import shutil

import pytest

REQUIRED = os.environ.get("BASANITE_REQUIRE", "").split(",")


def unavailable(reason: str, tool: str = "sandbox") -> None:
    """Skip the test, or fail it where the tool is required."""
    if tool in REQUIRED:
        pytest.fail(f"{reason} (BASANITE_REQUIRE asks for {tool})")
    pytest.skip(reason)


def require_sandbox() -> None:
    if shutil.which("bwrap") is None:
        unavailable("bubblewrap is missing")
