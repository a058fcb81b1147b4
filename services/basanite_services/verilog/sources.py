"""From a task's files to what is preprocessed together.

Files whose names end in .vh or .svh are there to be included; the others are compiled, in their order. An include is
looked for beside the including file, by its name as it stands, in the named folders, and beside every file.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence

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
    """`data`: the task's files, which can be included as well, and win over others of their names. Raises BadFiles."""
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
    if sum(len(text.encode()) for text in texts.values()) > MAX_SOURCE_BYTES:
        raise BadFiles(f"the files have more than {MAX_SOURCE_BYTES} bytes together")
    compiled = {name: text for name, text in texts.items() if not name.endswith(_HEADERS)}
    if not compiled:
        raise BadFiles("all files are headers (.vh, .svh), and none is compiled")
    return Sources(compiled, texts | dict(data), dict(defines), _aliases([*texts], folders))


def is_file_name(name: str) -> bool:
    return len(name) <= 200 and bool(_NAME.fullmatch(name)) and not {".", ".."}.intersection(name.split("/"))


def plain_path(folder: str) -> str:
    """Without a slash at the end or "./" at the beginning."""
    return folder.removesuffix("/").removeprefix("./")


def _aliases(names: Iterable[str], folders: Sequence[str]) -> dict[str, str]:
    """Files by the names under which they can be included from anywhere, but for their own."""
    places = [*map(plain_path, folders), *dict.fromkeys(map(posixpath.dirname, names))]
    found: dict[str, str] = {}
    for place in filter(None, places):
        for name in names:
            if name.startswith(f"{place}/"):
                found.setdefault(name[len(place) + 1 :], name)
    return found
