"""The synchronous client: the asynchronous one, driven on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import threading
import time
import weakref
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, Self, TypeVar

from basanite._client import AsyncClient
from basanite._errors import ClientClosed
from basanite._fork import PerProcess
from basanite._local import LocalServer
from basanite._results import Assurance, Result
from basanite._server_info import ServerInfo
from basanite._stream import Stream
from basanite._tasks import Item

_T = TypeVar("_T")


class _LoopThread:
    """An event loop that runs in a daemon thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._closing: asyncio.Task[None] | None = None  # kept, for tasks are held weakly by their loop
        self._thread = threading.Thread(target=self._run, name="basanite-client", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in this thread."""
        return threading.current_thread() is self._thread

    def call(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine there and wait for it. If waiting is interrupted (Ctrl-C), it is cancelled."""
        if self.loop.is_closed():
            work.close()
            raise ClientClosed("the client was closed")
        if self.is_current:
            work.close()
            raise RuntimeError("a callback of a Client must not wait for the same Client")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:  # by stop()
            raise ClientClosed("the client was closed") from None
        except BaseException:
            future.cancel()
            raise

    def close_stream(self, stream: Stream) -> None:
        """End a stream, also from a garbage collection in the thread itself."""
        if self.loop.is_closed():
            return
        if self.is_current:
            self._closing = self.loop.create_task(stream.close())
        else:
            self.call(stream.close())

    def stop(self) -> None:
        """Cancel what still runs there, and end the thread."""
        if self.loop.is_closed() or self.is_current:
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(_cancel_all(), self.loop).result(5.0)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5.0)
        if not self._thread.is_alive():
            self.loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.get_running_loop().shutdown_default_executor()


def _stop(loops: PerProcess[_LoopThread]) -> None:
    thread = loops.peek()
    if thread is not None:
        thread.stop()


def _unpickled(client: AsyncClient) -> Client:
    made = Client.__new__(Client)
    made._start(client)
    return made


class Client:
    """A connection to a Basanite server, for programs without an event loop.

    One client may be used from several threads, and on both sides of a fork. Methods are those of
    AsyncClient, where they are described in full.
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
        """Parameters and errors as for AsyncClient."""
        self._start(
            AsyncClient(address, token=token, tls=tls, tls_ca=tls_ca, require_assurance=require_assurance)
        )

    @classmethod
    def local(
        cls,
        *,
        settings: Mapping[str, str] | None = None,
        require_assurance: Assurance = Assurance.SEPARATED,
    ) -> Self:
        """Start the services on this machine and return a client to them. They stop when it is closed, or
        when this process ends, however it does.

        settings: settings of the services by name, e.g. {"log_level": "debug"}.

        Raises LocalServerFailed if they do not start.
        """
        return cls._with_local(LocalServer(settings), require_assurance)

    @classmethod
    def _with_local(cls, server: LocalServer, require_assurance: Assurance = Assurance.SEPARATED) -> Self:
        client = cls.__new__(cls)
        client._start(AsyncClient._with_local(server, require_assurance))
        try:
            client.describe()
        except BaseException:
            client.close()
            raise
        return client

    def _start(self, client: AsyncClient) -> None:
        self._async = client
        self._loops = PerProcess(_LoopThread)
        self._finalizer = weakref.finalize(self, _stop, self._loops)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self._async,)

    @property
    def address(self) -> str:
        """The server's address."""
        return self._async.address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, and stop the services if they are this client's. Calls in flight raise
        ClientClosed."""
        thread = self._loops.get()
        if not thread.loop.is_closed():
            thread.call(self._async.close())
            thread.stop()

    def describe(self) -> ServerInfo:
        """See AsyncClient.describe."""
        return self._loops.get().call(self._async.describe())

    def upload(self, source: str | os.PathLike[str] | bytes, *, timeout_seconds: float | None = None) -> str:
        """See AsyncClient.upload."""
        return self._loops.get().call(self._async.upload(source, timeout_seconds=timeout_seconds))

    def verify(
        self,
        item: Item,
        *,
        deadline_seconds: float | None = None,
        require_assurance: Assurance | None = None,
    ) -> Result:
        """See AsyncClient.verify."""
        thread = self._loops.get()
        if not thread.is_current:
            began = time.monotonic()
            result = self._async._verify_directly(item, deadline_seconds, require_assurance)
            if result is not None:
                return result
            if deadline_seconds is not None:
                deadline_seconds = max(0.0, deadline_seconds - (time.monotonic() - began))
        return thread.call(
            self._async.verify(item, deadline_seconds=deadline_seconds, require_assurance=require_assurance)
        )

    def verify_batch(
        self,
        items: Iterable[Item],
        *,
        deadline_seconds: float | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        require_assurance: Assurance | None = None,
    ) -> list[Result]:
        """See AsyncClient.verify_batch. `on_progress` is called in another thread."""
        return self._loops.get().call(
            self._async.verify_batch(
                list(items),
                deadline_seconds=deadline_seconds,
                on_progress=on_progress,
                require_assurance=require_assurance,
            )
        )

    def stream(
        self,
        items: Iterable[Item] | AsyncIterable[Item],
        *,
        deadline_seconds: float | None = None,
        require_assurance: Assurance | None = None,
    ) -> Iterator[Result]:
        """See AsyncClient.stream. `items` is iterated in another thread."""
        thread = self._loops.get()

        async def start() -> Stream:
            return self._async._open_stream(items, deadline_seconds, require_assurance)

        stream = thread.call(start())
        try:
            while results := thread.call(stream.take()):
                yield from results
        finally:
            thread.close_stream(stream)
