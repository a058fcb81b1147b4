"""The client against a server that is killed and comes back: each item ends once, and nothing is left of the dead."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import e2e_command as command
import pytest
from e2e_restarts import (
    TOKEN,
    RestartingServer,
    Restarts,
    by_asynchronous_stream,
    by_batch,
    by_stream,
    make_items,
)

from basanite import AsyncClient, Client, FailureReason, Item, Result
from basanite._transport import KEEPALIVE_SECONDS
from basanite_services.chassis.server import _options
from basanite_services.chassis.settings import Settings

FORMS = ("batch", "stream", "asynchronous stream")


@pytest.mark.parametrize("transport", ["unix", "tcp"])
@pytest.mark.parametrize("form", FORMS)
def test_items_end_once_though_the_server_is_killed(
    doctor: str, folder: Path, transport: str, form: str
) -> None:
    judge_over_restarts(300, 2, folder, transport, form)


def judge_over_restarts(count: int, times: int, folder: Path, transport: str, form: str) -> None:
    items = make_items(count)
    listen = f"unix:{folder}/s" if transport == "unix" else f"127.0.0.1:{free_port()}"
    with RestartingServer(listen, folder) as server:
        with Restarts(server, count, times) as restarts:
            results = judge(server.address, items, restarts, form)
        assert restarts.done_times == times
        assert len({result.id for result in results}) == len(results) == count
        assert [result for result in results if not result.passed] == []
        command.assert_gone(server.killed)
        processes = command.descendants(server.pid)
    command.assert_gone(processes)
    assert not list((folder / "tmp").iterdir())
    assert not (folder / "s").exists()


def judge(address: str, items: list[Item], restarts: Restarts, form: str) -> list[Result]:
    token = None if address.startswith("unix:") else TOKEN
    if form == "asynchronous stream":

        async def main() -> list[Result]:
            async with AsyncClient(address, token=token) as client:
                return await by_asynchronous_stream(client, items, restarts)

        return asyncio.run(main())
    with Client(address, token=token) as client:
        return (by_batch if form == "batch" else by_stream)(client, items, restarts)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_items_whose_own_services_are_killed_end_with_the_reason(doctor: str, folder: Path) -> None:
    items = make_items(300)
    with Client.local() as client:
        local = client._async._local
        assert local is not None
        assert local._process is not None
        pid = local._process.pid
        assert client.verify(items[0]).passed
        processes = command.descendants(pid)

        def kill(done: int, total: int) -> None:
            if done >= 50:
                local._process.kill()

        results = client.verify_batch(items, on_progress=kill)
        later = client.verify(items[-1])
    assert [result.id for result in results] == [item.id for item in items]
    failed = [result.failure for result in [*results, later] if not result.passed]
    assert 0 < len(failed) < 300
    for failure in failed:
        assert failure is not None
        assert (failure.reason, failure.retryable) == (FailureReason.INTERNAL, True)
        assert "the local server ended with status -9" in failure.message
    assert not list((folder / "tmp").iterdir())
    with Client.local() as client:
        assert client.verify(items[-1]).passed
    command.assert_gone(processes)  # the next server clears its control groups away


def test_the_server_takes_the_pings_of_the_client() -> None:
    allowed = dict(_options(Settings()))["grpc.http2.min_ping_interval_without_data_ms"]
    assert allowed <= KEEPALIVE_SECONDS * 1000 / 2
