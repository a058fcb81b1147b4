"""The connection to a server.

Why a synchronous gRPC channel under an asynchronous client: a grpc.aio channel belongs to one event loop, so
that it breaks on the second asyncio.run of a process, and it hangs after a fork. A synchronous channel
belongs to none. Its answers reach event loops by call_soon_threadsafe: single responses from a done
callback, streams from a reader thread per call.

What makes it survive a fork (measured with grpcio 1.71 and 1.85, parent and child both going on):

* The child makes a channel of its own. The parent's is never touched there.
* That channel has a subchannel pool of its own. With the shared one it finds the parent's dead connection
  ("Wrong file descriptor generation").
* GRPC_ENABLE_FORK_SUPPORT=1 is set before gRPC is loaded. Without it a fork while calls are in flight
  crashes about one child in five; with it such a fork waits until gRPC's threads rest, up to a second. A
  program that loads gRPC before this module must set it itself if it forks while calls are in flight.
* Reader threads wait in Python, not in gRPC (the default kind of stream, not the "single-threaded" one), or
  gRPC would skip its own fork handlers.
"""

from __future__ import annotations

import os

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "1")

import asyncio
import contextlib
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

import grpc

from basanite._errors import (
    AuthenticationFailed,
    BasaniteError,
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    ContractMismatch,
)
from basanite._fork import PerProcess
from basanite._parse import server_info_from_proto
from basanite._server_info import ServerInfo
from basanite._window import Window
from basanite.v1 import verifier_pb2

CONTRACT_MAJOR: Final = "1"
CONNECT_SECONDS: Final = 4.0
"""How long to try for a first connection."""

KEEPALIVE_SECONDS: Final = 30.0
"""A server that says nothing for so long while it is asked something must answer a ping. Ours take one every 5 s."""
KEEPALIVE_SHARE: Final = 2 / 3
"""How long an answer may take, in those terms: a machine that is very busy is not gone."""

_MessageT = TypeVar("_MessageT")

_SERVICE: Final = "/basanite.v1.VerifierService/"
_REFUSED: Final = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),
    # The server states its limits in Describe, and the client keeps to those.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # Verifiers stand beside the trainer; a proxy meant for the internet only breaks the way to them.
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Or it would stop to ask after two pings, while a run may take many minutes.
    ("grpc.http2.max_pings_without_data", 0),
)


class RpcFailed(Exception):
    """A call ended with another status than OK. Never leaves the client."""

    def __init__(
        self, code: grpc.StatusCode, details: str, retry_after: float | None = None, hopeless: bool = False
    ) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details
        self.retry_after = retry_after
        """Seconds, if the server said."""
        self.hopeless = hopeless
        """True if no later call can fare better."""


class Host(Protocol):
    """A server that the client looks after itself."""

    def start(self) -> None: ...
    def problem(self) -> str | None:
        """What ended it, or None while it runs."""
        ...


def _failed(error: Any) -> RpcFailed:
    retry_after = None
    for key, value in error.trailing_metadata() or ():
        if key == "retry-after-ms":
            with contextlib.suppress(ValueError):
                retry_after = min(max(float(value) / 1000, 0.0), 60.0)
    return RpcFailed(error.code(), error.details() or "", retry_after)


class Call(Generic[_MessageT]):
    """A call in flight whose answers arrive in one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[_MessageT] = deque()
        self._end: RpcFailed | bool = False  # True: ended well
        self._posted = False
        self._news = asyncio.Event()

    async def take(self) -> list[_MessageT]:
        """Wait for messages and return those that are here; [] at the end. Raises RpcFailed."""
        if self._arrived:
            await asyncio.sleep(0)  # however fast they come, others have their turn
        while True:
            self._posted = False
            if self._arrived:
                messages = list(self._arrived)
                self._arrived.clear()
                return messages
            if isinstance(self._end, RpcFailed):
                raise self._end
            if self._end:
                return []
            self._news.clear()
            if not self._arrived and not self._end:
                await self._news.wait()

    def cancel(self) -> None:
        """End the call; the server stops working on it. No effect after its end."""
        raise NotImplementedError

    def _post(self) -> None:
        """Tell the event loop that something arrived, from any thread; once for all that it has not seen
        yet."""
        if not self._posted:
            self._posted = True
            try:
                self._loop.call_soon_threadsafe(self._news.set)
            except RuntimeError:  # the event loop is closed: nobody waits any more
                self.cancel()


class _SingleCall(Call[_MessageT]):
    """One request, one response."""

    def __init__(self, future: Any) -> None:
        super().__init__()
        self._future = future
        future.add_done_callback(self._done)

    def _done(self, future: Any) -> None:
        if future.code() is grpc.StatusCode.OK:
            self._arrived.append(future.result())
            self._end = True
        else:
            self._end = _failed(future)
        self._post()

    def cancel(self) -> None:
        self._future.cancel()


VerifyCall: TypeAlias = Call[verifier_pb2.VerifyBatchResponse]


class _StreamCall(Call[verifier_pb2.VerifyBatchResponse]):
    """A call with a stream of responses."""

    def __init__(self, call: Any) -> None:
        super().__init__()
        self._call = call
        threading.Thread(target=self._read, name="basanite-reader", daemon=True).start()

    def _read(self) -> None:
        try:
            for message in self._call:
                self._arrived.append(message)
                self._post()
            self._end = True
        except grpc.RpcError as error:
            self._end = _failed(error)
        except Exception as error:
            self._end = RpcFailed(grpc.StatusCode.UNKNOWN, f"{type(error).__name__}: {error}")
        self._posted = False
        self._post()

    def cancel(self) -> None:
        self._call.cancel()


class DuplexCall(_StreamCall):
    """A call with a stream of requests and a stream of responses."""

    def __init__(self, start: Callable[[Iterator[bytes]], Any], on_sent: Callable[[], None]) -> None:
        """`on_sent` is called in the event loop whenever unsent_bytes fell."""
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._loop_of_sender = asyncio.get_running_loop()
        self._on_sent = on_sent
        self.unsent_bytes = 0
        super().__init__(start(self._requests()))

    def send(self, message: bytes) -> None:
        """Queue a message."""
        self.unsent_bytes += len(message)
        self._outgoing.put(message)

    def finish(self) -> None:
        """Say that no more messages follow."""
        self._outgoing.put(None)

    def cancel(self) -> None:
        self._outgoing.put(None)  # or the thread that waits in _requests would stay
        super().cancel()

    def _requests(self) -> Iterator[bytes]:
        # gRPC asks for the next message in a thread of its own, when the last one has left.
        while (message := self._outgoing.get()) is not None:
            yield message
            try:
                self._loop_of_sender.call_soon_threadsafe(self._left, len(message))
            except RuntimeError:
                return

    def _left(self, size: int) -> None:
        self.unsent_bytes -= size
        self._on_sent()


class _Link:
    """A process' channel, and what it knows about the server."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.describe = channel.unary_unary(
            _SERVICE + "Describe", None, verifier_pb2.DescribeResponse.FromString
        )
        # A VerifyResponse reads as a VerifyBatchResponse with one result: same field number, same type.
        parse = verifier_pb2.VerifyBatchResponse.FromString
        self.verify = channel.unary_unary(_SERVICE + "Verify", None, parse)
        self.verify_batch = channel.unary_stream(_SERVICE + "VerifyBatch", None, parse)
        self.verify_stream = channel.stream_stream(_SERVICE + "VerifyStream", None, parse)
        self.window = Window(1)
        self.info: ServerInfo | None = None
        self.ever_connected = False


class Transport:
    """A server's address and, per process, the channel to it. May be used from any thread and event loop."""

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        tls: bool = False,
        tls_ca: str | os.PathLike[str] | None = None,
        host: Host | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        keepalive_seconds: float = KEEPALIVE_SECONDS,
    ) -> None:
        """Raises ConfigurationError for an address or token that cannot be used, or an unreadable
        `tls_ca`."""
        self.address = _checked_address(address)
        self.closed = False
        self._metadata = _metadata(token)
        self._credentials = _credentials(tls, tls_ca, address)
        self._host = host
        self._connect_seconds = connect_seconds
        self._options = (
            *_OPTIONS,
            # A server whose machine or network vanished must not hold calls that have no deadline for ever.
            ("grpc.keepalive_time_ms", round(keepalive_seconds * 1000)),
            # gRPC of today goes by the second of these, the oldest that we take by the first.
            ("grpc.keepalive_timeout_ms", round(keepalive_seconds * KEEPALIVE_SHARE * 1000)),
            ("grpc.http2.ping_timeout_ms", round(keepalive_seconds * KEEPALIVE_SHARE * 1000)),
        )
        self._links = PerProcess(self._link)

    def _link(self) -> _Link:
        if self._credentials is None:
            return _Link(grpc.insecure_channel(self.address, options=self._options))
        return _Link(grpc.secure_channel(self.address, self._credentials, options=self._options))

    @property
    def connected(self) -> bool:
        """True if this process ever reached the server."""
        return self._links.get().ever_connected

    @property
    def last_info(self) -> ServerInfo | None:
        """What the server said when it was last asked, if that still holds."""
        return self._links.get().info

    @property
    def window(self) -> Window:
        """The places in the server's queue that this process may fill."""
        return self._links.get().window

    def close(self) -> None:
        """Cancel all calls of this process. Later ones raise ClientClosed."""
        self.closed = True
        link = self._links.peek()
        if link is not None:
            link.channel.close()

    async def ready(self, seconds: float | None = None, fresh: bool = False) -> ServerInfo:
        """Connect if need be, and say what the server said about itself (asked again if `fresh`).

        `seconds` is the time there is. Raises ConnectionFailed if there never was a connection, RpcFailed if
        there was, AuthenticationFailed, ContractMismatch, ClientClosed.
        """
        link = self._links.get()
        if link.info is not None and not fresh and not self.closed:
            return link.info
        if self._host is not None:
            self._host.start()
        limit = self._connect_seconds if seconds is None else min(seconds, self._connect_seconds)
        end = time.monotonic() + limit
        pause = 0.02 if self._host is not None else 0.05
        while True:
            self._check_open()
            try:
                return await self._describe(link, max(end - time.monotonic(), 0.01))
            except RpcFailed as failed:
                self._check_open()
                error = failed
                if failed.code is grpc.StatusCode.DEADLINE_EXCEEDED:
                    error = RpcFailed(grpc.StatusCode.UNAVAILABLE, "it does not answer")
                self._check_host(link, error)
                if link.ever_connected:
                    raise error from failed
                left = end - time.monotonic()
                if left <= 0:
                    hint = (
                        f"; is `basanite serve --listen {self.address}` running?"
                        if self._host is None
                        else ""
                    )
                    raise ConnectionFailed(
                        f"no Basanite server answered at {self.address} within {limit:.1f} s ({error}){hint}"
                    ) from failed
            await asyncio.sleep(min(left, pause * random.uniform(0.8, 1.2)))
            pause = min(pause * 1.5, 0.5)

    def forget(self) -> None:
        """Ask the server again what it is before the next call: it may be another one by then."""
        self._links.get().info = None

    def start(self, request: bytes, single: bool, seconds: float | None) -> VerifyCall:
        """Start a VerifyBatch call, or a Verify call if `single`. `request` is a VerifyBatchRequest.

        `seconds` is the call's deadline. Raises ClientClosed.
        """
        link = self._links.get()
        self._check_open()
        try:
            if single:
                return _SingleCall(link.verify.future(request, timeout=seconds, metadata=self._metadata))
            return _StreamCall(link.verify_batch(request, timeout=seconds, metadata=self._metadata))
        except ValueError as error:  # closed meanwhile
            raise ClientClosed("the client was closed") from error

    def call(self, request: bytes, seconds: float | None) -> verifier_pb2.VerifyBatchResponse | None:
        """Make a Verify call and wait for it in this thread. `request` is a VerifyRequest. None if it fails."""
        link = self._links.get()
        try:
            response: verifier_pb2.VerifyBatchResponse = link.verify(
                request, timeout=seconds, metadata=self._metadata
            )
        except (grpc.RpcError, ValueError):
            return None
        return response

    def start_stream(self, on_sent: Callable[[], None]) -> DuplexCall:
        """Start a VerifyStream call, whose messages are VerifyStreamRequests; for `on_sent` see DuplexCall.

        Raises ClientClosed.
        """
        link = self._links.get()
        self._check_open()
        try:
            return DuplexCall(lambda requests: link.verify_stream(requests, metadata=self._metadata), on_sent)
        except ValueError as error:
            raise ClientClosed("the client was closed") from error

    def upload(self, source: str | os.PathLike[str] | bytes, seconds: float | None) -> str:
        """Store a blob, in this thread. -> its digest. Raises RpcFailed, UploadFailed, ClientClosed, OSError."""
        from basanite._upload import upload

        link = self._links.get()
        self._check_open()
        try:
            return upload(link.channel, self._metadata, source, seconds)
        except grpc.RpcError as error:
            raise _failed(error) from error
        except ValueError as error:
            raise ClientClosed("the client was closed") from error

    def refusal(self, error: RpcFailed) -> BasaniteError | None:
        """The error to raise if it makes all calls pointless, or None."""
        if self.closed:
            return ClientClosed("the client was closed")
        if error.code in _REFUSED:
            return AuthenticationFailed(
                f"{self.address} refused the token ({error.details}); pass token= or set BASANITE_TOKEN"
            )
        return None

    def _check_open(self) -> None:
        if self.closed:
            raise ClientClosed("the client was closed")

    def _check_host(self, link: _Link, error: RpcFailed) -> None:
        """If the server that we started is gone, waiting for it is pointless."""
        problem = self._host.problem() if self._host is not None else None
        if problem is None:
            return
        if link.ever_connected:
            raise RpcFailed(grpc.StatusCode.UNAVAILABLE, problem, hopeless=True) from error
        from basanite._errors import LocalServerFailed

        raise LocalServerFailed(problem) from error

    async def _describe(self, link: _Link, seconds: float) -> ServerInfo:
        future = link.describe.future(b"", timeout=seconds, metadata=self._metadata)
        call: Call[verifier_pb2.DescribeResponse] = _SingleCall(future)
        try:
            [response] = await call.take()
        except RpcFailed as error:
            refusal = self.refusal(error)
            if refusal is not None:
                raise refusal from error
            if error.code is grpc.StatusCode.UNIMPLEMENTED:
                raise ConnectionFailed(f"what answers at {self.address} is no Basanite server") from error
            raise
        finally:
            call.cancel()
        info = server_info_from_proto(response)
        if info.contract_version.split(".")[0] != CONTRACT_MAJOR:
            raise ContractMismatch(
                f"{self.address} speaks version {info.contract_version or '(none)'} of the contract, this client"
                f" version {CONTRACT_MAJOR}; install matching versions of basanite"
            )
        link.window.resize(max(info.request_limits.max_queued_items, 1))
        link.ever_connected = True
        link.info = info
        return info


def _checked_address(address: str) -> str:
    if not isinstance(address, str) or not address.strip():
        raise ConfigurationError('an address is "unix:/path" or "host:port"')
    if "://" in address and not address.startswith(("unix://", "dns://", "ipv4://", "ipv6://")):
        raise ConfigurationError(f'an address is "unix:/path" or "host:port", not a URL: {address!r}')
    return address


def _metadata(token: str | None) -> tuple[tuple[str, str], ...] | None:
    if not token:
        return None
    if not token.isascii() or not token.isprintable():
        raise ConfigurationError("a token is printable ASCII")
    return (("authorization", f"Bearer {token}"),)


def _credentials(
    tls: bool, tls_ca: str | os.PathLike[str] | None, address: str
) -> grpc.ChannelCredentials | None:
    if tls_ca is None:
        return grpc.ssl_channel_credentials() if tls else None
    try:
        return grpc.ssl_channel_credentials(Path(tls_ca).read_bytes())
    except OSError as error:
        raise ConfigurationError(f"cannot read the certificates for {address}: {error}") from error
