"""Drives the verifier on a real pool, without a server: what goes in is a task, what comes out is checked as the
chassis would check it."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from basanite.v1 import result_pb2, tasks_pb2
from basanite_sandboxes.process import ProcessPool
from basanite_sandboxes.spec import Environment, Limits
from basanite_services.chassis.blobs import BlobStore
from basanite_services.chassis.guard import flaw, sum_usage
from basanite_services.chassis.seeds import Seeds
from basanite_services.chassis.snapshots import SnapshotStore
from basanite_services.chassis.verifier import Context
from basanite_services.unittest.verifier import UnittestVerifier

LIMITS = Limits(cpu_seconds=10, wall_seconds=60, memory_bytes=1 << 30, processes=64)
SHARED, ISOLATED = tasks_pb2.TEST_MODE_SHARED, tasks_pb2.TEST_MODE_ISOLATED


class Judge:
    """One pool of two cells on one event loop, and snapshots."""

    def __init__(
        self,
        pool: ProcessPool | None = None,
        start: Callable[[ProcessPool], Coroutine[Any, Any, None]] = ProcessPool.start,
    ) -> None:
        self._runner = asyncio.Runner()
        self._pool = pool or ProcessPool(cells=2, isolation="full")
        self._verifier = UnittestVerifier()
        self._seed = functools.partial(Seeds("the secret of the tests").seed, "unittest")
        self._runner.run(start(self._pool))
        # Not below pytest's own directory: that is closed to other users.
        self._directory = tempfile.TemporaryDirectory(prefix="basanite-test-")
        self.folder = Path(self._directory.name)
        self.folder.chmod(0o755)
        self.blobs = BlobStore(self.folder / "blobs", 1 << 30, 3600)
        self.snapshots = SnapshotStore(
            self.folder / "snapshots", self.blobs, quota_bytes=1 << 30, max_bytes=1 << 28, expiry_seconds=3600
        )
        self.snapshots.owner = self._pool.tree_owner

    def close(self) -> None:
        self._runner.run(self._pool.close())
        self._runner.close()
        self._directory.cleanup()

    def __call__(
        self, task: tasks_pb2.UnittestTask, environment: Environment | None = None, **limits: Any
    ) -> result_pb2.Verdict:
        """Judge one task. Raises what the verifier raises: it would become a Failure."""
        return self._runner.run(self._judge(task, environment or Environment(), **limits))

    async def _judge(
        self, task: tasks_pb2.UnittestTask, environment: Environment, **limits: Any
    ) -> result_pb2.Verdict:
        effective = dataclasses.replace(LIMITS, **limits)
        context = Context(effective, environment, self._pool.sandbox, self._seed, self.snapshots)
        verdict = await self._verifier.verify(task, context)
        # Over the wire and through the chassis' own check: what breaks there is a Failure as well.
        verdict = result_pb2.Verdict.FromString(verdict.SerializeToString())
        assert flaw(verdict) is None, flaw(verdict)
        sum_usage(verdict.cases, 0.0)
        return verdict

    def snapshot(self, files: Mapping[str, str | bytes]) -> str:
        """Store an archive of these files. -> its digest"""
        return self.store(archive(files))

    def store(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        descriptor, path = self.blobs.begin()
        with open(descriptor, "wb") as file:
            file.write(data)
        self.blobs.finish(path, digest)
        return digest


def archive(files: Mapping[str, str | bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            data = content.encode() if isinstance(content, str) else content
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def sources(files: Mapping[str, str]) -> list[tasks_pb2.SourceFile]:
    return [tasks_pb2.SourceFile(name=name, content=content) for name, content in files.items()]


def suite(
    files: Mapping[str, str],
    tests: Mapping[str, str],
    mode: tasks_pb2.TestMode.ValueType = ISOLATED,
    *,
    reference: Mapping[str, str] | None = None,
    **fields: Any,
) -> tasks_pb2.UnittestTask:
    """`fields`: of the form, or of the task."""
    of_task = {name: fields.pop(name) for name in ("framework", "scoring", "repeats") if name in fields}
    form = tasks_pb2.SuiteForm(tests=sources(tests), mode=mode, reference=sources(reference or {}), **fields)
    return tasks_pb2.UnittestTask(files=sources(files), suite=form, **of_task)


def repository(
    patch: str,
    snapshot: str,
    fail_to_pass: Sequence[str] = (),
    pass_to_pass: Sequence[str] = (),
    *,
    tests: Mapping[str, str] | None = None,
    **fields: Any,
) -> tasks_pb2.UnittestTask:
    of_task = {name: fields.pop(name) for name in ("framework", "scoring", "repeats") if name in fields}
    form = tasks_pb2.RepositoryForm(
        snapshot=snapshot,
        fail_to_pass=fail_to_pass,
        pass_to_pass=pass_to_pass,
        tests=sources(tests or {}),
        **fields,
    )
    return tasks_pb2.UnittestTask(patch=patch, repository=form, **of_task)


def said(verdict: result_pb2.Verdict) -> str:
    """What a failing test of ours shows."""
    cases = [
        f"{case.test.name}: {result_pb2.Outcome.Name(case.outcome)} {case.message}" for case in verdict.cases
    ]
    return "\n".join([*cases, *(diagnostic.message for diagnostic in verdict.diagnostics)])
