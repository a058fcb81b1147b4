"""What this server serves: a verifier that is ready, with what was learned about it at start."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from basanite.v1 import verifier_pb2
from basanite_sandboxes.spec import Limits, SandboxPool
from basanite_services.chassis.verifier import Verifier

LIMIT_NAMES = tuple(field.name for field in fields(Limits))
TASK_FIELDS = frozenset(
    field.name
    for field in verifier_pb2.Item.DESCRIPTOR.oneofs_by_name["task"].fields
    if field.name != "extension"
)


@dataclass(frozen=True, slots=True)
class Served:
    """A verifier and its tools' versions."""

    verifier: Verifier[Any]
    toolchain: tuple[tuple[str, str], ...]

    @property
    def kind(self) -> str:
        return self.verifier.kind

    @property
    def is_extension(self) -> bool:
        """True if its tasks travel as ExtensionTask."""
        return self.verifier.kind not in TASK_FIELDS


def serve(verifier: Verifier[Any], pool: SandboxPool) -> Served:
    """Ask a verifier for its tools. Raises ToolchainError; ValueError if its limits contradict each other."""
    for name in LIMIT_NAMES:
        default, most = getattr(verifier.default_limits, name), getattr(verifier.max_limits, name)
        if not 0 < default <= most:
            raise ValueError(
                f"verifier {verifier.kind!r}: default {name} {default} must be above 0 and at most {most}"
            )
    return Served(verifier, verifier.toolchain(pool))
