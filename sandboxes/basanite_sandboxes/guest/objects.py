"""The candidate's objects, served to the tests: calls, attributes, items, whatever is asked, one line each way.

This process belongs to the candidate, and nothing that it says is trusted; see proxies.py for the other end, and for
what the lines are.
"""

import builtins
import copy
import importlib
import json
import math
import operator
import os
import sys
import threading
import types

import graph
import values
from wire import CHANNEL_IN_FD, CHANNEL_OUT_FD

MAX_REPLY_BYTES = 8 << 20
MAX_TEXT = 1000
MAX_CLASSES = 50
FRAMES = 6
"""As many more than in one process are on the stack, at either end, where a call leads to a call of the tests."""
PLAIN_TYPES = {
    kind.__name__: kind
    for kind in (
        *(int, float, complex, bool, str, bytes, bytearray, list, tuple, dict, set, frozenset, range, object),
        type(None),
    )
}
"""Classes that may come back as themselves."""
_ERRORS = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, Exception) and name == kind.__name__
}
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
_read, _write = os.read, os.write


def _call(target, /, *arguments, **keywords):
    return target(*arguments, **keywords)


def _call_method(target, name, /, *arguments, **keywords):
    return getattr(target, name)(*arguments, **keywords)


def _names(module):
    """What `from module import *` gives."""
    names = getattr(module, "__all__", None)
    return [
        str(name)
        for name in (dir(module) if names is None else names)
        if names is not None or name[:1] != "_"
    ]


def _exception_base(module, name):
    """The most derived built-in Exception that a class is, if it is one."""
    kind = getattr(module, name, None)
    if not isinstance(kind, type) or not issubclass(kind, Exception):
        return ""
    return next(base.__name__ for base in kind.__mro__ if _ERRORS.get(base.__name__) is base)


def _enter(target):
    return type(target).__enter__(target)


def _exit(target, failed):
    """The tests' own exceptions do not come here."""
    error = RuntimeError("the tests raised an exception") if failed else None
    type(target).__exit__(target, type(error) if failed else None, error, None)


_DATA = (int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset)


def _data(target):
    """What it is as data, if it derives from a class of data."""
    kind = next((kind for kind in _DATA if isinstance(target, kind)), None)
    return target if kind is None else kind(target)


OPERATIONS = {
    "data": _data,
    "names": _names,
    "exception_base": _exception_base,
    "enter": _enter,
    "exit": _exit,
    "call": _call,
    "method": _call_method,
    "getattr": getattr,
    "setattr": setattr,
    "delattr": delattr,
    "getitem": operator.getitem,
    "setitem": operator.setitem,
    "delitem": operator.delitem,
    "len": len,
    "iter": iter,
    "next": next,
    "in": operator.contains,
    "bool": bool,
    "isinstance": isinstance,
    "issubclass": issubclass,
    "str": str,
    "repr": repr,
    "format": format,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "int": int,
    "float": float,
    "complex": complex,
    "index": operator.index,
    "round": round,
    "trunc": math.trunc,
    "floor": math.floor,
    "ceil": math.ceil,
    "divmod": divmod,
    **{name: getattr(operator, name) for name in ("neg", "pos", "invert", "abs", "lt", "le", "gt", "ge")},
    **{
        name: getattr(operator, name)
        for name in ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod")
    },
    **{
        name: getattr(operator, name)
        for name in (
            "iadd",
            "isub",
            "imul",
            "imatmul",
            "itruediv",
            "ifloordiv",
            "imod",
            "ipow",
            "ilshift",
            "irshift",
        )
    },
    **{name: getattr(operator, name) for name in ("iand", "ior", "ixor")},
    **{name: getattr(operator, name) for name in ("pow", "lshift", "rshift", "and_", "or_", "xor")},
}


class Missing(Exception):
    """An entry point that the candidate does not define."""


class NotImported(Exception):
    """A module of the candidate's raised this."""


class Server:
    """Answers until the other end is closed."""

    def __init__(self, module):
        self.module = module
        self.handed_out = []  # what the tests know by number
        self.numbers = {}
        self.thrown = {}  # id of an exception that a function of the tests raised -> (it, its number there)
        self.rest = b""
        self.lock = threading.RLock()
        self.asked = None  # the number of the last message: what is sent must name it

    # Lines -----------------------------------------------------------------------------------------------

    def receive(self):
        """-> a message, or None at the end."""
        parts = [self.rest]
        while b"\n" not in parts[-1]:
            data = _read(CHANNEL_IN_FD, 1 << 20)
            if not data:
                return None
            parts.append(data)
        line, _, self.rest = b"".join(parts).partition(b"\n")
        return values.with_deep_recursion(json.loads, line)

    def send(self, *message):
        data = _ENCODE(message).encode() + b"\n"
        if len(data) > MAX_REPLY_BYTES:
            data = _ENCODE((message[0], "opaque", "more than 8 MiB cannot be passed")).encode() + b"\n"
        while data:
            data = data[_write(CHANNEL_OUT_FD, data) :]

    def failed_to_start(self, error):
        """Instead of serving: the source raised."""
        self.send(None, "import", *self.describe(error))

    # Requests --------------------------------------------------------------------------------------------

    def serve(self):
        """Until there are no more requests, or what the candidate asked of the tests is answered: -> that answer."""
        while True:
            message = self.receive()
            if message is None:
                return None
            self.asked = message[0]
            if message[1] in ("returned", "thrown"):
                return message
            reply = self.answer(message)
            for stream in (sys.__stdout__, sys.__stderr__):  # whoever ends us does not ask before
                try:
                    stream.flush()
                except Exception:
                    pass
            self.send(*reply)

    def answer(self, message):
        number, operation, nodes, *parts = message
        try:
            objects, arguments, keywords = values.with_deep_recursion(self.open, (nodes, *parts))
        except Missing as error:
            return number, "missing", str(error)
        except NotImported as wrapped:
            error = wrapped.args[0]
            writer = graph.Writer(self.to_tests, [])
            described = self.describe(error, writer)
            writer.finish()
            if not described[0]:
                described[0] = "ImportError"  # SystemExit, say
            return number, "raised", writer.nodes, [], *described
        writer = graph.Writer(self.to_tests, objects)
        before = {
            at: repr(writer.contents("s", objects[at]) if node[0] == "s" else node)
            for at, node in enumerate(nodes)
            if node[0] in graph.CHANGEABLE
        }
        raised = value = None
        kind = "value"
        try:
            value = OPERATIONS[operation](*arguments, **keywords)
            if operation == "getattr" and is_method(value, arguments[0]):
                kind = "method"
        except BaseException as error:
            raised = error
            kind = "exhausted" if operation == "next" and isinstance(error, StopIteration) else "raised"

        # What a class makes is its instance, also where it derives from a class of data.
        is_made = (
            self.module is None
            and operation == "call"
            and isinstance(arguments[0], type)
            and isinstance(value, arguments[0])
            and not isinstance(value, tuple)
            and PLAIN_TYPES.get(type(value).__name__) is not type(value)
        )

        def put(writer):
            if is_made and id(value) not in writer.numbers:
                return writer.add(value, self.to_tests(value))
            return writer.put(value)

        def close(writer):
            parts = {"value": lambda: [put(writer)], "raised": lambda: self.describe(raised, writer)}
            result = parts.get(kind, list)()
            changes = [
                [at, node]
                for at, text in before.items()
                if repr(node := writer.contents(nodes[at][0], objects[at])) != text
            ]
            writer.finish()
            return number, kind, writer.nodes, changes, *result

        try:
            return values.with_deep_recursion(close, writer)
        except graph.Unsendable as error:
            return number, "opaque", str(error)

    def open(self, message):
        """-> (the objects of its nodes, arguments, keywords)"""
        nodes, arguments, keywords = message
        objects = []
        reader = graph.Reader(objects, self.from_tests)
        reader.read(nodes)
        return objects, reader.items(arguments), {name: reader.item(item) for name, item in keywords.items()}

    def from_tests(self, code, parts):
        """What a node of the tests' own kinds stands for."""
        if code == "h":
            return self.handed_out[parts[0]]
        if code == "M":
            return self.module_of(parts[0])
        if code == "e":
            module = self.module if len(parts) == 1 else self.module_of(parts[1])
            try:
                return getattr(module, parts[0])
            except AttributeError:
                raise Missing(f"the program defines no {parts[0]}") from None
        if code == "m":
            return getattr(*parts)
        if code == "k":
            return Callback(self, parts[0])
        if code == "j":
            return pull(Callback(self, parts[0]))
        module, name = parts  # "G"
        found = __import__(module, fromlist=["*"])
        for part in name.split("."):
            found = getattr(found, part)
        return found

    def module_of(self, name):
        """One of the candidate's, imported if need be."""
        try:
            return importlib.import_module(name)
        except BaseException as error:
            raise NotImported(error) from None

    def to_tests(self, value):
        """The node of what is no data."""
        if isinstance(value, type) and PLAIN_TYPES.get(value.__name__) is value:
            return ["T", value.__name__]
        number = self.numbers.get(id(value))
        if number is None:
            number = self.numbers[id(value)] = len(self.handed_out)
            self.handed_out.append(value)
        return ["g" if type(value) is types.GeneratorType else "h", number]

    def describe(self, error, writer=None):
        """-> [name of the most derived built-in Exception that it is; names of its classes; its text; its arguments; of
        modules also its place]"""
        kinds = type(error).__mro__
        _, name = self.thrown.get(id(error), (None, None))
        if name is None:
            name = next((kind.__name__ for kind in kinds if _ERRORS.get(kind.__name__) is kind), "")
        try:
            text = str(error)[:MAX_TEXT]
        except BaseException:
            text = ""
        try:
            arguments = (
                [writer.put(argument) for argument in BaseException.args.__get__(error)] if writer else []
            )
        except BaseException:
            arguments = []
        place = [] if self.module is not None else [place_of(error)]
        return [name, [str(kind.__name__) for kind in kinds][:MAX_CLASSES], text, arguments, *place]

    # Calling back ----------------------------------------------------------------------------------------

    def call_tests(self, number, arguments, keywords):
        """Call a function of the tests."""
        with self.lock:
            writer = graph.Writer(self.to_tests)
            parts = [writer.put(value) for value in arguments]
            named = {name: writer.put(value) for name, value in keywords.items()}
            writer.finish()
            self.send(self.asked, "callback", writer.nodes, number, parts, named)
            limit = sys.getrecursionlimit()
            sys.setrecursionlimit(limit + FRAMES)
            try:
                answer = self.serve()
            finally:
                sys.setrecursionlimit(limit)
        if answer is None:
            raise EOFError("the tests are over")
        _, kind, *message, name = answer
        _, parts, _ = self.open(message)
        if kind == "returned":
            return parts[0]
        error = _ERRORS.get(name[0], Exception)(*parts)
        self.thrown[id(error)] = error, name[1]
        raise error


def place_of(error):
    """[file, line] of the last line of the candidate's that it came through; ["", 0] if there is none."""
    found = ["", 0]
    if isinstance(error, SyntaxError) and error.filename:
        found = [os.path.relpath(error.filename), error.lineno or 0]
    trace = error.__traceback__
    while trace is not None:
        path = os.path.relpath(trace.tb_frame.f_code.co_filename)
        if path[:2] != ".." and path.endswith(".py"):
            found = [path, trace.tb_lineno]
        trace = trace.tb_next
    return found


class Callback:
    """A function of the tests."""

    def __init__(self, server, number):
        self._server, self._number = server, number

    def __call__(self, /, *arguments, **keywords):
        return self._server.call_tests(self._number, arguments, keywords)


def pull(callback):
    """An iterator of the tests."""
    while items := callback():
        yield items[0]


def is_method(value, target):
    return isinstance(value, (types.MethodType, types.BuiltinMethodType)) and value.__self__ is target
