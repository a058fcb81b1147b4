"""A reward for Verilog with TRL: the design in the last block of a completion must equal the golden of its row.

Rows are as VerilogEval has them: `prompt` asks for a module TopModule, `reference` is a module RefModule with the same
ports. Give `reward` to the trainer:

    pip install trl 'basanite[server,verilog]'
    basanite serve --listen unix:/tmp/basanite.sock &

    BASANITE_ADDRESS=unix:/tmp/basanite.sock python train.py   # with GRPOTrainer(reward_funcs=reward, ...)

By itself it says what it would give for each row's own reference, which should be 1:

    python examples/verilog_reward.py rows.jsonl
"""

import json
import os
import sys
from pathlib import Path

from basanite import Client, Limits, VerilogCompileTask, VerilogEquivalenceTask
from basanite.rewards import binary, fraction
from basanite.trainers import Check, Column, Items, fenced_block
from basanite.trainers.trl import reward_function

TOP = "TopModule"
LIMITS = Limits(cpu_seconds=5, wall_seconds=20)

design = fenced_block("verilog")
equal = Items(
    VerilogEquivalenceTask, top=TOP, golden=Column("reference"), golden_top="RefModule", limits=LIMITS
)
compiles = Items(VerilogCompileTask, top=TOP, limits=LIMITS)

reward = reward_function(
    Check(equal, extract=design, shape=binary, weight=0.8),
    Check(
        equal, extract=design, shape=fraction, weight=0.1
    ),  # of the outputs; the same verdict, asked for once
    Check(compiles, extract=design, shape=binary, weight=0.1),
    client=Client(os.environ["BASANITE_ADDRESS"]) if "BASANITE_ADDRESS" in os.environ else Client.local(),
)


def main(path: Path) -> None:
    """What the reward is for each row's own reference."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    # As the trainer calls it: with a list a column.
    rewards = reward(
        prompts=[row["prompt"] for row in rows],
        completions=[f"```verilog\n{row['reference'].replace('RefModule', TOP)}\n```" for row in rows],
        completion_ids=[[]] * len(rows),
        reference=[row["reference"] for row in rows],
    )
    for row, value in zip(rows, rewards, strict=True):
        print(row["id"], value)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
