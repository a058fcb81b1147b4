"""Items of the kind verilog: what is sent, what is refused and under which field, and whose fault it is."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from basanite import (
    Assurance,
    Client,
    Clocking,
    ClockPort,
    CocotbTask,
    FailureReason,
    FormalCheck,
    Item,
    ItemFormatError,
    Outcome,
    PatternRule,
    ResetPort,
    Result,
    StimulusPlan,
    StimulusVector,
    VerilogCompileTask,
    VerilogEquivalenceTask,
    VerilogTestbenchTask,
)
from basanite._errors import CandidateRefused
from basanite._run import encode
from basanite._verify_file import FileVerification
from basanite.v1 import verifier_pb2

DESIGN = "module TopModule(input a, output y); assign y = ~a; endmodule\n"
EQUIVALENCE = VerilogEquivalenceTask(DESIGN, "TopModule", DESIGN)
TESTBENCH = VerilogTestbenchTask(DESIGN, "TopModule", "module tb; endmodule", "mismatches")
COCOTB = CocotbTask(DESIGN, "TopModule", "import cocotb", ["tests.inverts"])
COMPILE = VerilogCompileTask(DESIGN, "TopModule")
TASKS: list[Any] = [EQUIVALENCE, TESTBENCH, COCOTB, COMPILE]


# What is sent

_texts = st.text(max_size=8)
_names = st.from_regex(r"[a-z_]{1,6}(/[a-z_.]{1,6}[a-z])?\.v", fullmatch=True)
_macros = st.dictionaries(_texts, _texts, max_size=3)
_lists = st.lists(_texts, max_size=3).map(tuple)


def _files(name: str) -> st.SearchStrategy[Any]:
    """One text or several; one under the name that a single text has is read as that."""
    several = st.dictionaries(_names, _texts, min_size=1, max_size=4)
    return _texts | several.filter(lambda files: [*files] != [name])


_shared: dict[str, st.SearchStrategy[Any]] = {
    "source": _files("top.v"),
    "top": _texts,
    "include_directories": _lists,
    "defines": _macros,
}
_clocking = st.builds(
    Clocking,
    st.lists(st.builds(ClockPort, _texts, st.sampled_from(["positive", "negative", "both"]))).map(tuple),
    st.lists(st.builds(ResetPort, _texts, st.booleans(), st.booleans())).map(tuple),
)
_stimuli = st.builds(
    StimulusPlan,
    st.integers(1, 100_000),
    st.lists(st.builds(StimulusVector, _macros, st.integers(1, 10_000)), max_size=3).map(tuple),
)
_modules = st.lists(st.sampled_from("abc"), min_size=1, unique=True).map(tuple)
_tasks: st.SearchStrategy[Any] = st.one_of(
    st.builds(
        VerilogEquivalenceTask,
        **_shared,
        golden=_files("golden.v"),
        golden_top=_texts,
        parameters=_macros,
        clocking=st.none() | _clocking,
        stimuli=_stimuli,
        formal=st.none() | st.builds(FormalCheck, st.floats(0.1, 1e6), st.integers(1, 200)),
        vcd=st.booleans(),
    ),
    st.builds(
        VerilogTestbenchTask,
        **_shared,
        testbench=_files("testbench.v"),
        rule=st.sampled_from(["mismatches", "finish", "nonce"]) | st.builds(PatternRule, _texts, _texts),
        testbench_top=_texts,
        reference=st.none() | _files("reference.v"),
        testbench_defines=_macros,
        vcd=st.booleans(),
    ),
    st.builds(
        CocotbTask,
        **_shared,
        tests=_files("tests.py"),
        expected_tests=st.lists(st.from_regex(r"[d-f]\.[a-z]+", fullmatch=True), min_size=1).map(tuple),
        modules=st.just(()) | _modules,  # other ones than those that the tests are of
        parameters=_macros,
        reference=st.none() | _files("reference.v"),
    ),
    st.builds(VerilogCompileTask, **_shared, lint=st.booleans(), verilator=st.booleans()),
)


@given(_tasks)
def test_tasks_survive_json(task: Any) -> None:
    item = Item(task)
    again = Item.from_json(item.to_json())
    assert again == item
    source = task.source
    assert isinstance(source, str) or [*again.task.source] == [*source]  # type: ignore[union-attr]


def test_the_json_of_an_item_is_that_of_the_contract() -> None:
    written = json.loads(Item(EQUIVALENCE).to_json())
    assert written["kind"] == "verilog"
    assert written["verilog"] == {
        "files": [{"name": "top.v", "content": DESIGN}],
        "top": "TopModule",
        "equivalence": {
            "golden": [{"name": "golden.v", "content": DESIGN}],
        },
    }
    assert json.loads(Item(COMPILE).to_json())["verilog"]["compile"] == {}
    assert json.loads(Item(TESTBENCH).to_json())["verilog"]["testbench"]["mismatches"] == {}


def test_what_json_leaves_out_has_the_defaults_of_the_contract() -> None:
    text = {
        "golden": [{"name": "a.v"}],
        "stimuli": {"directed": [{}]},
        "formal": {},
        "clocking": {"clocks": [{}]},
    }
    item = Item.from_json(json.dumps({"verilog": {"equivalence": text}}))
    assert item.task == VerilogEquivalenceTask(
        {},
        "",
        {"a.v": ""},
        clocking=Clocking((ClockPort("", "positive"),)),
        stimuli=StimulusPlan(None, (StimulusVector({}, 1),)),
        formal=FormalCheck(10.0, 20),
    )


def test_a_combinational_design_can_be_said_to_be_one() -> None:
    combinational = Item(dataclasses.replace(EQUIVALENCE, clocking=Clocking()))
    assert json.loads(combinational.to_json())["verilog"]["equivalence"]["clocking"] == {}
    assert Item.from_json(combinational.to_json()) == combinational


def test_integers_are_sent_as_verilog_numbers_that_keep_all_their_bits() -> None:
    numbers = {"a": 0, "b": (1 << 31) - 1, "c": 1 << 31, "d": (1 << 64) - 1, "e": "8'shff"}
    task = dataclasses.replace(
        EQUIVALENCE, parameters=numbers, stimuli=StimulusPlan(directed=[StimulusVector(numbers)])
    )
    read = Item.from_json(Item(task).to_json()).task
    assert isinstance(read, VerilogEquivalenceTask)
    sent = {"a": "0", "b": "2147483647", "c": "32'h80000000", "d": "64'hffffffffffffffff", "e": "8'shff"}
    assert read.parameters == sent
    assert read.stimuli.directed[0].inputs == sent


def test_the_modules_of_cocotb_tests_are_those_that_the_tests_are_of() -> None:
    task = CocotbTask(DESIGN, "TopModule", {"b.py": "", "p/a.py": ""}, ["b.x", "p.a.y", "b.z"])
    sent = json.loads(Item(task).to_json())["verilog"]["cocotb"]
    assert sent["modules"] == ["b", "p.a"]
    assert sent["expected_tests"] == ["b.x", "p.a.y", "b.z"]


def test_equal_items_are_sent_once_in_whatever_order_their_macros_are(
    client: Client, server: FakeServer
) -> None:
    orders = [{f"M{number}": "1" for number in order} for order in (range(20), reversed(range(20)))]
    results = client.verify_batch([Item(dataclasses.replace(COMPILE, defines=macros)) for macros in orders])
    assert [result.passed for result in results] == [True, True]
    assert len(server.items) == 1


# What is the candidate's doing


def _nested(depth: int) -> str:
    return "/".join("a" * depth)


UNSENDABLE: dict[str, tuple[Any, str]] = {
    "a surrogate": ("\ud800", "the file 'top.v' must be Unicode"),
    "a surrogate in one of several": ({"a.v": "", "b.v": "\udfff"}, "the file 'b.v' must be Unicode"),
    "too long": ("x" * ((1 << 20) + 1), "the design must be at most 1048576 bytes together"),
    "far too long": ("x" * (64 << 20), "the design must be at most 1048576 bytes together"),
    "too long in bytes": ("é" * (1 << 19) + "x", "the design must be at most 1048576 bytes together"),
    "too long together": ({"a.v": "é" * (1 << 19), "b.v": "x"}, "the design must be at most 1048576 bytes"),
    "no files": ({}, "the design must be 1 to 100 files"),
    "too many files": ({f"{n}.v": "" for n in range(101)}, "the design must be 1 to 100 files"),
} | {
    f"name {name[:20]!a}": ({"a.v": "", name: ""}, "the file name ")
    for name in (
        *("", ".", "..", "/a.v", "a//b.v", "a/", "../a.v", "a/../b.v", "./a.v"),
        *("a\0.v", "a\nb.v", "\x7f.v", "\ud800.v", "x" * 256, "é" * 128, _nested(129)),
    )
}


@pytest.mark.parametrize(("source", "message"), UNSENDABLE.values(), ids=UNSENDABLE)
def test_a_design_that_cannot_be_sent_is_rejected_and_never_masks_the_candidate(
    client: Client, source: Any, message: str
) -> None:
    items = [Item(EQUIVALENCE), *(Item(dataclasses.replace(task, source=source)) for task in TASKS)]
    streamed = sorted(client.stream(items), key=lambda result: result.id)
    for passed, *refused in (client.verify_batch(items), streamed):
        assert passed.passed
        for result in refused:
            assert result.score == 0.0
            assert result.verdict is not None
            assert result.verdict.outcome is Outcome.REJECTED
            assert result.verdict.diagnostics[0].message.startswith(message)
            assert Result.from_json(result.to_json()) == result
    assert client.verify(items[1]).score == 0.0


@pytest.mark.parametrize(
    "source",
    [
        "",
        "x" * (1 << 20),
        {"a.v": "é" * (1 << 19)},
        {"rtl/a-b_1.v": "", "x" * 200: "", ".hidden": "", "a..b": "", "...": ""},
        {f"{n}.v": "" for n in range(100)},
    ],
)
def test_a_design_that_can_be_sent_is_sent(client: Client, server: FakeServer, source: Any) -> None:
    assert client.verify(Item(dataclasses.replace(COMPILE, source=source))).failure is None
    sent = {file.name: file.content for file in server.items[0].verilog.files}
    assert sent == ({"top.v": source} if isinstance(source, str) else source)


def test_files_of_a_design_with_one_name_are_rejected_in_a_file_of_items(
    client: Client, tmp_path: Path
) -> None:
    twice = [{"name": "a.v", "content": "1"}, {"name": "a.v", "content": "2"}]
    lines = [
        {"id": "candidate", "verilog": {"files": twice, "compile": {}}},
        {"id": "golden", "verilog": {"files": twice[:1], "equivalence": {"golden": twice}}},
        {"id": "candidate", "verilog": {"files": twice, "compile": {}}},
        {"id": "good", "verilog": {"files": twice[:1], "compile": {}}},
    ]
    file, output = tmp_path / "items", tmp_path / "results"
    file.write_text("\n".join(map(json.dumps, lines)))
    FileVerification(file, output).run(client, Console(file=io.StringIO()))
    results = {result.id: result for result in map(Result.from_json, output.read_text().splitlines())}
    assert results["good"].passed
    assert results["candidate"].score == 0.0
    verdict = results["candidate"].verdict
    assert verdict is not None
    assert verdict.diagnostics[0].message == "the design must be files of different names"
    for name, field in (("golden", "verilog.equivalence.golden"), ("line-3", "id")):
        failure = results[name].failure
        assert failure is not None
        assert (failure.reason, failure.field) == (FailureReason.INVALID_ITEM, field)


SURROGATES: dict[str, tuple[dict[str, Any], float | None, str]] = {
    "design": (
        {"verilog": {"files": [{"name": "a.v", "content": "\ud800"}], "compile": {}}},
        0.0,
        "the design",
    ),
    "name": ({"verilog": {"files": [{"name": "\ud800"}, {"name": "b"}], "compile": {}}}, 0.0, "the design"),
    "one name": (
        {"verilog": {"files": [{"name": "\ud800"}, {"name": "?"}], "compile": {}}},
        0.0,
        "the design",
    ),
    "program": ({"code": {"source": "\ud800", "stdio": {}}}, 0.0, "the program"),
    "unscored": ({"code": {"source": "\ud800", "program": {}}}, None, "the program"),
}


@pytest.mark.parametrize(("line", "score", "what"), SURROGATES.values(), ids=SURROGATES)
def test_a_candidates_text_that_is_no_unicode_is_rejected_in_a_file_of_items(
    client: Client, tmp_path: Path, line: dict[str, Any], score: float | None, what: str
) -> None:
    file, output = tmp_path / "items", tmp_path / "results"
    file.write_text(json.dumps({"id": "candidate", **line}) + "\n" + json.dumps({"nonsense": 1, **line}))
    FileVerification(file, output).run(client, Console(file=io.StringIO()))
    refused, no_item = map(Result.from_json, output.read_text().splitlines())
    assert refused.id == "candidate"
    assert refused.verdict is not None
    assert (refused.verdict.outcome, refused.verdict.score) == (Outcome.REJECTED, score)
    assert refused.verdict.diagnostics[0].message.startswith(f"{what} must be")
    assert no_item.failure is not None
    assert no_item.failure.reason is FailureReason.INVALID_ITEM


def test_what_refuses_a_candidate_can_be_sent_to_another_process() -> None:
    error = CandidateRefused("verilog.files", "must be 1 to 100 files", "the design")
    again = copy.copy(error)  # as pickle does it
    assert vars(again) == vars(error)


# What is the item's fault


def change(task: Any, **fields: Any) -> Any:
    return dataclasses.replace(task, **fields)


def clocking(*clocks: Any, resets: Any = ()) -> Any:
    return change(EQUIVALENCE, clocking=Clocking(clocks, resets))


def plan(**fields: Any) -> Any:
    return change(EQUIVALENCE, stimuli=StimulusPlan(**fields))


def vector(*arguments: Any) -> Any:
    return plan(directed=[StimulusVector({}), StimulusVector(*arguments)])


def formal(**fields: Any) -> Any:
    return change(EQUIVALENCE, formal=FormalCheck(**fields))


LONG = "x" * ((4 << 20) + 1)
E, T, C = "verilog.equivalence", "verilog.testbench", "verilog.cocotb"
FAULTS: list[tuple[Any, str]] = [
    (change(COMPILE, source=None), "verilog.files"),
    (change(COMPILE, source=b"module"), "verilog.files"),
    (change(COMPILE, source=["module"]), "verilog.files"),
    (change(COMPILE, source={"a.v": "", "b.v": b""}), "verilog.files[1].content"),
    (change(COMPILE, source={1: ""}), "verilog.files[0].name"),
    (change(COMPILE, top=1), "verilog.top"),
    (change(COMPILE, top="\ud800"), "verilog.top"),
    (change(COMPILE, include_directories="rtl"), "verilog.include_directories"),
    (change(COMPILE, include_directories=["rtl", None]), "verilog.include_directories[1]"),
    (change(COMPILE, defines=["A"]), "verilog.defines"),
    (change(COMPILE, defines={"\ud800": ""}), "verilog.defines"),
    (change(COMPILE, defines={1: ""}), "verilog.defines"),
    (change(COMPILE, defines={"A": 1}), 'verilog.defines["A"]'),
    (change(COMPILE, lint="yes"), "verilog.compile.lint"),
    (change(EQUIVALENCE, golden=None), f"{E}.golden"),
    (change(EQUIVALENCE, golden={}), f"{E}.golden"),
    (change(EQUIVALENCE, golden=LONG), f"{E}.golden"),
    (change(EQUIVALENCE, golden={"a.v": LONG[: 3 << 20], "b.v": LONG[: 2 << 20]}), f"{E}.golden"),
    (change(EQUIVALENCE, golden="\ud800"), f"{E}.golden[0].content"),
    (change(EQUIVALENCE, golden={"../a.v": ""}), f"{E}.golden[0].name"),
    (change(EQUIVALENCE, golden_top=None), f"{E}.golden_top"),
    (change(EQUIVALENCE, parameters={"W": -1}), f'{E}.parameters["W"]'),
    (change(EQUIVALENCE, parameters={"W": 1.5}), f'{E}.parameters["W"]'),
    (change(EQUIVALENCE, parameters={"W": True}), f'{E}.parameters["W"]'),
    (change(EQUIVALENCE, clocking="clk"), f"{E}.clocking"),
    (clocking("clk"), f"{E}.clocking.clocks[0]"),
    (change(EQUIVALENCE, clocking=Clocking("clk")), f"{E}.clocking.clocks"),
    (clocking(ClockPort(1)), f"{E}.clocking.clocks[0].port"),  # type: ignore[arg-type]
    (clocking(ClockPort("clk"), ClockPort("b", "up")), f"{E}.clocking.clocks[1].edge"),  # type: ignore[arg-type]
    (clocking(ClockPort("clk"), resets=["rst"]), f"{E}.clocking.resets[0]"),
    (clocking(resets=[ResetPort("rst", 1)]), f"{E}.clocking.resets[0].active_low"),  # type: ignore[arg-type]
    (clocking(resets=[ResetPort("r", True, None)]), f"{E}.clocking.resets[0].asynchronous"),  # type: ignore[arg-type]
    (change(EQUIVALENCE, stimuli=None), f"{E}.stimuli"),
    *((plan(cycles=cycles), f"{E}.stimuli.cycles") for cycles in (0, 100_001, 1.0, True)),
    (plan(directed=[{"a": 1}]), f"{E}.stimuli.directed[0]"),
    (vector({"a": None}), f'{E}.stimuli.directed[1].inputs["a"]'),
    (vector([]), f"{E}.stimuli.directed[1].inputs"),
    (vector({}, 10_001), f"{E}.stimuli.directed[1].cycles"),
    (change(EQUIVALENCE, formal=True), f"{E}.formal"),
    *(
        (formal(cpu_seconds=s), f"{E}.formal.cpu_seconds")
        for s in (0, -1, "1", True, float("nan"), float("inf"))
    ),
    *((formal(depth=depth), f"{E}.formal.depth") for depth in (0, 201)),
    (change(TESTBENCH, testbench=None), f"{T}.testbench"),
    (change(TESTBENCH, testbench=LONG), f"{T}.testbench"),
    (change(TESTBENCH, testbench_top=None), f"{T}.testbench_top"),
    (change(TESTBENCH, reference={}), f"{T}.reference"),
    (change(TESTBENCH, testbench_defines=None), f"{T}.defines"),
    *((change(TESTBENCH, rule=rule), f"{T}.rule") for rule in (None, "", "pattern", "pass", PatternRule)),
    (change(TESTBENCH, rule=PatternRule(None)), f"{T}.pattern.passed"),  # type: ignore[arg-type]
    (change(TESTBENCH, rule=PatternRule("", "\ud800")), f"{T}.pattern.failed"),
    (change(COCOTB, tests=5), f"{C}.tests"),
    (change(COCOTB, expected_tests=[]), f"{C}.expected_tests"),
    (change(COCOTB, expected_tests="tests.a"), f"{C}.expected_tests"),
    *(
        (change(COCOTB, expected_tests=["t.a", name]), f"{C}.expected_tests[1]")
        for name in ("a", ".a", "a.", 1)
    ),
    (change(COCOTB, modules="tests"), f"{C}.modules"),
    (change(COCOTB, parameters={"W": b""}), f'{C}.parameters["W"]'),
    (change(COCOTB, reference={"a.v": None}), f"{C}.reference[0].content"),
]


@pytest.mark.parametrize(("task", "field"), FAULTS)
def test_an_item_that_breaks_a_rule_is_a_failure_that_names_the_field(task: Any, field: str) -> None:
    with pytest.raises(ItemFormatError) as caught:
        encode(Item(task), Assurance.SEPARATED)
    assert not isinstance(caught.value, CandidateRefused)
    assert caught.value.field == field
    assert caught.value.rule.startswith("must be")
    verifier_pb2.Item(id=caught.value.field)  # can be written


@pytest.mark.parametrize(
    ("verilog", "field"),
    [
        ({}, "verilog.form"),
        ({"testbench": {}}, "verilog.testbench.rule"),
        ({"equivalence": {"clocking": {"clocks": [{}, {"edge": 9}]}}}, f"{E}.clocking.clocks[1].edge"),
        ({"equivalence": {"golden": [{"name": "a"}, {"name": "a"}]}}, f"{E}.golden"),
        ({"cocotb": {"reference": [{}, {}]}}, f"{C}.reference"),
    ],
)
def test_json_that_is_no_task_is_an_error_that_names_the_field(verilog: Any, field: str) -> None:
    with pytest.raises(ItemFormatError) as caught:
        Item.from_json(json.dumps({"verilog": verilog}))
    assert caught.value.field == field
    assert caught.value.rule.startswith("must be")
