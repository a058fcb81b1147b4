"""A server that is killed and started again on the same address, and items on their way to it meanwhile."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import e2e_command as command

from basanite import AsyncClient, Client, Item, Result, StdioCase, StdioTask

TOKEN = "a-token-of-the-tests-alone"
FORMS = ("batch", "stream", "asynchronous stream")


class RestartingServer:
    """`basanite serve` at one address. `kill` is SIGKILL; `start` starts another one there."""

    def __init__(self, listen: str, folder: Path) -> None:
        """`listen`: "127.0.0.1:0" is replaced by a port that stays the same."""
        self.address = listen
        self.killed: set[command.Process] = set()
        """Servers that were killed, and what was below them."""
        self._folder = folder
        self._process: subprocess.Popen[bytes]
        self._starts = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        finally:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        self._starts += 1
        log = self._folder / f"log{self._starts}"
        settings = ["--listen", self.address, "--cells", "2", "--log-format", "json"]
        with log.open("w") as stderr:
            self._process = subprocess.Popen(
                [*command.BASANITE, "serve", *settings],
                stderr=stderr,
                env=os.environ | ({} if self.address.startswith("unix:") else {"BASANITE_TOKEN": TOKEN}),
            )
        command.wait_for(
            lambda: '"serving"' in log.read_text() or self._process.poll() is not None, seconds=60
        )
        assert self._process.poll() is None, log.read_text()

    def kill(self) -> None:
        self.killed |= command.descendants(self._process.pid)
        self._process.kill()
        self._process.wait()


def make_items(count: int) -> list[Item]:
    return [
        Item(StdioTask(f"print({n} + int(input()))", [StdioCase("1", str(n + 1))]), id=f"{n}")
        for n in range(count)
    ]


class Restarts:
    """Kills the server whenever another share of the items is done, and starts it again a moment later, in a thread."""

    def __init__(self, server: RestartingServer, items: int, times: int) -> None:
        self.done_times = 0
        self._server = server
        self._marks = [items * (n + 1) // (times + 1) for n in range(times)]
        self._done = 0
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="restarts")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress(1 << 60)
        self._thread.join()

    def progress(self, done: int, total: int = 0) -> None:
        with self._news:
            self._done = max(self._done, done)
            self._news.notify()

    def _work(self) -> None:
        for mark in self._marks:
            with self._news:
                self._news.wait_for(lambda mark=mark: self._done >= mark)  # type: ignore[misc]
            self._server.kill()
            self._server.start()
            self.done_times += 1


def by_batch(client: Client, items: Sequence[Item], restarts: Restarts) -> list[Result]:
    return client.verify_batch(items, on_progress=restarts.progress)


def by_stream(client: Client, items: Sequence[Item], restarts: Restarts) -> list[Result]:
    results = []
    for result in client.stream(items):
        results.append(result)
        restarts.progress(len(results))
    return results


async def by_asynchronous_stream(
    client: AsyncClient, items: Sequence[Item], restarts: Restarts
) -> list[Result]:
    results = []
    async for result in client.stream(items):
        results.append(result)
        restarts.progress(len(results))
    return results


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
