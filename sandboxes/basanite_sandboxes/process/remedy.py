"""What this process lacks for cells of either kind, and the options of Docker and Kubernetes that would help."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

CAPABILITIES = {
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "SETGID": 6,
    "SETUID": 7,
    "SETPCAP": 8,
    "SYS_CHROOT": 18,
    "MKNOD": 27,
}
"""What cells without namespaces need of the server; all are among Docker's default ones."""

_TRY = "import ctypes; raise SystemExit(ctypes.CDLL(None).unshare(0x10000000 | 0x20000000) != 0)"
_GET_VERSION = 1


def missing_capabilities() -> list[str]:
    """Those of CAPABILITIES that are not in effect."""
    effective = 0
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
    return [name for name, bit in CAPABILITIES.items() if not effective >> bit & 1]


def for_namespaces() -> str:
    """What would allow them."""
    for name, wanted in (
        ("kernel/unprivileged_userns_clone", "1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "0"),
    ):
        path = Path("/proc/sys", name)
        if path.exists() and path.read_text().strip() != wanted:
            return f"To allow namespaces: sysctl -w {name.replace('/', '.')}={wanted}."
    limit = Path("/proc/sys/user/max_user_namespaces")
    if limit.exists() and limit.read_text().strip() == "0":
        return "To allow namespaces: sysctl -w user.max_user_namespaces=10000."
    return (
        "To allow namespaces: docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined "
        "(with AppArmor also --security-opt apparmor=unconfined); in Kubernetes, in the container's securityContext, "
        "seccompProfile: {type: Unconfined}, procMount: Unmasked (with AppArmor also appArmorProfile: {type: "
        "Unconfined}) and in the pod's spec hostUsers: false."
    )


def for_reduced() -> str:
    """What keeps this process from making cells without namespaces, and what to do about it; "" if nothing does."""
    missing = missing_capabilities()
    if not missing and os.geteuid() == 0:
        return ""
    lacks = "root" if os.geteuid() != 0 else ", ".join(f"CAP_{name}" for name in missing)
    names = missing or list(CAPABILITIES)
    adds = " ".join(f"--cap-add {name}" for name in names)
    return (
        f"Cells without namespaces need {lacks}, which this process does not have: docker run --user 0 {adds}; in "
        f"Kubernetes securityContext: {{runAsUser: 0, capabilities: {{add: [{', '.join(names)}]}}}}."
    )


def namespaces_are_allowed() -> bool:
    """Whether the kernel lets this process make a user namespace."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", _TRY], capture_output=True, check=False)
    return done.returncode == 0


def landlock_version() -> int:
    """0 where there is none."""
    create_ruleset = 444
    version = ctypes.CDLL(None).syscall(create_ruleset, None, ctypes.c_size_t(0), _GET_VERSION)
    return max(0, int(version))
