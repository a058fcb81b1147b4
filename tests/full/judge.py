"""What a trainer does with the client alone: `judge.py ADDRESS`, or `judge.py local`. Any error ends it."""

import asyncio
import os
import sys
from importlib import metadata

from basanite import (
    Assurance,
    AsyncClient,
    Client,
    FailureReason,
    FunctionCase,
    FunctionTask,
    Item,
    Limits,
    Outcome,
    ProgramTask,
    PythonTestCase,
    PythonTestTask,
    Result,
    StdioCase,
    StdioTask,
    scores,
)

assert not {"basanite_services", "basanite_sandboxes", "rich", "typer"} & set(sys.modules)


def connect() -> Client:
    return Client.local() if sys.argv[1] == "local" else Client(sys.argv[1])


cases = [StdioCase("21\n", "42\n"), StdioCase("-1\n", "-2\n", weight=3)]
right, half, wrong = (
    Item(StdioTask(source, cases)) for source in ("print(int(input()) * 2)", "print(42)", "raise SystemExit")
)
call = Item(
    FunctionTask(
        "def f(*a): return a, {1: b''}", "f", [FunctionCase([[1.5, {2}]], (([1.5, {2}],), {1: b""}))]
    )
)
shown = Item(ProgramTask("print(6 * 7)"), limits=Limits(cpu_seconds=1))
tested = Item(
    PythonTestTask("def g(n): return {n: 2.5}", [PythonTestCase("assert g(1) == {1: 2.5}")], ["g"]),
    id="ünï ☃",
    deadline_seconds=60.0,
)
bad = Item(StdioTask("1", []))

with connect() as client:
    described = client.describe()
    assert described.verifiers, described
    progress: list[tuple[int, int]] = []
    results = client.verify_batch(
        [right, half, wrong, call, shown, bad], on_progress=lambda *at: progress.append(at)
    )
    assert scores(results[:4]) == [1.0, 0.25, 0.0, 1.0], results
    assert results[0].verdict is not None
    assert results[0].verdict.assurance is Assurance.SEPARATED
    assert results[4].verdict is not None
    assert results[4].verdict.outcome is Outcome.COMPLETED
    assert results[5].failure is not None
    assert (results[5].failure.reason, results[5].failure.field) == (
        FailureReason.INVALID_ITEM,
        "code.stdio.cases",
    )
    assert progress[-1] == (6, 6)
    for item in (right, half, wrong, call, shown, tested):
        assert Item.from_json(item.to_json()).to_json() == item.to_json()
    assert client.verify(Item.from_json(tested.to_json())).passed
    assert [Result.from_json(result.to_json()) for result in results] == results
    assert sum(result.passed for result in client.stream([right] * 50)) == 50
    many = [Item(StdioTask(f"print({n})", [StdioCase("", str(n))])) for n in range(500)]
    assert all(result.passed for result in client.verify_batch(many))
    child = os.fork()
    if child == 0:
        os._exit(0 if client.verify(right).passed else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert client.verify(right).passed

    asynchronous = AsyncClient(client.address)
    for _ in range(2):
        assert asyncio.run(asynchronous.verify(right)).passed
    asyncio.run(asynchronous.close())
print(" ".join(f"{name}=={metadata.version(name)}" for name in ("grpcio", "protobuf")))
