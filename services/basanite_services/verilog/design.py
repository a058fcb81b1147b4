"""What a design looks like from outside: its ports, and which of them clock and reset it.

pyslang does the reading, in this process. It overruns its stack on text that is nested deep enough, which no `except`
catches, and works out constants of any size: so only trusted text reaches it, and what has passed `check_nesting`.
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

from basanite_services.verilog.nesting import check_nesting
from basanite_services.verilog.preprocess import Sources, preprocess
from basanite_services.verilog.silence import silence
from basanite_services.verilog.tokens import BrokenSource, Token
from basanite_services.verilog.trace import Edge, Trace
from basanite_services.verilog.write import write

Direction = Literal["input", "output", "inout"]

MAX_STATEMENT_TOKENS = 10_000
"""From one semicolon to the next."""
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
    gated: bool = False
    """By another signal, which must then move only while the clock is idle."""


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
    elaborated, ports = _read(sources, top, parameters or {})
    inouts = [port.name for port in ports if port.direction == "inout"]
    if inouts:
        raise DesignError(f"module {top}: inout ports are not supported: {', '.join(inouts)}")
    clocks, resets = _clocking(elaborated.body, [port for port in ports if port.direction == "input"])
    return Design(top, ports, clocks, resets)


def trusted_ports(sources: Sources, top: str) -> tuple[Port, ...]:
    """The ports of a module in trusted files, inouts among them. Raises DesignError as `describe` does."""
    return _read(sources, top, {})[1]


def _read(sources: Sources, top: str, parameters: Mapping[str, str]) -> tuple[_Elaborated, tuple[Port, ...]]:
    try:
        tokens = silence(preprocess(sources)).tokens
        check_nesting(tokens)
        _check_statements(tokens)
    except BrokenSource as broken:
        raise DesignError(f"{broken.place.file}:{broken.place.line}: {broken.message}") from None
    elaborated = _elaborate(write(tokens), top, parameters)
    if elaborated.errors:
        raise DesignError(elaborated.errors[0])
    ports = tuple(_ports(elaborated.body))
    if not ports:
        raise DesignError(f"module {top} has no ports")
    return elaborated, ports


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
    gated: set[str] = set()
    resets: dict[str, Reset] = {}
    tested: dict[str, bool] = {}
    for block in trace.clocked():
        for name, low in block.asynchronous.items():
            resets.setdefault(name, Reset(name, low, asynchronous=True))
        for name, edge in block.clocks:
            edges.setdefault(name, set()).add(edge)
        gated |= block.gated
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
            clocks.append(Clock(name, EdgeKind.PosEdge in kinds, EdgeKind.NegEdge in kinds, name in gated))
        elif edges and port.width == 1 and _RESET_NAME.search(name):
            low = tested.get(name, _LOW_NAME.search(name) is not None)
            found.append(Reset(name, low, asynchronous=False))
    return tuple(clocks), tuple(found)
