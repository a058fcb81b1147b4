"""Rewards for trainers: one module an adapter, and the words that all of them share.

    from basanite import StdioTask
    from basanite.trainers import Check, Column, Items, fenced_block, stdio_cases
    from basanite.trainers.trl import reward_function

    reward = reward_function(
        Check(Items(StdioTask, cases=Column("tests", stdio_cases)), extract=fenced_block("python"))
    )

A Check says how a completion is judged: how its answer is extracted, how an Item is made of the answer and a row of the
data set, and what the Result is worth. Several Checks make a weighted sum. A completion without an answer is REJECTED
without asking a server. What a Failure becomes follows from the trainer: None where a row can be left out, else an
error or a number that the caller chose. Nothing here imports a trainer.
"""

from __future__ import annotations

from basanite.trainers._cases import function_cases, python_tests, stdio_cases
from basanite.trainers._checks import Check
from basanite.trainers._extract import Extractor, NoAnswer, fenced_block, tagged, whole_text
from basanite.trainers._items import Column, ItemBuilder, Items

__all__ = [
    "Check",
    "Column",
    "Extractor",
    "ItemBuilder",
    "Items",
    "NoAnswer",
    "fenced_block",
    "function_cases",
    "python_tests",
    "stdio_cases",
    "tagged",
    "whole_text",
]
