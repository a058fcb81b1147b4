"""Processes of a module as synthesis takes them: what they wait for, and what they assign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from basanite_services.verilog.names import header_end, is_name
from basanite_services.verilog.statements import Process, Statements
from basanite_services.verilog.synthesis_words import CONSTANTS, PROCESSES, TYPES, refuse, text_at
from basanite_services.verilog.tokens import Token


class Module:
    def __init__(self, outside: list[Token], tokens: list[Token], *, is_top: bool) -> None:
        self._tokens = tokens
        self._top = is_top
        self._header = header_end(tokens, 0)
        self._constants: set[str] = set()
        self._signals: set[str] = set()
        self._processes: list[Process] = []
        self._elsewhere: Counter[str] = Counter()
        """Names outside of processes and declarations."""
        self._read_constants(outside)
        self._read_constants(tokens)
        self._functions = set(_function_names([*outside, *tokens]))

    def check(self) -> None:
        position = self._header
        self._declare(self._tokens[: self._header])
        while position < len(self._tokens):
            token = self._tokens[position]
            if token.text == "function":
                position = self._function(position)
            elif token.text in PROCESSES:
                position = self._process(position)
            else:
                end = self._item_end(position)
                self._item(self._tokens[position:end])
                position = end
        if both := (self._constants | self._functions) & self._signals:
            raise refuse(
                f"{min(both)} is a signal, and a constant or function elsewhere: no proof", self._tokens[0]
            )
        users: Counter[str] = Counter()
        readers: Counter[str] = Counter()
        for process in self._processes:
            for name in set(_names(process.tokens)):
                users[name] += 1
                readers[name] += not process.blocking.get(name)
        for process in self._processes:
            if process.nonblocking and not process.edges:
                # A clock could be late by it, and what it clocks take in what others store at the same edge.
                raise refuse("`<=` in a process without a clock has no proof", process.start)
            if process.waits_for is not None:
                self._check_list(process)
            elif process.start.text == "always" and not process.edges:
                known = process.blocking.keys() | self._constants | self._functions
                if process.blocking and known.issuperset(_names(process.tokens)):
                    raise refuse(
                        "a process that reads nothing, and never begins, has no proof", process.start
                    )
            if process.edges:
                self._check_races(process, users, readers)

    def _read_constants(self, tokens: Sequence[Token]) -> None:
        """Names of parameters and of the values of enumerations."""
        place = -1
        for position, token in enumerate(tokens):
            if position < place:
                continue  # of a declaration that was read: each token is looked at once
            if token.text in CONSTANTS:
                depth = 0
                for place in range(position + 1, len(tokens)):
                    text = tokens[place].text
                    depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
                    if text == ";" or depth < 0 or text in ("input", "output"):
                        break
                    if depth == 0 and is_name(tokens[place]) and text_at(tokens, place + 1) == "=":
                        self._constants.add(text)
            elif token.text == "genvar":
                place = position + 1
                while place < len(tokens) and tokens[place].text not in (";", "="):
                    if is_name(tokens[place]):
                        self._constants.add(tokens[place].text)
                    place += 1
            elif token.text == "enum":
                place = position
                while place < len(tokens) and tokens[place].text != "{":
                    place += 1
                while place < len(tokens) and tokens[place].text != "}":
                    if is_name(tokens[place]) and text_at(tokens, place - 1) in ("{", ","):
                        self._constants.add(tokens[place].text)
                    place += 1

    def _item_end(self, start: int) -> int:
        """Behind a declaration, an assignment, an instance, or a word that other items follow."""
        if self._tokens[start].text in (
            "begin",
            "end",
            "generate",
            "endgenerate",
            "else",
            "endmodule",
            "endcase",
        ):
            return start + 1
        depth = 0
        for position in range(start, len(self._tokens)):
            text = self._tokens[position].text
            depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
            if depth == 0 and (text in (";", "begin", ":") or (text == ")" and self._heads(start))):
                return position + 1
            if position > start and depth == 0 and text in (*PROCESSES, "function"):
                return position
        return len(self._tokens)

    def _heads(self, start: int) -> bool:
        return self._tokens[start].text in ("if", "for", "case")

    def _item(self, item: Sequence[Token]) -> None:
        if item[0].text == "genvar":
            return
        of_a_type = len(item) > 2 and is_name(item[0]) and is_name(item[1]) and "(" not in _texts(item)
        if item[0].text in TYPES or of_a_type:
            self._declare(item)
        elif item[0].text not in CONSTANTS:
            self._elsewhere.update(_names(item))

    def _declare(self, tokens: Sequence[Token]) -> None:
        """The names that a declaration, or a module's header, declares, and those that its initial values read."""
        header = tokens[0].text == "module"
        constants = reads = enumeration = False
        depth = ranges = 0
        for position, token in enumerate(tokens):
            text = token.text
            depth += (text in ("(", "{")) - (text in (")", "}"))
            ranges += (text == "[") - (text == "]")
            if text in CONSTANTS:
                constants = True
            elif text in ("input", "output", ")") and depth <= 1:
                constants = reads = False
            elif text == "enum":
                enumeration = True
            elif text == "=":
                reads = True
            elif text in (",", ";") and depth <= header:
                reads = False
            if not is_name(token) or ranges or (header and position < 2):
                continue
            if reads:
                self._elsewhere[text] += 1
            elif not constants and not (enumeration and text in self._constants):
                self._signals.add(text)
                if header and not self._top:
                    self._elsewhere[text] += 1  # seen from outside

    def _function(self, start: int) -> int:
        own: set[str] = set()
        read: list[Token] = []
        declaring, statements = True, False
        brackets = 0
        position = start + 1
        while (text := text_at(self._tokens, position)) not in ("endfunction", ""):
            token = self._tokens[position]
            brackets += (text == "[") - (text == "]")
            if text in TYPES:
                if statements:
                    raise refuse("a declaration within the statements of a function has no proof", token)
                declaring = True
            elif text == ";":
                declaring = False
            elif text in ("begin", "if", "case", "casez", "for", "=", "return"):
                declaring, statements = False, True
            elif is_name(token):
                if declaring and not brackets:
                    own.add(text)
                else:
                    read.append(token)
            position += 1
        known = own | self._constants | self._functions
        for token in read:
            if token.text not in known:
                raise refuse(f"a function that reads {token.text} from outside has no proof", token)
        return position + 1

    def _process(self, start: int) -> int:
        token = self._tokens[start]
        process = Process(token, [])
        position = start + 1
        if token.text == "always" and text_at(self._tokens, position) != "@":
            raise refuse("a process that waits for nothing has no proof", token)
        if text_at(self._tokens, position) == "@":
            position = self._waits(process, position + 1)
        elif token.text == "always_ff":
            raise refuse("a process that waits for nothing has no proof", token)
        end = Statements(self._tokens, process).statement(position)
        process.tokens = self._tokens[position:end]
        if token.text != "initial":
            self._processes.append(process)
        return end

    def _waits(self, process: Process, position: int) -> int:
        if text_at(self._tokens, position) == "*":
            return position + 1
        if text_at(self._tokens, position) != "(":
            raise refuse("waiting for a signal without brackets has no proof", process.start)
        end = position
        while text_at(self._tokens, end) not in (")", ""):
            end += 1
        listed = [token.text for token in self._tokens[position + 1 : end] if token.text not in ("or", ",")]
        if listed == ["*"]:
            return end + 1
        edges = listed[::2]
        if all(edge in ("posedge", "negedge") for edge in edges) and len(listed) % 2 == 0:
            process.edges = True
        elif process.start.text == "always" and all(is_name(t) for t in self._tokens[position + 1 : end : 2]):
            process.waits_for = set(listed)
        else:
            raise refuse("waiting for more than edges of signals, or signals, has no proof", process.start)
        return end + 1

    def _check_list(self, process: Process) -> None:
        if any(token.text in TYPES for token in process.tokens):
            raise refuse("a declaration in a process with a list of signals has no proof", process.start)
        own = {name for name, first in process.blocking.items() if first}
        listed = (process.waits_for or set()) | own | self._constants | self._functions
        for token in process.tokens:
            if is_name(token) and token.text not in listed:
                raise refuse(f"a list of signals without {token.text} has no proof", process.start)

    def _check_races(self, process: Process, users: Counter[str], readers: Counter[str]) -> None:
        """Of each name, how many processes have it, and how many of these other than to assign it first."""
        for name, first in process.blocking.items():
            if name in process.nonblocking:
                raise refuse(f"{name} is assigned with `=` and `<=`: no proof", process.start)
            shared = self._elsewhere[name] or readers[name] > (not first)
            if shared or (users[name] > 1 and not first):
                raise refuse(
                    f"{name}, assigned with `=` in a clocked process and read elsewhere, has no proof",
                    process.start,
                )


def _names(tokens: Sequence[Token]) -> list[str]:
    return [token.text for token in tokens if is_name(token)]


def _texts(tokens: Sequence[Token]) -> set[str]:
    return {token.text for token in tokens}


def _function_names(tokens: Sequence[Token]) -> Iterator[str]:
    last, inside = "", False
    for token in tokens:
        if token.text == "function":
            inside = True
        elif inside and token.text in ("(", ";"):
            yield last
            inside = False
        last = token.text
