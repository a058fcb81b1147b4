"""Trusted warm agent: pid of its own inside one cell, runs one untrusted program at a time.

Started as `python agent.py SOCKET INPUT FILTER OUT ERR ANSWERS SHARED HOW TOOLS MODULE..`: descriptors (see wire.py),
how runs are isolated (see runner.py), JSON of the variables that commands get and the tools to keep warm (see warm.py),
and the modules to import once. It must stay single-threaded (a raw clone takes only the calling thread along) and never
read a program or an output itself: what it reads, the next candidate inherits.
"""

import ctypes
import gc
import json
import os
import resource
import site
import sys

import program
import wire
from runner import make_runner
from warm import Warm

PR_CAP_AMBIENT, RAISE, CAP_SETPCAP = 47, 2, 8
PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 24, 28, 38, 22, 2
NOROOT_AND_NO_FIXUP_LOCKED = 0x2F

libc = ctypes.CDLL("libc.so.6", use_errno=True)  # not ctypes.util.find_library: it starts processes


def check(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def set_capabilities(kept, inherited=()):
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    keep, inherit = (sum(1 << capability for capability in some) for some in (kept, inherited))
    check(libc.capset(header, (ctypes.c_uint32 * 6)(keep, keep, inherit, 0, 0, 0)), "capset")


def shed_capabilities(kept, inherited):
    """Nothing can be regained. `inherited`: what a program that this process becomes keeps."""
    set_capabilities((*kept, CAP_SETPCAP), inherited)
    for capability in inherited:
        check(libc.prctl(PR_CAP_AMBIENT, RAISE, capability, 0, 0), "ambient capability")
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    check(libc.prctl(PR_SET_SECUREBITS, NOROOT_AND_NO_FIXUP_LOCKED, 0, 0, 0), "securebits")
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    set_capabilities(kept, inherited)


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def install(code):
    """The part of the system-call filter that the agent can live with."""
    check(libc.prctl(PR_SET_SECCOMP, FILTER, ctypes.byref(Filter(len(code) // 8, code)), 0, 0), "seccomp")


def give_up(runner, inherited=()):
    """All that neither the agent nor a warm tool needs."""
    shed_capabilities(runner.KEEPS, inherited)
    install(runner.cell_filter)
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_MSGQUEUE, resource.RLIMIT_MEMLOCK):
        resource.setrlimit(limit, (0, 0))


# What programs usually do, once: the interpreter fills its caches (of attributes, of specialised instructions, of
# small objects), and each page that a child need not write is a page that it need not copy.
WARM_UP = """
import sys, os as o
from sys import argv
def f(a, *b, **c):
    try:
        return [x for x in b if x % 2], f'{a:>5}', {1: 2}, 1 / a
    except Exception:
        pass
    finally:
        pass
class C:
    x: int = 1
    def m(self):
        return self.x
with open('/dev/null') as g:
    g.read()
for i in range(3):
    f(i, 1, *[2], c=3), C().m()
    try:
        n = int(input())
    except (EOFError, ValueError):
        n = 2
    print(end="", flush=True)
    a = list(map(int, "3 1 2".split()))
    a.sort(key=lambda x: -x), a.append(n), sys.stdin.readline().strip(), sys.stdin.read().splitlines()
    d = {k: v for k, v in enumerate(a)}
    d.get(1), sorted(d.items()), sum(a), max(a), len({*a}), " ".join(map(str, a)), "%d" % n, str(n * 2), 2 ** 70 // 3
    sys.stdout.write(""), sys.stdout.flush(), sys.stderr.flush()
lambda: (yield)
"""


def warm_up(modules):
    """Do once what each run would otherwise do: imports, and the compiler's own first use (0.8 ms)."""
    site.setquit(), site.setcopyright(), site.sethelper()
    for name in modules:
        __import__(name)
    source = WARM_UP
    exec(compile(source, "warm", "exec"), {"__name__": "warm"})


def serve(runner, tools):
    """Until the server closes the socket; children leave it by becoming the candidate."""
    prepared = None
    while True:
        role, length = runner.serve()
        if role == runner.RUN:
            if prepared is None:
                prepared, wrong = program.prepare(wire.INPUT_FD, length)
                if wrong:
                    runner.reject(wire.STAGE_FD, wrong)
                    os._exit(1)
                os.close(wire.INPUT_FD)
                os.close(wire.STAGE_FD)
            prepared.hand_over()
        if role == runner.END:
            if prepared is None:
                tools.follow()
            os._exit(0)
        prepared, wrong = program.prepare(runner.input, length)
        runner.opened(wrong)
        if wrong:
            os._exit(0)


def main():
    numbers, how = [int(text) for text in sys.argv[1:8]], sys.argv[8]
    orders, modules = json.loads(sys.argv[9]), sys.argv[10:]
    program.ENVIRONMENT.update(orders["variables"])
    if os.path.isdir("/proc"):
        with open(
            "/proc/self/oom_score_adj", "w"
        ) as file:  # the kernel's choice before any service of the host
            file.write("1000")
    runner = make_runner(numbers, how, libc, check)
    sys.path[0] = "/tmp"  # as for any program, the directory it lies in
    for place in "/environment", "/modules":
        if os.path.isdir(place):
            sys.path.append(place)
    warm_up(modules)
    warm = Warm(orders["warm"], how, runner.descriptors, runner.code, lambda: give_up(runner, runner.KEEPS))
    for name in (
        "program",
        "runner",
        "warm",
        "fallback",
        "reduced",
        "landlock",
        "values",
        "wire",
        "graph",
        "objects",
        "proxies",
        "tests",
        "faults",
        "modules",
    ):  # names that a candidate's own files may have
        sys.modules.pop(name, None)
    give_up(runner)
    gc.collect()
    libc.malloc_trim(0)  # importing left free memory, whose page tables each run would copy
    gc.freeze()  # the candidate's garbage collector does not touch the agent's pages
    runner.ready(warm.ready)
    serve(runner, warm)


if __name__ == "__main__":
    main()
