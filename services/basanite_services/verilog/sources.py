"""From a task's files to what is preprocessed together.

Files whose names end in .vh or .svh are there to be included; the others are compiled, in their order. An include is
looked for by its name as it stands, in the named folders, and beside every file.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

from basanite.v1.tasks_pb2 import SourceFile
from basanite_services.verilog.preprocess import MAX_SOURCE_BYTES, Sources

MAX_FILES = 100
_HEADERS = (".vh", ".svh")
_NAME = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")


class BadFiles(Exception):
    """Files that break a rule of the contract; the message says which, and begins with the name of the file."""


def make_sources(
    files: Sequence[SourceFile],
    folders: Sequence[str],
    defines: Mapping[str, str],
    data: Mapping[str, str],
) -> Sources:
    """`data`: the task's files, which can be included as well, and come first. Raises BadFiles."""
    if not 1 <= len(files) <= MAX_FILES:
        raise BadFiles(f"there must be 1 to {MAX_FILES} files, not {len(files)}")
    texts: dict[str, str] = {}
    for file in files:
        if not is_file_name(file.name):
            raise BadFiles(
                f"{file.name[:100]!r}: a file's name must be a relative path of letters, digits and _.-, e.g. rtl/alu.v"
            )
        if file.name in texts:
            raise BadFiles(f"{file.name}: there are two files of this name")
        texts[file.name] = file.content
    if sum(len(text) for text in texts.values()) > MAX_SOURCE_BYTES:
        raise BadFiles(f"the files have more than {MAX_SOURCE_BYTES} characters together")
    compiled = {name: text for name, text in texts.items() if not name.endswith(_HEADERS)}
    if not compiled:
        raise BadFiles("all files are headers (.vh, .svh), and none is compiled")
    return Sources(compiled, _includes(texts, folders) | dict(data), dict(defines))


def is_file_name(name: str) -> bool:
    return len(name) <= 200 and bool(_NAME.fullmatch(name)) and ".." not in name.split("/")


def _includes(texts: Mapping[str, str], folders: Sequence[str]) -> dict[str, str]:
    """Texts by all names under which a file can be included."""
    places = [*folders, *dict.fromkeys(posixpath.dirname(name) for name in texts)]
    found: dict[str, str] = dict(texts)
    for place in places:
        for name, text in texts.items():
            if place and name.startswith(f"{place.rstrip('/')}/"):
                found.setdefault(name[len(place.rstrip("/")) + 1 :], text)
    return found
