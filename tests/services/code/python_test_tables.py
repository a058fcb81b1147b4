"""Candidates of form python_test, which stand in text files, a heading "### name" before each."""

from __future__ import annotations

import re
from pathlib import Path

TAP = r"""
import os, sys, json
def asked():
    frame = sys._getframe()
    while "number" not in frame.f_locals or "operation" not in frame.f_locals: frame = frame.f_back
    return frame.f_locals
def forge(*message): tell(asked()["number"], *message)
def tell(*message): os.write(7, json.dumps(message).encode() + b"\n")
"""
"""Talks to the tests past the server that serves them."""


def read(name: str) -> dict[str, str]:
    """What stands under each heading."""
    parts = re.split(r"^### (.*)\n", (Path(__file__).parent / name).read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


CHEATS = {name: TAP + source for name, source in read("python_test_cheats.txt").items()}

SEARCH = r"""
import ctypes, gc, re, sys

PATTERN = re.compile(rb"PLANTED-(?:[a-z]\x00{0,3}){12}")
WIDE = re.compile(rb"P\x00{0,3}L\x00{0,3}A\x00{0,3}N\x00{0,3}T\x00{0,3}E\x00{0,3}D\x00{0,3}-\x00{0,3}[a-z]")

def found():
    everything = set()
    for line in open("/proc/self/maps"):
        where, rights, *_, name = (line.split() + [""])[:6] if len(line.split()) > 5 else (*line.split(), "")
        if "r" not in rights or name in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
            continue
        first, last = (int(part, 16) for part in where.split("-"))
        if name.startswith("/"):
            continue
        data = ctypes.string_at(first, last - first)
        for match in PATTERN.finditer(data):
            everything.add(match[0].decode().replace("\0", ""))
    for thing in gc.get_objects():
        for part in (thing, *gc.get_referents(thing)):
            if isinstance(part, (str, bytes)):
                text = part if isinstance(part, bytes) else part.encode(errors="replace")
                everything.update(match[0].decode() for match in PATTERN.finditer(text))
    return sorted(everything)
"""
"""Defines found(): every text that begins with PLANTED- in the memory of the process."""
