"""Numbers as Verilog writes them."""

from __future__ import annotations

import re

_BASED = re.compile(r"(?:([1-9][0-9_]*)\s*)?'[sS]?([bBoOdDhH])\s*([0-9a-fA-F_]+)")
_PLAIN = re.compile(r"[0-9][0-9_]*")
_BASES = {"b": 2, "o": 8, "d": 10, "h": 16}
_MAX_LENGTH = 20_000


def read_number(text: str) -> int:
    """The value of a Verilog number without x and z, e.g. "8'hff", "'b1", "12".

    Raises ValueError if it is none, or has more bits than it says.
    """
    text = text.strip()
    if len(text) > _MAX_LENGTH:
        raise ValueError("is too long")
    if _PLAIN.fullmatch(text):
        return int(text.replace("_", ""))
    found = _BASED.fullmatch(text)
    if found is None:
        raise ValueError("must be a Verilog number without x and z, e.g. 8'hff")
    size, base, digits = found.groups()
    try:
        value = int(digits.replace("_", "") or "?", _BASES[base.lower()])
    except ValueError:
        raise ValueError("has a digit that is none of its base") from None
    if size is not None and value >> min(int(size.replace("_", "")), 1 << 20):
        raise ValueError("has more bits than it says")
    return value


def verilog_number(bits: bytes) -> str:
    """A sample, characters of `01xz`, e.g. 8'hx3; 1'b0 for a single bit."""
    width = len(bits)
    text = bits.decode()
    padded = text.rjust(-(-width // 4) * 4, text[0] if text[0] in "xz" else "0")
    digits = []
    for at in range(0, len(padded), 4):
        four = padded[at : at + 4]
        if four in ("xxxx", "zzzz"):
            digits.append(four[0])
        elif four.strip("01"):
            return f"{width}'b{text}"
        else:
            digits.append(f"{int(four, 2):x}")
    return f"{width}'b{text}" if width == 1 else f"{width}'h{''.join(digits)}"


def written(value: int, width: int) -> str:
    """A known value, e.g. 8'h0f; 1'b0 for a single bit."""
    return verilog_number(f"{value:0{width}b}".encode())
