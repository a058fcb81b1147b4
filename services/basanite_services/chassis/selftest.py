"""The self test at start: one example that must pass and one that must fail, of each verifier.

A verifier's folder has examples/pass/*.json and examples/fail/*.json, each
{"item": protobuf JSON of an Item, "outcome": "OUTCOME_PASSED"}. The first by name of each folder is run; the
tests run them all.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from basanite.v1 import result_pb2, verifier_pb2
from basanite.v1.result_pb2 import Result
from basanite_services.chassis.verifier import Verifier

_FOLDERS = ("pass", "fail")


class SelfTestError(Exception):
    """An example did not come out as it must; the message names it and says what happened."""


@dataclass(frozen=True, slots=True)
class Example:
    """An item and what must come out."""

    path: Path
    item: verifier_pb2.Item
    outcome: result_pb2.Outcome.ValueType


def examples_directory(verifier: type[Verifier[Any]]) -> Path:
    """The folder `examples` beside the module of the verifier's class."""
    return Path(inspect.getfile(verifier)).parent / "examples"


def load_examples(directory: Path, kind: str) -> dict[str, list[Example]]:
    """All examples of `kind` in order of name, under "pass" and "fail". Raises SelfTestError."""
    return {
        folder: [
            example
            for path in sorted((directory / folder).glob("*.json"))
            if (example := _load(path, folder)).item.kind == kind
        ]
        for folder in _FOLDERS
    }


def _load(path: Path, folder: str) -> Example:
    try:
        content = json.loads(path.read_text())
        item = json_format.ParseDict(content["item"], verifier_pb2.Item())
        outcome = result_pb2.Outcome.Value(content["outcome"])
    except (OSError, ValueError, KeyError, TypeError, json_format.ParseError) as error:
        raise SelfTestError(f"{path} is not an example: {type(error).__name__}: {error}") from None
    if (outcome == result_pb2.OUTCOME_PASSED) != (folder == "pass"):
        raise SelfTestError(f"{path}: examples/{folder} cannot have {content['outcome']}")
    return Example(path, item, outcome)


async def self_test(
    verifier: type[Verifier[Any]], judge: Callable[[verifier_pb2.Item], Awaitable[Result]]
) -> None:
    """Judge the first example of each folder. Raises SelfTestError unless both come out as they must."""
    directory = examples_directory(verifier)
    for folder, examples in load_examples(directory, verifier.kind).items():
        if not examples:
            raise SelfTestError(f"{directory / folder} has no example of kind {verifier.kind!r}")
        example = examples[0]
        result = await judge(example.item)
        if result.WhichOneof("outcome") == "failure":
            failure = result.failure
            reason = result_pb2.Failure.Reason.Name(failure.reason)
            raise SelfTestError(f"{example.path}: {reason}: {failure.message}")
        if result.verdict.outcome != example.outcome:
            got, wanted = (
                result_pb2.Outcome.Name(outcome) for outcome in (result.verdict.outcome, example.outcome)
            )
            raise SelfTestError(f"{example.path}: {got} instead of {wanted}")
