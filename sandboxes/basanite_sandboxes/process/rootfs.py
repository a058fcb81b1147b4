"""What a candidate sees: bubblewrap's arguments for the cell's root.

Read-only: the system's programs and libraries, the interpreter, a minimal /etc, three devices. Writable: /tmp
alone, which is a new tmpfs for each run. Nothing else of the host.
"""

from __future__ import annotations

import os
from pathlib import Path

from basanite_sandboxes.guest import wire
from basanite_sandboxes.process.python import Interpreter
from basanite_sandboxes.spec import TREE, Environment, Tool

GUEST = Path(__file__).parent.parent / "guest"
GUEST_FILES = (
    *("agent.py", "runner.py", "fallback.py", "wire.py", "program.py", "values.py", "warm.py"),
    *("graph.py", "objects.py", "proxies.py", "faults.py", "tests.py", "modules.py"),
)
PASSWD = b"root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n"
GROUP = b"root:x:0:\nnogroup:x:65534:\n"
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    # One core a run: a pool of idle threads costs memory and start-up.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}

_NAMESPACES = (
    *(
        "--unshare-all",
        "--unshare-user",
        "--disable-userns",
        "--die-with-parent",
        "--new-session",
        "--clearenv",
    ),
    *("--uid", "0", "--gid", "0", "--hostname", "cell"),
    # For the agent alone, in the cell's own user namespace: clone3 and mount; the bounding set.
    *("--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_SETPCAP"),
)
_DEVICES = (
    *("--dir", "/dev", "--dev-bind", "/dev/null", "/dev/null", "--dev-bind", "/dev/zero", "/dev/zero"),
    *("--dev-bind", "/dev/urandom", "/dev/urandom", "--dev-bind", "/dev/urandom", "/dev/random"),
    *("--symlink", "/tmp", "/dev/shm", "--symlink", "/proc/self/fd", "/dev/fd"),
    *("--symlink", "/proc/self/fd/0", "/dev/stdin", "--symlink", "/proc/self/fd/1", "/dev/stdout"),
    *(
        "--symlink",
        "/proc/self/fd/2",
        "/dev/stderr",
        "--symlink",
        f"/proc/self/fd/{wire.ANSWERS_FD}",
        wire.ANSWERS_NAME,
    ),
    *("--proc", "/proc", "--dir", "/tmp", "--chdir", "/tmp"),
)
_ETC_FROM_HOST = ("/etc/ld.so.cache", "/etc/alternatives")
_LIBRARY_DIRECTORIES = ("lib", "lib32", "lib64", "libx32")


def root_arguments(interpreter: Interpreter, environment: Environment, contents: dict[str, int]) -> list[str]:
    """Arguments for bwrap, up to the command. `contents` maps paths in the cell to descriptors of their text."""
    arguments = [*_NAMESPACES, *_system(), *_DEVICES]
    if not interpreter.prefix.is_relative_to("/usr") or interpreter.prefix.is_relative_to("/usr/local"):
        arguments += _bind(interpreter.prefix)
    if environment.path is not None:
        arguments += ["--ro-bind", str(environment.path), "/environment"]
    if environment.trees is not None or environment.root is not None:
        arguments += ["--cap-add", "CAP_DAC_OVERRIDE"]  # what overlays keep their work in has mode 0
    for module in environment.modules:
        arguments += ["--ro-bind", str(module), f"/modules/{module.name}"]
    if environment.trees is not None:
        arguments += ["--ro-bind", str(environment.trees), wire.TREES_PLACE, "--dir", TREE]
    if environment.root is not None:
        arguments += _image(environment.root)
    for tool in environment.tools:
        for name in all_files(tool):
            if not _is_of_system(Path(name)):
                arguments += _bind(Path(name))
    for name, fd in contents.items():
        arguments += ["--perms", "0444", "--file", str(fd), name]
    for name, value in ENVIRONMENT.items():
        arguments += ["--setenv", name, value]
    # bubblewrap's root and /dev are tmpfs: writable, they would carry files from run to run.
    return [*arguments, "--remount-ro", "/"]


def _image(root: Path) -> list[str]:
    """The root directory of an image, with devices of its own; a run has its own /proc and /tmp."""
    devices = f"{wire.IMAGE_PLACE}/dev"
    arguments = ["--ro-bind", str(root), wire.IMAGE_PLACE, "--tmpfs", devices]
    for name, source in (("null", "null"), ("zero", "zero"), ("urandom", "urandom"), ("random", "urandom")):
        arguments += ["--dev-bind", f"/dev/{source}", f"{devices}/{name}"]
    for name, target in (
        *(("shm", "/tmp"), ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0")),
        *(("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")),
        (Path(wire.ANSWERS_NAME).name, f"/proc/self/fd/{wire.ANSWERS_FD}"),
    ):
        arguments += ["--symlink", target, f"{devices}/{name}"]
    return [*arguments, "--remount-ro", devices]


def all_files(tool: Tool) -> tuple[str, ...]:
    """Files and directories that a tool needs."""
    return (tool.path, *tool.loads, *tool.files, *((tool.python.library,) if tool.python else ()))


def _system() -> list[str]:
    arguments = []
    for name in ("bin", *_LIBRARY_DIRECTORIES, "share/zoneinfo"):
        if Path("/usr", name).exists():
            arguments += _bind(Path("/usr", name))
    for name in ("bin", *_LIBRARY_DIRECTORIES):
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), str(path)]
        elif path.exists():
            arguments += _bind(path)
    for name in _ETC_FROM_HOST:
        if Path(name).exists():
            arguments += _bind(Path(name))
    return arguments


def _is_of_system(path: Path) -> bool:
    places = [Path(top, name) for top in ("/", "/usr") for name in ("bin", *_LIBRARY_DIRECTORIES)]
    return any(path.is_relative_to(place) for place in places)


def _bind(path: Path) -> list[str]:
    return ["--ro-bind", str(path), str(path)]
