"""Are signals that somebody outside of a design writes to inputs of it, which it leaves alone? By the compiler's word.

Tests in a simulator can write to any signal of a design. One that is no input, or that the design drives as well, does
not keep what they write: a test that reads an input back, to compute what should come out, would be told by the design.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from basanite_sandboxes.icarus import Icarus, Stage
from basanite_services.verilog.messages import read_messages
from basanite_services.verilog.names import header_end, is_name, plain
from basanite_services.verilog.tokens import Token

_NO_PORT = re.compile(r"port ``(.+?)'' is not a port")
_DRIVEN = re.compile(r"input port (.+?) is coerced to inout")
_OUTPUT = re.compile(r"Port \d+ \((.+?)\) of .* is connected to")


def ports_of_other_names(tokens: Sequence[Token], top: str) -> list[Token]:
    """Where the header of the module `top` gives a port another name than that of its signal: `.a(b)`, or `.a(b[0])`.

    Whoever looks for `a` in the design then finds another signal of that name, if there is one.
    """
    found = []
    for position, token in enumerate(tokens[:-1]):
        if token.text not in ("module", "macromodule"):
            continue
        names = [
            one for one in tokens[position + 1 : position + 3] if one.text not in ("automatic", "static")
        ]
        if not names or plain(names[0]) != top:
            continue
        header = tokens[position : header_end(tokens, position)]
        for at, dot in enumerate(header[:-4]):
            if dot.text == "." and header[at + 2].text == "(":
                same = is_name(header[at + 3]) and plain(header[at + 3]) == plain(header[at + 1])
                if not same or header[at + 4].text != ")":
                    found.append(header[at + 1])
    return found


def check_stage(
    icarus: Icarus, top: str, parameters: Mapping[str, str], names: Sequence[str], module: str, file: str
) -> tuple[Stage, str]:
    """What to compile: a stage, and the text that stands before the design's in its one file.

    `module`: a name that no text of the design holds; its messages have that as their file.
    """
    given = ", ".join(f".{name}({value})" for name, value in sorted(parameters.items()))
    instance = f"  \\{top} {f'#({given}) ' if given else ''}"
    # An output takes no constant, and only what is connected to a wire is told to be driven.
    constants = ", ".join(f".\\{name} (1'b0)" for name in names)
    wires = ", ".join(f".\\{name} ({module}_{number})" for number, name in enumerate(names))
    lines = [
        f'`line 1 "{module}" 0',
        f"module {module};",
        *(f"  wire {module}_{number};" for number in range(len(names))),
        f"{instance}{module}_constants ({constants});",
        f"{instance}{module}_wires ({wires});",
        "endmodule\n",
    ]
    return icarus.compile([file], top=[module]), "\n".join(lines)


def faults_of(names: Sequence[str], stderr: bytes, module: str, *, compiled: bool) -> dict[str, str]:
    """What is wrong with each of these names; empty if all are inputs that are left alone."""
    faults: dict[str, str] = {}
    for message in read_messages(stderr, module):
        if message.file != module:
            continue
        if found := _NO_PORT.search(message.text):
            faults[found[1]] = "is no port"
        elif found := _OUTPUT.search(message.text):
            faults[found[1]] = "is an output"
        elif found := _DRIVEN.search(message.text):
            faults.setdefault(found[1], "is driven by the design itself")
    known = {name: faults[name] for name in names if name in faults}
    if not compiled and not known:
        return dict.fromkeys(names, "is no input of one or more bits")
    return known
