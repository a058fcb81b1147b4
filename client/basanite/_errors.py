"""Everything this library raises.

    BasaniteError
    ├── ConfigurationError (ValueError)   no address, or settings that contradict each other
    ├── ConnectionFailed                  no server could be reached, or what answered is none
    │   └── LocalServerFailed             the services could not be started on this machine
    ├── AuthenticationFailed              the server refused the token
    ├── ContractMismatch                  client and server speak different major versions
    ├── ClientClosed                      the client was used after close()
    ├── UploadFailed                      the server does not take what is uploaded
    ├── ItemFormatError (ValueError)      text that is no item
    ├── ValueFormatError (ValueError)     a value or text that tagged JSON does not allow
    ├── ResultHasNoScore                  a score was read where there is none
    └── RewardUnavailable                 scores() met Failures and was not told what they become

What happens to one item is never raised: it is a Failure in that item's Result.
"""

from __future__ import annotations

from collections.abc import Mapping


class BasaniteError(Exception):
    """Base of all errors of this library."""


class ConfigurationError(BasaniteError, ValueError):
    """No address, or settings that contradict each other."""


class ConnectionFailed(BasaniteError):
    """No server could be reached, or what answered is no Basanite server."""


class LocalServerFailed(ConnectionFailed):
    """The services could not be started on this machine."""


class AuthenticationFailed(BasaniteError):
    """The server refused the token, or wants one and got none."""


class ContractMismatch(BasaniteError):
    """Client and server speak different major versions of the contract."""


class ClientClosed(BasaniteError):
    """The client was used after close(), or closed while it was used."""


class UploadFailed(BasaniteError):
    """The server does not take what is uploaded: it has no room, or cannot write."""


class ItemFormatError(BasaniteError, ValueError):
    """Text that is no item.

    `field` is the path of the field ("code.stdio.cases[2].weight"; "" for the whole item), `rule` what it
    must satisfy.
    """

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field or 'item'}: {rule}")
        self.field = field
        self.rule = rule

    def __reduce__(self) -> tuple[type[ItemFormatError], tuple[str | bool, ...]]:
        return type(self), (self.field, self.rule)


class CandidateRefused(ItemFormatError):
    """The candidate's own text is what breaks the rule: a verdict on the candidate, and no fault of the item.

    `what` of it breaks the rule, for people: "the program". `scored`: whether the task asks for a score.
    """

    def __init__(self, field: str, rule: str, what: str = "the program", scored: bool = True) -> None:
        super().__init__(field, rule)
        self.what = what
        self.scored = scored

    def __reduce__(self) -> tuple[type[ItemFormatError], tuple[str | bool, ...]]:
        return type(self), (self.field, self.rule, self.what, self.scored)


class ValueFormatError(BasaniteError, ValueError):
    """A value that tagged JSON cannot carry, or a text that is no tagged JSON."""


class ResultHasNoScore(BasaniteError):
    """A score was read from a Failure, or from the verdict on a run that nobody asked to judge."""


class RewardUnavailable(BasaniteError):
    """Some results are Failures, and the caller did not say what becomes of those.

    `counts` gives the number of Failures by the name of their reason.
    """

    def __init__(self, message: str, counts: Mapping[str, int]) -> None:
        super().__init__(message)
        self.counts = dict(counts)

    def __reduce__(self) -> tuple[type[RewardUnavailable], tuple[str, dict[str, int]]]:
        return type(self), (str(self), self.counts)
