"""The asynchronous client. The synchronous one drives it."""

from __future__ import annotations

import asyncio
import functools
import os
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from typing import Any, Self

from basanite._batch import verify_batch
from basanite._direct import verify_directly
from basanite._errors import ConfigurationError, ConnectionFailed
from basanite._local import START_SECONDS, LocalServer
from basanite._results import Assurance, Result
from basanite._run import FOREVER
from basanite._server_info import ServerInfo
from basanite._stream import Stream
from basanite._tasks import Item
from basanite._transport import RpcFailed, Transport


class AsyncClient:
    """A connection to a Basanite server.

    One client may serve several asyncio.run calls, threads with event loops of their own, and both sides of
    a fork. A pickled one, which holds the token, connects anew where it is unpickled.

    Every item gets exactly one Result. What goes wrong with an item is a Failure in its Result; exceptions
    are about the server as a whole: ConnectionFailed, AuthenticationFailed, ContractMismatch, ClientClosed.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        token: str | None = None,
        tls: bool = False,
        tls_ca: str | os.PathLike[str] | None = None,
        require_assurance: Assurance = Assurance.SEPARATED,
    ) -> None:
        """Connects when first used.

        address: "unix:/path" or "host:port"; by default the environment's BASANITE_ADDRESS.
        token: by default the environment's BASANITE_TOKEN.
        tls: use TLS with the system's certificate authorities.
        tls_ca: file with the certificate authorities to trust instead (PEM); implies `tls`.
        require_assurance: the least that verdicts must have where neither call nor item says.

        Raises ConfigurationError if there is no address, or one of these cannot be used.
        """
        address = address or os.environ.get("BASANITE_ADDRESS")
        if not address:
            raise ConfigurationError(
                "no address: pass one, set BASANITE_ADDRESS, or use Client.local() to run the services here"
            )
        token = token or os.environ.get("BASANITE_TOKEN")
        self._local: LocalServer | None = None
        self._require_assurance = _assurance(require_assurance)
        self._transport = Transport(address, token=token, tls=tls, tls_ca=tls_ca)
        self._again = functools.partial(
            type(self), address, token=token, tls=tls, tls_ca=tls_ca, require_assurance=require_assurance
        )

    @classmethod
    def local(
        cls,
        *,
        settings: Mapping[str, str] | None = None,
        require_assurance: Assurance = Assurance.SEPARATED,
    ) -> Self:
        """A client with services of its own on this machine, which start when it is first used and stop when
        it is closed, or when this process ends, however it does.

        settings: settings of the services by name, e.g. {"log_level": "debug"}.

        Services that end before the client does are not started again: items get Failures that say how they ended.

        The first use raises LocalServerFailed if the services do not start.
        """
        return cls._with_local(LocalServer(settings), require_assurance)

    @classmethod
    def _with_local(cls, server: LocalServer, require_assurance: Assurance = Assurance.SEPARATED) -> Self:
        client = cls.__new__(cls)
        client._local = server
        client._require_assurance = _assurance(require_assurance)
        client._transport = Transport(server.address, host=server, connect_seconds=START_SECONDS)
        weakref.finalize(client, server.stop)
        return client

    def __reduce__(self) -> tuple[Any, ...]:
        if self._local is not None:
            raise TypeError("a client with services of its own cannot be pickled")
        return self._again, ()

    @property
    def address(self) -> str:
        """The server's address."""
        return self._transport.address

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection, and stop the services if they are this client's. Calls in flight raise
        ClientClosed."""
        self._transport.close()
        if self._local is not None:
            await asyncio.to_thread(self._local.stop)

    async def describe(self) -> ServerInfo:
        """What the server can do, how it isolates, and which limits it enforces; asked anew each time."""
        try:
            return await self._transport.ready(fresh=True)
        except RpcFailed as error:
            raise ConnectionFailed(f"{self.address} did not answer: {error}") from error

    async def upload(
        self, source: str | os.PathLike[str] | bytes, *, timeout_seconds: float | None = None
    ) -> str:
        """Store what tasks name by its digest, e.g. RepositoryTask.snapshot; what is there already is not sent.

        source: an archive, as a file or as bytes, or a directory: of that all but .git and compiled bytecode.
        -> the digest, SHA-256 in hex. The server keeps it for as long as it says (blob_expiry_seconds) after it was
        last asked for.

        Raises UploadFailed if the server does not take it, ConnectionFailed, AuthenticationFailed, ClientClosed,
        OSError.
        """
        try:
            await self._transport.ready()
            return await asyncio.to_thread(self._transport.upload, source, timeout_seconds)
        except RpcFailed as error:
            refusal = self._transport.refusal(error)
            if refusal is not None:
                raise refusal from error
            raise ConnectionFailed(f"{self.address} did not take the upload: {error}") from error

    async def verify(
        self,
        item: Item,
        *,
        deadline_seconds: float | None = None,
        require_assurance: Assurance | None = None,
    ) -> Result:
        """Judge one item. For parameters and errors see verify_batch."""
        [result] = await self.verify_batch(
            [item], deadline_seconds=deadline_seconds, require_assurance=require_assurance
        )
        return result

    async def verify_batch(
        self,
        items: Iterable[Item],
        *,
        deadline_seconds: float | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        require_assurance: Assurance | None = None,
    ) -> list[Result]:
        """Judge items; one Result each, in the order of the items.

        Identical items are judged once, except those with cache=False. Failures that may pass are retried,
        three attempts in all. A server that went away, or is full, is waited for until the deadline, without
        a deadline for a minute.

        deadline_seconds: time for all of it. Items without a verdict by then get DEADLINE Failures, and the
            server stops working on them.
        on_progress: called with the number of Results that are there and the number of items, in the event
            loop; what it raises ends the call.
        require_assurance: the least that verdicts must have where the item does not say.

        Cancelling ends the items' runs on the server. Raises ConnectionFailed within 5 seconds if there
        never was a server, AuthenticationFailed, ContractMismatch, ClientClosed; TypeError for what is no
        Item.
        """
        items = list(items)
        for item in items:
            if not isinstance(item, Item):
                raise TypeError(f"an Item is expected, not {type(item).__name__}")
        return await verify_batch(
            self._transport, items, _seconds(deadline_seconds), self._required(require_assurance), on_progress
        )

    async def stream(
        self,
        items: Iterable[Item] | AsyncIterable[Item],
        *,
        deadline_seconds: float | None = None,
        require_assurance: Assurance | None = None,
    ) -> AsyncGenerator[Result, None]:
        """Judge items while they are still being made; Results come as they are ready, in any order.

        items: a list, an asynchronous iterable, or any iterable; the latter is iterated in a thread, so that
            it may block. No more are taken than the server, and the consumer of the Results, can keep up
            with. Ids must be unique among the items in flight.
        deadline_seconds: time for all of it. At its end no more items are taken, and those in flight get
            DEADLINE Failures.

        Leaving the iteration early abandons the items in flight. Errors as in verify_batch, and what `items`
        raises.
        """
        stream = self._open_stream(items, deadline_seconds, require_assurance)
        try:
            while results := await stream.take():
                for result in results:
                    yield result
        finally:
            await stream.close()

    def _verify_directly(
        self, item: Item, deadline_seconds: float | None, require_assurance: Assurance | None
    ) -> Result | None:
        """For the synchronous client: see _direct."""
        return verify_directly(
            self._transport, item, _seconds(deadline_seconds), self._required(require_assurance)
        )

    def _open_stream(
        self,
        items: Iterable[Item] | AsyncIterable[Item],
        deadline_seconds: float | None,
        require_assurance: Assurance | None,
    ) -> Stream:
        return Stream(self._transport, items, _seconds(deadline_seconds), self._required(require_assurance))

    def _required(self, require_assurance: Assurance | None) -> Assurance:
        return self._require_assurance if require_assurance is None else _assurance(require_assurance)


def _assurance(value: Assurance) -> Assurance:
    if not isinstance(value, Assurance):
        raise TypeError("require_assurance must be an Assurance")
    return value


def _seconds(value: float | None) -> float | None:
    if value is None or value >= FOREVER:
        return None
    if not value >= 0:
        raise ValueError("deadline_seconds must not be negative")
    return float(value)
