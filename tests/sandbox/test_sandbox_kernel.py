"""Doors to the kernel and to the network."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Callable

import pytest
from sandbox_box import Box

from basanite_sandboxes.spec import Command, Ended

X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="system call numbers of x86-64")
_CALL = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    return "worked" if result >= 0 else errno.errorcode[ctypes.get_errno()]
"""
# name: number on x86-64, arguments
REFUSED = {
    "ptrace": (101, 0, 0, 0, 0),
    "process_vm_readv": (310, 1, 0, 0, 0, 0, 0),
    "pidfd_getfd": (438, 3, 0, 0),
    "mount": (165, 0, 0, 0, 0, 0),
    "umount2": (166, 0, 0),
    "pivot_root": (155, 0, 0),
    "chroot": (161, 0),
    "fsopen": (430, 0, 0),
    "open_tree": (428, -100, 0, 0),
    "move_mount": (429, 0, 0, 0, 0, 0),
    "mount_setattr": (442, 0, 0, 0, 0, 0),
    "statmount": (457, 0, 0, 0, 0),
    "listmount": (458, 0, 0, 0, 0),
    "open_tree_attr": (467, 0, 0, 0, 0, 0),
    "unshare user": (272, 0x10000000),
    "unshare nothing": (272, 0),
    "setns": (308, 0, 0),
    "bpf": (321, 0, 0, 0),
    "perf_event_open": (298, 0, 0, 0, 0, 0),
    "userfaultfd": (323, 0),
    "io_uring_setup": (425, 8, 0),
    "io_uring_enter": (426, 0, 0, 0, 0, 0, 0),
    "keyctl": (250, 0, -3, 0, 0, 0),
    "add_key": (248, 0, 0, 0, 0, 0),
    "request_key": (249, 0, 0, 0, 0),
    "seccomp": (317, 0, 0, 0),
    "memfd_create": (319, 0, 0),
    "memfd_secret": (447, 0),
    "personality": (135, 0xFFFFFFFF),
    "shmget": (29, 0, 4096, 0o1777),
    "semget": (64, 0, 1, 0o1777),
    "msgget": (68, 0, 0o1777),
    "mq_open": (240, 0, 0o100, 0o600, 0),
    "open_by_handle_at": (304, 0, 0, 0),
    "name_to_handle_at": (303, 0, 0, 0, 0, 0),
    "fanotify_init": (300, 0, 0),
    "syslog": (103, 10, 0, 0),
    "reboot": (169, 0, 0, 0, 0),
    "swapon": (167, 0, 0),
    "sethostname": (170, 0, 0),
    "settimeofday": (164, 0, 0),
    "kexec_load": (246, 0, 0, 0, 0),
    "init_module": (175, 0, 0, 0),
    "modify_ldt": (154, 0, 0, 0),
    "iopl": (172, 3),
    "acct": (163, 0),
    "quotactl": (179, 0, 0, 0, 0),
    "PR_SCHED_CORE": (157, 62, 1, 0, 0, 0),
    "TIOCSTI": (16, 0, 0x5412, 0),
    "TIOCSTI with high bits": (16, 0, 0x7_0000_5412, 0),
    **{f"socket family {family}": (41, family, 1, 0) for family in (2, 10, 16, 17, 38, 40, 44, 31)},
    "socketpair inet": (53, 2, 1, 0, 0),
    **{
        f"clone with {flag:#x}": (56, flag | 17, 0, 0, 0, 0)
        for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
    },
}


@X86
@pytest.mark.parametrize("name", REFUSED)
def test_system_call_is_refused(box: Box, name: str) -> None:
    assert box.out(f"{_CALL}\nprint(call(*{REFUSED[name]}))").strip() == "EPERM"


@X86
def test_writing_back_disks_does_nothing(box: Box) -> None:
    """Not even to a descriptor that is none."""
    assert (
        box.out(f"{_CALL}\nprint(*(call(number, -1) for number in (162, 306, 74, 75, 221)))").split()
        == ["worked"] * 5
    )


@X86
def test_clone3_says_that_it_does_not_exist(box: Box) -> None:
    """Its flags lie in memory; the C library falls back to clone on this answer alone."""
    assert box.out(f"{_CALL}\nprint(call(435, 0, 0))").strip() == "ENOSYS"
    assert box.out("import threading\nthreading.Thread(target=print, args=(1,)).start()") == "1\n"


@X86
@pytest.mark.parametrize(
    ("name", "assembly"),
    [
        ("a 32-bit call of a 64-bit program", "mov $20, %%eax; int $0x80"),
        ("an x32 call", "mov $0x40000027, %%eax; syscall"),
        (
            "a 32-bit socket call",
            "mov $359, %%eax; mov $40, %%ebx; mov $1, %%ecx; xor %%edx, %%edx; int $0x80",
        ),
    ],
)
def test_system_calls_of_another_architecture_kill(
    box: Box, compiled: Callable[[str], bytes], name: str, assembly: str
) -> None:
    source = (
        '#include <stdio.h>\nint main() { puts("before"); fflush(stdout);'
        f'__asm__ volatile ("{assembly}" ::: "rax", "rbx", "rcx", "rdx", "r11", "memory"); puts("after"); }}'
    )
    program = {"main": compiled(source)}
    report = box.run(Command(("/bin/sh", "-c", "chmod +x main && exec ./main")), files=program)
    assert (report.ended, report.stdout) == (Ended.FILTER, b"before\n")


def test_native_programs_run_and_their_exit_status_is_seen(
    box: Box, compiled: Callable[[str], bytes]
) -> None:
    main = compiled(
        '#include <stdio.h>\nint main() { int n; scanf("%d", &n); printf("%d\\n", n * 2); return n; }'
    )
    report = box.run(
        Command(("/bin/sh", "-c", "chmod +x main && exec ./main")), stdin=b"21\n", files={"main": main}
    )
    assert (report.ended, report.exit_status, report.stdout) == (Ended.EXITED, 21, b"42\n")


def test_the_network_is_not_there(box: Box) -> None:
    """A listener on the host hears nothing: TCP, UDP, abstract unix sockets."""
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        udp.bind(("127.0.0.1", 0))
        unix.bind(f"\0basanite-test-{os.getpid()}")
        unix.listen()
        for listener in (tcp, udp, unix):
            listener.setblocking(False)
        out = box.out(f"""
            import socket
            try:
                socket.create_connection(("127.0.0.1", {tcp.getsockname()[1]}), 1)
                print("tcp")
            except OSError: pass
            try:
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                s.sendto(b"x", ("127.0.0.1", {udp.getsockname()[1]}))
                print("udp")
            except OSError: pass
            try:
                s = socket.socket(socket.AF_UNIX)
                s.connect({unix.getsockname()!r})
                print("unix")
            except OSError: pass
            print(open("/proc/self/net/dev").read().count(":"))
        """)
        assert out == "1\n"  # the loopback device of an empty namespace, and it is down
        for listener in (tcp, unix):
            with pytest.raises(BlockingIOError):
                listener.accept()
        with pytest.raises(BlockingIOError):
            udp.recv(1)


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_VSOCK", "AF_NETLINK", "AF_PACKET", "AF_ALG"])
def test_socket_family_is_refused(box: Box, family: str) -> None:
    out = box.out(
        f"import socket\ntry: socket.socket(socket.{family}, 3 if '{family}' == 'AF_PACKET' else 1)\n"
        "except PermissionError: print('no')"
    )
    assert out == "no\n"


def test_unix_sockets_within_a_run_work(box: Box) -> None:
    assert (
        box.out("""
        import asyncio, socket
        a, b = socket.socketpair()
        a.send(b"hi"); print(b.recv(9))
        async def main():
            server = await asyncio.start_unix_server(lambda r, w: (w.write(b"yes"), w.close()), "/tmp/s")
            reader, writer = await asyncio.open_unix_connection("/tmp/s")
            print(await reader.read())
            writer.close(); server.close()
        asyncio.run(main())
    """)
        == "b'hi'\nb'yes'\n"
    )


@X86
def test_priorities_are_left_alone_without_an_error(box: Box) -> None:
    """Who makes itself wait for a core would look as if the machine were too busy (STARVED)."""
    assert (
        box.out("""
        import os
        os.nice(10)
        os.setpriority(os.PRIO_PROCESS, 0, 19)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        print(os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0) == os.SCHED_OTHER)
    """)
        == "0 True\n"
    )
