"""`basanite env import`: an exported container image as an environment, its own interpreter included."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from pathlib import Path, PurePosixPath

from basanite_services.chassis.archive import BadArchive, unpack_image
from basanite_services.chassis.environments import IMAGE, BadEnvironment
from basanite_services.environments.build import place_for

_PYTHONS = (
    "/opt/miniconda3/envs/testbed/bin/python",
    "/testbed/.venv/bin/python",
    "/opt/venv/bin/python",
    "/usr/local/bin/python3",
    "/usr/local/bin/python",
    "/usr/bin/python3",
    "/usr/bin/python",
)
"""Where SWE-bench's images have theirs, R2E-Gym's, the official Python images, distributions."""
_LONGEST_CHAIN = 40


def import_image(
    directory: Path, name: str, archive: Path, python: str, owner: int | None
) -> tuple[Path, str]:
    """-> (the environment's directory, the interpreter). `python`: its path in the image, "" to look for it. `owner`:
    the user of the cells, None: ourselves.

    Blocks. Raises BadEnvironment: a bad name, one that is there already, an archive that is none of an image.
    """
    target = place_for(directory, name)
    if target.exists():
        raise BadEnvironment(f"{target} is there already: choose another name, or remove it")
    try:
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadEnvironment(f"{archive} cannot be read: {error.strerror}") from None
    directory.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".import-", dir=directory))
    try:
        root = made / "root"
        root.mkdir()
        try:
            unpack_image(archive, root)
        except BadArchive as error:
            raise BadEnvironment(f"{archive} must {error}") from None
        for folder in ("dev", "proc", "tmp"):
            if (root / folder).is_symlink() or (root / folder).is_file():
                (root / folder).unlink()
            (root / folder).mkdir(exist_ok=True)
        python = _interpreter(root, python)
        _hand_over(root, owner)
        about = {"python": python, "digest": digest}
        (made / IMAGE).write_text(json.dumps(about, indent=2) + "\n")
        made.chmod(0o755)
        made.rename(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target, python


def _interpreter(root: Path, python: str) -> str:
    for name in (python,) if python else _PYTHONS:
        found = resolve(root, name)
        if found is not None and found.is_file() and found.stat().st_mode & 0o111:
            return name
    if python:
        raise BadEnvironment(f"the image has no program {python}")
    raise BadEnvironment(
        f"no Python was found in the image, at none of {', '.join(_PYTHONS)}: say --python PATH"
    )


def resolve(root: Path, name: str) -> Path | None:
    """Where a path of an image lies, symbolic links followed within its root."""
    left, done = list(PurePosixPath(name).parts[1:]), root
    for _ in range(_LONGEST_CHAIN):
        while left:
            part = left.pop(0)
            if part == "..":
                done = done.parent if done != root else root
                continue
            here = done / part
            if here.is_symlink():
                target = PurePosixPath(os.readlink(here))
                left = [*(target.parts[1:] if target.is_absolute() else target.parts), *left]
                done = root if target.is_absolute() else done
                break
            done = here
        else:
            return done if done.exists() else None
    return None


def _hand_over(root: Path, owner: int | None) -> None:
    """To the user of the cells, readable, and without the rights to be somebody else."""
    for folder, names, files in os.walk(root):
        for name in (*names, *files):
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if owner is not None:
                os.chown(path, owner, owner, follow_symlinks=False)
            if not stat.S_ISLNK(mode):
                os.chmod(path, stat.S_IMODE(mode) & 0o777 | (0o755 if stat.S_ISDIR(mode) else 0o644))
    if owner is not None:
        os.chown(root, owner, owner)
    root.chmod(0o755)
