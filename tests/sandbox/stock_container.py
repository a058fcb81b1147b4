"""Become what a process is in a stock container (Docker's default capabilities and the rules of its system-call filter
that matter here), then start a pool and run a program. Prints JSON: {"profile", "weaknesses", "stdout"} or {"refused"}.

    python stock_container.py ISOLATION [CAPABILITY..]      those that are missing besides
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import sys
from unittest import mock

from basanite_sandboxes.process import ProcessPool, cgroup, remedy, seccomp
from basanite_sandboxes.spec import Environment, Limits, PythonProgram, SandboxUnavailable

DEFAULT_CAPABILITIES = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
PR_SET_SECCOMP, FILTER, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 22, 2, 24, 38


class Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def become_contained(missing: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    kept = DEFAULT_CAPABILITIES - {remedy.CAPABILITIES[name] for name in missing}
    with seccomp._Filter() as rules:
        for name in ("unshare", "setns", "mount", "umount2", "pivot_root"):
            rules.rule(seccomp._EPERM, name)
        rules.rule(seccomp._ENOSYS, "clone3")
        for flag in seccomp._NEW_NAMESPACES:
            rules.rule(seccomp._EPERM, "clone", seccomp._Compare(0, seccomp._MASKED_EQ, flag, flag))
        code = rules.export()
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # without it a filter is for those who may make namespaces
    assert libc.prctl(PR_SET_SECCOMP, FILTER, ctypes.byref(Filter(len(code) // 8, code)), 0, 0) == 0
    for capability in set(range(64)) - kept:
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    mask = sum(1 << capability for capability in kept)
    assert (
        libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(mask, mask, 0, 0, 0, 0)) == 0
    )


async def main(isolation: str) -> dict[str, object]:
    pool = ProcessPool(1, isolation=isolation)
    try:
        await pool.start()
        async with pool.sandbox(Environment()) as sandbox:
            report = await sandbox.run(PythonProgram(b"print(6 * 7)"), Limits())
        found = pool.isolation
        return {
            "profile": found.profile,
            "weaknesses": found.weaknesses,
            "memory": found.memory_control,
            "stdout": report.stdout.decode(),
        }
    except SandboxUnavailable as error:
        return {"refused": str(error)}
    finally:
        await pool.close()


if __name__ == "__main__":
    become_contained(sys.argv[2:])
    with mock.patch.object(cgroup, "find_control", return_value=cgroup.Control("none", {})):
        print(json.dumps(asyncio.run(main(sys.argv[1]))))
