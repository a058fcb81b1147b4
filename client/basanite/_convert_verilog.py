"""Tasks of the kind "verilog" to and from protobuf."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from basanite._enums import CLOCK_EDGES
from basanite._errors import CandidateRefused, ItemFormatError
from basanite._fields import (
    flag,
    integer,
    mapping,
    ordered,
    sequence,
    text,
    texts,
)
from basanite._files import MAX_CANDIDATE_BYTES, files_from_proto, files_to_proto, trusted_to_proto
from basanite._verilog_tasks import (
    Clocking,
    ClockPort,
    CocotbTask,
    Files,
    FormalCheck,
    PatternRule,
    ResetPort,
    StimulusPlan,
    StimulusVector,
    TestbenchRule,
    VerilogCompileTask,
    VerilogEquivalenceTask,
    VerilogTask,
    VerilogTestbenchTask,
)
from basanite.v1 import tasks_pb2

_MAX_CYCLES: Final = 100_000
_MAX_VECTOR_CYCLES: Final = 10_000
_MAX_DEPTH: Final = 200

# The files that a single str stands for.
_SOURCE: Final = "top.v"
_GOLDEN: Final = "golden.v"
_TESTBENCH: Final = "testbench.v"
_REFERENCE: Final = "reference.v"
_TESTS: Final = "tests.py"

_EQUIVALENCE: Final = "verilog.equivalence"
_TESTBENCH_FORM: Final = "verilog.testbench"
_COCOTB: Final = "verilog.cocotb"
_PLAIN_RULES: Final = ("mismatches", "finish", "nonce")
_FORMAL: Final = FormalCheck()
_EDGE_NAMES: Final = {0: "positive"} | {number: name for name, number in CLOCK_EDGES.items()}


def put_verilog(task: VerilogTask, proto: tasks_pb2.VerilogTask) -> None:
    """Fill in the message. Raises ItemFormatError."""
    proto.files.extend(
        files_to_proto(
            task.source, _SOURCE, "verilog.files", MAX_CANDIDATE_BYTES, CandidateRefused, "the design"
        )
    )
    proto.top = text(task.top, "verilog.top")
    directories = texts(task.include_directories, "verilog.include_directories", "folders")
    proto.include_directories.extend(directories)
    proto.defines.update(_macros(task.defines, "verilog.defines"))
    if task.data:
        proto.data.extend(trusted_to_proto(task.data, "", "verilog.data"))
    if isinstance(task, VerilogEquivalenceTask):
        _put_equivalence(task, proto.equivalence)
    elif isinstance(task, VerilogTestbenchTask):
        _put_testbench(task, proto.testbench)
    elif isinstance(task, CocotbTask):
        _put_cocotb(task, proto.cocotb)
    else:
        proto.compile.lint = flag(task.lint, "verilog.compile.lint")
        proto.compile.verilator = flag(task.verilator, "verilog.compile.verilator")
        proto.compile.SetInParent()


# Files


def _reference(given: Any, field: str) -> list[tasks_pb2.SourceFile]:
    return [] if given is None else trusted_to_proto(given, _REFERENCE, field)


# Small parts


def _macros(given: Any, field: str) -> dict[str, str]:
    macros = mapping(given, field, "names to texts")
    return {name: text(value, f'{field}["{name}"]') for name, value in macros.items()}


def _numbers(given: Any, field: str) -> dict[str, str]:
    numbers = mapping(given, field, "names to Verilog numbers")
    return {name: _number(value, f'{field}["{name}"]') for name, value in numbers.items()}


def _number(value: Any, field: str) -> str:
    if type(value) is not int:
        return text(value, field)
    if value < 0:
        raise ItemFormatError(field, "must be a Verilog number or an integer that is not negative")
    # Verilog may take a number without a size for one of 32 bits, with a sign.
    return str(value) if value < 1 << 31 else f"{value.bit_length()}'h{value:x}"


# To protobuf


def _put_equivalence(task: VerilogEquivalenceTask, proto: tasks_pb2.EquivalenceForm) -> None:
    proto.golden.extend(trusted_to_proto(task.golden, _GOLDEN, f"{_EQUIVALENCE}.golden", MAX_CANDIDATE_BYTES))
    proto.golden_top = text(task.golden_top, f"{_EQUIVALENCE}.golden_top")
    proto.parameters.update(_numbers(task.parameters, f"{_EQUIVALENCE}.parameters"))
    if task.clocking is not None:
        _put_clocking(task.clocking, proto.clocking, f"{_EQUIVALENCE}.clocking")
    _put_stimuli(task.stimuli, proto.stimuli, f"{_EQUIVALENCE}.stimuli")
    if task.formal is not None:
        _put_formal(task.formal, proto.formal, f"{_EQUIVALENCE}.formal")
    proto.vcd = flag(task.vcd, f"{_EQUIVALENCE}.vcd")


def _put_clocking(clocking: Clocking, proto: tasks_pb2.Clocking, field: str) -> None:
    if not isinstance(clocking, Clocking):
        raise ItemFormatError(field, "must be a Clocking")
    for index, clock in enumerate(sequence(clocking.clocks, f"{field}.clocks", "ClockPorts")):
        path = f"{field}.clocks[{index}]"
        if not isinstance(clock, ClockPort):
            raise ItemFormatError(path, "must be a ClockPort")
        if not isinstance(clock.edge, str) or clock.edge not in CLOCK_EDGES:
            raise ItemFormatError(f"{path}.edge", f"must be one of {', '.join(CLOCK_EDGES)}")
        edge = tasks_pb2.ClockPort.Edge.ValueType(CLOCK_EDGES[clock.edge])
        proto.clocks.add(port=text(clock.port, f"{path}.port"), edge=edge)
    for index, reset in enumerate(sequence(clocking.resets, f"{field}.resets", "ResetPorts")):
        path = f"{field}.resets[{index}]"
        if not isinstance(reset, ResetPort):
            raise ItemFormatError(path, "must be a ResetPort")
        proto.resets.add(
            port=text(reset.port, f"{path}.port"),
            active_low=flag(reset.active_low, f"{path}.active_low"),
            asynchronous=flag(reset.asynchronous, f"{path}.asynchronous"),
        )
    proto.SetInParent()  # none of either says something, too


def _put_stimuli(plan: StimulusPlan, proto: tasks_pb2.StimulusPlan, field: str) -> None:
    if not isinstance(plan, StimulusPlan):
        raise ItemFormatError(field, "must be a StimulusPlan")
    if plan.cycles is not None:
        proto.cycles = integer(plan.cycles, f"{field}.cycles", 1, _MAX_CYCLES)
    for index, vector in enumerate(sequence(plan.directed, f"{field}.directed", "StimulusVectors")):
        path = f"{field}.directed[{index}]"
        if not isinstance(vector, StimulusVector):
            raise ItemFormatError(path, "must be a StimulusVector")
        proto.directed.add(
            inputs=_numbers(vector.inputs, f"{path}.inputs"),
            cycles=integer(vector.cycles, f"{path}.cycles", 1, _MAX_VECTOR_CYCLES),
        )


def _put_formal(formal: FormalCheck, proto: tasks_pb2.FormalCheck, field: str) -> None:
    if not isinstance(formal, FormalCheck):
        raise ItemFormatError(field, "must be a FormalCheck")
    seconds = formal.cpu_seconds
    if type(seconds) not in (int, float) or not 0 < seconds < math.inf:
        raise ItemFormatError(f"{field}.cpu_seconds", "must be a number of seconds, above 0")
    proto.cpu_seconds = seconds
    proto.depth = integer(formal.depth, f"{field}.depth", 1, _MAX_DEPTH)


def _put_testbench(task: VerilogTestbenchTask, proto: tasks_pb2.TestbenchForm) -> None:
    proto.testbench.extend(trusted_to_proto(task.testbench, _TESTBENCH, f"{_TESTBENCH_FORM}.testbench"))
    proto.testbench_top = text(task.testbench_top, f"{_TESTBENCH_FORM}.testbench_top")
    proto.reference.extend(_reference(task.reference, f"{_TESTBENCH_FORM}.reference"))
    proto.defines.update(_macros(task.testbench_defines, f"{_TESTBENCH_FORM}.defines"))
    proto.vcd = flag(task.vcd, f"{_TESTBENCH_FORM}.vcd")
    rule = task.rule
    if isinstance(rule, PatternRule):
        proto.pattern.passed = text(rule.passed, f"{_TESTBENCH_FORM}.pattern.passed")
        proto.pattern.failed = text(rule.failed, f"{_TESTBENCH_FORM}.pattern.failed")
    elif isinstance(rule, str) and rule in _PLAIN_RULES:
        getattr(proto, rule).SetInParent()
    else:
        rules = ", ".join(_PLAIN_RULES)
        raise ItemFormatError(f"{_TESTBENCH_FORM}.rule", f"must be one of {rules}, or a PatternRule")


def _put_cocotb(task: CocotbTask, proto: tasks_pb2.CocotbForm) -> None:
    proto.tests.extend(trusted_to_proto(task.tests, _TESTS, f"{_COCOTB}.tests"))
    expected = texts(task.expected_tests, f"{_COCOTB}.expected_tests", "names")
    if not expected:
        raise ItemFormatError(f"{_COCOTB}.expected_tests", "must be at least one name")
    for index, name in enumerate(expected):
        module, _, function = name.rpartition(".")
        if not (module and function):
            raise ItemFormatError(f"{_COCOTB}.expected_tests[{index}]", 'must be "module.function"')
    proto.expected_tests.extend(expected)
    proto.modules.extend(texts(task.modules, f"{_COCOTB}.modules", "names") or _modules_of(expected))
    proto.parameters.update(_numbers(task.parameters, f"{_COCOTB}.parameters"))
    proto.reference.extend(_reference(task.reference, f"{_COCOTB}.reference"))


def _modules_of(expected_tests: Iterable[str]) -> list[str]:
    """The modules that names of tests begin with, each once, in their order."""
    return list(dict.fromkeys(name.rpartition(".")[0] for name in expected_tests))


# From protobuf


def verilog_from_proto(proto: tasks_pb2.VerilogTask) -> VerilogTask:
    """The task that a message describes. Raises ItemFormatError if it is none that this version knows."""
    form = proto.WhichOneof("form")
    shared: dict[str, Any] = {
        "source": files_from_proto(proto.files, _SOURCE, "verilog.files", "the design"),
        "top": proto.top,
        "include_directories": tuple(proto.include_directories),
        "defines": ordered(proto.defines),
        "data": {file.name: file.content for file in proto.data},
    }
    if form == "equivalence":
        return _equivalence_from_proto(shared, proto.equivalence)
    if form == "testbench":
        return _testbench_from_proto(shared, proto.testbench)
    if form == "cocotb":
        return _cocotb_from_proto(shared, proto.cocotb)
    if form == "compile":
        return VerilogCompileTask(**shared, lint=proto.compile.lint, verilator=proto.compile.verilator)
    raise ItemFormatError("verilog.form", "must be equivalence, testbench, cocotb or compile")


def _reference_from_proto(protos: Sequence[tasks_pb2.SourceFile], field: str) -> Files | None:
    return files_from_proto(protos, _REFERENCE, field) if protos else None


def _equivalence_from_proto(
    shared: dict[str, Any], proto: tasks_pb2.EquivalenceForm
) -> VerilogEquivalenceTask:
    return VerilogEquivalenceTask(
        **shared,
        golden=files_from_proto(proto.golden, _GOLDEN, f"{_EQUIVALENCE}.golden"),
        golden_top=proto.golden_top,
        parameters=ordered(proto.parameters),
        clocking=_clocking_from_proto(proto.clocking) if proto.HasField("clocking") else None,
        stimuli=StimulusPlan(
            proto.stimuli.cycles or None,
            tuple(StimulusVector(ordered(each.inputs), each.cycles or 1) for each in proto.stimuli.directed),
        ),
        formal=FormalCheck(
            proto.formal.cpu_seconds or _FORMAL.cpu_seconds, proto.formal.depth or _FORMAL.depth
        )
        if proto.HasField("formal")
        else None,
        vcd=proto.vcd,
    )


def _clocking_from_proto(proto: tasks_pb2.Clocking) -> Clocking:
    return Clocking(
        tuple(
            ClockPort(clock.port, _edge(clock.edge, f"{_EQUIVALENCE}.clocking.clocks[{index}].edge"))
            for index, clock in enumerate(proto.clocks)
        ),
        tuple(ResetPort(reset.port, reset.active_low, reset.asynchronous) for reset in proto.resets),
    )


def _edge(number: int, field: str) -> Any:
    if number not in _EDGE_NAMES:
        raise ItemFormatError(field, f"must be one of {', '.join(CLOCK_EDGES)}")
    return _EDGE_NAMES[number]


def _testbench_from_proto(shared: dict[str, Any], proto: tasks_pb2.TestbenchForm) -> VerilogTestbenchTask:
    which = proto.WhichOneof("rule")
    if which is None:
        raise ItemFormatError(f"{_TESTBENCH_FORM}.rule", "must be mismatches, pattern, finish or nonce")
    rule: TestbenchRule = (
        PatternRule(proto.pattern.passed, proto.pattern.failed) if which == "pattern" else which
    )
    return VerilogTestbenchTask(
        **shared,
        testbench=files_from_proto(proto.testbench, _TESTBENCH, f"{_TESTBENCH_FORM}.testbench"),
        rule=rule,
        testbench_top=proto.testbench_top,
        reference=_reference_from_proto(proto.reference, f"{_TESTBENCH_FORM}.reference"),
        testbench_defines=ordered(proto.defines),
        vcd=proto.vcd,
    )


def _cocotb_from_proto(shared: dict[str, Any], proto: tasks_pb2.CocotbForm) -> CocotbTask:
    modules = tuple(proto.modules)
    return CocotbTask(
        **shared,
        tests=files_from_proto(proto.tests, _TESTS, f"{_COCOTB}.tests"),
        expected_tests=tuple(proto.expected_tests),
        modules=() if list(modules) == _modules_of(proto.expected_tests) else modules,
        parameters=ordered(proto.parameters),
        reference=_reference_from_proto(proto.reference, f"{_COCOTB}.reference"),
    )
