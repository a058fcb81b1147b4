"""What tests of Verilog need."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from verilog_judge import Judge


@pytest.fixture(scope="session")
def iverilog() -> None:
    if shutil.which("iverilog") is None or shutil.which("vvp") is None:
        if "verilog" in os.environ.get("BASANITE_REQUIRE", "").split(","):
            pytest.fail("iverilog and vvp are not installed")
        pytest.skip("iverilog and vvp are not installed")


@pytest.fixture(scope="session")
def yosys(iverilog: None) -> None:
    if shutil.which("yosys") is None:
        if "verilog" in os.environ.get("BASANITE_REQUIRE", "").split(","):
            pytest.fail("yosys is not installed")
        pytest.skip("yosys is not installed")


@pytest.fixture(scope="session")
def verilator(iverilog: None) -> None:
    if shutil.which("verilator_bin") is None:
        if "verilator" in os.environ.get("BASANITE_REQUIRE", "").split(","):
            pytest.fail("verilator is not installed")
        pytest.skip("verilator is not installed")


@pytest.fixture(scope="module")
def judge(iverilog: None) -> Iterator[Judge]:
    """One a module: a pool belongs to one event loop."""
    made = Judge()
    yield made
    made.close()
