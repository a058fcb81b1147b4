"""The system-call filter of every run, as a BPF program built with libseccomp.

Allowed by default: candidates are whole programs in Python, C or anything else. What is refused is what reaches
past the namespaces, costs memory that no limit counts, or has been the door to kernel exploits. Each group says
why. A refused call fails with EPERM, so that honest programs that only try can go on.
"""

from __future__ import annotations

import ctypes
import os
import socket
from functools import cache

from basanite_sandboxes.spec import SandboxUnavailable

_REFUSED: dict[str, str] = {
    "looking into other processes": "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd",
    "mounts and roots": "mount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen fsconfig "
    "fsmount fspick mount_setattr statmount listmount",
    "new namespaces (with CLONE_NEW* below): each brings privileged kernel code": "unshare setns",
    "kernel surfaces with a history of exploits": "bpf perf_event_open userfaultfd io_uring_setup io_uring_enter "
    "io_uring_register keyctl add_key request_key seccomp landlock_create_ruleset modify_ldt fanotify_init "
    "personality name_to_handle_at open_by_handle_at lookup_dcookie vhangup syslog quotactl quotactl_fd acct",
    "memory that RLIMIT_DATA does not count": "memfd_create memfd_secret shmget shmat shmctl",
    "System V and POSIX queues and semaphores: their namespace is the cell's, so they would outlive the run": "shmdt "
    "semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open mq_unlink mq_notify mq_timedsend "
    "mq_timedreceive mq_getsetattr",
    "the machine": "reboot swapon swapoff settimeofday clock_settime clock_adjtime adjtimex init_module "
    "finit_module delete_module kexec_load kexec_file_load iopl ioperm sethostname setdomainname",
}

_AGENT_NEEDS = ("mount", "memfd_create", "pivot_root", "umount2")
"""Refused to runs only."""
_REDUCED_AGENT_NEEDS = ("landlock_create_ruleset",)
_SOCKETS_BY_NAME = "socket bind connect listen"
"""Without a network namespace names of sockets reach the whole container, and with its network the host."""
_WITHOUT_EFFECT = "setpriority sched_setscheduler sched_setattr sched_setparam sched_setaffinity ioprio_set"
"""Who waits longer for a core looks as if the machine were too busy. These say that they worked."""
_ON_DISKS = "sync syncfs fsync fdatasync sync_file_range fadvise64"
"""Nothing that a run can write to has a disk behind it. Those of the host would be busy for everybody, the system's
files would leave its memory, and the kernel's threads that do the work take the core from who asked for it, who then
looks starved. These say that they worked; so does msync where it waits for a disk."""
_MS_SYNC = 4
_PR_SCHED_CORE = 62
"""Gives a process a core without neighbours: it and all others wait longer for one."""
_NUMBERS = {"statmount": 457, "listmount": 458, "open_tree_attr": 467}
"""Newer than some libseccomp that we take; since 424 a number is the same on every architecture."""
_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_PRETEND = 0x00050000
_EPERM = 0x00050000 | 1
_ENOSYS = 0x00050000 | 38
_NE, _MASKED_EQ = 1, 7
_BADARCH, _OPTIMIZE = 2, 8
"""SCMP_FLTATR_ACT_BADARCH; SCMP_FLTATR_CTL_OPTIMIZE: 2 asks for a binary tree, a fifth of the cost a call."""
_NEW_NAMESPACES = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_PR_SET_DUMPABLE = 4


class _Compare(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


@cache
def filter_programs(*, reduced: bool = False) -> tuple[bytes, bytes]:
    """(filter of the whole cell, filter of each run on top of it) for this machine's architecture.

    `reduced`: for cells without namespaces. Most of it is installed once: loading a long filter costs a twentieth of
    a run. Calls of a foreign architecture kill the process. Raises SandboxUnavailable if libseccomp (2.5 or later) is
    missing.
    """
    agent_needs = _REDUCED_AGENT_NEEDS if reduced else _AGENT_NEEDS
    with _Filter() as cell:
        for names in _REFUSED.values():
            for name in names.split():
                if name not in agent_needs:
                    cell.rule(_EPERM, name)
        for name in f"{_WITHOUT_EFFECT} {_ON_DISKS}".split():
            cell.rule(_PRETEND, name)
        cell.rule(_PRETEND, "msync", _Compare(2, _MASKED_EQ, _MS_SYNC, _MS_SYNC))
        cell.rule(_EPERM, "prctl", _Compare(0, _MASKED_EQ, 0xFFFFFFFF, _PR_SCHED_CORE))
        for flag in _NEW_NAMESPACES:
            cell.rule(_EPERM, "clone", _Compare(0, _MASKED_EQ, flag, flag))
        # Only AF_UNIX: a network namespace does not cover AF_VSOCK, and each family is kernel code to attack.
        for name in ("socketpair",) if reduced else ("socket", "socketpair"):
            cell.rule(_EPERM, name, _Compare(0, _NE, int(socket.AF_UNIX), 0))
        if reduced:
            for name in _SOCKETS_BY_NAME.split():
                cell.rule(_EPERM, name)
            # A pair of these could send to any name; the others only to each other.
            for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
                cell.rule(_EPERM, "socketpair", _Compare(1, _MASKED_EQ, 0xF, int(kind)))
        # Pushing characters into a terminal.
        for request in (_TIOCSTI, _TIOCLINUX):
            cell.rule(_EPERM, "ioctl", _Compare(1, _MASKED_EQ, 0xFFFFFFFF, request))
        whole = cell.export()
    with _Filter() as run:
        for name in agent_needs:
            run.rule(_EPERM, name)
        if reduced:  # it would hide memory and open files from the server
            run.rule(_EPERM, "prctl", _Compare(0, _MASKED_EQ, 0xFFFFFFFF, _PR_SET_DUMPABLE))
        # Its flags lie in memory, where no filter looks; the C library falls back to clone.
        run.rule(_ENOSYS, "clone3")
        return whole, run.export()


class _Filter:
    """A filter that allows what no rule names."""

    def __init__(self) -> None:
        try:
            library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        except OSError as error:
            raise SandboxUnavailable("libseccomp is missing: install the package libseccomp2") from error
        library.seccomp_init.restype = ctypes.c_void_p
        library.seccomp_release.argtypes = [ctypes.c_void_p]
        self._library = library

    def __enter__(self) -> _Filter:
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(_ALLOW)))
        self._library.seccomp_attr_set(self._context, _BADARCH, ctypes.c_uint32(_KILL_PROCESS))
        self._library.seccomp_attr_set(self._context, _OPTIMIZE, 2)
        return self

    def __exit__(self, *error: object) -> None:
        self._library.seccomp_release(self._context)

    def rule(self, action: int, name: str, *compares: _Compare) -> None:
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            number = _NUMBERS.get(name, -1)
        if number < 0:  # not on this architecture
            return
        array = (_Compare * max(1, len(compares)))(*compares)
        result = self._library.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(action), number, len(compares), array
        )
        if result < 0:
            raise SandboxUnavailable(f"libseccomp refuses the rule on {name}: {os.strerror(-result)}")

    def export(self) -> bytes:
        with open(os.memfd_create("filter", os.MFD_CLOEXEC), "r+b") as file:
            if self._library.seccomp_export_bpf(self._context, file.fileno()) < 0:
                raise SandboxUnavailable("libseccomp could not write the filter")
            return os.pread(file.fileno(), 1 << 18, 0)
