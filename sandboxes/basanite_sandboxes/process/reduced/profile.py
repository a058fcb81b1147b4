"""Cells without namespaces: what all of them have in common."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from basanite_sandboxes.process import remedy, seccomp
from basanite_sandboxes.process.processes import Processes
from basanite_sandboxes.process.profile import Profile
from basanite_sandboxes.process.python import find_interpreter
from basanite_sandboxes.process.reduced.cell import Reduced
from basanite_sandboxes.process.reduced.contents import contents
from basanite_sandboxes.process.reduced.roots import Roots
from basanite_sandboxes.process.reduced.users import Users
from basanite_sandboxes.process.rootfs import GROUP, GUEST, GUEST_FILES, PASSWD
from basanite_sandboxes.spec import Environment, SandboxUnavailable, Tool

_FURTHER_GUEST_FILES = ("reduced.py", "landlock.py")
_WEAKNESSES = (
    "Runs have no namespaces of their own. A root directory, a user id and a system-call filter stand between a run "
    "and the rest of the container; who gets around those is in the container, not in another cage.",
    "A run can tell which process ids are in use in the container, and how busy the machine is.",
    "The files of a run lie on the container's disk and are counted while it runs, not refused: it may exceed its "
    "limit for a moment, and by what it keeps in flight between its processes.",
)
_LANDLOCK_WITH_SCOPES = 6


class ReducedProfile(Profile):
    """A user, a root directory and Landlock for each cell; see this package's own text."""

    name = "reduced"
    namespaces = ()

    def __init__(self, python: Path | None, uid_base: int, cells: int, why: str = "") -> None:
        """`cells`: how many may live at one time. `why`: what keeps this machine from more, if it is known."""
        self._python = python
        self._uid_base = uid_base
        self._cells = cells
        self._why = why
        self._users: Users | None = None
        self._roots: Roots | None = None
        self._housekeeper: ThreadPoolExecutor | None = None
        self._stores: dict[tuple[Path | None, tuple[Tool, ...], tuple[Path, ...]], asyncio.Future[Path]] = {}

    def prepare(self) -> None:
        lacking = remedy.for_reduced()
        if lacking:
            raise SandboxUnavailable(lacking)
        self._interpreter = find_interpreter(self._python, None)
        self._filters = seccomp.filter_programs(reduced=True)
        self._landlock = remedy.landlock_version()
        self._users = Users(self._cells, self._uid_base)
        self._roots = Roots()
        self._housekeeper = ThreadPoolExecutor(2, "basanite-files")

    async def make(self, environment: Environment, number: int) -> Processes:
        assert self._users is not None
        assert self._roots is not None
        assert self._housekeeper is not None
        if environment.trees is not None or environment.root is not None:
            raise SandboxUnavailable(
                "repositories and images need namespaces, which isolation `reduced` does without. "
                f"{remedy.for_namespaces()}"
            )
        users = self._users.of_cell(number)
        store = await self._store(environment)
        texts = {
            "/etc/passwd": PASSWD + b"cell:x:%d:%d::/tmp:/bin/sh\n" % (users[0], users[0]),
            "/etc/group": GROUP + b"cell:x:%d:\n" % users[0],
        }
        try:
            root = await asyncio.to_thread(self._roots.make, number, store, texts)
        except OSError as error:
            raise SandboxUnavailable(f"a cell's root cannot be made: {error}") from error
        return Reduced(environment, self._filters, self._interpreter, root, users, self._housekeeper)

    async def _store(self, environment: Environment) -> Path:
        """Copied once, however many cells ask at one time; tried again if it fails."""
        key = environment.path, environment.tools, environment.modules
        known = self._stores.get(key)
        if known is None or (known.done() and (known.cancelled() or known.exception() is not None)):
            known = asyncio.ensure_future(asyncio.to_thread(self._copy, environment))
            self._stores[key] = known
        return await asyncio.shield(known)

    def _copy(self, environment: Environment) -> Path:
        assert self._roots is not None
        texts = {
            f"/basanite/{name}": (GUEST / name).read_bytes() for name in (*GUEST_FILES, *_FURTHER_GUEST_FILES)
        }
        return self._roots.make_store(contents(self._interpreter, environment), texts)

    @property
    def python_version(self) -> str:
        return self._interpreter.version

    @property
    def weaknesses(self) -> tuple[str, ...]:
        words = [*_WEAKNESSES]
        if self._why:
            words.insert(0, f"Isolation is reduced: {self._why}. {remedy.for_namespaces()}")
        if not self._landlock:
            words.append(
                "This kernel or container has no Landlock: the root directory and the user id stand alone."
            )
        elif self._landlock < _LANDLOCK_WITH_SCOPES:
            words.append(
                f"Landlock is version {self._landlock} here: signals are held back by the user id alone."
            )
        return tuple(words)

    def close(self) -> None:
        if self._housekeeper is not None:
            self._housekeeper.shutdown()
        if self._roots is not None:
            self._roots.close()
        if self._users is not None:
            self._users.close()
