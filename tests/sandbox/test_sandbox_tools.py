"""Tools of the system that Commands run: Icarus Verilog's stages on whatever text, warm where that can be, and cold.

Warm in the variants with the compiled agent, cold in the others: all must behave the same.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import open_box
from sandbox_box import VARIANTS, Box, LocalBox, limits_of, until
from sandbox_needs import unavailable

from basanite_sandboxes.icarus import DESIGN, Icarus, Stage, find_icarus
from basanite_sandboxes.process import procfs
from basanite_sandboxes.process.cell import Cell
from basanite_sandboxes.spec import (
    Command,
    Ended,
    Environment,
    Report,
    SandboxUnavailable,
    Tool,
    check_file_names,
)

QUICK = {"cpu_seconds": 1.0, "wall_seconds": 20.0}
"""Limits for what never ends."""
LIMITS = {Ended.CPU_LIMIT, Ended.MEMORY_LIMIT, Ended.OUTPUT_LIMIT}


@pytest.fixture(scope="module")
def icarus() -> Icarus:
    try:
        return find_icarus()
    except SandboxUnavailable as error:
        unavailable(str(error), tool="verilog")
        raise


@pytest.fixture(scope="module")
def warm_and_cold() -> Iterator[tuple[Box, Box]]:
    boxes = open_box(VARIANTS[0], Path()), open_box(VARIANTS[1], Path())
    yield boxes
    for box in boxes:
        box.close()


class Flow:
    """Stages in a box."""

    def __init__(self, box: Box, icarus: Icarus) -> None:
        self.box, self.icarus = box, icarus

    def run(self, stage: Stage, files: Mapping[str, bytes], **limits: Any) -> Report:
        environment = self.icarus.environment
        return self.box.run(stage.command, stdin=stage.stdin, files=files, environment=environment, **limits)

    def preprocess(self, text: str, **limits: Any) -> Report:
        return self.run(self.icarus.preprocess(["dut.v"]), {"dut.v": text.encode()}, **limits)

    def compile(self, text: str, **limits: Any) -> Report:
        return self.run(self.icarus.compile(["dut.v"]), {"dut.v": text.encode()}, **limits)

    def simulate(self, text: str, output: str = "", **limits: Any) -> Report:
        compiled = self.compile(text)
        assert (compiled.exit_status, compiled.stderr) == (0, b""), compiled
        return self.run(self.icarus.simulate(output=output), {DESIGN: compiled.answers}, **limits)

    def prints(self, statements: str) -> str:
        report = self.simulate(
            f"module t; integer f, n; reg [8191:0] s; initial begin {statements} end endmodule"
        )
        assert report.ended is Ended.EXITED, report
        return report.stdout.decode()

    def works(self) -> bool:
        return self.prints('$display("fine");') == "fine\n"


@pytest.fixture
def flow(box: Box, icarus: Icarus) -> Flow:
    return Flow(box, icarus)


@pytest.fixture
def local_flow(local_box: LocalBox, icarus: Icarus) -> Flow:
    return Flow(local_box, icarus)


def is_warm(box: Box) -> bool:
    return box.variant.library


# What stages are for ---------------------------------------------------------------------------------------


def test_a_design_goes_through_all_stages(flow: Flow, icarus: Icarus) -> None:
    sources = {
        "rtl/counter.v": b'`include "defs.vh"\nmodule counter(input clk, output reg [`WIDTH-1:0] q = `START);\n'
        b"always @(posedge clk) q <= q + 1; endmodule\n",
        "rtl/defs.vh": b"`define WIDTH 8\n",
    }
    text = flow.run(icarus.preprocess(["rtl/counter.v"], defines={"START": "40"}), sources)
    assert (text.ended, text.exit_status, text.stderr) == (Ended.EXITED, 0, b"")
    harness = """
        module tb; reg clk = 0; wire [7:0] q; integer f, n; counter dut(clk, q);
        initial begin
            f = $fopen("x7Qa"); n = 0;
            if ($value$plusargs("times=%d", n)) repeat (n) begin #1 clk = 1; #1 clk = 0; $fdisplay(f, "%0d", q); end
            $display("through"); $finish;
        end endmodule"""
    units = {"a.v": text.stdout, "b.v": harness.encode()}
    program = flow.run(icarus.compile(["a.v", "b.v"], top=["tb"]), units)
    assert (program.ended, program.exit_status, program.stdout, program.stderr) == (Ended.EXITED, 0, b"", b"")
    report = flow.run(icarus.simulate(output="x7Qa", plusargs=["times=2"]), {DESIGN: program.answers})
    assert (report.ended, report.exit_status, report.stderr) == (Ended.EXITED, 0, b"")
    assert report.stdout.startswith(b"through\n")
    assert report.answers == b"41\n42\n"


def test_units_share_no_directives(flow: Flow, icarus: Icarus) -> None:
    first = b"`timescale 1ns/1ps\n`default_nettype none\nmodule a; endmodule\n"
    second = b"module b; assign w = 1; initial $printtimescale(b); endmodule\n"
    program = flow.run(icarus.compile(["a.v", "b.v"]), {"a.v": first, "b.v": second})
    assert program.stderr == b""
    report = flow.run(icarus.simulate(), {DESIGN: program.answers})
    assert b"(b) is 1s / 1s" in report.stdout


def test_what_is_wrong_is_said_with_names_and_lines_of_the_text(flow: Flow, icarus: Icarus) -> None:
    report = flow.preprocess("module a;\n`ifdef X\nendmodule\n")
    assert b"dut.v:2: error: This `ifdef lacks an `endif." in report.stderr
    report = flow.compile('`line 7 "rtl/top.v" 0\nmodule a;\nwire w = ;\nendmodule\n')
    assert (report.ended, report.exit_status != 0) == (Ended.EXITED, True)
    assert b"rtl/top.v:8: syntax error" in report.stderr
    assert report.answers == b""


def test_files_are_where_their_names_say_and_cannot_be_written(box: Box) -> None:
    script = "cat rtl/a/b.v c.v; (echo x > c.v) 2>/dev/null || echo no; echo y > rtl/new && cat rtl/new"
    files = {"rtl/a/b.v": b"b\n", "c.v": b"c\n"}
    assert box.out(Command(("/bin/sh", "-c", script)), files=files) == "b\nc\nno\ny\n"


@pytest.mark.parametrize(
    "name",
    ["/a", "../a", "a/../../b", "a//b", "./a", "", "a/", "a\0b", "x" * 256, "x/" * 600 + "x", "\udc80"],
)
def test_a_name_that_is_none_is_an_error_of_ours(compiled_box: Box, name: str) -> None:
    with pytest.raises(ValueError, match=r"relative path|too long|surrogates"):
        compiled_box.run(Command(("/bin/true",)), files={name: b""})
    if name:
        with pytest.raises(ValueError, match=r"relative path|too long|surrogates"):
            compiled_box.run(Command(("/bin/true",), output=name))


def test_a_name_of_two_things_is_an_error_of_ours(compiled_box: Box) -> None:
    for names in (["a", "a/b"], ["a/b/c", "a/b"], ["x/y", "x/y"]):
        with pytest.raises(ValueError, match="two things"):
            check_file_names(names)
    check_file_names(["a/b", "a/c", "b", "ab", "ü/" + "x" * 255])
    with pytest.raises(ValueError, match="two things"):
        compiled_box.run(Command(("/bin/true",), output="a"), files={"a": b""})
    with pytest.raises(ValueError, match="null"):
        compiled_box.run(Command(("/bin/echo", "a\0b")))


def test_files_that_do_not_fit_are_said_so(warm_and_cold: tuple[Box, Box], icarus: Icarus) -> None:
    for box in warm_and_cold:
        for limit in ({"disk_bytes": 1 << 20}, {"file_bytes": 1 << 20}):
            report = Flow(box, icarus).preprocess("x" * (2 << 20), **limit)
            assert (report.ended, report.exit_status) == (Ended.EXITED, 125)
            assert re.fullmatch(rb"dut\.v: (No space left on device|File too large)\n", report.stderr)


def test_any_command_has_an_output(box: Box) -> None:
    report = box.run(Command(("/bin/sh", "-c", "echo a > result; echo b >> result; echo c"), output="result"))
    assert (report.stdout, report.answers) == (b"c\n", b"a\nb\n")
    report = box.run(Command(("/bin/sh", "-c", "test ! -e result")))
    assert (report.exit_status, report.answers) == (0, b"")


def test_large_texts_go_in_and_out_whole(flow: Flow, icarus: Icarus) -> None:
    text = b"module t; initial begin\n" + b'$display("%0d", 1);\n' * 50_000 + b"end endmodule\n"
    report = flow.run(icarus.preprocess(["dut.v"]), {"dut.v": text})
    assert report.stdout == b'`line 1 "dut.v" 0\n' + text
    program = flow.compile(text.decode())
    assert len(program.answers) > 1 << 20
    report = flow.run(icarus.simulate(), {DESIGN: program.answers})
    assert report.stdout == b"1\n" * 50_000


# Limits ----------------------------------------------------------------------------------------------------

BOMBS = {
    "endless constant function": """
        module t; function integer f(input integer n); begin f = n; while (1) f = f + 1; end endfunction
        localparam X = f(1); endmodule""",
    "generate": """
        module t; genvar i, j, k; generate for (i = 0; i < 1000; i = i + 1) for (j = 0; j < 1000; j = j + 1)
        for (k = 0; k < 1000; k = k + 1) begin : g wire w; assign w = i; end endgenerate endmodule""",
    "recursive instances": """
        module r #(parameter N = 40) (); generate if (N > 0) begin r #(N - 1) a(); r #(N - 1) b(); end endgenerate
        endmodule module t; r x(); endmodule""",
    "wide vectors": "module t; localparam W = 1 << 24; wire [W-1:0] a, b, c; assign a = {W{1'b1}} * b / c; endmodule",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_compile_bomb_ends_at_its_limit_or_is_refused(flow: Flow, text: str) -> None:
    report = flow.compile(text, memory_bytes=256 << 20, **QUICK)
    if report.ended is Ended.SIGNALED:  # without cgroups, where it was refused memory
        assert b"bad_alloc" in report.stderr
    elif report.ended not in LIMITS:  # its exit status may be 0
        assert (report.ended, report.answers, b"error: " in report.stderr) == (Ended.EXITED, b"", True), (
            report
        )
    assert flow.works()


def test_a_macro_bomb_ends_at_its_limit(flow: Flow) -> None:
    lines = ["`define A0 xxxxxxxxxxxxxxxx"]
    lines += [f"`define A{n + 1} `A{n} `A{n} `A{n} `A{n}" for n in range(30)]
    report = flow.preprocess("\n".join([*lines, "`A30\n"]), memory_bytes=256 << 20, **QUICK)
    assert report.ended in LIMITS
    report = flow.preprocess('`include "dut.v"\n', memory_bytes=256 << 20, **QUICK)
    assert report.ended is not Ended.CELL_LOST
    assert flow.works()


LOOPS = {
    "zero delay": "module t; reg x = 0; always @(x) x <= ~x; initial #1 x = 1; endmodule",
    "forever": "module t; integer x = 0; initial forever x = x + 1; endmodule",
    "in time": "module t; reg x = 0; always #1 x = ~x; endmodule",
    "gates": "module t; wire a; not #0 (a, a === 1'bx ? 1'b0 : a); endmodule",
}


@pytest.mark.parametrize("text", LOOPS.values(), ids=LOOPS)
def test_a_simulation_that_never_ends_is_stopped_at_its_limit(flow: Flow, text: str) -> None:
    report = flow.simulate(text, **QUICK)
    assert report.ended is Ended.CPU_LIMIT
    assert flow.works()


def test_a_flood_is_stopped_at_its_limit(flow: Flow) -> None:
    report = flow.simulate('module t; always #1 $display("flood"); endmodule', output_bytes=100_000)
    assert (report.ended, len(report.stdout)) == (Ended.OUTPUT_LIMIT, 100_000)
    text = 'module t; integer f; initial f = $fopen("out"); always #1 $fdisplay(f, "flood"); endmodule'
    report = flow.simulate(text, "out", output_bytes=100_000)
    assert (report.ended, len(report.answers)) == (Ended.OUTPUT_LIMIT, 100_000)
    assert flow.works()


def test_memory_of_a_simulation_has_a_limit(flow: Flow) -> None:
    text = "module t; reg [1023:0] m [0:4000000]; integer i; initial for (i = 0; i < 4000000; i = i + 1) m[i] = i;"
    report = flow.simulate(f"{text} endmodule", memory_bytes=64 << 20, **QUICK)
    assert report.ended in (Ended.MEMORY_LIMIT, Ended.SIGNALED, Ended.EXITED)
    assert (report.ended, report.exit_status) != (Ended.EXITED, 0)
    assert flow.works()


# What a simulation may see ---------------------------------------------------------------------------------


def read(path: str) -> str:
    """Statements that print whether a file can be opened, and what is in it."""
    return f"""
        f = $fopen("{path}", "r"); if (f == 0) $display("nothing");
        else begin n = 1; while (n != 0) begin n = $fgets(s, f); if (n != 0) $write("%0s", s); end $fclose(f); end"""


def test_a_simulation_sees_no_file_of_the_host(flow: Flow) -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        secret = Path(directory, "golden.hex")
        secret.write_text("2a\n")
        secret.chmod(0o644)
        for path in (secret, Path(__file__).resolve(), "/etc/shadow", "/etc/hostname", "/etc/group-"):
            assert flow.prints(read(str(path))) == "nothing\n"
        printed = flow.prints(
            f'begin : b reg [7:0] m [0:0]; $readmemh("{secret}", m); $display("value %h", m[0]); end'
        )
        assert printed.endswith("value xx\n")
        for path in (secret, f"{directory}/new", "/usr/lib/new", "/dev/new", "/new"):
            assert flow.prints(f'f = $fopen("{path}", "w"); $display("%0d", f);') == "0\n"
        assert secret.read_text() == "2a\n"
        assert os.listdir(directory) == ["golden.hex"]
    assert flow.prints(read("/etc/passwd")).startswith("root:x:0:0:root:/tmp:/bin/sh\n")


def test_the_next_run_sees_nothing_of_the_last(flow: Flow) -> None:
    leave = 'f = $fopen("left", "w"); $fdisplay(f, "secret"); $fflush(f);'
    assert flow.prints(f"{leave} {read('left')}") == "secret\n"
    assert flow.prints(read("left")) == "nothing\n"
    assert flow.prints(read("dut.v")) == "nothing\n"
    assert flow.works()


@pytest.mark.parametrize("what", ["status", "limits", "environ", "mountinfo", "cgroup", "oom_score_adj"])
def test_a_warm_tool_is_isolated_as_a_cold_one(
    warm_and_cold: tuple[Box, Box], icarus: Icarus, what: str
) -> None:
    """As a simulation reads it in its /proc."""
    changing = re.compile(
        r"^(Vm|Rss|Hugetlb|voluntary|nonvoluntary|Threads|Cpus_|Mems_|[A-Za-z_]*[Pp]id|Ngid)"
    )
    texts = []
    for box in warm_and_cold:
        lines = Flow(box, icarus).prints(read(f"/proc/self/{what}")).splitlines()
        if what in ("mountinfo", "cgroup"):  # without numbers of devices, mounts, users and cells
            lines = [re.sub(r"^[\d: ]+|uid=\d+|gid=\d+|-\d+-\d+", "", line) for line in lines]
        texts.append([line for line in lines if not changing.match(line)])
    assert texts[0] == texts[1]
    if what == "status":
        status = dict(line.split(":\t", 1) for line in texts[0])
        assert {status[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_a_warm_tool_holds_no_more_descriptors_than_a_cold_one(
    warm_and_cold: tuple[Box, Box], icarus: Icarus
) -> None:
    text = "".join(
        f'f = $fopen("/proc/self/fd/{number}", "r"); $display("{number} %0d", f != 0); if (f) $fclose(f);'
        for number in range(40)
        if number > 2
    )
    for box in warm_and_cold:
        lines = Flow(box, icarus).prints(text).split("\n")[:-1]
        open_ = [line.split()[0] for line in lines if line.endswith(" 1")]
        assert open_ == []


def test_messages_name_no_place_of_this_machine(flow: Flow, icarus: Icarus) -> None:
    """Nor of the cell, but for a path that the text itself has."""
    said = [
        flow.preprocess(text)
        for text in (
            '`include "missing.vh"\n',
            "`ifdef A\n",
            "`undefined\n",
            "`define f(x) x\n`f(\n",
            '`include "x.vhd"\n',
            "`endif\n",
            '`include "/"\n',
        )
    ]
    said += [
        flow.compile(text)
        for text in (
            "module t; missing m(); endmodule",
            "module t; endmodule module t; endmodule",
            "bind",
            "\x00\xff",
            '`include "x"\n',
            "module t; initial $nothing_known(); wire w = $nothing_known_function(); endmodule",
            "module t; wire [3:0] a; assign a[7] = b; endmodule",
            "module t; initial $fatal; if (1) $error; endmodule",
            "`timescale 7ns/1ps\nmodule t; endmodule",
            "",
        )
    ]
    said += [
        flow.simulate(text)
        for text in (
            "module t; initial $nothing_known(); endmodule",
            'module t; initial $fatal(1, "x"); endmodule',
            "module t; initial $stop; endmodule",
            'module t; reg [7:0] m [0:1]; initial $readmemh("missing", m); endmodule',
            'module t; initial $dumpfile("no/where"); initial $dumpvars; endmodule',
            'module t; initial $fclose(77); initial $fdisplay(77, "x"); endmodule',
        )
    ]
    said.append(flow.run(icarus.simulate(), {DESIGN: b"rubbish\n"}))
    said.append(flow.run(icarus.simulate(), {}))
    for report in said:
        assert report.ended is Ended.EXITED, report
        assert not re.search(
            rb"/(usr|lib|tmp|proc|dev|etc|basanite|home|root|work)\b", report.stdout + report.stderr
        )


# Warm tools ------------------------------------------------------------------------------------------------

DESIGNS = {
    "honest": 'module t; initial begin $display("%0d", $random); $finish; end endmodule',
    "fatal": "module t; initial $fatal(0); endmodule",
    "finish in the middle": 'module t; initial #5 $finish(0); always #1 $display("%0t", $time); endmodule',
    "syntax error": "module t; initial begin endmodule",
    "wrong": "module t; initial x = 1; endmodule",
    "two tops": "module a; initial $display(1); endmodule module b; initial $display(2); endmodule",
    "real": 'module t; real r; initial begin r = $ln(2.0) ** 0.5; $display("%f %e", r, $sqrt(r)); end endmodule',
    "files": 'module t; integer f; initial begin f = $fopen("o"); $fdisplay(f, "%m"); $fdisplay(1, "x"); end endmodule',
    "dump": 'module t; reg a = 0; initial begin $dumpfile("o"); $dumpvars; #1 a = 1; #1 $finish; end endmodule',
    "crash": "module t; wire [1:0] a; assign a = $clog2; endmodule",
}


def outcome(report: Report) -> tuple[Any, ...]:
    answers = re.sub(rb"0x[0-9a-f]+|date.*?\$end", b"", report.answers, flags=re.DOTALL)
    return report.ended, report.exit_status, report.signal, report.stdout, report.stderr, answers


@pytest.mark.parametrize("text", DESIGNS.values(), ids=DESIGNS)
def test_a_design_comes_out_the_same_warm_and_cold(
    warm_and_cold: tuple[Box, Box], icarus: Icarus, text: str
) -> None:
    found = []
    for box in warm_and_cold:
        flow = Flow(box, icarus)
        reports = [flow.preprocess(text), flow.compile(text)]
        if reports[1].exit_status == 0:
            files = {DESIGN: reports[1].answers}
            reports.append(flow.run(icarus.simulate(output="o"), files, file_bytes=1 << 20))
        # Addresses, which name things in compiled programs, differ from start to start.
        found.append([outcome(report) for report in reports])
    assert found[0] == found[1]


async def borrowed(box: LocalBox, environment: Environment) -> Cell:
    """A cell of the pool with this environment, idle."""
    async with box.pool.sandbox(environment) as sandbox:
        await sandbox.run(Command(("/bin/true",)), limits_of())
    return next(cell for cell in box.pool._idle if cell.environment == environment)


def test_the_tools_of_an_environment_are_warm_where_they_can_be(local_box: LocalBox, icarus: Icarus) -> None:
    cell = local_box.do(borrowed(local_box, icarus.environment))
    paths = tuple(tool.path for tool in icarus.environment.tools)
    assert cell.warm_tools == (paths if is_warm(local_box) else ())


def test_a_tool_of_another_kind_runs_cold(compiled_box: LocalBox, compiled: Callable[[str], bytes]) -> None:
    """Statically linked, a script, or without one of its libraries."""
    source = 'main(int n, char **a) { puts("static"); return n; }'
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:  # a run's own /tmp hides the host's
        Path(directory).chmod(0o755)
        script, static = Path(directory, "script"), Path(directory, "static")
        script.write_text("#!/bin/bash\necho script; exit $#\n")
        static.write_bytes(compiled(source))
        script.chmod(0o755), static.chmod(0o755)
        environment = Environment(
            tools=(
                Tool(str(script)),
                Tool(str(static)),
                Tool("/bin/echo", loads=("/usr/lib/missing.so",)),
                Tool("/bin/cat"),
            )
        )

        def run(*argv: str, **more: Any) -> Report:
            return compiled_box.run(Command(argv), environment=environment, **more)

        report = run(str(script), "a")
        assert (report.stdout, report.exit_status) == (b"script\n", 1)
        report = run(str(static), "a")
        assert (report.stdout, report.exit_status) == (b"static\n", 2)
        assert run("/bin/echo", "a").stdout == b"a\n"
        assert run("/bin/cat", "-", "b", stdin=b"a", files={"b": b"c"}).stdout == b"ac"
        cell = compiled_box.do(borrowed(compiled_box, environment))
        assert cell.warm_tools == ("/bin/cat",)


def servers(cell: Cell) -> list[int]:
    """Process ids of the cell's warm tools, in the order of the environment."""
    found = {}
    for pid in procfs.descendants(cell.processes.pid):
        found[os.readlink(f"/proc/{pid}/exe")] = pid
    return [found[os.path.realpath(path)] for path in cell.warm_tools]


def test_a_warm_tool_that_is_killed_while_idle_is_replaced(local_flow: Flow, local_box: LocalBox) -> None:
    for _ in range(3):
        cell = local_box.do(borrowed(local_box, local_flow.icarus.environment))
        for pid in servers(cell)[1:2]:
            os.kill(pid, signal.SIGKILL)
            local_box.do(until(lambda cell=cell: len(cell.warm_tools) == 2))
            assert local_flow.works()  # cold
            assert not cell.alive
        assert local_flow.works()


def test_a_warm_tool_that_is_killed_when_it_is_asked_is_replaced(
    local_flow: Flow, local_box: LocalBox
) -> None:
    for _ in range(6):
        cell = local_box.do(borrowed(local_box, local_flow.icarus.environment))
        for pid in servers(cell)[1:2]:
            os.kill(pid, signal.SIGKILL)
        assert local_flow.compile("module t; endmodule").exit_status == 0


@pytest.mark.parametrize("victim", ["run", "tool", "cell"])
def test_a_tool_killed_from_outside_is_run_again(
    local_flow: Flow, local_box: LocalBox, icarus: Icarus, victim: str
) -> None:
    """More often than a run is believed to have done it itself, where that cannot be."""
    kills = 1 if local_box.variant.isolation == "reduced" else 3
    text = 'module t; integer i; initial begin for (i = 0; i < 1000000; i = i + 1); $display("done"); end endmodule'
    program = local_flow.compile(text).answers
    seen: set[int] = set()

    def new_run() -> tuple[Cell, int] | None:
        for cell in local_box.pool._busy:
            for pid in cell.processes.of_run(prepared=False) if cell.alive else ():
                if pid not in seen:
                    return cell, pid
        return None

    async def attack() -> Report:
        async with local_box.pool.sandbox(icarus.environment) as sandbox:
            run = asyncio.create_task(
                sandbox.run(icarus.simulate().command, limits_of(), files={DESIGN: program})
            )
            for _ in range(kills):
                cell, pid = await until(new_run)
                seen.add(pid)
                killed = {"run": [pid], "tool": servers(cell)[2:], "cell": [cell.processes.pid]}[victim]
                for target in killed:
                    os.kill(target, signal.SIGKILL)
                if not killed:  # there are no warm ones
                    break
            return await run

    report = local_box.do(attack())
    assert (report.ended, report.stdout) == (Ended.EXITED, b"done\n")


def test_runs_of_tools_leave_no_descriptors_behind(
    local_flow: Flow, local_box: LocalBox, icarus: Icarus
) -> None:
    def count() -> list[int]:
        cell = local_box.do(borrowed(local_box, icarus.environment))
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (os.getpid(), *servers(cell))]

    assert local_flow.works()
    before = count()
    for _ in range(5):
        local_flow.simulate("module t; always #1 $display(1); endmodule", output_bytes=9)
        local_flow.compile("module")
        local_flow.preprocess("`endif")
    assert count() == before


def test_a_tool_is_the_first_process_that_it_can_name(flow: Flow) -> None:
    assert flow.prints(read("/proc/1/comm")) in ("vvp\n", "nothing\n")


def test_the_bare_driver_says_the_same(flow: Flow, icarus: Icarus, tmp_path: Path) -> None:
    """What we leave out of the driver's work makes no difference to what is printed."""
    for text in DESIGNS.values():
        (tmp_path / "dut.v").write_text(text)
        bare = subprocess.run(
            ["iverilog", "-g2012", "-o", "x", "dut.v"], cwd=tmp_path, capture_output=True, check=False
        )
        ours = flow.preprocess(text)
        compiled = flow.compile(ours.stdout.decode())
        assert (compiled.exit_status == 0) == (bare.returncode == 0)
        assert ours.stderr + compiled.stdout + compiled.stderr == bare.stdout + bare.stderr
        if bare.returncode == 0:
            bare = subprocess.run(["vvp", "-n", "x"], cwd=tmp_path, capture_output=True, check=False)
            report = flow.run(icarus.simulate(), {DESIGN: compiled.answers})
            assert (report.exit_status, report.stdout) == (bare.returncode, bare.stdout)
