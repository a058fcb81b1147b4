"""One step of the real GRPOTrainer in which every fourth program has no reward: its environment does not exist.

Any error ends it.

Arguments: a model's folder, a file with the rows to train on, a folder for the trainer's files.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from basanite import Client, Item, StdioTask
from basanite.trainers import Check, stdio_cases
from basanite.trainers.trl import reward_function

ROWS, GROUP, EVERY = 128, 8, 4
model, rows, folder = sys.argv[1:]
places = itertools.count()


def item(answer: str, row: Mapping[str, Any]) -> Item:
    environment = "nowhere" if next(places) % EVERY == 0 else ""
    return Item(StdioTask(answer, stdio_cases(row["tests"])), environment=environment)


with Client.local() as client:
    trainer = GRPOTrainer(
        AutoModelForCausalLM.from_pretrained(model),
        reward_funcs=reward_function(Check(item), client=client),
        args=GRPOConfig(
            output_dir=folder,
            max_steps=1,
            per_device_train_batch_size=ROWS,
            num_generations=GROUP,
            max_completion_length=32,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            bf16=False,
        ),
        train_dataset=Dataset.from_list(json.loads(Path(rows).read_text())),
        processing_class=AutoTokenizer.from_pretrained(model),
    )
    trainer.train()

# What TRL keeps for its table of completions.
rewards, advantages = list(trainer._logs["rewards"]["basanite"]), list(trainer._logs["advantages"])
failed = [place % EVERY == 0 for place in range(ROWS)]
assert [math.isnan(reward) for reward in rewards] == failed
assert list(trainer._logs["extra"]["reward_failed"]) == failed
assert set(rewards) - {0.0, 1.0} == {reward for reward in rewards if math.isnan(reward)}
taught = 0
for start in range(0, ROWS, GROUP):
    group = range(start, start + GROUP)
    judged = [place for place in group if not failed[place]]
    mean = sum(rewards[place] for place in judged) / len(judged)
    for place in group:
        if failed[place]:
            assert advantages[place] == 0
        elif 0 < mean < 1:
            assert (advantages[place] > 0) is (rewards[place] > mean)
        else:
            assert abs(advantages[place]) < 1e-5
    # The baseline is the mean of those that were judged: with the others as 0 this sum would not be 0.
    assert abs(sum(advantages[place] for place in judged)) < 1e-3
    taught += 0 < mean < 1
assert taught, "no group has rewards that differ"

log = next(log for log in trainer.state.log_history if "basanite/pass_rate" in log)
share = sum(rewards[place] for place in range(ROWS) if not failed[place]) / (ROWS - sum(failed))
assert math.isclose(log["basanite/pass_rate"], share, rel_tol=1e-5)
assert math.isclose(log["reward"], share, rel_tol=1e-5)
assert log["basanite/failure_rate"] == log["basanite/failures/invalid_item"] == 1 / EVERY
assert log["basanite/failures/deadline"] == log["basanite/unparsable_rate"] == 0
assert 0 <= log["basanite/queue_seconds"] <= log["basanite/verdict_seconds"] <= log["basanite/step_seconds"]
print(f"{taught} of {ROWS // GROUP} groups teach")
