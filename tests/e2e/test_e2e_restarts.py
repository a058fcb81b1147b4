"""The client against a server that is killed and comes back: each item ends once, and nothing is left of the dead."""

from __future__ import annotations

from pathlib import Path

import e2e_command as command
import pytest
from e2e_restarts import FORMS, judge_over_restarts, make_items

from basanite import Client, FailureReason
from basanite._transport import KEEPALIVE_SECONDS
from basanite_services.chassis.server import _options
from basanite_services.chassis.settings import Settings


@pytest.mark.parametrize("transport", ["unix", pytest.param("tcp", marks=pytest.mark.full)])
@pytest.mark.parametrize("form", FORMS)
def test_items_end_once_though_the_server_is_killed(
    doctor: str, folder: Path, transport: str, form: str
) -> None:
    judge_over_restarts(300, 2, folder, transport, form)


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
