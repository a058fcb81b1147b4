"""Secrets that came by environment: taken out of it, so that no child and no /proc reader gets them."""

from __future__ import annotations

import contextlib
import os

SECRET_NAMES = ("BASANITE_TOKEN", "BASANITE_SEED_SECRET")


def forget_secrets() -> None:
    """Remove the secrets from os.environ, and their bytes from what /proc/self/environ shows."""
    given = [
        (name.encode() + b"=", os.fsencode(os.environ.pop(name)))
        for name in SECRET_NAMES
        if name in os.environ
    ]
    # unsetenv only drops the pointers: the kernel still shows the strings the process was started with.
    with contextlib.suppress(OSError, ValueError, IndexError):
        _wipe([entry for entry in given if entry[1]])


def _wipe(given: list[tuple[bytes, bytes]]) -> None:
    if not given:
        return
    with open("/proc/self/stat", "rb") as stat:
        # The second field, the name in brackets, may hold spaces. env_start and env_end are fields 50 and 51.
        fields = stat.read().rpartition(b")")[2].split()
    start, end = int(fields[47]), int(fields[48])
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        block = memory.read(end - start)
        for name, value in given:
            # Each string ends with NUL; the first has nothing before it.
            at = (b"\0" + block).find(b"\0" + name + value + b"\0")
            if at >= 0:
                memory.seek(start + at + len(name))
                memory.write(b"*" * len(value))
