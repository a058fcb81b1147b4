"""`basanite verify`: whatever the lines are, and however it is stopped."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any

import e2e_command as command
import pytest

from basanite import FailureReason, Outcome, Result


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def function(**case: Any) -> dict[str, Any]:
    form = {"entry_point": "f", "cases": [{"arguments": "[]", "expected": "1", **case}]}
    return {"kind": "code", "code": {"language": "python", "source": "def f(): return 1", "function": form}}


def with_case(**case: Any) -> dict[str, Any]:
    item = command.right()
    item["code"]["stdio"]["cases"][0] |= case
    return item


NO_CASES = {"kind": "code", "code": {"language": "python", "source": "1", "stdio": {"cases": []}}}
NO_FORM = {"kind": "code", "code": {"language": "python", "source": "1"}}
EXTENSION = {"kind": "example.org/sql", "extension": {"kind": "example.org/sql", "payload": ""}}
BAD: dict[str, tuple[dict[str, Any] | bytes, str, str]] = {
    # what it is: the line, the field, and a word of the rule
    "cut-off": (b'{"kind": "code", "code"', "item", "JSON"),
    "not-json": (b"print(42)", "item", "JSON"),
    "not-an-object": (b"[1, 2]", "item", "JSON object"),
    "null-bytes": (b'{"kind": "code\x00"}', "item", "JSON"),
    "invalid-utf-8": (b'{"kind": "code", "id": "\xff"}', "item", "utf-8"),
    "utf-16": (json.dumps(command.right()).encode("utf-16-le"), "item", "JSON"),
    "very-deep-json": (nested(100_000).encode(), "item", "JSON"),
    "deep-object": (b'{"code":' * 50_000 + b"1" + b"}" * 50_000, "item", "JSON"),
    "unknown-field": ({**command.right(), "colour": "red"}, "item", "colour"),
    "wrong-type": (with_case(weight="heavy"), "item", "weight"),
    "surrogate-id": (b'{"id": "\\ud800", "kind": 3}', "item", "JSON"),
    "unknown-kind": ({**command.right(), "kind": "verilog"}, "kind", "'code'"),
    "no-task": ({"kind": "code"}, "task", "set"),
    "no-form": (NO_FORM, "code.form", "stdio, function, python_test or program"),
    "long-id": (command.right(id="i" * 257), "id", "256"),
    "other-language": (
        {"kind": "code", "code": {**NO_FORM["code"], "language": "cobol", "program": {}}},
        "code.language",
        "python",
    ),
    "no-cases": (NO_CASES, "code.stdio.cases", "1 to 10000"),
    "much-cpu": (command.right(limits={"cpu_seconds": 1e9}), "limits.cpu_seconds", "300"),
    "much-memory": (
        command.right(limits={"memory_bytes": str(1 << 50)}),
        "limits.memory_bytes",
        "17179869184",
    ),
    "negative-cpu": (command.right(limits={"cpu_seconds": -1}), "limits.cpu_seconds", "300"),
    "negative-memory": (command.right(limits={"memory_bytes": -1}), "limits.memory_bytes", "1 to"),
    "endless-wall": (command.right(limits={"wall_seconds": "NaN"}), "limits.wall_seconds", "1800"),
    "negative-weight": (with_case(weight=-1), "code.stdio.cases[0].weight", "1 to 1000000"),
    "deep-value": (function(arguments=nested(2_000)), "code.function.cases[0].arguments", "1000 deep"),
    "deep-expectation": (function(expected=nested(2_000)), "code.function.cases[0].expected", "1000 deep"),
    "no-tagged-json": (function(arguments="(1,)"), "code.function.cases[0].arguments", "tagged JSON"),
    "no-environment": (command.right(environment="nowhere"), "environment", "one of"),
    "odd-assurance": (command.right(require_assurance=9), "require_assurance", "ASSURANCE_SEPARATED"),
}


def test_every_bad_line_says_what_is_wrong_and_the_rest_is_judged(address: str, folder: Path) -> None:
    lines: list[dict[str, Any] | bytes] = []
    places: dict[str, int] = {}
    for name, (line, _, _) in BAD.items():
        places[name] = len(lines) + 1
        lines += [line, command.right(id=f"after {name}"), b"  "]
    lines += [EXTENSION, command.right(id="twice"), command.right(id="twice"), b'{"id": "twice", "kind": 1}']
    end = len(lines)
    items = command.write_lines(folder / "items", lines)
    done = command.run("verify", items, "-o", folder / "results", "--address", address)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr
    results = command.read_results(folder / "results")
    assert len(results) == 2 * len(BAD) + 4
    for name, (line, field, rule) in BAD.items():
        assert results[f"after {name}"].passed, name
        given = line.get("id") if isinstance(line, dict) else None
        failure = results[given or f"line-{places[name]}"].failure
        assert failure is not None, name
        assert failure.reason is FailureReason.INVALID_ITEM, (name, failure)
        assert failure.field == field, (name, failure)
        assert rule in failure.rule, (name, failure.rule[:300])
        assert not failure.retryable
    unknown = results[f"line-{end - 3}"].failure
    assert unknown is not None
    assert unknown.reason is FailureReason.UNSUPPORTED_KIND
    assert "'example.org/sql'" in unknown.message
    assert results["twice"].passed
    for line_number in (end - 1, end):
        repeated = results[f"line-{line_number}"].failure
        assert repeated is not None
        assert (repeated.reason, repeated.field) == (FailureReason.INVALID_ITEM, "id")
        assert "'twice'" in repeated.rule


def test_forms_of_files_that_editors_and_shells_write(address: str, folder: Path) -> None:
    line = json.dumps(command.right()).encode()
    (folder / "items").write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\r\n\n" + line)  # no line feed at the end
    done = command.run("verify", folder / "items", "-o", folder / "results", "--address", address)
    assert done.returncode == 0, done.stderr
    assert sorted(command.read_results(folder / "results")) == ["line-1", "line-4"]


def test_an_empty_file_has_empty_results(address: str, folder: Path) -> None:
    (folder / "items").touch()
    done = command.run("verify", folder / "items", "-o", folder / "results", "--address", address)
    assert done.returncode == 0, done.stderr
    assert (folder / "results").read_bytes() == b""


def test_items_from_a_pipe_and_results_to_one(address: str, folder: Path) -> None:
    arguments = ["verify", "/dev/stdin", "-o", "/dev/stdout", "--address", address]
    done = command.run(*arguments, input=json.dumps(command.right(id="a")))
    assert done.returncode == 0, done.stderr
    assert Result.from_json(done.stdout).passed


def test_items_with_ids_like_those_of_lines_without(address: str, folder: Path) -> None:
    lines = [
        command.right(id="line-2"),
        command.right(),
        command.right(id="line-2"),
        command.right(id="line-5"),
        b"?",
    ]
    items = command.write_lines(folder / "items", lines)
    done = command.run("verify", items, "-o", folder / "results", "--address", address)
    assert done.returncode == 1
    results = command.read_results(folder / "results")
    assert {name for name, result in results.items() if result.passed} == {"line-2", "line-2+", "line-5"}
    assert results["line-3"].failure is not None
    assert results["line-5+"].failure is not None
    before = (folder / "results").read_bytes()
    command.run("verify", items, "-o", folder / "results", "--address", address)
    assert sorted((folder / "results").read_bytes().splitlines()) == sorted(before.splitlines())


def test_a_run_that_was_killed_is_taken_up_where_it_was(doctor: str, folder: Path) -> None:
    slow = [command.stdio(f"import time; time.sleep(0.1); print(42) # {n}", id=f"n{n}") for n in range(40)]
    lines = [*slow, b"broken", command.right(id="n0")]
    items, results = command.write_lines(folder / "items", lines), folder / "results"
    running = command.start("verify", items, "-o", results)
    command.wait_for(lambda: results.exists() and results.read_bytes().count(b"\n") >= 8)
    processes = command.descendants(running.pid)
    running.kill()
    running.communicate()
    command.assert_gone(processes)
    kept = [line for line in results.read_bytes().splitlines(keepends=True) if b'"verdict"' in line]
    kept = [line for line in kept if line.endswith(b"\n")]
    assert 6 <= len(kept) < 40
    with results.open("ab") as file:
        file.write(b'{"id": "n39", "verdict": {"outcome": "OUTCOME_PA')  # as if it was cut off
    done = command.run("verify", items, "-o", results)
    assert done.returncode == 1, done.stderr
    assert f"{len(kept)} verdicts of a former run are kept." in done.stderr
    # Their times would differ if they had been judged again.
    assert results.read_bytes().startswith(b"".join(kept))
    found = command.read_results(results)
    assert sorted(found) == sorted([*(f"n{n}" for n in range(40)), "line-41", "line-42"])
    assert sum(result.passed for result in found.values()) == 40
    assert "42 items" in done.stderr


def test_what_could_not_be_judged_is_judged_again_and_verdicts_are_not(address: str, folder: Path) -> None:
    ids = [f"i{n}" for n in range(6)]
    items = command.write_lines(folder / "items", [command.right(id=name) for name in ids])
    results = folder / "results"
    assert command.run("verify", items, "-o", results, "--address", address).returncode == 0
    lines = {Result.from_json(line).id: line for line in results.read_bytes().splitlines()}
    # A verdict that nobody would give again shows that it is kept.
    odd = lines["i0"].replace(b"OUTCOME_PASSED", b"OUTCOME_FAILED").replace(b'"score": 1.0', b'"score": 0.25')
    failures = [
        json.dumps(
            {"id": name, "failure": {"reason": reason, "message": "m", "retryable": retryable}}
        ).encode()
        for name, reason, retryable in (
            ("i1", "REASON_OVERLOADED", True),
            ("i2", "REASON_SANDBOX", True),
            ("i3", "REASON_CANCELLED", False),
        )
    ]
    results.write_bytes(b"\n".join([odd, *failures, lines["i4"], lines["i5"][:-30]]))
    assert command.run("verify", items, "-o", results, "--address", address).returncode == 0
    found = command.read_results(results)
    assert sorted(found) == ids
    assert found["i0"].verdict is not None
    assert (found["i0"].verdict.outcome, found["i0"].score) == (Outcome.FAILED, 0.25)
    assert all(found[name].passed for name in ids[1:])
    assert results.read_bytes().splitlines()[:2] == [odd, lines["i4"]]
    before = results.read_bytes()
    done = command.run("verify", items, "-o", results, "--address", address)
    assert done.returncode == 0
    assert results.read_bytes() == before
    assert "6 verdicts" in done.stderr


def test_a_line_that_was_mended_is_judged(address: str, folder: Path) -> None:
    items, results = folder / "items", folder / "results"
    command.write_lines(items, [{**NO_CASES, "id": "a"}, command.right(id="b")])
    assert command.run("verify", items, "-o", results, "--address", address).returncode == 1
    command.write_lines(items, [command.right(id="a"), command.right(id="b")])
    assert command.run("verify", items, "-o", results, "--address", address).returncode == 0
    assert all(result.passed for result in command.read_results(results).values())


def test_files_that_are_no_results_are_left_alone(folder: Path) -> None:
    items = command.write_lines(folder / "items", [command.right(id="a")])
    other = command.write_lines(folder / "other", [b"# my notes", b"second line"])
    (folder / "link").symlink_to(items)
    for output in (items, folder / "link", other):
        before = output.read_bytes()
        done = command.run("verify", items, "-o", output)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("basanite: ")
        assert output.read_bytes() == before


def test_files_that_cannot_be_used_are_bad_usage(folder: Path) -> None:
    items = command.write_lines(folder / "items", [command.right(id="a")])
    for file, output in (
        (folder / "nothing", folder / "results"),
        (folder, folder / "results"),
        (items, folder),
        (items, folder / "no" / "such" / "folder"),
    ):
        done = command.run("verify", file, "-o", output)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
    assert command.run("verify", items).returncode == 2


def test_a_full_disk_is_said_plainly(address: str, folder: Path) -> None:
    items = command.write_lines(folder / "items", [command.right(id="a")])
    done = command.run("verify", items, "-o", "/dev/full", "--address", address)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_by_signal_is_clean(doctor: str, folder: Path, number: signal.Signals, status: int) -> None:
    # Each forks, and its child leaves session and parent.
    text = "import os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(60) # {}"
    long = [command.stdio(text.format(n), id=f"long{n}") for n in range(8)]
    items, results = command.write_lines(folder / "items", [command.right(id="a"), *long]), folder / "results"
    running = command.start("verify", items, "-o", results)
    command.wait_for(lambda: results.exists() and results.read_bytes().count(b"\n") >= 1)
    idle = len(command.descendants(running.pid))
    command.wait_for(lambda: len(command.descendants(running.pid)) > max(idle, 8))
    processes = command.descendants(running.pid)
    running.send_signal(number)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == status, errors
    assert "Traceback" not in errors
    command.assert_gone(processes)
    assert not list((folder / "tmp").iterdir())
    assert list(command.read_results(results)) == ["a"]


@pytest.mark.parametrize("delay", [0.15, 0.4, 0.6])
def test_a_stop_while_it_starts_is_clean(doctor: str, folder: Path, delay: float) -> None:
    items = command.write_lines(folder / "items", [command.stdio("while True: pass", id="a")])
    running = command.start("verify", items, "-o", folder / "results")
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(delay)
    processes = command.descendants(running.pid)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=30)
    assert running.returncode in (130, -signal.SIGINT), errors  # the latter: before any of ours ran
    command.assert_gone(processes)
    assert not list((folder / "tmp").iterdir())


def test_a_terminal_gets_colours_and_a_bar(address: str, folder: Path) -> None:
    items = command.write_lines(folder / "items", [command.stdio(f"print(42) # {n}") for n in range(20)])
    ours, theirs = pty.openpty()
    arguments = [*command.BASANITE, "verify", items, "-o", folder / "results", "--address", address]
    done = subprocess.Popen(
        arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | {"TERM": "xterm"}
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert done.wait() == 0
    assert b"\x1b[" in shown
    assert b"20/20" in shown
