"""What README.md and docs/items.md show works as it stands there."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import e2e_command as command
import pytest

from basanite import (
    Assurance,
    Client,
    CocotbTask,
    FailureReason,
    Item,
    Outcome,
    PartState,
    Result,
    VerilogCompileTask,
    VerilogEquivalenceTask,
    VerilogTestbenchTask,
)
from basanite.trainers.trl import reward_function


def blocks(path: str, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (command.ROOT / path).read_text(), re.DOTALL | re.MULTILINE
    )


def test_the_example_of_the_readme_prints_what_it_says(doctor: str) -> None:
    example, _, _, _, trainer = blocks("README.md", "python")
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
    _, example, _, _, _ = blocks("README.md", "python")
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", example], capture_output=True, text=True, check=True
    )
    right, wrong = said.stdout.splitlines()
    assert right == "PASSED "
    assert re.fullmatch(
        r"FAILED output sum: \d+ of 1000 samples differ, first .* \(wrong only in bit 8\)", wrong
    )


def test_the_example_of_suites_in_the_readme_prints_what_it_says(doctor: str) -> None:
    _, _, example, _, _ = blocks("README.md", "python")
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", example], capture_output=True, text=True, check=True
    )
    assert said.stdout == "1.0\n0.0\n"


@pytest.mark.parametrize(("path", "place"), [("README.md", 3), ("docs/lean.md", 0)])
def test_the_example_of_proofs_prints_what_it_says(doctor: str, lean: None, path: str, place: int) -> None:
    example = blocks(path, "python")[place]
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", example], capture_output=True, text=True, check=True
    )
    assert said.stdout == "1.0 \n0.0 swap depends on sorry\n"


def test_the_examples_of_programs_that_are_proved_print_what_they_say(
    doctor: str, dafny: None, address: str
) -> None:
    (example,) = blocks("docs/dafny.md", "python")
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", example], capture_output=True, text=True, check=True
    )
    assert said.stdout == "1.0 \n0.0 method Abs: it lacks ensures x < 0 ==> y == -x\n"
    (line,) = blocks("docs/dafny.md", "json")
    with Client(address) as client:
        assert client.verify(Item.from_json(line)).passed


def test_the_first_example_about_suites_prints_what_it_says(doctor: str) -> None:
    example, repository = blocks("docs/unittest.md", "python")
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", example], capture_output=True, text=True, check=True
    )
    assert said.stdout == "1.0\n"
    compile(repository, "docs/unittest.md", "exec")


def test_the_designs_of_the_format_pass(address: str, verilog_tools: None) -> None:
    designs = [Item.from_json(text) for text in blocks("docs/items.md", "json")[6:-2]]
    with Client(address) as client:
        for found in client.verify_batch(designs):
            assert found.passed, found
            parts = {part.name: part.state for part in found.verdict.parts}  # type: ignore[union-attr]
            assert parts == (
                {"simulation": PartState.PASS, "formal": PartState.PASS} if found.id == "xor-3" else {}
            )


def test_the_examples_of_the_format_are_judged_as_it_says(address: str) -> None:
    *items, result, failed = blocks("docs/items.md", "json")
    read = [Item.from_json(text) for text in items]
    programs, designs = [*read[:4], read[5]], read[6:]
    assert [type(item.task) for item in designs] == [
        VerilogEquivalenceTask,
        VerilogEquivalenceTask,
        VerilogTestbenchTask,
        CocotbTask,
        VerilogCompileTask,
    ]
    assert all(Item.from_json(item.to_json()) == item for item in designs)
    with Client(address) as client:
        judged = client.verify_batch(programs)
    assert [found.verdict and found.verdict.outcome for found in judged] == [
        Outcome.PASSED,
        Outcome.PASSED,
        Outcome.PASSED,
        Outcome.COMPLETED,
        Outcome.PASSED,
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


def test_rows_of_data_sets_become_rewards_as_the_guide_to_verilog_says(
    address: str, verilog_tools: None, folder: Path
) -> None:
    code = folder / "guide.py"
    code.write_text("\n".join(blocks("docs/verilog.md", "python")))
    made: dict[str, Any] = runpy.run_path(str(code))
    golden = "module RefModule(input a, input b, output y);\n  assign y = a & b;\nendmodule\n"
    right = golden.replace("RefModule", "TopModule")
    wrong = right.replace("&", "|")
    rows = {
        "verilog_eval": {"ref": golden},
        "verilog_eval_testbench": {"ref": golden, "test": MISMATCHES},
        "rtllm": {"name": "TopModule", "testbench": PASSES, "verified": right},
        "codev_r1": {"code": f"module helper;\nendmodule\n{right}"},
    }
    items = [made[name](design, row) for name, row in rows.items() for design in (right, wrong)]
    with Client(address) as client:
        results = client.verify_batch(items)
        assert [result.passed for result in results] == [True, False] * len(rows), results
        lints = shutil.which("verilator_bin") is not None
        checks = [made["check"], made["clean"]] if lints else [made["check"]]
        rewards = reward_function(*checks, client=client)(
            prompts=[""] * 3,
            completions=[f"```verilog\n{right}```", f"```sv\n{wrong}```", "none"],
            completion_ids=[[]] * 3,
            ref=[golden] * 3,
        )
    assert rewards == ([1.1, 0.1, 0.0] if lints else [1.0, 0.0, 0.0])


MISMATCHES = """module tb;
  reg a = 0, b = 0;
  wire y_ref, y_dut;
  integer wrong = 0, n;
  RefModule good(a, b, y_ref);
  TopModule dut(a, b, y_dut);
  initial begin
    for (n = 0; n < 4; n = n + 1) begin {a, b} = n; #1 wrong = wrong + (y_ref !== y_dut); end
    $display("Mismatches: %1d in %1d samples", wrong, 4);
    $finish;
  end
endmodule
"""
PASSES = """module testbench;
  reg a, b;
  wire y;
  integer n, error = 0;
  TopModule uut(.a(a), .b(b), .y(y));
  initial begin
    for (n = 0; n < 4; n = n + 1) begin
      {a, b} = n; #1;
      if (y !== (a & b)) begin error = error + 1; $display("Test failed: a=%b", a); end
    end
    if (error == 0) $display("=========== Your Design Passed ===========");
    else $display("=========== Test completed with %d /4 failures ===========", error);
    $finish;
  end
endmodule
"""


def test_the_verilog_reward_of_the_examples_gives_what_it_says(
    address: str, verilog_tools: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASANITE_ADDRESS", address)
    golden = "module RefModule(input a, b, output y, z);\n  assign y = a & b, z = a;\nendmodule\n"
    right = golden.replace("RefModule", "TopModule")
    file = command.write_lines(
        folder / "rows.jsonl", [json.dumps({"id": "and", "prompt": "..", "reference": golden}).encode()]
    )
    example = command.ROOT / "examples" / "verilog_reward.py"
    done = subprocess.run(
        [sys.executable, "-W", "error", example, file],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("and 1.0\n", "", 0)
    reward = runpy.run_path(str(example))["reward"]
    completions = [right, right.replace("&", "|"), right.replace("assign", "assing"), "initial $finish;"]
    rewards = reward(
        prompts=[""] * 5,
        completions=[*(f"```verilog\n{text}```" for text in completions), "none"],
        completion_ids=[[]] * 5,
        reference=[golden] * 5,
    )
    assert rewards == pytest.approx([1, 0.15, 0, 0, 0])
