"""What is made once and kept where cells can see it: outside of /tmp, which is each run's own, and open to every
user."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from basanite_sandboxes.spec import SandboxUnavailable


def kept_directory(
    name: str, parts: Sequence[bytes], make: Callable[[Path], None], base: Path | None = None
) -> Path:
    """The directory that `make` filled, once for these parts. `base`: where it lies, by default with all others. Raises
    SandboxUnavailable."""
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "big") + part)
    base = base or cache_directory()
    wanted = base / f"{name}-{state.hexdigest()[:24]}"
    if _is_ours(wanted):
        return wanted
    try:
        base.mkdir(mode=0o755, parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=base))
    except OSError as error:
        raise SandboxUnavailable(f"{base} cannot be written to: {error.strerror}") from None
    try:
        make(scratch)
        scratch.chmod(0o755)
        scratch.rename(wanted)
    except OSError:
        if not _is_ours(wanted):  # else another process was faster
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return wanted


def is_visible(place: Path) -> bool:
    """Whether cells can see a directory at its own path."""
    place = place.resolve()
    if place.is_relative_to("/tmp"):
        return False
    return all(parent.stat().st_mode & 0o001 for parent in (place, *place.parents))


def cache_directory() -> Path:
    if os.geteuid() == 0:
        return Path("/var/cache/basanite")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "basanite"


def _is_ours(path: Path) -> bool:
    """Nobody else can have written it."""
    try:
        return all(
            entry.stat().st_uid == os.geteuid() and not entry.stat().st_mode & 0o022
            for entry in (path, path.parent)
        )
    except OSError:
        return False
