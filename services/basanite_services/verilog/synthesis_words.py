"""Words and refusals that the readers of what synthesis takes have in common."""

from __future__ import annotations

from collections.abc import Sequence

from basanite_services.verilog.gates import Unprovable
from basanite_services.verilog.keywords import words
from basanite_services.verilog.tokens import Token

TYPES = words(
    "wire reg logic bit byte shortint int longint integer genvar input output var automatic typedef enum struct"
)
CONSTANTS = words("parameter localparam")
PROCESSES = words("always always_comb always_ff initial")


def refuse(what: str, token: Token) -> Unprovable:
    return Unprovable(f"{token.place.file}:{token.place.line}: {what}")


def text_at(tokens: Sequence[Token], position: int) -> str:
    return tokens[position].text if 0 <= position < len(tokens) else ""
