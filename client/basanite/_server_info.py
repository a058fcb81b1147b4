"""What a server says about itself."""

from __future__ import annotations

from dataclasses import dataclass

from basanite._tasks import Limits


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """A tool that decides verdicts."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class EnvironmentInfo:
    """A prepared, read-only set of packages that Item.environment may name."""

    name: str
    digest: str
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VerifierInfo:
    """One kind of task that the server judges."""

    kind: str
    forms: tuple[str, ...]
    languages: tuple[str, ...]
    toolchain: tuple[ToolInfo, ...]
    environments: tuple[EnvironmentInfo, ...]
    default_limits: Limits
    """What an item gets that sets no limits of its own."""
    max_limits: Limits
    """What an item may ask for at most."""


@dataclass(frozen=True, slots=True)
class IsolationInfo:
    """What stands between a candidate and the host, as it is in force."""

    runtime: str
    profile: str
    namespaces: tuple[str, ...]
    seccomp: bool
    memory_control: str
    cpu_accounting: str
    weaknesses: tuple[str, ...]
    """What is weaker than the full profile, each a sentence."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Limits on requests. The client keeps to them by itself."""

    max_batch_items: int
    max_message_bytes: int
    max_item_bytes: int
    max_queued_items: int
    max_value_depth: int
    max_cases: int


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server can do, how it isolates what it runs, and which limits it enforces."""

    contract_version: str
    server_version: str
    verifiers: tuple[VerifierInfo, ...]
    isolation: IsolationInfo
    request_limits: RequestLimits
    seed_fingerprint: str
    """Replicas with the same one give the same stimuli."""
