"""What is uploaded once and named by its digest."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from e2e_fixtures import serving

from basanite import AsyncClient, Client, FailureReason, Item, RepositoryTask, UploadFailed


@pytest.mark.usefixtures("doctor")
def test_what_is_uploaded_is_named_by_its_digest_and_refused_in_words(folder: Path) -> None:
    (folder / "data").write_bytes(b"no archive" * 300_000)
    digest = hashlib.sha256(b"no archive" * 300_000).hexdigest()
    settings = ("--blob-dir", str(folder / "blobs"), "--blob-quota-bytes", "4MiB")
    with serving(*settings) as (address, _), Client(address) as client:
        assert client.upload(folder / "data") == client.upload(b"no archive" * 300_000) == digest

        async def again() -> str:
            async with AsyncClient(address) as other:
                return await other.upload(str(folder / "data"))

        assert asyncio.run(again()) == digest
        with pytest.raises(UploadFailed, match="do not fit"):
            client.upload(b"x" * (2 << 20))
        with pytest.raises(FileNotFoundError):
            client.upload(folder / "missing")
        task = RepositoryTask("", digest, fail_to_pass=["a.py::test"])
        failure = client.verify(Item(task)).failure
        assert failure is not None
        assert (failure.reason, failure.field) == (FailureReason.INVALID_ITEM, "unittest.repository.snapshot")
