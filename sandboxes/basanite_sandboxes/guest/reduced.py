"""The runs of a cell that has no namespaces: a user of its own for each cell, a root without mounts, Landlock.

Nothing here is as in cell.c: a run is an ordinary child of the agent. The agent is the subreaper of all that a run
starts, so it knows whether something is left, and ends whatever the run's user has.
"""

import itertools
import os
import signal
import stat
import time

import wire
from fallback import PR_SET_PDEATHSIG, PythonRunner
from landlock import Landlock

PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36
CAP_SETGID, CAP_SETUID = 6, 7
WAIT_FOR_ALL = 0x40000000  # __WALL: clones without a signal, too


class ReducedRunner(PythonRunner):
    KEEPS = (CAP_SETGID, CAP_SETUID)  # never CAP_KILL: see _hunt

    def __init__(self, numbers, libc, check, user, hunter):
        super().__init__(numbers, libc, check)
        self.user, self.hunter = user, hunter
        self.landlock = Landlock(libc, check)
        self.check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "subreaper")
        self._know_directory()

    def _know_directory(self):
        self.directory = os.stat("/tmp")
        self.landlock.prepare()

    def _clone(self, flags):
        """Docker's filter has no clone3. The C library's fork, unlike Python's, runs no hooks of modules."""
        pid = self.check(self.libc.fork(), "fork")
        return pid, os.pidfd_open(pid) if pid else -1

    def _start_run(self):
        return self._clone(0)

    def _become_preparer(self):
        super()._become_preparer()
        self.check(self.libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "subreaper")

    def _make_pipes(self, flags):
        """Of named pipes, so that they can be opened by name, as programs may where there is a /proc."""
        pipes = []
        try:
            for name in wire.OUTPUTS[: 3 if flags & wire.ANSWERS else 2]:
                reader = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                pipes.append((reader, os.open(name, os.O_WRONLY | os.O_CLOEXEC)))
        except OSError:
            for fd in itertools.chain(*pipes):
                os.close(fd)
            raise
        return pipes

    def _mount_places(self, image, tmpfs, tree, place):
        self.landlock.enter()  # while its descriptor is open
        os.chdir("/tmp")

    def _make_stdin(self):
        """A file with a name, for programs that open /dev/stdin. The run may write to it, as to a memory file."""
        return os.open(wire.STDIN, os.O_RDWR)

    def _drop_privileges(self):
        os.setgroups([])
        os.setresgid(self.user, self.user, self.user)
        os.setresuid(self.user, self.user, self.user)
        # The server looks at memory and open files as this user; a changed user hides them.
        self.check(self.libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable")
        self.check(self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "parent's death")
        super()._drop_privileges()

    def _kill(self, pidfd):
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)  # it is still ours
        except PermissionError:
            self._hunt()

    def _reap(self, pid):
        status, cpu, peak = super()._reap(pid)
        flags = WAIT_FOR_ALL | os.WNOHANG
        while True:
            try:
                gone, _, usage = os.wait4(-1, flags)
            except ChildProcessError:
                return status, cpu, peak
            if gone:
                cpu += usage.ru_utime + usage.ru_stime
                peak = max(peak, usage.ru_maxrss)
            else:
                self._hunt()
                flags = WAIT_FOR_ALL

    def _hunt(self):
        """Kill all processes of the run's user. The kernel does that at one stroke: who is killed cannot fork.

        As this mixture of users we may signal that user's processes and no others, and they may not signal us.
        """
        os.setresuid(self.hunter, self.user, 0)
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            pass
        finally:
            os.setresuid(0, 0, 0)
        self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # a change of users takes it away

    def _before_reply(self, reply):
        """Leave nothing in the root. The server deletes what is in the trash."""
        if self.fields[0] != wire.RUN:
            return
        if self.fields[4]:
            os.truncate(wire.STDIN, 0)
        # Its names are not looked at: the next run would inherit them with our memory.
        if os.stat("/tmp").st_mtime_ns != wire.NEVER:
            os.rename("/tmp", f"{wire.TRASH}/{time.monotonic_ns()}")
            os.mkdir("/tmp")  # not the run's own: it could change the mode, or attributes that outlive it
            os.chmod("/tmp", stat.S_ISVTX | 0o777)
            os.utime("/tmp", ns=(wire.NEVER, wire.NEVER))
            reply[3] |= wire.LEFT_FILES

    def _after_reply(self):
        if os.stat("/tmp").st_ctime_ns != self.directory.st_ctime_ns:
            self._know_directory()
