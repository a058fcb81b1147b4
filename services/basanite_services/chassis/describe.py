"""What Describe answers: verifiers, isolation in force, limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from basanite.v1 import verifier_pb2
from basanite_sandboxes.spec import Environment, Isolation, Limits
from basanite_services.chassis.digest import SERVER_VERSION
from basanite_services.chassis.served import LIMIT_NAMES, Served
from basanite_services.chassis.settings import Settings

CONTRACT_VERSION = "1.0"
# Rules of tasks.proto that hold for every kind.
MAX_VALUE_DEPTH = 1_000
MAX_CASES = 10_000


def describe(
    settings: Settings,
    served: Iterable[Served],
    environments: Mapping[str, Environment],
    isolation: Isolation,
    seed_fingerprint: str,
) -> verifier_pb2.DescribeResponse:
    """Everything a client may want to know about this server."""
    return verifier_pb2.DescribeResponse(
        contract_version=CONTRACT_VERSION,
        server_version=SERVER_VERSION,
        verifiers=[_verifier(one, environments) for one in sorted(served, key=lambda one: one.kind)],
        isolation=verifier_pb2.IsolationInfo(
            runtime=isolation.runtime,
            profile=isolation.profile,
            namespaces=isolation.namespaces,
            seccomp=isolation.seccomp,
            memory_control=isolation.memory_control,
            cpu_accounting=isolation.cpu_accounting,
            weaknesses=isolation.weaknesses,
        ),
        request_limits=verifier_pb2.RequestLimits(
            max_batch_items=settings.max_batch_items,
            max_message_bytes=settings.max_message_bytes,
            max_item_bytes=settings.max_item_bytes,
            max_queued_items=settings.queue_items,
            max_value_depth=MAX_VALUE_DEPTH,
            max_cases=MAX_CASES,
        ),
        seed_fingerprint=seed_fingerprint,
    )


def _verifier(served: Served, environments: Mapping[str, Environment]) -> verifier_pb2.VerifierInfo:
    verifier = served.verifier
    return verifier_pb2.VerifierInfo(
        kind=served.kind,
        forms=verifier.forms,
        languages=verifier.languages,
        toolchain=[verifier_pb2.ToolInfo(name=name, version=version) for name, version in served.toolchain],
        environments=[
            verifier_pb2.EnvironmentInfo(name=name, digest=one.digest, packages=one.packages)
            for name, one in sorted(environments.items())
        ],
        default_limits=_limits(verifier.default_limits),
        max_limits=_limits(verifier.max_limits),
    )


def _limits(limits: Limits) -> verifier_pb2.Limits:
    return verifier_pb2.Limits(**{name: getattr(limits, name) for name in LIMIT_NAMES})
