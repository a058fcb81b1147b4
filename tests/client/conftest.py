from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_server import Behaviour, FakeServer
from hypothesis import settings
from server_process import ServerProcess

from basanite import Client

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BASANITE_ADDRESS", raising=False)
    monkeypatch.delenv("BASANITE_TOKEN", raising=False)
    # Servers switch it off; programs that the tests start are no servers.
    monkeypatch.delenv("GRPC_ENABLE_FORK_SUPPORT", raising=False)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    path = Path(tempfile.mkdtemp(prefix="bc-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., FakeServer]]:
    """Starts fake servers in this process: serve(max_batch_items=5, ...)."""
    servers: list[FakeServer] = []

    def start(**behaviour: object) -> FakeServer:
        server = FakeServer(f"unix:{folder}/{len(servers)}.sock", Behaviour(**behaviour)).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def server(serve: Callable[..., FakeServer]) -> FakeServer:
    return serve()


@pytest.fixture
def client(server: FakeServer) -> Iterator[Client]:
    with Client(server.address) as client:
        yield client


@pytest.fixture
def server_process(folder: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(f"unix:{folder}/process.sock")
    yield server
    server.kill()
