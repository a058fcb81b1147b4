"""Blobs: stored whole and right or not at all, within quota, until they expire."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from chassis_fakes import Harness, serving

from basanite.v1 import blob_pb2
from basanite_services.chassis.blobs import MAX_CHUNK_BYTES, BlobStore, QuotaExceeded

Put = blob_pb2.PutRequest


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def _put(harness: Harness, *messages: blob_pb2.PutRequest) -> blob_pb2.PutResponse:
    async def requests() -> AsyncIterator[blob_pb2.PutRequest]:
        for message in messages:
            yield message

    response: blob_pb2.PutResponse = await harness.blobs.Put(requests())
    return response


async def _missing(harness: Harness, *digests: str) -> list[str]:
    response = await harness.blobs.FindMissing(blob_pb2.FindMissingRequest(digests=digests))
    return list(response.missing_digests)


async def test_a_blob_is_stored_under_its_digest(tmp_path: Path) -> None:
    data = os.urandom(MAX_CHUNK_BYTES + 1234)
    digest, other = _digest(data), _digest(b"other")
    async with serving(tmp_path, blob_expiry_seconds=3600) as harness:
        assert await _missing(harness, digest, other, digest) == [digest, other]
        response = await _put(
            harness,
            Put(digest=digest, size_bytes=len(data), data=data[:MAX_CHUNK_BYTES]),
            Put(data=data[MAX_CHUNK_BYTES:]),
        )
        assert (response.digest, response.size_bytes, response.expiry_seconds) == (digest, len(data), 3600)
        assert await _missing(harness, digest, other) == [other]
        # Again is no error, and needs no data.
        assert (await _put(harness, Put(digest=digest, size_bytes=len(data)))).digest == digest
        empty = await _put(harness, Put(digest=_digest(b""), size_bytes=0))
        assert empty.size_bytes == 0
    store = tmp_path / "blobs"
    assert (store / digest[:2] / digest).read_bytes() == data
    assert {path.stat().st_mode & 0o777 for path in [store, *store.iterdir()]} == {0o700}
    assert (store / digest[:2] / digest).stat().st_mode & 0o077 == 0
    assert list((store / "incoming").iterdir()) == []


GOOD = _digest(b"hello")


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([], "first message"),
        ([Put(digest="../../etc/passwd", size_bytes=5, data=b"hello")], "64 lower-case"),
        ([Put(digest=GOOD.upper(), size_bytes=5, data=b"hello")], "64 lower-case"),
        ([Put(digest=GOOD, size_bytes=-1, data=b"hello")], "negative"),
        ([Put(digest=GOOD, size_bytes=5, data=b"hellO")], "SHA-256"),
        ([Put(digest=GOOD, size_bytes=6, data=b"hello")], "5 bytes came"),
        ([Put(digest=GOOD, size_bytes=4, data=b"hello")], "more data"),
        ([Put(digest=GOOD, size_bytes=2 << 20, data=b"x" * (MAX_CHUNK_BYTES + 1))], "at most 1048576"),
        ([Put(digest=GOOD, size_bytes=5, data=b"he"), Put(digest=GOOD, data=b"llo")], "first message only"),
    ],
)
async def test_a_bad_upload_is_refused_and_leaves_nothing(
    messages: list[blob_pb2.PutRequest], text: str, tmp_path: Path
) -> None:
    async with serving(tmp_path) as harness:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _put(harness, *messages)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert text in (caught.value.details() or "")
        assert await _missing(harness, GOOD) == [GOOD]
        # The quota is given back, and the right data is still welcome.
        await _put(harness, Put(digest=GOOD, size_bytes=5, data=b"hello"))
        assert await _missing(harness, GOOD) == []
    assert list((tmp_path / "blobs" / "incoming").iterdir()) == []


async def test_an_upload_beyond_the_quota_is_resource_exhausted(tmp_path: Path) -> None:
    async with serving(tmp_path, blob_quota_bytes=1000) as harness:
        await _put(harness, Put(digest=_digest(b"a" * 600), size_bytes=600, data=b"a" * 600))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _put(harness, Put(digest=_digest(b"b" * 600), size_bytes=600, data=b"b" * 600))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await _put(harness, Put(digest=_digest(b"c" * 400), size_bytes=400, data=b"c" * 400))


async def test_bad_digests_to_find_are_invalid(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        for digests in (["abc"], [GOOD] * 10_001):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _missing(harness, *digests)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_what_nobody_asks_for_expires_and_makes_room(tmp_path: Path) -> None:
    now = [1_000_000.0]
    store = BlobStore(tmp_path / "b", quota_bytes=10, expiry_seconds=100, clock=lambda: now[0])
    precious = tmp_path / "b" / "photos" / "1.jpg"
    precious.parent.mkdir(parents=True)
    precious.write_bytes(b"not a blob")
    os.utime(precious, (1, 1))
    for data in (b"old..", b"asked"):
        descriptor, path = store.begin()
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        store.finish(path, _digest(data))
    with pytest.raises(QuotaExceeded, match="blob_quota_bytes"):
        store.reserve(store.sweep(), 1)
    now[0] += 60
    assert store.touch(_digest(b"asked"))
    now[0] += 60
    assert not store.touch(_digest(b"old.."))
    assert store.sweep() == 5
    store.reserve(store.sweep(), 5)
    with pytest.raises(QuotaExceeded):
        store.reserve(store.sweep(), 1)
    store.release(5)
    assert store.touch(_digest(b"asked"))
    assert precious.exists()
