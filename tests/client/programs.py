"""Programs of their own, for what cannot be tested inside of pytest: forks, kills, ends of processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

_PRELUDE = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"


def run_program(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program; one that hangs is killed after a minute, with the children it forked."""
    command = [sys.executable, "-W", "error", "-c", _PRELUDE + textwrap.dedent(text), *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=50)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)
