"""Services of the client's own: they start, they stop, and they do not outlive us."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
from building import item, numbered
from programs import run_program

from basanite import AsyncClient, Client, ClientClosed, FailureReason, LocalServerFailed
from basanite._local import LocalServer

HERE = Path(__file__).parent
FAKE = [sys.executable, str(HERE / "fake_server.py"), "{}", "--watch-stdin"]


@pytest.fixture(autouse=True)
def _temporary(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What killed processes leave goes with the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))


def folder_of(client: Client | AsyncClient) -> Path:
    return Path(client.address.removeprefix("unix:")).parent


def gone(pid: int) -> bool:
    """True as soon as there is no such process; False after ten seconds."""
    for _ in range(1000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":  # ended; whoever adopted it has not looked yet
            return True
        time.sleep(0.01)
    return False


def test_the_services_start_and_stop_with_the_client_and_leave_nothing() -> None:
    server = LocalServer(command=FAKE)
    with Client._with_local(server) as client:
        folder = folder_of(client)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert server._process is not None
        pid = server._process.pid
        assert client.verify(item()).passed
    assert gone(pid)
    assert not folder.exists()
    with pytest.raises(ClientClosed):
        client.verify(item())


def test_the_services_start_with_the_asynchronous_client() -> None:
    async def main() -> Path:
        async with AsyncClient._with_local(LocalServer(command=FAKE)) as client:
            assert all(r.passed for r in await client.verify_batch(numbered(3)))
            return folder_of(client)

    assert not asyncio.run(main()).exists()


def test_settings_become_environment_variables_and_other_servers_tokens_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BASANITE_TOKEN", "another server's")
    environment = LocalServer({"log_level": "debug"}, command=FAKE)._environment()
    assert environment["BASANITE_LOG_LEVEL"] == "debug"
    assert "BASANITE_TOKEN" not in environment
    assert "GRPC_ENABLE_FORK_SUPPORT" not in environment
    assert environment["PATH"] == os.environ["PATH"]


def test_services_that_do_not_start_are_an_error_that_shows_what_they_said() -> None:
    program = "import sys; print('no cells here', file=sys.stderr); sys.exit(3)"
    server = LocalServer(command=[sys.executable, "-c", program])
    with pytest.raises(LocalServerFailed, match=r"status 3.*no cells here"):
        Client._with_local(server)
    assert not Path(server.address.removeprefix("unix:")).parent.exists()


def test_a_missing_package_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import package_that_is_not_there"
    with pytest.raises(LocalServerFailed, match=r"pip install 'basanite\[server\]'"):
        Client._with_local(LocalServer(command=[sys.executable, "-c", program]))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LocalServerFailed, match=r"pip install 'basanite\[server\]'"):
        Client.local()


def test_services_that_die_become_failures_at_once() -> None:
    with Client._with_local(LocalServer(command=FAKE)) as client:
        start = time.monotonic()
        result = client.verify(item("die"))
        assert time.monotonic() - start < 5
    assert result.failure is not None
    assert result.failure.reason is FailureReason.INTERNAL
    assert "ended with status -9" in result.failure.message


def run(text: str) -> subprocess.CompletedProcess[str]:
    prelude = f"""
        import os, signal, sys
        from building import item
        from basanite import Client
        from basanite._local import LocalServer
        def start():
            server = LocalServer(command={FAKE!r})
            client = Client._with_local(server)
            print(server._process.pid, server.address, flush=True)
            return client
    """
    return run_program(textwrap.dedent(prelude) + textwrap.dedent(text))


def test_the_services_do_not_outlive_a_process_that_is_killed() -> None:
    done = run("client = start(); os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == -9
    assert gone(int(done.stdout.split()[0]))


def test_the_services_do_not_outlive_a_process_that_forgets_to_close() -> None:
    done = run("client = start(); assert client.verify(item()).passed")
    assert done.returncode == 0, done.stderr
    pid, address = done.stdout.split()
    assert gone(int(pid))
    assert not Path(address.removeprefix("unix:")).exists()


def test_a_forked_child_uses_the_services_and_does_not_stop_them() -> None:
    done = run(
        """
        client = start()
        assert client.verify(item()).passed
        child = os.fork()
        if child == 0:
            assert client.verify(item()).passed
            client.close()
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert client.verify(item()).passed
        client.close()
        print("done")
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("done\n")


def test_a_forked_child_that_lives_on_does_not_keep_the_services_alive() -> None:
    done = run(
        """
        client = start()
        if os.fork() == 0:
            os.closerange(0, 3)
            signal.alarm(20)
            signal.pause()
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    assert gone(int(done.stdout.split()[0]))
