"""A language model that learns to write programs in seconds, and tasks of a size that suits it.

A task says what a program must do with the number that it reads, "multiply by 17", and is answered by a program,
"print(int(input()) * 17)". Programs are the same but for two things: the number, which is to be copied, and the
operator. The supervised programs have the right operator one time in five and most often a certain wrong one. So the
model learns to write programs that run, and bad habits; only verdicts can tell it which of its programs are right.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

OPERATORS: Final[dict[str, tuple[str, Callable[[int, int], int]]]] = {
    "add": ("+", operator.add),
    "subtract": ("-", operator.sub),
    "multiply by": ("*", operator.mul),
    "divide by": ("//", operator.floordiv),
    "remainder of": ("%", operator.mod),
}
SYMBOLS: Final = [symbol for symbol, _ in OPERATORS.values()]
HABITS: Final = (0.2, 0.5, 0.1, 0.1, 0.1)
"""How often a supervised program has the right operator, the one after it in OPERATORS, and so on."""
NUMBERS: Final = range(10, 100)
READ: Final = (740, 5733, 96861)
"""What a program reads, a run each. No program can be right for two tasks: no two have the same three answers."""
LONGEST: Final = 32
"""Tokens; programs need fewer."""


@dataclass(frozen=True)
class Arithmetic:
    """What a program must do with the number that it reads."""

    verb: str
    number: int

    @property
    def prompt(self) -> str:
        """What the model is told."""
        return f"{self.verb} {self.number}\n"

    @property
    def tests(self) -> list[dict[str, str]]:
        """What the model is not told."""
        _, apply = OPERATORS[self.verb]
        return [{"input": f"{read}\n", "output": f"{apply(read, self.number)}\n"} for read in READ]

    def supervised_program(self, chance: random.Random) -> str:
        """A program by HABITS."""
        steps = chance.choices(range(len(SYMBOLS)), HABITS)[0]
        symbol = SYMBOLS[(list(OPERATORS).index(self.verb) + steps) % len(SYMBOLS)]
        return f"print(int(input()) {symbol} {self.number})"


def tasks(*, held_out: bool) -> list[Arithmetic]:
    """The tasks with every sixth number, which nothing trains on, or all others."""
    numbers = [number for number in NUMBERS if (number % 6 == 0) is held_out]
    return [Arithmetic(verb, number) for number in numbers for verb in OPERATORS]


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A token a byte, one that ends a text and one that fills up."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={symbol: n for n, symbol in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<end>",
        pad_token="<pad>",
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def random_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama with 0.1 million random weights, from torch's generator."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=192,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=256,
            initializer_range=0.1,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def teach(folder: Path, seed: int) -> None:
    """Make a model, train it to write programs as HABITS has them, and save it with its tokenizer."""
    torch.manual_seed(seed)
    tokenizer = byte_tokenizer()
    model = random_model(tokenizer)
    supervise(model, tokenizer, random.Random(seed))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def supervise(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    chance: random.Random,
    steps: int = 500,
    batch: int = 32,
) -> None:
    """Plain next-token training on programs, given their prompts."""
    known = tasks(held_out=False)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.0, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps, pct_start=0.1)
    model.train()
    for _ in range(steps):
        chosen = chance.choices(known, k=batch)
        programs = [task.supervised_program(chance) + str(tokenizer.eos_token) for task in chosen]
        texts = [task.prompt + program for task, program in zip(chosen, programs, strict=True)]
        encoded = tokenizer(texts, return_tensors="pt", padding=True)
        labels = encoded["input_ids"].clone()
        for row, program in enumerate(programs):
            labels[
                row, : -len(tokenizer(program)["input_ids"])
            ] = -100  # the prompt and what fills up before it
        optimizer.zero_grad()
        model(**encoded, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
