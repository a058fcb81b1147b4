"""The memory files through which a cell's programs, inputs and outputs pass. Candidates never hold them."""

from __future__ import annotations

import os

from basanite_sandboxes.process.replies import Garbled, read_rejection
from basanite_sandboxes.spec import Rejection

KEEP_BYTES = 1 << 20
"""Files that grew beyond this are emptied after a run."""
_DETAIL_BYTES = 4096
_ANSWERS = 2


class CellFiles:
    """What ../guest/wire.py calls input, output and stage; held by the server and the agent."""

    def __init__(self) -> None:
        self.input = memory_file("input")
        self.outputs = [memory_file(name) for name in ("stdout", "stderr", "answers")]
        self.stage = memory_file("stage")

    def close(self) -> None:
        for fd in (self.input, self.stage, *self.outputs):
            os.close(fd)

    def place(self, text: bytes, stdin: bytes) -> None:
        """Put a program and its standard input where the agent reads them."""
        if len(text) + len(stdin) > KEEP_BYTES:
            os.ftruncate(self.input, 0)
        self.write_input(text, 0)
        self.write_input(stdin, len(text))

    def write_input(self, data: bytes, at: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self.input, view, at)
            at += written
            view = view[written:]

    def take_outputs(self, lengths: list[int], most: int) -> list[bytes]:
        """Standard output, standard error and answers of the last run, each cut to `most` bytes. Raises Garbled."""
        return [_take(fd, min(length, most)) for fd, length in zip(self.outputs, lengths, strict=True)]

    def clear_answers(self) -> None:
        """So that `answered` speaks of the next run."""
        if self.answered():
            os.ftruncate(self.outputs[_ANSWERS], 0)

    def answered(self) -> int:
        """Bytes that the run has answered so far, as far as its agent has looked."""
        return os.fstat(self.outputs[_ANSWERS]).st_size

    def rejection(self) -> Rejection:
        """What the trusted part of the run said of a source that does not compile. Raises Garbled."""
        return read_rejection(os.pread(self.stage, _DETAIL_BYTES, 0))


def _take(fd: int, length: int) -> bytes:
    if not length:
        return b""
    data = os.pread(fd, length, 0)
    if len(data) != length:
        raise Garbled("more output than there is")
    if length > KEEP_BYTES:
        os.ftruncate(fd, 0)
    return data


def memory_file(name: str, content: bytes = b"") -> int:
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
