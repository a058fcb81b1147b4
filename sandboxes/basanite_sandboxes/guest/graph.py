"""Values and the references among them as nodes that JSON can carry, the same from either side of a channel.

What JSON has (None, bool, numbers of reasonable length, text) stands for itself. Everything else is a *node*, a list
that begins with a letter, and is referred to by its number as `[number]`: so a list that holds itself, or one list in
two places, arrives as what it was, and no depth of lists needs depth of JSON. Nodes that cannot change come after
what they hold.

Used by the candidate's process to answer and by that of the tests to ask. The tests' side trusts nothing in what it
reads: `read` returns plain objects or raises Malformed.
"""

import collections
import functools
import json
import sys

MAX_DEPTH = 1000
"""Of tuples in tuples: hashing one recurses in C."""
MAX_SIZE = 10_000_000
"""Of a tuple, counting what it holds as often as it holds it: a few nodes can stand for 2**60."""
MAX_SHARED = 1000
"""Members of one set, or keys of one dict, with the same hash: building it takes the square of that."""
LONG = 1 << 8192
"""Integers from here on are nodes: Python refuses to read their decimal digits."""

_KEYS, _VALUES, _ITEMS = type({}.keys()), type({}.values()), type({}.items())
_CODES = {
    list: "l",
    tuple: "t",
    dict: "d",
    set: "s",
    frozenset: "f",
    bytes: "b",
    bytearray: "y",
    complex: "c",
    range: "r",
    slice: "z",
    collections.deque: "q",
    collections.OrderedDict: "o",
    collections.Counter: "n",
    _KEYS: "K",
    _VALUES: "V",
    _ITEMS: "I",
}
# Subclasses count as the first of these that they are; their own methods are not asked.
_BASES = (
    *(list, tuple, collections.OrderedDict, collections.Counter, dict, set, frozenset, bytes, bytearray),
    *(complex, collections.deque),
)
CHANGEABLE = frozenset("ldsyqon")
_VIEWS = frozenset("KVI")
# Values of the standard library that carry over whole: module, class, the parts they are made of.
_STANDARD = {
    "Decimal": ("decimal", lambda value: [str(value)], lambda kind, text: kind(text)),
    "Fraction": (
        "fractions",
        lambda value: [value.numerator, value.denominator],
        lambda kind, above, below: kind(above, below),
    ),
    "date": ("datetime", lambda value: [value.isoformat()], lambda kind, text: kind.fromisoformat(text)),
    "time": ("datetime", lambda value: [value.isoformat()], lambda kind, text: kind.fromisoformat(text)),
    "datetime": ("datetime", lambda value: [value.isoformat()], lambda kind, text: kind.fromisoformat(text)),
    "timedelta": (
        "datetime",
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda kind, *parts: kind(*parts),
    ),
}
_NUMBERS = "biufc"
"""Kinds of numpy arrays that hold nothing but numbers."""


class Unsendable(Exception):
    """The value has no form in which it could cross."""


class Malformed(Exception):
    """What was read is no graph."""


class Writer:
    """Makes nodes. `objects` have numbers already; `foreign(value)` makes the node of what is no data, or raises
    Unsendable; with `exact`, instances of subclasses are foreign, too."""

    def __init__(self, foreign, objects=(), exact=False):
        self.foreign = foreign
        self.exact = exact
        self.objects = list(objects)  # keeps them alive, and with them their ids
        self.numbers = {id(value): number for number, value in enumerate(self.objects)}
        self.first = len(self.objects)
        self.nodes = []
        self.unfinished = []

    def put(self, value, depth=0):
        """-> what stands for the value in a node. Nodes are complete after `finish`."""
        kind = type(value)
        if value is None or kind is bool or kind is float:
            return value
        if kind is int and -LONG < value < LONG:
            return value
        if kind is str and is_text(value):
            return value
        number = self.numbers.get(id(value))
        if number is not None:
            return [number]
        if kind is int:
            return self.add(value, ["i", hex(value)])
        if kind is str:
            return self.add(value, ["u", value.encode("utf-8", "surrogatepass").hex()])
        code = _CODES.get(kind)
        if code is None and issubclass(kind, tuple) and (fields := fields_of(kind)) and is_data(value):
            parts = [self.put(part, depth + 1) for part in tuple.__iter__(value)]
            return self.add(value, ["N", kind.__name__, ",".join(fields), *parts])
        if code is None and is_numpy_scalar(kind):
            return self.put(value.tolist(), depth)
        if code is None and not self.exact:
            code, value = base(value, kind)
            if code == "":
                return self.put(value, depth)
        if code is None:
            node = standard(value, kind) or array(value, kind)
            if node is None:
                node = self.foreign(value)
            return self.add(value, [self.put(part, depth + 1) for part in node])
        if code in CHANGEABLE or code in _VIEWS:
            self.unfinished.append((len(self.objects), code, value))
            return self.add(value, None)
        if depth >= MAX_DEPTH:
            raise Unsendable("a value nested deeper than 1000 cannot be passed")
        return self.add(value, self.contents(code, value, depth + 1))

    def add(self, value, node):
        number = self.numbers[id(value)] = len(self.objects)
        self.objects.append(value)
        self.nodes.append(node)
        return [number]

    def finish(self):
        """Complete the nodes of what was put."""
        while self.unfinished:
            number, code, value = self.unfinished.pop()
            self.nodes[number - self.first] = self.contents(code, value)

    def contents(self, code, value, depth=0):
        """The node of a value."""
        put = self.put
        if code in "ltsf":
            kind = {"l": list, "t": tuple, "s": set, "f": frozenset}[code]
            return [code, *[put(item, depth) for item in kind.__iter__(value)]]
        if code in "donI":
            items = {"o": collections.OrderedDict.items, "I": iter}.get(code, dict.items)(value)
            return [code, *[put(part, depth) for pair in items for part in pair]]
        if code in "KV":
            return [code, *[put(item, depth) for item in value]]
        if code in "by":
            return [code, bytes.hex(value) if code == "b" else bytearray.hex(value)]
        if code == "q":
            length = collections.deque.maxlen.__get__(value)
            return [code, length, *[put(item, depth) for item in collections.deque.__iter__(value)]]
        if code == "c":
            return [code, complex.real.__get__(value), complex.imag.__get__(value)]
        return [code, put(value.start, depth), put(value.stop, depth), put(value.step, depth)]  # range, slice


def code_of(value):
    """Of one of the tests' own."""
    return _CODES.get(type(value))


def is_text(value):
    """False if it has surrogates: two of them in a row would arrive as one character."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def base(value, kind):
    """-> (code of the built-in type that it is a subclass of, value), ("", value as a built-in) or (None, value)"""
    if issubclass(kind, int):
        return "", int.__index__(value)
    if issubclass(kind, float):
        return "", float.__float__(value)
    if issubclass(kind, str):
        return "", str.__str__(value)
    for known in _BASES:
        if issubclass(kind, known):
            return _CODES[known], value
    return None, value


def is_numpy_scalar(kind):
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(kind, numpy.generic)


def fields_of(kind):
    """Names of the parts of a namedtuple, as such a class is made; else None."""
    fields = kind.__dict__.get("_fields")
    if (
        kind.__bases__ != (tuple,)
        or type(fields) is not tuple
        or not all(type(name) is str for name in fields)
    ):
        return None
    try:
        named(kind.__name__, ",".join(fields))
    except ValueError:
        return None
    return fields


def is_data(value):
    return not any(map(callable, tuple.__iter__(value)))


def standard(value, kind):
    """The node of a value of the standard library, or None."""
    known = _STANDARD.get(kind.__name__)
    if known is None or kind.__module__ != known[0]:
        return None
    if kind is not getattr(sys.modules.get(known[0]), kind.__name__, None):
        return None
    return ["x", kind.__name__, *known[1](value)]


def array(value, kind):
    """The node of a numpy array of numbers, or None."""
    numpy = sys.modules.get("numpy")
    if numpy is None or kind is not numpy.ndarray or value.dtype.kind not in _NUMBERS:
        return None
    return ["a", value.dtype.str, value.tobytes().hex(), *value.shape]


# Reading -----------------------------------------------------------------------------------------------------

WRONG_FORM = (
    *(TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError, MemoryError),
    *(ImportError,),
)


def read(nodes, objects, foreign):
    """Append the objects that the nodes stand for to `objects`, those that nodes before them stand for.

    `foreign(code, parts)` makes what is no data. Raises Malformed.
    """
    try:
        Reader(objects, foreign).read(nodes)
    except WRONG_FORM as error:
        raise Malformed(type(error).__name__) from None


def loads(line):
    """A line of JSON. Raises Malformed."""
    try:
        return json.loads(line)
    except WRONG_FORM as error:
        raise Malformed(type(error).__name__) from None


_UNMADE = object()
"""In the place of what cannot change, until all that it holds is there."""


class Reader:
    def __init__(self, objects, foreign):
        self.objects = objects
        self.foreign = foreign
        self.sizes = {}  # number of a node that cannot change -> (depth, size)

    def read(self, nodes):
        first = len(self.objects)
        shells = {}
        for number, node in enumerate(nodes, first):
            if type(node) is not list or type(node[0]) is not str:
                raise ValueError
            if node[0] in CHANGEABLE or node[0] in _VIEWS:
                shells[number], made = shell(node)
            else:
                made = _UNMADE
            self.objects.append(made)
        for number, node in enumerate(nodes, first):
            if number not in shells:
                self.objects[number] = self.make(number, node[0], node[1:])
        for number, target in shells.items():
            self.fill(target, nodes[number - first])

    def item(self, item):
        """What an item of a node, or an argument, stands for."""
        kind = type(item)
        if kind is list:
            (number,) = item
            if type(number) is not int or number < 0:
                raise ValueError
            value = self.objects[number]
            if value is _UNMADE:
                raise ValueError
            return value
        if kind is dict:
            raise ValueError
        return item

    def items(self, items):
        if list not in set(map(type, items)):
            if dict in set(map(type, items)):
                raise ValueError
            return items
        return [self.item(item) for item in items]

    def measure(self, number, items):
        """Refuse tuples too deep or too large to be hashed."""
        depth, size = 0, 1
        for item in items:
            below = self.sizes.get(item[0], (0, 1)) if type(item) is list else (0, 1)
            depth, size = max(depth, below[0]), size + below[1]
        if depth >= MAX_DEPTH or size > MAX_SIZE:
            raise ValueError
        self.sizes[number] = (depth + 1, size)

    def make(self, number, code, parts):
        if code == "t":
            self.measure(number, parts)
            return tuple(self.items(parts))
        if code == "f":
            self.measure(number, parts)
            return frozenset(keys(self.items(parts)))
        if code == "i":
            return int(parts[0], 16)
        if code == "u":
            return bytes.fromhex(parts[0]).decode("utf-8", "surrogatepass")
        if code == "b":
            return bytes.fromhex(parts[0])
        if code == "N":
            self.measure(number, parts[2:])
            name, fields, *parts = self.items(parts)
            if any(map(callable, parts)):
                raise ValueError  # a part that answers when it is called as a method of tuples
            return named(name, fields)._make(parts)
        parts = self.items(parts)
        if code == "c":
            real, imaginary = parts
            if type(real) is not float or type(imaginary) is not float:
                raise ValueError
            return complex(real, imaginary)
        if code == "r":
            return range(*parts)
        if code == "z":
            return slice(*parts)
        if code == "x":
            name, *parts = parts
            module, _, load = _STANDARD[name]
            return load(getattr(__import__(module), name), *parts)
        if code == "a":
            kind, data, *shape = parts
            numpy = __import__("numpy")
            if numpy.dtype(kind).kind not in _NUMBERS:
                raise ValueError
            return numpy.frombuffer(bytes.fromhex(data), kind).reshape(shape).copy()
        return self.foreign(code, parts)

    def fill(self, target, node):
        """Make it hold what the node says, and nothing else."""
        code, items = node[0], self.items(node[1:])
        if code == "y":
            target[:] = bytes.fromhex(items[0])
        elif code == "l":
            target[:] = items
        elif code == "q":
            target.clear()
            target.extend(items[1:])
        elif code == "s":
            members = set(keys(items))
            target.clear()
            target.update(members)
        elif code == "V":
            target.update(enumerate(items))
        elif code == "K":
            target.update(dict.fromkeys(keys(items)))
        else:
            pairs = dict(zip(keys(items[::2]), items[1::2], strict=True))
            target.clear()
            target.update(pairs)


def shell(node):
    """-> (what is to be filled, the object)"""
    code = node[0]
    if code == "l":
        made = []
    elif code == "s":
        made = set()
    elif code == "y":
        made = bytearray()
    elif code == "q":
        made = collections.deque(maxlen=node[1])
    elif code == "o":
        made = collections.OrderedDict()
    elif code == "n":
        made = collections.Counter()
    else:
        made = {}
        views = {"K": made.keys, "V": made.values, "I": made.items}
        return made, views[code]() if code in views else made
    return made, made


@functools.lru_cache(maxsize=100)
def named(name, fields):
    """The class of a namedtuple; one that bears odd names is none."""
    return collections.namedtuple(name, fields.split(","))


def keys(items):
    """The same, unless so many of them share a hash that a set of them would take for ever."""
    if len(items) > MAX_SHARED:
        hashes = list(map(hash, items))
        if len(set(hashes)) < len(hashes) and max(collections.Counter(hashes).values()) > MAX_SHARED:
            raise ValueError
    return items
