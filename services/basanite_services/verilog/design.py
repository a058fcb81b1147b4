"""What a design looks like from outside: its ports, and which of them clock and reset it.

pyslang does the reading. It overruns its stack on text that is nested deep enough, which no `except` catches: so
nothing reaches it that has not passed `check_nesting`, and of a candidate no more than what its ports are made of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyslang
from pyslang import ast
from pyslang.ast import ArgumentDirection, EdgeKind
from pyslang.syntax import SyntaxTree

from basanite_services.verilog.keywords import words
from basanite_services.verilog.names import header_end, plain
from basanite_services.verilog.nesting import check_nesting
from basanite_services.verilog.preprocess import Sources, preprocess
from basanite_services.verilog.silence import silence
from basanite_services.verilog.tokens import BrokenSource, Kind, Token
from basanite_services.verilog.trace import Edge, Trace
from basanite_services.verilog.write import write

Direction = Literal["input", "output", "inout"]

MAX_STATEMENT_TOKENS = 10_000
"""Of a golden, from one semicolon to the next; of all that a candidate's ports are made of."""
MAX_ELSES = 5_000
MAX_PORT_BITS = 1 << 16
_MAX_STEPS = 100_000
_DIRECTIONS: dict[ArgumentDirection, Direction] = {
    ArgumentDirection.In: "input",
    ArgumentDirection.Out: "output",
    ArgumentDirection.InOut: "inout",
}
_PARAMETER_VALUE = re.compile(
    r"""-?(?:[0-9]*'[sS]?[bBoOdDhH][0-9a-fA-FxXzZ_]+|[0-9_]+(?:\.[0-9_]+)?)|"[^"\\\x00-\x1f]*\""""
)
_PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_RESET_NAME = re.compile(
    r"(?:^|_)[asn]?(?:rst|reset|clr|clear)(?:n|b|p|h|l|_n|_b|_bar|_p|_ni|_i|_in|_n_i)?(?:_|$)", re.IGNORECASE
)
_LOW_NAME = re.compile(
    r"(?:rst|reset|clr|clear)(?:n|b|l|_n|_b|_bar|_ni)(?:_|$)|(?:^|_)n_?(?:rst|reset|clr|clear)", re.IGNORECASE
)


class DesignError(Exception):
    """The golden reference (or the task's parameters) is not one that can be judged by; the message says why."""


@dataclass(frozen=True)
class Port:
    name: str
    direction: Direction
    width: int
    """Bits, 1 and more."""
    signed: bool


@dataclass(frozen=True)
class Clock:
    """An input at whose edges state changes, somewhere in the design."""

    name: str
    posedge: bool
    negedge: bool


@dataclass(frozen=True)
class Reset:
    """An input that is tested before anything else is stored."""

    name: str
    active_low: bool
    asynchronous: bool
    """Its edge alone resets. (Otherwise told by its name, and that it decides what is stored.)"""


@dataclass(frozen=True)
class Design:
    name: str
    ports: tuple[Port, ...]
    """In the order of the module's header."""
    clocks: tuple[Clock, ...]
    """None for a combinational design, or one of latches only."""
    resets: tuple[Reset, ...]

    @property
    def inputs(self) -> tuple[Port, ...]:
        return tuple(port for port in self.ports if port.direction == "input")

    @property
    def outputs(self) -> tuple[Port, ...]:
        return tuple(port for port in self.ports if port.direction == "output")


def describe(sources: Sources, top: str, parameters: Mapping[str, str] | None = None) -> Design:
    """The design that trusted files make with these parameters (values as in Verilog) of their module `top`.

    Raises DesignError: no such module, no ports, arrays, interfaces or inouts as ports, text that does not compile.
    """
    try:
        tokens = silence(preprocess(sources)).tokens
        check_nesting(tokens)
        _check_statements(tokens)
    except BrokenSource as broken:
        raise DesignError(f"{broken.place.file}:{broken.place.line}: {broken.message}") from None
    elaborated = _elaborate(write(tokens), top, parameters or {})
    if elaborated.errors:
        raise DesignError(elaborated.errors[0])
    body = elaborated.body
    ports = tuple(_ports(body))
    if not ports:
        raise DesignError(f"module {top} has no ports")
    inouts = [port.name for port in ports if port.direction == "inout"]
    if inouts:
        raise DesignError(f"module {top}: inout ports are not supported: {', '.join(inouts)}")
    clocks, resets = _clocking(body, [port for port in ports if port.direction == "input"])
    return Design(top, ports, clocks, resets)


def ports_of(
    sources: Sources, top: str, parameters: Mapping[str, str] | None = None
) -> tuple[Port, ...] | None:
    """A candidate's ports, inouts among them; None where they cannot be told: its compiler will say why."""
    try:
        tokens = list(_header(preprocess(sources), top))
        check_nesting(tokens)
        if not tokens or len(tokens) > MAX_STATEMENT_TOKENS:
            return None
        return tuple(_ports(_elaborate(write(tokens), top, parameters or {}).body))
    except (BrokenSource, DesignError):
        return None


def port_faults(golden: Sequence[Port], candidate: Sequence[Port]) -> list[str]:
    """What is wrong with a candidate's ports, one sentence each, in the order of the golden's; empty if all fit."""
    theirs = {port.name: port for port in candidate}
    faults = []
    for port in golden:
        own = theirs.pop(port.name, None)
        if own is None:
            close = next((name for name in theirs if name.lower() == port.name.lower()), None)
            hint = f" (there is {close}: case counts)" if close else ""
            faults.append(f"{port.direction} {port.name} is missing{hint}")
        elif own.direction != port.direction:
            faults.append(f"{port.name} is an {own.direction}, and should be an {port.direction}")
        elif own.width != port.width:
            faults.append(
                f"{port.direction} {port.name} has {_bits(own.width)}, and should have {_bits(port.width)}"
            )
    faults += [
        f"{port.direction} {port.name} is not among the ports that were asked for" for port in theirs.values()
    ]
    return faults


def _bits(width: int) -> str:
    return "1 bit" if width == 1 else f"{width} bits"


def _check_statements(tokens: Sequence[Token]) -> None:
    length = elses = 0
    for token in tokens:
        length = 0 if token.text == ";" else length + 1
        elses += token.text == "else"
        if length > MAX_STATEMENT_TOKENS:
            raise BrokenSource(f"a statement of more than {MAX_STATEMENT_TOKENS} tokens", token.place)
        if elses > MAX_ELSES:
            raise BrokenSource(f"more than {MAX_ELSES} times `else`", token.place)


@dataclass(frozen=True)
class _Elaborated:
    body: ast.InstanceBodySymbol
    """The module with its parameters."""
    errors: list[str]
    compilation: ast.Compilation
    """Owns the rest."""


def _elaborate(text: str, top: str, parameters: Mapping[str, str]) -> _Elaborated:
    options = ast.CompilationOptions()
    options.topModules = {top}
    options.paramOverrides = [_override(name, value) for name, value in parameters.items()]
    options.maxConstexprSteps = options.maxGenerateSteps = _MAX_STEPS
    options.errorLimit = 10
    bag = pyslang.Bag()
    bag.compilationOptions = options
    try:
        tree = SyntaxTree.fromText(text)
        compilation = ast.Compilation(bag)
        compilation.addSyntaxTree(tree)
        tops = compilation.getRoot().topInstances
        found = [instance for instance in tops if instance.name == top]
        if not found:
            raise DesignError(f"there is no module {top}")
        known = {parameter.name for parameter in found[0].body.parameters}
        unknown = [name for name in parameters if name not in known]
        if unknown:
            raise DesignError(f"module {top} has no parameter {unknown[0]}")
        return _Elaborated(found[0].body, list(_errors(tree)), compilation)
    except RuntimeError:
        raise DesignError("an expression or statement is nested too deep") from None


def _override(name: str, value: str) -> str:
    if _PARAMETER_NAME.fullmatch(name) is None:
        raise DesignError(f"parameter {name[:100]!r} is no name")
    if _PARAMETER_VALUE.fullmatch(value) is None:
        raise DesignError(f"parameter {name}: {value[:100]!r} is no number or string as in Verilog")
    return f"{name}={value}"


def _errors(tree: SyntaxTree) -> Iterator[str]:
    """Those of the text. What a design means can be beyond a reader stricter than its compiler, which decides."""
    engine = pyslang.DiagnosticEngine(tree.sourceManager)
    for diagnostic in tree.diagnostics:
        if diagnostic.isError():
            manager = tree.sourceManager
            file, line = manager.getFileName(diagnostic.location), manager.getLineNumber(diagnostic.location)
            yield f"{file}:{line}: {engine.formatMessage(diagnostic)}"


def _ports(body: ast.InstanceBodySymbol) -> Iterator[Port]:
    for port in body.portList:
        if not isinstance(port, ast.PortSymbol):
            raise DesignError(
                f"port {port.name or '(unnamed)'}: interfaces and joined ports are not supported"
            )
        if port.isNullPort or not port.name:
            raise DesignError("a port without a name is not supported")
        kind = port.type
        direction = _DIRECTIONS.get(port.direction)
        if direction is None or not kind.isIntegral:
            raise DesignError(
                f"port {port.name}: its type {kind} is not supported: it must be of bits in one vector"
            )
        if kind.bitWidth > MAX_PORT_BITS:
            raise DesignError(f"port {port.name} has more than {MAX_PORT_BITS} bits")
        yield Port(port.name, direction, kind.bitWidth, kind.isSigned)


# Clocks and resets -----------------------------------------------------------------------------------------------


def _clocking(
    body: ast.InstanceBodySymbol, inputs: Iterable[Port]
) -> tuple[tuple[Clock, ...], tuple[Reset, ...]]:
    trace = Trace(body)
    edges: dict[str, set[Edge]] = {}
    resets: dict[str, Reset] = {}
    tested: dict[str, bool] = {}
    for block in trace.clocked():
        for name, low in block.asynchronous.items():
            resets.setdefault(name, Reset(name, low, asynchronous=True))
        for name, edge in block.clocks:
            edges.setdefault(name, set()).add(edge)
        for name, low in block.tested.items():
            tested.setdefault(name, low)
    clocks: list[Clock] = []
    found: list[Reset] = []
    for port in inputs:
        name = port.name
        if name in resets:
            found.append(resets[name])
        elif name in edges:
            kinds = edges[name]
            clocks.append(Clock(name, EdgeKind.PosEdge in kinds, EdgeKind.NegEdge in kinds))
        elif edges and port.width == 1 and _RESET_NAME.search(name):
            low = tested.get(name, _LOW_NAME.search(name) is not None)
            found.append(Reset(name, low, asynchronous=False))
    return tuple(clocks), tuple(found)


# What a candidate's ports are made of ----------------------------------------------------------------------------

_KEPT = words("input output inout parameter localparam typedef import")
_ENDS = {"function": "endfunction", "task": "endtask", "package": "endpackage", "interface": "endinterface"}


def _header(tokens: Sequence[Token], top: str) -> Iterator[Token]:
    """The module `top` with its ports, parameters, types and functions, and packages and types outside of modules."""
    position, starts, depth = 0, True, 0
    module: str | None = None
    while position < len(tokens):
        token = tokens[position]
        text = token.text
        end = position + 1
        keep = token.kind is Kind.DIRECTIVE
        if starts and text == "(" and tokens[min(end, len(tokens) - 1)].text == "*":
            # An attribute, which may stand before anything.
            position = _behind(tokens, position, ")")
            continue
        if text in ("module", "macromodule") and module is None:
            name = tokens[position + 1 : position + 3]
            module = next((plain(word) for word in name if word.text not in ("automatic", "static")), "")
            end = header_end(tokens, position)
            keep, depth = module == top, 0
        elif text == "endmodule":
            keep, module = module == top, None
        elif text in _ENDS and starts and not (text == "interface" and module is not None):
            end = _behind(tokens, position, _ENDS[text])
            keep = text in ("function", "package") and (module is None or module == top)
        elif text in _KEPT and starts and not depth and (module is None or module == top):
            end = _behind(tokens, position, ";")
            keep = True
        else:
            depth += (text in ("begin", "case", "casex", "casez", "generate")) - (
                text in ("end", "endcase", "endgenerate")
            )
        if keep:
            yield from tokens[position:end]
        starts = tokens[end - 1].text in (";", "begin") or tokens[end - 1].text.startswith("end")
        position = end


def _behind(tokens: Sequence[Token], start: int, last: str) -> int:
    """Behind the next `last` that no bracket encloses."""
    depth = 0
    for position in range(start, len(tokens)):
        text = tokens[position].text
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
        if text == last and depth <= 0:
            return position + 1
    return len(tokens)
