"""Are signals that somebody outside of a design writes to inputs of it, which it leaves alone? By the compiler's word.

Tests in a simulator can write to any signal of a design. One that is no input, or that the design drives as well, does
not keep what they write: a test that reads an input back, to compute what should come out, would be told by the design.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from basanite_sandboxes.icarus import Icarus, Stage
from basanite_services.verilog.messages import read_messages

_NO_PORT = re.compile(r"port ``(.+?)'' is not a port")
_DRIVEN = re.compile(r"input port (.+?) is coerced to inout")
_OUTPUT = re.compile(r"Port \d+ \((.+?)\) of .* is connected to")


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
    for message in read_messages(stderr):
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
