"""The reward functions for TRL keep its contract, and the project's: no Failure is ever a number by itself."""

from __future__ import annotations

import asyncio
import inspect
import math
import subprocess
import sys
from collections import defaultdict
from typing import Any, cast

import pytest

from basanite import (
    AsyncClient,
    Client,
    ConfigurationError,
    ExtensionTask,
    FailureReason,
    Item,
    ProgramTask,
    Result,
    ResultHasNoScore,
    RewardUnavailable,
    StdioTask,
)
from basanite.rewards import fraction, overlong_penalty, well_formed
from basanite.trainers import Check, Column, Items, fenced_block, stdio_cases
from basanite.trainers.trl import async_reward_function, reward_function

TESTS = {"inputs": ["1", "2"], "outputs": ["1", "4"]}
SQUARE = "```python\nprint(int(input()) ** 2)\n```"
ECHO = "```python\nprint(input())\n```"
STDIO = Items(StdioTask, cases=Column("tests", stdio_cases))
CHECK = Check(STDIO, extract=fenced_block("python"))


def broken_for(bad: str) -> Any:
    """Items that the server cannot judge where the answer contains `bad`."""

    def build(answer: str, row: Any) -> Any:
        return Item(ExtensionTask("example.org/none")) if bad in answer else STDIO(answer, row)

    return build


class Log:
    """What a trainer gets to see."""

    def __init__(self) -> None:
        self.metrics: dict[str, list[float]] = defaultdict(list)
        self.columns: dict[str, list[Any]] = defaultdict(list)

    def metric(self, name: str, value: float) -> None:
        self.metrics[name].append(value)

    def extra(self, column: str, values: list[Any]) -> None:
        self.columns[column].extend(values)


def call(
    reward: Any, completions: list[Any], log: Log | None = None, tests: Any = TESTS, tokens: int = 3
) -> Any:
    log = log or Log()
    count = len(completions)
    return reward(
        prompts=["square"] * count,
        completions=completions,
        completion_ids=[[1] * tokens] * count,
        tests=[tests] * count,
        trainer_state=object(),
        log_extra=log.extra,
        log_metric=log.metric,
    )


def test_rewards_come_in_the_order_of_the_completions(client: Client) -> None:
    completions = [SQUARE, ECHO, "none", SQUARE, "```python\nraise SystemExit\n```"] * 3
    assert call(reward_function(CHECK, client=client), completions) == [1.0, 0.0, 0.0, 1.0, 0.0] * 3


def test_several_checks_are_a_weighted_sum(client: Client) -> None:
    checks = [
        Check(STDIO, fenced_block("python"), fraction, 1.0),
        Check(STDIO, fenced_block("python"), well_formed, 0.25),
    ]
    reward = reward_function(*checks, client=client, length=overlong_penalty(4, 2, weight=0.5))
    assert call(reward, [SQUARE, ECHO, "none"]) == [1.0, 0.5, -0.25]


def test_the_last_words_of_a_conversation_are_what_is_judged(client: Client) -> None:
    def say(role: str, content: Any) -> dict[str, Any]:
        return {"role": role, "content": content}

    blocks = [{"type": "image"}, {"type": "text", "text": SQUARE}]
    conversations = [
        [say("assistant", SQUARE)],
        [say("assistant", "none"), say("tool", "1"), say("assistant", SQUARE), say("tool", ECHO)],
        [say("assistant", blocks)],
        [say("assistant", SQUARE), say("assistant", None)],
        [],
    ]
    assert call(reward_function(CHECK, client=client), conversations) == [1.0, 1.0, 1.0, 0.0, 0.0]


def test_a_prompt_is_a_column_too(client: Client) -> None:
    items = Items(
        StdioTask, cases=Column("prompt", lambda prompt: stdio_cases({"inputs": [""], "outputs": [prompt]}))
    )
    assert call(reward_function(Check(items), client=client), ["print('square')"]) == [1.0]


def test_a_failure_is_none_and_says_so_in_the_log(client: Client) -> None:
    log = Log()
    reward = reward_function(Check(broken_for("#")), client=client)
    assert call(reward, ["print(int(input())**2)", "#", "print()"], log) == [1.0, None, 0.0]
    assert log.columns["basanite_outcome"] == ["passed", "failure: unsupported_kind", "failed"]
    assert log.columns["reward_failed"] == [False, True, False]
    assert log.columns["basanite_message"][0] == ""
    assert "example.org/none" in log.columns["basanite_message"][1]
    assert "wrong answer" in log.columns["basanite_message"][2]
    assert log.metrics["basanite/failure_rate"] == [1 / 3]
    assert log.metrics["basanite/failures/unsupported_kind"] == [1 / 3]
    assert log.metrics["basanite/pass_rate"] == [0.5]
    assert all(math.isfinite(value) for values in log.metrics.values() for value in values)


def test_every_reason_is_logged_each_time_so_that_averages_over_steps_are_right(client: Client) -> None:
    log = Log()
    call(reward_function(CHECK, client=client), [SQUARE], log)
    assert {f"basanite/failures/{reason}" for reason in FailureReason} <= set(log.metrics)
    assert {"basanite/queue_seconds", "basanite/verdict_seconds", "basanite/step_seconds"} <= set(log.metrics)


def test_without_an_answer_no_server_is_asked(client: Client) -> None:
    log = Log()
    assert call(reward_function(CHECK, client=client), ["none", "", "```python\n1"], log) == [0.0, 0.0, 0.0]
    assert log.metrics["basanite/unparsable_rate"] == [1.0]
    assert "basanite/queue_seconds" not in log.metrics
    assert log.columns["basanite_message"][2] == "the last fenced python block is not closed"


def test_one_failed_check_leaves_no_reward_although_the_others_passed(client: Client) -> None:
    reward = reward_function(Check(STDIO), Check(broken_for("#"), weight=0.0), client=client)
    assert call(reward, ["print(int(input())**2)", "print(int(input())**2)#"]) == [1.0, None]


def test_a_failure_can_stop_the_run_or_become_a_number_that_was_chosen(client: Client) -> None:
    check = Check(broken_for("#"))
    with pytest.raises(RewardUnavailable, match=r"1 of 9 .*UNSUPPORTED_KIND") as caught:
        call(reward_function(check, client=client, on_failure="raise"), ["#", *["pass"] * 8])
    assert caught.value.counts == {"UNSUPPORTED_KIND": 1}
    assert "max_failure_fraction" not in str(caught.value)
    assert call(reward_function(check, client=client, on_failure=-1), ["#", "pass"]) == [-1.0, 0.0]


def test_a_step_of_failures_stops_a_run_that_would_train_on_noise(client: Client) -> None:
    reward = reward_function(Check(broken_for("#")), client=client, max_failure_fraction=0.5)
    assert call(reward, ["#", "pass"]) == [None, 0.0]
    with pytest.raises(RewardUnavailable, match=r"2 of 3 .*max_failure_fraction is 0\.5"):
        call(reward, ["#", "#", "pass"])
    assert call(reward, ["#", "pass"]) == [None, 0.0]  # the next step is judged by itself


def test_rows_that_cannot_be_read_are_failures_of_theirs_alone(client: Client) -> None:
    reward = reward_function(CHECK, client=client)
    rewards = reward(
        prompts=["p", "p"],
        completions=[SQUARE, SQUARE],
        completion_ids=[[1], [1]],
        tests=["{", TESTS],
    )
    assert rewards == [None, 1.0]


def test_a_column_that_is_missing_stops_the_run(client: Client) -> None:
    check = Check(Items(StdioTask, cases=Column("test_cases", stdio_cases)))
    with pytest.raises(ConfigurationError, match="no column 'test_cases'; it has: prompt, tests"):
        call(reward_function(check, client=client), [SQUARE])


def test_what_nobody_asked_to_judge_is_refused(client: Client) -> None:
    with pytest.raises(ResultHasNoScore):
        call(reward_function(Check(Items(ProgramTask)), client=client), ["print(1)"])


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400, None, "1", 1j])
def test_what_is_no_finite_number_never_leaves(client: Client, value: Any) -> None:
    def shape(result: Result) -> float:
        return cast(float, value)

    with pytest.raises(ValueError, match=r"the shape shape gave .* finite number"):
        call(reward_function(Check(STDIO, shape=shape), client=client), ["pass"])
    with pytest.raises(ValueError, match=r"length gave .* finite number"):
        call(reward_function(Check(STDIO), length=lambda tokens: cast(float, value), client=client), ["pass"])


def test_a_sum_that_is_no_finite_number_never_leaves(client: Client) -> None:
    check = Check(STDIO, shape=lambda result: 1e308, weight=10)
    with pytest.raises(ValueError, match="the weighted sum gave inf"):
        call(reward_function(check, client=client), ["pass"])


@pytest.mark.parametrize("answer", [None, b"pass", fenced_block("python")])
def test_an_extractor_that_gives_no_text_is_an_error_and_no_failure(client: Client, answer: Any) -> None:
    def extract(completion: str) -> str:
        return cast(str, answer)

    with pytest.raises(TypeError, match="the extractor extract gave"):
        call(reward_function(Check(STDIO, extract=extract), client=client), ["pass"])


@pytest.mark.parametrize(
    "text",
    ["", "\ud800", "\x00", "x" * (2 << 20), "é" * (600 << 10), "# coding: none\n", "\ufeff", "(" * 100_000],
)
@pytest.mark.parametrize("wrap", ["{}", "```python\n{}\n```"])
def test_no_completion_leaves_the_baseline(client: Client, text: str, wrap: str) -> None:
    check = CHECK if wrap != "{}" else Check(STDIO)
    assert call(reward_function(check, client=client), [wrap.format(text)]) == [0.0]


def test_an_asynchronous_function_is_a_real_one_and_gives_the_same(client: Client) -> None:
    reward = async_reward_function(CHECK, client=AsyncClient(client.address), name="code")
    assert inspect.iscoroutinefunction(reward)
    assert reward.__name__ == "code"
    for _ in range(2):  # each run has an event loop of its own
        assert asyncio.run(call(reward, [SQUARE, ECHO, "none"])) == [1.0, 0.0, 0.0]
    plain = reward_function(CHECK, client=client)
    assert not inspect.iscoroutinefunction(plain)
    assert plain.__name__ == "basanite"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"on_failure": float("nan")}, "on_failure"),
        ({"on_failure": True}, "on_failure"),
        ({"on_failure": "skip"}, "on_failure"),
        ({"max_failure_fraction": 1.5}, "max_failure_fraction"),
        ({"max_failure_fraction": float("nan")}, "max_failure_fraction"),
        ({"deadline_seconds": 0}, "deadline_seconds"),
        ({"deadline_seconds": float("inf")}, "deadline_seconds"),
    ],
)
@pytest.mark.parametrize("make", [reward_function, async_reward_function])
def test_settings_that_make_no_sense_are_refused_at_once(
    make: Any, settings: dict[str, Any], word: str
) -> None:
    with pytest.raises(ConfigurationError, match=word):
        make(CHECK, **settings)


def test_what_is_needed_is_asked_for_at_once(client: Client) -> None:
    with pytest.raises(ConfigurationError, match="BASANITE_ADDRESS"):
        reward_function(CHECK)
    with pytest.raises(ConfigurationError, match="at least one Check"):
        reward_function(client=client)
    with pytest.raises(ConfigurationError, match="async_reward_function"):
        reward_function(CHECK, client=AsyncClient(client.address))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="reward_function"):
        async_reward_function(CHECK, client=client)  # type: ignore[arg-type]


def test_importing_the_adapters_imports_no_trainer_and_rewards_not_even_grpc() -> None:
    program = (
        "import sys, basanite.rewards; assert 'grpc' not in sys.modules;"
        "import basanite.trainers.trl, basanite.trainers.verl;"
        "assert not {'trl', 'torch', 'transformers', 'verl', 'ray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
