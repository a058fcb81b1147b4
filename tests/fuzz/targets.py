"""The targets: each takes bytes and raises AssertionError, or anything else, if a promise is broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from basanite import Item, ItemFormatError, Result, values
from basanite.v1 import result_pb2, tasks_pb2, verifier_pb2
from basanite.values import ValueFormatError
from basanite_sandboxes.process.replies import Garbled, Reply, read_rejection
from basanite_sandboxes.spec import Rejection
from basanite_services.chassis.guard import flaw
from basanite_services.chassis.wire import BrokenItem, Malformed, read_batch, read_single
from basanite_services.code import function
from basanite_services.code.outcome import verdict_of

_T = TypeVar("_T")
_E = TypeVar("_E", bound=Exception)


def attempt(error: type[_E], call: Callable[..., _T], *arguments: Any) -> _T | _E:
    """What the call returns, or the error that it may raise."""
    try:
        return call(*arguments)
    except error as raised:
        return raised


def decode_value(text: bytes) -> None:
    """A value or ValueFormatError, and the same by both parsers; what is read can be written, and read again."""
    value = attempt(ValueFormatError, values.loads, text)
    again = attempt(ValueFormatError, _by_own_parser, text)
    if isinstance(value, ValueFormatError):
        assert isinstance(again, ValueFormatError), text
        assert len(str(value)) < 500
        return
    assert same(value, again), text
    written = attempt(ValueFormatError, values.dumps, value)
    # A short text may stand for a value whose own text is too long.
    assert isinstance(written, ValueFormatError) or same(values.loads(written), value), text


def _by_own_parser(text: bytes) -> Any:
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        raise ValueFormatError from error
    values._check_depth(decoded)
    values._check_surrogates(decoded)
    return values._parse(decoded, values._Builder())


def same(a: Any, b: Any) -> bool:
    """Equal, of the same types at every depth, NaN and the sign of zero included."""
    todo = [(a, b)]
    while todo:
        a, b = todo.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, float):
            if not (a == b and math.copysign(1, a) == math.copysign(1, b)) and not (a != a and b != b):
                return False
        elif isinstance(a, complex):
            todo += [(a.real, b.real), (a.imag, b.imag)]
        elif isinstance(a, (list, tuple)):
            if len(a) != len(b):
                return False
            todo += zip(a, b, strict=True)
        elif isinstance(a, dict):
            if len(a) != len(b):
                return False
            todo += zip(a.values(), b.values(), strict=True)
            todo += zip(a, b, strict=True)
        elif isinstance(a, (set, frozenset)):
            if a != b and values.dumps(a) != values.dumps(b):
                return False
        elif a != b:
            return False
    return True


def read_line(line: bytes) -> None:
    """An Item that can be written, or ItemFormatError with a rule; and so for a Result."""
    for kind in (Item, Result):
        read = attempt(ItemFormatError, kind.from_json, line)
        if isinstance(read, ItemFormatError):
            assert read.rule
            continue
        assert isinstance(read, kind)
        written = attempt(ItemFormatError, read.to_json)
        if isinstance(written, ItemFormatError):
            assert kind is Item  # e.g. an id that is too long: read as it is, and refused when it is sent
        else:
            assert repr(kind.from_json(written)) == repr(read)


def read_request(message: bytes) -> None:
    """Entries or Malformed."""
    batch, stream = verifier_pb2.VerifyBatchRequest, verifier_pb2.VerifyStreamRequest
    for reader, arguments in ((read_batch, (batch,)), (read_batch, (stream,)), (read_single, ())):
        read = attempt(Malformed, reader, message, *arguments)
        if isinstance(read, Malformed):
            assert str(read)
            continue
        for entry in read if reader is read_batch else [read]:
            _check_entry(entry)


def _check_entry(entry: Any) -> None:
    if isinstance(entry, BrokenItem):
        assert entry.field
        assert entry.rule
        result_pb2.Result(id=entry.id, failure={"field": entry.field, "rule": entry.rule}).SerializeToString()
    else:
        assert isinstance(entry, verifier_pb2.Item)


CASES = [
    {"arguments": "[[3, 1]]", "expected": "[1, 3]"},
    {"arguments": "[1]", "expected": '{"$set": [1, 2]}'},
    {"arguments": "[1]", "raises": "ValueError"},
    {"arguments": "[[3, 1]]", "expected_arguments_after": "[[1, 3]]"},
    {"arguments": "[0]", "expected": '{"$float": "nan"}'},
]
POLICIES = tasks_pb2.ValueComparison.Policy.values()


def judge_answers(answers: bytes) -> None:
    """Whatever a candidate's process says: results of cases, none of which PASSED without being answered."""
    for policy in POLICIES:
        form = tasks_pb2.FunctionForm(entry_point="f", comparison={"policy": policy}, cases=CASES)
        cases = function._check(form)
        results = function._judge_answers(cases, answers, function._Shown())
        assert len(results) <= answers.count(b"\n")
        assert {result.outcome for result in results} <= {
            result_pb2.OUTCOME_PASSED,
            result_pb2.OUTCOME_FAILED,
        }
        unanswered = result_pb2.CaseResult(outcome=result_pb2.OUTCOME_CRASHED, weight=1)
        verdict = verdict_of([*results, *[unanswered] * (len(cases) - len(results))], [])
        verdict.SerializeToString()
        assert flaw(verdict) is None


def read_reply(packet: bytes) -> None:
    """A Reply that can be accounted for, or Garbled; and so for the detail of a rejection."""
    try:
        reply = Reply.read(packet)
        assert reply.signal is None or 0 < reply.signal < 128
    except Garbled:
        pass
    try:
        rejection = read_rejection(packet)
    except Garbled:
        return
    assert isinstance(rejection, Rejection)
    result_pb2.Diagnostic(
        message=rejection.message, line=rejection.line, column=rejection.column
    ).SerializeToString()


TARGETS = {
    "values": decode_value,
    "items": read_line,
    "requests": read_request,
    "answers": judge_answers,
    "replies": read_reply,
}
