"""Is a text one that a synthesizer understands as a simulator does? Written anew for the synthesizer, if so.

Synthesis ignores delays, initial order, sensitivity lists and races, and believes pragmas. A design could be right for
it and wrong in a simulation. So there is a list of what is taken, and whatever is not on it has no proof:

- Words of the language: those in _WORDS. No tasks, no latches on purpose, no nets of odd types, no delays, no waits.
- Attributes are left out, and so are `unique`, `unique0` and `priority`: they promise what nobody checks. Comments are
  no tokens to begin with. What is written cannot be read as an attribute, a comment or a directive.
- System functions: those in _FUNCTIONS. Escaped names, real numbers, strings, hierarchical names are not taken.
- A process waits for edges of signals, or for all that it reads: `@*`, or a list that is complete.
- In a clocked process, what is assigned with `=` is a value of that process alone, assigned before it is read there:
  otherwise what another process reads would depend on which one runs first.
- A function reads nothing but its arguments and what it declares.
- What is unknown in a simulation is unknown to Yosys, and more may be in a candidate: so a candidate must not ask with
  `===` what is. Types of two states, which know no unknown value, are for loops and constants; there are no arrays.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from basanite_services.verilog.gates import Unprovable
from basanite_services.verilog.keywords import words
from basanite_services.verilog.names import header_end, is_name
from basanite_services.verilog.numbers import read_number
from basanite_services.verilog.tokens import Kind, Token
from basanite_services.verilog.write import write

_WORDS = words(
    """
    module endmodule parameter localparam input output wire reg logic bit byte shortint int longint integer signed
    unsigned genvar typedef enum struct packed assign always always_comb always_ff initial begin end if else case casez
    endcase default for posedge negedge or generate endgenerate function endfunction automatic and nand nor xor xnor
    not buf return var unique unique0 priority
    """
)
_PROMISES = words("unique unique0 priority")
_FUNCTIONS = words("$signed $unsigned $clog2 $bits")
_TYPES = words(
    "wire reg logic bit byte shortint int longint integer genvar input output var automatic typedef enum struct"
)
_CONSTANTS = words("parameter localparam")
_TWO_STATES = words("bit byte shortint int longint")
_PROCESSES = words("always always_comb always_ff initial")
_DIRECTIVES = ("`default_nettype", "`timescale", "`resetall")


def synthesizable(tokens: Sequence[Token], top: str, *, golden: bool = False) -> str:
    """The text for Yosys of a design whose top module is `top`. `tokens`: those that the simulator's compiler gets.
    Raises Unprovable, saying what it does not take."""
    kept = list(_without_promises(_without_attributes(tokens)))
    structs = any(token.text == "struct" for token in kept)
    for number, token in enumerate(kept):
        _check_token(kept, number, token, structs=structs)
    _check_arrays(kept)
    _check_types(kept, golden=golden)
    if not golden:
        _check_comparisons(kept)
    outside, modules = _modules(kept)
    # One that is instantiated is as the others, also if it is the top.
    alone = sum(token.text == top for token in kept) == 1
    try:
        for module in modules:
            _Module(outside, module, is_top=alone and _text(module, 1) == top).check()
    except RecursionError:
        raise Unprovable("statements are nested too deep") from None
    return write(_apart(kept))


def _refuse(what: str, token: Token) -> Unprovable:
    return Unprovable(f"{token.place.file}:{token.place.line}: {what}")


# Words -----------------------------------------------------------------------------------------------------------


def _without_attributes(tokens: Sequence[Token]) -> Iterator[Token]:
    position = 0
    while position < len(tokens):
        if _text(tokens, position) == "(" and _text(tokens, position + 1) == "*":
            if _text(tokens, position + 2) == ")":
                yield from tokens[position : position + 3]
                position += 3
                continue
            end = position + 2
            while not (_text(tokens, end) == "*" and _text(tokens, end + 1) == ")"):
                if end >= len(tokens):
                    raise _refuse("an attribute that does not end", tokens[position])
                end += 1
            position = end + 2
            continue
        yield tokens[position]
        position += 1


def _without_promises(tokens: Iterator[Token]) -> Iterator[Token]:
    for token in tokens:
        if token.kind is Kind.DIRECTIVE and token.text.split()[0] in _DIRECTIVES:
            if token.text.startswith("`default_nettype"):
                yield token
        elif not (token.kind is Kind.WORD and token.text in _PROMISES):
            yield token


def _check_token(tokens: Sequence[Token], position: int, token: Token, *, structs: bool) -> None:
    text, before = token.text, tokens[position - 1] if position else None
    match token.kind:
        case Kind.ESCAPED:
            raise _refuse("an escaped name has no proof", token)
        case Kind.STRING:
            raise _refuse("a string has no proof", token)
        case Kind.DIRECTIVE if not text.startswith("`default_nettype"):
            raise _refuse(f"{text.split()[0]} has no proof", token)
        case Kind.SYSTEM if text not in _FUNCTIONS:
            raise _refuse(f"{text} has no proof", token)
        case Kind.WORD if not is_name(token) and text not in _WORDS:
            raise _refuse(f"`{text}` has no proof", token)
        case Kind.NUMBER:
            _check_number(tokens, position, token)
        case Kind.SIGN if text == "#" and not (
            before is not None and is_name(before) and _text(tokens, position + 1) == "("
        ):
            raise _refuse("a delay has no proof", token)
        case Kind.SIGN if text == "@" and _text(tokens, position - 1) not in ("always", "always_ff"):
            raise _refuse("waiting within a process has no proof", token)
        case Kind.SIGN if (
            text == "." and before is not None and (is_name(before) or before.text in ("]", ")"))
        ):
            if not structs:
                raise _refuse("a hierarchical name has no proof", token)
        case Kind.SIGN if text == "'" and before is not None:
            # Within $unsigned, Yosys works out other widths of sizes by a cast than simulators do.
            if _text(tokens, position + 1) == "(":
                raise _refuse("a cast has no proof", token)
            if before.kind is not Kind.NUMBER and _text(tokens, position + 1) != "{":
                raise _refuse("a number without a base has no proof", token)


def _check_types(tokens: Sequence[Token], *, golden: bool) -> None:
    """Types that Yosys takes for others: those of two states can be unknown to it, and fields have no sign."""
    two_state = False
    struct = 0
    for position, token in enumerate(tokens):
        text, before = token.text, _text(tokens, position - 1)
        if text == "struct":
            struct = position
        elif text == "}":
            struct = 0
        elif text in ("signed", "integer", *_TWO_STATES) and struct:
            raise _refuse("a field with a sign, or of two states, has no proof", token)
        elif text in _TWO_STATES:
            if before in _CONSTANTS:
                two_state = True
            elif before != "(" or _text(tokens, position - 2) != "for":
                raise _refuse(f"a signal of two states, as `{text}` is, has no proof", token)
        elif text == "enum" and _text(tokens, position + 1) == "{":
            if golden:
                raise _refuse("an enumeration of two states has no proof: say `enum logic [...]`", token)
            two_state = True
    if two_state:
        for position, token in enumerate(tokens):
            _check_known(tokens, position, token)


def _check_known(tokens: Sequence[Token], position: int, token: Token) -> None:
    """Where constants have two states, no number in the text may be unknown."""
    text, after = token.text, _text(tokens, position + 1)
    if token.kind is Kind.NUMBER and text.startswith("'") and set("xX?") & set(text):
        raise _refuse("constants of two states beside an unknown number have no proof", token)
    if text in ("/", "%") and not (after.isdigit() and int(after)):
        raise _refuse("constants of two states beside a division have no proof", token)
    if text == "function":
        raise _refuse("constants of two states beside a function have no proof", token)


def _check_arrays(tokens: Sequence[Token]) -> None:
    """Beyond its end an array is unknown in a simulation, and begins anew for Yosys."""
    declared = value = False
    depth = 0
    for position, token in enumerate(tokens):
        text = token.text
        depth += (text in ("[", "{")) - (text in ("]", "}"))
        if text in _TYPES:
            declared, value = True, False
        elif text in (";", ")"):
            declared = False
        elif text == "=":
            value = True
        elif text == "," and not depth:
            value = False
        elif is_name(token) and _text(tokens, position + 1) == "[":
            of_a_type = position > 0 and is_name(tokens[position - 1])
            if of_a_type or (declared and not value and not depth):
                raise _refuse("an array has no proof", token)


def _check_comparisons(tokens: Sequence[Token]) -> None:
    """What is unknown to Yosys may be known in a simulation, but not the other way: nothing may ask which it is."""
    for one, two, three in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if one.text in ("=", "!") and two.text == three.text == "=":
            raise _refuse("`===` and `!==` have no proof", one)


_BIGGEST = 1 << 31
_BASED = re.compile(r"'[sS]?[bBoOdDhH][ \t]*[0-9a-fA-FxXzZ?][0-9a-fA-FxXzZ?_]*")


def _check_number(tokens: Sequence[Token], position: int, token: Token) -> None:
    """Numbers without a size: what has more than 32 bits has as many as it needs, or 32."""
    text = token.text
    if text.startswith("'"):
        sized = position and tokens[position - 1].kind is Kind.NUMBER
        if text[1:] in ("0", "1", "x", "X") or (sized and _BASED.fullmatch(text)):
            return
        if text[1:] in ("z", "Z"):
            raise _refuse("a signal that is not driven has no proof", token)
    elif not text.replace("_", "").isdigit():
        raise _refuse("a real number or a time has no proof", token)
    try:
        fits = read_number(text) < (2 * _BIGGEST if text.startswith("'") else _BIGGEST)
    except ValueError:
        fits = False
    following = _text(tokens, position + 1)
    if not fits and not (following.startswith("'") and len(following) > 2):
        raise _refuse("a number without a size, of more than 32 bits or with x in it, has no proof", token)


def _apart(tokens: Sequence[Token]) -> Iterator[Token]:
    """No two signs together that could begin or end an attribute or a comment."""
    before = ""
    for token in tokens:
        if token.glued and (before + token.text) in ("(*", "*)", "//", "/*", "*/", "{*", "*}"):
            token = token._replace(glued=False)
        yield token
        before = token.text


def _text(tokens: Sequence[Token], position: int) -> str:
    return tokens[position].text if 0 <= position < len(tokens) else ""


def _modules(tokens: list[Token]) -> tuple[list[Token], list[list[Token]]]:
    """-> (what stands outside of modules, the modules)"""
    outside: list[Token] = []
    modules: list[list[Token]] = []
    inside = False
    for token in tokens:
        if token.text == "module":
            if inside:
                raise _refuse("a module within a module has no proof", token)
            inside = True
            modules.append([])
        (modules[-1] if inside else outside).append(token)
        if token.text == "endmodule":
            inside = False
    return outside, modules


# Processes -------------------------------------------------------------------------------------------------------


@dataclass
class _Process:
    start: Token
    tokens: list[Token]
    """Its body, without what it waits for."""
    edges: bool = False
    waits_for: set[str] | None = None
    """Names in a list of signals, where it waits for those."""
    blocking: dict[str, bool] = field(default_factory=dict)
    """Targets of `=`, and whether they are assigned before they occur in another way."""
    nonblocking: set[str] = field(default_factory=set)


class _Module:
    def __init__(self, outside: list[Token], tokens: list[Token], *, is_top: bool) -> None:
        self._tokens = tokens
        self._top = is_top
        self._header = header_end(tokens, 0)
        self._constants: set[str] = set()
        self._signals: set[str] = set()
        self._processes: list[_Process] = []
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
            elif token.text in _PROCESSES:
                position = self._process(position)
            else:
                end = self._item_end(position)
                self._item(self._tokens[position:end])
                position = end
        if both := (self._constants | self._functions) & self._signals:
            raise _refuse(
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
                raise _refuse("`<=` in a process without a clock has no proof", process.start)
            if process.waits_for is not None:
                self._check_list(process)
            elif process.start.text == "always" and not process.edges:
                known = process.blocking.keys() | self._constants | self._functions
                if process.blocking and known.issuperset(_names(process.tokens)):
                    raise _refuse(
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
            if token.text in _CONSTANTS:
                depth = 0
                for place in range(position + 1, len(tokens)):
                    text = tokens[place].text
                    depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
                    if text == ";" or depth < 0 or text in ("input", "output"):
                        break
                    if depth == 0 and is_name(tokens[place]) and _text(tokens, place + 1) == "=":
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
                    if is_name(tokens[place]) and _text(tokens, place - 1) in ("{", ","):
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
            if position > start and depth == 0 and text in (*_PROCESSES, "function"):
                return position
        return len(self._tokens)

    def _heads(self, start: int) -> bool:
        return self._tokens[start].text in ("if", "for", "case")

    def _item(self, item: Sequence[Token]) -> None:
        if item[0].text == "genvar":
            return
        of_a_type = len(item) > 2 and is_name(item[0]) and is_name(item[1]) and "(" not in _texts(item)
        if item[0].text in _TYPES or of_a_type:
            self._declare(item)
        elif item[0].text not in _CONSTANTS:
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
            if text in _CONSTANTS:
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
        while (text := _text(self._tokens, position)) not in ("endfunction", ""):
            token = self._tokens[position]
            brackets += (text == "[") - (text == "]")
            if text in _TYPES:
                if statements:
                    raise _refuse("a declaration within the statements of a function has no proof", token)
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
                raise _refuse(f"a function that reads {token.text} from outside has no proof", token)
        return position + 1

    def _process(self, start: int) -> int:
        token = self._tokens[start]
        process = _Process(token, [])
        position = start + 1
        if token.text == "always" and _text(self._tokens, position) != "@":
            raise _refuse("a process that waits for nothing has no proof", token)
        if _text(self._tokens, position) == "@":
            position = self._waits(process, position + 1)
        elif token.text == "always_ff":
            raise _refuse("a process that waits for nothing has no proof", token)
        end = _Statements(self._tokens, process).statement(position)
        process.tokens = self._tokens[position:end]
        if token.text != "initial":
            self._processes.append(process)
        return end

    def _waits(self, process: _Process, position: int) -> int:
        if _text(self._tokens, position) == "*":
            return position + 1
        if _text(self._tokens, position) != "(":
            raise _refuse("waiting for a signal without brackets has no proof", process.start)
        end = position
        while _text(self._tokens, end) not in (")", ""):
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
            raise _refuse("waiting for more than edges of signals, or signals, has no proof", process.start)
        return end + 1

    def _check_list(self, process: _Process) -> None:
        if any(token.text in _TYPES for token in process.tokens):
            raise _refuse("a declaration in a process with a list of signals has no proof", process.start)
        own = {name for name, first in process.blocking.items() if first}
        listed = (process.waits_for or set()) | own | self._constants | self._functions
        for token in process.tokens:
            if is_name(token) and token.text not in listed:
                raise _refuse(f"a list of signals without {token.text} has no proof", process.start)

    def _check_races(self, process: _Process, users: Counter[str], readers: Counter[str]) -> None:
        """Of each name, how many processes have it, and how many of these other than to assign it first."""
        for name, first in process.blocking.items():
            if name in process.nonblocking:
                raise _refuse(f"{name} is assigned with `=` and `<=`: no proof", process.start)
            shared = self._elsewhere[name] or readers[name] > (not first)
            if shared or (users[name] > 1 and not first):
                raise _refuse(
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


class _Statements:
    """Finds assignments in statements, and where statements end. Whatever it does not know is refused."""

    def __init__(self, tokens: Sequence[Token], process: _Process) -> None:
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
        raise _refuse(f"`{token.text}` in a process has no proof", token)

    def _block(self, position: int) -> int:
        if self._text(position) == ":":
            position += 2
        while self._text(position) != "end":
            if self._text(position) in _TYPES:
                while self._text(position) != ";":
                    if self._text(position) == "=":
                        raise _refuse(
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
                raise _refuse(f"`{text}` in a choice of a case has no proof", self._at(position))
            depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
            self._read(position)
            position += 1
        return position + 1

    def _for(self, position: int) -> int:
        position += 1
        if self._text(position) in _TYPES:
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
                raise _refuse("a statement that is no assignment has no proof", token)
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
                raise _refuse("a statement that is no assignment has no proof", token)
            position += 1
        elif self._text(position) == "=":
            raise _refuse("a statement that is no assignment has no proof", token)
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
            raise _refuse("a condition without brackets has no proof", self._at(position))
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
            raise _refuse("a process that does not end has no proof", self._process.start)
        return self._tokens[position]
