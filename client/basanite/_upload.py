"""Sending what is large or shared to BlobService, once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

import grpc

from basanite._errors import UploadFailed
from basanite.v1 import blob_pb2

CHUNK_BYTES = 1 << 20
_SERVICE = "/basanite.v1.BlobService/"


def upload(
    channel: grpc.Channel, metadata: Any, source: str | os.PathLike[str] | bytes, seconds: float | None
) -> str:
    """-> the digest, SHA-256 in hex. Blocks. Raises grpc.RpcError, UploadFailed, OSError."""
    with _opened(source) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
        find = channel.unary_unary(
            f"{_SERVICE}FindMissing",
            request_serializer=blob_pb2.FindMissingRequest.SerializeToString,
            response_deserializer=blob_pb2.FindMissingResponse.FromString,
        )
        request = blob_pb2.FindMissingRequest(digests=[digest])
        if not find(request, timeout=seconds, metadata=metadata).missing_digests:
            return digest
        put = channel.stream_unary(
            f"{_SERVICE}Put",
            request_serializer=blob_pb2.PutRequest.SerializeToString,
            response_deserializer=blob_pb2.PutResponse.FromString,
        )
        file.seek(0)
        try:
            put(_chunks(file, digest, size), timeout=seconds, metadata=metadata)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL):
                raise UploadFailed(f"the server does not take the upload: {error.details()}") from error
            raise
    return digest


def _chunks(file: BufferedReader, digest: str, size: int) -> Iterator[blob_pb2.PutRequest]:
    yield blob_pb2.PutRequest(digest=digest, size_bytes=size, data=file.read(CHUNK_BYTES))
    while data := file.read(CHUNK_BYTES):
        yield blob_pb2.PutRequest(data=data)


@contextlib.contextmanager
def _opened(source: str | os.PathLike[str] | bytes) -> Iterator[BufferedReader]:
    if not isinstance(source, bytes) and not Path(source).is_dir():
        with Path(source).open("rb") as file:
            yield file
        return
    with tempfile.NamedTemporaryFile() as made:
        with Path(made.name).open("wb") as file:
            if isinstance(source, bytes):
                file.write(source)
            else:
                pack(Path(source), file)
        with Path(made.name).open("rb") as file:
            yield file


def pack(directory: Path, file: IO[bytes]) -> None:
    """A tar archive of all below a directory but .git and compiled bytecode, the same for the same files."""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for folder, folders, names in os.walk(directory):
            folders[:] = sorted(name for name in folders if name not in (".git", "__pycache__"))
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            kept = [name for name in folders if name not in links]
            for name in sorted([*names, *links, *kept]):
                path = Path(folder, name)
                status = path.lstat()
                if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode) or path.is_dir()):
                    raise UploadFailed(f"{path} is neither a file, a directory nor a link")
                entry = tarfile.TarInfo(str(path.relative_to(directory)))
                entry.mode = 0o755 if status.st_mode & 0o100 else 0o644
                if stat.S_ISLNK(status.st_mode):
                    entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(path)
                    archive.addfile(entry)
                elif path.is_dir():
                    entry.type = tarfile.DIRTYPE
                    archive.addfile(entry)
                else:
                    entry.size = status.st_size
                    with path.open("rb") as content:
                        archive.addfile(entry, content)
