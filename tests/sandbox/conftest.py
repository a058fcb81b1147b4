"""Pools to test, one of each variant a module."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sandbox_box import CANARY, REDUCED, VARIANTS, Box, LocalBox, Variant, WorkerBox
from sandbox_life import census
from sandbox_needs import require_sandbox, unavailable
from sandbox_reduced import NOT_WHERE_REDUCED

from basanite_sandboxes.spec import SandboxUnavailable

_LATER = {
    "test_sandbox_limits": (),
    "test_sandbox_load": ("fallback", "no-cgroups", "reduced"),
    "test_sandbox_losses": ("fallback", "no-cgroups"),
    "test_sandbox_masking": (),
    "test_sandbox_tools": ("fallback", "no-cgroups"),
}
"""Variants that run with `make test-full` alone; of all other modules it is "no-cgroups"."""


@pytest.fixture(scope="session", autouse=True)
def _surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is written to the user's cache; the service's environment holds what no candidate may see."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("BASANITE_TEST_SECRET", CANARY)
        yield


@pytest.fixture
def _nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    require_sandbox()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where nobody else leaves anything
    gc.collect()  # event loops and channels of other tests hold descriptors until they are collected
    before = census()
    yield
    gc.collect()
    after = census()
    assert {name: (before[name], after[name]) for name in before if after[name] != before[name]} == {}


@pytest.fixture(params=VARIANTS[:3], ids=lambda variant: variant.name)
def variant(request: pytest.FixtureRequest) -> Variant:
    return request.param


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        parameters = getattr(item, "callspec", None)
        values = parameters.params.values() if parameters is not None else ()
        if any(isinstance(value, Variant) and value.isolation == "reduced" for value in values):
            reason = NOT_WHERE_REDUCED.get(getattr(item, "originalname", ""))
            if reason is not None:
                item.add_marker(pytest.mark.skip(reason=reason))
        # What these are about hardly depends on the variant: one or two of them are enough each time.
        later = _LATER.get(item.path.stem, ("no-cgroups",))
        if any(isinstance(value, Variant) and value.name in later for value in values):
            item.add_marker(pytest.mark.full)


def open_box(variant: Variant, home: Path) -> Box:
    if variant.isolation != "reduced":
        require_sandbox()
    if variant.isolation == "reduced" and os.geteuid() != 0:
        pytest.skip("not root: without namespaces there would be no other users")
    if variant.library and shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("no C compiler: the fallback is what this machine has")
    if variant.uid is not None:
        if os.geteuid() != 0:
            pytest.skip("not root: the other variants are unprivileged already")
        probe = [sys.executable, "-c", "import basanite_sandboxes.process"]
        try:
            works = (
                subprocess.run(probe, user=variant.uid, group=variant.uid, cwd="/", check=False).returncode
                == 0
            )
        except PermissionError:  # below /root
            works = False
        if not works:
            pytest.skip("other users cannot read this interpreter or this checkout")
    try:
        return LocalBox(variant) if variant.uid is None else WorkerBox(variant, home)
    except SandboxUnavailable as error:
        unavailable(str(error))
        raise


def _boxes(variants: tuple[Variant, ...]) -> Callable[[pytest.FixtureRequest], Iterator[Box]]:
    @pytest.fixture(scope="module", params=variants, ids=lambda variant: variant.name)
    def box(request: pytest.FixtureRequest) -> Iterator[Box]:
        # Not below pytest's own directory: that is closed to other users.
        with tempfile.TemporaryDirectory(prefix="basanite-test-") as directory:
            Path(directory).chmod(0o755)
            made = open_box(request.param, Path(directory) / "home")
            yield made
            made.close()

    return box


box = _boxes(VARIANTS)
local_box = _boxes(tuple(variant for variant in VARIANTS if variant.uid is None))
"""Only those whose pool lives in this process, for tests that look at it."""
fewer_box = _boxes((VARIANTS[0], VARIANTS[2]))
"""With and without cgroups, for tests that take long."""
compiled_box = _boxes(VARIANTS[:1])
reduced_box = _boxes((REDUCED,))
"""Without namespaces."""


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """Compiles a C program to a static executable."""
    compiler = shutil.which("gcc")
    known: dict[str, bytes] = {}

    def compile_(source: str) -> bytes:
        if compiler is None:
            pytest.skip("gcc is missing")
        if source not in known:
            directory = tmp_path_factory.mktemp("native")
            (directory / "main.c").write_text(source)
            command = [compiler, "-static", "-O1", "-w", "-o", "main", "main.c"]
            subprocess.run(command, cwd=directory, check=True)
            known[source] = (directory / "main").read_bytes()
        return known[source]

    return compile_
