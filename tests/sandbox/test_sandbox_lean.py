"""Which Lean is found, and what is said of one that cannot be used."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from basanite_sandboxes.lean import find_lean, search_path
from basanite_sandboxes.spec import SandboxUnavailable


def toolchain(folder: Path, version: str) -> Path:
    """What answers as one does."""
    (folder / "bin").mkdir(parents=True)
    (folder / "lib/lean").mkdir(parents=True)
    (folder / "lib/lean/libleanshared.so").touch()
    said = f"Lean (version {version}, x86_64-unknown-linux-gnu, commit {'0' * 40}, Release)"
    script = f'#!/bin/sh\ncase "$1" in --print-prefix) echo {folder};; *) echo "{said}";; esac\n'
    (folder / "bin/lean").write_text(script)
    (folder / "bin/lean").chmod(0o755)
    return folder


def test_another_version_is_refused_and_those_that_are_known_are_named(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match=r"is Lean 4\.9\.0; supported are 4\.35"):
        find_lean(str(toolchain(tmp_path / "old", "4.9.0")))


def test_what_is_no_toolchain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="does not say what it is"):
        find_lean(str(tmp_path / "nothing"))
    broken = toolchain(tmp_path / "broken", "4.35.0")
    (broken / "lib/lean/libleanshared.so").unlink()
    with pytest.raises(SandboxUnavailable, match="no Lean 4 toolchain"):
        find_lean(str(broken))


def test_a_toolchain_that_sandboxes_cannot_see_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="below /tmp"):
        find_lean(str(toolchain(tmp_path / "hidden", "4.35.0")))


def test_one_on_the_path_that_cannot_be_used_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{toolchain(tmp_path / 'old', '4.9.0') / 'bin'}:/usr/bin:/bin")
    find_lean.cache_clear()
    try:
        with contextlib.suppress(SandboxUnavailable):  # there is no wheel either
            assert not find_lean().official
    finally:
        find_lean.cache_clear()


def test_modules_of_a_workspace_and_its_packages_are_found(tmp_path: Path) -> None:
    own = tmp_path / ".lake/build/lib/lean"
    package = tmp_path / ".lake/packages/mathlib/.lake/build/lib/lean"
    old = tmp_path / ".lake/packages/old/.lake/build/lib"
    for folder in (own, package, old):
        folder.mkdir(parents=True)
    assert search_path(tmp_path) == (own, package, old)
    assert search_path(own) == (own,)
