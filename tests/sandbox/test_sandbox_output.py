"""Standard input, output and error."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox_box import Box

from basanite_sandboxes.spec import Command, Ended, PythonCalls

MIB = 1 << 20
CALL = b'{"args": [], "kwargs": {}, "after": false}'


@pytest.mark.parametrize("size", [0, 1, 4096, 65535, 65536, 65537, 190_000, 1 * MIB, MIB + 1, 5 * MIB])
def test_outputs_of_any_size_arrive_on_both_pipes_at_once(box: Box, size: int) -> None:
    """The writer alternates, so a reader that waited for one of them would hang."""
    report = box.run(f"""
        import os
        out, err = memoryview(bytes(i * 7 & 255 for i in range(256)) * ({size} // 256 + 1))[:{size}], None
        err = out
        while out or err:
            out = out[os.write(1, out[:10_000]):] if out else out
            err = err[os.write(2, err[:30_000]):] if err else err
    """)
    expected = (bytes(i * 7 & 255 for i in range(256)) * (size // 256 + 1))[:size]
    assert report.ended is Ended.EXITED
    assert report.stdout == expected
    assert report.stderr == expected


def test_a_big_output_leaves_nothing_in_a_small_one(box: Box) -> None:
    for size in (3 * MIB, 10, 500_000, 5, 0):
        report = box.run(f"import sys\nsys.stdout.write('x' * {size}); sys.stderr.write('y' * {size})")
        assert (report.stdout, report.stderr) == (b"x" * size, b"y" * size)


@pytest.mark.parametrize("stream", [1, 2])
def test_output_over_the_cap(box: Box, stream: int) -> None:
    report = box.run(f"import os\nwhile True: os.write({stream}, bytes(60_000))", output_bytes=300_000)
    assert report.ended is Ended.OUTPUT_LIMIT
    assert len((report.stdout, report.stderr)[stream - 1]) == 300_000


def test_output_over_the_cap_by_a_short_program(box: Box) -> None:
    report = box.run("print('x' * 20)", output_bytes=10)
    assert (report.ended, report.stdout) == (Ended.OUTPUT_LIMIT, b"x" * 10)


def test_output_of_exactly_the_cap(box: Box) -> None:
    report = box.run("import os\nos.write(1, bytes(50_000))", output_bytes=50_000)
    assert (report.ended, len(report.stdout)) == (Ended.EXITED, 50_000)


def test_answers_over_the_cap(box: Box) -> None:
    report = box.run(
        PythonCalls(b"def f(): return 'x' * 100_000", "f", b"\n".join([CALL] * 50)), output_bytes=MIB
    )
    assert report.ended is Ended.OUTPUT_LIMIT
    assert len(report.answers) == MIB


def test_multi_megabyte_answers_arrive(box: Box) -> None:
    report = box.run(PythonCalls(b"def f(): return 'x' * 1_000_000", "f", b"\n".join([CALL] * 5)))
    assert report.ended is Ended.EXITED
    assert [json.loads(line) for line in report.answers.splitlines()] == [{"value": "x" * 1_000_000}] * 5


@pytest.mark.parametrize("size", [1, 65536, 8 * MIB])
def test_binary_standard_input_of_any_size(box: Box, size: int) -> None:
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    source = "import hashlib, sys\nprint(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"
    expected = hashlib.sha256(data).hexdigest() + "\n"
    assert box.out(source, stdin=data) == expected
    assert [report.stdout.decode() for report in box.cases(source, [data, b"", data])] == [
        *(expected, hashlib.sha256(b"").hexdigest() + "\n", expected)
    ]


def test_a_short_input_does_not_show_the_end_of_a_longer_one_before_it(box: Box) -> None:
    box.out("print(len(input()))", stdin=b"secret" * 1000)
    assert box.out("import sys\nprint(sys.stdin.read())", stdin=b"x") == "x\n"


@settings(max_examples=15, deadline=None, database=None)
@given(data=st.binary(max_size=2000))
def test_bytes_pass_unchanged(box: Box, data: bytes) -> None:
    report = box.run(Command(("/bin/cat",)), stdin=data)
    assert (report.ended, report.stdout) == (Ended.EXITED, data)


def test_reading_an_empty_input_ends_at_once(box: Box) -> None:
    report = box.run("input()")
    assert report.stderr.endswith(b"EOFError: EOF when reading a line\n")


def test_output_after_one_stream_was_closed_arrives(box: Box) -> None:
    report = box.run(
        "import os, time\nos.close(1)\ntime.sleep(0.05)\nfor _ in range(300): os.write(2, bytes(1000))"
    )
    assert (report.stdout, len(report.stderr)) == (b"", 300_000)


def test_output_written_before_being_killed_arrives(box: Box) -> None:
    report = box.run("import os, time\nos.write(1, b'first')\ntime.sleep(1000)", wall_seconds=0.2)
    assert (report.ended, report.stdout) == (Ended.WALL_LIMIT, b"first")


def test_reopened_pipes_and_packet_mode_do_no_harm(box: Box) -> None:
    """A candidate may reopen its pipe for reading, resize it, or switch its mode."""
    report = box.run("""
        import fcntl, os
        again = os.open("/proc/self/fd/1", os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(1, fcntl.F_SETFL, os.O_DIRECT | os.O_NONBLOCK)
        fcntl.fcntl(1, 1031, 4096)
        for _ in range(100):
            try: os.write(1, b"y" * 10)
            except BlockingIOError: os.read(again, 4096)
    """)
    assert report.ended is Ended.EXITED
    assert box.out("print('x' * 300_000)") == "x" * 300_000 + "\n"


def test_broken_pipes_end_native_programs_quietly(box: Box) -> None:
    """The interpreter ignores SIGPIPE; what it starts must not."""
    assert box.out(Command(("/bin/sh", "-c", "yes | head -n 1"))) == "y\n"
