"""Which inputs of a module clock and reset it, however deep in its instances."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pyslang import ast
from pyslang.ast import BinaryOperator, EdgeKind, ProceduralBlockKind, UnaryOperator

Edge = EdgeKind
_MAX_STEPS = 100
_NOT = (UnaryOperator.LogicalNot, UnaryOperator.BitwiseNot)
_JOINS = (
    BinaryOperator.LogicalAnd,
    BinaryOperator.LogicalOr,
    BinaryOperator.BinaryAnd,
    BinaryOperator.BinaryOr,
)
_EQUAL = (BinaryOperator.Equality, BinaryOperator.CaseEquality)
_UNEQUAL = (BinaryOperator.Inequality, BinaryOperator.CaseInequality)
_EDGES = (EdgeKind.PosEdge, EdgeKind.NegEdge, EdgeKind.BothEdges)
_CLOCK_NAME = re.compile(r"cl(?:oc)?k", re.IGNORECASE)


@dataclass
class Clocked:
    """One statement that waits for edges. Names are the module's inputs; the values say "active low"."""

    clocks: list[tuple[str, EdgeKind]] = field(default_factory=list)
    asynchronous: dict[str, bool] = field(default_factory=dict)
    tested: dict[str, bool] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    """Clocks that reach the statement through a gate."""


class _Source(NamedTuple):
    """An input that a signal comes from."""

    name: str
    inverted: bool
    gated: bool = False


class Trace:
    def __init__(self, body: ast.InstanceBodySymbol) -> None:
        self._sources: dict[str, ast.Expression] = {}
        """What drives a signal, by its path: an assignment, or the port that it is inside."""
        self._inputs: dict[str, str] = {}
        self._waits: list[ast.TimedStatement] = []
        for port in body.portList:
            if isinstance(port, ast.PortSymbol) and port.internalSymbol is not None:
                self._inputs[port.internalSymbol.hierarchicalPath] = port.name
        self._in_always = False
        body.visit(self._see)

    def _see(self, node: object) -> None:
        if isinstance(node, ast.InstanceSymbol):
            for connection in node.portConnections:
                port = connection.port
                if (
                    isinstance(port, ast.PortSymbol)
                    and port.internalSymbol is not None
                    and connection.expression
                ):
                    self._sources[port.internalSymbol.hierarchicalPath] = connection.expression
        elif isinstance(node, ast.ContinuousAssignSymbol):
            assignment = node.assignment
            if isinstance(assignment, ast.AssignmentExpression):
                left = assignment.left
                if isinstance(left, ast.NamedValueExpression):
                    self._sources[left.symbol.hierarchicalPath] = assignment.right
        elif isinstance(node, ast.NetSymbol):
            if node.initializer is not None:
                self._sources[node.hierarchicalPath] = node.initializer
        elif isinstance(node, ast.ProceduralBlockSymbol):
            self._in_always = node.procedureKind in (
                ProceduralBlockKind.Always,
                ProceduralBlockKind.AlwaysFF,
            )
        elif isinstance(node, ast.TimedStatement) and self._in_always:
            self._waits.append(node)

    def clocked(self) -> Iterator[Clocked]:
        for wait in self._waits:
            gated: set[str] = set()
            edges = list(self._edges(wait.timing, gated))
            if edges:
                found = self._clocked(edges, wait.stmt)
                found.gated = gated
                yield found

    def _edges(self, timing: ast.TimingControl, gated: set[str]) -> Iterator[tuple[str, EdgeKind]]:
        events = timing.events if isinstance(timing, ast.EventListControl) else [timing]
        for event in events:
            if not isinstance(event, ast.SignalEventControl) or event.edge not in _EDGES:
                continue
            found = self._input(event.expr)
            if found is None:
                continue
            name, inverted = found.name, found.inverted
            if found.gated:
                gated.add(name)
            if event.edge == EdgeKind.BothEdges:
                yield name, EdgeKind.PosEdge
                yield name, EdgeKind.NegEdge
            elif inverted:
                yield name, EdgeKind.NegEdge if event.edge == EdgeKind.PosEdge else EdgeKind.PosEdge
            else:
                yield name, event.edge

    def _clocked(self, edges: list[tuple[str, EdgeKind]], stmt: ast.Statement) -> Clocked:
        found = Clocked()
        names = {name for name, _ in edges}
        statement = _first_test(stmt)
        while isinstance(statement, ast.ConditionalStatement) and len(names) > 1:
            now = {name: low for name, low in self._tests(statement) if name in names}
            if not now or len(now) == len(names):
                break
            found.asynchronous.update(now)
            names -= now.keys()
            statement = _first_test(statement.ifFalse)
        found.clocks = [(name, edge) for name, edge in edges if name in names]

        def see(node: object) -> None:
            if isinstance(node, (ast.ConditionalStatement, ast.ConditionalExpression)):
                for name, low in self._tests(node):
                    found.tested.setdefault(name, low)

        stmt.visit(see)
        return found

    def _tests(
        self, node: ast.ConditionalStatement | ast.ConditionalExpression
    ) -> Iterator[tuple[str, bool]]:
        for condition in node.conditions:
            yield from self._signs(condition.expr, False, _MAX_STEPS)

    def _signs(self, expression: ast.Expression, low: bool, steps: int) -> Iterator[tuple[str, bool]]:
        """The inputs in a condition, and whether it holds when they are low."""
        expression = _unwrapped(expression)
        if not steps:
            return
        if isinstance(expression, ast.UnaryExpression) and expression.op in _NOT:
            yield from self._signs(expression.operand, not low, steps - 1)
        elif isinstance(expression, ast.BinaryExpression):
            left, right, op = expression.left, expression.right, expression.op
            if op in _JOINS:
                yield from self._signs(left, low, steps - 1)
                yield from self._signs(right, low, steps - 1)
            elif op in _EQUAL or op in _UNEQUAL:
                for one, other in ((left, right), (right, left)):
                    bit = _bit(other)
                    if bit is not None:
                        yield from self._signs(one, low ^ (bit == 0) ^ (op in _UNEQUAL), steps - 1)
        else:
            found = self._input(expression)
            if found is not None:
                yield found.name, low ^ found.inverted

    def _input(self, expression: ast.Expression, steps: int = _MAX_STEPS) -> _Source | None:
        expression = _unwrapped(expression)
        if not steps:
            return None
        if isinstance(expression, ast.UnaryExpression) and expression.op in _NOT:
            found = self._input(expression.operand, steps - 1)
            return found._replace(inverted=not found.inverted) if found else None
        if isinstance(expression, ast.BinaryExpression) and expression.op in _JOINS:
            # A gated clock. Both sides could double the work at each step: the first that looks like one will do.
            sides = [self._input(side, steps // 2) for side in (expression.left, expression.right)]
            found_sides = [side for side in sides if side is not None]
            clocks = [side for side in found_sides if _CLOCK_NAME.search(side.name)]
            return clocks[0]._replace(gated=True) if clocks else None
        if not isinstance(expression, ast.NamedValueExpression):
            return None
        path = expression.symbol.hierarchicalPath
        if path in self._inputs:
            return _Source(self._inputs[path], inverted=False)
        source = self._sources.get(path)
        return self._input(source, steps - 1) if source is not None else None


def _unwrapped(expression: ast.Expression) -> ast.Expression:
    while isinstance(expression, ast.ConversionExpression):
        expression = expression.operand
    return expression


def _bit(expression: ast.Expression) -> int | None:
    """0 or 1 where a literal is that."""
    expression = _unwrapped(expression)
    if isinstance(expression, (ast.IntegerLiteral, ast.UnbasedUnsizedIntegerLiteral)):
        text = str(expression.value)
        digit = text.rpartition("'")[2].lstrip("sbodhSBODH")
        if digit in ("0", "1"):
            return int(digit)
    return None


def _first_test(statement: ast.Statement | None) -> ast.Statement | None:
    """The first `if` in a block, or the statement itself."""
    while isinstance(statement, ast.BlockStatement):
        statement = statement.body
    if isinstance(statement, ast.StatementList):
        for inner in statement.list:
            if isinstance(inner, ast.ConditionalStatement):
                return inner
        return None
    return statement
