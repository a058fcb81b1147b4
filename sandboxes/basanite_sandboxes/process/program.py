"""A program and its files as one text, the way the agent reads it; see guest/wire.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from basanite_sandboxes.spec import (
    Command,
    Program,
    PythonCalls,
    PythonModules,
    PythonObjects,
    PythonTests,
    Tree,
    check_file_names,
)

# A program that could look for its own file finds one; the others save a tenth of a run.
_NAMES_OF_ITSELF = (
    *(b"__file__", b"argv", b"main.py", b"inspect", b"linecache", b"runpy"),
    *(b"multiprocessing", b"concurrent"),
)


def program_text(program: Program, files: Mapping[str, bytes], tree: Tree | None = None) -> bytes:
    """Head, source, calls and files, back to back. Raises ValueError for the name of a file that is none."""
    check_file_names([*files, program.output] if isinstance(program, Command) and program.output else files)
    if tree is not None:
        check_file_names(tree.removed)
    changes = None if tree is None else {"removed": list(tree.removed), "executable": list(tree.executable)}
    if isinstance(program, Command):
        return _command_text(program, files, json.dumps(changes))
    head: dict[str, object]
    parts: Sequence[bytes]
    if isinstance(program, PythonModules):
        head, parts, files = {"form": "modules", "source": 0}, [], program.files
        check_file_names(files)
    elif isinstance(program, PythonTests):
        head = {
            "form": "tests",
            "functions": program.functions,
            "classes": program.classes,
            "first": program.first,
            "stop": program.stop_on_first_failure,
            "source": len(program.prelude),
            "cases": [len(case) for case in program.cases],
        }
        parts = [program.prelude, *program.cases]
    else:
        if tree is None and any(word in program.source for word in _NAMES_OF_ITSELF):
            files = {**files, "main.py": program.source}
        if isinstance(program, PythonCalls):
            head = {"form": "calls", "entry": program.entry_point, "calls": len(program.calls)}
            parts = [program.source, program.calls]
        elif isinstance(program, PythonObjects):
            head = {"form": "objects"}
            parts = [program.source]
        else:
            head = {"form": "main", "arguments": program.arguments}
            parts = [program.source]
        head["source"] = len(program.source)
    head["tree"] = changes
    head["files"] = [[name, len(data)] for name, data in files.items()]
    return b"".join([json.dumps(head).encode(), b"\n", *parts, *files.values()])


def _command_text(command: Command, files: Mapping[str, bytes], changes: str) -> bytes:
    words: list[object] = [len(command.argv), *command.argv, command.output, changes, len(files)]
    for name, data in files.items():
        words += (name, len(data))
    encoded = [str(word).encode() for word in words]
    if any(b"\0" in word for word in encoded):
        raise ValueError("an argument of a command holds a null character")
    return b"".join([*(word + b"\0" for word in encoded), *files.values()])
