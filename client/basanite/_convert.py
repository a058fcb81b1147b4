"""Items to and from protobuf.

Field paths in errors are those of the protobuf Item, as the server names them.
"""

from __future__ import annotations

from typing import Any, Final

from basanite import values
from basanite._enums import ASSURANCE_NUMBERS, ASSURANCES, TEXT_POLICIES, VALUE_POLICIES
from basanite._errors import CandidateRefused, ItemFormatError, ValueFormatError
from basanite._results import Assurance
from basanite._tasks import (
    NOT_GIVEN,
    Checker,
    Comparison,
    ExtensionTask,
    FunctionCase,
    FunctionTask,
    Item,
    Limits,
    ProgramTask,
    PythonTestCase,
    PythonTestTask,
    StdioCase,
    StdioTask,
    Task,
)
from basanite.v1 import result_pb2, tasks_pb2, verifier_pb2

_MAX_ID_BYTES: Final = 256
_MAX_WEIGHT: Final = 1_000_000
_MAX_SOURCE_BYTES: Final = 1 << 20
_WEIGHT_RULE: Final = f"must be an integer, 1 to {_MAX_WEIGHT}"
_FLOAT_LIMITS: Final = ("cpu_seconds", "wall_seconds")
_INT_LIMITS: Final = ("memory_bytes", "processes", "file_bytes", "disk_bytes", "open_files", "output_bytes")
_TEXT_POLICY_NAMES: Final = {0: "trailing_whitespace"} | {
    number: name for name, number in TEXT_POLICIES.items()
}
_VALUE_POLICY_NAMES: Final = {0: "equal"} | {number: name for name, number in VALUE_POLICIES.items()}
_USE: Final = verifier_pb2.CACHE_POLICY_USE
_BYPASS: Final = verifier_pb2.CACHE_POLICY_BYPASS


def check_id(item_id: str) -> None:
    """Raises ItemFormatError for an id that the contract does not allow."""
    _text(item_id, "id")
    if not 1 <= len(item_id.encode()) <= _MAX_ID_BYTES:
        raise ItemFormatError("id", f"must be 1 to {_MAX_ID_BYTES} bytes")


def item_to_proto(item: Item, assurance: Assurance) -> verifier_pb2.Item:
    """The item without its id. `assurance` is what is required if the item does not say.

    Raises ItemFormatError if the item cannot be converted. Rules that a server states in Describe, or that
    only it can judge, are left to the server.
    """
    try:
        return _item_to_proto(item, assurance)
    except ItemFormatError:
        raise
    except Exception as error:  # whatever a caller put where something else belongs
        raise ItemFormatError("", f"cannot be converted ({type(error).__name__}: {error})") from error


def _item_to_proto(item: Item, assurance: Assurance) -> verifier_pb2.Item:
    required = item.require_assurance if item.require_assurance is not None else assurance
    if required not in ASSURANCE_NUMBERS:
        raise ItemFormatError("require_assurance", "must be an Assurance")
    proto = verifier_pb2.Item(
        kind="code",
        cache_policy=_USE if item.cache else _BYPASS,
        require_assurance=result_pb2.Assurance.ValueType(ASSURANCE_NUMBERS[required]),
    )
    if item.environment:
        proto.environment = _text(item.environment, "environment")
    if item.limits is not None:
        _put_limits(item.limits, proto.limits)
    task = item.task
    if isinstance(task, StdioTask):
        _put_stdio(task, _code(task, proto).stdio)
    elif isinstance(task, FunctionTask):
        _put_function(task, _code(task, proto).function)
    elif isinstance(task, PythonTestTask):
        _put_python_test(task, _code(task, proto).python_test)
    elif isinstance(task, ProgramTask):
        _put_program(task, _code(task, proto).program)
    elif isinstance(task, ExtensionTask):
        proto.kind = proto.extension.kind = _text(task.kind, "extension.kind")
        if not isinstance(task.payload, bytes):
            raise ItemFormatError("extension.payload", "must be bytes")
        proto.extension.payload = task.payload
    else:
        raise ItemFormatError(
            "task", "must be a StdioTask, FunctionTask, PythonTestTask, ProgramTask or ExtensionTask"
        )
    return proto


def _text(value: Any, field: str) -> str:
    if not issubclass(type(value), str):  # some objects, mocks for one, say that they are what they are not
        raise ItemFormatError(field, f"must be a str, not {type(value).__name__}")
    text: str = value
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ItemFormatError(field, "must be Unicode text without lone surrogates") from error
    return text


def _put_limits(limits: Limits, proto: verifier_pb2.Limits) -> None:
    for names, kinds, wanted in (
        (_FLOAT_LIMITS, (int, float), "number"),
        (_INT_LIMITS, (int,), "64-bit integer"),
    ):
        for name in names:
            value = getattr(limits, name)
            if value is None:
                continue
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise ItemFormatError(f"limits.{name}", f"must be a {wanted}")
            try:
                setattr(proto, name, value)
            except (ValueError, OverflowError) as error:
                raise ItemFormatError(f"limits.{name}", f"must be a {wanted}") from error


def _code(
    task: StdioTask | FunctionTask | PythonTestTask | ProgramTask, proto: verifier_pb2.Item
) -> tasks_pb2.CodeTask:
    code = proto.code
    code.language = _text(task.language, "code.language")
    try:
        code.source = _source(task.source, "code.source")
    except ItemFormatError as error:
        if issubclass(type(task.source), str):  # anything else was the caller
            raise CandidateRefused(error.field, error.rule) from error
        raise
    return code


def _source(source: str, field: str) -> str:
    text = _text(source, field)
    if len(text) > _MAX_SOURCE_BYTES or len(text.encode()) > _MAX_SOURCE_BYTES:
        raise ItemFormatError(field, f"must be at most {_MAX_SOURCE_BYTES} bytes")
    return source


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
        proto.checker.language = _text(task.checker.language, "code.stdio.checker.language")
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
        proto.stdin = _text(case.stdin, f"{field}.stdin")
    if isinstance(case.expected, bytes):
        proto.expected_bytes = case.expected
    else:
        proto.expected = _text(case.expected, f"{field}.expected")
    proto.weight = _weight(case.weight, f"{field}.weight")
    if case.comparison is not None:
        _put_comparison(case.comparison, proto.comparison, TEXT_POLICIES, f"{field}.comparison")


def _put_function(task: FunctionTask, proto: tasks_pb2.FunctionForm) -> None:
    proto.entry_point = _text(task.entry_point, "code.function.entry_point")
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
        proto.raises = _text(case.raises, f"{field}.raises")
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
        given = getattr(task, name)
        if isinstance(given, str):
            raise ItemFormatError(f"code.python_test.{name}", "must be a list of names, not one str")
        for index, each in enumerate(given):
            getattr(proto, name).append(_text(each, f"code.python_test.{name}[{index}]"))
    proto.prelude = _source(task.prelude, "code.python_test.prelude")
    proto.stop_on_first_failure = task.stop_on_first_failure
    for index, case in enumerate(task.cases):
        field = f"code.python_test.cases[{index}]"
        if not isinstance(case, PythonTestCase):
            raise ItemFormatError(field, "must be a PythonTestCase")
        proto.cases.add(
            source=_text(case.source, f"{field}.source"), weight=_weight(case.weight, f"{field}.weight")
        )
    proto.SetInParent()


def _put_program(task: ProgramTask, proto: tasks_pb2.ProgramForm) -> None:
    if isinstance(task.stdin, bytes):
        proto.stdin_bytes = task.stdin
    else:
        proto.stdin = _text(task.stdin, "code.program.stdin")
    if isinstance(task.arguments, str):
        raise ItemFormatError("code.program.arguments", "must be a list of arguments, not one str")
    for index, argument in enumerate(task.arguments):
        proto.arguments.append(_text(argument, f"code.program.arguments[{index}]"))
    proto.SetInParent()


# From protobuf


def item_from_proto(proto: verifier_pb2.Item) -> Item:
    """The item that a message describes. Raises ItemFormatError if it is none that this version knows."""
    return Item(
        task=_task_from_proto(proto),
        id=proto.id,
        limits=_limits_or_none(proto),
        environment=proto.environment,
        cache=proto.cache_policy != _BYPASS,
        require_assurance=_assurance_from_proto(proto.require_assurance),
    )


def _assurance_from_proto(number: int) -> Assurance | None:
    if number and number not in ASSURANCES:
        raise ItemFormatError("require_assurance", "must be ASSURANCE_GUARDED or ASSURANCE_SEPARATED")
    return ASSURANCES.get(number)


def _limits_or_none(proto: verifier_pb2.Item) -> Limits | None:
    return limits_from_proto(proto.limits) if proto.HasField("limits") else None


def limits_from_proto(proto: verifier_pb2.Limits) -> Limits:
    """Limits, None where unset."""
    return Limits(
        **{name: getattr(proto, name) for name in (*_FLOAT_LIMITS, *_INT_LIMITS) if proto.HasField(name)}
    )


def _task_from_proto(proto: verifier_pb2.Item) -> Task:
    which = proto.WhichOneof("task")
    if which is None:
        raise ItemFormatError("task", "must be set, by the name of its kind")
    kind = proto.extension.kind if which == "extension" else which
    if proto.kind not in ("", kind):
        raise ItemFormatError("kind", f"must be {kind!r}, as the task that is set")
    if which == "extension":
        return ExtensionTask(kind=kind, payload=proto.extension.payload)
    code = proto.code
    form = code.WhichOneof("form")
    if form == "stdio":
        return _stdio_from_proto(code, code.stdio)
    if form == "function":
        return _function_from_proto(code, code.function)
    if form == "python_test":
        return _python_test_from_proto(code, code.python_test)
    if form == "program":
        program = code.program
        stdin = program.stdin_bytes if program.WhichOneof("input") == "stdin_bytes" else program.stdin
        return ProgramTask(code.source, stdin, tuple(program.arguments), code.language)
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
