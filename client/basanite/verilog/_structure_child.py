"""Run as a script, by _structure: compares the structure of designs, each pair in a process that has limits.

Reads JSON from standard input, {"cpu_seconds": .., "memory_bytes": .., "folder": .., "pairs": [[candidate, golden],
..]}, and writes a line of JSON for each pair, null where one of both cannot be parsed or a limit was exceeded. Imports
nothing of the package's.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import json
import os
import resource
import select
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

# By name: it has no types. Its preprocessor, which runs a program, is not used.
_parser: Any = importlib.import_module("pyverilog.vparser.parser")
_nodes: Any = importlib.import_module("pyverilog.vparser.ast")

_MAX_ANSWER_BYTES = 64 << 10
_WALL_PER_CPU = 10.0


def main() -> None:
    request = json.load(sys.stdin)
    parser = _parser.VerilogParser(
        outputdir=request["folder"], debug=False
    )  # most of the time goes here: the tables
    for candidate, golden in request["pairs"]:
        answer = _in_a_process(parser, candidate, golden, request["cpu_seconds"], request["memory_bytes"])
        sys.stdout.write(f"{answer}\n")


def _in_a_process(parser: Any, candidate: str, golden: str, cpu_seconds: float, memory_bytes: int) -> str:
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        try:
            os.close(reading)
            _limit(cpu_seconds, memory_bytes)
            os.write(writing, json.dumps(_compare(parser, candidate, golden)).encode()[:_MAX_ANSWER_BYTES])
        finally:  # whatever the parser raises, and it is no robust one: no answer is a null
            os._exit(0)
    os.close(writing)
    try:
        return _answer(reading, cpu_seconds * _WALL_PER_CPU)
    finally:
        os.close(reading)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def _limit(cpu_seconds: float, memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)  # finer than RLIMIT_CPU; its signal ends the process
    whole = int(cpu_seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (whole, whole))


def _answer(reading: int, wall_seconds: float) -> str:
    text = b""
    with contextlib.suppress(ValueError):
        while select.select([reading], [], [], wall_seconds)[0] and (part := os.read(reading, 65536)):
            text += part
        return json.dumps(json.loads(text))
    return "null"


def _compare(parser: Any, candidate: str, golden: str) -> dict[str, Any]:
    ours, theirs = _statements(parser, candidate), _statements(parser, golden)
    mine, known = set(ours), set(theirs)
    return {
        "similarity": difflib.SequenceMatcher(None, ours, theirs).ratio(),
        "coverage": len(mine & known) / len(known),
        "redundancy": len(mine - known) / len(mine),
        "candidate": _counts(ours),
        "golden": _counts(theirs),
    }


def _counts(statements: list[str]) -> dict[str, int]:
    return dict(Counter(statement.partition(" ")[0] for statement in statements))


def _statements(parser: Any, text: str) -> list[str]:
    parser.lexer.reset_lineno()
    return list(_walk(parser.parse(text)))


def _walk(node: Any) -> Iterator[str]:
    """The statements below a node, as VeriReason's heuristic lists them, but from the tree."""
    kind = type(node).__name__
    if kind == "ModuleDef":
        yield "module"  # the name is the task's choice
    elif isinstance(node, (_nodes.Variable, _nodes.Parameter)):
        yield f"{kind.lower()} {_text(getattr(node, 'width', None))} {node.name}"
    elif isinstance(node, _nodes.Assign):
        yield f"assign {_text(node.left)} = {_text(node.right)}"
    elif isinstance(node, _nodes.Always):
        yield f"always {_text(node.sens_list)}"
    elif isinstance(node, _nodes.IfStatement):
        yield f"if {_text(node.cond)}"
        yield from _walk(node.true_statement)
        if node.false_statement is not None:
            yield "else"
            yield from _walk(node.false_statement)
        return
    elif isinstance(node, _nodes.CaseStatement):
        yield f"case {_text(node.comp)}"
    elif isinstance(node, _nodes.Case):
        yield f"case_item {' '.join(map(_text, node.cond or ()))}"
    elif isinstance(node, _nodes.Instance):
        yield f"instance {node.module} {node.name}"
    elif isinstance(node, _nodes.Ioport):  # `output reg q` is one port
        yield from _walk(node.first)
        return
    if node is not None:
        for child in node.children():
            yield from _walk(child)


def _text(node: Any) -> str:
    """An expression, the same for the same tree."""
    if node is None:
        return ""
    if isinstance(node, (_nodes.Lvalue, _nodes.Rvalue)):
        return _text(node.var)
    own = [str(getattr(node, name)) for name in node.attr_names]
    return f"{type(node).__name__}({','.join([*own, *map(_text, node.children())])})"


if __name__ == "__main__":
    main()
