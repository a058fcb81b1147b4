"""Starts warm tools: programs of the system with tool.c inside, which serve runs as the agent does."""

import os
import select
import signal

from program import ENVIRONMENT
from runner import move

PATIENCE_SECONDS = 10
DYING_SECONDS = 0.2
IGNORED_BY_PYTHON = signal.SIGPIPE, signal.SIGXFSZ


class Warm:
    """Tools that are up, by process id, for the agent to look after."""

    def __init__(self, asked, library, descriptors, code, give_up):
        """`asked`: of each tool its path, what it does when it starts (see tool.c) and its socket. `library`: cell.c
        and tool.c. `descriptors`, `code`: the runner's. `give_up()`: does in the child that is to become a tool what
        the agent does."""
        self.pids = []
        self.ready = 0
        """A bit for each that is warm."""
        tools = [(path, libraries, move(sock)) for path, libraries, sock in asked]
        starts = [
            (number, *self._start(*tool, library, descriptors, code, give_up))
            for number, tool in enumerate(tools)
        ]
        for number, pid, pipe in starts:
            if select.select([pipe], [], [], PATIENCE_SECONDS)[0] and os.read(pipe, 1):
                self.pids.append(pid)
                self.ready |= 1 << number
            else:  # of another kind: each run starts it anew
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            os.close(pipe)

    def _start(self, path, libraries, sock, library, descriptors, code, give_up):
        reader, writer = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid:
            os.close(writer)
            os.close(sock)
            return pid, reader
        try:
            filter_ = os.memfd_create("filter")
            os.write(filter_, code)
            fds = [sock, *descriptors, filter_, writer]
            for fd in fds:
                os.set_inheritable(fd, True)
            for number in IGNORED_BY_PYTHON:
                signal.signal(number, signal.SIG_DFL)
            give_up()
            words = [" ".join(map(str, fds)), os.path.realpath(path), *libraries]
            inside = {"BASANITE_TOOL": "\n".join(words), "LD_PRELOAD": library, "LD_BIND_NOW": "1"}
            os.execve(path, [path], ENVIRONMENT | inside)
        finally:
            os._exit(1)

    def follow(self):
        """Where one was killed, be killed: who looks at our end must see what it came from."""
        ends = select.poll()
        for pid in self.pids:
            ends.register(os.pidfd_open(pid), select.POLLIN)
        ends.poll(DYING_SECONDS * 1000)  # its socket, by which it was missed, was closed a moment before
        for pid in self.pids:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
                os.kill(os.getpid(), signal.SIGKILL)
