"""Memory limit and CPU accounting of a cell by the kernel: cgroup v2, or v1, or not at all.

Each cell has one group, made once and kept for its lifetime; processes join it after the agent is up and before
anything untrusted runs, so the agent's own memory is not counted.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

_PREFIX = "basanite-"
_numbers = itertools.count()
"""One process may have several pools."""
_MOUNTS = Path("/proc/self/mounts")
_OWN = Path("/proc/self/cgroup")


class _File:
    """A control file that is held open: one system call a reading."""

    def __init__(self, path: Path, *, write: bool = False) -> None:
        self._fd = os.open(path, (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC)

    def read(self) -> bytes:
        return os.pread(self._fd, 4096, 0)

    def write(self, value: int) -> None:
        os.pwrite(self._fd, str(value).encode(), 0)

    def close(self) -> None:
        os.close(self._fd)


def _word_after(text: bytes, name: bytes) -> int:
    found = re.search(rb"^" + name + rb" (\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


@dataclass
class Group:
    """The group of one cell. What this machine lacks is None."""

    directories: tuple[Path, ...]
    cpu: _File | None = None
    memory_limit: _File | None = None
    memory_events: _File | None = None
    memory_hits: _File | None = None
    memory_peak: _File | None = None
    is_v2: bool = True
    _limit: int = field(default=0, init=False)

    def attach(self, pids: list[int]) -> None:
        for directory in self.directories:
            for pid in pids:
                (directory / "cgroup.procs").write_text(str(pid))

    def cpu_seconds(self) -> float | None:
        """CPU time ever used in the group, dead processes included."""
        if self.cpu is None:
            return None
        if self.is_v2:
            return _word_after(self.cpu.read(), b"usage_usec") / 1e6
        return int(self.cpu.read()) / 1e9

    def limit_memory(self, limit: int) -> None:
        """Set the limit in bytes for what runs next, and begin its peak anew."""
        if self.memory_limit is not None and limit != self._limit:
            self.memory_limit.write(limit)
            self._limit = limit
        if self.memory_peak is not None:
            with contextlib.suppress(OSError):  # v2 before Linux 6.12: the peak is that of the cell's life
                self.memory_peak.write(0)

    def peak_bytes(self) -> int:
        return int(self.memory_peak.read()) if self.memory_peak is not None else 0

    def out_of_memory_kills(self) -> int:
        """Processes of the group that the kernel's memory killer ended, for its limit or that of a group around it,
        or the machine's."""
        return _word_after(self.memory_events.read(), b"oom_kill") if self.memory_events is not None else 0

    def limit_hits(self) -> int:
        """How often the group's own memory limit was hit."""
        if self.memory_hits is None:
            return 0
        text = self.memory_hits.read()
        return _word_after(text, b"max") if self.is_v2 else int(text)

    @property
    def counts_memory(self) -> bool:
        return self.memory_limit is not None

    def processes(self) -> list[int]:
        found: set[int] = set()
        for directory in self.directories:
            with contextlib.suppress(OSError):
                found.update(int(line) for line in (directory / "cgroup.procs").read_text().split())
        return sorted(found)

    def remove(self) -> None:
        """Remove the group. Its processes must be dead or dying."""
        for file in (self.cpu, self.memory_limit, self.memory_events, self.memory_hits, self.memory_peak):
            if file is not None:
                file.close()
        for directory in self.directories:
            _remove_directory(directory)


def _remove_directory(directory: Path) -> None:
    for attempt in range(50):  # the kernel lets go of a dead process a moment after it was reaped
        try:
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.001 * attempt)
        else:
            return


@dataclass(frozen=True)
class Control:
    """Where groups can be made on this machine."""

    version: str
    """"v2", "v1" or "none"."""
    parents: dict[str, Path]
    """v2: {"": directory}. v1: {"memory": .., "cpuacct": ..}, those that there are."""

    @property
    def memory(self) -> str:
        return f"cgroup-{self.version}" if "" in self.parents or "memory" in self.parents else "rlimit"

    @property
    def cpu(self) -> str:
        return f"cgroup-{self.version}" if "" in self.parents or "cpuacct" in self.parents else "proc"

    def make(self) -> Group | None:
        """Make the group of one cell. None where there are no cgroups."""
        if not self.parents:
            return None
        made = {}
        number = next(_numbers)
        for controller, parent in self.parents.items():
            directory = parent / f"{_PREFIX}{os.getpid()}-{number}"
            directory.mkdir(exist_ok=True)
            made[controller] = directory
        group = Group(tuple(made.values()), is_v2=self.version == "v2")
        if self.version == "v2":
            directory = made[""]
            group.cpu = _File(directory / "cpu.stat")
            group.memory_limit = _File(directory / "memory.max", write=True)
            group.memory_events = _File(directory / "memory.events")
            group.memory_hits = _File(directory / "memory.events")
            peak = directory / "memory.peak"
            if peak.exists():
                group.memory_peak = _File(peak, write=os.access(peak, os.W_OK))
            _write_if_there(directory / "memory.swap.max", "0")
        else:
            if "cpuacct" in made:
                group.cpu = _File(made["cpuacct"] / "cpuacct.usage")
            if "memory" in made:
                directory = made["memory"]
                group.memory_limit = _File(directory / "memory.limit_in_bytes", write=True)
                group.memory_events = _File(directory / "memory.oom_control")
                group.memory_hits = _File(directory / "memory.failcnt")
                group.memory_peak = _File(directory / "memory.max_usage_in_bytes", write=True)
                _write_if_there(directory / "memory.swappiness", "0")
        return group


def _write_if_there(path: Path, text: str) -> None:
    with contextlib.suppress(OSError):
        path.write_text(text)


def find_control() -> Control:
    """What this process may use, found by trying: v2 if it has the memory controller, else v1, else none."""
    mounts = [line.split() for line in _MOUNTS.read_text().splitlines()]
    own = {}
    for line in _OWN.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            own[controller] = path.lstrip("/")
    for _, mount, kind, *_ in mounts:
        if kind == "cgroup2":
            parent = _delegated(Path(mount), own.get("", ""))
            if parent is not None:
                return Control("v2", {"": parent})
    parents = {}
    for _, mount, kind, options, *_ in mounts:
        if kind != "cgroup":
            continue
        for controller in ("memory", "cpuacct"):
            if controller in options.split(","):
                parent = _writable(Path(mount), own.get(controller, ""))
                if parent is not None:
                    parents[controller] = parent
    return Control("v1", parents) if parents else Control("none", {})


def _writable(mount: Path, own: str) -> Path | None:
    for parent in (mount / own, mount):
        probe = parent / f"{_PREFIX}{os.getpid()}-probe{next(_numbers)}"
        try:
            probe.mkdir()
        except OSError:
            continue
        probe.rmdir()
        _sweep(parent)
        return parent
    return None


def _delegated(mount: Path, own: str) -> Path | None:
    """The group of ours under which cells may have theirs, with the memory controller on."""
    parent = mount / own
    try:
        if "memory" not in (parent / "cgroup.controllers").read_text().split():
            return None
        try:
            (parent / "cgroup.subtree_control").write_text("+memory")
        except OSError:
            # v2 has no processes beside groups: step aside into a group of our own, once.
            leaf = parent / f"{_PREFIX}{os.getpid()}-server"
            leaf.mkdir(exist_ok=True)
            (leaf / "cgroup.procs").write_text(str(os.getpid()))
            (parent / "cgroup.subtree_control").write_text("+memory")
    except OSError:
        return None
    return _writable(mount, own)


def _sweep(parent: Path) -> None:
    """Remove what a server that was killed left behind."""
    for directory in parent.glob(f"{_PREFIX}*-*"):
        pid = directory.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            with contextlib.suppress(OSError):
                directory.rmdir()
