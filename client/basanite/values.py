"""Values as text: tagged JSON, the form in which arguments and returned values travel.

The format is defined in proto/basanite/v1/tasks.proto. What this module adds to that definition:

* Depth is counted in the text: every array and object that is open counts one. A tuple thus counts two.
* Length is counted in bytes of UTF-8.
* Integers have at most MAX_INT_DIGITS decimal digits, which bounds the time that one takes (0.06 s to write).
* Equal keys of a $dict and equal elements of a set are errors, as are repeated keys of an object.
* Sets are written in the order of their elements' texts, so that equal values give equal texts whatever the
  hash seed (dicts keep their order, because programs see it).
* Instances of subclasses are written as their built-in base: a namedtuple as a tuple, a Counter as a dict.
* Sets and dicts in which very many elements share a hash are refused: only an attacker makes such, and
  building them would take hours.

Texts come from untrusted processes. Whatever the text, `loads` returns plain built-in objects or raises
ValueFormatError, in time about linear in its length and memory below 64 times its length.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import functools
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

from basanite._errors import ValueFormatError

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_INT_DIGITS", "ValueFormatError", "dumps", "loads"]

MAX_DEPTH: Final = 1_000
"""Arrays and objects that may be open at one time in a text."""
MAX_BYTES: Final = 4 << 20
"""Length of a text in bytes of UTF-8."""
MAX_INT_DIGITS: Final = 100_000
"""Decimal digits of one integer."""

_PLAIN_INT: Final = 1 << 53
_INT_TOO_LONG: Final = f"an integer has more than {MAX_INT_DIGITS} digits"
_TOO_DEEP: Final = f"nested more than {MAX_DEPTH} deep"
_TOO_LONG: Final = f"longer than {MAX_BYTES} bytes"

_T = TypeVar("_T")


def dumps(value: object) -> str:
    """Write a value as tagged JSON.

    Takes None, bool, int, float, complex, str, bytes, list, tuple, dict, set and frozenset, nested at will.
    Raises ValueFormatError for anything else, and for what exceeds the limits.
    """
    text = _write(value)
    if len(text) > MAX_BYTES or (not text.isascii() and len(text.encode()) > MAX_BYTES):
        raise ValueFormatError(_TOO_LONG)
    _check_depth(text)
    return text


def loads(text: str | bytes) -> Any:
    """Rebuild a value from tagged JSON (bytes are UTF-8).

    Raises ValueFormatError, and nothing else, for a text that is not tagged JSON or exceeds the limits.
    """
    if isinstance(text, (bytes, bytearray)):
        if len(text) > MAX_BYTES:
            raise ValueFormatError(_TOO_LONG)
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            raise ValueFormatError("not UTF-8") from error
    elif not isinstance(text, str):
        raise ValueFormatError(f"a text is expected, not {type(text).__name__}")
    elif len(text) > MAX_BYTES:
        raise ValueFormatError(_TOO_LONG)
    elif not text.isascii():
        try:
            length = len(text.encode())
        except UnicodeEncodeError as error:
            raise ValueFormatError("lone surrogate in the text; use $str") from error
        if length > MAX_BYTES:
            raise ValueFormatError(_TOO_LONG)
    _check_depth(text)
    _check_surrogates(text)
    build = _Builder()
    try:
        # The C parser, wherever it serves. It recurses, and it refuses integers beyond 4,300 digits.
        return json.loads(
            text, object_pairs_hook=build.object, parse_float=_parse_float, parse_constant=_refuse_constant
        )
    except ValueFormatError:
        raise
    except json.JSONDecodeError as error:
        raise ValueFormatError(f"not JSON: {error.msg} at character {error.pos}") from error
    except (RecursionError, ValueError):
        pass
    return _parse(text, _Builder())


# Writing


_quote: Callable[[str], str] = json.encoder.encode_basestring
_SCALARS: Final = frozenset((int, float, bool, type(None)))
_BASES: Final = (bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset)
_COMMAS: Final = ("", ",")


class _Frame:
    """A container that is being written."""

    __slots__ = ("closing", "members", "starts")

    def __init__(
        self, members: Iterator[tuple[str, object]], closing: str, starts: list[int] | None = None
    ) -> None:
        self.members = members  # what stands before each member, and the member
        self.closing = closing
        self.starts = starts  # of a set: where in the output each element starts


def _write(value: object) -> str:
    # A loop with a stack of its own: recursion would end at Python's limit, which depends on the caller.
    out: list[str] = []
    frames: list[_Frame] = [_Frame(iter((("", value),)), "")]
    written = 0
    while frames:
        frame = frames[-1]
        for prefix, member in frame.members:
            if frame.starts is not None:
                frame.starts.append(len(out))
            elif prefix:
                out.append(prefix)
            text, inner = _write_one(member)
            out.append(text)
            written += len(prefix) + len(text)
            if written > MAX_BYTES:
                raise ValueFormatError(_TOO_LONG)
            if inner is not None:
                frames.append(inner)
                if len(frames) > MAX_DEPTH + 1:
                    raise ValueFormatError(_TOO_DEEP)
                break
        else:
            frames.pop()
            if frame.starts:
                _sort_elements(out, frame.starts)
            out.append(frame.closing)
    return "".join(out)


def _sort_elements(out: list[str], starts: list[int]) -> None:
    ends = [*starts[1:], len(out)]
    elements = sorted("".join(out[start:end]) for start, end in zip(starts, ends, strict=True))
    out[starts[0] :] = [",".join(elements)]


def _write_one(value: object) -> tuple[str, _Frame | None]:
    """The text of a value without members, or the opening of one with members and its frame."""
    kind = type(value)
    if kind not in _WRITERS:
        # Not isinstance: some objects, mocks for one, say that they are what they are not.
        kind = next((base for base in _BASES if issubclass(kind, base)), kind)
        if kind not in _WRITERS:
            raise ValueFormatError(
                f"{type(value).__module__}.{type(value).__qualname__} is not a plain value"
            )
    return _WRITERS[kind](value)


def _write_int(value: int) -> tuple[str, None]:
    if -_PLAIN_INT <= value <= _PLAIN_INT:
        return int.__repr__(value), None
    return f'{{"$int":"{_int_to_digits(int(value))}"}}', None


def _float_text(value: float) -> str:
    if math.isfinite(value):
        return float.__repr__(value)
    return '{"$float":"nan"}' if value != value else f'{{"$float":"{"inf" if value > 0 else "-inf"}"}}'


def _write_float(value: float) -> tuple[str, None]:
    return _float_text(value), None


def _write_complex(value: complex) -> tuple[str, None]:
    return f'{{"$complex":[{_float_text(value.real)},{_float_text(value.imag)}]}}', None


def _is_text(value: str) -> bool:
    """False if it has surrogates, which UTF-8 cannot carry."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _write_str(value: str) -> tuple[str, None]:
    if len(value) > MAX_BYTES:
        raise ValueFormatError(_TOO_LONG)
    if _is_text(value):
        return _quote(value), None
    return f'{{"$str":[{",".join(str(ord(character)) for character in value)}]}}', None


def _write_bytes(value: bytes) -> tuple[str, None]:
    if len(value) > MAX_BYTES:
        raise ValueFormatError(_TOO_LONG)
    return f'{{"$bytes":"{base64.b64encode(value).decode()}"}}', None


def _separated(members: Iterable[object]) -> Iterator[tuple[str, object]]:
    return zip(itertools.chain(("",), itertools.repeat(",")), members)  # noqa: B905


def _scalars_text(values: list[Any] | tuple[Any, ...]) -> str | None:
    """The array's text if all is plain numbers, bool and None, by the C encoder; else None."""
    kinds = set(map(type, values))
    if not kinds <= _SCALARS:
        return None
    if int in kinds and not all(-_PLAIN_INT <= v <= _PLAIN_INT for v in values if type(v) is int):
        return None
    try:
        return json.dumps(values, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return None


def _write_list(value: list[Any]) -> tuple[str, _Frame | None]:
    if len(value) > MAX_BYTES:
        raise ValueFormatError(_TOO_LONG)
    text = _scalars_text(value)
    if text is not None:
        return text, None
    return "[", _Frame(_separated(list.__iter__(value)), "]")


def _write_tuple(value: tuple[Any, ...]) -> tuple[str, _Frame | None]:
    if len(value) > MAX_BYTES:
        raise ValueFormatError(_TOO_LONG)
    text = _scalars_text(value)
    if text is not None:
        return f'{{"$tuple":{text}}}', None
    return '{"$tuple":[', _Frame(_separated(tuple.__iter__(value)), "]}")


def _write_set(value: set[Any]) -> tuple[str, _Frame]:
    return '{"$set":[', _Frame(_separated(set.__iter__(value)), "]}", [])


def _write_frozenset(value: frozenset[Any]) -> tuple[str, _Frame]:
    return '{"$frozenset":[', _Frame(_separated(frozenset.__iter__(value)), "]}", [])


def _write_dict(value: dict[Any, Any]) -> tuple[str, _Frame]:
    keys = dict.keys(value)
    if all(isinstance(key, str) and key[:1] != "$" and _is_text(key) for key in keys):
        commas = itertools.chain(("",), itertools.repeat(","))
        return "{", _Frame(
            ((f"{next(commas)}{_quote(key)}:", member) for key, member in dict.items(value)), "}"
        )
    return '{"$dict":[', _Frame(_separated(map(list, dict.items(value))), "]}")


_WRITERS: Final[dict[type, Callable[[Any], tuple[str, _Frame | None]]]] = {
    type(None): lambda _: ("null", None),
    bool: lambda value: ("true" if value else "false", None),
    int: _write_int,
    float: _write_float,
    complex: _write_complex,
    str: _write_str,
    bytes: _write_bytes,
    bytearray: _write_bytes,
    list: _write_list,
    tuple: _write_tuple,
    dict: _write_dict,
    set: _write_set,
    frozenset: _write_frozenset,
}


# Integers. int() and str() of long ones are quadratic, and Python refuses them beyond a limit of the process.

_CHUNK: Final = 512  # digits; below the lowest limit that a process can set (640)


@functools.lru_cache(maxsize=64)
def _power_of_ten(exponent: int) -> int:
    return int(10**exponent)


def _digits_to_int(digits: str) -> int:
    """`digits`: optional minus sign and decimal digits."""
    if digits[0] == "-":
        return -_digits_to_int(digits[1:])
    if len(digits) > MAX_INT_DIGITS:
        raise ValueFormatError(_INT_TOO_LONG)
    if len(digits) <= _CHUNK:
        return int(digits)
    # Chunks from the right, then joined in pairs, so that the long multiplications are few and balanced.
    head = len(digits) % _CHUNK
    parts = [int(digits[:head])] if head else []
    parts += [int(digits[at : at + _CHUNK]) for at in range(head, len(digits), _CHUNK)]
    width = _CHUNK
    while len(parts) > 1:
        if len(parts) % 2:
            parts.insert(0, 0)
        scale = _power_of_ten(width)
        parts = [high * scale + low for high, low in zip(parts[::2], parts[1::2], strict=True)]
        width *= 2
    return parts[0]


def _int_to_digits(value: int) -> str:
    if value < 0:
        return "-" + _int_to_digits(-value)
    if value.bit_length() > MAX_INT_DIGITS * 3.3219281 + 1 or value >= _power_of_ten(MAX_INT_DIGITS):
        raise ValueFormatError(_INT_TOO_LONG)
    width = _CHUNK
    while value >> int(width * 3.3219280):
        width *= 2
    parts = [value]
    while width > _CHUNK:
        width //= 2
        scale = _power_of_ten(width)
        parts = [half for part in parts for half in divmod(part, scale)]
    return "".join(str(part).zfill(_CHUNK) for part in parts).lstrip("0") or "0"


# Reading

_DELTAS: Final = bytes(1 if byte in b"[{" else 255 if byte in b"]}" else 0 for byte in range(256))
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
# Matches an unterminated string too: starting again at each of its quotes would take quadratic time.
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_INT_TEXT: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOATS: Final = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
_COMPARISONS: Final = 20_000_000  # of elements with equal hashes, in one text: about a second


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    if '"' in text:
        text = _STRING.sub("", text)
    brackets = text.encode().translate(_DELTAS, _NO_BRACKETS)
    # Signed bytes, +1 and -1: their running sum is the depth.
    if max(itertools.accumulate(memoryview(brackets).cast("b")), default=0) > MAX_DEPTH:
        raise ValueFormatError(_TOO_DEEP)


def _check_surrogates(text: str) -> None:
    if "\\ud" not in text and "\\uD" not in text:
        return
    for match in _ESCAPE.finditer(text):
        if match[1] is not None:
            raise ValueFormatError("lone surrogate in a string; use $str")


def _parse_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueFormatError("a number is too large for a float")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueFormatError(f"{name} is not JSON; use $float")


class _Builder:
    """Makes objects from their members, for one text. Members are built before what holds them."""

    def __init__(self) -> None:
        self._comparisons = _COMPARISONS

    def object(self, pairs: list[tuple[str, Any]]) -> Any:
        if len(pairs) == 1:
            key, value = pairs[0]
            if key[:1] != "$":
                return {key: value}
            build = _TAGS.get(key)
            if build is None:
                raise ValueFormatError(f"unknown tag {key[:40]!r}")
            return build(self, value)
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueFormatError("an object repeats a key")
        for key in result:
            if key[:1] == "$":
                raise ValueFormatError("an object has a key that begins with $; use $dict")
        return result

    def _tuple(self, value: Any) -> Any:
        return tuple(_expect(list, "$tuple", value))

    def _set(self, value: Any) -> Any:
        return self._collect(set, "$set", value)

    def _frozenset(self, value: Any) -> Any:
        return self._collect(frozenset, "$frozenset", value)

    def _collect(self, kind: Callable[[list[Any]], _T], tag: str, value: Any) -> _T:
        elements = _expect(list, tag, value)
        self._check_hashes(tag, elements)
        try:
            result = kind(elements)
        except RecursionError as error:
            raise ValueFormatError(f"{tag}: elements too deep to be compared") from error
        if len(result) != len(elements):  # type: ignore[arg-type]
            raise ValueFormatError(f"{tag} repeats an element")
        return result

    def _dict(self, value: Any) -> Any:
        pairs = _expect(list, "$dict", value)
        for pair in pairs:
            if type(pair) is not list or len(pair) != 2:
                raise ValueFormatError("$dict takes an array of [key, value] arrays")
        self._check_hashes("$dict", [key for key, _ in pairs])
        try:
            result = dict(pairs)
        except RecursionError as error:
            raise ValueFormatError("$dict: keys too deep to be compared") from error
        if len(result) != len(pairs):
            raise ValueFormatError("$dict repeats a key")
        return result

    def _check_hashes(self, tag: str, elements: list[Any]) -> None:
        """Refuse unhashable elements, and elements made to share a hash.

        Hashes of numbers and tuples can be computed by anyone, and a set compares all elements whose hashes
        are equal, so that n of them cost n * n comparisons.
        """
        try:
            hashes = sorted(map(hash, elements))
        except TypeError as error:
            raise ValueFormatError(f"{tag}: {error}") from error
        shared = {first for first, second in itertools.pairwise(hashes) if first == second}
        if not shared:
            return
        for chance in elements:
            if (key := hash(chance)) in shared:
                count = _count(hashes, key)
                self._comparisons -= count * _comparison_cost(chance, self._comparisons)
                if self._comparisons < 0:
                    raise ValueFormatError(f"{tag}: too many elements have equal hashes")

    def _bytes(self, value: Any) -> Any:
        text = _expect(str, "$bytes", value)
        try:
            result = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueFormatError("$bytes takes base64") from error
        if base64.b64encode(result) != text.encode():
            raise ValueFormatError("$bytes takes base64 in its canonical form")
        return result

    def _int(self, value: Any) -> Any:
        text = _expect(str, "$int", value)
        if not _INT_TEXT.fullmatch(text):
            raise ValueFormatError("$int takes decimal digits")
        return _digits_to_int(text)

    def _float(self, value: Any) -> Any:
        text = _expect(str, "$float", value)
        if text not in _FLOATS:
            raise ValueFormatError('$float takes "inf", "-inf" or "nan"')
        return _FLOATS[text]

    def _complex(self, value: Any) -> Any:
        parts = _expect(list, "$complex", value)
        if len(parts) != 2 or not all(type(part) in (int, float) for part in parts):
            raise ValueFormatError("$complex takes an array of two numbers")
        try:
            return complex(*parts)
        except OverflowError as error:
            raise ValueFormatError("$complex: a number is too large for a float") from error

    def _str(self, value: Any) -> Any:
        points = _expect(list, "$str", value)
        if not all(type(point) is int and 0 <= point <= 0x10FFFF for point in points):
            raise ValueFormatError("$str takes an array of code points")
        return "".join(map(chr, points))


def _expect(kind: type[_T], tag: str, value: Any) -> _T:
    if type(value) is not kind:
        raise ValueFormatError(f"{tag} takes {'an array' if kind is list else 'a string'}")
    return value


def _count(ordered: list[int], key: int) -> int:
    return bisect.bisect_right(ordered, key) - bisect.bisect_left(ordered, key)


def _comparison_cost(value: Any, most: int) -> int:
    """An upper bound for the steps of comparing this value with another, at least 1; stops counting at
    `most`."""
    if type(value) is int:
        return 1 + value.bit_length() // 4096
    if type(value) not in (tuple, frozenset):
        return 1
    steps = 0
    sets = False
    todo = [value]
    while todo and steps <= most:
        part = todo.pop()
        steps += 1
        if type(part) in (tuple, frozenset):
            sets = sets or type(part) is frozenset
            todo.extend(part)
    # Comparing frozensets may compare each member of one with each member of the other, at every level.
    return steps * steps if sets else steps


_TAGS: Final[dict[str, Callable[[_Builder, Any], Any]]] = {
    "$tuple": _Builder._tuple,
    "$set": _Builder._set,
    "$frozenset": _Builder._frozenset,
    "$dict": _Builder._dict,
    "$bytes": _Builder._bytes,
    "$int": _Builder._int,
    "$float": _Builder._float,
    "$complex": _Builder._complex,
    "$str": _Builder._str,
}

_TOKEN: Final = re.compile(
    r"[ \t\n\r]*(?:"
    r'(?P<string>")'
    r"|(?P<number>-?(?:0|[1-9][0-9]*+)(?P<fraction>(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?))"
    r"|(?P<word>true|false|null)"
    r"|(?P<mark>[\[\]{},:]))"
)
_DECODE_AT: Final = json.JSONDecoder().raw_decode
_WORDS: Final = {"true": True, "false": False, "null": None}


def _parse(text: str, build: _Builder) -> Any:
    """As json.loads with our hooks, but without recursion and with long integers. Slower."""
    at = 0
    holders: list[list[Any]] = []  # open arrays and objects; an object alternates keys and values
    closers: list[str] = []
    want = "value"  # or "first value", "first key", "key", "colon", "end" (comma or closer)
    end_of_text = len(text.rstrip(" \t\n\r"))
    while at < end_of_text:
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueFormatError(f"not JSON at character {at}")
        at = match.end()
        token = match.lastgroup
        string = ""
        if token == "string":  # by the C parser: CPython 3.11.2 goes wrong in a pattern that would match it
            try:
                string, at = _DECODE_AT(text, at - 1)
            except json.JSONDecodeError as error:
                raise ValueFormatError(f"not JSON: {error.msg} at character {error.pos}") from error
        if token == "fraction":  # the innermost group closed last
            token = "number"
        mark = match["mark"] if token == "mark" else ""
        value: Any
        if mark and mark in "[{":
            if want not in ("value", "first value"):
                raise ValueFormatError(f"not JSON at character {match.start()}")
            holders.append([])
            closers.append("]" if mark == "[" else "}")
            want = "first value" if mark == "[" else "first key"
            continue
        if mark == ":":
            if want != "colon":
                raise ValueFormatError(f"not JSON at character {match.start()}")
            want = "value"
            continue
        if mark == ",":
            if want != "end" or not holders:
                raise ValueFormatError(f"not JSON at character {match.start()}")
            want = "value" if closers[-1] == "]" else "key"
            continue
        if mark:
            if (
                not closers
                or closers[-1] != mark
                or want not in ("end", "first value" if mark == "]" else "first key")
            ):
                raise ValueFormatError(f"not JSON at character {match.start()}")
            closers.pop()
            value = holders.pop()
            if mark == "}":
                value = build.object(list(zip(value[::2], value[1::2], strict=True)))
        elif want in ("key", "first key"):
            if token != "string":
                raise ValueFormatError(f"not JSON at character {match.start()}")
            holders[-1].append(string)
            want = "colon"
            continue
        elif want not in ("value", "first value"):
            raise ValueFormatError(f"not JSON at character {match.start()}")
        elif token == "string":
            value = string
        elif token == "number":
            value = _parse_float(match["number"]) if match["fraction"] else _digits_to_int(match["number"])
        else:
            value = _WORDS[match["word"]]
        if not holders:
            if at < end_of_text:
                raise ValueFormatError(f"not JSON: extra data at character {at}")
            return value
        holders[-1].append(value)
        want = "end"
    raise ValueFormatError("not JSON: the text ends early")
