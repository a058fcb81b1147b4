"""Cheating candidates: name -> source. They stand in the .txt files, a heading "### name" before each."""

from __future__ import annotations

import re
from pathlib import Path

FORGE = """
import os, json
def forge(*answers):
    os.write(5, b"".join(json.dumps(answer).encode() + b"\\n" for answer in answers))
GUESS = {"value": "secret"}
"""


def _read(name: str) -> dict[str, str]:
    parts = re.split(r"^### (.*)\n", (Path(__file__).parent / name).read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


FUNCTION = {
    name: source if re.search(r"^import .*\bos\b", source, re.MULTILINE) else FORGE + source
    for name, source in _read("function.txt").items()
}

STDIO = _read("stdio.txt") | {
    "compiles for ever": "x = " + "(" * 90 + "1" + ")" * 90 + "\n" + "y = " + "-" * 5000 + "1",
    "too deep to compile": "x = " + "[" * 5000 + "]" * 5000,
    "too deep to compile in another way": "x = " + "1+" * 100_000 + "1",
    "too large a constant": "x = " + "9" * 100_000,
    "lines without end": "if 1:\n" + "".join(" " * n + "if 1:\n" for n in range(1, 120)) + " " * 120 + "pass",
    "null bytes": "print(1)\0",
    "lone carriage returns": "print(1)\rprint(2)\r",
    "form feed": "\fprint(1)\f",
    "byte order mark": "\ufeffprint(1)",
}
