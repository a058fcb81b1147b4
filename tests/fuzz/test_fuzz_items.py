"""Items on their way in: lines of a file, and whatever a Python program puts into them."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from fuzzing import fuzz, mutated
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tagged import plain
from targets import attempt, read_line

from basanite import (
    Assurance,
    Checker,
    Clocking,
    ClockPort,
    CocotbTask,
    Comparison,
    ExtensionTask,
    FormalCheck,
    FunctionCase,
    FunctionTask,
    Item,
    ItemFormatError,
    Limits,
    Outcome,
    PatternRule,
    ProgramTask,
    RepositoryTask,
    ResetPort,
    Result,
    StdioCase,
    StdioTask,
    StimulusPlan,
    StimulusVector,
    UnittestSuiteTask,
    VerilogCompileTask,
    VerilogEquivalenceTask,
    VerilogTestbenchTask,
)
from basanite._run import encode
from basanite._verify_file import FileVerification
from basanite.v1 import verifier_pb2

ITEMS = (
    Item(StdioTask("print(1)", [StdioCase("a", "1"), StdioCase(b"\xff", b"1", 3, "exact")]), id="stdio"),
    Item(
        StdioTask(
            "x", [StdioCase("", "1", comparison=Comparison("float_tolerance", 0.1))], checker=Checker("0")
        ),
        id="checker",
        limits=Limits(1.5, 2.0, 3, 4, 5, 6, 7, 8),
    ),
    Item(
        FunctionTask(
            "def f(x): return x",
            "f",
            [
                FunctionCase([1, (2,)], expected={1: b"x"}),
                FunctionCase([], raises="ValueError", kwargs={"k": {2}}),
            ],
            "unordered",
        ),
        id="function",
        cache=False,
        environment="numpy",
        require_assurance=Assurance.GUARDED,
    ),
    Item(ProgramTask("import sys", "in", ("-v",)), id="program"),
    Item(ExtensionTask("example.org/sql", b"select 1"), id="extension"),
    Item(
        VerilogEquivalenceTask(
            {"a.v": "module", "rtl/b.v": ""},
            "top",
            "golden",
            parameters={"W": 8},
            clocking=Clocking([ClockPort("clk", "both")], [ResetPort("rst", active_low=True)]),
            stimuli=StimulusPlan(10, [StimulusVector({"a": 1}, 2)]),
            formal=FormalCheck(),
            defines={"A": "1"},
        ),
        id="equivalence",
    ),
    Item(
        VerilogTestbenchTask("module", "top", "tb", PatternRule("ok", "no"), reference="module"),
        id="testbench",
    ),
    Item(CocotbTask("module", "top", {"t.py": ""}, ["t.a"], include_directories=["rtl"]), id="cocotb"),
    Item(VerilogCompileTask("module", "top", lint=True), id="compile"),
    Item(UnittestSuiteTask("x = 1", {"test_a.py": ""}, "unittest", ["test_a.A.b"], runs=2), id="suite"),
    Item(RepositoryTask("--- a/x", "0" * 64, ["t.py::a"], tests={"t.py": ""}), id="repository"),
)
LINES = tuple(item.to_json().encode() for item in ITEMS)
RESULTS = (
    b'{"id": "a", "verdict": {"outcome": "OUTCOME_PASSED", "score": 1.0, "assurance": "ASSURANCE_SEPARATED",'
    b' "cases": [{"outcome": "OUTCOME_PASSED", "weight": "1", "returned": "1", "raised": {"types": ["X"]}}]}}',
    b'{"id": "b", "failure": {"reason": "REASON_SANDBOX", "message": "gone", "retryable": true}, "cached": true}',
)
TOKENS = (
    *(
        b'"id"',
        b'"code"',
        b'"kind"',
        b'"stdio"',
        b'"verilog"',
        b'"files"',
        b'"name"',
        b'"cases"',
        b'"limits"',
        b'"cpu_seconds"',
        b'"extension"',
        b"NaN",
    ),
    *(
        b"null",
        b"{}",
        b"[]",
        b'""',
        b"1e999",
        b"-1",
        b"9" * 30,
        b'"\\ud800"',
        b"\xff",
        b"\x00",
        b"{" * 3000,
        b"}",
    ),
    *(
        b'{"$tuple":[1]}',
        b'"{\\"$set\\": [[]]}"',
        b'"weight"',
        b"true",
        b'"OUTCOME_NOT_RUN"',
        b"99",
        b'"AA=="',
        b",",
    ),
)
lines = mutated(st.sampled_from(LINES + RESULTS), TOKENS)


@fuzz(500)
@given(lines | st.binary(max_size=40))
def test_a_line_is_an_item_or_the_one_error(line: bytes) -> None:
    read_line(line)


class _Server:
    """Answers every item that gets to it."""

    def __init__(self) -> None:
        self.seen: list[Item] = []

    def stream(self, items: Any) -> Any:
        for item in items:
            encode(item, Assurance.SEPARATED)
            self.seen.append(item)
            yield Result(item.id)


@fuzz(120)
@given(st.lists(lines | st.sampled_from(LINES) | st.binary(max_size=10), max_size=6))
def test_every_line_of_a_file_gets_one_result_and_errors_name_line_field_and_rule(
    given_lines: list[bytes],
) -> None:
    content = b"\n".join(given_lines)
    server = _Server()
    with tempfile.TemporaryDirectory() as folder:
        file, output = Path(folder, "items"), Path(folder, "results")
        file.write_bytes(content)
        with contextlib.suppress(ItemFormatError):  # of `encode`: the client's business
            FileVerification(file, output).run(server, Console(file=io.StringIO()))  # type: ignore[arg-type]
            results = [json.loads(line) for line in output.read_text().splitlines()]
            numbers = [
                n
                for n, line in enumerate(content.split(b"\n"), 1)
                if (line.removeprefix(b"\xef\xbb\xbf") if n == 1 else line).strip()
            ]
            assert len(results) == len(numbers)
            assert len({result["id"] for result in results}) == len(results)
            sent = {item.id for item in server.seen}
            for result in results:
                if result["id"] not in sent:
                    if "verdict" in result:  # the candidate's files have one name, or are no Unicode
                        verdict = Result.from_json(json.dumps(result)).verdict
                        assert verdict is not None
                        assert verdict.outcome is Outcome.REJECTED
                        continue
                    failure = result["failure"]
                    assert failure["reason"] == "REASON_INVALID_ITEM"
                    assert failure["field"]
                    assert failure["rule"]
                    number = int(failure["message"].removeprefix("line ").partition(":")[0])
                    assert number in numbers


class _Liar:
    """Says it is something else."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    @property
    def __class__(self) -> Any:
        return self._kind

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise NotImplementedError


class _Bomb:
    """Raises whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __iter__(self) -> Any:
        raise RuntimeError("iter")

    def __len__(self) -> int:
        raise RuntimeError("len")

    def __bool__(self) -> bool:
        raise RuntimeError("bool")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __str__(self) -> str:
        raise RuntimeError("str")


def _endless() -> list[Any]:
    inside: list[Any] = []
    inside.append(inside)
    return inside


_ODD_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        1 << 63,
        10**400,
        1e308,
        float("nan"),
        "",
        "\ud800",
        "x" * 300,
        b"",
        (),
        [],
        {},
        set(),
    ),
    *(
        object(),
        int,
        NotImplemented,
        ...,
        range(3),
        Item,
        ITEMS[0],
        ITEMS[0].task,
        Checker(5),
        StdioCase(1, 2),
    ),
    *(Comparison("equal"), Comparison(5), Comparison("tokens", "1"), Limits(), Limits("1"), FunctionCase(5)),
    *(_Liar(int), _Liar(str), _Liar(dict), _Liar(list), _Liar(Item), _Liar(StdioTask), _Bomb(), _endless()),
)
odd: st.SearchStrategy[Any] = (
    plain
    | st.sampled_from(_ODD_VALUES)
    | st.lists(
        st.sampled_from([StdioCase("", ""), FunctionCase((), expected=1), _Bomb(), "a", 1]), max_size=3
    )
)
tasks = st.one_of(
    *(
        st.builds(kind, **{field.name: odd for field in dataclasses.fields(kind)})
        for kind in sorted({type(item.task) for item in ITEMS}, key=lambda kind: kind.__name__)
    )
)


@st.composite
def odd_items(draw: st.DrawFn) -> Item:
    """A good item, one or two fields of which, at any depth, are not what they should be."""
    item = draw(st.sampled_from(ITEMS))
    for _ in range(draw(st.integers(1, 2))):
        item = _spoil(draw, item)
    return item


def _spoil(draw: st.DrawFn, holder: Any) -> Any:
    field = draw(st.sampled_from(dataclasses.fields(holder)))
    value = getattr(holder, field.name)
    if type(value) in (list, tuple) and value and dataclasses.is_dataclass(value[0]) and draw(st.booleans()):
        value = [_spoil(draw, value[0]), *value[1:]]
    elif dataclasses.is_dataclass(value) and type(value) is not type and draw(st.booleans()):
        value = _spoil(draw, value)
    else:
        value = draw(odd)
    return dataclasses.replace(holder, **{field.name: value})


@fuzz(500)
@given(
    odd_items()
    | st.builds(Item, task=tasks)
    | st.builds(Item, task=odd, id=odd, limits=odd, deadline_seconds=odd)
)
def test_whatever_is_put_into_an_item_it_is_converted_or_the_one_error(item: Item) -> None:
    encoded = attempt(ItemFormatError, encode, item, Assurance.SEPARATED)
    if isinstance(encoded, ItemFormatError):
        assert encoded.rule
    else:
        verifier_pb2.Item.FromString(encoded[0])


@pytest.mark.parametrize(
    "text", ["{}", base64.b64encode(b"x").decode(), '{"code": {}}', '{"id": 5}', "[" * 100_000]
)
def test_a_line_that_is_no_item_names_a_rule(text: str) -> None:
    with pytest.raises(ItemFormatError, match=r"must|\w"):
        Item.from_json(text)
