"""Seeds of what candidates are tried with: the same for all rollouts of a task, on all replicas, and unknown."""

from __future__ import annotations

import hashlib
import hmac
import secrets


class Seeds:
    """Derives seeds from a secret, which never leaves this object; a random one if none is given."""

    def __init__(self, secret: str | None = None) -> None:
        self._secret = (secret or secrets.token_urlsafe(32)).encode()

    @property
    def fingerprint(self) -> str:
        """Tells whether two servers give the same seeds, and nothing else."""
        return hashlib.sha256(b"basanite seed fingerprint\0" + self._secret).hexdigest()[:16]

    def seed(self, kind: str, trusted: bytes) -> bytes:
        """32 bytes that follow from the secret, the kind and the trusted part of a task."""
        name = kind.encode()
        return hmac.digest(self._secret, len(name).to_bytes(8, "big") + name + trusted, "sha256")
