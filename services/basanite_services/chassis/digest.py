"""The digest of an item: equal digests mean equal verdicts."""

from __future__ import annotations

import hashlib
import importlib.metadata
from typing import TYPE_CHECKING

from basanite_sandboxes.spec import Isolation
from basanite_services.chassis.check import CheckedItem
from basanite_services.chassis.served import LIMIT_NAMES, Served

if TYPE_CHECKING:
    from hashlib import _Hash

SERVER_VERSION = importlib.metadata.version("basanite")


class Digester:
    """Computes digests; keeps the hash state of what many items share."""

    def __init__(self, isolation: Isolation, seed_fingerprint: str) -> None:
        self._isolation = isolation
        self._seed_fingerprint = seed_fingerprint
        self._prefixes: dict[tuple[str, str], _Hash] = {}

    def digest(self, item: CheckedItem) -> str:
        """SHA-256 in hex over server version, kind, toolchain, isolation, environment, effective limits and the task.

        And over the fingerprint of the secret of seeds, if verdicts of this kind depend on it.

        Each part is preceded by its length, so that no two different items give the same bytes.
        """
        key = (item.served.kind, item.environment.digest)
        prefix = self._prefixes.get(key)
        if prefix is None:
            prefix = self._prefixes[key] = self._prefix(item.served, item.environment.digest)
        state = prefix.copy()
        limits = item.limits
        # repr of a float is exact, and the same on every machine.
        _add(state, ",".join([repr(getattr(limits, name)) for name in LIMIT_NAMES]).encode())
        _add(state, item.task.SerializeToString(deterministic=True))
        return state.hexdigest()

    def _prefix(self, served: Served, environment_digest: str) -> _Hash:
        state = hashlib.sha256()
        isolation = self._isolation
        parts = [SERVER_VERSION, served.kind, str(len(served.toolchain))]
        for name, version in served.toolchain:
            parts += [name, version]
        parts += [isolation.runtime, isolation.profile, isolation.memory_control, environment_digest]
        if served.verifier.seeded:
            parts.append(self._seed_fingerprint)
        for part in parts:
            _add(state, part.encode())
        return state


def _add(state: _Hash, part: bytes) -> None:
    state.update(len(part).to_bytes(8, "big"))
    state.update(part)
