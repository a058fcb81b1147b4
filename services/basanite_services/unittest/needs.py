"""What tests do with the candidate's classes and modules that can be done only where its code runs.

Read from the text of the tests alone, so that no candidate has a part in it.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping

from basanite_services.unittest.declared import parsed

_PATCHES = ("setattr", "delattr", "setitem", "object", "patch", "multiple")
_LITERALS = (ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.JoinedStr)
_EQUAL = ("assertEqual", "assertEquals", "assertNotEqual", "assertListEqual", "assertIn", "assertCountEqual")


def modules_of(files: Collection[str]) -> dict[str, bool]:
    """Name of each module that the files define -> whether it is a package."""
    found = {}
    for path in files:
        if not path.endswith(".py"):
            continue
        name = path.removesuffix(".py").replace("/", ".")
        is_package = name.endswith(".__init__")
        found[name.removesuffix(".__init__")] = is_package
        parts = name.removesuffix(".__init__").split(".")
        for length in range(1, len(parts)):  # packages without a file of their own
            found.setdefault(".".join(parts[:length]), True)
    return found


def classes_of(files: Mapping[str, bytes]) -> list[str]:
    """ "module.Class" of all that the files define at their top."""
    found = []
    for path, content in files.items():
        if path.endswith(".py"):
            module = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
            found += [
                f"{module}.{node.name}" for node in _tree(content).body if isinstance(node, ast.ClassDef)
            ]
    return found


def classes_in_tests(tests: Mapping[str, bytes], modules: Collection[str]) -> list[str]:
    """ "module.Class" of what the tests take from these modules under names in CamelCase."""
    found = []
    for content in tests.values():
        uses = _Uses(_tree(content), modules)
        found += [full for full in [*uses.names.values(), *uses.attributes()] if _is_camel(full)]
    return list(dict.fromkeys(found))


def needs_shared(tests: Mapping[str, bytes], modules: Collection[str], classes: Collection[str]) -> str:
    """What, in one sentence; "" if nothing was found."""
    for path, content in tests.items():
        if not path.endswith(".py"):
            continue
        tree = _tree(content)
        uses = _Uses(tree, modules)
        for node in ast.walk(tree):
            what = uses.trouble(node, classes)
            if what:
                line = getattr(node, "lineno", 0)
                return f"{path}, line {line}, {what}: that needs the mode shared"
    return ""


def _is_camel(full: str) -> bool:
    name = full.rpartition(".")[2]
    return name[:1].isupper() and any(letter.islower() for letter in name)


def _tree(content: bytes) -> ast.Module:
    try:
        return parsed(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


class _Uses:
    """Names in a file of tests that stand for what comes from the candidate."""

    def __init__(self, tree: ast.Module, modules: Collection[str]) -> None:
        self._tree = tree
        self.names: dict[str, str] = {}
        """Name here -> "module.name" there."""
        self.modules: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name in modules:
                        self.modules[alias.asname or alias.name] = alias.name
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    if full in modules:
                        self.modules[alias.asname or alias.name] = full
                    elif node.module in modules and alias.name != "*":
                        self.names[alias.asname or alias.name] = full

    def attributes(self) -> Iterator[str]:
        """ "module.name" of what is taken from modules by their attributes."""
        for node in ast.walk(self._tree):
            full = self.full(node) if isinstance(node, ast.Attribute) else None
            if full is not None:
                yield full

    def full(self, node: ast.AST) -> str | None:
        """ "module.name" of what an expression names, if that comes from the candidate."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.Attribute):
            module = self.modules.get(ast.unparse(node.value))
            return None if module is None else f"{module}.{node.attr}"
        return None

    def _is_module(self, node: ast.AST) -> bool:
        return isinstance(node, (ast.Name, ast.Attribute)) and ast.unparse(node) in self.modules

    def _is_text_of_module(self, node: ast.AST) -> bool:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            return False
        return any(node.value.startswith(f"{module}.") for module in self.modules.values())

    def _is_of_candidate(self, node: ast.AST) -> bool:
        return self._is_module(node) or self._is_text_of_module(node) or self.full(node) is not None

    def trouble(self, node: ast.AST, classes: Collection[str]) -> str:
        if isinstance(node, ast.ClassDef) and any(self.full(base) for base in node.bases):
            return "derives a class from one of the candidate's"
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.Delete)):
            targets = node.targets if isinstance(node, (ast.Assign, ast.Delete)) else [node.target]
            for target in targets:
                if isinstance(target, ast.Attribute) and self._is_module(target.value):
                    return "replaces what belongs to the candidate's module"
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0] if node.args else None
            if name in _PATCHES and first is not None and self._is_of_candidate(first):
                return "replaces what belongs to the candidate's module"
            pair = node.args[:2]
            if name in _EQUAL and len(pair) == 2 and self._are_both(pair[0], pair[1], classes):
                return "compares objects of the candidate's with each other"
        if isinstance(node, ast.Compare):
            pairs = zip(node.ops, [node.left, *node.comparators], node.comparators, strict=False)
            for operator, left, right in pairs:
                asked = isinstance(operator, (ast.Eq, ast.NotEq, ast.In, ast.NotIn))
                if asked and self._are_both(left, right, classes):
                    return "compares objects of the candidate's with each other"
        return ""

    def _are_both(self, left: ast.AST, right: ast.AST, classes: Collection[str]) -> bool:
        """Whether one is made of a class of the candidate's, and the other may well be."""
        sides = (left, right), (right, left)
        return any(self._makes(one, classes) and not isinstance(other, _LITERALS) for one, other in sides)

    def _makes(self, node: ast.AST, classes: Collection[str]) -> bool:
        """Whether an expression makes an instance of a class of the candidate's, or a list of such."""
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return any(self._makes(part, classes) for part in node.elts)
        return isinstance(node, ast.Call) and self.full(node.func) in classes
