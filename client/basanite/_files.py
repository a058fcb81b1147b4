"""Files of tasks, by their relative paths, to and from protobuf."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from basanite._errors import CandidateRefused, ItemFormatError
from basanite._fields import UNICODE_RULE, is_unicode, string
from basanite.v1 import tasks_pb2

MAX_CANDIDATE_BYTES: Final = 1 << 20
"""Of a candidate, and of a golden reference."""
MAX_TRUSTED_BYTES: Final = 4 << 20
_MAX_FILES: Final = 100
_MAX_NAME: Final = 200
_PATH: Final = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")
_NAME_RULE: Final = (
    f'must be a relative path of 1 to {_MAX_NAME} letters, digits and _.-, with / between its parts and no part "." '
    'or ".."'
)
Refuse: TypeAlias = Callable[[str, str, str], ItemFormatError]
"""From field, rule, and what in the files breaks it."""


def files_to_proto(
    given: Any, name: str, field: str, most: int, refuse: Refuse, what: str
) -> list[tasks_pb2.SourceFile]:
    """`name` is that of a single text, `most` the bytes that all may have together, `what` all of them in words."""
    if issubclass(type(given), str):
        given = {name: given}
    elif not issubclass(type(given), Mapping):
        kind = type(given).__name__
        raise ItemFormatError(field, f"must be a str or a mapping of paths to texts, not {kind}")
    if not 1 <= len(given) <= _MAX_FILES:
        raise refuse(field, f"must be 1 to {_MAX_FILES} files", what)
    files = []
    size = 0
    for index, (path, content) in enumerate(given.items()):
        if not _is_inside(string(path, f"{field}[{index}].name")):
            raise refuse(f"{field}[{index}].name", _NAME_RULE, f"the file name {path[:100]!r}")
        size += len(string(content, f"{field}[{index}].content"))
        if size <= most:  # if not, counting its bytes is of no use
            if not is_unicode(content):
                raise refuse(f"{field}[{index}].content", UNICODE_RULE, f"the file {path!r}")
            size += 0 if content.isascii() else len(content.encode()) - len(content)
        if size > most:
            raise refuse(field, f"must be at most {most} bytes together", what)
        files.append(tasks_pb2.SourceFile(name=path, content=content))
    return files


def trusted_to_proto(
    given: Any, name: str, field: str, most: int = MAX_TRUSTED_BYTES
) -> list[tasks_pb2.SourceFile]:
    return files_to_proto(given, name, field, most, lambda path, rule, what: ItemFormatError(path, rule), "")


def files_from_proto(
    protos: Iterable[tasks_pb2.SourceFile], name: str, field: str, what: str = ""
) -> str | dict[str, str]:
    """`what`: the candidate's files, in words; of trusted ones nothing."""
    files = named_files(protos, field, what)
    return files[name] if [*files] == [name] else files


def named_files(protos: Iterable[tasks_pb2.SourceFile], field: str, what: str = "") -> dict[str, str]:
    """As files_from_proto, but a single one has its name too."""
    pairs = [(file.name, file.content) for file in protos]
    files = dict(pairs)
    if len(files) < len(pairs):
        rule = "must be files of different names"
        raise CandidateRefused(field, rule, what) if what else ItemFormatError(field, rule)
    return files


def _is_inside(path: str) -> bool:
    return (
        len(path) <= _MAX_NAME
        and _PATH.fullmatch(path) is not None
        and not {".", ".."}.intersection(path.split("/"))
    )
