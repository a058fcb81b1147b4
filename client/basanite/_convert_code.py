"""Tasks of the kind "code" to and from protobuf."""

from __future__ import annotations

from typing import Any, Final

from basanite import values
from basanite._enums import TEXT_POLICIES, VALUE_POLICIES
from basanite._errors import CandidateRefused, ItemFormatError, ValueFormatError
from basanite._fields import text, texts
from basanite._tasks import (
    NOT_GIVEN,
    Checker,
    CodeTask,
    Comparison,
    FunctionCase,
    FunctionTask,
    ProgramTask,
    PythonTestCase,
    PythonTestTask,
    StdioCase,
    StdioTask,
)
from basanite.v1 import tasks_pb2

_MAX_WEIGHT: Final = 1_000_000
_MAX_SOURCE_BYTES: Final = 1 << 20
_WEIGHT_RULE: Final = f"must be an integer, 1 to {_MAX_WEIGHT}"
_TEXT_POLICY_NAMES: Final = {0: "trailing_whitespace"} | {
    number: name for name, number in TEXT_POLICIES.items()
}
_VALUE_POLICY_NAMES: Final = {0: "equal"} | {number: name for name, number in VALUE_POLICIES.items()}


def put_code(task: CodeTask, proto: tasks_pb2.CodeTask) -> None:
    """Fill in the message. Raises ItemFormatError."""
    proto.language = text(task.language, "code.language")
    try:
        proto.source = _source(task.source, "code.source")
    except ItemFormatError as error:
        if issubclass(type(task.source), str):  # anything else was the caller
            scored = not isinstance(task, ProgramTask)
            raise CandidateRefused(error.field, error.rule, scored=scored) from error
        raise
    if isinstance(task, StdioTask):
        _put_stdio(task, proto.stdio)
    elif isinstance(task, FunctionTask):
        _put_function(task, proto.function)
    elif isinstance(task, PythonTestTask):
        _put_python_test(task, proto.python_test)
    else:
        _put_program(task, proto.program)


def _source(source: str, field: str) -> str:
    checked = text(source, field)
    if len(checked) > _MAX_SOURCE_BYTES or len(checked.encode()) > _MAX_SOURCE_BYTES:
        raise ItemFormatError(field, f"must be at most {_MAX_SOURCE_BYTES} bytes")
    return checked


def _weight(weight: int, field: str) -> int:
    # 0 would mean "unset" on the wire, and become 1.
    if type(weight) is not int or not 1 <= weight <= _MAX_WEIGHT:
        raise ItemFormatError(field, _WEIGHT_RULE)
    return weight


def _put_comparison(
    comparison: Any,
    proto: tasks_pb2.TextComparison | tasks_pb2.ValueComparison,
    policies: dict[str, int],
    field: str,
) -> None:
    policy = comparison
    if isinstance(comparison, Comparison):
        policy = comparison.policy
        for name in ("absolute_tolerance", "relative_tolerance"):
            tolerance = getattr(comparison, name)
            if tolerance is None:
                continue
            if not isinstance(tolerance, (int, float)) or isinstance(tolerance, bool):
                raise ItemFormatError(f"{field}.{name}", "must be a number")
            setattr(proto, name, tolerance)
    if not isinstance(policy, str) or policy not in policies:
        raise ItemFormatError(f"{field}.policy", f"must be one of {', '.join(policies)}")
    proto.policy = policies[policy]  # type: ignore[assignment]


def _put_stdio(task: StdioTask, proto: tasks_pb2.StdioForm) -> None:
    _put_comparison(task.comparison, proto.comparison, TEXT_POLICIES, "code.stdio.comparison")
    proto.stop_on_first_failure = task.stop_on_first_failure
    if task.checker is not None:
        proto.checker.language = text(task.checker.language, "code.stdio.checker.language")
        proto.checker.source = _source(task.checker.source, "code.stdio.checker.source")
    add = proto.cases.add
    for index, case in enumerate(task.cases):
        _put_stdio_case(case, add(), f"code.stdio.cases[{index}]")
    proto.SetInParent()


def _put_stdio_case(case: StdioCase, proto: tasks_pb2.StdioCase, field: str) -> None:
    if not isinstance(case, StdioCase):
        raise ItemFormatError(field, "must be a StdioCase")
    if isinstance(case.stdin, bytes):
        proto.stdin_bytes = case.stdin
    else:
        proto.stdin = text(case.stdin, f"{field}.stdin")
    if isinstance(case.expected, bytes):
        proto.expected_bytes = case.expected
    else:
        proto.expected = text(case.expected, f"{field}.expected")
    proto.weight = _weight(case.weight, f"{field}.weight")
    if case.comparison is not None:
        _put_comparison(case.comparison, proto.comparison, TEXT_POLICIES, f"{field}.comparison")


def _put_function(task: FunctionTask, proto: tasks_pb2.FunctionForm) -> None:
    proto.entry_point = text(task.entry_point, "code.function.entry_point")
    _put_comparison(task.comparison, proto.comparison, VALUE_POLICIES, "code.function.comparison")
    proto.stop_on_first_failure = task.stop_on_first_failure
    proto.fresh_process = task.fresh_process
    add = proto.cases.add
    for index, case in enumerate(task.cases):
        _put_function_case(case, add(), f"code.function.cases[{index}]")
    proto.SetInParent()


def _put_function_case(case: FunctionCase, proto: tasks_pb2.FunctionCase, field: str) -> None:
    if not isinstance(case, FunctionCase):
        raise ItemFormatError(field, "must be a FunctionCase")
    proto.arguments = _arguments(case.args, f"{field}.arguments")
    if case.kwargs:
        if not all(isinstance(name, str) and name[:1] != "$" for name in case.kwargs):
            raise ItemFormatError(f"{field}.keyword_arguments", "must have parameter names as keys")
        proto.keyword_arguments = _value(dict(case.kwargs), f"{field}.keyword_arguments")
    if case.expected is not NOT_GIVEN:
        if case.raises is not None:
            raise ItemFormatError(f"{field}.raises", "must not be given beside an expected value")
        proto.expected = _value(case.expected, f"{field}.expected")
    elif case.raises is not None:
        proto.raises = text(case.raises, f"{field}.raises")
    if case.expected_args_after is not None:
        proto.expected_arguments_after = _arguments(
            case.expected_args_after, f"{field}.expected_arguments_after"
        )
    proto.weight = _weight(case.weight, f"{field}.weight")
    if case.comparison is not None:
        _put_comparison(case.comparison, proto.comparison, VALUE_POLICIES, f"{field}.comparison")


def _arguments(arguments: Any, field: str) -> str:
    if not isinstance(arguments, (list, tuple)):
        raise ItemFormatError(field, f"must be a list or tuple of arguments, not {type(arguments).__name__}")
    return _value(list(arguments), field)


def _value(value: object, field: str) -> str:
    try:
        return values.dumps(value)
    except ValueFormatError as error:
        raise ItemFormatError(field, f"must be a value that tagged JSON can carry: {error}") from error


def _put_python_test(task: PythonTestTask, proto: tasks_pb2.PythonTestForm) -> None:
    for name in ("entry_points", "classes"):
        getattr(proto, name).extend(texts(getattr(task, name), f"code.python_test.{name}", "names"))
    proto.prelude = _source(task.prelude, "code.python_test.prelude")
    proto.stop_on_first_failure = task.stop_on_first_failure
    for index, case in enumerate(task.cases):
        field = f"code.python_test.cases[{index}]"
        if not isinstance(case, PythonTestCase):
            raise ItemFormatError(field, "must be a PythonTestCase")
        proto.cases.add(
            source=text(case.source, f"{field}.source"), weight=_weight(case.weight, f"{field}.weight")
        )
    proto.SetInParent()


def _put_program(task: ProgramTask, proto: tasks_pb2.ProgramForm) -> None:
    if isinstance(task.stdin, bytes):
        proto.stdin_bytes = task.stdin
    else:
        proto.stdin = text(task.stdin, "code.program.stdin")
    proto.arguments.extend(texts(task.arguments, "code.program.arguments", "arguments"))
    proto.SetInParent()


# From protobuf


def code_from_proto(proto: tasks_pb2.CodeTask) -> CodeTask:
    """The task that a message describes. Raises ItemFormatError if it is none that this version knows."""
    form = proto.WhichOneof("form")
    if form == "stdio":
        return _stdio_from_proto(proto, proto.stdio)
    if form == "function":
        return _function_from_proto(proto, proto.function)
    if form == "python_test":
        return _python_test_from_proto(proto, proto.python_test)
    if form == "program":
        program = proto.program
        stdin = program.stdin_bytes if program.WhichOneof("input") == "stdin_bytes" else program.stdin
        return ProgramTask(proto.source, stdin, tuple(program.arguments), proto.language)
    raise ItemFormatError("code.form", "must be stdio, function, python_test or program")


def _stdio_from_proto(code: tasks_pb2.CodeTask, proto: tasks_pb2.StdioForm) -> StdioTask:
    return StdioTask(
        source=code.source,
        cases=tuple(
            StdioCase(
                stdin=case.stdin_bytes if case.WhichOneof("input") == "stdin_bytes" else case.stdin,
                expected=case.expected_bytes
                if case.WhichOneof("answer") == "expected_bytes"
                else case.expected,
                weight=case.weight or 1,
                comparison=_comparison_or_none(
                    case, _TEXT_POLICY_NAMES, f"code.stdio.cases[{index}].comparison"
                ),
            )
            for index, case in enumerate(proto.cases)
        ),
        comparison=_comparison_or_none(proto, _TEXT_POLICY_NAMES, "code.stdio.comparison")
        or "trailing_whitespace",
        stop_on_first_failure=proto.stop_on_first_failure,
        checker=Checker(proto.checker.source, proto.checker.language) if proto.HasField("checker") else None,
        language=code.language,
    )


def _function_from_proto(code: tasks_pb2.CodeTask, proto: tasks_pb2.FunctionForm) -> FunctionTask:
    return FunctionTask(
        source=code.source,
        entry_point=proto.entry_point,
        cases=tuple(
            _function_case_from_proto(case, f"code.function.cases[{index}]")
            for index, case in enumerate(proto.cases)
        ),
        comparison=_comparison_or_none(proto, _VALUE_POLICY_NAMES, "code.function.comparison") or "equal",
        stop_on_first_failure=proto.stop_on_first_failure,
        fresh_process=proto.fresh_process,
        language=code.language,
    )


def _function_case_from_proto(case: tasks_pb2.FunctionCase, field: str) -> FunctionCase:
    answer = case.WhichOneof("answer")
    after = case.HasField("expected_arguments_after")
    return FunctionCase(
        args=_rebuild(case.arguments or "[]", list, f"{field}.arguments"),
        expected=_rebuild(case.expected, object, f"{field}.expected") if answer == "expected" else NOT_GIVEN,
        kwargs=_rebuild(case.keyword_arguments or "{}", dict, f"{field}.keyword_arguments"),
        raises=case.raises if answer == "raises" else None,
        expected_args_after=_rebuild(case.expected_arguments_after, list, f"{field}.expected_arguments_after")
        if after
        else None,
        weight=case.weight or 1,
        comparison=_comparison_or_none(case, _VALUE_POLICY_NAMES, f"{field}.comparison"),
    )


def _python_test_from_proto(code: tasks_pb2.CodeTask, proto: tasks_pb2.PythonTestForm) -> PythonTestTask:
    return PythonTestTask(
        source=code.source,
        cases=tuple(PythonTestCase(case.source, case.weight or 1) for case in proto.cases),
        entry_points=tuple(proto.entry_points),
        classes=tuple(proto.classes),
        prelude=proto.prelude,
        stop_on_first_failure=proto.stop_on_first_failure,
        language=code.language,
    )


def _rebuild(text: str, kind: type, field: str) -> Any:
    try:
        value = values.loads(text)
    except ValueFormatError as error:
        raise ItemFormatError(field, f"must be tagged JSON: {error}") from error
    if not isinstance(value, kind):
        raise ItemFormatError(field, f"must be a tagged JSON {'array' if kind is list else 'object'}")
    return value


def _comparison_or_none(holder: Any, names: dict[int, str], field: str) -> Any:
    """The holder's comparison: None, a policy's name, or a Comparison if there are tolerances."""
    if not holder.HasField("comparison"):
        return None
    proto = holder.comparison
    if proto.policy not in names:
        raise ItemFormatError(f"{field}.policy", f"must be one of {', '.join(names.values())}")
    policy: Any = names[proto.policy]
    absolute = proto.absolute_tolerance if proto.HasField("absolute_tolerance") else None
    relative = proto.relative_tolerance if proto.HasField("relative_tolerance") else None
    if absolute is None and relative is None:
        return policy
    return Comparison(policy, absolute, relative)
