from __future__ import annotations

from collections.abc import Iterator

import pytest

from basanite import Client


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """A client with the real services."""
    with Client.local() as client:
        yield client


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BASANITE_ADDRESS", raising=False)
    monkeypatch.delenv("BASANITE_TOKEN", raising=False)
