"""Reward functions for TRL's GRPOTrainer and RLOOTrainer.

    from basanite.trainers.trl import reward_function

    trainer = GRPOTrainer(model, reward_funcs=reward_function(Check(...)), train_dataset=...)

The contract, as TRL 1.16 has it (trl/trainer/grpo_trainer.py, GRPOTrainer._calculate_rewards): a function is called
with prompts, completions and completion_ids, a list a row of each column of the data set, and trainer_state, log_extra
and log_metric; it returns one float or None a row. A row for which every function returns None is left out of its
group's baseline and has advantage 0. But where another function gives that row a number, TRL counts our None as 0:
so put all checks into one reward function, and give the trainer no second one beside it.

TRL waits for rewards without a time-out; these functions end at their deadline.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from basanite._client import AsyncClient
from basanite._errors import ConfigurationError
from basanite._run import FOREVER
from basanite._sync import Client
from basanite.rewards import LengthShape
from basanite.trainers._checks import Check, Rollout, Step, finite, reward_of
from basanite.trainers._failures import check_policy, stop_if_any, stop_if_too_many
from basanite.trainers._metrics import message_of, outcome_of, step_metrics

RewardFunction: TypeAlias = Callable[..., list[float | None]]
AsyncRewardFunction: TypeAlias = Callable[..., Awaitable[list[float | None]]]


def reward_function(
    *checks: Check,
    client: Client | None = None,
    length: LengthShape | None = None,
    deadline_seconds: float = 300.0,
    on_failure: Literal["raise"] | float | None = None,
    max_failure_fraction: float = 0.5,
    name: str = "basanite",
) -> RewardFunction:
    """A reward function for GRPOTrainer(reward_funcs=...).

    checks: the reward is the weighted sum over these. Columns go by their names, the prompt by "prompt".
    client: by default one to the environment's BASANITE_ADDRESS.
    length: from a completion's number of tokens to what is added to its reward.
    deadline_seconds: after so long a step ends; what has no verdict by then is a DEADLINE Failure.
    on_failure: what a completion with a Failure gets: None, which leaves it out of the step; "raise"; or a number, in
        which case the column reward_failed of the completions' log says whose reward it is.
    max_failure_fraction: with more Failures than this share of a step (in this process) the run is stopped, for what it
        would train on is noise.
    name: under which TRL logs the rewards.

    Raises ConfigurationError for what cannot work. The function itself raises RewardUnavailable (see on_failure and
    max_failure_fraction), ConfigurationError for a column that the data set lacks, ResultHasNoScore for tasks that
    nobody asked to judge, and what Client.verify_batch raises: ConnectionFailed within 5 seconds where there is no
    server.
    """
    judging = _Judging(checks, length, deadline_seconds, on_failure, max_failure_fraction)
    connected = Client() if client is None else client
    if not isinstance(connected, Client):
        raise ConfigurationError("client must be a Client; for an AsyncClient there is async_reward_function")

    def reward(
        *, prompts: Sequence[Any], completions: Sequence[Any], completion_ids: Sequence[Any], **others: Any
    ) -> list[float | None]:
        step, began = judging.plan(prompts, completions, others), time.monotonic()
        results = connected.verify_batch(step.items, deadline_seconds=judging.deadline_seconds)
        return judging.finish(step.rollouts(results), time.monotonic() - began, completion_ids, others)

    reward.__name__ = reward.__qualname__ = name
    return reward


def async_reward_function(
    *checks: Check,
    client: AsyncClient | None = None,
    length: LengthShape | None = None,
    deadline_seconds: float = 300.0,
    on_failure: Literal["raise"] | float | None = None,
    max_failure_fraction: float = 0.5,
    name: str = "basanite",
) -> AsyncRewardFunction:
    """As reward_function, but asynchronous: TRL runs asynchronous reward functions side by side."""
    judging = _Judging(checks, length, deadline_seconds, on_failure, max_failure_fraction)
    connected = AsyncClient() if client is None else client
    if not isinstance(connected, AsyncClient):
        raise ConfigurationError("client must be an AsyncClient; for a Client there is reward_function")

    async def reward(
        *, prompts: Sequence[Any], completions: Sequence[Any], completion_ids: Sequence[Any], **others: Any
    ) -> list[float | None]:
        step, began = judging.plan(prompts, completions, others), time.monotonic()
        results = await connected.verify_batch(step.items, deadline_seconds=judging.deadline_seconds)
        return judging.finish(step.rollouts(results), time.monotonic() - began, completion_ids, others)

    reward.__name__ = reward.__qualname__ = name
    return reward


class _Judging:
    """What both kinds of function do before and after the call."""

    def __init__(
        self,
        checks: Sequence[Check],
        length: LengthShape | None,
        deadline_seconds: float,
        on_failure: Literal["raise"] | float | None,
        max_failure_fraction: float,
    ) -> None:
        if not checks:
            raise ConfigurationError("at least one Check is needed")
        if not 0 < deadline_seconds < FOREVER:
            raise ConfigurationError("deadline_seconds must be a positive number: TRL itself waits for ever")
        check_policy(on_failure, max_failure_fraction)
        self.deadline_seconds = deadline_seconds
        self._checks = checks
        self._length = length
        self._on_failure = on_failure
        self._max_failure_fraction = max_failure_fraction

    def plan(self, prompts: Sequence[Any], completions: Sequence[Any], others: Mapping[str, Any]) -> Step:
        # Columns come as lists; the trainer's state, and what it logs with, do not.
        columns: dict[str, Sequence[Any]] = {
            name: values for name, values in others.items() if isinstance(values, list)
        }
        columns["prompt"] = prompts
        rows = [{name: values[row] for name, values in columns.items()} for row in range(len(prompts))]
        return Step(self._checks, [_text_of(completion) for completion in completions], rows)

    def finish(
        self,
        rollouts: Sequence[Rollout],
        seconds: float,
        completion_ids: Sequence[Any],
        others: Mapping[str, Any],
    ) -> list[float | None]:
        if self._on_failure == "raise":
            stop_if_any(rollouts)
        stop_if_too_many(rollouts, self._max_failure_fraction)
        if (log_metric := others.get("log_metric")) is not None:
            for name, value in step_metrics(rollouts, seconds).items():
                log_metric(name, value)
        if (log_extra := others.get("log_extra")) is not None:
            log_extra("basanite_outcome", [outcome_of(rollout) for rollout in rollouts])
            log_extra("basanite_message", [message_of(rollout) for rollout in rollouts])
            log_extra("reward_failed", [rollout.failure is not None for rollout in rollouts])
        return [
            self._reward(rollout, len(ids)) for rollout, ids in zip(rollouts, completion_ids, strict=True)
        ]

    def _reward(self, rollout: Rollout, token_count: int) -> float | None:
        if rollout.failure is not None:
            assert self._on_failure != "raise"  # stop_if_any has raised
            return None if self._on_failure is None else float(self._on_failure)
        reward = reward_of(rollout, self._checks)
        return reward if self._length is None else reward + finite(self._length(token_count), "length")


def _text_of(completion: Any) -> str:
    """What the model wrote last: the text itself, or of a conversation the content of its last assistant message."""
    if isinstance(completion, str):
        return completion
    for message in reversed(completion):
        if message.get("role") == "assistant":
            content = message.get("content") or ""
            if isinstance(content, str):
                return content
            return "".join(block.get("text") or "" for block in content if block.get("type") == "text")
    return ""
