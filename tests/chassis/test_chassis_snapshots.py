"""Repositories: unpacked once and safely, kept while they are used, and no longer than they may."""

from __future__ import annotations

import asyncio
import hashlib
import io
import lzma
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from basanite_services.chassis.archive import BadArchive, unpack, unpack_image
from basanite_services.chassis.blobs import BlobStore
from basanite_services.chassis.snapshots import SnapshotStore
from basanite_services.chassis.verifier import InvalidItem

Entry = tuple[str, bytes | str, bytes]
"""Name, content or target of a link, kind."""
FILE, LINK, HARD, FOLDER, DEVICE, FIFO = (
    *(tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE),
)


def archive(*entries: Entry, mode: int = 0o644) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content, kind in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = kind, mode
            if isinstance(content, str):
                entry.linkname, content = content, b""
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[[bytes], Path]:
    def unpacked(data: bytes) -> Path:
        (tmp_path / "archive").write_bytes(data)
        (tmp_path / "out").mkdir()
        unpack(tmp_path / "archive", tmp_path / "out", 1 << 20)
        return tmp_path / "out"

    return unpacked


def test_a_single_directory_at_the_top_is_left_out(unpacked: Callable[[bytes], Path]) -> None:
    made = unpacked(
        archive(("p-1.0/a/b", b"x", FILE), ("p-1.0/l", "a/b", LINK), ("p-1.0/h", "p-1.0/a/b", HARD))
    )
    assert sorted(str(path.relative_to(made)) for path in made.rglob("*")) == ["a", "a/b", "h", "l"]
    assert (made / "l").read_bytes() == (made / "h").read_bytes() == b"x"


def test_modes_say_no_more_than_who_may_run_it(unpacked: Callable[[bytes], Path]) -> None:
    made = unpacked(archive(("x", b"", FILE), ("y", b"", FILE), mode=0o6777))
    assert (made / "x").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize("compress", [lzma.compress, __import__("gzip").compress])
def test_it_may_be_compressed(unpacked: Callable[[bytes], Path], compress: Callable[[bytes], bytes]) -> None:
    assert (unpacked(compress(archive(("a", b"1", FILE), ("b", b"", FILE)))) / "a").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("entries", "rule"),
    [
        ([("../x", b"", FILE)], "stay inside"),
        ([("/etc/x", b"", FILE)], "stay inside"),
        ([("a", "/etc", LINK)], "links that stay inside"),
        ([("a/b", "../../x", LINK)], "links that stay inside"),
        ([("a", "b", LINK), ("a/x", b"", FILE)], "no file below another"),
        ([("a", b"", FILE), ("a/x", b"", FILE)], "no file below another"),
        ([("a", "/etc/passwd", HARD)], "stay inside"),
        ([("a", "missing", HARD)], "hard links to its own files"),
        ([("l", "x", LINK), ("a", "l", HARD)], "hard links to its own files"),
        ([("null", b"", DEVICE)], "regular files"),
        ([("pipe", b"", FIFO)], "regular files"),
        ([("d", b"", FOLDER), ("d", b"", FILE)], "each file once"),
        (
            [("big", bytes(1 << 19), FILE), ("bigger", bytes(1 << 19), FILE), ("x", b"1", FILE)],
            "at most 1048576 bytes",
        ),
        ([("x" * 1200, b"", FILE)], "at most 1000 bytes"),
    ],
)
def test_an_archive_that_breaks_a_rule_is_refused(
    unpacked: Callable[[bytes], Path], tmp_path: Path, entries: list[Entry], rule: str
) -> None:
    with pytest.raises(BadArchive, match=rule):
        unpacked(archive(*entries))
    assert {path.name for path in tmp_path.iterdir()} == {"archive", "out"}


@pytest.mark.parametrize("data", [b"", b"no archive", b"\x1f\x8b\x08nonsense", bytes(1024) + b"x"])
def test_what_is_no_archive_is_said_to_be_none(unpacked: Callable[[bytes], Path], data: bytes) -> None:
    if data.startswith(bytes(512)):
        assert list(unpacked(data).iterdir()) == []  # two empty blocks end an archive
        return
    with pytest.raises(BadArchive, match="be a tar archive"):
        unpacked(data)


def test_a_bomb_is_stopped_while_it_unpacks(unpacked: Callable[[bytes], Path], tmp_path: Path) -> None:
    with pytest.raises(BadArchive, match="at most"):
        unpacked(lzma.compress(archive(("bomb", bytes(64 << 20), FILE))))
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*")) <= 1 << 20


def test_of_an_image_devices_are_left_out_and_links_stay(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(
        archive(("dev/null", b"", DEVICE), ("bin/sh", "/bin/dash", LINK), ("bin/dash", b"#", FILE))
    )
    (tmp_path / "out").mkdir()
    unpack_image(tmp_path / "a", tmp_path / "out")
    assert os.readlink(tmp_path / "out/bin/sh") == "/bin/dash"
    assert not (tmp_path / "out/dev/null").exists()
    (tmp_path / "b").write_bytes(archive(("../x", b"", FILE)))
    with pytest.raises(BadArchive):
        unpack_image(tmp_path / "b", tmp_path / "out")


# The store --------------------------------------------------------------------------------------------------


class Kept:
    """A store, and blobs that are in it."""

    def __init__(self, folder: Path, quota_bytes: int = 1 << 20) -> None:
        self.blobs = BlobStore(folder / "blobs", 1 << 20, 3600)
        self.folder = folder / "snapshots"
        self.store = SnapshotStore(
            self.folder, self.blobs, quota_bytes=quota_bytes, max_bytes=1 << 20, expiry_seconds=3600
        )

    def put(self, *entries: Entry) -> str:
        data = archive(*entries)
        descriptor, path = self.blobs.begin()
        with open(descriptor, "wb") as file:
            file.write(data)
        digest = hashlib.sha256(data).hexdigest()
        self.blobs.finish(path, digest)
        return digest

    @property
    def trees(self) -> set[str]:
        return {path.name for path in self.store.trees.iterdir()}


def test_a_tree_is_unpacked_once_for_all_who_ask(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    digest = kept.put(("a", b"1", FILE), ("b", b"", FILE))

    async def use() -> tuple[str, int]:
        async with kept.store.use(digest, "f") as tree:
            return (tree / "a").read_text(), (tree / "a").stat().st_ino

    async def both() -> set[tuple[str, int]]:
        return set(await asyncio.gather(*(use() for _ in range(8))))

    [(text, _)] = asyncio.run(both())
    assert text == "1"
    assert kept.trees == {digest}
    assert list((kept.folder / "incoming").iterdir()) == []


def test_what_was_not_uploaded_or_is_no_archive_is_the_items_fault(tmp_path: Path) -> None:
    kept = Kept(tmp_path)

    async def use(digest: str) -> None:
        async with kept.store.use(digest, "unittest.repository.snapshot"):
            pass

    for digest, rule in (
        ("0" * 64, "upload it"),
        ("x", "64 lower-case"),
        (kept.put(("../a", b"", FILE)), "stay inside"),
    ):
        with pytest.raises(InvalidItem, match=rule) as caught:
            asyncio.run(use(digest))
        assert caught.value.field == "unittest.repository.snapshot"


def test_what_is_too_much_goes_unless_it_is_used(tmp_path: Path) -> None:
    kept = Kept(tmp_path, quota_bytes=2500)
    digests = [kept.put(("a", bytes([number]) * 1000, FILE), ("b", b"", FILE)) for number in range(5)]

    async def go() -> None:
        async with kept.store.use(digests[0], "f") as first:
            for digest in digests[1:]:
                async with kept.store.use(digest, "f"):
                    pass
            assert (first / "a").is_file()
            assert digests[1] not in kept.trees
        assert len(kept.trees) <= 4

    asyncio.run(go())
    again = Kept(tmp_path, quota_bytes=2500)  # another server with the same directory

    async def reuse() -> None:
        async with again.store.use(digests[0], "f") as tree:
            assert (tree / "a").read_bytes() == bytes(1000)

    asyncio.run(reuse())


def test_what_nobody_used_for_long_goes(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    old, new = kept.put(("a", b"1", FILE), ("b", b"", FILE)), kept.put(("a", b"2", FILE), ("b", b"", FILE))

    async def go(digest: str) -> None:
        async with kept.store.use(digest, "f"):
            pass

    asyncio.run(go(old))
    os.utime(kept.folder / "notes" / old, (0, 0))
    asyncio.run(go(new))
    assert kept.trees == {new}
