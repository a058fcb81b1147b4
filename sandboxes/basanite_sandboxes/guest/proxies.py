"""Stand-ins for what the candidate defines, in the process of the tests, and the channel on which they ask.

Messages are lines of JSON. A request is [token, operation, nodes, arguments, keywords], a reply

    [token, "value", nodes, changes, item]         what came of it; changes are [number, node] of what was passed
    [token, "raised", nodes, changes, name, names of its classes, text, arguments]
    [token, "exhausted", nodes, changes]           of `next` alone
    [token, "method", nodes, changes]              of `getattr` alone: a method, to be called by its name
    [token, "callback", nodes, number, arguments, keywords]     first call this function of the tests
    [token, "opaque", reason]  [token, "missing", reason]  [None, "import", ..]

Tokens are random, so that nobody can answer before it was asked. Whatever else comes makes the channel dead, and a
case in which that happened does not pass, whatever the tests do about the error: `Channel.wrong` says so.
"""

import builtins
import json
import os
import sys
import threading
import time
import types

import graph
from objects import MAX_REPLY_BYTES, MAX_TEXT, PLAIN_TYPES
from wire import CHANNEL_IN_FD, CHANNEL_OUT_FD

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
_HIDDEN = (StopIteration, StopAsyncIteration, AssertionError)
"""Exceptions with a meaning to the tests or the interpreter: all(map(f, xs)) is True if f raises StopIteration."""
ERRORS = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, _HIDDEN)
}
_DATA = (int, float, complex, bool, str, bytes, bytearray, list, tuple, dict, set, frozenset)
_BEGIN = ("is", "starts", "ends", "find", "rfind", "index", "rindex", "count")
_COMBINE = ("union", "intersection", "difference", "symmetric")
QUESTIONS = frozenset(name for kind in _DATA for name in dir(kind) if name.startswith(_BEGIN + _COMBINE))
"""Methods of data that are told what is expected, or answer yes or no."""
UNARY = ("neg", "pos", "invert", "abs")
CONVERTING = ("int", "float", "complex", "index", "round", "trunc", "floor", "ceil")
BINARY = ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow", "lshift", "rshift")
LOGICAL = ("and", "or", "xor")
MAKING = frozenset((*UNARY, *BINARY, *(f"{name}_" for name in LOGICAL)))
"""Operations on whole objects that make whole objects: the sum of two vectors is a vector."""
_SPECIAL = frozenset(("__name__", "__qualname__", "__doc__", "__module__", "__dict__", "__wrapped__"))


class RemoteError(Exception):
    """The candidate raised what may not be raised here, or gave what is no answer."""


class Gone(Exception):
    """There is nobody to ask any more."""


class Cannot(Exception):
    """The tests pass something to the candidate that cannot be passed."""


class Channel:
    """The one way to the candidate."""

    def __init__(self):
        self.wrong = None
        """Why nothing more can be asked."""
        self.asked = False
        """Whether the tests have asked anything."""
        self.waited = 0.0
        """Seconds for which the tests waited for answers."""
        self.cannot = None
        """The first exception of this case that says that something cannot be passed."""
        self.raised = {}
        """id of an exception that the candidate raised -> (it, names of its classes, text)"""
        self.on_first_question = None
        self._functions = []
        self._thrown = []
        self._handles = {}
        self._lock = threading.RLock()

    def ask(self, operation, *arguments, **keywords):
        """What comes of it. Raises what the candidate raises, as far as that may be."""
        return self.ask_for("value", operation, arguments, keywords)[1]

    def ask_for(self, expected, operation, arguments, keywords=types.MappingProxyType({})):
        """-> (kind of reply, value). `expected`: a kind that no other operation has."""
        with self._lock:
            if not self.asked:
                self.asked = True
                self.on_first_question()
            kind, value = self._exchange(expected, operation, arguments, keywords)
        if kind == "raised":
            raise value
        return kind, value

    def check(self):
        """Whether the candidate is there, and has said nothing that it was not asked for: if it had, that would come
        before what it answers now."""
        if self.wrong is None:
            try:
                self._exchange("value", "len", ((),), {})
            except Gone:
                pass
        return self.wrong is None

    def remote(self, number, whole, kind=None):
        """The stand-in for an object of the candidate's, the same each time."""
        handle = self._handles.get((number, whole))
        if handle is None:
            handle = self._handles[number, whole] = (kind or Remote)(self, ["h", number], whole)
        return handle

    # Lines -----------------------------------------------------------------------------------------------

    def _exchange(self, expected, operation, arguments, keywords):
        if self.wrong is not None:
            raise Gone(self.wrong)
        writer, items, named = self._written(arguments, keywords)
        token = last = self._send(operation, writer.nodes, items, named)
        while True:
            reply = self._receive()
            try:
                if reply[1] == "callback" and reply[0] == last:
                    call = self._call(*reply[2:])
                elif reply[0] == token:
                    return self._take(reply, writer.objects, expected)
                else:
                    self._die("import" if reply[:2] == [None, "import"] else "malformed")
            except (graph.Malformed, *graph.WRONG_FORM):
                self._die("malformed")
            last = self._answer(*call)

    def _written(self, arguments, keywords):
        writer = graph.Writer(self._to_candidate, exact=True)
        try:
            items = [writer.put(value) for value in arguments]
            named = {name: writer.put(value) for name, value in keywords.items()}
            writer.finish()
        except graph.Unsendable as error:
            refusal = Cannot(str(error))
            self.cannot = self.cannot or refusal
            raise refusal from None
        return writer, items, named

    def _send(self, kind, *parts):
        token = os.urandom(8).hex()
        data = (_ENCODE((token, kind, *parts)) + "\n").encode()
        try:
            while data:
                data = data[os.write(CHANNEL_OUT_FD, data) :]
        except OSError:
            self._die("gone")
        return token

    def _receive(self):
        parts, length = [], 0
        while True:
            began = time.monotonic()
            data = os.read(CHANNEL_IN_FD, 1 << 20)
            self.waited += time.monotonic() - began
            length += len(data)
            if not data:
                self._die("gone")
            parts.append(data)
            if b"\n" in data:
                break
            if length > MAX_REPLY_BYTES:
                self._die("malformed")
        line, _, rest = b"".join(parts).partition(b"\n")
        if rest or len(line) > MAX_REPLY_BYTES:
            self._die("malformed")
        try:
            reply = graph.loads(line)
        except graph.Malformed:
            self._die("malformed")
        if type(reply) is not list or len(reply) < 2:
            self._die("malformed")
        return reply

    def _die(self, why):
        self.wrong = self.wrong or why
        raise Gone(self.wrong)

    # From the candidate ----------------------------------------------------------------------------------

    def _take(self, reply, objects, expected):
        kind = reply[1]
        if kind in ("opaque", "missing"):
            (reason,) = reply[2:]
            error = RemoteError(str(reason)[:MAX_TEXT])
            self._remember(error, [], str(error))
            return "raised", error
        _, _, nodes, changes, *parts = reply
        passed = len(objects)
        reader = graph.Reader(objects, self._from_candidate)
        reader.read(nodes)
        if kind == "value":
            (item,) = parts
            value = reader.item(item)
        elif kind == "raised":
            name, kinds, text, arguments = parts
            value = self._error(name, kinds, text, reader.items(arguments))
        elif kind != expected or parts:
            raise ValueError
        else:
            value = None
        self._change(reader, changes, passed)
        return kind, value

    def _change(self, reader, changes, passed):
        """Do to what was passed what the candidate did to its copy."""
        for number, node in changes:
            if type(number) is not int or not 0 <= number < passed:
                raise ValueError
            if node[0] not in graph.CHANGEABLE or node[0] != graph.code_of(reader.objects[number]):
                raise ValueError
            reader.fill(reader.objects[number], node)

    def _from_candidate(self, code, parts):
        (name,) = parts
        if code == "T":
            return PLAIN_TYPES[name]
        if code not in "gh" or type(name) is not int or name < 0:
            raise ValueError
        return self.remote(name, False, Generator if code == "g" else Remote)

    def _error(self, name, kinds, text, arguments):
        """The exception that stands for one of the candidate's."""
        if type(text) is not str or not all(type(kind) is str for kind in kinds):
            raise ValueError
        if type(name) is int:  # one that a function of the tests raised comes back
            if name < 0:
                raise ValueError
            error = self._thrown[name]
            if not isinstance(error, tuple(ERRORS.values())):
                error = RemoteError(text)
        elif name in ERRORS:
            error = rebuilt(ERRORS[name], text, arguments)
        else:
            error = RemoteError(f"{kinds[0] if kinds else 'an exception'}: {text}")
        self._remember(error, kinds, text)
        return error

    def _remember(self, error, kinds, text):
        self.raised[id(error)] = error, kinds, text[:MAX_TEXT]

    # To the candidate ------------------------------------------------------------------------------------

    def _to_candidate(self, value):
        """The node of what is no data."""
        kind = type(value)
        if issubclass(kind, Remote):
            return node_of(value)
        if kind is Method:
            return ["m", value.target, value.name]
        module = getattr(value, "__module__", None)
        name = getattr(value, "__qualname__", None)
        if type(module) is str and type(name) is str and is_known(value, module, name):
            return ["G", module, name]
        if isinstance(value, (types.FunctionType, types.MethodType, types.BuiltinMethodType)):
            return ["k", self._number(value)]
        if hasattr(kind, "__next__"):
            return ["j", self._number(puller(value))]
        if callable(value) and not isinstance(value, type) and is_standard(kind.__module__):
            return ["k", self._number(value)]
        what = f"the class {value.__name__}" if isinstance(value, type) else f"an instance of {kind.__name__}"
        raise graph.Unsendable(
            f"{what} cannot be passed to the candidate: pass data or functions, or name the class in `classes` so that"
            " it comes from the candidate"
        )

    def _number(self, function):
        self._functions.append(function)
        return len(self._functions) - 1

    # Called by the candidate -----------------------------------------------------------------------------

    def _call(self, nodes, number, arguments, keywords):
        """-> the function, its arguments and keywords"""
        reader = graph.Reader([], self._from_candidate)
        reader.read(nodes)
        if type(number) is not int or number < 0:
            raise ValueError
        function = self._functions[number]
        return function, reader.items(arguments), {name: reader.item(item) for name, item in keywords.items()}

    def _answer(self, function, arguments, keywords):
        """-> the token of the answer"""
        try:
            writer, items, _ = self._written([function(*arguments, **keywords)], {})
        except Gone:
            raise
        except Exception as error:
            self._thrown.append(error)
            name = next(
                kind.__name__ for kind in type(error).__mro__ if vars(builtins).get(kind.__name__) is kind
            )
            number = len(self._thrown) - 1
            return self._send("thrown", [], [str(error)[:MAX_TEXT]], {}, [name, number])
        return self._send("returned", writer.nodes, items, {}, None)


def rebuilt(kind, text, arguments):
    """An exception of that class, or of the next of its bases that takes the arguments."""
    for known in kind.__mro__:
        try:
            error = known(*arguments)
            return error if str(error) == text else known(text)
        except Exception:
            continue
    return RemoteError(text)


def puller(iterator):
    """A function that gives the iterator's items, each in a list, then empty lists."""

    def pull():
        for item in iterator:
            return [item]
        return []

    return pull


def is_standard(module):
    return type(module) is str and module.partition(".")[0] in sys.stdlib_module_names


def is_known(value, module, name):
    """Whether the candidate has the same function or class under that name."""
    if not is_standard(module):
        return False
    found = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


# Stand-ins ---------------------------------------------------------------------------------------------------


class Remote:
    """An object of the candidate's that is no data. Equal to itself alone.

    What could be asked of data (length, items, order, arithmetic, truth, QUESTIONS) is asked only of *whole* ones:
    instances of the classes that the task names. Anything else could be an object that says yes to every question
    where the tests expect data: `assert 3 in f(x)`, `abs(f(x) - 2.5) < 1e-6`.
    """

    __slots__ = ("__channel", "__iterated", "__node", "__whole")

    def __init__(self, channel, node, whole):
        for name, value in (("channel", channel), ("node", node), ("whole", whole), ("iterated", False)):
            object.__setattr__(self, f"_Remote__{name}", value)

    def __eq__(self, other):
        return isinstance(other, Remote) and self.__node == other.__node

    def __ne__(self, other):
        return not self == other

    def __hash__(self):
        return hash(self.__node[1])

    def __call__(self, *arguments, **keywords):
        return self.__made(self.__channel.ask("call", self, *arguments, **keywords))

    def __made(self, value):
        """What a class gives is whole if the class is."""
        if type(value) is Remote and self.__whole and self.__node[0] == "e":
            return self.__channel.remote(value.__node[1], True)
        return value

    def __getattr__(self, name):
        if name[:2] == "__" and name not in _SPECIAL:
            raise AttributeError(f"objects of the candidate give no {name} here")
        if not self.__whole and name in QUESTIONS:
            raise AttributeError(
                f"an object of the candidate that is no data has no {name} here; see classes"
            )
        kind, value = self.__channel.ask_for("method", "getattr", (self, name))
        return Method(self, name) if kind == "method" else value

    def __setattr__(self, name, value):
        self.__channel.ask("setattr", self, name, value)

    def __delattr__(self, name):
        self.__channel.ask("delattr", self, name)

    def __iter__(self):
        if type(self) is Generator:
            return self
        if self.__iterated:
            raise TypeError("an object of the candidate that is no data can be iterated once; see classes")
        iterator = self.__channel.ask("iter", self)
        if not isinstance(iterator, Remote):
            raise TypeError("iter() returned no iterator")
        if not self.__whole and iterator != self:
            object.__setattr__(self, "_Remote__iterated", True)
        return iterator

    def __next__(self):
        kind, value = self.__channel.ask_for("exhausted", "next", (self,))
        if kind == "exhausted":
            raise StopIteration
        return value

    def __str__(self):
        return text(self.__channel.ask("str", self))

    def __repr__(self):
        return text(self.__channel.ask("repr", self))

    def __format__(self, form):
        return text(self.__channel.ask("format", self, form))

    def __bool__(self):
        if not self.__whole:
            raise TypeError("an object of the candidate that is no data is neither true nor false")
        return self.__channel.ask("bool", self) is True

    def __contains__(self, value):
        return bool(self.__asked("in", self, value))

    def __instancecheck__(self, value):
        return self.__channel.ask("isinstance", value, self) is True

    def __subclasscheck__(self, value):
        return self.__channel.ask("issubclass", value, self) is True

    def __copy__(self):
        return self.__alike(self.__channel.ask("copy", self))

    def __deepcopy__(self, memo):
        return self.__alike(self.__channel.ask("deepcopy", self))

    def __alike(self, copied):
        return (
            self.__channel.remote(copied.__node[1], True)
            if self.__whole and type(copied) is Remote
            else copied
        )

    def __asked(self, operation, *operands):
        """What comes of an operation that data have, too."""
        if not any(isinstance(operand, Remote) and operand.__whole for operand in operands):
            raise TypeError(
                f"an object of the candidate that is no data has no {operation} here; see classes"
            )
        value = self.__channel.ask(operation, *operands)
        if type(value) is Remote and operation in MAKING:
            return self.__channel.remote(value.__node[1], True)
        return value


class Generator(Remote):
    __slots__ = ()
    __class__ = types.GeneratorType  # for isinstance


class EntryPoint(Remote):
    """What the candidate defines under a name."""

    __slots__ = ()

    def __init__(self, channel, name, is_class):
        super().__init__(channel, ["e", name], is_class)


class Method:
    """A method of an object of the candidate's."""

    __slots__ = ("name", "target")

    def __init__(self, target, name):
        self.target, self.name = target, name

    def __call__(self, *arguments, **keywords):
        channel, made = self.target._Remote__channel, self.target._Remote__made
        return made(channel.ask("method", self.target, self.name, *arguments, **keywords))


def node_of(remote):
    return remote._Remote__node


def text(value):
    if type(value) is not str:
        raise TypeError("no text")
    return value


def _define():
    """The operators, which Python looks for in the class."""

    def unary(operation):
        return lambda self, *rest: self._Remote__asked(operation, self, *rest)

    def reflected(operation):
        return lambda self, other: self._Remote__asked(operation, other, self)

    for name in ("len", "getitem", "setitem", "delitem", "lt", "le", "gt", "ge"):
        setattr(Remote, f"__{name}__", unary(name))
    for name in (*UNARY, *CONVERTING):
        setattr(Remote, f"__{name}__", unary(name))
    for name in (*BINARY, *LOGICAL):
        operation = f"{name}_" if name in LOGICAL else name
        setattr(Remote, f"__{name}__", unary(operation))
        setattr(Remote, f"__r{name}__", reflected(operation))
    for name in ("__doc__", "__module__"):
        remote = property(lambda self, name=name: self._Remote__channel.ask("getattr", self, name))
        for kind in (Remote, Generator, EntryPoint):  # each has them of its own
            setattr(kind, name, remote)


_define()
