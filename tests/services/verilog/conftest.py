"""What tests of Verilog need."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture
def iverilog() -> None:
    if shutil.which("iverilog") is None or shutil.which("vvp") is None:
        if "verilog" in os.environ.get("BASANITE_REQUIRE", "").split(","):
            pytest.fail("iverilog and vvp are not installed")
        pytest.skip("iverilog and vvp are not installed")
