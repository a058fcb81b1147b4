"""Ways to break what a candidate changed: some test must notice."""

from __future__ import annotations

import ast
import random
from collections.abc import Mapping
from dataclasses import dataclass

_BREAKS = "raise RuntimeError('broken on purpose')"


@dataclass(frozen=True, slots=True)
class Mutant:
    file: str
    line: int
    what: str
    content: bytes


def mutants(changed: Mapping[str, tuple[bytes, bytes]], count: int, seed: bytes) -> list[Mutant]:
    """`changed`: content before (empty if there was none) and after, by path. -> at most `count`, drawn by the seed:
    functions that the candidate wrote or changed, whose bodies raise."""
    found = [mutant for path, (before, after) in changed.items() for mutant in _of_file(path, before, after)]
    chance = random.Random(seed)
    return chance.sample(found, min(count, len(found)))


def _of_file(path: str, before: bytes, after: bytes) -> list[Mutant]:
    if not path.endswith(".py"):
        return []
    try:
        module = ast.parse(after)
        old = {ast.dump(node) for node in _functions(ast.parse(before))}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    lines = after.split(b"\n")
    found = []
    for node in _functions(module):
        if ast.dump(node) in old:
            continue
        first, last = node.body[0], node.body[-1]
        if first.lineno == node.lineno or last.end_lineno is None:
            continue  # on one line: what is around it is not known
        indent = b" " * first.col_offset
        content = [*lines[: first.lineno - 1], indent + _BREAKS.encode(), *lines[last.end_lineno :]]
        found.append(Mutant(path, node.lineno, f"{node.name} raises", b"\n".join(content)))
    return found


def _functions(module: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(module) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
