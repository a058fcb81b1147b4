"""A server that falls silent: its machine is switched off, or a network in between drops what is sent."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from building import item, numbered
from fake_server import FakeServer

import basanite._run
from basanite import AsyncClient, FailureReason, Item, Result
from basanite._transport import Transport

KEEPALIVE_SECONDS = 1.2
"""gRPC sends no ping within a second of the last one."""


class Proxy:
    """Passes bytes between a port on loopback and a server. Silenced connections stay open and pass nothing."""

    def __init__(self, server: FakeServer) -> None:
        self._target = server.address.removeprefix("unix:")
        self._connections: list[asyncio.StreamWriter] = []
        self._pumps: set[asyncio.Task[None]] = set()
        self.takes_more = True
        """Whether new connections are passed on, too."""

    async def __aenter__(self) -> str:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *error: object) -> None:
        self._listener.close()
        self.hush()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        for writer in self._connections:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def hush(self) -> None:
        """Silence the connections that there are."""
        for pump in self._pumps:
            pump.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.append(writer)
        if not self.takes_more:
            return
        far_reader, far_writer = await asyncio.open_unix_connection(self._target)
        self._connections.append(far_writer)
        for ends in ((reader, far_writer), (far_reader, writer)):
            self._pumps.add(asyncio.create_task(_pump(*ends)))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def impatient(address: str) -> AsyncClient:
    client = AsyncClient(address)
    client._transport = Transport(address, connect_seconds=1.0, keepalive_seconds=KEEPALIVE_SECONDS)
    return client


async def judge(client: AsyncClient, items: list[Item], form: str) -> list[Result]:
    if form == "batch":
        return await client.verify_batch(items)
    return [result async for result in client.stream(items)]


async def silenced(server: FakeServer, form: str, *, for_ever: bool) -> list[Result]:
    """Items judged without a deadline by a server that falls silent when it has all of them."""
    proxy = Proxy(server)
    async with proxy as address, impatient(address) as client:
        assert (await client.verify(item())).passed
        server.arrived.clear()
        work = asyncio.create_task(judge(client, [*numbered(5), item("hang pass", "late")], form))
        while "late" not in server.ids:
            await asyncio.to_thread(server.arrived.wait, 10)
            server.arrived.clear()
        proxy.takes_more = not for_ever
        proxy.hush()
        return await asyncio.wait_for(work, 30)


@pytest.mark.parametrize("form", ["batch", "stream"])
def test_calls_without_a_deadline_do_not_wait_for_a_connection_that_is_dead(
    server: FakeServer, form: str
) -> None:
    async def main() -> None:
        results = await silenced(server, form, for_ever=False)
        assert len({result.id for result in results}) == len(results) == 6
        assert all(result.passed for result in results)

    asyncio.run(main())
    assert server.runs["late"] == 2


@pytest.mark.parametrize("form", ["batch", "stream"])
def test_a_server_that_stays_silent_becomes_retryable_failures(
    server: FakeServer, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basanite._run, "PATIENCE_SECONDS", 0.3)

    async def main() -> None:
        late = next(result for result in await silenced(server, form, for_ever=True) if result.id == "late")
        assert late.failure is not None
        assert (late.failure.reason, late.failure.retryable) == (FailureReason.INTERNAL, True)
        assert "gone" in late.failure.message

    asyncio.run(main())


@pytest.mark.parametrize("form", ["batch", pytest.param("stream", marks=pytest.mark.full)])
def test_a_server_that_works_for_long_is_not_taken_for_dead(server: FakeServer, form: str) -> None:
    async def main() -> None:
        async with Proxy(server) as address, impatient(address) as client:
            [result] = await judge(client, [item("slow=5", "long")], form)
            assert result.passed

    asyncio.run(main())
    assert server.runs["long"] == 1
