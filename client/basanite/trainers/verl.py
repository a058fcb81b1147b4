"""Reward functions for verl's custom_reward_function.

    # reward.py, given to verl as reward.custom_reward_function.path
    from basanite.trainers.verl import compute_score_function

    compute_score = compute_score_function(Check(...))

The contract, as verl 0.9 has it: verl/trainer/ppo/reward.py loads the function from a file, in each of its reward
workers, and wraps it; the reward managers (verl/experimental/reward_loop/reward_manager/*.py) await it sample by
sample, many at one time, and take a dict with "score" apart: the rest goes to the validation metrics
(process_validation_metrics in verl/trainer/ppo/metric_utils.py, which averages numbers and skips texts), to the dumped
rollouts, and to algorithm.filter_groups.metric. The keys of the first sample are read from all.

Samples that are asked for at one time are sent together, each with a deadline of its own, for verl waits for ever.

What a Failure becomes. No value that a function may return makes verl leave a sample out, so that the default is to
raise. What follows, verl decides:

    compute_rm_score of RewardLoopManager    the step ends with the error
    V1 (trainer.use_v1, agent_loop_tq.py)    the error is logged; the synchronous trainer goes on with the rest of the
                                             group, the others (trainer/ppo/v1/replay_buffer.py) with another prompt.
                                             Validation counts the sample as 0 in "acc", not in "acc_success_only"

With a number every sample stays in, and reward_failed is 1 beside those that got it.

Do not use the reward manager "rate_limited": it makes a reward of 0 of every error and of its own time-out.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from basanite._client import AsyncClient
from basanite._errors import ConfigurationError, RewardUnavailable
from basanite._results import Result
from basanite._sync import Client
from basanite.trainers._checks import Check, Step, reward_of
from basanite.trainers._failures import RecentFailures, check_policy
from basanite.trainers._metrics import outcome_of, queue_seconds_of, verdict_seconds_of
from basanite.trainers._together import Together

Reward: TypeAlias = dict[str, float | str]
ComputeScore: TypeAlias = Callable[..., Coroutine[Any, Any, Reward]]
SyncComputeScore: TypeAlias = Callable[..., Reward]


def compute_score_function(
    *checks: Check,
    client: AsyncClient | None = None,
    deadline_seconds: float = 300.0,
    on_failure: Literal["raise"] | float = "raise",
    max_failure_fraction: float = 0.5,
) -> ComputeScore:
    """A compute_score for the reward managers naive, dapo and gdpo.

    checks: the reward is the weighted sum over these. Columns are the keys of the sample's extra_info, "ground_truth"
        and "data_source"; what extra_info has under these two names does not count.
    client: by default one to the environment's BASANITE_ADDRESS.
    deadline_seconds: what has no verdict so long after it was asked for is a DEADLINE Failure.
    on_failure: what a sample with a Failure gets: "raise", or a number.
    max_failure_fraction: with more Failures than this share of the last 256 samples (of this function, in one process)
        every further call raises, for what the run would train on is noise. An asynchronous V1 trainer then asks for
        other prompts without end, and trains no more.

    The function returns the same keys for every sample:

        score                       the reward
        acc                         1.0 if every Check passed, else 0.0
        reward_failed               1.0 if `score` is the number of on_failure, else 0.0
        basanite_outcome            "passed", "time_limit", "failure: overloaded", ...
        basanite_queue_seconds      from arrival at the server to the start; of several Checks the longest
        basanite_verdict_seconds    from arrival at the server to the verdict; likewise

    It may be pickled by cloudpickle, as Ray does, and used from several threads and event loops.

    Raises ConfigurationError for what cannot work. The function itself raises RewardUnavailable (see on_failure and
    max_failure_fraction), ConfigurationError for a column that the data set lacks, ResultHasNoScore for tasks that
    nobody asked to judge, and what AsyncClient.verify_batch raises: ConnectionFailed within 5 seconds where there is no
    server.
    """
    judging = _Judging(checks, deadline_seconds, on_failure, max_failure_fraction)
    connected = AsyncClient() if client is None else client
    if not isinstance(connected, AsyncClient):
        raise ConfigurationError(
            "client must be an AsyncClient; for a Client there is sync_compute_score_function"
        )
    together = Together(connected)

    async def compute_score(
        data_source: str,
        solution_str: str,
        ground_truth: Any,
        extra_info: Mapping[str, Any] | None = None,
        **others: Any,  # of a manager or of the configuration, meant for other functions
    ) -> Reward:
        step = judging.plan(data_source, solution_str, ground_truth, extra_info)
        results = await together.verify(step.items, judging.deadline_seconds)
        return judging.finish(step, results, data_source)

    return compute_score


def sync_compute_score_function(
    *checks: Check,
    client: Client | None = None,
    deadline_seconds: float = 300.0,
    on_failure: Literal["raise"] | float = "raise",
    max_failure_fraction: float = 0.5,
) -> SyncComputeScore:
    """As compute_score_function, but not asynchronous: for the reward manager "remote", which takes nothing else. Each
    of its workers asks for one sample at a time, so that the other managers are faster."""
    judging = _Judging(checks, deadline_seconds, on_failure, max_failure_fraction)
    connected = Client() if client is None else client
    if not isinstance(connected, Client):
        raise ConfigurationError(
            "client must be a Client; for an AsyncClient there is compute_score_function"
        )

    def compute_score(
        data_source: str,
        solution_str: str,
        ground_truth: Any,
        extra_info: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> Reward:
        step = judging.plan(data_source, solution_str, ground_truth, extra_info)
        results = connected.verify_batch(step.items, deadline_seconds=judging.deadline_seconds)
        return judging.finish(step, results, data_source)

    return compute_score


class _Judging:
    """What both kinds of function do before and after the call."""

    def __init__(
        self,
        checks: tuple[Check, ...],
        deadline_seconds: float,
        on_failure: Literal["raise"] | float,
        max_failure_fraction: float,
    ) -> None:
        if not checks:
            raise ConfigurationError("at least one Check is needed")
        if on_failure is None:
            raise ConfigurationError(
                'on_failure must be "raise" or a number: verl has no None that would leave a sample out'
            )
        check_policy(on_failure, max_failure_fraction)
        if not 0 < deadline_seconds < 1e9:
            raise ConfigurationError("deadline_seconds must be a positive number: verl itself waits for ever")
        self.deadline_seconds = float(deadline_seconds)
        self._checks = checks
        self._on_failure = on_failure
        self._max_failure_fraction = max_failure_fraction
        self._recent = RecentFailures(max_failure_fraction)

    def __reduce__(self) -> tuple[Any, ...]:
        # What happened in this process is not told to the one that unpickles.
        settings = (self._checks, self.deadline_seconds, self._on_failure, self._max_failure_fraction)
        return type(self), settings

    def plan(
        self, data_source: str, solution: str, ground_truth: Any, extra_info: Mapping[str, Any] | None
    ) -> Step:
        self._recent.check()
        row = {**(extra_info or {}), "data_source": data_source, "ground_truth": ground_truth}
        return Step(self._checks, [solution], [row])

    def finish(self, step: Step, results: Sequence[Result], data_source: str) -> Reward:
        [rollout] = step.rollouts(results)
        self._recent.add(rollout)
        failure = rollout.failure
        if failure is None:
            score = reward_of(rollout, self._checks)
        elif self._on_failure == "raise":
            reason = failure.reason.name
            raise RewardUnavailable(
                f"a sample of {data_source!r} has no reward: {reason}: {failure.message}", {reason: 1}
            )
        else:
            score = float(self._on_failure)
        return {
            "score": score,
            "acc": float(rollout.passed),
            "reward_failed": float(failure is not None),
            "basanite_outcome": outcome_of(rollout),
            "basanite_queue_seconds": queue_seconds_of(rollout),
            "basanite_verdict_seconds": verdict_seconds_of(rollout),
        }
