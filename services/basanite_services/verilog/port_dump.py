"""The ports of a design in a testbench, as a value change dump: what is added to a compiled program, and what is left
of the dump.

The program stays as it is but for one more process, which starts last, and for the testbench's own dumps, which are
taken out: of two dumps in one simulation the simulator writes one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from basanite_services.verilog.vcd import MAX_BYTES

_SCOPE = re.compile(r'(S_\S+) \.scope \w+, "(?:[^"\\]|\\.)*"(?: "((?:[^"\\]|\\.)*)")?')
_PORT = re.compile(r'\s+\.port_info \d+ /\w+ +\d+ "((?:[^"\\]|\\.)*)"')
_SIGNAL = re.compile(r'(v\S+) \.(?:net|var)\S* "((?:[^"\\]|\\.)*)"')
_DUMPS = re.compile(
    rb'^ +%vpi_call\S* \d+ \d+ "\$dump\w+"[^\n]*\{(?P<vec4>\d+) (?P<real>\d+) (?P<str>\d+)\};$', re.MULTILINE
)
_PROCESSES = b"\n    .scope S_"
_FILES = b"\n# The file index"
_HEADER_END = "$enddefinitions $end\n"


def with_dump(program: bytes, top: str, file: str) -> bytes | None:
    """The program that also dumps the ports of all instances of the module `top` to a file; None if there are none.

    `program`: as `ivl` puts it out.
    """
    definitions, between, rest = program.partition(_PROCESSES)
    processes, end, files = rest.partition(_FILES)
    scope, signals = _ports_in(definitions.decode(errors="replace"), top)
    if not signals:
        return None
    process = f"""
    .scope {scope};
T_dump ;
    %vpi_call/w 0 0 "$dumpfile", "{file}" {{0 0 0}};
    %vpi_call/w 0 0 "$dumpvars", 32'sb0, {", ".join(signals)} {{0 0 0}};
    %end;
    .thread T_dump;"""
    return b"".join((definitions, between, _DUMPS.sub(_popped, processes), process.encode(), end, files))


def _popped(call: re.Match[bytes]) -> bytes:
    """What is left of a call: its arguments may lie on stacks."""
    lines = (f"    %pop/{stack} {int(count)};" for stack, count in call.groupdict().items() if int(count))
    return "\n".join(lines).encode()


def _ports_in(definitions: str, top: str) -> tuple[str, list[str]]:
    """-> some scope, and the labels of the ports in the scopes of the module"""
    some_scope = ""
    inside = False
    ports: set[str] = set()
    signals: list[str] = []
    for line in definitions.splitlines():
        if found := _SCOPE.match(line):
            some_scope = some_scope or found[1]
            inside, ports = found[2] == top, set()
        elif inside and (found := _PORT.match(line)):
            ports.add(found[1])
        elif inside and (found := _SIGNAL.match(line)) and found[2] in ports:
            signals.append(found[1])
    return some_scope, signals


def ports_alone(dump: bytes, top: str, original: Callable[[str], str], *, whole: bool) -> str:
    """What of a dump tells nothing but ports, at most MAX_BYTES of it, up to the end of a moment.

    One instance is the scope `top`, the next one `top_2`, and so on: where they stand is the testbench's. `original`:
    from a port's name to the one that the design's text has. `whole`: the dump did not end early. Empty if there is no
    room for a moment.
    """
    header, end, body = dump[: 2 * MAX_BYTES].decode(errors="replace").partition(_HEADER_END)
    if not end:
        return ""
    text = "\n".join([*_header(header, top, original), _HEADER_END])
    room = MAX_BYTES - len(text.encode())
    if not whole or len(body.encode()) > room or len(dump) > 2 * MAX_BYTES:
        # The time is written before what changes then: a moment is whole once the next one begins.
        body = body[: max(room, 0)]
        body = body[: body.rfind("\n#") + 1]
    return text + body if body else ""


def _header(header: str, top: str, original: Callable[[str], str]) -> Iterator[str]:
    words = header.split()
    yield f"$timescale {words[words.index('$timescale') + 1]} $end"
    path: tuple[str, ...] = ()
    scopes: dict[tuple[str, ...], list[str]] = {}
    for line in header.splitlines():
        match line.split():
            case ["$scope", _, name, "$end"]:
                path = (*path, name)
            case ["$upscope", "$end"]:
                path = path[:-1]
            case ["$var", kind, width, code, name, *bits]:
                scopes.setdefault(path, []).append(
                    " ".join(["$var", kind, width, code, original(name), *bits])
                )
    for number, signals in enumerate(scopes.values(), 1):
        yield f"$scope module {top if number == 1 else f'{top}_{number}'} $end"
        yield from signals
        yield "$upscope $end"
