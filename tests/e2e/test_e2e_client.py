"""The Python client with services of its own: bad input, cancelling, and what stays behind."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import e2e_command as command
import pytest

from basanite import (
    AsyncClient,
    Client,
    ExtensionTask,
    FailureReason,
    FunctionCase,
    FunctionTask,
    Item,
    Limits,
    ProgramTask,
    StdioCase,
    StdioTask,
)

CASES = (StdioCase("21\n", "42\n"),)
RIGHT = StdioTask("print(int(input()) * 2)", CASES)


def deep(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def function(*cases: FunctionCase) -> FunctionTask:
    return FunctionTask("def f(x): return x", "f", cases)


BAD: dict[str, tuple[Item, str, str]] = {
    # what it is: the item, the field, and a word of the rule
    "source of bytes": (Item(StdioTask(b"\xff", CASES)), "code.source", "str"),  # type: ignore[arg-type]
    "other language": (Item(StdioTask("1", CASES, language="cobol")), "code.language", "python"),
    "zero cases": (Item(StdioTask("1", ())), "code.stdio.cases", "1 to 10000"),
    "zero calls": (Item(function()), "code.function.cases", "1 to 10000"),
    "CPU above the ceiling": (
        Item(RIGHT, limits=Limits(cpu_seconds=1e6)),
        "limits.cpu_seconds",
        "300",
    ),
    "memory above the ceiling": (
        Item(RIGHT, limits=Limits(memory_bytes=1 << 40)),
        "limits.memory_bytes",
        "17179869184",
    ),
    "beyond 64 bits": (Item(RIGHT, limits=Limits(memory_bytes=1 << 80)), "limits.memory_bytes", "64-bit"),
    "negative CPU": (Item(RIGHT, limits=Limits(cpu_seconds=-1)), "limits.cpu_seconds", "300"),
    "negative memory": (Item(RIGHT, limits=Limits(memory_bytes=-1)), "limits.memory_bytes", "1 to"),
    "no time at all": (Item(RIGHT, limits=Limits(wall_seconds=0)), "limits.wall_seconds", "1800"),
    "negative weight": (
        Item(StdioTask("1", [StdioCase("", "", weight=-1)])),
        "code.stdio.cases[0].weight",
        "1 to 1000000",
    ),
    "arguments too deep": (
        Item(function(FunctionCase([1], 1), FunctionCase([deep(2_000)], 1))),
        "code.function.cases[1].arguments",
        "1000 deep",
    ),
    "expectation too deep": (
        Item(function(FunctionCase([1], deep(2_000)))),
        "code.function.cases[0].expected",
        "1000 deep",
    ),
    "arguments that are no data": (
        Item(function(FunctionCase([object()], 1))),
        "code.function.cases[0].arguments",
        "tagged JSON",
    ),
    "no function's name": (
        Item(FunctionTask("1", "a b", [FunctionCase([], 1)])),
        "code.function.entry_point",
        "name of a function",
    ),
    "too many arguments": (
        Item(ProgramTask("1", arguments=["a"] * 1_001)),
        "code.program.arguments",
        "1000 arguments",
    ),
    "long id": (Item(RIGHT, id="i" * 257), "id", "256"),
    "twice the same id": (Item(RIGHT, id="same"), "id", "unique"),
    "again the same id": (Item(RIGHT, id="same"), "id", "unique"),
    "unknown environment": (Item(RIGHT, environment="nowhere"), "environment", "one of"),
    "no task": (Item("print(1)"), "task", "StdioTask"),  # type: ignore[arg-type]
}


def test_every_bad_item_says_what_is_wrong_and_the_rest_is_judged(address: str) -> None:
    items = []
    for item, _, _ in BAD.values():
        items += [item, Item(RIGHT, cache=False)]
    items.append(Item(ExtensionTask("example.org/sql", b"select 1")))
    with Client(address) as client:
        results = client.verify_batch(items)
        streamed = list(client.stream(items))
    assert len(results) == len(streamed) == len(items)
    for (name, (_, field, rule)), result in zip(BAD.items(), results[:-1:2], strict=True):
        failure = result.failure
        assert failure is not None, name
        assert failure.reason is FailureReason.INVALID_ITEM, (name, failure)
        assert failure.field == field, (name, failure)
        assert rule in failure.rule, (name, failure.rule[:300])
        assert not failure.retryable
    assert all(result.passed for result in results[1::2])
    unknown = results[-1].failure
    assert unknown is not None
    assert unknown.reason is FailureReason.UNSUPPORTED_KIND
    assert "'example.org/sql'" in unknown.message
    # Of the two with one id the first may be done before the second comes.
    assert sum(result.passed for result in streamed) in (len(BAD), len(BAD) + 1, len(BAD) + 2)


# Each has children that left its session and its parent.
TREE = """
import os, sys, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        time.sleep(60)
{} # {}
"""


def server_of(client: AsyncClient | Client) -> int:
    asynchronous = client._async if isinstance(client, Client) else client
    assert asynchronous._local is not None
    assert asynchronous._local._process is not None
    return asynchronous._local._process.pid


@pytest.mark.parametrize("ending", ["while True: pass", "time.sleep(60)"])
def test_a_cancelled_batch_ends_what_runs(doctor: str, folder: Path, ending: str) -> None:
    async def main() -> None:
        async with AsyncClient.local() as client:
            # Every cell is there before the processes are counted.
            short = [Item(StdioTask(f"import time; time.sleep(0.1) # {n}", CASES)) for n in range(8)]
            assert all(result.verdict is not None for result in await client.verify_batch(short))
            server = server_of(client)
            idle = command.descendants(server)
            items = [Item(StdioTask(TREE.format(ending, n), CASES)) for n in range(6)]
            batch = asyncio.create_task(client.verify_batch(items))
            await asyncio.to_thread(command.wait_for, lambda: len(command.descendants(server) - idle) >= 5)
            ran = command.descendants(server) - idle
            batch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await batch
            await asyncio.to_thread(command.assert_gone, ran)
            assert (await client.verify(Item(RIGHT, cache=False))).passed

    asyncio.run(asyncio.wait_for(main(), 60))


def test_nothing_is_left_when_a_client_closes(doctor: str, folder: Path) -> None:
    programs = [
        "open('left', 'w').write('behind'); print(42)",
        TREE.format("print(42)", 0),
        "import os, signal; os.kill(os.getppid(), signal.SIGKILL); os.kill(1, signal.SIGKILL)",
        "import os\nwhile True: os.fork()",
        "import tempfile; tempfile.mkdtemp(); print(42)",
        "x = bytearray(1 << 33)",
        "import os\nfor n in range(3000): os.mkdir('d'); os.chdir('d')\nprint(42)",
    ]
    limits = Limits(cpu_seconds=1, wall_seconds=5, memory_bytes=128 << 20, processes=20)
    with Client.local() as client:
        server = server_of(client)
        results = client.verify_batch(
            [Item(StdioTask(source, CASES), limits=limits) for source in programs * 3]
        )
        assert all(result.verdict is not None for result in results), results
        processes = command.descendants(server)
        assert len(processes) > 2
        names = tuple(f"basanite-{process.pid}-" for process in processes)
        groups = [path for path in command.control_groups() if path.name.startswith(names)]
    command.assert_gone(processes)
    assert not [path for path in groups if path.exists()]
    assert not list((folder / "tmp").iterdir())


def test_nothing_is_left_when_a_program_forgets_to_close(doctor: str, folder: Path) -> None:
    client = Client.local()
    client.verify(Item(RIGHT))
    processes = command.descendants(server_of(client))
    del client
    command.assert_gone(processes)
    command.wait_for(lambda: not list((folder / "tmp").iterdir()), command.GONE_SECONDS)


def test_nothing_is_left_when_a_program_is_killed(doctor: str, folder: Path) -> None:
    program = """
        import os, signal
        from basanite import Client, Item, StdioCase, StdioTask
        assert Client.local().verify(Item(StdioTask("print(42)", [StdioCase("", "42")]))).passed
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    command.wait_for(lambda: not list((folder / "tmp").iterdir()), command.GONE_SECONDS)
