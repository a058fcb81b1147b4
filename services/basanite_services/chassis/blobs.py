"""BlobService: large or shared content by its SHA-256, in a directory.

    DIR/ab/abcdef...     a blob; its modification time is when somebody last asked for it
    DIR/incoming/*       uploads under way

A blob appears by rename, whole or not at all, so that several servers may share a directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc

from basanite.v1 import blob_pb2, blob_pb2_grpc
from basanite_services.chassis.logs import Logger

MAX_CHUNK_BYTES = 1 << 20
MAX_DIGESTS = 10_000

_DIGEST = re.compile(r"[0-9a-f]{64}")
_INCOMING = "incoming"
_UPLOAD = "upload-"


class QuotaExceeded(Exception):
    """The blob does not fit beside those that are kept."""


class BlobStore:
    """The directory. Methods that touch it block: the service calls them from threads."""

    def __init__(
        self,
        directory: Path,
        quota_bytes: int,
        expiry_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.directory = directory
        self.expiry_seconds = expiry_seconds
        self._quota_bytes = quota_bytes
        self._clock = clock
        self._reserved_bytes = 0

    def path(self, digest: str) -> Path:
        return self.directory / digest[:2] / digest

    def touch(self, digest: str) -> bool:
        """True if the blob is there; keeps it for another expiry_seconds."""
        now = self._clock()
        path = self.path(digest)
        try:
            if path.stat().st_mtime < now - self.expiry_seconds:
                # Expired and not yet swept: it must not vanish between this answer and its use.
                path.unlink(missing_ok=True)
                return False
            os.utime(path, (now, now))
        except FileNotFoundError:
            return False
        return True

    def reserve(self, used: int, size_bytes: int) -> None:
        """Claim room for an upload beside the `used` bytes; give it back with `release`.

        Raises QuotaExceeded. Does not block: for the event loop's thread, as `release`.
        """
        if used + self._reserved_bytes + size_bytes > self._quota_bytes:
            raise QuotaExceeded(
                f"{size_bytes} bytes do not fit: {used + self._reserved_bytes} of {self._quota_bytes} bytes "
                "are taken (blob_quota_bytes)"
            )
        self._reserved_bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        self._reserved_bytes -= size_bytes

    def begin(self) -> tuple[int, Path]:
        """A file for an upload: (descriptor, path)."""
        incoming = self.directory / _INCOMING
        incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        descriptor, name = tempfile.mkstemp(prefix=_UPLOAD, dir=incoming)
        return descriptor, Path(name)

    def finish(self, temporary: Path, digest: str) -> None:
        """Give a complete upload its name."""
        path = self.path(digest)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        now = self._clock()
        os.utime(temporary, (now, now))
        temporary.rename(path)

    def sweep(self) -> int:
        """Delete what nobody asked for in time. Returns the bytes of what is left."""
        used = 0
        oldest = self._clock() - self.expiry_seconds
        try:
            folders = [entry for entry in os.scandir(self.directory) if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return 0
        for folder in folders:
            for entry in os.scandir(folder.path):
                if not _is_ours(folder.name, entry.name):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    # Uploads that a killed server left behind expire too; live ones count as reserved.
                    if status.st_mtime < oldest:
                        os.unlink(entry.path)
                    elif folder.name != _INCOMING:
                        used += status.st_size
        return used


def _is_ours(folder: str, name: str) -> bool:
    """False for what somebody else keeps in the directory: that is not ours to delete."""
    if folder == _INCOMING:
        return name.startswith(_UPLOAD)
    return _DIGEST.fullmatch(name) is not None and name[:2] == folder


class BlobService(blob_pb2_grpc.BlobServiceServicer):
    """The RPCs of blob.proto over a BlobStore."""

    def __init__(self, store: BlobStore, log: Logger, is_draining: Callable[[], bool]) -> None:
        self._store = store
        self._log = log
        self._is_draining = is_draining
        self._lock = asyncio.Lock()

    async def FindMissing(
        self,
        request: blob_pb2.FindMissingRequest,
        context: grpc.aio.ServicerContext[blob_pb2.FindMissingRequest, blob_pb2.FindMissingResponse],
    ) -> blob_pb2.FindMissingResponse:
        if len(request.digests) > MAX_DIGESTS:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"digests must be at most {MAX_DIGESTS}")
        digests = list(dict.fromkeys(request.digests))
        for index, digest in enumerate(digests):
            await _check_digest(digest, f"digests[{index}]", context)

        def missing() -> list[str]:
            return [digest for digest in digests if not self._store.touch(digest)]

        async with self._lock:
            return blob_pb2.FindMissingResponse(missing_digests=await asyncio.to_thread(missing))

    async def Put(
        self,
        request_iterator: AsyncIterator[blob_pb2.PutRequest],
        context: grpc.aio.ServicerContext[blob_pb2.PutRequest, blob_pb2.PutResponse],
    ) -> blob_pb2.PutResponse:
        if self._is_draining():
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")
        requests = aiter(request_iterator)
        first = await anext(requests, None)
        if first is None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first message must carry the digest")
        assert first is not None
        digest, size = first.digest, first.size_bytes
        await _check_digest(digest, "digest", context)
        if size < 0:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "size_bytes must not be negative")
        response = blob_pb2.PutResponse(
            digest=digest, size_bytes=size, expiry_seconds=self._store.expiry_seconds
        )
        try:
            async with self._lock:
                if await asyncio.to_thread(self._store.touch, digest):
                    return response
                self._store.reserve(await asyncio.to_thread(self._store.sweep), size)
        except QuotaExceeded as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        try:
            problem = await self._receive(first, requests, digest, size)
        except OSError as error:
            self._log.error("blob could not be written", digest=digest, error=error.strerror)
            problem = None
            await context.abort(
                grpc.StatusCode.INTERNAL, f"the blob could not be written: {error.strerror} (blob_dir)"
            )
        finally:
            self._store.release(size)
        if problem is not None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, problem)
        self._log.info("blob stored", digest=digest, size_bytes=size)
        return response

    async def _receive(
        self,
        first: blob_pb2.PutRequest,
        requests: AsyncIterator[blob_pb2.PutRequest],
        digest: str,
        size: int,
    ) -> str | None:
        """Write the data to a file and name it. Returns what is wrong with the data, if anything is."""
        descriptor, temporary = await asyncio.to_thread(self._store.begin)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                state = hashlib.sha256()
                received = 0
                message: blob_pb2.PutRequest | None = first
                while message is not None:
                    if message is not first and (message.digest or message.size_bytes):
                        return "digest and size_bytes belong in the first message only"
                    data = message.data
                    received += len(data)
                    if len(data) > MAX_CHUNK_BYTES:
                        return f"data must be at most {MAX_CHUNK_BYTES} bytes a message"
                    if received > size:
                        return f"there is more data than size_bytes, {size}"
                    state.update(data)
                    await asyncio.to_thread(file.write, data)
                    message = await anext(requests, None)
            if received != size:
                return f"size_bytes is {size}, but {received} bytes came"
            if state.hexdigest() != digest:
                return "the data's SHA-256 is not digest"
            await asyncio.to_thread(self._store.finish, temporary, digest)
            return None
        finally:
            temporary.unlink(missing_ok=True)


async def _check_digest(digest: str, name: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    if _DIGEST.fullmatch(digest) is None:
        await context.abort(
            grpc.StatusCode.INVALID_ARGUMENT, f"{name} must be 64 lower-case hexadecimal digits"
        )
