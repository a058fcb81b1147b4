"""The preprocessor of IEEE 1800: macros, conditions and includes, over the candidate's own files and the task's.

Ours and not the compiler's, so that whoever checks the tokens has checked what is compiled; no directive of a candidate
reaches a trusted file, and no macro of a trusted file a candidate. Its time and memory are bounded by MAX_TOKENS and
MAX_EXPANSION, whatever the text.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from basanite_services.verilog.keywords import words
from basanite_services.verilog.tokens import (
    PATTERN,
    BrokenSource,
    Kind,
    Lines,
    Place,
    Token,
    broken_at,
    is_endless,
    kind_of,
    runs_on,
    table,
)

MAX_SOURCE_BYTES = 1 << 20
"""All files of a candidate together, and all that it includes."""
MAX_TOKENS = 200_000
MAX_EXPANSION = 1 << 20
"""Characters that macros expand to, counted at each level; each use counts for 32 more."""
_FORMAL_COST = 8
"""What each formal argument counts for in each use of its macro, which looks at all of them."""
MAX_DEPTH = 64
"""Of macros within macros, files within files, and conditions within conditions."""

PREDEFINED = {"__ICARUS__": "1"}
"""What the compiler itself defines. (Not SYNTHESIS: it simulates.)"""

_IGNORED = words(
    """
    celldefine endcelldefine delay_mode_distributed delay_mode_path delay_mode_unit delay_mode_zero
    disable_portfaults enable_portfaults suppress_faults nosuppress_faults expand_vectornets
    noexpand_vectornets autoexpand_vectornets accelerate noaccelerate remove_gatenames
    noremove_gatenames remove_netnames noremove_netnames
    """
)
_BYTE_ORDER_MARK = "\ufeff"
_PROTECTED = frozenset({"protect", "endprotect", "protected", "endprotected"})
_REST_OF_LINE = re.compile(r"[^\r\n]*+")
_COMMENT = r"//[^\r\n]*+|/\*[\s\S]*?(?:\*/|\Z)"
_QUOTED = r'"[^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*(?:"|(?=[\\\r\n])|\Z)'
"""A string, or what there is of it on its line: none is looked for twice."""
_BODY = re.compile(rf'(?:[^\\\r\n/"]++|{_QUOTED}|\\(?:\r\n?|\n)|\\|/\*[\s\S]*?(?:\*/|\Z)|/(?!/))*')
_QUOTED_OR_COMMENT = re.compile(rf"({_QUOTED})|{_COMMENT}")
_CONTINUED = re.compile(r"\\(?:\r\n?|\n)")
_FILE_NAME = re.compile(r"[A-Za-z0-9_./-]{1,200}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*+")
_BLANK = re.compile(r"[ \t]*+")
_TIMESCALE = re.compile(r"\s*(1|10|100)\s*(s|ms|us|ns|ps|fs)\s*/\s*(1|10|100)\s*(s|ms|us|ns|ps|fs)\s*")
_NET_TYPES = words("wire tri tri0 tri1 wand triand wor trior trireg uwire none")
_STANDARDS = frozenset(
    f'"{name}"'
    for name in [
        "1364-1995",
        "1364-2001",
        "1364-2001-noconfig",
        "1364-2005",
        "1800-2005",
        "1800-2009",
        "1800-2012",
        "1800-2017",
    ]
)
# What a macro's text is made of, as far as formals are concerned.
_PARTS = re.compile(rf'``|`\\`"|`"|{_QUOTED}|[A-Za-z_][A-Za-z0-9_$]*+')
_BASE = re.compile(r"'[sS]?[bBoOdDhH]")


@dataclass(frozen=True)
class Sources:
    """What is compiled together. Names of files are plain relative paths; texts, values of macros are as in a file."""

    files: Mapping[str, str]
    """The candidate's, in the order of compilation."""
    includes: Mapping[str, str] = field(default_factory=dict)
    """The task's, to be included or (as data) read by the design. Its candidate's files can be included as well."""
    defines: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Names under which files can be included besides their own, from wherever."""


class _Macro(NamedTuple):
    formals: tuple[tuple[str, str | None], ...] | None
    """Names and defaults; None for a macro without brackets."""
    body: str


@dataclass
class _Condition:
    taken: bool
    """One of its branches was."""
    active: bool
    otherwise: bool
    """`else has been."""
    place: Place


def preprocess(sources: Sources) -> list[Token]:
    """The tokens of all files in order, positioned in the candidate's text: in a macro, where it is used.

    Raises BrokenSource.
    """
    total = 0
    for name, text in sources.files.items():
        if _FILE_NAME.fullmatch(name) is None:
            raise BrokenSource("the name of a file must be of letters, digits and _-./", Place("", 0, 0))
        total += len(text) if len(text) > MAX_SOURCE_BYTES else len(text.encode(errors="replace"))
        if total > MAX_SOURCE_BYTES:
            raise BrokenSource(f"the design must be at most {MAX_SOURCE_BYTES} bytes", Place(name, 1, 1))
    return _Preprocessor(sources).run()


class _Preprocessor:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._macros = {
            name: _Macro(None, value) for name, value in {**PREDEFINED, **sources.defines}.items()
        }
        self._tokens: list[Token] = []
        self._conditions: list[_Condition] = []
        self._included = 0
        self._expanded = 0
        self._keywords = 0

    def run(self) -> list[Token]:
        for name, text in self._sources.files.items():
            self._file(name, text, 0)
            # As if each file stood alone, but for its macros.
            end = Place(name, text.count("\n") + 1, 1)
            while self._keywords:
                self._directive("`end_keywords", end)
                self._keywords -= 1
            self._directive("`default_nettype wire", end)
        return _with_digits(self._tokens)

    def _file(self, name: str, text: str, depth: int) -> None:
        before = len(self._conditions)
        if text.startswith(_BYTE_ORDER_MARK):
            text = f" {text[1:]}"
        self._text(text, Lines(name, text), None, depth)
        if len(self._conditions) > before:
            raise BrokenSource("an `ifdef or `ifndef without its `endif", self._conditions[-1].place)

    def _text(self, text: str, lines: Lines | None, at: Place | None, depth: int) -> None:
        """A file (with lines) or a macro's expansion (all of it `at` one place)."""

        def place(offset: int) -> Place:
            if lines is not None:
                return lines.place(offset)
            assert at is not None
            return at

        position, length, glued = 0, len(text), False
        match = PATTERN.match
        while position < length:
            found = match(text, position)
            if found is None:
                raise BrokenSource(broken_at(text, position), place(position))
            group = found.lastgroup
            if group == "comment" and is_endless(found[0]):
                raise BrokenSource(broken_at(text, position), place(position))
            if group == "space" or group == "comment":
                position, glued = found.end(), False
                continue
            if group == "directive":
                position = self._backtick(text, found, place(position), lines is not None, depth)
                glued = False
                continue
            kind = kind_of(found)
            assert kind is not None
            if runs_on(text, found):
                raise BrokenSource(f"a number that runs on after {found[0]!r}", place(position))
            self._add(Token(kind, found[0], place(position), glued))
            position, glued = found.end(), True
            if kind is Kind.WORD and found[0] == "table":
                entries = table(text, position)
                if isinstance(entries, int):
                    raise BrokenSource(
                        "what belongs into no table of a primitive", place(min(entries, length - 1))
                    )
                for offset, entry in entries[0]:
                    self._add(Token(Kind.SIGN, entry, place(offset), False))
                position, glued = entries[1], False

    def _add(self, token: Token) -> None:
        if len(self._tokens) >= MAX_TOKENS:
            raise BrokenSource(f"the design has more than {MAX_TOKENS} tokens", token.place)
        self._tokens.append(token)

    def _directive(self, text: str, place: Place) -> None:
        self._add(Token(Kind.DIRECTIVE, text, place, False))

    # Directives and macros ------------------------------------------------------------------------------------

    def _backtick(self, text: str, found: re.Match[str], place: Place, is_file: bool, depth: int) -> int:
        """Does what stands at `found`. -> where to go on"""
        name, end = found[0][1:], found.end()
        if name in ("ifdef", "ifndef", "elsif", "else", "endif"):
            end = self._condition(name, text, end, place)
            return end if self._is_active() else _next_condition(text, end, place)
        if name == "define":
            return self._define(text, end, place)
        if name == "timescale":
            return self._timescale(text, end, place)
        if name in ("undef", "default_nettype"):
            return self._named(name, text, end, place)
        if name in ("include", "begin_keywords", "pragma", "line"):
            rest = _REST_OF_LINE.match(text, end)
            assert rest is not None
            self._one_line(name, _without_comments(rest[0]).strip(), place, depth)
            return rest.end()
        if name == "resetall":
            self._directive("`resetall", place)
        elif name == "undefineall":
            self._macros = {key: _Macro(None, value) for key, value in PREDEFINED.items()}
        elif name in ("unconnected_drive", "nounconnected_drive"):
            raise BrokenSource(f"`{name} is not supported: drive the ports", place)
        elif name == "end_keywords":
            if not self._keywords:
                raise BrokenSource("`end_keywords without `begin_keywords", place)
            self._keywords -= 1
            self._directive("`end_keywords", place)
        elif name in _PROTECTED:
            raise BrokenSource("encrypted or protected text cannot be judged", place)
        elif name == "__LINE__":
            self._add(Token(Kind.NUMBER, str(place.line), place, False))
        elif name == "__FILE__":
            self._add(Token(Kind.STRING, f'"{place.file}"', place, False))
        elif name not in _IGNORED:
            return self._use(name, text, end, place, depth)
        return end

    def _is_active(self) -> bool:
        return not self._conditions or self._conditions[-1].active

    def _condition(self, name: str, text: str, end: int, place: Place) -> int:
        if name in ("ifdef", "ifndef", "elsif"):
            start = _skip_blank(text, end)
            macro = _NAME.match(text, start)
            if macro is None:
                raise BrokenSource(f"`{name} needs a name", place)
            end = macro.end()
            holds = (macro[0] in self._macros) is not (name == "ifndef")
        if name in ("ifdef", "ifndef"):
            if len(self._conditions) >= MAX_DEPTH:
                raise BrokenSource(f"conditions are nested more than {MAX_DEPTH} deep", place)
            self._conditions.append(_Condition(holds, holds, False, place))
            return end
        if not self._conditions:
            raise BrokenSource(f"`{name} without `ifdef or `ifndef", place)
        condition = self._conditions[-1]
        if name == "endif":
            self._conditions.pop()
        elif condition.otherwise:
            raise BrokenSource(f"`{name} after `else", place)
        elif name == "elsif":
            condition.active = holds and not condition.taken
            condition.taken = condition.taken or holds
        else:
            condition.otherwise = True
            condition.active = not condition.taken
        return end

    def _define(self, text: str, end: int, place: Place) -> int:
        name = _NAME.match(text, _skip_blank(text, end))
        if name is None:
            raise BrokenSource("`define needs a name", place)
        if name[0] in PREDEFINED:
            raise BrokenSource(f"`{name[0]} belongs to the compiler", place)
        position = name.end()
        formals: list[tuple[str, str | None]] | None = None
        if text.startswith("(", position):
            parts, position = _arguments(text, position, place)
            formals = []
            for part in parts:
                formal, equals, default = _without_comments(part).partition("=")
                if _NAME.fullmatch(formal.strip()) is None and parts != [""]:
                    raise BrokenSource(f"`define {name[0]}: a formal argument must be a name", place)
                formals.append((formal.strip(), default.strip() if equals else None))
            if parts == [""]:
                formals = []
        body = _BODY.match(text, position)
        assert body is not None
        self._macros[name[0]] = _Macro(
            tuple(formals) if formals is not None else None,
            _CONTINUED.sub("\n", _without_comments(body[0])).strip(),
        )
        return body.end()

    def _named(self, directive: str, text: str, end: int, place: Place) -> int:
        name = _NAME.match(text, _skip_blank(text, end))
        if name is None:
            raise BrokenSource(f"`{directive} needs a name", place)
        if directive == "default_nettype":
            if name[0] not in _NET_TYPES:
                raise BrokenSource("`default_nettype needs a net type or none", place)
            self._directive(f"`default_nettype {name[0]}", place)
        elif name[0] not in PREDEFINED:
            self._macros.pop(name[0], None)
        return name.end()

    def _one_line(self, directive: str, rest: str, place: Place, depth: int) -> None:
        if directive == "include":
            self._include(rest, place, depth)
        elif directive == "begin_keywords":
            if rest not in _STANDARDS:
                raise BrokenSource("`begin_keywords needs the name of a standard", place)
            self._keywords += 1
            self._directive(f"`begin_keywords {rest}", place)
        elif directive == "pragma" and rest.startswith("protect"):
            raise BrokenSource("encrypted or protected text cannot be judged", place)
        # `line and other pragmas do nothing: positions stay those of the text.

    def _timescale(self, text: str, end: int, place: Place) -> int:
        scale = _TIMESCALE.match(text, end)
        if scale is None:
            raise BrokenSource("`timescale needs a unit and a precision, such as 1ns/1ps", place)
        self._directive(f"`timescale {scale[1]}{scale[2]}/{scale[3]}{scale[4]}", place)
        return scale.end()

    def _include(self, rest: str, place: Place, depth: int) -> None:
        name = re.fullmatch(r'"([^"]+)"|<([^>]+)>', rest)
        if name is None:
            raise BrokenSource("`include needs the name of a file in quotes", place)
        wanted = name[1] or name[2]
        path, text = self._found(wanted, place)
        if text is None:
            raise BrokenSource(f"`include: the task has no file {wanted[:100]!r}", place)
        if depth >= MAX_DEPTH:
            raise BrokenSource(f"files include each other more than {MAX_DEPTH} deep", place)
        self._included += len(text)
        if self._included > MAX_SOURCE_BYTES:
            raise BrokenSource(f"the included files have more than {MAX_SOURCE_BYTES} characters", place)
        self._file(path, text, depth + 1)

    def _found(self, wanted: str, place: Place) -> tuple[str, str | None]:
        """Name and text of a file that is included at `place`."""
        anywhere = posixpath.normpath(wanted)
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(place.file), wanted))
        for path in (beside, anywhere, self._sources.aliases.get(anywhere, "")):
            text = self._sources.includes.get(path, self._sources.files.get(path))
            if text is not None:
                return path, text
        return wanted, None

    def _use(self, name: str, text: str, end: int, place: Place, depth: int) -> int:
        macro = self._macros.get(name)
        if macro is None:
            raise BrokenSource(f"the macro `{name[:100]} is not defined", place)
        if depth >= MAX_DEPTH:
            raise BrokenSource(
                f"the macro `{name[:100]} expands more than {MAX_DEPTH} deep: does it use itself?", place
            )
        body = macro.body
        if macro.formals is not None:
            start = _skip_blank(text, end)
            if not text.startswith("(", start):
                raise BrokenSource(f"the macro `{name[:100]} needs arguments", place)
            actuals, end = _arguments(text, start, place)
            self._count(_FORMAL_COST * len(macro.formals), place)
            body = self._substitute(name, macro.formals, [part.strip() for part in actuals], body, place)
        else:
            self._count(len(body), place)
            body = body.replace("``", "")
        self._text(body, None, place, depth + 1)
        return end

    def _count(self, characters: int, place: Place) -> None:
        # A bomb can be made of nothing.
        self._expanded += characters + 32
        if self._expanded > MAX_EXPANSION:
            raise BrokenSource(f"macros expand to more than {MAX_EXPANSION} characters", place)

    def _substitute(
        self,
        name: str,
        formals: tuple[tuple[str, str | None], ...],
        actuals: list[str],
        body: str,
        place: Place,
    ) -> str:
        if len(actuals) > max(len(formals), 1) or (not formals and actuals != [""]):
            raise BrokenSource(f"the macro `{name[:100]} takes {len(formals)} arguments", place)
        values: dict[str, str] = {}
        for number, (formal, default) in enumerate(formals):
            actual = actuals[number] if number < len(actuals) else ""
            if not actual and default is not None:
                actual = default
            elif number >= len(actuals):
                raise BrokenSource(f"the macro `{name[:100]} takes {len(formals)} arguments", place)
            values[formal] = actual
        parts: list[str] = []
        done, quoted = 0, False
        for part in _PARTS.finditer(body):
            word = part[0]
            if word == "``":
                new = ""
            elif word == '`"':
                new, quoted = '"', not quoted
            elif word == '`\\`"':
                new = '\\"'
            elif word in values:
                new = values[word].replace("\\", "\\\\").replace('"', '\\"') if quoted else values[word]
            else:
                continue
            self._count(part.start() - done + len(new), place)
            parts += body[done : part.start()], new
            done = part.end()
        self._count(len(body) - done, place)
        return "".join((*parts, body[done:]))


def _next_condition(text: str, start: int, place: Place) -> int:
    """Where the next directive of the conditions begins that belongs to the innermost one that is open."""
    depth = 0
    for found in _SKIPPED.finditer(text, start):
        name = found[1]
        if name in ("ifdef", "ifndef"):
            depth += 1
        elif name == "endif" and depth:
            depth -= 1
        elif name is not None and not depth:
            return found.start()
    raise BrokenSource("an `ifdef or `ifndef without its `endif", place)


# In text that is left out: comments and strings hide what looks like a directive.
_SKIPPED = re.compile(rf"{_COMMENT}|{_QUOTED}|`(ifdef|ifndef|elsif|else|endif)\b")


def _arguments(text: str, start: int, place: Place) -> tuple[list[str], int]:
    """The parts between the brackets at `start`, split at commas outside of further brackets. -> parts, end"""
    parts: list[str] = []
    closers: list[str] = []
    begin = position = start + 1
    while True:
        found = _STOPS.search(text, position)
        if found is None:
            raise BrokenSource("the arguments of a macro do not end", place)
        position, sign = found.end(), found[0]
        if sign in _CLOSERS:
            closers.append(_CLOSERS[sign])
        elif closers:
            if sign == closers[-1]:
                closers.pop()
        elif sign == ",":
            parts.append(text[begin : found.start()])
            begin = position
        elif sign == ")":
            parts.append(text[begin : found.start()])
            return parts, position


_STOPS = re.compile(rf"{_COMMENT}|{_QUOTED}|[(){{}}\[\],]")
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


def _skip_blank(text: str, start: int) -> int:
    blank = _BLANK.match(text, start)
    assert blank is not None
    return blank.end()


def _without_comments(text: str) -> str:
    return _QUOTED_OR_COMMENT.sub(lambda found: found[1] or " ", text) if "/" in text else text


def _with_digits(tokens: list[Token]) -> list[Token]:
    """A base whose digits come from a macro, as in 8'h`VALUE, becomes one number."""
    joined: list[Token] = []
    for token in tokens:
        if joined and _is_base(joined[-1].text):
            base = joined[-1]
            number = PATTERN.fullmatch(base.text + token.text)
            if number is None or number.lastgroup != "number":
                raise BrokenSource("a number without digits", base.place)
            joined[-1] = base._replace(text=base.text + token.text)
        else:
            joined.append(token)
    if joined and _is_base(joined[-1].text):
        raise BrokenSource("a number without digits", joined[-1].place)
    return joined


def _is_base(text: str) -> bool:
    return text[0] == "'" and _BASE.fullmatch(text) is not None
