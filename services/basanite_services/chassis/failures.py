"""Failures: about us or the item, never about the candidate. One place that knows which are retryable."""

from __future__ import annotations

from basanite.v1.result_pb2 import Failure

_RETRYABLE = frozenset({Failure.REASON_SANDBOX, Failure.REASON_OVERLOADED, Failure.REASON_INTERNAL})


def failure(reason: Failure.Reason.ValueType, message: str, *, field: str = "", rule: str = "") -> Failure:
    """A Failure with `retryable` as the contract has it."""
    return Failure(
        reason=reason, message=_clean(message), field=field, rule=rule, retryable=reason in _RETRYABLE
    )


def invalid(field: str, rule: str) -> Failure:
    """An item that breaks a rule of the contract."""
    return failure(Failure.REASON_INVALID_ITEM, f"{field} {rule}", field=field, rule=rule)


def draining() -> Failure:
    """An item that this server no longer gets to."""
    return failure(
        Failure.REASON_CANCELLED, "the server is shutting down and did not get to this item: send it again"
    )


def reason_name(reason: Failure.Reason.ValueType) -> str:
    """REASON_SANDBOX as "SANDBOX"."""
    return Failure.Reason.Name(reason).removeprefix("REASON_")


def _clean(message: str) -> str:
    # Messages may quote what came from outside: bounded, and always encodable.
    return message[:2000].encode(errors="replace").decode()
