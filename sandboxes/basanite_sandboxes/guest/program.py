"""Becoming the candidate: what a run does once it is isolated.

Nothing here is trusted by anyone outside: from `hand_over` on, this process belongs to the candidate.
"""

import _signal
import atexit
import builtins
import ctypes
import errno
import itertools
import json
import os
import stat
import sys
import threading
import types

import modules  # noqa: F401  basanite_unittest has it from here
import objects
import tests
import values
from wire import ANSWERS_FD, ANSWERS_NAME

flush_c_library = ctypes.CDLL(None).fflush


def prepare(fd, length):
    """Read a program from the input and do all that may be done before the candidate's code: its children, one a
    case, then do as little as possible. -> (Prepared, None), or (None, what is wrong with the source)"""
    data = os.pread(fd, length, 0)
    if data[:1] != b"{":
        return read_command(data), None
    line, _, rest = data.partition(b"\n")
    head = json.loads(line)
    files, at = [], head["source"] + head.get("calls", 0)
    for name, size in head["files"]:
        files.append((name, rest[at : at + size]))
        at += size
    tree = head["tree"]
    if head["form"] == "modules":
        return Modules(files), None
    if head["form"] == "tests":
        return Tests(head, rest), None
    source = rest[: head["source"]]
    code, wrong = compile_source(source)
    if wrong:
        return None, wrong
    if head["form"] == "main":
        return MainProgram(files, code, head["arguments"], tree), None
    if head["form"] == "objects":
        return Objects(files, code, "main", []), None
    return Calls(files, code, head["entry"], rest[head["source"] :][: head["calls"]]), None


def read_command(data):
    """As tool.c does."""
    count, _, rest = data.partition(b"\0")
    *argv, output, tree, files, rest = rest.split(b"\0", int(count) + 3)
    *heads, rest = rest.split(b"\0", 2 * int(files))
    placed, at = [], 0
    for name, size in zip(heads[::2], map(int, heads[1::2]), strict=True):
        placed.append((name, rest[at : at + size]))
        at += size
    return Executable(placed, argv, output, json.loads(tree))


def compile_source(source):
    """-> (code, None), or (None, what is wrong with the source)."""
    try:
        return compile(source, "main.py", "exec", dont_inherit=True), None
    except SyntaxError as error:
        line, column = place(source, error)
        return None, {"message": f"{type(error).__name__}: {error.msg}", "line": line, "column": column}
    except ValueError as error:  # null bytes
        return None, {"message": f"SyntaxError: {error}", "line": 0, "column": 0}
    except (RecursionError, MemoryError, OverflowError) as error:
        return None, {
            "message": f"the source is too complex to compile: {type(error).__name__}",
            "line": 0,
            "column": 0,
        }


def place(source, error):
    """Line and column of a syntax error, in code points: given bytes, the compiler counts bytes."""
    if not source.isascii():
        try:
            compile(source.decode(), "main.py", "exec", dont_inherit=True)
        except SyntaxError as again:  # the parser counts code points now
            if again.msg == error.msg:
                error = again
        except Exception:
            pass
    line, column = max(0, error.lineno or 0), max(0, error.offset or 0)
    if error.text is None and column:  # it comes from after the parser, and there they are bytes still
        before = b"".join(source.splitlines()[line - 1 : line])[: column - 1]
        column = len(before.decode(errors="replace")) + 1
    return line, column


class Prepared:
    """`hand_over` becomes the candidate and never returns."""

    mode = 0o644
    """Of its files, unless it works in a tree."""

    def __init__(self, files, tree=None):
        self.files = files
        self.tree = tree
        """Of the tree that it works in: files that are removed, and those of `files` that are executable."""

    def settle(self):
        """Give the run what must be its own before the program begins."""
        if stat.S_ISCHR(os.fstat(0).st_mode):
            # An empty input is the agent's /dev/null: what is set on it would be set for the next run.
            null = os.open("/dev/null", os.O_RDWR)
            os.dup2(null, 0)
            os.close(null)
        if self.tree:
            for name in self.tree["removed"]:
                remove(name)
        for name, data in self.files:
            directory = os.path.dirname(name)
            if directory:
                os.makedirs(directory, exist_ok=True)
            fd = self.create(name)
            try:
                while data:
                    data = data[os.write(fd, data) :]
            except OSError as error:
                error.filename = name
                raise
            os.close(fd)
        if self.tree:
            for name in self.tree["executable"]:
                os.chmod(name, 0o755)

    def create(self, name):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        if not self.tree:
            return os.open(name, flags, self.mode)
        try:
            return os.open(name, flags | os.O_NOFOLLOW, 0o644)
        except OSError:  # it is there, and read-only or a link
            os.unlink(name)
            return os.open(name, flags, 0o644)


def remove(name):
    """A file of a tree, and directories that this leaves empty."""
    try:
        os.unlink(name)
        while name := os.path.dirname(name):
            os.rmdir(name)
    except OSError:
        pass


class Executable(Prepared):
    mode = 0o444

    def __init__(self, files, argv, output, tree):
        super().__init__(files, tree)
        self.argv = argv
        self.output = output

    def hand_over(self):
        try:
            self.settle()
            if self.output:
                os.symlink(ANSWERS_NAME, self.output)
        except OSError as error:
            os.write(2, os.fsencode(error.filename or "") + f": {error.strerror}\n".encode())
            os._exit(125)
        for number in (
            _signal.SIGPIPE,
            _signal.SIGXFSZ,
        ):  # the interpreter ignores them; programs do not expect that
            _signal.signal(number, _signal.SIG_DFL)
        try:
            os.execve(self.argv[0], self.argv, ENVIRONMENT)
        except OSError as error:
            os.write(2, self.argv[0] + f": {error.strerror}\n".encode())
            os._exit(127 if error.errno == errno.ENOENT else 126)


class PythonCode(Prepared):
    """Python source, compiled, and the module in which it will run."""

    def __init__(self, files, code, name, arguments, tree=None):
        super().__init__(files, tree)
        self.code = code
        self.module = sys.modules[name] = types.ModuleType(name)
        self.namespace = self.module.__dict__
        self.namespace["__builtins__"] = builtins
        self.namespace["__file__"] = "/tmp/main.py"
        sys.argv[:] = ["main.py", *arguments]
        self.random = [sys.modules[name] for name in ("random", "numpy.random") if name in sys.modules]

    def enter(self):
        self.settle()
        for module in self.random:  # a raw clone runs no at-fork hooks
            module.seed()


class MainProgram(PythonCode):
    """As `python main.py arguments..`, as near as a warm interpreter allows."""

    def __init__(self, files, code, arguments, tree):
        super().__init__(files, code, "__main__", arguments, tree)

    def hand_over(self):
        status = 0
        try:
            self.enter()
            exec(self.code, self.namespace)
        except SystemExit as error:
            status = exit_status(error)
        except BaseException as error:
            show(error)
            status = 1
        os._exit(finish(self.namespace, status))


ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"}


def show(error):
    """As the interpreter shows an uncaught exception, without our frame."""
    traceback = error.__traceback__.tb_next
    sys.excepthook(type(error), error.with_traceback(traceback), traceback)


def exit_status(error):
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def finish(namespace, status):
    """What the interpreter does at its end, without tearing itself down."""
    try:
        if len(threading._active) > 1 or threading._threading_atexits:
            threading._shutdown()
        atexit._run_exitfuncs()
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status = 120
    status = flush(sys.stdout, status)
    sys.stdout = sys.__stdout__  # one of the candidate's own may need globals that are gone after this
    try:
        clear(namespace)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    for stream in (sys.__stdout__, sys.stderr):  # the first was perhaps replaced while it held something
        try:
            stream.flush()
        except BaseException:
            pass
    flush_c_library(None)  # what its own code or ctypes printed: _exit flushes nothing
    return status


def flush(stream, status):
    """-> the exit status after it"""
    try:
        if stream is not None and not is_closed(stream):
            stream.flush()
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return 120
    return status


def is_closed(stream):
    try:
        return stream.closed
    except BaseException:
        return False


def clear(namespace):
    """Drop what has a finalizer (an open file is flushed) while all that it may use is there, then the rest."""
    names = [name for name in namespace if name[:2] != "__"]
    for name in names:
        if has_finalizer(namespace.get(name)):
            namespace.pop(name, None)
    if names:
        namespace.clear()


def has_finalizer(value):
    if type(value) in (list, tuple, set):
        return any(hasattr(type(item), "__del__") for item in itertools.islice(value, 10))
    if type(value) is dict:
        return any(hasattr(type(item), "__del__") for item in itertools.islice(value.values(), 10))
    return hasattr(type(value), "__del__") or type(value) is types.GeneratorType


class Calls(PythonCode):
    """Import the code as a module, call `entry` once a line of `calls`, answer a line each."""

    def __init__(self, files, code, entry, calls):
        super().__init__(files, code, "main", [])
        self.entry = entry
        self.calls = calls

    def hand_over(self):
        os._exit(self.run())

    def run(self):
        try:
            self.enter()
            exec(self.code, self.namespace)
        except SystemExit as error:
            send({"import": values.exception(error)})
            return finish(self.namespace, exit_status(error))
        except BaseException as error:
            show(error)
            send({"import": values.exception(error)})
            return finish(self.namespace, 1)
        for line in self.calls.split(b"\n"):
            call = values.parse(line)
            send(answer(self.module, self.entry, call), call["after"])
        flush(sys.stdout, 0)
        flush(sys.stderr, 0)
        return 0


def answer(module, entry, call):
    arguments, keywords = values.with_deep_recursion(values.decode, [call["args"], call["kwargs"]])
    name, _, method = entry.partition(".")
    if not hasattr(module, name) or not hasattr(getattr(module, name), method or "__call__"):
        return {"missing": f"the program defines no {entry}"}
    try:
        target = getattr(module, name)
        if method:
            target = getattr(target(), method)
        result = target(*arguments, **keywords)
        values.converted.clear()
        reply = {"value": values.with_deep_recursion(values.encode, result)}
        if values.converted:
            reply["converted"] = values.converted[0]
    except values.Opaque as error:
        reply = {"opaque": str(error)}
    except BaseException as error:
        reply = {"raised": values.exception(error)}
    try:
        after = values.with_deep_recursion(values.encode, arguments)
        if call["after"] or after != call["args"]:
            reply["after"] = after
    except BaseException:
        reply["after"] = None
    return reply


class Objects(PythonCode):
    """Import the code as a module and let the tests, in another sandbox, use what it defines."""

    def hand_over(self):
        os._exit(self.run())

    def run(self):
        server = objects.Server(self.module)
        try:
            self.enter()
            exec(self.code, self.namespace)
        except SystemExit as error:
            server.failed_to_start(error)
            return finish(self.namespace, exit_status(error))
        except BaseException as error:
            show(error)
            server.failed_to_start(error)
            return finish(self.namespace, 1)
        server.serve()
        flush(sys.stdout, 0)
        flush(sys.stderr, 0)
        return 0


class Modules(Prepared):
    """Let the tests, in another sandbox, import modules that lie in the working directory, and use what they define."""

    def hand_over(self):
        self.settle()
        for name in "random", "numpy.random":
            if name in sys.modules:
                sys.modules[name].seed(0)
        server = objects.Server(None)
        server.serve()
        flush(sys.stdout, 0)
        flush(sys.stderr, 0)
        os._exit(0)


class Tests(Prepared):
    """Trusted tests of what an Objects serves."""

    def __init__(self, head, text):
        super().__init__([])
        self.head = head
        ends = list(itertools.accumulate(head["cases"], initial=head["source"]))
        self.prelude = text[: head["source"]]
        self.cases = [text[first:last] for first, last in itertools.pairwise(ends)]

    def hand_over(self):
        status = 1
        try:
            tests.run(self.head, self.prelude, self.cases)
            status = 0
        finally:
            os._exit(status)


# An answer has a limit, and escapes double the length of most text.
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def send(reply, after=False):
    """`after`: the arguments after the call are judged, too."""
    data = values.with_deep_recursion(ENCODER.encode, reply).encode() + b"\n"
    if len(data) > values.MAX_BYTES and not after and reply.pop("after", None) is not None:
        data = values.with_deep_recursion(ENCODER.encode, reply).encode() + b"\n"
    while data:
        data = data[os.write(ANSWERS_FD, data) :]
