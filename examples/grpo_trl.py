"""A GRPO run by TRL whose only reward is the verdicts of a sandbox: does a model learn from them?

    pip install torch trl matplotlib 'basanite[server]'
    python examples/grpo_trl.py

needs no GPU and no network. A tiny model (tiny_model.py) is made and taught to write programs, of which one in five is
right. Then GRPOTrainer trains it on what basanite says of its programs, and, as a control, a copy of it on rewards that
are dealt out again at random among the programs of a step. Three seeds. Pass rates before and after are those of 900
fresh samples for prompts that no training has seen, judged apart from the trainer. No program is right for two prompts.

On two cores of a shared machine, in 220 seconds (torch 2.13.0, TRL 1.16.0; the settings were chosen with other seeds):

    seed  rewards  before  after   rise        seed  rewards  before  after   rise
      11  verdicts   0.20   0.83  +0.63          11  shuffled   0.20   0.20  -0.00
      12  verdicts   0.18   0.93  +0.75          12  shuffled   0.18   0.18  +0.00
      13  verdicts   0.18   0.91  +0.73          13  shuffled   0.18   0.21  +0.03

The same for a model of yours, without the control, on a GPU if there is one:

    python examples/grpo_trl.py --model Qwen/Qwen2.5-Coder-0.5B-Instruct --data problems.jsonl

A line of the data is a problem: {"prompt": "Read two numbers and print their sum.", "tests": [{"input": "1 2",
"output": "3"}, ...]}. Every fifth line is held out, to measure on. The model is told to answer with a fenced block.

Into the folder --output go curves.png, result.json and, with --model, the trained model. BASANITE_ADDRESS names a
server to use; without it one is started here.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from datasets import Dataset
from matplotlib.figure import Figure
from tiny_model import LONGEST, tasks, teach
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    set_seed,
)
from transformers.utils.logging import disable_progress_bar
from trl import GRPOConfig, GRPOTrainer

from basanite import Client, Item, Limits, StdioTask, scores
from basanite.rewards import binary
from basanite.trainers import Check, Column, Extractor, Items, fenced_block, stdio_cases, whole_text
from basanite.trainers.trl import RewardFunction, reward_function

Row = dict[str, Any]
"""Of a data set: "prompt", a text or a conversation, and "tests", as JSON."""
SEEDS: Final = (11, 12, 13)
SAMPLES: Final = 12
"""For each held-out prompt, before and after."""
LIMITS: Final = Limits(cpu_seconds=2, wall_seconds=10)
AT_ONCE: Final = 100
"""Completions that are sampled at one time, before and after."""
NO_PROGRAM: Final = "raise SystemExit(1)"
"""Judged in place of an answer that could not be extracted; passes nothing."""
PASS_RATE: Final = "basanite/pass_rate"
QUIET: Final[dict[str, Any]] = {
    "logging_steps": 1,
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
}
FORM: Final = "Answer with one Python program, which reads standard input and prints, in a ```python block."


@dataclass(frozen=True)
class Problems:
    """What is asked, and how an answer is read."""

    training: list[Row]
    held_out: list[Row]
    extract: Extractor
    longest: int
    """Tokens of a completion."""


@dataclass
class Run:
    """One training, and what came of it."""

    seed: int
    rewards: str
    """"verdicts", or "shuffled" for the control."""
    before: float
    """Share of the samples that pass all tests; likewise after."""
    after: float
    seconds: float
    """Of the training."""
    curve: list[float]
    """The pass rate of each step's programs, as the reward function logs it."""

    @property
    def rise(self) -> float:
        return self.after - self.before

    def __str__(self) -> str:
        shown = f"{self.before:6.2f} {self.after:6.2f} {self.rise:+6.2f} {self.seconds:8.0f}"
        return f"{self.seed:4}  {self.rewards:8} {shown}"


def sandbox_reward(client: Client, extract: Extractor) -> RewardFunction:
    """1 for a program that passes all tests, else 0. Our own failures leave a program out of its step."""
    items = Items(StdioTask, cases=Column("tests", stdio_cases), limits=LIMITS)
    return reward_function(Check(items, extract=extract, shape=binary), client=client, on_failure=None)


def shuffled(reward: RewardFunction, seed: int) -> RewardFunction:
    """The same rewards, dealt out again by chance."""
    chance = random.Random(seed)

    def shuffled_reward(**step: Any) -> list[float | None]:
        rewards = reward(**step)
        chance.shuffle(rewards)
        return rewards

    return shuffled_reward


def sample(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[Any], longest: int
) -> list[str]:
    """A completion for each prompt, sampled as the trainer does."""
    how = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        repetition_penalty=1.0,
        max_new_tokens=longest,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    if not isinstance(prompts[0], str):
        prompts = [
            tokenizer.apply_chat_template(p, tokenize=False, add_generation_prompt=True) for p in prompts
        ]
    completions: list[str] = []
    model.eval()
    for start in range(0, len(prompts), AT_ONCE):
        texts = prompts[start : start + AT_ONCE]
        encoded = tokenizer(
            texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False
        )
        encoded = encoded.to(model.device)
        written = model.generate(**encoded, generation_config=how)
        answers = written[:, encoded["input_ids"].shape[1] :]
        completions += tokenizer.batch_decode(answers, skip_special_tokens=True)
    return completions


def pass_rate(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problems: Problems, client: Client, seed: int
) -> float:
    """Share of fresh samples for the held-out prompts that pass all tests. Raises basanite.RewardUnavailable where
    some have no verdict."""
    set_seed(seed)
    rows = [row for row in problems.held_out for _ in range(SAMPLES)]
    completions = sample(model, tokenizer, [row["prompt"] for row in rows], problems.longest)
    answers = map(problems.extract, completions)
    items = [
        Item(
            StdioTask(answer if isinstance(answer, str) else NO_PROGRAM, stdio_cases(row["tests"])),
            limits=LIMITS,
        )
        for answer, row in zip(answers, rows, strict=True)
    ]
    return statistics.fmean(score == 1.0 for score in scores(client.verify_batch(items)))


def train(
    name: str | Path, problems: Problems, client: Client, config: GRPOConfig, rewards: str = "verdicts"
) -> tuple[Run, GRPOTrainer]:
    """Train a model from a folder or the hub, and measure it before and after."""
    tokenizer = AutoTokenizer.from_pretrained(name)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32).to(config.device)
    before = pass_rate(model, tokenizer, problems, client, config.seed)
    reward = sandbox_reward(client, problems.extract)
    if rewards == "shuffled":
        reward = shuffled(reward, config.seed)
    began = time.monotonic()
    trainer = GRPOTrainer(
        model,
        reward_funcs=reward,
        args=config,
        train_dataset=Dataset.from_list(problems.training),
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    seconds = time.monotonic() - began
    after = pass_rate(model, tokenizer, problems, client, config.seed + 1000)
    curve = [log[PASS_RATE] for log in trainer.state.log_history if PASS_RATE in log]
    return Run(config.seed, rewards, before, after, seconds, curve), trainer


def train_tiny(client: Client, output: Path) -> list[Run]:
    """Tiny models of three seeds, each trained on verdicts and, from the same start, on shuffled rewards."""
    torch.set_num_threads(1)  # so small a model gains nothing from more, and the sandbox needs some
    training, held_out = (
        [{"prompt": task.prompt, "tests": json.dumps(task.tests)} for task in tasks(held_out=held_out)]
        for held_out in (False, True)
    )
    problems = Problems(training, held_out, whole_text, LONGEST)
    runs = []
    for seed in SEEDS:
        taught = output / f"taught-{seed}"
        teach(taught, seed)
        for rewards in ("verdicts", "shuffled"):
            config = GRPOConfig(
                output_dir=str(output),
                seed=seed,
                max_steps=60,
                per_device_train_batch_size=128,
                num_generations=8,
                max_completion_length=LONGEST,
                learning_rate=5e-4,
                lr_scheduler_type="constant",
                beta=0.1,  # keeps to the model as it was taught: else one odd sample can undo its syntax
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=False,
                **QUIET,
            )
            run, _ = train(taught, problems, client, config, rewards)
            print(run, flush=True)
            runs.append(run)
    return runs


def train_given(client: Client, output: Path, name: str, data: Path, steps: int) -> list[Run]:
    """A model from a folder or the hub, on problems from a file."""
    chat = AutoTokenizer.from_pretrained(name).chat_template is not None
    rows = [read_problem(line, chat=chat) for line in data.read_text().splitlines()]
    if len(rows) < 5:
        raise SystemExit(
            f"{data} has {len(rows)} problems; at least 5 are needed, since every fifth is held out"
        )
    training = [row for number, row in enumerate(rows, 1) if number % 5]
    problems = Problems(training, rows[4::5], fenced_block("python"), 512)
    cuda = torch.cuda.is_available()
    config = GRPOConfig(
        output_dir=str(output),
        seed=SEEDS[0],
        max_steps=steps,
        per_device_train_batch_size=8,
        gradient_accumulation_steps=8,
        num_generations=8,
        max_completion_length=problems.longest,
        learning_rate=2e-6,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=5,
        bf16=cuda,
        gradient_checkpointing=cuda,
        **QUIET,
    )
    run, trainer = train(name, problems, client, config)
    print(run)
    trainer.save_model(str(output / "model"))
    return [run]


def read_problem(line: str, *, chat: bool) -> Row:
    """A line of the data as a row of the data set."""
    problem = json.loads(line)
    text = f"{problem['prompt']}\n\n{FORM}\n"
    return {
        "prompt": [{"role": "user", "content": text}] if chat else text,
        "tests": json.dumps(problem["tests"]),
    }


def mean_rises(runs: Sequence[Run]) -> dict[str, float]:
    """By what was rewarded."""
    rises: dict[str, list[float]] = {}
    for run in runs:
        rises.setdefault(run.rewards, []).append(run.rise)
    return {rewards: statistics.fmean(values) for rewards, values in rises.items()}


def draw(runs: Sequence[Run], path: Path) -> None:
    """The curves of all runs, as a picture."""
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for run in runs:
        style: dict[str, Any] = {"color": "grey", "linestyle": "--"} if run.rewards == "shuffled" else {}
        axes.plot(range(1, len(run.curve) + 1), run.curve, label=f"seed {run.seed}, {run.rewards}", **style)
    axes.set(xlabel="step of GRPO", ylabel="programs that pass all tests", ylim=(0, 1))
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description="GRPO on the verdicts of a sandbox.")
    parser.add_argument("--model", help="a folder or a name on the hub; without it a tiny one is made")
    parser.add_argument("--data", type=Path, help="JSON lines of problems, for --model")
    parser.add_argument("--steps", type=int, default=200, help="of GRPO, for --model (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("grpo-trl"), help="a folder (%(default)s)")
    arguments = parser.parse_args()
    if (arguments.model is None) is not (arguments.data is None):
        parser.error("--model and --data go together")
    arguments.output.mkdir(parents=True, exist_ok=True)
    disable_progress_bar()
    began = time.monotonic()
    print("Pass rates of fresh samples for held-out prompts, before and after GRPO")
    print("seed  rewards  before  after   rise  seconds", flush=True)
    with Client() if "BASANITE_ADDRESS" in os.environ else Client.local() as client:
        if arguments.model is None:
            runs = train_tiny(client, arguments.output)
        else:
            runs = train_given(client, arguments.output, arguments.model, arguments.data, arguments.steps)
    seconds = time.monotonic() - began
    means = mean_rises(runs)
    for rewards, mean in means.items():
        print(f"mean  {rewards:8} {mean:+20.2f}")
    print(f"{seconds:.0f} s in all, making and measuring the models included; see {arguments.output}")
    draw(runs, arguments.output / "curves.png")
    shown = [{**asdict(run), "rise": run.rise} for run in runs]
    result = {"seconds": seconds, "mean_rise": means, "runs": shown}
    (arguments.output / "result.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
