"""Landlock, which a process puts on itself: files by place, no TCP, no signals and no abstract sockets outside.

By raw system calls: no library has them. What the kernel does not know yet is left out.
"""

import ctypes
import os

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
ASK_VERSION, PATH_BENEATH = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # how many bits there are; 16 from version 5 on
NET_FROM, TCP = 4, 3
SCOPE_FROM, ABSTRACT_SOCKETS_AND_SIGNALS = 6, 3


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("rights", ctypes.c_uint64), ("fd", ctypes.c_int32)]


class Landlock:
    """A set of rules: all may be read, what is below /tmp may be changed."""

    def __init__(self, libc, check):
        self.libc, self.check = libc, check
        self.version = max(0, self._call(CREATE_RULESET, None, 0, ASK_VERSION))
        self.rules = None

    def _call(self, number, *arguments):
        return self.libc.syscall(
            number, *(ctypes.c_size_t(word) if type(word) is int else word for word in arguments)
        )

    def prepare(self):
        """To be called again when /tmp is another directory."""
        if not self.version:
            return
        self.forget()
        every = (1 << FILE_RIGHTS.get(self.version, 16)) - 1
        asked = _Ruleset(
            every,
            TCP if self.version >= NET_FROM else 0,
            ABSTRACT_SOCKETS_AND_SIGNALS if self.version >= SCOPE_FROM else 0,
        )
        size = 24 if self.version >= SCOPE_FROM else 16 if self.version >= NET_FROM else 8
        self.rules = self.check(self._call(CREATE_RULESET, ctypes.byref(asked), size, 0), "landlock")
        for path, rights in (
            ("/", EXECUTE | READ_FILE | READ_DIR),
            ("/dev", WRITE_FILE | TRUNCATE | IOCTL_DEV),
            ("/tmp", ~(MAKE_CHAR | MAKE_BLOCK)),
        ):
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            beneath = _Beneath(rights & every, fd)
            self.check(
                self._call(ADD_RULE, self.rules, PATH_BENEATH, ctypes.byref(beneath), 0), "landlock rule"
            )
            os.close(fd)

    def forget(self):
        if self.rules is not None:
            os.close(self.rules)
            self.rules = None

    def enter(self):
        """For ever, for this process and all that it starts."""
        if self.rules is not None:
            self.check(self._call(RESTRICT_SELF, self.rules, 0), "landlock")
