"""How the agent isolates and supervises one run: cell.c if it was compiled, else the same in Python."""

import ctypes
import fcntl
import json
import os

import wire


def make_runner(numbers, how, libc, check):
    """`how`: the compiled library's path, or "" for the same in Python, or the two users of a cell without
    namespaces."""
    if how.startswith("/"):
        return NativeRunner(numbers, how)
    if how:
        from reduced import ReducedRunner

        return ReducedRunner(numbers, libc, check, *map(int, how.split()))
    from fallback import PythonRunner

    return PythonRunner(numbers, libc, check)


class Runner:
    """`serve()` returns (END, 0) when the server is gone, (RUN, length of the program) in an isolated child and
    (OPEN, length of the program) in a child that is to prepare one."""

    END, RUN, OPEN = 0, 1, 2
    KEEPS = (21,)
    """The agent's capabilities: CAP_SYS_ADMIN, of the cell's own user namespace, for clone3 and mount."""
    KEEPS_FOR_TREES = (1,)
    """CAP_DAC_OVERRIDE, where runs work in trees: what overlays keep their work in has mode 0."""

    def __init__(self, numbers):
        self.sock, self.input, filters, self.out, self.err, self.answers, self.stage = map(move, numbers)
        data = os.pread(filters, 1 << 18, 0)
        os.close(filters)
        cell, _ = wire.FILTERS.unpack_from(data)
        self.cell_filter = data[wire.FILTERS.size : wire.FILTERS.size + cell]
        self.code = data[wire.FILTERS.size + cell :]
        self.null = move(os.open("/dev/null", os.O_RDWR))
        if os.path.isdir(wire.TREES_PLACE) or os.path.isdir(wire.IMAGE_PLACE):
            self.KEEPS = (*self.KEEPS, *self.KEEPS_FOR_TREES)

    @property
    def descriptors(self):
        """What a warm tool needs of them, in the order of tool.c."""
        return self.input, self.null, self.out, self.err, self.answers, self.stage

    def ready(self, tools):
        """`tools`: a bit for each that is warm."""
        os.write(self.sock, wire.REPLY.pack(0, 0, 0, tools, *[0] * 6))

    def opened(self, wrong):
        """In a preparing child: say that the program waits for RUN, or what is wrong with it."""
        if wrong:
            self.reject(self.stage, wrong)
        stage = wire.REJECTED if wrong else wire.OPENED
        os.write(self.sock, wire.REPLY.pack(0, 0, stage, 0, 0, 0, 0, 0, 0, 0))

    def reject(self, fd, wrong):
        wrong["message"] = wrong["message"][:300]
        text = json.dumps(wrong).encode()
        os.pwrite(fd, wire.STAGE.pack(wire.REJECTED, 0, len(text)) + text, 0)


def move(fd):
    """A descriptor to where it is in no run's way."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, wire.FIRST_FREE_FD)
    os.close(fd)
    return moved


class _Context(ctypes.Structure):
    _fields_ = [
        ("sock", ctypes.c_int64),
        ("input", ctypes.c_int64),
        ("null", ctypes.c_int64),
        ("output", ctypes.c_int64 * 3),
        ("filter_length", ctypes.c_uint64),
        ("filter", ctypes.c_void_p),
        ("stage", ctypes.c_int64),
    ]


class NativeRunner(Runner):
    def __init__(self, numbers, library):
        super().__init__(numbers)
        self.library = ctypes.PyDLL(
            library
        )  # keeps the interpreter's lock: one thread, and no switch in a clone
        self.library.cell_serve.restype = ctypes.c_long
        self.context = _Context(
            self.sock,
            self.input,
            self.null,
            (ctypes.c_int64 * 3)(self.out, self.err, self.answers),
            len(self.code) // 8,
            ctypes.cast(ctypes.c_char_p(self.code), ctypes.c_void_p),
            self.stage,
        )
        self.argument = ctypes.byref(self.context)

    def serve(self):
        result = self.library.cell_serve(self.argument)
        return result & 3, result >> 2
