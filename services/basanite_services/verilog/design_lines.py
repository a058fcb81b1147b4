"""The names that a candidate's files have in a shared simulation: numbers, so that nothing that the simulator says of
them can be a word of the candidate's choice, and none that a file of the task can have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from basanite_services.verilog.messages import Message

DESIGN_FILE = "@design"
# Strings end on their lines, so that only `write` begins a line in this way.
_LINE = re.compile(r'^`line (\d+) "([^"]*)" 0$', re.MULTILINE)


def without_names(text: str) -> tuple[str, Mapping[str, str]]:
    """A text as `write` makes it, with other names of its files. -> it, and the old names by the new ones"""
    new: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        name = new.setdefault(found[2], f"{DESIGN_FILE}{len(new)}")
        return f'`line {found[1]} "{name}" 0'

    text = _LINE.sub(renamed, text)
    return text, {name: old for old, name in new.items()}


def with_names(messages: Sequence[Message], names: Mapping[str, str]) -> list[Message]:
    """Those about the candidate's files, under their own names. `names`: from `without_names`"""
    return [replace(message, file=names[message.file]) for message in messages if message.file in names]
