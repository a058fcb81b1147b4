"""What Icarus Verilog says about a design, as diagnostics in the candidate's own text.

A message tells a candidate only about its own files: lines about a harness, and what they are about, stay here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from basanite.v1.result_pb2 import Diagnostic

MAX_DIAGNOSTICS = 20
MAX_LINES = 1_000
_LINE = re.compile(r"(?P<file>[^:\s][^:]*):(?P<line>\d+): *(?P<text>.*)")
_KIND = re.compile(r"(?P<kind>error|sorry|warning|syntax error|internal error)\b:? *", re.IGNORECASE)


@dataclass(frozen=True)
class Message:
    file: str
    line: int
    kind: str
    """error, sorry or warning."""
    text: str


def read_messages(stderr: bytes, harness: str = "") -> list[Message]:
    """The messages with a place, in order; what a message is continued with is joined to it.

    A design can have as many as it has words: of more than MAX_LINES, only those about the file `harness` are read.
    """
    messages: list[Message] = []
    lines = stderr.decode(errors="replace").splitlines()
    if len(lines) > MAX_LINES:
        about_harness = (line for line in lines[MAX_LINES:] if line.startswith(f"{harness}:"))
        lines = [*lines[:MAX_LINES], *about_harness]
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        text, number = found["text"].strip(), int(found["line"][:9])
        kind = _KIND.match(text)
        if kind is None and text.startswith(":") and messages:
            last = messages[-1]
            messages[-1] = Message(last.file, last.line, last.kind, f"{last.text} {text[1:].strip()}")
            continue
        name = kind["kind"].lower() if kind else "error"
        if name == "syntax error":
            name = "error"
        elif kind is not None:
            text = text[kind.end() :]
            name = "error" if name == "internal error" else name
        messages.append(Message(found["file"], number, name, text))
    return messages


def diagnostics(messages: Sequence[Message], files: Collection[str], *, compiled: bool) -> list[Diagnostic]:
    """Those about these files, each once; errors first. In a design that compiled, none is an error."""
    order = {"error": 0, "sorry": 0, "warning": 1}
    found: list[Diagnostic] = []
    for message in sorted(dict.fromkeys(messages), key=lambda one: order[one.kind]):
        if message.file in files and len(found) < MAX_DIAGNOSTICS:
            warning = compiled or message.kind == "warning"
            text = message.text[:1000]
            found.append(
                Diagnostic(
                    severity=Diagnostic.SEVERITY_WARNING if warning else Diagnostic.SEVERITY_ERROR,
                    message=f"not supported by Icarus Verilog: {text}" if message.kind == "sorry" else text,
                    file=message.file,
                    line=message.line,
                )
            )
    return found
