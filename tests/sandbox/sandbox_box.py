"""A pool of the process runtime behind plain, blocking calls: what the tests of this folder hold on to.

`LocalBox` has the pool in this process, `WorkerBox` in another one under another uid. Both do the same.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from basanite_sandboxes.process import ProcessPool, cgroup, native
from basanite_sandboxes.spec import Environment, Isolation, Limits, Program, PythonProgram, Report

CELLS = 2
CANARY = "the-token-of-the-service"
"""In the environment of every service that the tests start."""
STANDARD = Environment()


@dataclass(frozen=True)
class Variant:
    """What differs between the pools that must behave the same."""

    name: str
    library: bool = True
    """The compiled agent, or the one in Python."""
    cgroups: bool = True
    uid: int | None = None
    """Another user to run the whole pool as."""
    isolation: str = "full"


REDUCED = Variant("reduced", library=False, cgroups=False, isolation="reduced")
"""As in a stock container: without namespaces, and without cgroups."""
VARIANTS = (
    Variant("compiled"),
    Variant("fallback", library=False),
    Variant("no-cgroups", cgroups=False),
    Variant("unprivileged", uid=65534),
    REDUCED,
)


def make_pool(variant: Variant, cells: int = CELLS) -> ProcessPool:
    """A pool that is not started yet; `start_pool` starts it."""
    pool = ProcessPool(cells, isolation=variant.isolation)
    pool.variant = variant  # type: ignore[attr-defined]
    return pool


async def start_pool(pool: ProcessPool) -> None:
    variant: Variant = pool.variant  # type: ignore[attr-defined]
    with mock.patch.object(
        native, "library", native.library if variant.library else mock.Mock(return_value=None)
    ):
        if variant.cgroups:
            await pool.start()
        else:
            with mock.patch.object(cgroup, "find_control", return_value=cgroup.Control("none", {})):
                await pool.start()


def limits_of(**changes: Any) -> Limits:
    """Limits that no test meets by accident, with these changes."""
    return Limits(**{"cpu_seconds": 20.0, "wall_seconds": 60.0, **changes})


def python(program: str | bytes | Program) -> Program:
    """Python source, indented or not, as a program; a program as it is."""
    if isinstance(program, str):
        return PythonProgram(textwrap.dedent(program).encode())
    return PythonProgram(program) if isinstance(program, bytes) else program


async def until(condition: Callable[[], Any]) -> Any:
    """What is awaited has no event of its own: processes of others."""
    end = time.monotonic() + 20
    while not (value := condition()):
        assert time.monotonic() < end
        await asyncio.sleep(0.002)
    return value


class Box:
    variant: Variant
    isolation: Isolation

    def run(
        self,
        program: str | bytes | Program,
        *,
        stdin: bytes = b"",
        files: Mapping[str, bytes] | None = None,
        environment: Environment = STANDARD,
        **limits: Any,
    ) -> Report:
        raise NotImplementedError

    def cases(
        self, source: str | bytes, stdins: Sequence[bytes], *, take: int | None = None, **limits: Any
    ) -> list[Report]:
        """Run the cases; `take`: close the generator after so many reports."""
        raise NotImplementedError

    def out(self, program: str | bytes | Program, **arguments: Any) -> str:
        """What an honest program prints; it must end well and say nothing on standard error."""
        report = self.run(program, **arguments)
        assert (report.ended.name, report.exit_status, report.stderr.decode()) == ("EXITED", 0, ""), report
        return report.stdout.decode()

    @property
    def has_cgroups(self) -> bool:
        return self.isolation.memory_control != "rlimit" and self.isolation.cpu_accounting != "proc"

    def close(self) -> None:
        raise NotImplementedError


async def run_in(
    pool: ProcessPool, program: Program, environment: Environment = STANDARD, **keywords: Any
) -> Report:
    stdin, files = keywords.pop("stdin", b""), keywords.pop("files", None)
    async with pool.sandbox(environment) as sandbox:
        return await sandbox.run(program, limits_of(**keywords), stdin=stdin, files=files)


async def cases_in(
    pool: ProcessPool, program: PythonProgram, stdins: Sequence[bytes], take: int | None, **limits: Any
) -> list[Report]:
    reports: list[Report] = []
    async with (
        pool.sandbox(STANDARD) as sandbox,
        aclosing(sandbox.run_cases(program, limits_of(**limits), stdins)) as stream,
    ):
        async for report in stream:
            reports.append(report)
            if len(reports) == take:
                break
    return reports


class LocalBox(Box):
    def __init__(self, variant: Variant, cells: int = CELLS) -> None:
        self.variant = variant
        self._runner = asyncio.Runner()
        self.pool = make_pool(variant, cells)
        self.do(start_pool(self.pool))
        self.isolation = self.pool.isolation

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the pool's event loop."""
        return self._runner.run(coroutine)

    def run(self, program: Any, *, environment: Environment = STANDARD, **keywords: Any) -> Report:
        return self.do(run_in(self.pool, python(program), environment, **keywords))

    def cases(
        self, source: Any, stdins: Sequence[bytes], *, take: int | None = None, **limits: Any
    ) -> list[Report]:
        return self.do(cases_in(self.pool, python(source), stdins, take, **limits))

    def close(self) -> None:
        self.do(self.pool.close())
        self._runner.close()


class WorkerBox(Box):
    def __init__(self, variant: Variant, home: Path) -> None:
        self.variant = variant
        home.mkdir(exist_ok=True)
        os.chown(home, variant.uid, variant.uid)
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            user=variant.uid,
            group=variant.uid,
            extra_groups=[],
            cwd="/",
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(home),
                "PYTHONWARNINGS": "error",
                "BASANITE_TEST_SECRET": CANARY,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.isolation = self._ask("start", variant)

    def _ask(self, *request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        _send(self._process.stdin, request)
        worked, answer = _receive(self._process.stdout)
        if not worked:
            raise answer
        return answer

    def run(self, program: Any, **keywords: Any) -> Report:
        return self._ask("run", python(program), keywords)

    def cases(
        self, source: Any, stdins: Sequence[bytes], *, take: int | None = None, **limits: Any
    ) -> list[Report]:
        return self._ask("cases", python(source), stdins, take, limits)

    def close(self) -> None:
        self._process.communicate(timeout=30)
        assert self._process.returncode == 0


def _send(stream: Any, message: Any) -> None:
    data = pickle.dumps(message)
    stream.write(struct.pack("=Q", len(data)) + data)
    stream.flush()


def _receive(stream: Any) -> Any:
    head = stream.read(8)
    if len(head) < 8:
        raise EOFError("the worker has gone")
    return pickle.loads(stream.read(*struct.unpack("=Q", head)))  # noqa: S301  from our own process


def _work() -> None:
    box: LocalBox | None = None
    while True:
        try:
            kind, *rest = _receive(sys.stdin.buffer)
        except EOFError:
            break
        try:
            if kind == "start":
                box = LocalBox(rest[0])
                answer: Any = box.isolation
            elif kind == "run":
                answer = box.run(rest[0], **rest[1])
            else:
                answer = box.cases(rest[0], rest[1], take=rest[2], **rest[3])
        except Exception as error:
            _send(sys.stdout.buffer, (False, error))
        else:
            _send(sys.stdout.buffer, (True, answer))
    if box is not None:
        box.close()


if __name__ == "__main__":
    # Classes that travel must have one name on both sides.
    import sandbox_box

    sandbox_box._work()
