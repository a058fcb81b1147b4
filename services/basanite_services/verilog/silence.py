"""Takes a design's output out of it: what it prints, dumps or asserts is for people, and nobody reads it here.

An honest design may print while it is debugged, check its parameters with $error or $fatal, or assert. None of that can
change what it computes, and in a shared simulation all of it could be mistaken for the testbench's words: a failing
assertion prints the name of its block, which the design chose, and so does a `unique case` without a match. So it is
taken out rather than refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from basanite_services.verilog.keywords import words
from basanite_services.verilog.names import is_name
from basanite_services.verilog.tokens import BrokenSource, Kind, Place, Token

PRINTING = frozenset(
    [f"${name}{base}" for name in ("display", "write", "strobe", "monitor") for base in ("", "b", "o", "h")]
    + ["$monitoron", "$monitoroff", "$info", "$warning", "$error", "$fatal", "$timeformat", "$printtimescale"]
    + ["$dumpfile", "$dumpvars", "$dumpon", "$dumpoff", "$dumpall", "$dumpflush", "$dumplimit", "$dumpports"]
)
_ASSERTIONS = words("assert assume cover")
_CHECKS = words("unique unique0 priority")
_CHECKED = words("case casex casez if")
_LISTS = words(
    """
    ; begin end endcase endmodule endfunction endtask generate endgenerate fork join join_any
    join_none endspecify endpackage endinterface endprimitive
    """
)
"""After these comes one of many statements or items, and none is as good; after anything else one is due."""


@dataclass
class Silenced:
    tokens: list[Token]
    places: list[Place] = field(default_factory=list)
    """Where something was taken out."""


def silence(tokens: Sequence[Token]) -> Silenced:
    """Raises BrokenSource where what is to be taken out has no end."""
    if not any(token.text in PRINTING | _ASSERTIONS | _CHECKS for token in tokens):
        return Silenced(list(tokens))
    return _Silencer(tokens).run()


class _Silencer:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._out: list[Token] = []
        self._cases = 0
        self._result = Silenced(self._out)

    def run(self) -> Silenced:
        position = 0
        while position < len(self._tokens):
            token = self._tokens[position]
            if token.kind is Kind.SYSTEM and token.text in PRINTING:
                position = self._printing(position)
            elif (
                token.kind is Kind.WORD
                and token.text in _ASSERTIONS
                and self._text(position + 1) not in ("=", "<")
            ):
                position = self._assertion(position)
            elif token.kind is Kind.WORD and token.text in _CHECKS and self._text(position + 1) in _CHECKED:
                self._result.places.append(token.place)
                position += 1
            else:
                if token.kind is Kind.WORD:
                    self._cases += (token.text in ("case", "casex", "casez")) - (token.text == "endcase")
                self._out.append(token)
                position += 1
        return self._result

    def _text(self, position: int) -> str:
        return self._tokens[position].text if position < len(self._tokens) else ""

    def _printing(self, start: int) -> int:
        end = start + 1
        if self._text(end) == "(":
            end = self._closed(end)
        if self._text(end) != ";":
            raise BrokenSource(
                f"{self._tokens[start].text} without a semicolon after it", self._tokens[start].place
            )
        self._nothing(start)
        return end + 1

    def _assertion(self, start: int) -> int:
        end = start + 1
        self._result.places.append(self._tokens[start].place)
        if self._text(end) in ("property", "sequence"):
            return self._concurrent(start, self._closed(end + 1))
        if self._text(end) == "#":
            end += 2
        elif self._text(end) == "final":
            end += 1
        if self._text(end) != "(":
            raise BrokenSource("an assertion needs its condition in brackets", self._tokens[start].place)
        # What it does on success or failure may count, and does as an `if`.
        condition = self._closed(end)
        if self._text(condition) == ";":
            self._unlabelled(start)
            self._nothing(start)
            return condition + 1
        self._unlabelled(start)
        self._word("if", start)
        self._out += self._tokens[end:condition]
        if self._text(condition) == "else":
            self._word("begin", start)
            self._word("end", start)
        return condition

    def _concurrent(self, start: int, end: int) -> int:
        """Sampled at clock edges, in no simulator that is used here: it goes, with what it does on failure."""
        if self._text(end) == "else":
            end += 1
        while self._text(end) != ";":
            if end >= len(self._tokens) or self._text(end) in ("begin", "endmodule", "else"):
                raise BrokenSource(
                    "an assertion of a property with more than a message", self._tokens[start].place
                )
            end = self._closed(end) if self._text(end) == "(" else end + 1
        self._unlabelled(start)
        self._nothing(start)
        return end + 1

    def _closed(self, start: int) -> int:
        """Behind the bracket that closes the one at `start`."""
        depth = 0
        for position in range(start, len(self._tokens)):
            text = self._tokens[position].text
            depth += (text == "(") - (text == ")")
            if depth == 0:
                return position + 1
        raise BrokenSource(
            "a bracket that is not closed", self._tokens[min(start, len(self._tokens) - 1)].place
        )

    def _unlabelled(self, start: int) -> None:
        """Takes back a label: the compiler knows them before assertions only. In a `case` it can be a choice."""
        out = self._out
        if (
            len(out) > 2
            and out[-1].text == ":"
            and is_name(out[-2])
            and out[-3].text in _LISTS
            and not self._cases
        ):
            del out[-2:]

    def _nothing(self, start: int) -> None:
        place = self._tokens[start].place
        if place not in self._result.places[-1:]:
            self._result.places.append(place)
        before = [token.text for token in self._out[-3:]]
        named_block = len(before) == 3 and before[0] in ("begin", "fork") and before[1] == ":"
        if not before or before[-1] in _LISTS or named_block:
            return
        self._word("begin", start)
        self._word("end", start)

    def _word(self, text: str, start: int) -> None:
        self._out.append(Token(Kind.WORD, text, self._tokens[start].place, False))
