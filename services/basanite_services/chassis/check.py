"""Checks that hold for items of every kind. What is inside the task, its verifier checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from basanite.v1 import result_pb2, verifier_pb2
from basanite_sandboxes.spec import Environment, Limits
from basanite_services.chassis.served import LIMIT_NAMES, Served
from basanite_services.chassis.verifier import InvalidItem

MAX_ID_BYTES = 256

_ASSURANCES = frozenset(result_pb2.Assurance.values())
_CACHE_POLICIES = frozenset(verifier_pb2.CachePolicy.values())


class UnsupportedKind(Exception):
    """This server does not judge this kind; the message names those it does."""


@dataclass(frozen=True, slots=True)
class CheckedItem:
    """An item that its verifier can be asked about."""

    served: Served
    task: Any
    """The message set in Item.task."""
    limits: Limits
    """Effective: the item's, completed by the verifier's defaults."""
    environment: Environment
    require_assurance: result_pb2.Assurance.ValueType
    use_cache: bool


def check_id(item_id: str) -> None:
    """Raises InvalidItem unless 1 to 256 bytes."""
    # Text of at most 64 characters is at most 256 bytes: no need to encode it.
    if not item_id or (len(item_id) > 64 and len(item_id.encode()) > MAX_ID_BYTES):
        raise InvalidItem("id", f"must be 1 to {MAX_ID_BYTES} bytes")


def check_item(
    item: verifier_pb2.Item,
    served: Mapping[str, Served],
    environments: Mapping[str, Environment],
    max_item_bytes: int,
) -> CheckedItem:
    """Check everything but the id. Raises InvalidItem or UnsupportedKind."""
    kind = item.kind
    found = served.get(kind)
    if found is None:
        if not kind:
            raise InvalidItem("kind", "must be set")
        names = ", ".join(repr(name) for name in sorted(served))
        raise UnsupportedKind(f"this server does not judge kind {kind[:256]!r}; it judges {names}")
    which = item.WhichOneof("task")
    expected = "extension" if found.is_extension else kind
    if which is None:
        raise InvalidItem(expected, f"must be set for an item of kind {kind!r}")
    if which != expected:
        raise InvalidItem("kind", f"must name the field set in task, which is {which!r}")
    size = item.ByteSize()
    if size > max_item_bytes:
        raise InvalidItem(which, f"must leave the item at most {max_item_bytes} bytes, it is {size}")
    task = getattr(item, which)
    if found.is_extension and task.kind != kind:
        raise InvalidItem("extension.kind", "must be the same as kind")
    if item.require_assurance not in _ASSURANCES:
        raise InvalidItem("require_assurance", "must be ASSURANCE_GUARDED or ASSURANCE_SEPARATED")
    if item.cache_policy not in _CACHE_POLICIES:
        raise InvalidItem("cache_policy", "must be CACHE_POLICY_USE or CACHE_POLICY_BYPASS")
    environment = environments.get(item.environment)
    if environment is None:
        names = ", ".join(repr(name) for name in sorted(environments))
        raise InvalidItem("environment", f"must be one of those this server has: {names}")
    if environment.root is not None and not found.verifier.takes_images:
        raise InvalidItem("environment", f"must be a set of packages for kind {kind!r}, not an image")
    return CheckedItem(
        served=found,
        task=task,
        limits=effective_limits(item, found.verifier.default_limits, found.verifier.max_limits),
        environment=environment,
        require_assurance=item.require_assurance or result_pb2.ASSURANCE_SEPARATED,
        use_cache=item.cache_policy != verifier_pb2.CACHE_POLICY_BYPASS,
    )


def effective_limits(item: verifier_pb2.Item, default: Limits, most: Limits) -> Limits:
    """The item's limits completed by the defaults. Raises InvalidItem for one that is out of range."""
    if not item.HasField("limits"):
        return default
    asked = item.limits
    changes: dict[str, Any] = {}
    for name in LIMIT_NAMES:
        if asked.HasField(name):  # type: ignore[arg-type]
            value, ceiling = getattr(asked, name), getattr(most, name)
            # NaN fails every comparison, so the condition says what is right, not what is wrong.
            if not 0 < value <= ceiling:
                raise InvalidItem(
                    f"limits.{name}",
                    f"must be greater than 0 and at most {ceiling:g}"
                    if isinstance(value, float)
                    else f"must be 1 to {ceiling}",
                )
            changes[name] = value
    return replace(default, **changes) if changes else default
