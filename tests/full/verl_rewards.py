"""What verl does with rewards, by its own classes. Runs in an environment with verl, and writes what it saw as JSON.

Arguments: an empty folder with a short path, the folder of the reward files (see test_full_verl.py).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
import verl
from hydra import compose, initialize_config_dir
from tensordict import TensorDict
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from verl import DataProto
from verl.experimental.reward_loop.reward_loop import RewardLoopManager, migrate_legacy_reward_impl
from verl.trainer.ppo.metric_utils import process_validation_metrics

TESTS = json.dumps({"inputs": ["1", "2"], "outputs": ["1", "4"]})
BROKEN = json.dumps({"inputs": [], "outputs": []})
RESPONSES = {
    "passing": ("```python\nprint(int(input()) ** 2)\n```", TESTS),
    "failing": ("```python\nprint(input())\n```", TESTS),
    "unparsable": ("I do not know.", TESTS),
    "without a verdict": ("```python\nprint(input())\n```", BROKEN),
}
PROMPT_LENGTH, RESPONSE_LENGTH = 4, 64


def byte_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """A token a byte, and one more to pad with and to end."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({character: number for number, character in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<end>", eos_token="<end>")
    fast.save_pretrained(folder)
    return fast


def batch_of(tokenizer: PreTrainedTokenizerFast, kinds: list[str]) -> DataProto:
    """A batch of rollouts as the trainer hands it to the reward loop."""
    responses = torch.full((len(kinds), RESPONSE_LENGTH), tokenizer.pad_token_id)
    mask = torch.zeros_like(responses)
    for row, kind in enumerate(kinds):
        ids = [*tokenizer.encode(RESPONSES[kind][0]), tokenizer.eos_token_id]
        responses[row, : len(ids)] = torch.tensor(ids)
        mask[row, : len(ids)] = 1
    prompts = torch.full((len(kinds), PROMPT_LENGTH), tokenizer.encode("x")[0])
    tensors = {
        "prompts": prompts,
        "responses": responses,
        "attention_mask": torch.cat([torch.ones_like(prompts), mask], dim=1),
    }
    columns: dict[str, list[Any]] = {
        "data_source": ["squares"] * len(kinds),
        "reward_model": [{"style": "rule", "ground_truth": RESPONSES[kind][1]} for kind in kinds],
        "extra_info": [{"index": row} for row in range(len(kinds))],
    }
    return DataProto(
        TensorDict(tensors, batch_size=len(kinds)),
        {name: np.array(values, dtype=object) for name, values in columns.items()},
    )


def manager(folder: Path, reward_file: Path, *settings: str) -> RewardLoopManager:
    """The reward loop as main_ppo would set it up with these settings."""
    with initialize_config_dir(str(Path(verl.__file__).parent / "trainer" / "config"), version_base=None):
        config = compose(
            "ppo_trainer",
            [
                f"reward.custom_reward_function.path={reward_file}",
                f"actor_rollout_ref.model.path={folder / 'tokenizer'}",
                "reward.num_workers=2",
                *settings,
            ],
        )
    return RewardLoopManager(migrate_legacy_reward_impl(config))


def end(manager: RewardLoopManager) -> None:
    for worker in manager.reward_loop_workers:
        ray.kill(worker)


def scored(manager: RewardLoopManager, batch: DataProto) -> dict[str, Any]:
    """What the trainer gets for a batch."""
    output = manager.compute_rm_score(batch)
    lengths = batch.batch["attention_mask"][:, PROMPT_LENGTH:].sum(dim=1)
    scores = output.batch["rm_scores"]
    keys = output.meta_info["reward_extra_keys"]
    infos = {key: output.non_tensor_batch[key].tolist() for key in keys}
    rows = len(batch)
    return {
        "at_the_end": scores[torch.arange(rows), lengths - 1].tolist(),
        "elsewhere": (scores.sum() - scores[torch.arange(rows), lengths - 1].sum()).item(),
        "infos": infos,
        "metrics": process_validation_metrics(
            ["squares"] * rows, [str(row % 2) for row in range(rows)], infos
        ),
    }


def one_by_one(manager: RewardLoopManager, batch: DataProto) -> list[dict[str, Any]]:
    """What agent loops get, which ask for each rollout as soon as it is there."""
    workers = manager.reward_loop_worker_handles
    asked = [
        workers[row % len(workers)].compute_score.remote(batch[row : row + 1]) for row in range(len(batch))
    ]
    return ray.get(asked)


def refused(manager: RewardLoopManager, batch: DataProto) -> dict[str, str]:
    """The error that ends the step."""
    try:
        manager.compute_rm_score(batch)
    except ray.exceptions.RayTaskError as error:
        return {"type": type(error.cause).__name__, "text": str(error.cause)}
    raise AssertionError("no error was raised")


def main() -> None:
    folder, rewards = map(Path, sys.argv[1:])
    tokenizer = byte_tokenizer(folder / "tokenizer")
    kinds = ["passing", "failing", "unparsable"]
    saw: dict[str, Any] = {}
    ray.init(num_cpus=8, include_dashboard=False, log_to_driver=False, _temp_dir=str(folder / "ray"))
    try:
        for name in ("naive", "dapo"):
            loop = manager(folder, rewards / "verl_reward.py", f"reward.reward_manager.name={name}")
            saw[name] = scored(loop, batch_of(tokenizer, kinds * 67))  # odd, so that one is doubled
            saw[f"{name}, raising"] = refused(loop, batch_of(tokenizer, [*kinds, "without a verdict"]))
            saw[f"{name}, after it raised"] = scored(loop, batch_of(tokenizer, kinds))
            if name == "naive":
                saw["one by one"] = one_by_one(loop, batch_of(tokenizer, kinds * 20))
            end(loop)
        for name, file in (("naive", "with_a_number.py"), ("remote", "synchronous.py")):
            loop = manager(folder, rewards / file, f"reward.reward_manager.name={name}")
            saw[file] = scored(loop, batch_of(tokenizer, [*kinds, "without a verdict"] * 6))
            end(loop)
        loop = manager(folder, rewards / "without_a_server.py")
        saw["without a server"] = refused(loop, batch_of(tokenizer, kinds))
    finally:
        ray.shutdown()
    (folder / "saw.json").write_text(json.dumps(saw))


if __name__ == "__main__":
    main()
