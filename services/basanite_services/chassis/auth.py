"""Who may call: a token on every RPC but health, and servers that refuse to be open by accident."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from pydantic import SecretStr

from basanite_services.chassis.address import Address
from basanite_services.chassis.settings import Settings, cache_home

if TYPE_CHECKING:
    _Interceptor = grpc.aio.ServerInterceptor[Any, Any]
else:
    _Interceptor = grpc.aio.ServerInterceptor

_HEALTH = "/grpc.health.v1.Health/"
_DEFAULT_PORT = 50051


class AccessError(Exception):
    """The server would be open to others, or its token cannot be read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Access:
    """The token in force, None for none, and the file a generated one goes to."""

    token: SecretStr | None
    write_to: Path | None = None
    named_by_port: bool = False
    """The default file has the port in its name, unless it is the default one, so that servers do not
    overwrite each other's token."""

    def write(self, address: Address) -> Path | None:
        """Write a generated token down, mode 0600, once the address is bound. Returns the file."""
        if self.write_to is None or self.token is None:
            return None
        path = self.write_to
        if self.named_by_port and address.port != _DEFAULT_PORT:
            path = path.with_name(f"token-{address.port}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A new file each time: an old one may be open elsewhere or have another mode.
            path.unlink(missing_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w") as file:
                file.write(self.token.get_secret_value() + "\n")
        except OSError as error:
            raise AccessError(f"cannot write the token to {path}: {error.strerror}") from None
        return path


def default_token_file() -> Path:
    """Where a generated token goes that nobody named a file for."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return (Path(runtime) if runtime else cache_home()) / "basanite" / "token"


def decide_access(settings: Settings) -> Access:
    """Which token is in force. Raises AccessError where the server would be open to other machines."""
    address = settings.address
    if settings.insecure:
        return Access(None)
    if settings.token is not None:
        return Access(settings.token)
    if settings.token_file is not None:
        return _from_file(settings.token_file)
    if address.is_unix:
        return Access(None)
    if not address.is_loopback:
        raise AccessError(
            f"{address} can be reached by other machines, which would let them run programs here: set "
            "BASANITE_TOKEN or --token-file, listen on 127.0.0.1 or a unix socket, or say --insecure"
        )
    return Access(_generate(), default_token_file(), named_by_port=True)


def _from_file(path: Path) -> Access:
    try:
        token = path.read_text().strip()
    except FileNotFoundError:
        return Access(_generate(), path)
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(f"cannot read the token from {path}: {type(error).__name__}") from None
    if len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token:
        raise AccessError(f"{path} must hold one token of at least 16 printable ASCII characters")
    return Access(SecretStr(token))


def _generate() -> SecretStr:
    return SecretStr(secrets.token_urlsafe(32))


class TokenInterceptor(_Interceptor):
    """Ends calls without the token with UNAUTHENTICATED before anything of them is read."""

    def __init__(self, token: SecretStr) -> None:
        self._expected = b"Bearer " + token.get_secret_value().encode()
        # Whatever the call's shape: on the wire all four are streams, and this one reads nothing.
        self._refuse = grpc.stream_stream_rpc_method_handler(_unauthenticated)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        if handler_call_details.method.startswith(_HEALTH):
            return await continuation(handler_call_details)
        for key, value in handler_call_details.invocation_metadata or ():
            if key == "authorization":
                given = value.encode() if isinstance(value, str) else value
                if hmac.compare_digest(given, self._expected):
                    return await continuation(handler_call_details)
        return self._refuse


async def _unauthenticated(
    requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]
) -> None:
    await context.abort(
        grpc.StatusCode.UNAUTHENTICATED, "send the server's token as metadata `authorization: Bearer TOKEN`"
    )
