"""What a design may say, checked on the very tokens that are compiled: after macros, includes and conditions.

Rules are about words, not about a parse: a system call needs its `$name`, a hierarchical name its dot, wherever they
stand, and whatever a compiler makes of the rest. (Icarus Verilog calls $display for the escaped name `\\$display `
as well, which every parser takes for a plain identifier.)

There are two levels. ALONE is for a design in a simulation of its own, whose outputs are judged outside: nothing that
it prints or ends can make wrong outputs right, so what is refused there is what a design has no use for. SHARED is for
a design in one simulation with its testbench. There, besides, a design must not

- reach the testbench or a golden reference by name: its names that the trusted text knows too get new ones
  (`names.py`), so that nothing it says can mean theirs, and honest clashes are harmless;
- drive its own inputs, which the golden reference shares: `inout` ports and bidirectional switches are refused. A plain
  driver on an input is found by the compiler ("input port ... is coerced to inout"), which the service must look for;
- draw from the testbench's random numbers, or read its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from basanite_services.verilog.keywords import KEYWORDS, METHODS, words
from basanite_services.verilog.names import ALONE, Surroundings, declared_modules, header_end, is_name, plain
from basanite_services.verilog.nesting import MAX_NESTING, check_nesting
from basanite_services.verilog.preprocess import Sources, preprocess
from basanite_services.verilog.silence import silence
from basanite_services.verilog.tokens import BrokenSource, Kind, Place, Token, clipped
from basanite_services.verilog.write import write


class Level(Enum):
    ALONE = auto()
    SHARED = auto()


@dataclass(frozen=True)
class Refusal:
    message: str
    place: Place


@dataclass(frozen=True)
class Guarded:
    """What came of a design. With neither `broken` nor `refusals`, `text` is what to compile, and nothing else."""

    text: str = ""
    broken: Refusal | None = None
    """Why no compiler could read it: the candidate is REJECTED."""
    refusals: tuple[Refusal, ...] = ()
    """What it must not say: FORBIDDEN. At most MAX_REFUSALS, in the order of the text."""
    silenced: tuple[Place, ...] = ()
    """Where it printed, dumped or asserted: taken out."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """New names to the design's own."""
    tokens: tuple[Token, ...] = field(default=(), repr=False)
    """What `text` is written from."""

    def original(self, message: str) -> str:
        """A compiler's message, in the names that the design had."""
        if not self.renamed:
            return message
        return _NEW_NAME.sub(lambda found: self.renamed.get(found[0], found[0]), message)


MAX_REFUSALS = 20
_NEW_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*+")
_MAX_BRACKET = 1000
"""Tokens that are looked back at, for what a bracket or a colon belongs to."""
_MARK = "_own"
"""New names end in it, and a number where they must."""

_FUNCTIONS = words(
    """
    $signed $unsigned $clog2 $bits $size $left $right $low $high $increment $dimensions
    $unpacked_dimensions $countones $countbits $onehot $onehot0 $isunknown $typename $cast $sformatf
    $sformat $swrite $rtoi $itor $realtobits $bitstoreal $shortrealtobits $bitstoshortreal $abs $min
    $max $ln $log10 $exp $sqrt $pow $floor $ceil $sin $cos $tan $asin $acos $atan $atan2 $hypot
    $sinh $cosh $tanh $asinh $acosh $atanh $time $stime $realtime
    """
)
"""They change nothing but what they are assigned to. Time is no secret: a design can count it."""
_RANDOM = words(
    """
    $random $urandom $urandom_range $dist_uniform $dist_normal $dist_exponential $dist_poisson
    $dist_chi_square $dist_t $dist_erlang
    """
)
_TIMING_CHECKS = words(
    """
    $setup $hold $setuphold $recovery $removal $recrem $skew $timeskew $fullskew $period $width
    $nochange
    """
)
_READERS = frozenset(("$readmemh", "$readmemb"))
_ENDS = frozenset(("$finish", "$stop", "$exit"))
_WORDS = {
    "force": "forces a value upon a signal",
    "release": "releases a forced signal",
    "bind": "binds a module into another one",
    "program": "is a program: part of a test, not of a design",
    "final": "runs code when the simulation has ended",
    "config": "chooses other modules than those of the design",
    "library": "maps libraries",
    "checker": "is a checker: part of a test, not of a design",
}
_SWITCHES = words("tran tranif0 tranif1 rtran rtranif0 rtranif1 alias")


def guard(
    sources: Sources,
    top: str,
    level: Level,
    around: Surroundings = ALONE,
    *,
    inouts: bool = False,
    data: Collection[str] = (),
) -> Guarded:
    """Checks a candidate's design whose top module is `top`, and writes what to compile.

    `around` are the names that share its simulation, `inouts` says that the task has such ports, `data` are the files
    of the task that the design may read. Takes time linear in the text, below MAX_SOURCE_BYTES and MAX_TOKENS;
    raises nothing.
    """
    try:
        tokens = preprocess(sources)
        silenced = silence(tokens)
        tokens = silenced.tokens
        check_nesting(tokens)
        if top not in set(declared_modules(tokens)):
            raise BrokenSource(f"there is no module {top}", Place(next(iter(sources.files), ""), 1, 1))
        _check_ends(tokens)
    except BrokenSource as broken:
        return Guarded(broken=Refusal(broken.message, broken.place))
    may_drive = level is Level.ALONE or inouts
    forbidden = frozenset() if may_drive else frozenset(_two_way_ports(tokens, top))
    refusals = _Rules(tokens, level, around, forbidden, frozenset(data)).refusals()
    if refusals:
        return Guarded(refusals=tuple(refusals), silenced=tuple(silenced.places))
    new = _new_names(tokens, top, level, around)
    checked = tuple(_renamed(tokens, new))
    return Guarded(
        text=write(checked),
        tokens=checked,
        silenced=tuple(silenced.places),
        renamed={own: name for name, own in new.items()},
    )


def _check_ends(tokens: Sequence[Token]) -> None:
    """A text that was cut off is common, and the compiler would speak of what we write behind it."""
    unclosed: list[Token] = []
    for token in tokens:
        if token.text in ("module", "macromodule"):
            unclosed.append(token)
        elif token.text == "endmodule" and unclosed:
            unclosed.pop()
    if unclosed:
        raise BrokenSource("a module without its endmodule", unclosed[-1].place)


class _Rules:
    def __init__(
        self,
        tokens: list[Token],
        level: Level,
        around: Surroundings,
        inouts: frozenset[int],
        data: frozenset[str],
    ) -> None:
        self._tokens = tokens
        self._shared = level is Level.SHARED
        self._around = around
        self._inouts = inouts
        self._data = data
        self._introduced = {plain(token) for token in _introduced(tokens)} if around.names else frozenset()
        self._defined = frozenset(declared_modules(tokens))
        self._shared_names = around.scopes & around.connections
        """Ports that have the name of a task, an instance or the like of the testbench: they keep it."""
        self._files = {
            plain(name)
            for name, equals, value in zip(tokens, tokens[1:], tokens[2:], strict=False)
            if equals.text == "=" and (self._is_data(value.text) or value.text == '""')
        }
        """Parameters that are names of files, or none. What overrides them may name others: a design that is alone
        reads nothing there that helps it."""

    def refusals(self) -> list[Refusal]:
        found: list[Refusal] = []
        for position, token in enumerate(self._tokens):
            message = self._refused(position, token)
            if message:
                found.append(Refusal(clipped(message), token.place))
                if len(found) == MAX_REFUSALS:
                    break
        return found

    def _refused(self, position: int, token: Token) -> str:
        match token.kind:
            case Kind.SYSTEM:
                return self._system(position, token.text)
            case Kind.WORD if token.text in _WORDS:
                return f"{token.text} {_WORDS[token.text]}: a design must not"
            case Kind.WORD if token.text in ("import", "export") and self._kind(position + 1) is Kind.STRING:
                return f"{token.text} of foreign code: a design must not"
            case Kind.WORD if self._shared and token.text in _SWITCHES:
                return f"{token.text} joins signals in both directions: a design that shares a simulation must not"
            case Kind.WORD if position in self._inouts:
                return f"{token.text} port: the task has none"
        return self._reach(position, token) if is_name(token) else ""

    def _system(self, position: int, name: str) -> str:
        if name in _FUNCTIONS or name in _TIMING_CHECKS:
            return ""
        if name in _RANDOM:
            return f"{name} draws from the testbench's random numbers" if self._shared else ""
        if name in _READERS:
            file = self._text(position + 2)
            named = self._is_data(file) or (not self._shared and file in self._files)
            if self._text(position + 1) == "(" and named:
                return ""
            return f"{name} of anything but a file of the task, by its name in quotes"
        if name in _ENDS:
            return f"{name} ends the simulation: a design must not"
        return f"{name} is no system function that a design may use"

    def _is_data(self, text: str) -> bool:
        return text.startswith('"') and text[1:-1] in self._data

    def _reach(self, position: int, token: Token) -> str:
        """Names that only the trusted text can mean. For a clear word: by new names they would mean nothing anyway."""
        name = plain(token)
        if name in self._shared_names and self._climbs(position, name):
            return f"{name} is a name of the testbench, where it is more than a port"
        if name not in self._around.names or name in self._introduced:
            return ""
        before, after = self._text(position - 1) if position else "", self._text(position + 1)
        if before in (".", ":"):
            return ""
        if after == "." or (after == "[" and self._behind_index(position + 1) == "."):
            return f"{name} is a name outside of the design: hierarchical names must stay within it"
        if name in self._around.modules and name not in self._defined and self._instantiates(position + 1):
            return f"{name} is no module of the design"
        called = after in ("(", ";") and before != "," and not (after == "(" and self._is_instance(position))
        if before == "disable" or (name in self._around.scopes and called):
            return f"{name} is a name of the testbench"
        return ""

    def _climbs(self, position: int, name: str) -> bool:
        """Whether a name that connects the design, and so stays as it is, means a task, a function, a module, an
        instance or a block here: what it may find in the testbench."""
        before, after = self._text(position - 1) if position else "", self._text(position + 1)
        if before in (".", "disable"):
            return before == "disable"
        if after == "(":
            return not self._is_instance(position)
        if after == ";":
            return self._begins_statement(position)
        if after == ".":
            return self._text(position + 2).removeprefix("\\") in self._around.connections
        return name in self._around.modules and self._instantiates(position + 1)

    def _begins_statement(self, position: int) -> bool:
        before = self._text(position - 1)
        if before == ":":
            return self._is_choice(position - 1)
        control = self._control(position)
        if control is not None:
            # Not `q <= #1 d;`, nor `wire #1 d;`
            return self._text(control) == ":" or self._text(control - 1) not in ("=", "wire")
        return before in _BEFORE_STATEMENTS

    def _is_instance(self, position: int) -> bool:
        """Whether a name before a bracket is that of an instance: behind a module, or its parameters."""
        control = self._control(position)
        if self._text(position - 1) == ")":
            return (
                control is not None
                and self._text(control) == "#"
                and is_name(self._tokens[control - 1])
                and self._text(control - 2) != ":"
            )
        return control is None and is_name(self._tokens[position - 1])

    def _control(self, position: int) -> int | None:
        """Where the sign is of the delay (#), the event (@) or the label (:) that stands before a name."""
        back = position - 1
        if self._text(back) == ")":
            back = self._opened(back) - 1
            return back if self._text(back) in ("#", "@") else None
        if self._text(back) == "*":
            return back - 1 if self._text(back - 1) == "@" else None
        while back > 0:
            if self._text(back) == "]":
                back = self._opened(back) - 1
                continue
            if not is_name(self._tokens[back]) and self._kind(back) is not Kind.NUMBER:
                return None
            before = self._text(back - 1)
            if before in ("#", "@") or (before == ":" and self._text(back - 2) != ":"):
                return back - 1
            if before not in (".", ":"):
                return None
            back -= 3 if before == ":" else 2
        return 0 if back < 0 else None

    def _opened(self, end: int) -> int:
        """Where the bracket opens that is closed at `end`; 0 if that is nowhere near."""
        depth = 0
        for back in range(end, max(end - _MAX_BRACKET, 0), -1):
            depth += (self._text(back) in (")", "]")) - (self._text(back) in ("(", "["))
            if depth == 0:
                return back
        return 0

    def _is_choice(self, colon: int) -> bool:
        """Whether it ends a choice of a `case`, or a label, and is no part of a `?`."""
        for back in range(colon - 1, max(colon - _MAX_BRACKET, 0), -1):
            if self._text(back) == "?":
                return False
            if self._text(back) in (";", "begin", "end"):
                break
        return True

    def _instantiates(self, position: int) -> bool:
        return self._text(position) == "#" or (
            position < len(self._tokens) and is_name(self._tokens[position])
        )

    def _behind_index(self, start: int) -> str:
        depth = 0
        for position in range(start, min(start + MAX_NESTING, len(self._tokens))):
            text = self._tokens[position].text
            depth += (text == "[") - (text == "]")
            if depth == 0 and text == "]" and self._text(position + 1) != "[":
                return self._text(position + 1)
        return ""

    def _text(self, position: int) -> str:
        return self._tokens[position].text if 0 <= position < len(self._tokens) else ""

    def _kind(self, position: int) -> Kind | None:
        return self._tokens[position].kind if position < len(self._tokens) else None


_BEFORE_STATEMENTS = words(
    """
    ; ) begin end else do forever fork join join_any join_none endcase default initial final always always_comb
    always_ff always_latch
    """
)
"""A name alone behind one of these is a task that is called."""
_STATEMENTS = words(
    """
    begin end else return disable posedge negedge edge or and initial assign defparam deassign always always_comb
    always_ff always_latch
    """
)
"""A name behind one of these is used; behind any other keyword it may be declared."""


def _introduced(tokens: Sequence[Token]) -> Iterator[Token]:
    """Names that may be declared where they stand: behind a type, a range or a comma, or as a block's name."""
    for position, token in enumerate(tokens):
        if not position or not is_name(token):
            continue
        before = tokens[position - 1]
        if (
            before.text in ("]", "}", ",")
            or is_name(before)
            or (before.kind is Kind.WORD and before.text not in _STATEMENTS)
            or (before.text == ":" and tokens[position - 2].text in ("begin", "fork"))
        ):
            yield token


def _two_way_ports(tokens: Sequence[Token], top: str) -> Iterator[int]:
    """Where the module `top` has a port that can drive what it reads. (In modules below, the compiler sees it.)"""
    inside = routine = False
    for position, token in enumerate(tokens):
        if token.text in ("module", "macromodule") and position + 1 < len(tokens):
            inside = plain(tokens[position + 1]) == top
        routine = (routine or token.text in ("task", "function")) and token.text not in (
            "endtask",
            "endfunction",
        )
        if inside and not routine and token.kind is Kind.WORD and token.text in ("inout", "ref"):
            yield position


def _new_names(tokens: Sequence[Token], top: str, level: Level, around: Surroundings) -> dict[str, str]:
    """New names for those of the design that clash, or that a compiler could take for something else."""
    used = {plain(token) for token in tokens if is_name(token)}
    clashing = used & around.names if level is Level.SHARED else set()
    keep = {top} | around.connections
    if around.by_name_alone:
        header = header_names(tokens, top) - around.scopes
        keep |= header if around.header is None else header & around.header
    odd = {name for name in used if not _NEW_NAME.fullmatch(name)}
    # A keyword that was escaped is a name, and stays escaped.
    taken = used | around.names | KEYWORDS
    new: dict[str, str] = {}
    tried: dict[str, int] = {}
    """How many names of each beginning: many names may differ in odd characters alone."""
    for name in sorted((clashing | odd) - keep):
        base = re.sub(r"[^A-Za-z0-9_]", "_", name)
        begin = f"{base if base[0].isalpha() else '_' + base}{_MARK}"
        number = tried.get(begin, 0)
        while (fresh := f"{begin}{number or ''}") in taken:
            number += 1
        tried[begin] = number + 1
        taken.add(fresh)
        new[name] = fresh
    return new


def header_names(tokens: Sequence[Token], top: str) -> set[str]:
    """All names in the header of the module `top`."""
    for position, token in enumerate(tokens[:-1]):
        name = tokens[position + 1]
        if token.text in ("module", "macromodule") and is_name(name) and plain(name) == top:
            end = header_end(tokens, position)
            return {plain(inner) for inner in tokens[position:end] if is_name(inner)}
    return set()


def _renamed(tokens: Sequence[Token], new: Mapping[str, str]) -> Iterator[Token]:
    if not new:
        yield from tokens
        return
    for position, token in enumerate(tokens):
        name = plain(token) if is_name(token) else None
        if name is not None and name in new and not _is_method(tokens, position):
            yield token._replace(kind=Kind.WORD, text=new[name])
        else:
            yield token


def _is_method(tokens: Sequence[Token], position: int) -> bool:
    """`state.next()`: a word of the language, while `.next(wire)` connects a port."""
    return (
        tokens[position].text in METHODS
        and position > 1
        and tokens[position - 1].text == "."
        and (is_name(tokens[position - 2]) or tokens[position - 2].text in ("]", ")"))
        and position + 1 < len(tokens)
        and tokens[position + 1].text == "("
    )
