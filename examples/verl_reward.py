"""A reward for verl: the last Python block of a response must pass the tests of its row.

Rows are as verl's data for code has them: reward_model.ground_truth is the text of {"inputs": [..], "outputs": [..]}.

    pip install 'basanite[server]'
    basanite serve --listen unix:/tmp/basanite.sock &

    BASANITE_ADDRESS=unix:/tmp/basanite.sock python -m verl.trainer.main_ppo \
        reward.custom_reward_function.path=examples/verl_reward.py \
        reward.reward_manager.name=naive \
        reward.num_workers=2 \
        ...

With more than one machine say to all of them where the server is:

        +ray_kwargs.ray_init.runtime_env.env_vars.BASANITE_ADDRESS=verifiers.example:7000 \
        +ray_kwargs.ray_init.runtime_env.env_vars.BASANITE_TOKEN=...
"""

from basanite import Limits, StdioTask
from basanite.rewards import binary
from basanite.trainers import Check, Column, Items, fenced_block, stdio_cases
from basanite.trainers.verl import compute_score_function

compute_score = compute_score_function(
    Check(
        Items(
            StdioTask,
            cases=Column("ground_truth", stdio_cases),
            stop_on_first_failure=True,
            limits=Limits(cpu_seconds=2, wall_seconds=10),
        ),
        extract=fenced_block("python"),
        shape=binary,
    ),
    deadline_seconds=300,
)
