"""What cell.c does, in Python, for machines without a C compiler. The comments that say why stand there."""

import ctypes
import errno
import fcntl
import os
import resource
import select
import signal
import socket
import time

import wire
from runner import Runner

SYS_CLONE3, SYS_CLOSE_RANGE = 435, 436  # the same on every architecture
NEWPID, NEWNS, PIDFD = 0x20000000, 0x20000, 0x1000
RDONLY, NOSUID, NODEV, NOEXEC, BIND, REC, MNT_DETACH = 1, 2, 4, 8, 4096, 16384, 2
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
PR_SET_PDEATHSIG, PR_SET_SECCOMP, FILTER = 1, 22, 2
QUIET_SECONDS = 0.005
CHUNK = 1 << 20


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


class PythonRunner(Runner):
    """What a cell without namespaces does in another way is a method of its own; see reduced.py."""

    def __init__(self, numbers, libc, check):
        super().__init__(numbers)
        self.libc, self.check = libc, check
        self.server = socket.socket(fileno=self.sock)
        self.outputs = self.out, self.err, self.answers
        self.bpf = _Filter(len(self.code) // 8, self.code)
        self.fields = ()

    def serve(self):
        while True:
            packet, channel, _, _ = socket.recv_fds(self.server, 4096, 2)
            if len(packet) != wire.REQUEST.size:
                return self.END, 0
            self.fields = wire.REQUEST.unpack(packet)
            op = self.fields[0]
            if op == wire.CLOSE:
                return self.END, 0
            if op == wire.KILL:
                continue
            try:
                role, reply = self._open() if op == wire.OPEN else self._run(channel)
            except OSError as error:
                role, reply = None, [0, error.errno or errno.EIO, *[0] * 8]
            if role is not None:
                return role, self.fields[2]
            for fd in channel:
                os.close(fd)
            self._before_reply(reply)
            try:
                self.server.send(wire.REPLY.pack(*reply))
            except OSError:
                return self.END, 0
            self._after_reply()

    def _before_reply(self, reply):
        pass

    def _after_reply(self):
        pass

    def _clone(self, flags):
        """-> (pid, pidfd): 0 in the child"""
        pidfd = ctypes.c_int(-1)
        arguments = (ctypes.c_uint64 * 11)(flags | PIDFD, ctypes.addressof(pidfd), 0, 0, signal.SIGCHLD)
        pid = self.check(self.libc.syscall(SYS_CLONE3, arguments, ctypes.sizeof(arguments)), "clone3")
        return pid, pidfd.value

    def _open(self):
        pid, pidfd = self._clone(0)
        if pid == 0:
            self._become_preparer()
            return self.OPEN, None
        _, status = os.waitpid(pid, 0)
        os.close(pidfd)
        return None, [status, *[0] * 9]

    def _become_preparer(self):
        self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def _start_run(self):
        return self._clone(NEWPID | NEWNS)

    def _make_pipes(self, flags):
        return [os.pipe2(os.O_CLOEXEC) for _ in range(3 if flags & wire.ANSWERS else 2)]

    def _run(self, channel):
        """`channel` is emptied once the run has it."""
        pipes = self._make_pipes(self.fields[1])
        os.pwrite(self.stage, wire.STAGE.pack(0, 0, 0), 0)
        start = time.monotonic()
        try:
            pid, pidfd = self._start_run()
        except OSError:
            for pair in pipes:
                os.close(pair[0]), os.close(pair[1])
            raise
        if pid == 0:
            self._isolate([writer for _, writer in pipes], channel)
            return self.RUN, None
        for fd in (*(writer for _, writer in pipes), *channel):
            os.close(fd)
        channel.clear()
        readers = [reader for reader, _ in pipes]
        lengths = [0, 0, 0]
        said = self._supervise(pidfd, readers, lengths)
        if self._changed_cpu_limit(pid):
            said |= wire.OWN_CPU_LIMIT
        status, cpu, peak = self._reap(pid)
        os.close(pidfd)
        wall = time.monotonic() - start
        for i, reader in enumerate(readers):
            if self._drain(reader, i, lengths):
                said |= wire.OVER_OUTPUT
            os.close(reader)
        stage, error, _ = wire.STAGE.unpack(os.pread(self.stage, wire.STAGE.size, 0))
        return None, [status, error, stage, said, int(cpu * 1e6), int(wall * 1e6), peak, *lengths]

    def _changed_cpu_limit(self, pid):
        """Of a run that is dead but not waited for."""
        try:
            return resource.prlimit(pid, resource.RLIMIT_CPU)[1] != self.fields[5]
        except OSError:
            return True

    def _reap(self, pid):
        """-> (status, CPU seconds, largest resident set in KiB), once nothing of the run is left."""
        _, status, usage = os.wait4(pid, 0)
        return status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss

    def _kill(self, pidfd):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    def _supervise(self, pidfd, readers, lengths):
        said = 0
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.register(self.sock, select.POLLIN)
        timeout = QUIET_SECONDS * 1000
        while True:
            events = dict(poll.poll(timeout))
            if not events:
                timeout = None
                for reader in readers:
                    poll.register(reader, select.POLLIN)
            if self.sock in events:
                packet = self.server.recv(4096)
                if not packet:
                    os._exit(0)
                if wire.REQUEST.unpack(packet)[0] == wire.KILL:
                    said |= wire.KILLED
                    self._kill(pidfd)
            for i, reader in enumerate(readers):
                if reader in events:
                    over = self._drain(reader, i, lengths)
                    if over:
                        said |= wire.OVER_OUTPUT
                        self._kill(pidfd)
                    if over or events[reader] & select.POLLHUP:
                        poll.unregister(reader)
            if pidfd in events:
                return said

    def _drain(self, reader, i, lengths):
        while lengths[i] <= self.fields[10]:
            try:
                moved = os.splice(
                    reader, self.outputs[i], CHUNK, offset_dst=lengths[i], flags=os.SPLICE_F_NONBLOCK
                )
            except BlockingIOError:
                return False
            if not moved:
                return False
            lengths[i] += moved
        return True

    def _isolate(self, writers, channel):
        _, flags, _, stdin_at, stdin_length, cpu, processes, size, files, data, _, *places = self.fields
        try:
            os.setsid()
            self._mount_places(flags & wire.IMAGE, *(place.rstrip(b"\0") for place in places))
            stdin = self.null
            if stdin_length:
                stdin = self._make_stdin()
                while stdin_length:
                    moved = os.sendfile(stdin, self.input, stdin_at, stdin_length)
                    if not moved:
                        raise OSError(errno.EIO, "standard input")
                    stdin_at += moved
                    stdin_length -= moved
                os.lseek(stdin, 0, os.SEEK_SET)
            ends = {
                0: stdin,
                1: writers[0],
                2: writers[1],
                wire.INPUT_FD: self.input,
                wire.STAGE_FD: self.stage,
            }
            if len(writers) == 3:
                ends[wire.ANSWERS_FD] = writers[2]
            if channel:
                ends[wire.CHANNEL_IN_FD], ends[wire.CHANNEL_OUT_FD] = channel
            # Far from all targets first, so that none is overwritten before it is read.
            far = {
                target: fcntl.fcntl(source, fcntl.F_DUPFD, wire.FIRST_FREE_FD)
                for target, source in ends.items()
            }
            for target, source in far.items():
                os.dup2(source, target)
            if channel and len(writers) != 3:
                os.closerange(wire.ANSWERS_FD, wire.ANSWERS_FD + 1)
            first = max(ends) + 1
            self.check(self.libc.syscall(SYS_CLOSE_RANGE, first, ctypes.c_uint(0xFFFFFFFF), 0), "close_range")
            for what, value in (
                (resource.RLIMIT_CPU, cpu),
                (resource.RLIMIT_NPROC, processes),
                (resource.RLIMIT_FSIZE, size),
                (resource.RLIMIT_NOFILE, files),
                (resource.RLIMIT_DATA, data if data != wire.UNLIMITED else resource.RLIM_INFINITY),
            ):
                resource.setrlimit(what, (value, value))
            self._drop_privileges()
            self.check(self.libc.prctl(PR_SET_SECCOMP, FILTER, ctypes.byref(self.bpf), 0, 0), "seccomp")
            os.pwrite(wire.STAGE_FD, wire.STAGE.pack(wire.ISOLATED, 0, 0), 0)
            if flags & wire.PREPARED:
                os.close(wire.INPUT_FD)
                os.close(wire.STAGE_FD)
        except OSError as error:
            os.pwrite(self.stage, wire.STAGE.pack(1, error.errno or errno.EIO, 0), 0)
            os._exit(125)
        except BaseException:
            os._exit(125)

    def _mount_places(self, image, tmpfs, tree, place):
        root = wire.IMAGE_PLACE.encode() if image else b""
        if image:
            self._mount(root, root, BIND | REC, None)
        self._mount(b"tmpfs", root + b"/tmp", NOSUID | NODEV, tmpfs)
        self._mount(b"proc", root + b"/proc", RDONLY | NOSUID | NODEV | NOEXEC, b"subset=pid")
        if tree:
            upper, work, own = (root + b"/tmp/" + name for name in (b"u", b"w", b"t"))
            for part in (upper, work, own):
                os.mkdir(part, 0o755)
            options = b"lowerdir=%s,upperdir=%s,workdir=%s,userxattr" % (tree, upper, work)
            self._mount(b"overlay", place, NOSUID | NODEV, options)
            self._mount(own, root + b"/tmp", BIND, None)
            if not image:
                self._mount(b"tmpfs", wire.TREES_PLACE.encode(), RDONLY, b"size=4k,mode=555")
        if image:
            os.chdir(root)
            self.check(self.libc.syscall(SYS_PIVOT_ROOT[os.uname().machine], b".", b"."), "pivot_root")
            self.check(self.libc.umount2(b".", MNT_DETACH), "umount2")
        os.chdir(place[len(root) :] if tree else b"/tmp")

    def _make_stdin(self):
        return os.memfd_create("stdin")

    def _drop_privileges(self):
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        self.check(self.libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")

    def _mount(self, kind, target, flags, options):
        self.check(self.libc.mount(kind, target, kind, ctypes.c_ulong(flags), options), target.decode())
