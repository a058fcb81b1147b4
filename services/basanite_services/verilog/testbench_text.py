"""What a trusted testbench's own text says, after its preprocessing: its root, and how it instantiates the design."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

from basanite_services.verilog.names import declared_modules, is_name, plain
from basanite_services.verilog.tokens import PATTERN, Kind, Place, Token, is_endless, kind_of

_LINE = re.compile(r'`line\s+(\d+)\s+"([^"]*)"')
_TIMESCALE = re.compile(r"`timescale\s+\d+\s*\w+\s*/\s*\d+\s*\w+")
_REST_OF_LINE = re.compile(r"[^\n]*")
_CLOSED = ("module", "program", "interface", "primitive", "package", "class", "function", "task")
_CONSTANT = ("parameter", "localparam", "typedef", "import", "export")
_WITH_WORDS = ("`default_nettype", "`begin_keywords", "`pragma", "`unconnected_drive")


class BadTestbench(Exception):
    """No design can be judged by it; the message says why."""


@dataclass(frozen=True)
class Instance:
    """Where the design is instantiated."""

    name: str
    parameters: tuple[str, ...]
    """Those that are named."""
    values: int
    """Parameters by their position."""
    ports: tuple[str, ...]
    """Those that are named; "*" for .*"""
    connected: int
    """Ports by their position."""
    first: Place
    last: Place


@dataclass(frozen=True)
class TestbenchText:
    tokens: tuple[Token, ...]
    """Placed in the files that the text came from, as `line directives tell; columns are 0."""
    timescale: str
    """The directive that is in force at its end, or nothing."""

    def root(self, name: str) -> str:
        """The module of this name; "": the one that no other instantiates. Raises BadTestbench."""
        modules = dict.fromkeys(
            plain(name)
            for token, name in pairwise(self.tokens)
            if token.kind is Kind.WORD
            and token.text in ("module", "macromodule", "program")
            and is_name(name)
        )
        if name:
            if name not in modules:
                raise BadTestbench(f"it has no module {name}")
            return name
        used = {
            plain(token)
            for before, token, after in zip(self.tokens, self.tokens[1:], self.tokens[2:], strict=False)
            if is_name(token)
            and before.text not in ("module", "macromodule", "program", ":")
            and (after.text == "#" or is_name(after))
        }
        roots = [name for name in modules if name not in used]
        if not modules:
            raise BadTestbench("it has no module")
        if len(roots) != 1:
            said = f"the modules {', '.join(roots[:5])} are" if roots else "no module is"
            raise BadTestbench(f"{said} instantiated by no other: name the one that is meant (testbench_top)")
        return roots[0]

    def check_top(self, top: str) -> None:
        """Raises BadTestbench if the design would not be part of the simulation."""
        if top in set(declared_modules(list(self.tokens))):
            raise BadTestbench(f"it has a module {top} itself, which is the candidate's to write")
        if not any(is_name(token) and plain(token) == top for token in self.tokens):
            raise BadTestbench(f"it does not instantiate {top}")

    def looks_inside(self, names: Collection[str]) -> bool:
        """Whether something stands behind one of these names and a dot."""
        return any(
            is_name(token) and plain(token) in names and after.text in (".", "[")
            for token, after in pairwise(self.tokens)
        )

    def signals_outside(self) -> frozenset[str]:
        """Names of what is declared outside of all modules, packages and the like, and is no constant or type. In
        Icarus Verilog 11 a design finds them too, whatever unit it is compiled in."""
        found: set[str] = set()
        depth = 0
        first = ""
        for token in self.tokens:
            if token.kind is Kind.WORD and token.text in _CLOSED:
                depth += 1
            elif token.kind is Kind.WORD and token.text.removeprefix("end") in _CLOSED:
                depth, first = depth - 1, ""
            elif not depth:
                first = "" if token.text == ";" else first or token.text
                if is_name(token) and first not in _CONSTANT:
                    found.add(plain(token))
        return frozenset(found)

    def instances(self, top: str) -> list[Instance]:
        """All that look like one; those in other styles than `top #(..) name (..)` are left out."""
        return [
            instance
            for position, token in enumerate(self.tokens)
            if is_name(token) and plain(token) == top
            for instance in self._instances(position)
        ]

    def _instances(self, position: int) -> Iterator[Instance]:
        first = self.tokens[position].place
        position += 1
        parameters: tuple[str, ...] = ()
        values = 0
        if self._text(position) == "#" and self._text(position + 1) == "(":
            parameters, values, position = self._connections(position + 1)
        while position < len(self.tokens) and is_name(self.tokens[position]):
            name = plain(self.tokens[position])
            position += 1
            if self._text(position) == "[":
                position = self._closed(position)
            if self._text(position) != "(":
                return
            ports, connected, position = self._connections(position)
            last = self.tokens[min(position, len(self.tokens) - 1)].place
            yield Instance(name, parameters, values, ports, connected, first, last)
            if self._text(position) != ",":
                return
            position += 1

    def _connections(self, start: int) -> tuple[tuple[str, ...], int, int]:
        """-> names, how many by position, behind the bracket"""
        end = self._closed(start)
        names: list[str] = []
        unnamed = depth = 0
        begins = True
        for position in range(start + 1, end - 1):
            text = self.tokens[position].text
            if begins:
                if text == ".":
                    names.append(plain(self.tokens[position + 1]))
                else:
                    unnamed += 1
                begins = False
            depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
            begins = text == "," and depth == 0
        return tuple(names), unnamed, end

    def _closed(self, start: int) -> int:
        """Behind the bracket that closes the one at `start`."""
        depth = 0
        for position in range(start, len(self.tokens)):
            text = self.tokens[position].text
            depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
            if depth == 0:
                return position + 1
        return len(self.tokens)

    def _text(self, position: int) -> str:
        return self.tokens[position].text if position < len(self.tokens) else ""


def read_testbench(text: str) -> TestbenchText:
    """`text`: as Icarus Verilog's preprocessor puts it out. Raises BadTestbench if a comment does not end."""
    tokens: list[Token] = []
    timescale = ""
    file, base = "", 1
    position = line = 0
    while match := PATTERN.search(text, position):
        line += text.count("\n", position, match.start())
        end = match.end()
        kind = kind_of(match)
        if match.lastgroup == "comment" and is_endless(match[0]):
            raise BadTestbench(f"{file}:{line + base}: a comment does not end")  # the design would be in it
        if match.lastgroup == "directive":
            rest = _REST_OF_LINE.match(text, end)
            assert rest is not None
            if found := _LINE.match(text, match.start()):
                # The line after the directive has this number.
                file, base = found[2], int(found[1]) - line - 1
                end = rest.end()
            elif found := _TIMESCALE.match(text, match.start()):
                timescale, end = found[0], found.end()
            elif match[0] == "`resetall":
                timescale = ""
            elif match[0] in _WITH_WORDS:
                end = rest.end()
        elif kind is not None:
            tokens.append(Token(kind, match[0], Place(file, line + base, 0), False))
        line += text.count("\n", match.start(), end)
        position = end
    return TestbenchText(tuple(tokens), timescale)


def mark_finishes(text: str, mark: str) -> str:
    """A testbench that prints a line, `mark`, before each $finish. The lines of its text stay where they are."""
    parts: list[str] = []
    done = 0
    for match in PATTERN.finditer(text):
        if match.start() < done or match[0] != "$finish":
            continue
        end = _statement_end(text, match.end())
        if end is not None:
            call = text[match.start() : end]
            parts += text[done : match.start()], f'begin $write("\\n{mark}\\n"); {call} end'
            done = end
    return "".join((*parts, text[done:]))


def _statement_end(text: str, start: int) -> int | None:
    """Behind the semicolon of a call whose name ends at `start`."""
    depth = 0
    for match in PATTERN.finditer(text, start):
        depth += (match[0] == "(") - (match[0] == ")")
        if match[0] == ";" and depth == 0:
            return match.end()
        if depth < 0:
            return None
    return None


def doubtful_places(instances: Collection[Instance]) -> frozenset[tuple[str, int]]:
    """Files and lines in which an error can be due to the design."""
    return frozenset(
        (one.first.file, line)
        for one in instances
        for line in range(one.first.line, max(one.first.line, one.last.line) + 1)
    )


def stub_of(top: str, instances: Collection[Instance]) -> str | None:
    """A design with all ports and parameters that it is instantiated with, all inputs; None if none can have them."""
    named = dict.fromkeys(name for one in instances for name in one.ports if name != "*")
    positional = max((one.connected for one in instances), default=0)
    if not instances or (named and positional):
        return None
    ports = [f"\\{name} " for name in named] or [f"p{number}" for number in range(positional)]
    parameters = dict.fromkeys(
        (
            *(f"\\{name} " for one in instances for name in one.parameters),
            *(f"v{number}" for one in instances for number in range(one.values)),
        )
    )
    header = f" #({', '.join(f'parameter {name} = 0' for name in parameters)})" if parameters else ""
    return f"module {top}{header}({', '.join(f'input {port}' for port in ports)});\nendmodule\n"
