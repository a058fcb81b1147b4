"""How deep a text may be nested: what people write stays below 30, compilers' stacks end at some 1,000."""

from __future__ import annotations

from collections.abc import Sequence

from basanite_services.verilog.keywords import words
from basanite_services.verilog.tokens import BrokenSource, Token

MAX_NESTING = 200
_OPENERS = words("( [ { begin case casex casez module macromodule generate")
_CLOSERS = words(") ] } end endcase endmodule endgenerate")
_CONTROLS = words("if for while repeat forever else # @ wait assign")


def check_nesting(tokens: Sequence[Token]) -> None:
    """Raises BrokenSource where a compiler's stack would be at risk."""
    depth = run = 0
    for token in tokens:
        if token.text in _OPENERS:
            depth += 1
        elif token.text in _CLOSERS:
            depth = max(0, depth - 1)
        run = run + 1 if token.text in _CONTROLS else 0 if token.text in (";", "end") else run
        if depth > MAX_NESTING:
            raise BrokenSource(f"nested more than {MAX_NESTING} deep", token.place)
        if run > MAX_NESTING:
            raise BrokenSource(
                f"more than {MAX_NESTING} conditions, loops and delays in one statement", token.place
            )
