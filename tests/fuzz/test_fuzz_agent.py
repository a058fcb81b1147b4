"""What the agent of a cell may say, sane or not: a report, CellLost or SandboxError comes of it, and never a hang."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import Any
from unittest import mock

from fuzzing import fuzz, mutated
from hypothesis import given
from hypothesis import strategies as st
from targets import read_reply

from basanite_sandboxes.guest import wire
from basanite_sandboxes.process.cell import Cell, CellLost
from basanite_sandboxes.process.files import CellFiles
from basanite_sandboxes.process.processes import Launch, Processes
from basanite_sandboxes.spec import (
    Ended,
    Environment,
    Limits,
    PythonCalls,
    PythonProgram,
    Rejection,
    Report,
    SandboxError,
)
from basanite_services.code.outcome import case_result, diagnostics_of, outcome_of

LIMITS = Limits(output_bytes=1000)
IMPATIENT = Limits(output_bytes=1000, wall_seconds=0.05)
DETAIL = b'{"message": "SyntaxError: \\ud800", "line": 1, "column": 2}'
OUTPUT = b"some output"

statuses = st.sampled_from(
    (0, 1 << 8, 255 << 8, signal.SIGKILL, signal.SIGSYS, signal.SIGSEGV | 0x80, 0x7F, 0xFFFF)
)
wild = st.sampled_from((1, -1, 127, 1 << 16, 1 << 31, 1 << 52, (1 << 63) - 1, -(1 << 63))) | st.integers(
    -300, 300
)


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    """A packet of the right length, most of which makes sense."""
    stages = (0, 0, 1, 17, wire.ISOLATED, wire.ISOLATED, wire.ISOLATED, wire.REJECTED, wire.OPENED)
    fields = [draw(statuses), draw(st.sampled_from((0, 0, 11))), draw(st.sampled_from(stages))]
    fields += [
        draw(st.integers(0, 3)),
        1000,
        2000,
        9000,
        *(draw(st.sampled_from((0, 4, len(OUTPUT)))) for _ in "123"),
    ]
    for _ in range(draw(st.sampled_from((0, 0, 1, 2)))):
        fields[draw(st.integers(0, 9))] = draw(wild)
    return wire.REPLY.pack(*fields[:2], *(field % (1 << 64) for field in fields[2:]))


@st.composite
def details(draw: st.DrawFn) -> bytes:
    """What stands in the memory file of the stage."""
    detail = draw(
        st.just(DETAIL) | mutated(st.just(DETAIL), (b"null", b"1e999", b"[", b"-1", b"9" * 20, b"NaN"))
    )
    length = draw(st.just(len(detail)) | wild)
    return wire.STAGE.pack(wire.REJECTED, 0, length) + detail


packets = replies() | mutated(replies(), (b"\xff" * 8, b"\x00" * 8)) | st.binary(min_size=1, max_size=100)


class Agent(Processes):
    """Says what the script has, a list of packets for each request, and then is gone."""

    def __init__(self, first: bytes, script: list[list[bytes]], detail: bytes) -> None:
        super().__init__(Environment(), (b"", b""))
        self._first = first
        self._script = script
        self._detail = detail

    def start(self, files: CellFiles, far: socket.socket, tools: Mapping[str, socket.socket]) -> None:
        os.pwrite(files.stage, self._detail, 0)
        self._outputs = files.outputs
        self.pidfd, self._death = os.pipe()
        self._sock = far.dup()
        self._sock.setblocking(False)
        self._sock.send(self._first)
        asyncio.get_running_loop().add_reader(self._sock, self._on_request)

    def _on_request(self) -> None:
        with contextlib.suppress(OSError):
            if self._sock.recv(4096) and self._script:
                for output in self._outputs:
                    os.pwrite(output, OUTPUT, 0)
                for packet in self._script.pop(0):
                    self._sock.send(packet)
                return
        self._leave()

    def _leave(self) -> None:
        if self._sock.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()

    def _launch(self, numbers: Sequence[str], tools: str) -> Launch:
        raise NotImplementedError

    def run_ended(self, *, left_files: bool) -> None: ...

    def started(self) -> list[int]:
        return []

    def of_run(self, *, prepared: bool) -> list[int]:
        return []

    def last_words(self) -> str:
        return "nothing"

    def close_words(self) -> None: ...

    def kill(self) -> None:
        self._leave()
        if self._death >= 0:
            os.close(self._death)
            self._death = -1

    def reap(self) -> None:
        os.close(self.pidfd)


async def _use(agent: Agent, uses: list[str], limits: Limits = LIMITS) -> list[Any]:
    """-> what came of each use, an exception for the last of them perhaps"""
    loop = asyncio.get_running_loop()
    complaints: list[Any] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    cell = Cell(agent, None)
    watching = asyncio.create_task(_watch(cell))
    outcomes: list[Any] = []
    try:
        async with asyncio.timeout(30):
            await cell.start()
            for use in uses:
                outcomes += await _use_once(cell, use, limits)
    except (CellLost, SandboxError) as error:
        outcomes.append(error)
        is_lost = isinstance(error, CellLost)
        assert not (is_lost and cell.reusable)
    finally:
        watching.cancel()
        await asyncio.wait_for(cell.close(), 30)
    assert not complaints
    return outcomes


async def _watch(cell: Cell) -> None:
    """As the pool does, more often."""
    while True:
        cell.look()
        await asyncio.sleep(0.01)


async def _use_once(cell: Cell, use: str, limits: Limits) -> list[Any]:
    alone = lambda moment: True  # noqa: E731
    if use == "run":
        return [await cell.run(PythonProgram(b"1"), limits, alone, stdin=b"x")]
    if use == "calls":
        return [await cell.run(PythonCalls(b"1", "f", b"{}"), limits, alone)]
    rejection = await cell.open(PythonProgram(b"1"), limits, alone)
    if rejection is not None:
        return [rejection]
    reports = [await cell.run_case(limits, alone, stdin) for stdin in (b"1", b"2")]
    await cell.close_program()
    return reports


@fuzz(200)
@given(
    st.just(wire.REPLY.pack(*[0] * 10)) | packets,
    st.lists(
        st.lists(packets, min_size=1, max_size=2) | st.lists(replies(), min_size=1, max_size=1), max_size=6
    ),
    details(),
    st.lists(st.sampled_from(("run", "calls", "cases")), min_size=1, max_size=3),
)
def test_whatever_an_agent_says_comes_to_a_report_or_to_a_lost_cell(
    first: bytes, script: list[list[bytes]], detail: bytes, uses: list[str]
) -> None:
    before = _memory_files()
    with mock.patch("basanite_sandboxes.process.cell.CLOSE_SECONDS", 0.05):
        outcomes = asyncio.run(_use(Agent(first, script, detail), uses, IMPATIENT))
    for outcome in outcomes:
        if isinstance(outcome, Report):
            _check(outcome)
        elif isinstance(outcome, Rejection):
            _check(Report(Ended.REJECTED, None, None, b"", b"", b"", 0.0, 0.0, 0, outcome))
    assert _memory_files() == before


def _memory_files() -> int:
    """How many this process holds. Other descriptors may come and go with the threads of other tests."""
    count = 0
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{fd}").startswith("/memfd:")
    return count


def _check(report: Report) -> None:
    """It can become a result."""
    if report.ended not in (Ended.STARVED, Ended.DISMISSED):
        case_result(report, outcome_of(report), 1).SerializeToString()
    for diagnostic in diagnostics_of(report):
        diagnostic.SerializeToString()
    assert {len(data) for data in (report.stdout, report.stderr, report.answers)} <= {0, 4, len(OUTPUT)}


def test_a_sane_agent_is_understood() -> None:
    def reply(stage: int, *lengths: int) -> bytes:
        return wire.REPLY.pack(0, 0, stage, 0, 1000, 2000, 9000, *(lengths or (0, 0, 0)))

    ready, gone = reply(0), reply(0)
    ran = [reply(wire.ISOLATED, len(OUTPUT), 0, 4)]
    script = [ran, [reply(wire.OPENED)], ran, ran, [gone], [reply(wire.REJECTED), gone], ran]
    detail = wire.STAGE.pack(wire.REJECTED, 0, len(DETAIL)) + DETAIL
    outcomes = asyncio.run(_use(Agent(ready, script, detail), ["run", "cases", "cases", "calls"]))
    assert [getattr(outcome, "stdout", None) for outcome in outcomes] == [
        OUTPUT,
        OUTPUT,
        OUTPUT,
        None,
        OUTPUT,
    ]
    assert outcomes[3] == Rejection("SyntaxError: ?", 1, 2)
    assert outcomes[4].answers == OUTPUT[:4]


def test_a_program_that_could_not_be_prepared_is_no_fault_of_its_source() -> None:
    failed = wire.REPLY.pack(0, 11, *[0] * 8)  # the agent could not make a process
    (error,) = asyncio.run(_use(Agent(wire.REPLY.pack(*[0] * 10), [[failed]], b""), ["cases"]))
    assert isinstance(error, SandboxError)
    assert "could not be prepared" in str(error)


def test_replies_that_nobody_asked_for_end_the_cell() -> None:
    ready = wire.REPLY.pack(*[0] * 10)
    ran = wire.REPLY.pack(0, 0, wire.ISOLATED, *[0] * 7)
    for script in ([[ran, ran], [ran]], [[ran] * 50, [ran]]):
        outcomes = asyncio.run(_use(Agent(ready, script, b""), ["run", "run"]))
        assert isinstance(outcomes[-1], CellLost)


def test_an_agent_that_does_not_close_a_program_loses_its_cell() -> None:
    ready, ran = wire.REPLY.pack(*[0] * 10), wire.REPLY.pack(0, 0, wire.ISOLATED, *[0] * 7)
    opened = wire.REPLY.pack(0, 0, wire.OPENED, *[0] * 7)
    with mock.patch("basanite_sandboxes.process.cell.CLOSE_SECONDS", 0.05):
        outcomes = asyncio.run(_use(Agent(ready, [[opened], [ran], [ran], []], b""), ["cases"]))
    assert isinstance(outcomes[-1], CellLost)


def test_output_that_is_not_there_is_not_taken_for_less_output() -> None:
    ready = wire.REPLY.pack(*[0] * 10)
    ran = wire.REPLY.pack(0, 0, wire.ISOLATED, *[0] * 4, len(OUTPUT) + 1, 0, 0)
    (error,) = asyncio.run(_use(Agent(ready, [[ran]], b""), ["run"]))
    assert isinstance(error, CellLost)


@fuzz(400)
@given(packets | details() | mutated(details(), (b"\xff" * 8, b'"', b"{")))
def test_a_packet_is_a_reply_or_garbled(packet: bytes) -> None:
    read_reply(packet)
