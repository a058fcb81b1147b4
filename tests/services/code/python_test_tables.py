"""Candidates of form python_test: the cheats of the conformance suite, and a search of the process's own memory."""

from __future__ import annotations

import tomllib
from pathlib import Path

_SUITE = Path(__file__).parents[2] / "conformance" / "themes" / "assert_tests.toml"
_THEME = tomllib.loads(_SUITE.read_text())
TAP: str = _THEME["common"]["python_test"]["before"]
"""Talks to the tests past the server that serves them."""
CHEATS: dict[str, str] = {
    case["name"].removeprefix("tests: "): TAP + case["source"] for case in _THEME["case"]
}

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
