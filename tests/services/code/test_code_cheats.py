"""Candidates that cheat: none passes, and each gets a verdict."""

from __future__ import annotations

from typing import Any

import pytest
from cheats import FUNCTION, STDIO
from code_judge import Judge, explain, function, outcome, outcomes, stdio

from basanite.v1 import tasks_pb2

SHORT = {"cpu_seconds": 0.4, "wall_seconds": 0.8, "memory_bytes": 128 << 20, "output_bytes": 1 << 20}
SECRETS = ["quartz-91c3-secret", "basalt-77aa-secret", "gabbro-0f1e-secret"]
POLICIES = [tasks_pb2.ValueComparison(policy=number) for number in range(6)]  # type: ignore[arg-type]


def of_function(source: str, **form: Any) -> tasks_pb2.CodeTask:
    cases = [{"arguments": f"[{n}]", "expected": f'"{secret}"'} for n, secret in enumerate(SECRETS)]
    return function(source, "f", *cases, **form)


def of_stdio(source: str, **form: Any) -> tasks_pb2.CodeTask:
    return stdio(source, *((f"{n}\n", f"{secret}\n") for n, secret in enumerate(SECRETS)), **form)


def assert_all_lose(judge: Judge, tasks: dict[str, tasks_pb2.CodeTask]) -> None:
    verdicts = judge.all((task, SHORT) for task in tasks.values())
    bad = {
        name: explain(verdict)
        for name, verdict in zip(tasks, verdicts, strict=True)
        if isinstance(verdict, BaseException) or verdict.score != 0 or "PASSED" in outcomes(verdict)
    }
    assert not bad


def chunks(names: list[str], size: int = 8) -> list[list[str]]:
    """Run together: most of their time they wait for a limit."""
    return [names[at : at + size] for at in range(0, len(names), size)]


@pytest.mark.parametrize("names", chunks(list(FUNCTION)), ids=lambda names: names[0])
def test_function(judge: Judge, names: list[str]) -> None:
    assert_all_lose(judge, {name: of_function(FUNCTION[name]) for name in names})


@pytest.mark.parametrize("names", chunks(list(STDIO)), ids=lambda names: names[0])
def test_stdio(judge: Judge, names: list[str]) -> None:
    assert_all_lose(
        judge,
        {name: of_stdio(STDIO[name], stop_on_first_failure=True) for name in names},
    )


def test_stdio_alone(judge: Judge) -> None:
    """A single case runs another way than several."""
    quick = [
        name for name in STDIO if not any(word in name for word in ("sleep", "wait", "stop", "never", "bomb"))
    ]
    assert_all_lose(judge, {name: stdio(STDIO[name], ("1\n", SECRETS[0])) for name in quick})


LIES = [name for name in FUNCTION if "equal" in name or "lying" in name or "passes for" in name]
EXPECTED = [
    '"secret-1"',
    "42",
    "4.5",
    "true",
    "[1, 2]",
    '{"$tuple": [1]}',
    '{"a": 1}',
    '{"$set": [1]}',
    '{"$bytes": "YQ=="}',
]


@pytest.mark.parametrize("name", LIES)
def test_lying_values_under_every_policy(judge: Judge, name: str) -> None:
    cases = [
        {"arguments": "[1]", "expected": expected, "comparison": policy}
        for expected in EXPECTED
        for policy in POLICIES
    ]
    verdict = judge(function(FUNCTION[name], "f", *cases))
    assert "PASSED" not in outcomes(verdict), explain(verdict)


# Memory ------------------------------------------------------------------------------------------------------

SEARCH = r"""
import ctypes, gc, re, sys

PATTERN = re.compile(rb"PLANTED-(?:[a-z]\x00{0,3}){12}")
WIDE = re.compile(rb"P\x00{0,3}L\x00{0,3}A\x00{0,3}N\x00{0,3}T\x00{0,3}E\x00{0,3}D\x00{0,3}-\x00{0,3}[a-z]")

def found():
    everything = set()
    for line in open("/proc/self/maps"):
        where, rights, *_, name = (line.split() + [""])[:6] if len(line.split()) > 5 else (*line.split(), "")
        if "r" not in rights or name in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
            continue
        first, last = (int(part, 16) for part in where.split("-"))
        if name.startswith("/"):
            continue
        data = ctypes.string_at(first, last - first)
        for match in PATTERN.finditer(data):
            everything.add(match[0].decode().replace("\0", ""))
    for thing in gc.get_objects():
        for part in (thing, *gc.get_referents(thing)):
            if isinstance(part, (str, bytes)):
                text = part if isinstance(part, bytes) else part.encode(errors="replace")
                everything.update(match[0].decode() for match in PATTERN.finditer(text))
    return sorted(everything)
"""


def test_what_is_expected_of_a_function_is_nowhere_in_its_process(judge: Judge) -> None:
    shown, hidden, later = "PLANTED-shownargumen", "PLANTED-hiddenanswer", "PLANTED-raisesanswer"
    source = SEARCH + "def f(x):\n    return found()\n"
    cases = [
        {"arguments": f'["{shown}"]', "expected": f'["{shown}", "{hidden}"]'},
        {"arguments": "[1]", "raises": later.replace("-", "_")},
        {"arguments": "[1]", "expected_arguments_after": f'["{hidden}", 1]'},
    ]
    verdict = judge(function(source, "f", *cases))
    # The search finds what is there: the argument.
    assert verdict.cases[0].returned == f'["{shown}"]', explain(verdict)
    assert "PASSED" not in outcomes(verdict)
    # A cell is used again: nor is it there in the next item.
    verdict = judge(function(source, "f", {"arguments": "[1]", "expected": "[]"}))
    assert outcomes(verdict) == ["PASSED"], explain(verdict)


@pytest.mark.parametrize("cases", [1, 3])
def test_what_is_expected_of_a_program_is_nowhere_in_its_process(judge: Judge, cases: int) -> None:
    source = SEARCH + "print(input()[:0], found())\n"
    verdict = judge(
        stdio(
            source,
            *[(f"PLANTED-shown{'abc'[n] * 7}\n", f"PLANTED-hidden{'abc'[n] * 6}") for n in range(cases)],
        )
    )
    for n, case in enumerate(verdict.cases):
        assert case.output.stdout.decode() == f" ['PLANTED-shown{'abc'[n] * 7}']\n", explain(verdict)
    assert outcome(verdict) == "FAILED"


# Exceptions --------------------------------------------------------------------------------------------------

ALL_NAMES = [
    "ValueError",
    "KeyError",
    "IndexError",
    "TypeError",
    "ZeroDivisionError",
    "RuntimeError",
    "OSError",
]
UNIVERSAL = {
    "one class for all": """
class E(ValueError, KeyError, IndexError, TypeError, ZeroDivisionError, RuntimeError): pass
""",
    "one class named like all": f"""
E = Exception
for name in {ALL_NAMES}: E = type(name, (E,), {{}})
""",
    "a forged list": f"""
import os, json
def E():
    os.write(5, json.dumps({{"raised": {{"types": {ALL_NAMES}, "message": ""}}}}).encode() + b"\\n")
    os._exit(0)
""",
}


@pytest.mark.parametrize("name", UNIVERSAL)
def test_an_exception_for_all_occasions(judge: Judge, name: str) -> None:
    cases = [{"arguments": "[]", "raises": each} for each in ALL_NAMES]
    verdict = judge(function(UNIVERSAL[name] + "def f(): raise E()", "f", *cases))
    assert "PASSED" not in outcomes(verdict), explain(verdict)


def test_an_exception_is_not_what_raising_it_says(judge: Judge) -> None:
    source = """
class E(Exception):
    @property
    def __class__(self): return ValueError
    def __str__(self): return "ValueError"
    __name__ = __qualname__ = "ValueError"
def f(): raise E
"""
    assert outcomes(judge(function(source, "f", {"raises": "ValueError"}))) == ["FAILED"]
