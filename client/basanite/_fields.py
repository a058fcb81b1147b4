"""Single fields, as the conversions of all kinds check them. Checks raise ItemFormatError with the field's path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from basanite._errors import ItemFormatError

UNICODE_RULE: Final = "must be Unicode text without lone surrogates"


def string(value: Any, field: str) -> str:
    """A str, of whatever characters."""
    if not issubclass(type(value), str):  # some objects, mocks for one, say that they are what they are not
        raise ItemFormatError(field, f"must be a str, not {type(value).__name__}")
    checked: str = value
    return checked


def is_unicode(text: str) -> bool:
    """Whether it can be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def text(value: Any, field: str) -> str:
    """A str that can be sent."""
    checked = value if type(value) is str else string(value, field)
    if not checked.isascii() and not is_unicode(checked):
        raise ItemFormatError(field, UNICODE_RULE)
    return checked


def texts(given: Any, field: str, what: str) -> list[str]:
    """Several; `what` says of what, e.g. "names"."""
    return [text(each, f"{field}[{index}]") for index, each in enumerate(sequence(given, field, what))]


def sequence(given: Any, field: str, what: str) -> Sequence[Any]:
    """A list or tuple, or whatever else can be iterated and is not one str."""
    if isinstance(given, str):
        raise ItemFormatError(field, f"must be a list of {what}, not one str")
    checked: Sequence[Any] = given
    return checked


def mapping(given: Any, field: str, what: str) -> Mapping[str, Any]:
    """A mapping whose keys are texts that can be sent; `what` says of what to what."""
    if not issubclass(type(given), Mapping):
        raise ItemFormatError(field, f"must be a mapping of {what}, not {type(given).__name__}")
    checked: Mapping[str, Any] = given
    for key in checked:
        if not issubclass(type(key), str) or not is_unicode(key):
            raise ItemFormatError(field, f"must be a mapping of {what}")
    return checked


def flag(value: Any, field: str) -> bool:
    """A bool."""
    if type(value) is not bool:
        raise ItemFormatError(field, f"must be a bool, not {type(value).__name__}")
    return value


def integer(value: Any, field: str, least: int, most: int) -> int:
    """An int in a range."""
    if type(value) is not int or not least <= value <= most:
        raise ItemFormatError(field, f"must be an integer, {least} to {most}")
    return value


def ordered(given: Mapping[str, str]) -> dict[str, str]:
    """What a message's map holds, which has no order, in one that does not change."""
    return dict(sorted(given.items()))
