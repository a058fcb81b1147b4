"""Trusted warm agent: pid of its own inside one cell, runs one untrusted program at a time.

Started as `python agent.py SOCKET INPUT FILTER OUT ERR ANSWERS SHARED LIBRARY MODULE..`: descriptors (see
wire.py), the compiled cell.c or "", and the modules to import once. It must stay single-threaded (a raw clone
takes only the calling thread along) and never read a program or an output itself: what it reads, the next
candidate inherits.
"""

import ctypes
import gc
import os
import resource
import site
import sys

import program
import wire
from runner import make_runner

PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS = 24, 28, 38
NOROOT_AND_NO_FIXUP_LOCKED = 0x2F
CAP_SYS_ADMIN = 21

libc = ctypes.CDLL("libc.so.6", use_errno=True)  # not ctypes.util.find_library: it starts processes


def check(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def shed_capabilities():
    """Keep CAP_SYS_ADMIN (of the cell's own user namespace) for clone3 and mount; nothing can be regained."""
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    check(libc.prctl(PR_SET_SECUREBITS, NOROOT_AND_NO_FIXUP_LOCKED, 0, 0, 0), "securebits")
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    keep = 1 << CAP_SYS_ADMIN
    check(libc.capset(header, (ctypes.c_uint32 * 6)(keep, keep, 0, 0, 0, 0)), "capset")


def warm_up(modules):
    """Do once what each run would otherwise do: imports, and the compiler's own first use (0.8 ms)."""
    site.setquit(), site.setcopyright(), site.sethelper()
    for name in modules:
        __import__(name)
    source = (
        "def f(a, *b, **c):\n try:\n  return [x for x in b if x % 2], f'{a:>5}', {1: 2}, 1 / a\n"
        " except Exception: pass\n finally: pass\nclass C:\n x: int = 1\nwith open('/dev/null') as g: pass\n"
        "for i in range(2): f(i, 1, *[2], c=3)\nimport os as o\nfrom sys import argv\nlambda: (yield)\n"
    )
    exec(compile(source, "warm", "exec"), {"__name__": "warm"})


def serve(runner):
    """Until the server closes the socket; children leave it by becoming the candidate."""
    prepared = None
    while True:
        role = runner.serve()
        if role == runner.RUN:
            if prepared is None:
                prepared, wrong = program.prepare(wire.INPUT_FD, *runner.program_place())
                if wrong:
                    runner.reject(wire.STAGE_FD, wrong)
                    os._exit(1)
                os.close(wire.INPUT_FD)
                os.close(wire.STAGE_FD)
            prepared.hand_over()
        if role == runner.END:
            os._exit(0)
        prepared, wrong = program.prepare(runner.input, *runner.program_place())
        runner.opened(wrong)
        if wrong:
            os._exit(0)


def main():
    numbers, library, modules = [int(text) for text in sys.argv[1:8]], sys.argv[8], sys.argv[9:]
    with open("/proc/self/oom_score_adj", "w") as file:  # the kernel's choice before any service of the host
        file.write("1000")
    runner = make_runner(numbers, library, libc, check)
    sys.path[0] = "/tmp"  # as for any program, the directory it lies in
    if os.path.isdir("/environment"):
        sys.path.append("/environment")
    warm_up(modules)
    shed_capabilities()
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_MSGQUEUE, resource.RLIMIT_MEMLOCK):
        resource.setrlimit(limit, (0, 0))
    gc.collect()
    gc.freeze()  # the candidate's garbage collector does not touch the agent's pages
    runner.ready()
    serve(runner)


if __name__ == "__main__":
    main()
