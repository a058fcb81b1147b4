"""Which files of a repository a candidate may not change: what decides how its tests end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import PurePosixPath

from pathspec import GitIgnoreSpec

from basanite_services.unittest.patch import FilePatch

_NAMES = {
    **dict.fromkeys(("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"), "configures pytest"),
    **dict.fromkeys(("tox.ini", "setup.cfg", "pyproject.toml"), "configures pytest"),
    "conftest.py": "is a plugin of pytest",
    **dict.fromkeys(("sitecustomize.py", "usercustomize.py"), "is run whenever Python starts"),
    **dict.fromkeys((".coveragerc", "noxfile.py"), "configures how tests are run"),
}
_SUFFIXES = {
    ".pth": "is run whenever Python starts",
    ".pyc": "is compiled code that stands for another file",
    ".so": "is compiled code",
    ".pyd": "is compiled code",
}
_DIRECTORIES = {"__pycache__": "is compiled code that stands for another file"}
_METADATA = (".egg-info", ".dist-info", ".egg-link")
_TEST_DIRECTORIES = ("test", "tests")
_OF_THE_FRAMEWORK = frozenset(
    (
        *(
            "pytest",
            "_pytest",
            "py",
            "pluggy",
            "iniconfig",
            "packaging",
            "pygments",
            "tomli",
            "exceptiongroup",
        ),
        *(
            "basanite_unittest",
            "basanite_warm_pytest",
            "attr",
            "attrs",
            "importlib_metadata",
            "more_itertools",
        ),
        *("hypothesis", "mock", "xdist", "pytest_asyncio", "pytest_mock", "pytest_cov"),
    )
)


class Protection:
    """Says of a path why it is protected."""

    def __init__(
        self,
        test_files: Collection[str],
        patterns: Sequence[str],
        python_path: Sequence[str],
        exists: Callable[[str], bool],
        installed: Collection[str] = (),
    ) -> None:
        """`test_files`: relative paths of the tests that are named, and of trusted files. `exists`: whether the
        snapshot has a file or directory of this path. `installed`: further modules that tests may import."""
        self._known = {*sys.stdlib_module_names, *_OF_THE_FRAMEWORK, *installed}
        self._files = {name.casefold() for name in test_files}
        self._parents = {str(parent) for name in self._files for parent in PurePosixPath(name).parents}
        self._folders = {folder.casefold() for folder in _test_folders(test_files)}
        self._patterns = GitIgnoreSpec.from_lines(patterns)
        self._roots = ["", *(f"{place.rstrip('/')}/" for place in python_path if place not in ("", "."))]
        self._exists = exists

    def why(self, path: str) -> str | None:
        """None if the candidate may change it."""
        parts = PurePosixPath(path).parts
        name = parts[-1].casefold()
        folded = path.casefold()
        if folded in self._files or any(
            str(parent) in self._files for parent in PurePosixPath(folded).parents
        ):
            return "holds the tests"
        if folded in self._parents:
            return "is a directory of the tests"
        if parts[0].startswith(".basanite"):
            return "belongs to the runner of the tests"
        if any(path.casefold().startswith(f"{folder}/") for folder in self._folders):
            return "belongs to the tests"
        if name in _NAMES:
            return _NAMES[name]
        for suffix, reason in _SUFFIXES.items():
            if name.endswith(suffix):
                return reason
        for part in parts:
            if part.casefold() in _DIRECTORIES:
                return _DIRECTORIES[part.casefold()]
            if part.casefold().endswith(_METADATA):
                return "tells plugins of pytest where to find themselves"
        if self._patterns.match_file(path):
            return "is protected by the task"
        return self._shadowed(path)

    def _shadowed(self, path: str) -> str | None:
        for root in self._roots:
            if not path.startswith(root):
                continue
            top = path[len(root) :].partition("/")[0]
            module = top.partition(".")[0]
            if "/" not in path[len(root) :] and not path.endswith(".py"):
                continue
            if module in self._known and not self._exists(root + top):
                return f"would stand for the module {module}"
        return None


def _test_folders(test_files: Iterable[str]) -> set[str]:
    """Directories of tests, outermost: what lies beside tests, they may read."""
    found = set()
    for name in test_files:
        parents = [folder for folder in PurePosixPath(name).parents if folder.name in _TEST_DIRECTORIES]
        if parents:
            found.add(str(parents[-1]))
    return found


def split(
    patches: Iterable[FilePatch], protection: Protection
) -> tuple[list[FilePatch], list[tuple[str, str]]]:
    """-> (what is obeyed; path and reason of each that is not)"""
    obeyed, dropped = [], []
    for patch in patches:
        reasons = [(name, protection.why(name)) for name in dict.fromkeys((patch.new, patch.old)) if name]
        touched = [(name, why) for name, why in reasons if why is not None]
        if patch.is_copy and patch.new and protection.why(patch.new) is None:
            touched = []  # what is copied stays
        if touched:
            dropped.append(touched[0])
        else:
            obeyed.append(patch)
    return obeyed, dropped
