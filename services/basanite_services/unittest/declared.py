"""Which tests a file declares, as far as its text alone says: they must be there whatever the candidate does."""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Iterator, Mapping


def declared_tests(files: Mapping[str, bytes], *, is_pytest: bool) -> list[str]:
    """Names without parameters, as the framework has them, of tests that stand at the top of a file or class."""
    return [name for path, content in files.items() for name in _of_file(path, content, is_pytest=is_pytest)]


def defined_names(files: Mapping[str, bytes]) -> set[str]:
    """Names of all functions and classes, wherever they are defined."""
    found = set()
    for path, content in files.items():
        if path.endswith(".py"):
            try:
                nodes = list(ast.walk(parsed(content)))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            found |= {node.name for node in nodes if isinstance(node, kinds)}
    return found


def broken_file(files: Mapping[str, bytes]) -> tuple[str, str] | None:
    """The first file of Python that does not compile, and why."""
    for path, content in files.items():
        if path.endswith(".py"):
            try:
                parsed(content)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                return path, f"{type(error).__name__}: {error}"
    return None


def is_test_file(path: str, *, is_pytest: bool) -> bool:
    """Whether the framework looks for tests in it by itself."""
    name = path.rpartition("/")[2]
    by_suffix = is_pytest and name.endswith("_test.py")
    return name.endswith(".py") and (name.startswith("test_" if is_pytest else "test") or by_suffix)


def parsed(content: bytes) -> ast.Module:
    """The syntax tree, which is not to be changed: tests are the same for all candidates of a task. Raises SyntaxError,
    ValueError, RecursionError, MemoryError."""
    return _kept(content) if len(content) <= _KEPT_BYTES else _parse(content)


def _parse(content: bytes) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(content)


_KEPT_BYTES = 64 << 10
_kept = functools.lru_cache(16)(_parse)


def _of_file(path: str, content: bytes, *, is_pytest: bool) -> Iterator[str]:
    if not is_test_file(path, is_pytest=is_pytest):
        return
    try:
        module = parsed(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    prefix = f"{path}::" if is_pytest else f"{path.removesuffix('.py').replace('/', '.')}."
    between = "::" if is_pytest else "."
    for node in module.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if is_pytest and node.name.startswith("test") and not node.decorator_list:
                yield prefix + node.name
        elif isinstance(node, ast.ClassDef):
            is_case = any("TestCase" in ast.unparse(base) for base in node.bases)
            counts = is_case or (is_pytest and node.name.startswith("Test"))
            if counts and not node.decorator_list and not _is_left_out(node, is_case):
                for inner in node.body:
                    if not isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
                        continue
                    if inner.name.startswith("test") and not inner.decorator_list:
                        yield f"{prefix}{node.name}{between}{inner.name}"


def _is_left_out(node: ast.ClassDef, is_case: bool) -> bool:
    """pytest collects no classes with a constructor, nor those that say so."""
    names = {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)}
    assigned = {
        target.id
        for inner in node.body
        if isinstance(inner, ast.Assign)
        for target in inner.targets
        if isinstance(target, ast.Name)
    }
    return "__test__" in assigned or (not is_case and bool({"__init__", "__new__"} & names))
