"""One judge for all tests of this folder.

BASANITE_REQUIRE=lean (a comma-separated list) makes the absence of Lean, or of a sandbox, a failure instead of a skip.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from lean_judge import Judge

from basanite_sandboxes.kept import cache_directory
from basanite_sandboxes.lean import Lean, find_lean
from basanite_sandboxes.spec import SandboxUnavailable
from basanite_services.chassis.verifier import ToolchainError
from basanite_services.lean import judging, library


def _missing(error: Exception) -> None:
    if {"lean", "sandbox"} & {*os.environ.get("BASANITE_REQUIRE", "").split(",")}:
        pytest.fail(f"{error} (BASANITE_REQUIRE asks for it)")
    pytest.skip(str(error))


@pytest.fixture(scope="session", autouse=True)
def _headers() -> Iterator[None]:
    """What is kept of libraries does not outlive the tests."""
    cache_directory().mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="test-headers-", dir=cache_directory()))
    place.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        for module in (library, judging):
            patch.setattr(module, "headers_directory", lambda: place)
        yield
    shutil.rmtree(place)


@pytest.fixture(scope="session")
def lean() -> Lean:
    try:
        return find_lean()
    except SandboxUnavailable as error:
        _missing(error)
        raise


@pytest.fixture(scope="session")
def judge(lean: Lean) -> Iterator[Judge]:
    try:
        made = Judge()
    except (SandboxUnavailable, ToolchainError) as error:
        _missing(error)
        raise
    yield made
    made.close()
