"""compute_score keeps verl's contract, and the project's: no Failure is ever a number by itself."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import math
import subprocess
import sys
import threading
import time
from typing import Any

import cloudpickle
import pytest

from basanite import (
    AsyncClient,
    Client,
    ConfigurationError,
    ConnectionFailed,
    ExtensionTask,
    Item,
    ProgramTask,
    ResultHasNoScore,
    RewardUnavailable,
    StdioTask,
)
from basanite.rewards import fraction, well_formed
from basanite.trainers import Check, Column, Items, fenced_block, stdio_cases
from basanite.trainers.verl import compute_score_function, sync_compute_score_function

TESTS = json.dumps({"inputs": ["1", "2"], "outputs": ["1", "4"]})
SQUARE = "```python\nprint(int(input()) ** 2)\n```"
ECHO = "```python\nprint(input())\n```"
STDIO = Items(StdioTask, cases=Column("ground_truth", stdio_cases))
CHECK = Check(STDIO, extract=fenced_block("python"))
KEYS = [
    "score",
    "acc",
    "reward_failed",
    "basanite_outcome",
    "basanite_queue_seconds",
    "basanite_verdict_seconds",
]


def broken_for(bad: str) -> Check:
    """Its items are such that the server cannot judge them where the answer contains `bad`."""

    def build(answer: str, row: Any) -> Any:
        return Item(ExtensionTask("example.org/none")) if bad in answer else STDIO(answer, row)

    return Check(build)


@pytest.fixture
def asynchronous(client: Client) -> AsyncClient:
    return AsyncClient(client.address)


def sample(solution: str, ground_truth: Any = TESTS, **extra_info: Any) -> dict[str, Any]:
    """What a reward manager gives to compute_score."""
    return {
        "data_source": "squares",
        "solution_str": solution,
        "ground_truth": ground_truth,
        "extra_info": {"num_turns": None, "rollout_reward_scores": {}, **extra_info},
    }


async def ask(compute_score: Any, *solutions: str) -> list[dict[str, Any]]:
    return await asyncio.gather(*(compute_score(**sample(solution)) for solution in solutions))


def test_samples_asked_side_by_side_get_their_own_rewards(asynchronous: AsyncClient) -> None:
    solutions = [SQUARE, ECHO, "none", SQUARE, "```python\nraise SystemExit\n```"] * 20
    rewards = asyncio.run(ask(compute_score_function(CHECK, client=asynchronous), *solutions))
    assert [reward["score"] for reward in rewards] == [1.0, 0.0, 0.0, 1.0, 0.0] * 20
    assert [reward["acc"] for reward in rewards] == [1.0, 0.0, 0.0, 1.0, 0.0] * 20
    outcomes = [str(reward["basanite_outcome"]) for reward in rewards]
    assert outcomes == ["passed", "failed", "rejected", "passed", "failed"] * 20


def test_several_checks_are_a_weighted_sum(asynchronous: AsyncClient) -> None:
    checks = [
        Check(STDIO, fenced_block("python"), fraction, 1.0),
        Check(STDIO, fenced_block("python"), well_formed, 0.25),
    ]
    rewards = asyncio.run(ask(compute_score_function(*checks, client=asynchronous), SQUARE, ECHO, "none"))
    assert [reward["score"] for reward in rewards] == [1.25, 0.75, 0.0]
    assert [reward["acc"] for reward in rewards] == [1.0, 0.0, 0.0]


def test_every_sample_has_the_same_keys_and_plain_values(asynchronous: AsyncClient) -> None:
    compute_score = compute_score_function(broken_for("import this"), client=asynchronous, on_failure=-0.5)
    passed, failed, lost = asyncio.run(ask(compute_score, "print(int(input()) ** 2)", "1", "import this"))
    for reward in (passed, failed, lost):
        assert list(reward) == KEYS
        numbers = {name: value for name, value in reward.items() if name != "basanite_outcome"}
        assert all(type(value) is float and math.isfinite(value) for value in numbers.values())
        assert json.loads(json.dumps(reward)) == reward
    assert passed["basanite_verdict_seconds"] > passed["basanite_queue_seconds"] >= 0
    assert (passed["reward_failed"], failed["reward_failed"], lost["reward_failed"]) == (0, 0, 1)
    assert (lost["score"], lost["acc"]) == (-0.5, 0)
    assert lost["basanite_outcome"] == "failure: unsupported_kind"


def test_a_failure_raises_by_default_and_disturbs_no_other_sample(asynchronous: AsyncClient) -> None:
    compute_score = compute_score_function(broken_for("import this"), client=asynchronous)

    async def both() -> list[Any]:
        calls = (compute_score(**sample(text)) for text in ("import this", "print(int(input()) ** 2)"))
        return await asyncio.gather(*calls, return_exceptions=True)

    error, reward = asyncio.run(both())
    assert isinstance(error, RewardUnavailable)
    assert "'squares'" in str(error)
    assert "UNSUPPORTED_KIND" in str(error)
    assert error.counts == {"UNSUPPORTED_KIND": 1}
    assert reward["score"] == 1.0


def test_a_row_that_cannot_be_read_is_a_failure_that_says_why(asynchronous: AsyncClient) -> None:
    compute_score = compute_score_function(CHECK, client=asynchronous)
    with pytest.raises(RewardUnavailable, match="INVALID_ITEM: column 'ground_truth': is no JSON"):
        asyncio.run(compute_score(**sample(SQUARE, "{")))


def test_columns_are_the_keys_of_extra_info_under_ground_truth_and_data_source(
    asynchronous: AsyncClient,
) -> None:
    rows = []

    def build(answer: str, row: Any) -> Any:
        rows.append(dict(row))
        return Item(StdioTask(answer, stdio_cases(TESTS)))

    compute_score = compute_score_function(Check(build), client=asynchronous)
    given = sample(SQUARE, "truth", index=3)
    given["extra_info"] |= {"ground_truth": "other", "data_source": "other"}
    asyncio.run(compute_score(**given, reward_router_address="here", reward_model_tokenizer=None))
    asyncio.run(compute_score("squares", SQUARE, "truth"))
    own = {"data_source": "squares", "ground_truth": "truth"}
    assert rows == [{"num_turns": None, "rollout_reward_scores": {}, "index": 3, **own}, own]


def test_verl_takes_it_for_asynchronous_also_within_a_partial(asynchronous: AsyncClient) -> None:
    compute_score = compute_score_function(CHECK, client=asynchronous)
    assert inspect.iscoroutinefunction(compute_score)
    assert inspect.iscoroutinefunction(functools.partial(compute_score))
    assert compute_score.__name__ == "compute_score"


def test_the_synchronous_one_gives_the_same(client: Client) -> None:
    compute_score = sync_compute_score_function(broken_for("import this"), client=client, on_failure=0.0)
    assert not inspect.iscoroutinefunction(compute_score)
    texts = ("print(int(input()) ** 2)", "print(input())", "import this")
    rewards = [compute_score(**sample(text)) for text in texts]
    assert [list(reward) for reward in rewards] == [KEYS] * 3
    assert [reward["score"] for reward in rewards] == [1.0, 0.0, 0.0]
    assert [reward["reward_failed"] for reward in rewards] == [0.0, 0.0, 1.0]


def test_too_many_failures_stop_it_for_good(asynchronous: AsyncClient) -> None:
    compute_score = compute_score_function(
        broken_for("import this"), client=asynchronous, on_failure=0.0, max_failure_fraction=0.25
    )
    good = ["print(int(input()) ** 2)"] * 64
    assert all(reward["score"] == 1.0 for reward in asyncio.run(ask(compute_score, *good)))
    bad = ["import this"] * 21  # of 85
    assert sum(reward["reward_failed"] for reward in asyncio.run(ask(compute_score, *bad))) == 21
    with pytest.raises(RewardUnavailable, match=r"max_failure_fraction is 0\.25"):
        asyncio.run(ask(compute_score, "import this"))
    for _ in range(2):
        with pytest.raises(RewardUnavailable, match=r"22 of 86 results are Failures \(22 UNSUPPORTED_KIND\)"):
            asyncio.run(ask(compute_score, *good))


def test_what_happened_here_is_not_told_to_a_pickled_copy(client: Client) -> None:
    compute_score = sync_compute_score_function(
        broken_for("import this"), client=Client(client.address), on_failure=0.0, max_failure_fraction=0.0
    )
    with pytest.raises(RewardUnavailable):
        compute_score(**sample("import this"))
    copy = cloudpickle.loads(cloudpickle.dumps(compute_score))
    assert copy(**sample("print(int(input()) ** 2)"))["score"] == 1.0


def test_a_pickled_copy_works_in_another_process_while_the_first_is_in_use(asynchronous: AsyncClient) -> None:
    compute_score = compute_score_function(CHECK, client=asynchronous)

    async def pickled_in_use() -> bytes:
        asked = asyncio.create_task(compute_score(**sample(SQUARE)))
        await asyncio.sleep(0)
        pickled: bytes = cloudpickle.dumps(compute_score)
        assert (await asked)["score"] == 1.0
        return pickled

    program = (
        "import asyncio, json, pickle, sys\n"
        "compute_score = pickle.load(sys.stdin.buffer)\n"
        "print(json.dumps(asyncio.run(compute_score(**json.loads(sys.argv[1])))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(sample(SQUARE))],
        input=asyncio.run(pickled_in_use()),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["score"] == 1.0


def test_it_works_in_several_event_loops_and_threads(asynchronous: AsyncClient) -> None:
    compute_score = compute_score_function(CHECK, client=asynchronous)
    scores: list[list[float]] = []

    def several_loops() -> None:
        for _ in range(3):
            rewards = asyncio.run(ask(compute_score, SQUARE, ECHO, SQUARE))
            scores.append([reward["score"] for reward in rewards])

    threads = [threading.Thread(target=several_loops) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scores == [[1.0, 0.0, 1.0]] * 12


def test_it_works_on_both_sides_of_a_fork(client: Client) -> None:
    program = f"""
import asyncio, os, sys
from basanite import AsyncClient, StdioTask
from basanite.trainers import Check, Column, Items, fenced_block, stdio_cases
from basanite.trainers.verl import compute_score_function
check = Check(Items(StdioTask, cases=Column("ground_truth", stdio_cases)), fenced_block("python"))
compute_score = compute_score_function(check, client=AsyncClient({client.address!r}))
async def ask():
    return [(await compute_score("squares", {SQUARE!r}, {TESTS!r}))["score"] for _ in range(3)]
async def ask_around_a_fork():
    asked = asyncio.create_task(ask())
    await asyncio.sleep(0)
    child = os.fork()
    if child == 0:
        asyncio._set_running_loop(None)
        os._exit(0 if asyncio.new_event_loop().run_until_complete(ask()) == [1, 1, 1] else 1)
    assert await asked == [1, 1, 1]
    assert os.waitpid(child, 0)[1] == 0
asyncio.run(ask_around_a_fork())
assert asyncio.run(ask()) == [1, 1, 1]
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "make", [compute_score_function, pytest.param(sync_compute_score_function, marks=pytest.mark.full)]
)
def test_an_absent_server_is_an_error_for_every_sample_within_5_seconds(make: Any) -> None:
    kind = AsyncClient if make is compute_score_function else Client
    compute_score = make(CHECK, client=kind("unix:/nonexistent/socket"), on_failure=0.0)
    began = time.monotonic()
    if kind is Client:
        with pytest.raises(ConnectionFailed, match="/nonexistent/socket"):
            compute_score(**sample(SQUARE))
    else:

        async def many() -> list[Any]:
            calls = (compute_score(**sample(SQUARE)) for _ in range(50))
            return await asyncio.gather(*calls, return_exceptions=True)

        errors = asyncio.run(many())
        assert [type(error) for error in errors] == [ConnectionFailed] * 50
    assert time.monotonic() - began < 5


def test_tasks_without_a_score_are_refused(asynchronous: AsyncClient) -> None:
    compute_score = compute_score_function(Check(Items(ProgramTask)), client=asynchronous, on_failure=0.0)
    with pytest.raises(ResultHasNoScore):
        asyncio.run(ask(compute_score, "print(1)"))


def test_a_missing_column_is_an_error(asynchronous: AsyncClient) -> None:
    check = Check(Items(StdioTask, cases=Column("tests", stdio_cases)))
    with pytest.raises(ConfigurationError, match=r"no column 'tests'; it has: data_source, ground_truth"):
        asyncio.run(compute_score_function(check, client=asynchronous)("squares", SQUARE, TESTS))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"on_failure": None}, 'on_failure must be "raise" or a number: verl has no None'),
        ({"on_failure": math.nan}, "on_failure"),
        ({"on_failure": "skip"}, "on_failure"),
        ({"max_failure_fraction": 1.5}, "max_failure_fraction"),
        ({"deadline_seconds": 0}, "deadline_seconds"),
        ({"deadline_seconds": math.inf}, "deadline_seconds"),
        ({"client": None}, "BASANITE_ADDRESS"),
        ({"client": "unix:/s"}, "must be a"),
    ],
)
@pytest.mark.parametrize("make", [compute_score_function, sync_compute_score_function])
def test_settings_that_cannot_work_are_refused(make: Any, settings: dict[str, Any], says: str) -> None:
    kind = AsyncClient if make is compute_score_function else Client
    with pytest.raises(ConfigurationError, match=says):
        make(CHECK, **{"client": kind("unix:/s"), **settings})


def test_without_a_check_there_is_nothing_to_do() -> None:
    with pytest.raises(ConfigurationError, match="at least one Check"):
        compute_score_function(client=AsyncClient("unix:/s"))
