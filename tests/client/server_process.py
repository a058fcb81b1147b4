"""A fake server in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

FAKE = Path(__file__).with_name("fake_server.py")


class ServerProcess:
    """It can be killed and started again."""

    def __init__(self, address: str, **behaviour: object) -> None:
        self.address = address
        self._behaviour = json.dumps(behaviour)
        self.process: subprocess.Popen[str]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, os.fspath(FAKE), self.address, "--behaviour", self._behaviour],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("up ")

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def wait(self) -> None:
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
