"""The services as a subprocess of ours, for as long as a client is open."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import IO, Final

from basanite._errors import ClientClosed, LocalServerFailed

START_SECONDS: Final = 60.0
"""How long the services may take to answer."""

_STOP_SECONDS: Final = 10.0  # from the request to stop until it is killed
_TAIL_BYTES: Final = 4_000
_SOCKET_PATH_BYTES: Final = 100  # what the kernel takes is 107
_INSTALL: Final = "the services are not installed here: pip install 'basanite[server]'"

_servers: Final[weakref.WeakSet[LocalServer]] = weakref.WeakSet()


def _disown() -> None:
    for server in list(_servers):
        server._disown()


# A forked child must neither stop its parent's server nor, by holding the pipe, keep it alive.
os.register_at_fork(after_in_child=_disown)


class LocalServer:
    """The services on a private unix socket.

    The server ends when its standard input does, so that it does not outlive this process even if that is
    killed.
    """

    def __init__(
        self, settings: Mapping[str, str] | None = None, command: Sequence[str] | None = None
    ) -> None:
        """`settings` become environment variables BASANITE_<NAME> of the server.

        `command` (for tests) replaces the interpreter and module; the socket's path is put in place of "{}".
        """
        self._settings = dict(settings or {})
        self._command = command
        self._directory = tempfile.mkdtemp(prefix="basanite-")  # mode 0700
        if len(os.fsencode(self._directory)) > _SOCKET_PATH_BYTES - 20:
            os.rmdir(self._directory)
            self._directory = tempfile.mkdtemp(prefix="basanite-", dir="/tmp")
        self.address = f"unix:{self._directory}/basanite.sock"
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._owned = True
        self._tail = b""
        self._reader: threading.Thread | None = None
        _servers.add(self)

    def start(self) -> None:
        """Start the server, once. Raises LocalServerFailed if it cannot be started, ClientClosed after
        stop()."""
        if not self._owned:
            return
        with self._lock:
            if self._stopped:
                raise ClientClosed("the client was closed")
            if self._process is not None:
                return
            self._process = self._spawn()
            assert self._process.stderr is not None
            self._reader = threading.Thread(
                target=self._read, args=(self._process.stderr,), name="basanite-server-log", daemon=True
            )
            self._reader.start()

    def problem(self) -> str | None:
        """What ended the server, or None while it runs."""
        process = self._process
        if process is None or not self._owned or process.poll() is None:
            return None
        if self._reader is not None:
            self._reader.join(1.0)
        hint = f" ({_INSTALL})" if b"ModuleNotFoundError" in self._tail else ""
        said = self._tail.decode(errors="replace").strip()
        return (
            f"the local server ended with status {process.returncode}{hint}; it said: {said or '(nothing)'}"
        )

    def log_tail(self) -> str:
        """The last that the server wrote to its standard error."""
        return self._tail.decode(errors="replace").strip()

    def stop(self) -> None:
        """Stop the server, wait until it is gone, and remove what it left. In a forked child: nothing."""
        if not self._owned:
            return
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            process = self._process
        if process is not None:
            with contextlib.suppress(OSError):
                if process.stdin is not None:
                    process.stdin.close()
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if self._reader is not None:
                self._reader.join(1.0)  # closes standard error
        shutil.rmtree(self._directory, ignore_errors=True)

    def _spawn(self) -> subprocess.Popen[bytes]:
        if self._command is not None:
            command = [part.replace("{}", self.address) for part in self._command]
        elif importlib.util.find_spec("basanite_services") is None:
            raise LocalServerFailed(_INSTALL)
        else:
            # -P: a file of the working directory must not take the place of a library.
            command = [
                sys.executable,
                "-P",
                "-m",
                "basanite_services",
                "--listen",
                self.address,
                "--watch-stdin",
            ]
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                bufsize=0,  # raw files: no locks that a fork could copy while they are held
                env=self._environment(),
                start_new_session=True,  # Ctrl-C is for us; the server is stopped in order
            )
        except OSError as error:
            raise LocalServerFailed(f"cannot start {command[0]}: {error}") from error

    def _environment(self) -> dict[str, str]:
        # A token or address for another server says nothing about this one; gRPC's fork support, which we
        # set for our own process, makes forks of a busy server slow.
        ours = ("BASANITE_ADDRESS", "BASANITE_TOKEN", "GRPC_ENABLE_FORK_SUPPORT")
        environment = {name: value for name, value in os.environ.items() if name not in ours}
        environment |= {f"BASANITE_{name.upper()}": value for name, value in self._settings.items()}
        return environment

    def _read(self, stream: IO[bytes]) -> None:
        """Keep the last of what the server writes; unread, the pipe would fill and block it."""
        with stream:
            while data := stream.read(65536):
                self._tail = (self._tail + data)[-_TAIL_BYTES:]

    def _disown(self) -> None:
        self._owned = False
        process = self._process
        if process is not None:
            process.returncode = 0  # not our child: nothing to wait for or to warn about
            if process.stdin is not None:
                process.stdin.close()
