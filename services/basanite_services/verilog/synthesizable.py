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
from collections.abc import Iterator, Sequence

from basanite_services.verilog.gates import Unprovable
from basanite_services.verilog.keywords import words
from basanite_services.verilog.names import is_name
from basanite_services.verilog.numbers import read_number
from basanite_services.verilog.processes import Module
from basanite_services.verilog.synthesis_words import CONSTANTS, TYPES, refuse, text_at
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
_TWO_STATES = words("bit byte shortint int longint")
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
            Module(outside, module, is_top=alone and text_at(module, 1) == top).check()
    except RecursionError:
        raise Unprovable("statements are nested too deep") from None
    return write(_apart(kept))


# Words -----------------------------------------------------------------------------------------------------------


def _without_attributes(tokens: Sequence[Token]) -> Iterator[Token]:
    position = 0
    while position < len(tokens):
        if text_at(tokens, position) == "(" and text_at(tokens, position + 1) == "*":
            if text_at(tokens, position + 2) == ")":
                yield from tokens[position : position + 3]
                position += 3
                continue
            end = position + 2
            while not (text_at(tokens, end) == "*" and text_at(tokens, end + 1) == ")"):
                if end >= len(tokens):
                    raise refuse("an attribute that does not end", tokens[position])
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
            raise refuse("an escaped name has no proof", token)
        case Kind.STRING:
            raise refuse("a string has no proof", token)
        case Kind.DIRECTIVE if not text.startswith("`default_nettype"):
            raise refuse(f"{text.split()[0]} has no proof", token)
        case Kind.SYSTEM if text not in _FUNCTIONS:
            raise refuse(f"{text} has no proof", token)
        case Kind.WORD if not is_name(token) and text not in _WORDS:
            raise refuse(f"`{text}` has no proof", token)
        case Kind.NUMBER:
            _check_number(tokens, position, token)
        case Kind.SIGN if text == "#" and not (
            before is not None and is_name(before) and text_at(tokens, position + 1) == "("
        ):
            raise refuse("a delay has no proof", token)
        case Kind.SIGN if text == "@" and text_at(tokens, position - 1) not in ("always", "always_ff"):
            raise refuse("waiting within a process has no proof", token)
        case Kind.SIGN if (
            text == "." and before is not None and (is_name(before) or before.text in ("]", ")"))
        ):
            if not structs:
                raise refuse("a hierarchical name has no proof", token)
        case Kind.SIGN if text == "'" and before is not None:
            # Within $unsigned, Yosys works out other widths of sizes by a cast than simulators do.
            if text_at(tokens, position + 1) == "(":
                raise refuse("a cast has no proof", token)
            if before.kind is not Kind.NUMBER and text_at(tokens, position + 1) != "{":
                raise refuse("a number without a base has no proof", token)


def _check_types(tokens: Sequence[Token], *, golden: bool) -> None:
    """Types that Yosys takes for others: those of two states can be unknown to it, and fields have no sign."""
    two_state = False
    struct = 0
    for position, token in enumerate(tokens):
        text, before = token.text, text_at(tokens, position - 1)
        if text == "struct":
            struct = position
        elif text == "}":
            struct = 0
        elif text in ("signed", "integer", *_TWO_STATES) and struct:
            raise refuse("a field with a sign, or of two states, has no proof", token)
        elif text in _TWO_STATES:
            if before in CONSTANTS:
                two_state = True
            elif before != "(" or text_at(tokens, position - 2) != "for":
                raise refuse(f"a signal of two states, as `{text}` is, has no proof", token)
        elif text == "enum" and text_at(tokens, position + 1) == "{":
            if golden:
                raise refuse("an enumeration of two states has no proof: say `enum logic [...]`", token)
            two_state = True
    if two_state:
        for position, token in enumerate(tokens):
            _check_known(tokens, position, token)


def _check_known(tokens: Sequence[Token], position: int, token: Token) -> None:
    """Where constants have two states, no number in the text may be unknown."""
    text, after = token.text, text_at(tokens, position + 1)
    if token.kind is Kind.NUMBER and text.startswith("'") and set("xX?") & set(text):
        raise refuse("constants of two states beside an unknown number have no proof", token)
    if text in ("/", "%") and not (after.isdigit() and int(after)):
        raise refuse("constants of two states beside a division have no proof", token)
    if text == "function":
        raise refuse("constants of two states beside a function have no proof", token)


def _check_arrays(tokens: Sequence[Token]) -> None:
    """Beyond its end an array is unknown in a simulation, and begins anew for Yosys."""
    declared = value = False
    depth = 0
    for position, token in enumerate(tokens):
        text = token.text
        depth += (text in ("[", "{")) - (text in ("]", "}"))
        if text in TYPES:
            declared, value = True, False
        elif text in (";", ")"):
            declared = False
        elif text == "=":
            value = True
        elif text == "," and not depth:
            value = False
        elif is_name(token) and text_at(tokens, position + 1) == "[":
            of_a_type = position > 0 and is_name(tokens[position - 1])
            if of_a_type or (declared and not value and not depth):
                raise refuse("an array has no proof", token)


def _check_comparisons(tokens: Sequence[Token]) -> None:
    """What is unknown to Yosys may be known in a simulation, but not the other way: nothing may ask which it is."""
    for one, two, three in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if one.text in ("=", "!") and two.text == three.text == "=":
            raise refuse("`===` and `!==` have no proof", one)


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
            raise refuse("a signal that is not driven has no proof", token)
    elif not text.replace("_", "").isdigit():
        raise refuse("a real number or a time has no proof", token)
    try:
        fits = read_number(text) < (2 * _BIGGEST if text.startswith("'") else _BIGGEST)
    except ValueError:
        fits = False
    following = text_at(tokens, position + 1)
    if not fits and not (following.startswith("'") and len(following) > 2):
        raise refuse("a number without a size, of more than 32 bits or with x in it, has no proof", token)


def _apart(tokens: Sequence[Token]) -> Iterator[Token]:
    """No two signs together that could begin or end an attribute or a comment."""
    before = ""
    for token in tokens:
        if token.glued and (before + token.text) in ("(*", "*)", "//", "/*", "*/", "{*", "*}"):
            token = token._replace(glued=False)
        yield token
        before = token.text


def _modules(tokens: list[Token]) -> tuple[list[Token], list[list[Token]]]:
    """-> (what stands outside of modules, the modules)"""
    outside: list[Token] = []
    modules: list[list[Token]] = []
    inside = False
    for token in tokens:
        if token.text == "module":
            if inside:
                raise refuse("a module within a module has no proof", token)
            inside = True
            modules.append([])
        (modules[-1] if inside else outside).append(token)
        if token.text == "endmodule":
            inside = False
    return outside, modules
