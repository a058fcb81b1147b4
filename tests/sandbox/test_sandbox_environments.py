"""Environments: packages that cells have, read-only, each its own."""

from __future__ import annotations

import asyncio
import errno
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sandbox_box import LocalBox, Variant, run_in
from sandbox_life import HELLO, started

from basanite_sandboxes.spec import Environment, PythonProgram, SandboxUnavailable


@pytest.fixture
def packages() -> Iterator[Callable[[str, str], Path]]:
    with tempfile.TemporaryDirectory(prefix="basanite-packages-") as top:
        Path(top).chmod(0o755)

        def make(name: str, source: str) -> Path:
            directory = Path(top, name)
            (directory / "thing").mkdir(parents=True)
            (directory / "thing" / "__init__.py").write_text(textwrap.dedent(source))
            for path in (directory, directory / "thing", directory / "thing" / "__init__.py"):
                path.chmod(0o777)  # what protects them is the mount
            return directory

        yield make


def test_environments_are_importable_read_only_and_do_not_mix(
    local_box: LocalBox, packages: Callable[[str, str], Path]
) -> None:
    source = """
        import thing
        print(thing.name, thing.__file__)
        try: open("/environment/x", "w")
        except OSError as e: print(e.errno)
        try: open("/environment/thing/__init__.py", "a")
        except OSError as e: print(e.errno)
    """
    environments = [
        Environment(name, packages(name, f"name = {name!r}"), preload, digest=name)
        for name, preload in (("a", ()), ("b", ("thing",)), ("c", ("thing", "json")))
    ]
    refused = errno.EACCES if local_box.isolation.profile == "reduced" else errno.EROFS
    for _ in range(2):
        for environment in environments:
            assert local_box.out(source, environment=environment) == (
                f"{environment.name} /environment/thing/__init__.py\n{refused}\n{refused}\n"
            )
        report = local_box.run("import thing")
        assert b"No module named 'thing'" in report.stderr
    assert local_box.pool.in_use == 0


def test_preloaded_modules_are_there_and_fresh_in_each_run(
    local_box: LocalBox, packages: Callable[[str, str], Path]
) -> None:
    environment = Environment(
        "p", packages("p", "import random\nvalues = []\nmade = random.random()"), ("thing", "random")
    )
    source = """
        import sys
        print("thing" in sys.modules)
        import thing
        thing.values.append(1)
        print(thing.values)
    """
    for _ in range(2):
        assert local_box.out(source, environment=environment) == "True\n[1]\n"
    source = "import random\nprint(random.random())"
    assert local_box.out(source, environment=environment) != local_box.out(source, environment=environment)


@pytest.mark.usefixtures("_nothing_left")
@pytest.mark.parametrize("broken", ["no directory", "preload", "preload that exits", "preload that hangs up"])
def test_an_environment_that_does_not_work_is_unavailable_and_harms_no_other(
    variant: Variant, broken: str, packages: Callable[[str, str], Path]
) -> None:
    sources = {
        "preload": "1 / 0",
        "preload that exits": "raise SystemExit",
        "preload that hangs up": "import os; os._exit(0)",
    }
    path = packages("x", sources[broken]) if broken in sources else Path("/no/such/directory")

    async def main() -> None:
        async with started(variant) as pool:
            for _ in range(3):
                with pytest.raises(SandboxUnavailable):
                    await run_in(pool, HELLO, Environment("x", path, ("thing",)))
                assert (await run_in(pool, HELLO)).stdout == b"hello\n"
            assert pool.in_use == 0

    asyncio.run(main())


def test_more_environments_than_cells(local_box: LocalBox, packages: Callable[[str, str], Path]) -> None:
    environments = [Environment(str(n), packages(f"n{n}", f"n = {n}")) for n in range(5)]

    async def all_at_once() -> list[Any]:
        program = PythonProgram(b"import thing\nprint(thing.n)")
        return await asyncio.gather(*(run_in(local_box.pool, program, e) for e in environments * 2))

    assert [report.stdout for report in local_box.do(all_at_once())] == [
        f"{n}\n".encode() for n in [*range(5)] * 2
    ]
