"""What README.md and docs/items.md show works as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import e2e_command as command

from basanite import (
    Assurance,
    Client,
    FailureReason,
    Item,
    Outcome,
    Result,
    VerilogEquivalenceTask,
    VerilogTestbenchTask,
)


def blocks(path: str, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (command.ROOT / path).read_text(), re.DOTALL | re.MULTILINE
    )


def test_the_example_of_the_readme_prints_what_it_says(doctor: str) -> None:
    example, _, trainer = blocks("README.md", "python")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = re.search(r"print\(result.*# (.*)", example)
    assert said is not None
    assert done.stdout.splitlines() == [*said[1].split(", "), "True", "True"]
    assert done.stderr == ""
    subprocess.run([sys.executable, "-W", "error", "-c", trainer], check=True, timeout=60)


def test_the_verilog_example_of_the_readme_prints_what_it_says(doctor: str, verilog_tools: None) -> None:
    _, example, _ = blocks("README.md", "python")
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", example], capture_output=True, text=True, check=True
    )
    right, wrong = said.stdout.splitlines()
    assert right == "PASSED "
    assert re.fullmatch(
        r"FAILED output sum: \d+ of 1000 samples differ, first .* \(wrong only in bit 8\)", wrong
    )


def test_the_examples_of_the_format_are_judged_as_it_says(address: str) -> None:
    *items, result, failed = blocks("docs/items.md", "json")
    read = [Item.from_json(text) for text in items]
    programs, designs = read[:4], read[4:]
    assert [type(item.task) for item in designs] == [VerilogEquivalenceTask, VerilogTestbenchTask]
    assert all(Item.from_json(item.to_json()) == item for item in designs)
    with Client(address) as client:
        judged = client.verify_batch(programs)
    assert [found.verdict and found.verdict.outcome for found in judged] == [
        Outcome.PASSED,
        Outcome.PASSED,
        Outcome.PASSED,
        Outcome.COMPLETED,
    ]
    assert judged[3].verdict.cases[0].output.stdout == b"['a', 'b']\n"  # type: ignore[union-attr]
    failure = Result.from_json(failed).failure
    assert failure is not None
    assert failure.reason is FailureReason.INVALID_ITEM
    shown, found = json.loads(result), json.loads(judged[0].to_json())
    assert Result.from_json(result).passed
    assert Result.from_json(result).verdict.assurance is Assurance.SEPARATED  # type: ignore[union-attr]
    for of_a_run in ("digest", "environment_digest", "cached"):
        shown.pop(of_a_run, None), found.pop(of_a_run, None)
    assert shapes(shown) == shapes(found)


def shapes(value: object, name: str = "") -> object:
    """The value without its measurements."""
    if isinstance(value, dict):
        return {key: shapes(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [shapes(inner) for inner in value]
    return "measured" if name.endswith("_seconds") or name == "peak_memory_bytes" else value
