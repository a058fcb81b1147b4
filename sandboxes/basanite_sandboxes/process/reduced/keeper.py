"""Trusted parent of one agent that has no namespaces; ends when nothing of its cell is left, and sees to that.

Run by the service's own interpreter, outside of the cell's root, as a script:
`keeper.py SERVER ROOT USER HUNTER INTERPRETER ARGUMENT..` (SERVER: the parent's process id). SIGTERM ends the cell; so
does the end of the server's thread that started us.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_CHILD_SUBREAPER = 1, 24, 38, 36
CAP_SETGID, CAP_SETUID, CAP_SETPCAP = 6, 7, 8
WAIT_FOR_ALL = 0x40000000
SIGNALS = (signal.SIGTERM, signal.SIGCHLD)

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def prctl(what: int, value: int) -> None:
    check(libc.prctl(what, value, 0, 0, 0))


def keep_capabilities(*kept: int) -> None:
    mask = sum(1 << capability for capability in kept)
    check(libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(mask, mask, 0, 0, 0, 0)))


def become_agent(root: str, command: list[str]) -> None:
    """What the agent still needs when it has started, and nothing else, survives its start."""
    os.setsid()
    with open("/proc/self/oom_score_adj", "w") as file:  # the kernel's choice before any service of the host
        file.write("1000")
    os.umask(0o022)
    os.setgroups([])
    os.chroot(root)
    os.chdir("/")
    kept = CAP_SETGID, CAP_SETUID, CAP_SETPCAP
    for capability in range(64):
        if capability not in kept:
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    keep_capabilities(*kept)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execve(command[0], command, os.environ)


def hunt(user: int, hunter: int) -> None:
    """As in ../../guest/reduced.py."""
    os.setresuid(hunter, user, 0)
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.setresuid(0, 0, 0)


def main() -> None:
    server, root, user, hunter = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # and waited for: a handler could come too late
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != server:
        return
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    hunt(user, hunter)  # what a keeper left that was killed
    keeper = os.getpid()
    agent = os.fork()
    if agent == 0:
        try:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == keeper:
                become_agent(root, sys.argv[5:])
        except BaseException as error:
            os.write(2, f"no cell without namespaces: {error}\n".encode())
        os._exit(1)
    os.closerange(0, 1 << 16)  # the agent alone is to hold its socket and its pipes
    keep_capabilities(CAP_SETGID, CAP_SETUID)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # the hunt took it away
    life = os.pidfd_open(agent)
    if os.getppid() != server:
        end(life)
    while not reap(agent):
        if signal.sigwait(SIGNALS) == signal.SIGTERM:
            end(life)
    end_all(user, hunter)
    os._exit(0)


def reap(agent: int) -> bool:
    """Let go of children that have ended, ours and those that we inherited. -> whether the agent is one of them"""
    while pid := os.waitpid(-1, WAIT_FOR_ALL | os.WNOHANG)[0]:
        if pid == agent:
            return True
    return False


def end(life: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended by itself
        signal.pidfd_send_signal(life, signal.SIGKILL)


def end_all(user: int, hunter: int) -> None:
    """Again and again: a run that was just being made when its agent died may be its user's only now."""
    while True:
        hunt(user, hunter)
        try:
            while os.waitpid(-1, WAIT_FOR_ALL | os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


if __name__ == "__main__":
    main()
