"""The items that are measured. Each is new to the server: a number in its text keeps the cache out."""

from __future__ import annotations

import itertools

from basanite import (
    FunctionCase,
    FunctionTask,
    Item,
    PythonTestCase,
    PythonTestTask,
    StdioCase,
    StdioTask,
)

_numbers = itertools.count()

HELLO = "print('hello')"


def trivial_stdio() -> Item:
    return Item(StdioTask(f"{HELLO} # {next(_numbers)}", [StdioCase("", "hello\n")]))


def stdio(cases: int) -> Item:
    source = f"print(int(input()) * 2) # {next(_numbers)}"
    return Item(StdioTask(source, [StdioCase(f"{n}\n", f"{2 * n}\n") for n in range(cases)]))


def function(cases: int) -> Item:
    source = f"def double(n):\n    return n * 2 # {next(_numbers)}\n"
    return Item(FunctionTask(source, "double", [FunctionCase([n], 2 * n) for n in range(cases)]))


def python_test(cases: int) -> Item:
    source = f"def double(n):\n    return n * 2 # {next(_numbers)}\n"
    tests = [PythonTestCase(f"assert double({n}) == {2 * n}\n") for n in range(cases)]
    return Item(PythonTestTask(source, tests, ["double"]))
