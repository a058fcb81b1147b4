"""What is wrong with tests, whatever a candidate does: said before any of it has answered.

Later, tests that go wrong may have been led there, and a candidate must not be able to choose a Failure. Only where no
candidate at all can get past a line is that line's fault the task's: see `is_unavoidable`.
"""

import _ast
import _symtable
import builtins
import re

_LOOKS_DYNAMIC = re.compile(r"\b(?:exec|eval|globals|locals|vars|setattr|__dict__|__builtins__|import\s*\*)")
_LOOKS_LIKE_A_CLASS = re.compile(r"\bexcept\b|\bclass\b|\braise\b|[Rr]aises")
_GIVEN = {"__name__", "__file__", "__doc__", "__builtins__", "__annotations__", "__class__", "__module__"}


def find_fault(sources, namespace, entry_points):
    """-> (number of the source, what is wrong with it), or None. The prelude has run in `namespace` already."""
    texts = [source.decode() for source in sources]
    missing = find_undefined(texts, namespace)
    if missing:
        return missing
    for number, text in enumerate(texts):
        if _LOOKS_LIKE_A_CLASS.search(text):
            wrong = find_class_use(tree_of(text), entry_points)
            if wrong:
                return number, wrong
    return None


def find_undefined(texts, namespace):
    """A global name that nothing defines: neither prelude nor candidate nor the tests themselves."""
    if any(map(_LOOKS_DYNAMIC.search, texts)):
        return None
    used, bound = {}, {*namespace, *vars(builtins), *_GIVEN}
    for number, text in enumerate(texts):
        collect_names(_symtable.symtable(text, "tests", "exec"), number, used, bound)
    for name, number in used.items():
        if name not in bound:
            return (
                number,
                f"uses {name}, which nothing defines: define it in the prelude, or name it in entry_points",
            )
    return None


def collect_names(table, number, used, bound):
    top = table.type == _symtable.TYPE_MODULE
    for name, flags in table.symbols.items():
        scope = flags >> _symtable.SCOPE_OFF & _symtable.SCOPE_MASK
        if scope in (_symtable.GLOBAL_IMPLICIT, _symtable.GLOBAL_EXPLICIT) or top:
            if flags & _symtable.DEF_BOUND:
                bound.add(name)
            elif flags & _symtable.USE:
                used.setdefault(name, number)
    for child in table.children:
        collect_names(child, number, used, bound)


def tree_of(text):
    return compile(text, "tests", "exec", _ast.PyCF_ONLY_AST, dont_inherit=True)


def parts_of(node):
    """The nodes below a node, in order."""
    for field in node._fields:
        value = getattr(node, field, None)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, _ast.AST):
                yield part


def below(node):
    """The node and all below it."""
    yield node
    for part in parts_of(node):
        yield from below(part)


def find_class_use(tree, entry_points):
    """Where an entry point is used as only a class can be: its stand-in here is none."""

    def is_entry(node):
        if isinstance(node, _ast.Tuple):
            return any(map(is_entry, node.elts))
        return isinstance(node, _ast.Name) and node.id in entry_points

    for node in below(tree):
        what = ""
        if isinstance(node, _ast.ExceptHandler) and node.type is not None and is_entry(node.type):
            what = "catches it as an exception"
        elif isinstance(node, _ast.ClassDef) and any(map(is_entry, node.bases)):
            what = "derives a class from it"
        elif isinstance(node, _ast.Raise) and node.exc is not None:
            made = node.exc.func if isinstance(node.exc, _ast.Call) else node.exc
            what = "raises it" if is_entry(made) else ""
        elif isinstance(node, _ast.Call) and node.args and is_entry(node.args[0]):
            name = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
            what = (
                "expects it to be raised" if name in ("raises", "assertRaises", "assertRaisesRegex") else ""
            )
        if what:
            return f"line {node.lineno} {what}: a class that the candidate defines cannot be used so"
    return None


# Lines that everyone reaches ---------------------------------------------------------------------------------

_ALWAYS = (
    *(_ast.Module, _ast.FunctionDef, _ast.Assert, _ast.Expr, _ast.Assign, _ast.AnnAssign, _ast.AugAssign),
    *(
        _ast.Return,
        _ast.Call,
        _ast.keyword,
        _ast.BinOp,
        _ast.UnaryOp,
        _ast.Tuple,
        _ast.List,
        _ast.Set,
        _ast.Dict,
    ),
    *(_ast.Starred, _ast.Subscript, _ast.Attribute, _ast.JoinedStr, _ast.FormattedValue, _ast.NamedExpr),
)
"""What is evaluated whole, in order, with no choice."""


def is_unavoidable(error, sources, entry_points):
    """Whether every candidate that is not wrong before comes to the call that raised the error, and with the same
    arguments. `sources`: file name of the code -> source."""
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    ours = [number for number, frame in enumerate(frames) if frame.tb_frame.f_code.co_filename in sources]
    if not ours or ours != list(range(ours[0], ours[-1] + 1)):
        return False  # some of it was called by somebody else, who may choose
    places = [place_of(frames[number], sources) for number in ours]
    if not all(is_straight(*place) for place in places):
        return False
    trees = [tree_of(source.decode()) for source in sources.values()]
    return are_arguments_fixed(*places[-1], bindings_of(trees), entry_points)


def place_of(frame, sources):
    """-> (tree of the source, place of the expression that the frame was at)"""
    code = frame.tb_frame.f_code
    line, end_line, column, end_column = list(code.co_positions())[frame.tb_lasti // 2]
    return tree_of(sources[code.co_filename].decode()), ((line, column), (end_line, end_column))


def is_straight(tree, wanted):
    """Whether the expression at that place is evaluated whatever comes of those before it."""
    node = tree
    while True:
        if not is_always(node, wanted):
            return False
        inner = [part for part in parts_of(node) if hasattr(part, "lineno") and holds(part, wanted)]
        if not inner:
            return place(node) == wanted or isinstance(node, _ast.Assert)
        if leaves_early(node, inner[0]):
            return False
        node = inner[0]


def place(node):
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def holds(node, wanted):
    start, end = place(node)
    return start <= wanted[0] and wanted[1] <= end


_BUILDING = (
    *(_ast.Name, _ast.Constant, _ast.expr_context, _ast.Call, _ast.keyword, _ast.Attribute, _ast.Starred),
    *(_ast.Tuple, _ast.List, _ast.Set, _ast.Dict, _ast.Subscript, _ast.BinOp, _ast.operator),
)
"""What fixed arguments are made with."""


def are_arguments_fixed(tree, wanted, bindings, entry_points):
    """Whether the call at that place has arguments in which no candidate has a part."""
    call = next(
        (node for node in below(tree) if isinstance(node, _ast.Call) and place(node) == wanted),
        None,
    )
    seen = set()

    def is_fixed(node):
        return all(
            is_fixed_name(part.id) if isinstance(part, _ast.Name) else isinstance(part, _BUILDING)
            for part in below(node)
        )

    def is_fixed_name(name):
        if name in seen:
            return True
        seen.add(name)
        if name in entry_points:
            return False
        return all(value is not None and is_fixed(value) for value in bindings.get(name, ()))

    return call is not None and all(map(is_fixed, [*call.args, *call.keywords]))


def bindings_of(trees):
    """Name -> what it is bound to, each time; None for what is too hard to say. Classes and modules are left out."""
    bindings, told = {}, set()
    for node in (node for tree in trees for node in below(tree)):
        if isinstance(node, (_ast.Assign, _ast.For)):
            value = node.value if isinstance(node, _ast.Assign) else node.iter
            for target in node.targets if isinstance(node, _ast.Assign) else [node.target]:
                if isinstance(target, _ast.Name):
                    bindings.setdefault(target.id, []).append(value)
                    told.add(target)
        elif isinstance(node, _ast.Name) and not isinstance(node.ctx, _ast.Load) and node not in told:
            bindings.setdefault(node.id, []).append(None)
        elif isinstance(node, _ast.arg):
            bindings.setdefault(node.arg, []).append(None)
        elif isinstance(node, (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ExceptHandler)):
            bindings.setdefault(node.name, []).append(None)
    return bindings


def is_always(node, wanted):
    if isinstance(node, _ast.Compare):
        return len(node.comparators) == 1
    if isinstance(node, _ast.Assert):
        return node.msg is None or not holds(node.msg, wanted)
    if isinstance(node, _ast.For):
        return isinstance(node.iter, (_ast.Tuple, _ast.List)) and bool(node.iter.elts)
    return isinstance(node, _ALWAYS)


def leaves_early(node, target):
    """Whether a statement before the target, in the same block, may skip it."""
    body = getattr(node, "body", None)
    if not isinstance(body, list):
        return False
    skipping = (_ast.Return, _ast.Break, _ast.Continue, _ast.Try)
    for statement in body:
        if statement is target:
            return False
        if any(isinstance(part, skipping) for part in below(statement)):
            return True
    return False
