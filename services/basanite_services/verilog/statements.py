"""Statements of a process: where they end, and what they assign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from basanite_services.verilog.names import is_name
from basanite_services.verilog.synthesis_words import TYPES, refuse
from basanite_services.verilog.tokens import Token


@dataclass
class Process:
    start: Token
    tokens: list[Token]
    """Its body, without what it waits for."""
    edges: bool = False
    waits_for: set[str] | None = None
    """Names in a list of signals, where it waits for those."""
    blocking: dict[str, bool] = field(default_factory=dict)
    """Targets of `=`, and whether they are assigned before they occur in another way."""
    nonblocking: set[str] = field(default_factory=set)


class Statements:
    """Finds assignments in statements, and where statements end. Whatever it does not know is refused."""

    def __init__(self, tokens: Sequence[Token], process: Process) -> None:
        self._tokens = tokens
        self._process = process
        self._seen: set[str] = set()

    def statement(self, position: int) -> int:
        while self._text(position) == "if":
            position = self.statement(self._brackets(position + 1))
            if self._text(position) != "else":
                return position
            position += 1
        token = self._at(position)
        match token.text:
            case ";":
                return position + 1
            case "begin":
                return self._block(position + 1)
            case "case" | "casez":
                return self._case(position + 1)
            case "for":
                return self._for(position + 1)
        if token.text == "{" or is_name(token):
            return self._assignment(position, ";")
        raise refuse(f"`{token.text}` in a process has no proof", token)

    def _block(self, position: int) -> int:
        if self._text(position) == ":":
            position += 2
        while self._text(position) != "end":
            if self._text(position) in TYPES:
                while self._text(position) != ";":
                    if self._text(position) == "=":
                        raise refuse(
                            "a declaration with a value in a process has no proof", self._at(position)
                        )
                    self._at(position)
                    position += 1
                position += 1
            else:
                position = self.statement(position)
        position += 1
        return position + 2 if self._text(position) == ":" else position

    def _case(self, position: int) -> int:
        position = self._brackets(position)
        while self._text(position) != "endcase":
            if self._text(position) == "default":
                position += 1 + (self._text(position + 1) == ":")
            else:
                position = self._label(position)
            position = self.statement(position)
        return position + 1

    def _label(self, position: int) -> int:
        depth = 0
        while self._text(position) != ":" or depth:
            text = self._at(position).text
            if text in (";", "?"):
                raise refuse(f"`{text}` in a choice of a case has no proof", self._at(position))
            depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
            self._read(position)
            position += 1
        return position + 1

    def _for(self, position: int) -> int:
        position += 1
        if self._text(position) in TYPES:
            position += 1
        position = self._assignment(position, ";")
        while self._text(position) != ";":
            self._read(position)
            position += 1
        position += 1
        depth = 0
        while self._text(position) != ")" or depth:
            depth += (self._text(position) == "(") - (self._text(position) == ")")
            self._read(position)
            position += 1
        return self.statement(position + 1)

    def _assignment(self, position: int, last: str) -> int:
        """Of one signal, a part of it, or several in braces."""
        targets: list[str] = []
        indices: list[int] = []
        depth = 0
        while True:
            token = self._at(position)
            text = token.text
            if text in ("=", "<") and not depth:
                break
            if text in (";", "+", "-") and not depth:
                raise refuse("a statement that is no assignment has no proof", token)
            depth += (text in ("[", "(")) - (text in ("]", ")"))
            if is_name(token):
                if depth:
                    indices.append(position)
                else:
                    targets.append(text)
            position += 1
        blocking = text == "="
        position += 1
        if not blocking:
            if self._text(position) != "=":
                raise refuse("a statement that is no assignment has no proof", token)
            position += 1
        elif self._text(position) == "=":
            raise refuse("a statement that is no assignment has no proof", token)
        for index in indices:
            self._read(index)
        while self._text(position) != last:
            self._read(position)
            position += 1
        for name in targets:
            if blocking:
                self._process.blocking.setdefault(name, name not in self._seen)
            else:
                self._process.nonblocking.add(name)
            self._seen.add(name)
        return position + 1

    def _brackets(self, position: int) -> int:
        if self._text(position) != "(":
            raise refuse("a condition without brackets has no proof", self._at(position))
        depth = 0
        while True:
            text = self._at(position).text
            depth += (text == "(") - (text == ")")
            self._read(position)
            position += 1
            if not depth:
                return position

    def _read(self, position: int) -> None:
        token = self._at(position)
        if is_name(token):
            self._seen.add(token.text)

    def _text(self, position: int) -> str:
        return self._at(position).text

    def _at(self, position: int) -> Token:
        if position >= len(self._tokens):
            raise refuse("a process that does not end has no proof", self._process.start)
        return self._tokens[position]
