"""Designs that do nothing of what was asked for, with the ports of one that does. A check that one of them passes
checks nothing, or next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from basanite.verilog._modules import Module, modules_of, port_declarations
from basanite.verilog._tokens import CLOSING, OPENING, Token

_CONSTANTS: Final = {"zeros": "0", "ones": "~1'b0", "unknown": "'bx"}
"""What all outputs are, at any width."""
_MAX_PASSTHROUGHS: Final = 4
_VARIABLES: Final = frozenset(("reg", "logic", "bit", "var"))
_KEPT: Final = {"parameter": ";", "localparam": ";", "typedef": ";", "function": "endfunction"}
"""What a body declares for its ports, and where that ends."""


@dataclass(frozen=True, slots=True)
class Stub:
    name: str
    """"zeros", "ones", "unknown" (x), "undriven" (z), or "passthrough PORT": all outputs are that input."""
    text: str

    @property
    def is_constant(self) -> bool:
        return not self.name.startswith("passthrough")


def stubs(text: str, top: str) -> Iterator[Stub]:
    """A text with the module `top` made a stub. None if it is not there, or has no outputs."""
    module = next((module for module in modules_of(text) if module.name == top), None)
    outputs = module.names("output") if module is not None else []
    if module is None or not outputs:
        return
    for name, value in _CONSTANTS.items():
        yield Stub(name, _stub(text, module, [f"assign {port} = {value};" for port in outputs]))
    yield Stub("undriven", _stub(text, module, []))
    for source in module.names("input")[-_MAX_PASSTHROUGHS:]:  # clock and reset come first, mostly
        assigned = [f"assign {port} = {source};" for port in outputs]
        yield Stub(f"passthrough {source}", _stub(text, module, assigned))


def _stub(text: str, module: Module, assigned: list[str]) -> str:
    tokens = module.tokens
    header = _as_nets(text, tokens[: module.body])
    declared = [
        _as_nets(text, tokens[first:last]) + ";" for first, last in port_declarations(tokens, module.body)
    ]
    body = "\n  ".join(["", *_kept(text, module), *declared, *assigned])
    return f"{text[: tokens[0].start]}{header}{body}\nendmodule{text[tokens[-1].end :]}"


def _as_nets(text: str, tokens: list[Token]) -> str:
    """Declarations of ports with variables and initial values made nets, which an `assign` can drive."""
    written = []
    in_parameters = in_output = False
    depth = 0
    left_out: int | None = None
    """Depth of the brackets in which an initial value is left out."""
    for index, token in enumerate(tokens):
        word = token.text
        if word in OPENING:
            depth += 1
            in_parameters |= depth == 1 and tokens[index - 1].text == "#"
        elif word in CLOSING:
            depth -= 1
            in_parameters &= depth > 0
        elif word in ("input", "output", "inout"):
            in_output = word == "output"
        if left_out is not None and (depth < left_out or (depth == left_out and word in (",", ";"))):
            left_out = None
        if in_output and not in_parameters:
            if left_out is None and word == "=":
                left_out = depth
            if left_out is not None or word in _VARIABLES:
                continue
        apart = index and tokens[index - 1].end < token.start
        written.append(f" {word}" if apart else word)
    return "".join(written)


def _kept(text: str, module: Module) -> Iterator[str]:
    tokens = module.tokens
    index = module.body
    while index < len(tokens):
        last = _KEPT.get(tokens[index].text)
        if last is not None:
            start = index
            depth = 0
            while index < len(tokens) - 1 and (depth or tokens[index].text != last):
                depth += (tokens[index].text in OPENING) - (tokens[index].text in CLOSING)
                index += 1
            yield text[tokens[start].start : tokens[index].end]
        index += 1
