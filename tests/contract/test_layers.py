"""Imports point one way: services -> sandboxes, services -> generated messages; the client imports neither."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "basanite": ROOT / "client" / "basanite",
    "basanite_services": ROOT / "services" / "basanite_services",
    "basanite_sandboxes": ROOT / "sandboxes" / "basanite_sandboxes",
}
# Commands that need what the extra `server` brings, imported only when they are given.
COMMANDS = {"_commands.py", "_doctor.py"}
TRAINERS = {"torch", "trl", "verl", "ray", "transformers", "openrlhf", "skyrl", "verifiers"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def sources(package: str) -> Iterator[Path]:
    return (path for path in FOLDERS[package].rglob("*.py") if "examples" not in path.parts)


def offenders(package: str, forbidden: set[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        for name in imports(path)
        if name.partition(".")[0] in forbidden
    ]


def test_client_imports_neither_services_nor_sandboxes() -> None:
    found = offenders("basanite", {"basanite_services", "basanite_sandboxes"})
    assert [line for line in found if Path(line.split()[0]).name not in COMMANDS] == []


def test_client_needs_only_grpc_and_protobuf() -> None:
    allowed = {"grpc", "google", "basanite", *__import__("sys").stdlib_module_names}
    command_line = {"cli.py", "_progress.py", "_verify_file.py", "_audit_file.py", "run.py", *COMMANDS}
    found = [
        f"{path.name} imports {name}"
        for path in sources("basanite")
        if path.name not in command_line
        for name in imports(path)
        if name.partition(".")[0] not in allowed
    ]
    assert found == []


def test_nothing_imports_a_trainer() -> None:
    assert [line for package in FOLDERS for line in offenders(package, TRAINERS)] == []


def test_sandboxes_import_neither_client_nor_services() -> None:
    assert offenders("basanite_sandboxes", {"basanite", "basanite_services"}) == []


def test_services_use_of_the_client_is_messages_and_values() -> None:
    found = {
        name
        for path in sources("basanite_services")
        for name in imports(path)
        if name.partition(".")[0] == "basanite"
    }
    assert {name for name in found if not name.startswith("basanite.v1") and name != "basanite.values"} <= {
        "basanite"
    }


@pytest.mark.parametrize("folder", ["code", "unittest"])
def test_folders_named_like_standard_modules_are_not_on_the_path(folder: str) -> None:
    import sys

    assert not any(
        (Path(entry) / folder / "__init__.py").exists() for entry in sys.path if "basanite" in entry
    )
