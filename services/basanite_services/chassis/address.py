"""Where the server listens: parsing of addresses, and what may be done to a socket file."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# sun_path of sockaddr_un holds 108 bytes with the final NUL; longer paths are cut silently by some libraries.
_MAX_SOCKET_PATH_BYTES = 107


class AddressError(Exception):
    """The address cannot be used; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Address:
    """A unix socket (`path` set) or a TCP host and port (`host` set)."""

    path: Path | None = None
    host: str = ""
    port: int = 0

    @property
    def is_unix(self) -> bool:
        return self.path is not None

    @property
    def is_loopback(self) -> bool:
        """True if only processes of this machine can connect. A unix socket counts: its mode guards it."""
        if self.is_unix or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def with_port(self, port: int) -> Address:
        """The same host with the port that the kernel gave (port 0 asks for any)."""
        return Address(host=self.host, port=port)

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Parse "unix:/path" or "host:port" ("[::1]:50051" for IPv6). Raises ValueError with the rule."""
    if text.startswith("unix-abstract:"):
        raise ValueError("abstract sockets have no file mode that could guard them: use unix:/path")
    if text.startswith("unix:"):
        name = text.removeprefix("unix:")
        # gRPC's other spelling is unix:///path.
        if name.startswith("//"):
            name = name.removeprefix("//")
        if not name:
            raise ValueError("must name a path: unix:/path")
        path = Path(name).absolute()
        if len(os.fsencode(path)) > _MAX_SOCKET_PATH_BYTES:
            raise ValueError(f"the path of a unix socket must be at most {_MAX_SOCKET_PATH_BYTES} bytes long")
        return Address(path=path)
    host, separator, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 address needs brackets: [::1]:50051")
    if not separator or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be unix:/path or host:port")
    return Address(host=host, port=int(port))


def prepare_socket(path: Path) -> None:
    """Make `path` free for a new socket: its directory exists, and a socket nobody listens on is removed.

    Raises AddressError if another server listens there or something else has that name.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise AddressError(f"{path} exists and is not a socket: remove it or listen elsewhere")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            # Left by a server that was killed.
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise AddressError(f"{path} is in use by another server ({error.strerror})") from error
    raise AddressError(f"{path} is in use by another server")


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """Files and sockets made inside get mode 0600 from the start, so that there is no moment to slip in."""
    old = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(old)
