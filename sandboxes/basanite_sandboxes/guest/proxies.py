"""Stand-ins for what the candidate defines, in the process of the tests, and the channel on which they ask.

Messages are lines of JSON. A request is [token, operation, nodes, arguments, keywords], a reply

    [token, "value", nodes, changes, item]         what came of it; changes are [number, node] of what was passed
    [token, "raised", nodes, changes, name, names of its classes, text, arguments, place]
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
import values
from objects import FRAMES, MAX_CLASSES, MAX_REPLY_BYTES, MAX_TEXT, PLAIN_TYPES
from wire import CHANNEL_IN_FD, CHANNEL_OUT_FD

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
_HIDDEN = (StopIteration, StopAsyncIteration, AssertionError)
"""Exceptions with a meaning to the tests or the interpreter: all(map(f, xs)) is True if f raises StopIteration."""
ERRORS = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, _HIDDEN)
}
MAX_NAME = 200
"""Of a class, in characters."""
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
IN_PLACE = frozenset(f"i{name}" for name in (*BINARY, *LOGICAL) if name != "divmod")
TELLING = frozenset(("lt", "le", "gt", "ge", "in", "sub", "isub"))
"""Operations that are told what is expected: `abs(x - 2.5) < 1e-6` asks twice."""
FOREIGN = frozenset("hemMkjG")
"""Codes of nodes of what is no data."""
STRANGE, MADE, WHOLE = range(3)
"""How much an object of the candidate's may be asked; see Remote."""
_SPECIAL = frozenset(("__name__", "__qualname__", "__doc__", "__module__", "__dict__", "__wrapped__"))


class RemoteError(Exception):
    """The candidate raised what may not be raised here, or gave what is no answer."""


class Gone(Exception):
    """There is nobody to ask any more."""


class Cannot(Exception):
    """The tests pass something to the candidate that cannot be passed."""

    is_theirs = False
    """Whether it is of a kind that only the tests can have made."""


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
        self.places = {}
        """Likewise -> [file and line, as the candidate's process told them], or []"""
        self.on_first_question = None
        self.exceptions = {}
        """Full name of an exception class of the candidate's -> the class that stands for it."""
        self._functions = []
        self._thrown = []
        self._handles = {}
        self._lock = threading.RLock()

    def ask(self, operation, /, *arguments, **keywords):
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

    def remote(self, number, level, kind=None):
        """The stand-in for an object of the candidate's, the same each time."""
        handle = self._handles.get((number, level))
        if handle is None:
            handle = self._handles[number, level] = (kind or Remote)(self, ["h", number], level)
        return handle

    def entry(self, module, name):
        """The stand-in for a class that the task names, the same each time."""
        key = module, name
        if key not in self._handles:
            self._handles[key] = EntryPoint(self, name, True, module)
        return self._handles[key]

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
                    return self._take(reply, writer, expected)
                else:
                    self._die("import" if reply[:2] == [None, "import"] else "malformed")
            except (graph.Malformed, *graph.WRONG_FORM):
                self._die("malformed")
            last = self._answer(*call)

    def _written(self, arguments, keywords):
        writer = graph.Writer(self._to_candidate, exact=True)

        def put(_):
            items = [writer.put(value) for value in arguments]
            named = {name: writer.put(value) for name, value in keywords.items()}
            writer.finish()
            return items, named

        try:
            items, named = values.with_deep_recursion(put, None)
        except graph.Unsendable as error:
            refusal = Cannot(str(error))
            refusal.is_theirs = isinstance(error, Theirs)
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

    def _take(self, reply, writer, expected):
        kind = reply[1]
        if kind in ("opaque", "missing"):
            (reason,) = reply[2:]
            error = RemoteError(str(reason)[:MAX_TEXT])
            self._remember(error, [], str(error))
            return "raised", error
        _, _, nodes, changes, *parts = reply
        reader = graph.Reader(returned(writer), self._from_candidate)
        reader.read(nodes)
        if kind == "value":
            (item,) = parts
            value = reader.item(item)
        elif kind == "raised":
            name, kinds, text, arguments, *place = parts
            value = self._error(name, kinds, text, reader.items(arguments))
            self.places[id(value)] = place
        elif kind != expected or parts:
            raise ValueError
        else:
            value = None
        self._change(reader, changes, writer.objects)
        return kind, value

    def _change(self, reader, changes, objects):
        """Do to what was passed what the candidate did to its copy."""
        for number, node in changes:
            if type(number) is not int or not 0 <= number < len(objects):
                raise ValueError
            if node[0] not in graph.CHANGEABLE or node[0] != graph.code_of(objects[number]):
                raise ValueError
            reader.fill(objects[number], node)
            if reader.objects[number] is not objects[number]:
                reader.fill(reader.objects[number], node)

    def _from_candidate(self, code, parts):
        (name,) = parts
        if code == "T":
            return PLAIN_TYPES[name]
        if code not in "gh" or type(name) is not int or name < 0:
            raise ValueError
        return self.remote(name, STRANGE, Generator if code == "g" else Remote)

    def _error(self, name, kinds, text, arguments):
        """The exception that stands for one of the candidate's."""
        if type(text) is not str or type(kinds) is not list or not all(type(kind) is str for kind in kinds):
            raise ValueError
        if type(name) is int:  # one that a function of the tests raised comes back
            if name < 0:
                raise ValueError
            error = self._thrown[name]
            if isinstance(error, _HIDDEN):
                error = RemoteError(text)
        elif name in ERRORS:
            error = rebuilt(self._standing_for(kinds, ERRORS[name]), text, arguments)
        else:
            error = RemoteError(f"{kinds[0] if kinds else 'an exception'}: {text}"[:MAX_TEXT])
        self._remember(error, kinds, text)
        return error

    def _standing_for(self, kinds, base):
        """The class of ours for one of the candidate's, the most derived that the tests know."""
        for name in kinds:
            for kind in self.exceptions.values():
                if kind.__name__ == name and issubclass(kind, base):
                    return kind
        return base

    def _remember(self, error, kinds, text):
        self.raised[id(error)] = error, [kind[:MAX_NAME] for kind in kinds[:MAX_CLASSES]], text[:MAX_TEXT]

    # To the candidate ------------------------------------------------------------------------------------

    def _to_candidate(self, value):
        """The node of what is no data."""
        kind = type(value)
        if issubclass(kind, Remote):
            return node_of(value)
        if kind is Method:
            return ["m", value.target, value.name]
        if kind.__name__ == "Imported" and kind.__module__ == "modules":
            return ["M", value.name]
        for full, known in self.exceptions.items():
            if value is known:
                module, _, name = full.rpartition(".")
                return ["e", name, module]
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
        raise (Theirs if is_theirs(value) else graph.Unsendable)(
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
        limit = sys.getrecursionlimit()
        try:
            sys.setrecursionlimit(limit + FRAMES)
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
        finally:
            sys.setrecursionlimit(limit)
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


class Theirs(graph.Unsendable):
    """No candidate can have had a part in what it is."""


def is_theirs(value):
    """Not so a class that is the type of an answer, an array of answers, a named tuple that holds one."""
    kind = value if isinstance(value, type) else type(value)
    if kind is types.ModuleType:
        return True
    return kind.__module__ in ("__main__", "collections") and not isinstance(value, tuple)


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

    What could be asked of data (length, items, order, arithmetic, truth, QUESTIONS) is asked only of WHOLE ones: what
    the tests made by calling a class that the task names. Anything else could be an object that says yes to every
    question where the tests expect data: `assert 3 in f(x)`, `abs(f(x) - 2.5) < 1e-6`.

    In between is what came of whole ones, or of their classes' methods, where tests may expect either: MADE. It is
    asked no QUESTIONS, and the operations that are TELLING only with another of the candidate's. A method that returns
    `self` gives this, too, else it could stand for any number.
    """

    __slots__ = ("__channel", "__iterated", "__level", "__node")

    def __init__(self, channel, node, level):
        for name, value in (("channel", channel), ("node", node), ("level", level), ("iterated", False)):
            object.__setattr__(self, f"_Remote__{name}", value)

    def __eq__(self, other):
        if isinstance(other, Remote):
            return self.__node == other.__node
        if self.__level != WHOLE or type(self) is not Remote or type(other) not in _DATA:
            return False
        value = self.__channel.ask("data", self)  # of a class that derives from one of data; compared here
        return not isinstance(value, Remote) and value == other

    def __ne__(self, other):
        return not self == other

    def __hash__(self):
        return hash(tuple(self.__node[1:]))

    def __call__(self, /, *arguments, **keywords):
        return self.__made(self.__channel.ask("call", self, *arguments, **keywords), WHOLE)

    def __made(self, value, level):
        """What a class gives that the task names."""
        return self.__at(value, level) if type(self) is EntryPoint and self.__level else value

    def __at(self, value, level):
        if type(value) is Remote and value.__node[0] == "h":
            return self.__channel.remote(value.__node[1], level)
        return value

    def _returned(self):
        """The stand-in for it where it is an answer."""
        if self.__level != WHOLE:
            return self
        return self.__at(self, MADE) if type(self) is Remote else Remote(self.__channel, self.__node, STRANGE)

    def __getattr__(self, name):
        if name[:2] == "__" and name not in _SPECIAL:
            raise AttributeError(f"objects of the candidate give no {name} here")
        if self.__level != WHOLE and name in QUESTIONS:
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
        if not self.__level and iterator != self:
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
        if not self.__level:
            raise TypeError("an object of the candidate that is no data is neither true nor false")
        return self.__channel.ask("bool", self) is True

    def __contains__(self, value):
        return bool(self.__asked("in", self, value))

    def __instancecheck__(self, value):
        return self.__channel.ask("isinstance", value, self) is True

    def __subclasscheck__(self, value):
        return self.__channel.ask("issubclass", value, self) is True

    def __mro_entries__(self, bases):
        raise Cannot(
            "a class that comes from the candidate cannot be derived from here: use the mode shared for that"
        )

    def __enter__(self):
        value = self.__channel.ask("enter", self)
        return (
            self.__at(value, self.__level)
            if value == self
            else self.__at(value, MADE if self.__level else STRANGE)
        )

    def __exit__(self, kind, error, trace):
        """It is told, but what was raised goes on: a candidate that ends a block early would skip what follows."""
        self.__channel.ask("exit", self, error is not None)
        return False

    def __copy__(self):
        return self.__at(self.__channel.ask("copy", self), self.__level)

    def __deepcopy__(self, memo):
        return self.__at(self.__channel.ask("deepcopy", self), self.__level)

    def __asked(self, operation, *operands):
        """What comes of an operation that data have, too."""
        levels = [operand.__level if isinstance(operand, Remote) else STRANGE for operand in operands]
        if not any(levels):
            raise TypeError(
                f"an object of the candidate that is no data has no {operation} here; see classes"
            )
        if WHOLE not in levels and STRANGE in levels and operation in TELLING:
            raise TypeError(
                f"what came of an object of the candidate has no {operation} with data here; see classes"
            )
        value = self.__channel.ask(operation, *operands)
        if operation in IN_PLACE and isinstance(value, Remote) and value == self:
            return self
        return self.__at(value, MADE) if operation in MAKING or operation in IN_PLACE else value


class Generator(Remote):
    __slots__ = ()
    __class__ = types.GeneratorType  # for isinstance


class EntryPoint(Remote):
    """What the candidate defines under a name."""

    __slots__ = ()

    def __init__(self, channel, name, is_class, module=None):
        node = ["e", name] if module is None else ["e", name, module]
        super().__init__(channel, node, WHOLE if is_class else STRANGE)


class Method:
    """A method of an object of the candidate's."""

    __slots__ = ("name", "target")

    def __init__(self, target, name):
        self.target, self.name = target, name

    def __call__(self, /, *arguments, **keywords):
        channel, made = self.target._Remote__channel, self.target._Remote__made
        return made(channel.ask("method", self.target, self.name, *arguments, **keywords), MADE)


def node_of(remote):
    return remote._Remote__node


def returned(writer):
    """What the tests get if the candidate returns what they passed: the same, but for instances of its classes and what
    holds them. A list of shapes, say, may stand where a list of areas is expected."""
    given = [value._returned() if issubclass(type(value), Remote) else value for value in writer.objects]
    holders = [[] for _ in given]
    for number, node in enumerate(writer.nodes):
        for part in node:
            if type(part) is list:
                holders[part[0]].append(number)
    changed = [number for number, value in enumerate(given) if value is not writer.objects[number]]
    copied = {holder for number in changed for holder in holders[number]}
    if not copied:
        return given
    missing = list(copied)
    while missing:
        for holder in holders[missing.pop()]:
            if holder not in copied:
                copied.add(holder)
                missing.append(holder)
    foreign = (value for value, node in zip(given, writer.nodes, strict=True) if node[0] in FOREIGN)
    copies = []
    graph.Reader(copies, lambda code, parts: next(foreign)).read(writer.nodes)
    return [copies[number] if number in copied else value for number, value in enumerate(given)]


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
    for operation in IN_PLACE:
        setattr(Remote, f"__{operation}__", unary(operation))
    for name in ("__doc__", "__module__"):
        remote = property(lambda self, name=name: self._Remote__channel.ask("getattr", self, name))
        for kind in (Remote, Generator, EntryPoint):  # each has them of its own
            setattr(kind, name, remote)


_define()
