"""Two runs, each in a sandbox of its own, joined by two pipes and nothing else."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from sandbox_box import STANDARD, LocalBox, limits_of, python

from basanite_sandboxes.spec import Ended, Report

ECHO = """
import os
while line := os.read(6, 65536):
    os.write(7, line.upper())
"""
ASK = """
import os
os.write(7, b"question\\n")
print(os.read(6, 65536).decode(), end="")
"""


def pair(box: LocalBox, candidate: str, tests: str, **limits: Any) -> tuple[Report, Report]:
    async def run() -> tuple[Report, Report]:
        async with box.pool.sandbox(STANDARD) as sandbox:
            return await sandbox.run_pair(python(candidate), limits_of(**limits), python(tests), limits_of())

    return box.do(run())


def test_what_one_writes_the_other_reads(local_box: LocalBox) -> None:
    candidate, tests = pair(local_box, ECHO, ASK)
    assert (tests.ended, tests.stdout, tests.stderr) == (Ended.EXITED, b"QUESTION\n", b"")
    assert candidate.stderr == b""


def test_the_end_of_the_tests_ends_the_candidate(local_box: LocalBox) -> None:
    candidate, tests = pair(local_box, "import time; time.sleep(1000)", "print('done')")
    assert (candidate.ended, tests.stdout) == (Ended.DISMISSED, b"done\n")


def test_the_end_of_the_candidate_is_heard_by_the_tests(local_box: LocalBox) -> None:
    candidate, tests = pair(local_box, "import os; os._exit(3)", "import os; print(os.read(6, 1))")
    assert (candidate.exit_status, tests.stdout) == (3, b"b''\n")


def test_each_has_limits_of_its_own(local_box: LocalBox) -> None:
    candidate, tests = pair(local_box, "while True: pass", "import os; print(os.read(6, 1))", cpu_seconds=0.2)
    assert (candidate.ended, tests.ended, tests.stdout) == (Ended.CPU_LIMIT, Ended.EXITED, b"b''\n")


LOOK = """  # 3 is what lists them
import os
print(sorted(int(name) for name in os.listdir("/proc/self/fd")), os.getpid(), os.listdir("/tmp"))
"""


def test_neither_holds_anything_but_its_streams_and_the_channel(local_box: LocalBox) -> None:
    candidate, tests = pair(local_box, LOOK + "os.read(6, 1)", LOOK + "os.write(7, b'.')\nos.read(6, 1)")
    for report in (candidate, tests):
        assert report.stdout == b"[0, 1, 2, 3, 6, 7] 1 []\n"


def test_a_channel_is_of_no_use_after_its_run(local_box: LocalBox) -> None:
    """A later run of the same cells has no channel, and nothing holds the pipes open."""
    pair(local_box, ECHO, ASK)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        pair(local_box, ECHO, ASK)
    assert len(os.listdir("/proc/self/fd")) <= before
    assert "6" not in local_box.out("import os; print(os.listdir('/proc/self/fd'))")


def test_as_many_pairs_as_sandboxes_at_one_time(local_box: LocalBox) -> None:
    async def run() -> list[tuple[Report, Report]]:
        async def one() -> tuple[Report, Report]:
            async with local_box.pool.sandbox(STANDARD) as sandbox:
                return await sandbox.run_pair(python(ECHO), limits_of(), python(ASK), limits_of())

        return await asyncio.gather(*(one() for _ in range(10)))

    assert all(tests.stdout == b"QUESTION\n" for _, tests in local_box.do(run()))


def test_tests_that_end_before_the_candidate_has_begun_are_no_trouble_of_ours(local_box: LocalBox) -> None:
    for _ in range(40):
        candidate, tests = pair(local_box, "import time; time.sleep(1000)", "import os; os._exit(0)")
        assert (candidate.ended, tests.ended) == (Ended.DISMISSED, Ended.EXITED)
