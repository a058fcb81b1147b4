"""Deadlines, retries, servers that are absent, full or dying, and cancellation."""

from __future__ import annotations

import asyncio
import math
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from building import item, numbered
from fake_server import FakeServer
from server_process import ServerProcess

import basanite._run
from basanite import (
    AsyncClient,
    AuthenticationFailed,
    Client,
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    ContractMismatch,
    FailureReason,
    Result,
)

Serve = Callable[..., FakeServer]


def reason(result: Result) -> FailureReason | None:
    return result.failure.reason if result.failure is not None else None


# Deadlines


def test_at_the_batchs_deadline_partial_results_come_back(client: Client, server: FakeServer) -> None:
    start = time.monotonic()
    results = client.verify_batch([item(), item("hang"), item("fail")], deadline_seconds=0.3)
    assert 0.3 <= time.monotonic() - start < 1.0
    assert [reason(r) for r in results] == [None, FailureReason.DEADLINE, None]
    assert results[1].failure is not None
    assert "call's deadline of 0.3 s" in results[1].failure.message
    assert server.cancelled.wait(5)  # the server is told to stop
    assert server.deadlines[-1] is not None
    assert server.deadlines[-1] < 0.5


def test_an_items_deadline_is_its_own(client: Client, server: FakeServer) -> None:
    items = [item("hang", deadline_seconds=0.1), item("slow=0.3"), item("hang", "h", deadline_seconds=0.2)]
    results = client.verify_batch(items)
    assert [reason(r) for r in results] == [FailureReason.DEADLINE, None, FailureReason.DEADLINE]
    assert results[1].passed
    assert results[2].failure is not None
    assert "item's deadline of 0.2 s" in results[2].failure.message


def test_identical_items_may_differ_in_deadline(client: Client) -> None:
    early, late = client.verify_batch(
        [item("slow=0.3", deadline_seconds=0.05), item("slow=0.3", deadline_seconds=10)]
    )
    assert reason(early) is FailureReason.DEADLINE
    assert late.passed


def test_when_all_items_of_a_call_are_overdue_the_server_is_told_to_stop(
    client: Client, server: FakeServer
) -> None:
    assert reason(client.verify(item("hang", deadline_seconds=0.1))) is FailureReason.DEADLINE
    assert server.cancelled.wait(5)


def test_a_deadline_of_zero_is_over_at_once(client: Client) -> None:
    client.describe()
    assert reason(client.verify(item("hang"), deadline_seconds=0)) is FailureReason.DEADLINE


@pytest.mark.parametrize("seconds", [1e10, 1e300, 1e308, 10**400, math.inf])
def test_a_deadline_beyond_all_measure_is_none(seconds: float, client: Client) -> None:
    overdue = item(deadline_seconds=seconds)
    results = [
        client.verify(overdue),
        *client.verify_batch([overdue], deadline_seconds=seconds),
        *client.verify_batch([item("fail"), overdue]),
        *client.stream([overdue], deadline_seconds=seconds),
    ]
    assert all(result.verdict is not None for result in results)


def test_a_deadline_that_is_none_is_refused(client: Client) -> None:
    for seconds in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="deadline_seconds"):
            client.verify(item(), deadline_seconds=seconds)
    assert client.verify(item(), deadline_seconds=float("inf")).passed


def test_waiting_to_try_again_ends_at_the_deadline(client: Client, server: FakeServer) -> None:
    server.behaviour.refuse += ["RESOURCE_EXHAUSTED:5000"]
    start = time.monotonic()
    result = client.verify(item(), deadline_seconds=0.3)
    assert time.monotonic() - start < 1
    assert reason(result) is FailureReason.DEADLINE
    assert result.failure is not None
    assert "RESOURCE_EXHAUSTED" in result.failure.message


# Retries


@pytest.mark.parametrize(
    ("script", "attempts", "ends"),
    [
        ("sandbox pass", 2, None),
        ("overloaded sandbox pass", 3, None),
        ("sandbox", 3, FailureReason.SANDBOX),
        ("internal pass", 1, FailureReason.INTERNAL),
        ("invalid pass", 1, FailureReason.INVALID_ITEM),
        ("fail pass", 1, None),
        ("status=UNKNOWN pass", 2, None),
        ("status=INTERNAL", 3, FailureReason.INTERNAL),
        ("status=INVALID_ARGUMENT pass", 2, None),
    ],
)
def test_what_may_pass_is_tried_again_and_nothing_else(
    client: Client, server: FakeServer, script: str, attempts: int, ends: FailureReason | None
) -> None:
    result, other = client.verify_batch([item(script, "x"), item("pass", "other")])
    assert reason(result) is ends
    assert other.passed
    assert server.runs["x"] == attempts


def test_no_retry_is_made_that_would_come_after_the_deadline(client: Client, server: FakeServer) -> None:
    result = client.verify(item("sandbox", "x"), deadline_seconds=0.05)
    assert reason(result) is FailureReason.SANDBOX
    assert server.runs["x"] == 1


def test_a_full_server_is_asked_again_when_it_said(client: Client, server: FakeServer) -> None:
    server.behaviour.refuse += ["RESOURCE_EXHAUSTED:300"]
    start = time.monotonic()
    assert client.verify(item()).passed
    assert 0.3 <= time.monotonic() - start < 2


def test_a_draining_server_is_asked_again(client: Client, server: FakeServer) -> None:
    server.behaviour.refuse += ["UNAVAILABLE", "UNAVAILABLE"]
    assert all(r.passed for r in client.verify_batch(numbered(5)))
    server.behaviour.refuse += ["UNAVAILABLE"]
    assert all(r.passed for r in client.stream(numbered(5)))


def test_a_server_that_stays_full_becomes_a_retryable_failure(
    client: Client, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basanite._run, "PATIENCE_SECONDS", 0.3)
    server.behaviour.refuse += ["RESOURCE_EXHAUSTED"] * 100
    result = client.verify(item())
    assert reason(result) is FailureReason.OVERLOADED
    assert result.failure is not None
    assert result.failure.retryable


# Servers that die


def test_a_server_that_vanishes_becomes_retryable_failures_and_what_came_before_is_kept(
    server_process: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basanite._run, "PATIENCE_SECONDS", 0.3)

    def kill(done: int, total: int) -> None:
        if done == 64:
            server_process.kill()

    with Client(server_process.address) as client:
        results = client.verify_batch([*numbered(64), item("hang", "never")], on_progress=kill)
    assert all(r.passed for r in results[:64])
    assert reason(results[64]) is FailureReason.INTERNAL
    assert results[64].failure is not None
    assert results[64].failure.retryable
    assert "gone" in results[64].failure.message


def test_a_server_that_vanishes_is_waited_for_until_the_deadline(server_process: ServerProcess) -> None:
    with Client(server_process.address) as client:
        results = client.verify_batch([item("pass"), item("die")], deadline_seconds=1.0)
    assert reason(results[1]) is FailureReason.DEADLINE
    assert results[1].failure is not None
    assert "UNAVAILABLE" in results[1].failure.message


def test_a_server_that_comes_back_is_sent_what_is_left_of_a_batch(server_process: ServerProcess) -> None:
    def restart(done: int, total: int) -> None:
        if done == 64:
            server_process.kill()
            server_process.start()

    with Client(server_process.address) as client:
        items = [*numbered(64), item("slow=0.2", "a"), item("slow=0.3", "b")]
        results = client.verify_batch(items, on_progress=restart)
    assert len(results) == 66
    assert all(r.passed for r in results)


def test_a_server_that_comes_back_is_sent_what_is_left_of_a_stream(server_process: ServerProcess) -> None:
    results = []
    with Client(server_process.address) as client:
        for result in client.stream([*numbered(20), item("slow=0.5", "a"), item("slow=0.6", "b")]):
            results.append(result)
            if len(results) == 20:
                server_process.kill()
                server_process.start()
    assert len({r.id for r in results}) == len(results) == 22
    assert all(r.passed for r in results)


# Servers that are not there, or not ours


@pytest.mark.parametrize(
    "address", [pytest.param("unix:/nonexistent/socket", marks=pytest.mark.full), "127.0.0.1:1"]
)
def test_a_server_that_is_not_there_is_an_error_within_five_seconds(address: str) -> None:
    start = time.monotonic()
    with Client(address) as client, pytest.raises(ConnectionFailed, match=address):
        client.verify_batch([item()])
    assert time.monotonic() - start < 5


def test_a_server_that_is_not_there_is_an_error_and_no_deadline_failure() -> None:
    with Client("127.0.0.1:1") as client:
        with pytest.raises(ConnectionFailed):
            client.verify(item(), deadline_seconds=0.2)
        with pytest.raises(ConnectionFailed):
            list(client.stream([item()], deadline_seconds=0.2))


def test_a_server_that_starts_a_little_later_is_found(folder: Path) -> None:
    server = FakeServer(f"unix:{folder}/late.sock")
    timer = threading.Timer(0.5, server.start)
    timer.start()
    with Client(server.address) as client:
        assert client.verify(item()).passed
    timer.join()
    server.stop()


def test_a_wrong_token_is_an_error(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(token="secret")
    for token in (None, "wrong"):
        with Client(server.address, token=token) as client:
            with pytest.raises(AuthenticationFailed, match="BASANITE_TOKEN"):
                client.verify(item())
            with pytest.raises(AuthenticationFailed):
                list(client.stream([item()]))
            with pytest.raises(AuthenticationFailed):
                client.describe()
    with Client(server.address, token="secret") as client:
        assert client.verify(item()).passed
        assert client.verify_batch(numbered(2))[1].passed
        assert all(r.passed for r in client.stream([item()]))
    monkeypatch.setenv("BASANITE_TOKEN", "secret")
    monkeypatch.setenv("BASANITE_ADDRESS", server.address)
    with Client() as client:
        assert client.verify(item()).passed


def test_a_token_that_changes_later_is_an_error(client: Client, server: FakeServer) -> None:
    assert client.verify(item()).passed
    server.behaviour.token = "new"
    with pytest.raises(AuthenticationFailed):
        client.verify(item())


@pytest.mark.parametrize("version", ["2.0", "0.9", ""])
def test_another_major_version_is_an_error(serve: Serve, version: str) -> None:
    server = serve(contract_version=version)
    with Client(server.address) as client:
        with pytest.raises(ContractMismatch, match="version"):
            client.verify(item())
        with pytest.raises(ContractMismatch):
            client.describe()


def test_a_newer_minor_version_is_none(serve: Serve) -> None:
    with Client(serve(contract_version="1.99").address) as client:
        assert client.verify(item()).passed


def test_a_server_of_another_sort_is_an_error() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with (
            Client(f"127.0.0.1:{port}") as client,
            pytest.raises(ConnectionFailed, match="no Basanite server"),
        ):
            client.verify(item())
    finally:
        server.stop(None).wait()


def test_an_address_is_needed_and_is_no_url() -> None:
    for address in (None, "", "http://localhost:1"):
        with pytest.raises(ConfigurationError, match="address"):
            Client(address)
    with pytest.raises(ConfigurationError, match="token"):
        Client("localhost:1", token="a\nb")
    with pytest.raises(ConfigurationError, match="certificates"):
        Client("localhost:1", tls_ca="/nonexistent/ca.pem")


def test_tcp_works(serve: Serve) -> None:
    with FakeServer("127.0.0.1:0") as server, Client(server.address) as client:
        assert client.verify(item()).passed


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_tls_works_and_a_certificate_that_is_not_trusted_is_an_error(folder: Path) -> None:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    command = ["openssl", *request.split(), *names, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    with FakeServer("127.0.0.1:0", credentials=credentials) as server:
        server.behaviour.token = "secret"
        with Client(server.address, tls_ca=certificate, token="secret") as client:
            assert client.verify(item()).passed
        with Client(server.address, tls=True) as client, pytest.raises(ConnectionFailed):
            client.verify(item(), deadline_seconds=0.3)


def test_what_a_server_says_about_itself_is_told(client: Client) -> None:
    info = client.describe()
    assert info.contract_version == "1.0"
    assert info.verifiers[0].kind == "code"
    assert info.verifiers[0].languages == ("python",)
    assert info.isolation.weaknesses == ("isolates nothing",)
    assert info.request_limits.max_batch_items == 10_000
    assert info.verifiers[0].default_limits.cpu_seconds is None


# Cancelling and closing


def test_cancelling_the_task_cancels_the_call(server: FakeServer) -> None:
    async def main() -> None:
        async with AsyncClient(server.address) as client:
            for work in (
                client.verify(item("hang", "a")),
                client.verify_batch([item("hang", "b"), item("hang", "c", cache=False)]),
            ):
                server.arrived.clear()
                server.cancelled.clear()
                task = asyncio.create_task(work)
                assert await asyncio.to_thread(server.arrived.wait, 5)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert await asyncio.to_thread(server.cancelled.wait, 5)

    asyncio.run(main())


def test_an_answered_call_ends_well_on_the_server(client: Client, server: FakeServer) -> None:
    client.verify_batch(numbered(3))
    list(client.stream(numbered(3)))
    client.close()
    assert {"VerifyBatch", "VerifyStream"} <= set(server.ended)
    assert not server.cancelled.is_set()


def test_a_closed_client_refuses_work(server: FakeServer) -> None:
    client = Client(server.address)
    assert client.verify(item()).passed
    client.close()
    client.close()
    for work in (lambda: client.verify(item()), client.describe, lambda: list(client.stream([item()]))):
        with pytest.raises(ClientClosed):
            work()

    async def main() -> None:
        closed = AsyncClient(server.address)
        await closed.close()
        await closed.close()
        with pytest.raises(ClientClosed):
            await closed.verify(item())

    asyncio.run(main())


def test_closing_ends_calls_in_flight(server: FakeServer) -> None:
    async def main() -> None:
        client = AsyncClient(server.address)
        task = asyncio.create_task(client.verify_batch([item("hang"), item()]))
        assert await asyncio.to_thread(server.arrived.wait, 5)
        await client.close()
        with pytest.raises(ClientClosed):
            await task

    asyncio.run(main())


def test_closing_from_another_thread_ends_calls_in_flight(server: FakeServer) -> None:
    client = Client(server.address)
    with futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.verify, item("hang"))
        assert server.arrived.wait(5)
        client.close()
        with pytest.raises(ClientClosed):
            waiting.result(5)
