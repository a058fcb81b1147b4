"""Python programs behave as under `python main.py`; sources that do not compile are the candidate's fault."""

from __future__ import annotations

import encodings.aliases
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox_box import Box

from basanite_sandboxes.spec import Command, Ended, PythonCalls, PythonProgram, Report

# Endings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 2, 42, 127, 128, 137, 255])
def test_exit_statuses(box: Box, status: int) -> None:
    for program in (
        f"import sys\nsys.exit({status})",
        f"import os\nos._exit({status})",
        f"raise SystemExit({status})",
        Command(("/bin/sh", "-c", f"exit {status}")),
    ):
        report = box.run(program)
        assert (report.ended, report.exit_status, report.signal) == (Ended.EXITED, status, None)


# Run here too, by the interpreter that cells use: output, errors and status must be those of `python main.py`.
LIKE_PYTHON = {
    "sys.exit()": "import sys\nsys.exit()",
    "sys.exit(None)": "import sys\nsys.exit(None)",
    "sys.exit(text)": "import sys\nprint(1)\nsys.exit('gone')",
    "sys.exit(True)": "import sys\nsys.exit(True)",
    "sys.exit(256 + 7)": "import sys\nsys.exit(263)",
    "sys.exit(-1)": "import sys\nsys.exit(-1)",
    "sys.exit(list)": "import sys\nsys.exit([1, 2])",
    "exit()": "exit()",
    "quit(3)": "quit(3)",
    "exit in a function": "def f():\n raise SystemExit(4)\nf()",
    "atexit": "import atexit\natexit.register(print, 'last')\nprint('first')",
    "atexit after an exception": "import atexit\natexit.register(print, 'last')\n1 / 0",
    "atexit and exit": "import atexit, sys\natexit.register(print, 'last')\nsys.exit(5)",
    "threads are joined": "import threading, time\n"
    "def f():\n time.sleep(.05)\n print('thread')\nthreading.Thread(target=f).start()\nprint('main')",
    "daemon threads are not": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(99,), daemon=True).start()",
    "executor left open": "from concurrent.futures import ThreadPoolExecutor as T\nT().submit(print, 'task')",
    "file left open": "f = open('x', 'w')\nf.write('data')\nimport atexit\n",
    "file left open over output": "import os\nf = os.fdopen(os.dup(1), 'w')\nf.write('late')\nprint('early')",
    "stdout closed": "import sys\nprint('a')\nsys.stdout.close()",
    "stderr closed": "import sys\nprint('a')\nsys.stderr.close()",
    "stdout None": "import sys\nprint('a')\nsys.stdout = None",
    "stdout replaced and kept": "import sys, io\nprint('a')\nsys.stdout = io.StringIO()\nprint('b')",
    "stdout reopened": "import sys\nprint('a')\nsys.stdout = open(1, 'w', closefd=False)\nprint('b')",
    "stdout wrapped": "import sys, io\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, 'utf-16')\nprint('b')",
    "stdout detached": "import sys\nb = sys.stdout.detach()\nb.write(b'raw')",
    "stdout buffer": "import sys\nsys.stdout.buffer.write(b'\\xff\\x00')\nprint('x')",
    "finalizer uses globals": "X = 5\nclass A:\n def __del__(self): print('bye', X)\na = A()",
    "finalizer in a list": "class A:\n def __del__(self): print('bye', N)\nitems = [A(), A()]\nN = [3]",
    "finalizers in order": "class A:\n def __init__(s, n): s.n = n\n def __del__(s): print(s.n)\na = A(1); b = A(2)",
    "unicode": "print('é漢😀', ascii('é'))",
    "argv and name": "import sys\nprint(len(sys.argv), __name__, __doc__, __spec__)",
    "doc": "'''a doc'''\nprint(__doc__)",
    "main guard": "def f(): print('in main')\nif __name__ == '__main__': f()",
    "own main module": "import __main__\nx = 3\nprint(__main__.x, __main__.__name__)",
    "builtins": "print(__builtins__.__name__, len([1]), sorted)",
    "pickle of own class": "import pickle\nclass A: x = 1\nprint(pickle.loads(pickle.dumps(A())).x)",
    "dataclass and typing": "from dataclasses import dataclass\n@dataclass\nclass P:\n x: int = 1\nprint(P())",
    "deep recursion": "def f(n): return n and f(n - 1)\nprint(f(900))",
    "recursion error": "import sys\ntry:\n def f(): f()\n f()\nexcept RecursionError: print(sys.getrecursionlimit())",
    "raised limit": "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return n and f(n - 1)\nprint(f(20000))",
    "threading stack": "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(64 << 20)\n"
    "def f(n): return n and f(n - 1)\nt = threading.Thread(target=lambda: print(f(50000)))\nt.start(); t.join()",
    "big integers": "print(len(str(7 ** 4000)))",
    "integer text limit": "try: int('1' * 5000)\nexcept ValueError: print('limit')",
    "hash seed": "print(hash('a'), list({'x', 'y', 'zz'}))",
    "subprocess": "import subprocess as s\nprint(s.run(['echo', 'hi'], capture_output=True, text=True).stdout)",
    "python in python": "import subprocess, sys\nprint(subprocess.check_output([sys.executable, '-c', 'print(6*7)']))",
    "os.system": "import os\nprint(os.system('exit 3') >> 8)",
    "asyncio": "import asyncio\nasync def f():\n await asyncio.sleep(.01)\n return 5\nprint(asyncio.run(f()))",
    "asyncio subprocess": "import asyncio\nasync def f():\n"
    " p = await asyncio.create_subprocess_exec('echo', 'x', stdout=-1)\n"
    " print(await p.communicate())\nasyncio.run(f())",
    "multiprocessing": "from multiprocessing import Pool\ndef f(x): return x * x\n"
    "if __name__ == '__main__':\n with Pool(2) as p: print(p.map(f, range(5)))",
    "multiprocessing spawn": "import multiprocessing as m\ndef f(x): return x * x\n"
    "if __name__ == '__main__':\n m.set_start_method('spawn')\n with m.Pool(1) as p: print(p.map(f, [3]))",
    "process pool": "from concurrent.futures import ProcessPoolExecutor as P\ndef f(x): return x + 1\n"
    "if __name__ == '__main__':\n with P(2) as p: print(list(p.map(f, range(3))))",
    "shared memory": "from multiprocessing import Process, Value, Queue\ndef f(v, q):\n v.value = 7; q.put('x')\n"
    "if __name__ == '__main__':\n v = Value('i'); q = Queue(); p = Process(target=f, args=(v, q)); p.start()\n"
    " print(q.get()); p.join(); print(v.value)",
    "signals": "import signal, os\nsignal.signal(signal.SIGUSR1, lambda *a: print('got'))\n"
    "os.kill(os.getpid(), signal.SIGUSR1)",
    "alarm": "import signal, time\ndef f(*a): raise TimeoutError('late')\n"
    "signal.signal(14, f)\nsignal.setitimer(0, .02)\n"
    "try: time.sleep(9)\nexcept TimeoutError as e: print(e)",
    "keyboard interrupt": "try: raise KeyboardInterrupt\nexcept KeyboardInterrupt: print('k')",
    "excepthook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__)\n1 / 0",
    "temporary files": "import tempfile\nwith tempfile.NamedTemporaryFile() as f: print(f.write(b'xyz'))",
    "standard library": "import sqlite3, decimal, zlib, csv, heapq, bisect, fractions, statistics, lzma, ssl, hashlib\n"
    "print(sqlite3.connect('d.db').execute('select 1+1').fetchone(), hashlib.md5(b'').hexdigest())",
    "generator finally": "def g():\n try: yield 1\n finally: print('closed')\nx = g(); next(x)",
    "warnings": "import warnings\nwarnings.filterwarnings('ignore')\nwarnings.warn('x')\nprint(1)",
    "utf-8 with signature": b"\xef\xbb\xbfprint('bom')",
    "latin-1 source": "# coding: latin-1\nprint(len('é'))".encode("latin-1"),
    "windows line ends": b"x = 1\r\nif x:\r\n    print('crlf')\r\n",
    "form feed and tabs": b"\x0cif 1:\n\tprint('tab')\n",
    "future import": "from __future__ import annotations\nx: undefined_name = 1\nprint(x)",
    "no trailing newline in block": "for i in range(2):\n    print(i)",
    "own module": "import helper\nprint(helper.x)",
    "comments only": "# nothing",
}


@pytest.mark.parametrize("name", LIKE_PYTHON)
def test_as_python_does(box: Box, name: str, tmp_path: Path) -> None:
    source = LIKE_PYTHON[name]
    data = source.encode() if isinstance(source, str) else source
    real = _really(data, tmp_path)
    report = box.run(data, files={"helper.py": b"x = 9"})
    assert (report.ended, report.exit_status) == (Ended.EXITED, real.returncode), report
    assert report.stdout == real.stdout
    if real.returncode == 0:
        assert report.stderr == real.stderr


_KNOWN: dict[bytes, subprocess.CompletedProcess[bytes]] = {}


def _really(data: bytes, tmp_path: Path) -> subprocess.CompletedProcess[bytes]:
    """What `python main.py` does on this machine."""
    if data in _KNOWN:
        return _KNOWN[data]
    (tmp_path / "main.py").write_bytes(data)
    (tmp_path / "helper.py").write_bytes(b"x = 9")
    environment = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "HOME": "/tmp",
    }
    _KNOWN[data] = subprocess.run(
        [getattr(sys, "_base_executable", sys.executable), "-s", "main.py"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return _KNOWN[data]


def test_files_left_open_are_written(box: Box) -> None:
    report = box.run("""
        import os
        class Log: pass
        log = Log()
        log.file = os.fdopen(os.dup(1), "w")
        log.file.write("late")
    """)
    assert report.stdout == b"late"


def test_arguments_reach_the_program(box: Box) -> None:
    arguments = ("a", "", "ü 漢", "--x", "y" * 50_000)
    report = box.run(PythonProgram(b"import sys, json\nprint(json.dumps(sys.argv))", arguments))
    assert json.loads(report.stdout) == ["main.py", *arguments]
    assert box.out(Command(("/bin/echo", "a", "ü"))) == "a ü\n"


def test_a_missing_executable_is_the_programs_failure(box: Box) -> None:
    for argv in (("/no/such",), ("/etc",), ("/etc/passwd",), ("relative",), ("/bin/true", "x" * 3_000_000)):
        report = box.run(Command(argv))
        assert report.ended is Ended.EXITED
        assert report.exit_status in (126, 127)
        assert report.stderr


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT, signal.SIGFPE]
)
def test_signals_that_kill_a_child_are_seen_by_its_parent(box: Box, number: int) -> None:
    assert (
        box.out(f"""
        import os, time
        pid = os.fork()
        if pid == 0:
            os.kill(os.getpid(), {number})
            time.sleep(1000)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
    """)
        == f"{-number}\n"
    )


@pytest.mark.parametrize("source", ["import ctypes\nctypes.string_at(0)", "import os\nos.abort()"])
def test_crashes_are_signals(box: Box, source: str) -> None:
    report = box.run(source)
    assert (report.ended, report.exit_status) == (Ended.SIGNALED, None)
    assert report.signal in (signal.SIGSEGV, signal.SIGABRT)


# Tracebacks ----------------------------------------------------------------------------------------------


def test_tracebacks_show_main_py_only(box: Box) -> None:
    for source in (
        "def f():\n    1 / 0\nf()",
        "try: 1 / 0\nexcept Exception as e: raise KeyError('x') from e",
        "class E(Exception):\n    def __str__(self): 1 / 0\nraise E",
        "raise ExceptionGroup('g', [ValueError(1)])",
        "raise BaseException('b')",
        "exec(compile('x = = 1', 'other', 'exec'))",
        "import threading\nthreading.Thread(target=lambda: 1 / 0).start()",
        "def f(): f()\nf()",
    ):
        for report in (box.run(source), *box.cases(source, [b""])):
            assert b"main.py" in report.stderr
            assert b"/basanite" not in report.stderr
            assert b"hand_over" not in report.stderr


def test_a_traceback_points_at_the_line(box: Box) -> None:
    report = box.run("x = 1\n\n\ny = x / 0\n")
    assert (report.ended, report.exit_status) == (Ended.EXITED, 1)
    assert report.stderr == (
        b'Traceback (most recent call last):\n  File "main.py", line 4, in <module>\n'
        b"ZeroDivisionError: division by zero\n"
    )


# Sources that do not compile -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "line", "column", "message"),
    [
        (b"x = = 1", 1, 5, "invalid syntax"),
        (b"x = 1\n  y = 2\n", 2, None, "unexpected indent"),
        (b"if 1:\nx", 2, 1, "expected an indented block"),
        (b"print('a\n", 1, 7, "unterminated string"),
        (b"a = (1,\n b", 1, 5, "was never closed"),
        (b"x = 1\nreturn x", 2, 1, "outside function"),
        (b"\n\nbreak", 3, 1, "outside loop"),
        (b"if 1:\n\tx\n        y", 3, None, "inconsistent use of tabs"),
        ("é = 1\nü é".encode(), 2, 3, "invalid syntax"),
        (b"print 1", 1, 1, "Missing parentheses"),
        (b"x = '\\N{NO SUCH}'", 1, None, "unicode error"),
        (b"a\0b", None, None, "null bytes"),
        (b"\xff\xfe", None, None, ""),
        (b"# coding: no-such-coding\nx", None, None, "no-such-coding"),
        (b"x = '\xe9'", 1, None, "utf-8"),
        (b"from __future__ import braces", 1, None, "not a chance"),
        (b"def f(a, a): pass", 1, None, "duplicate argument"),
        (b"*x", 1, None, "starred"),
        (b"nonlocal x", 1, None, "nonlocal"),
    ],
)
def test_what_does_not_compile_is_rejected_with_its_place(
    box: Box, source: bytes, line: int | None, column: int | None, message: str
) -> None:
    direct = box.run(source)
    (opened,) = box.cases(source, [b"1", b"2"])
    calls = box.run(PythonCalls(source, "f", b'{"args": [], "kwargs": {}, "after": false}'))
    for report in (direct, opened, calls):
        assert report.ended is Ended.REJECTED
        assert (report.stdout, report.answers) == (b"", b"")
        assert report.rejection is not None
        assert message in report.rejection.message
        if line is not None:
            assert report.rejection.line == line
        if column is not None:
            assert report.rejection.column == column
    assert direct.rejection == opened.rejection == calls.rejection
    assert box.out("print(1)") == "1\n"


HOSTILE = {
    "deep parentheses": "(" * 100_000,
    "closed parentheses": "(" * 150 + "1" + ")" * 150,
    "deep lists": "[" * 5000 + "]" * 5000,
    "minus signs": "x = " + "-" * 200_000 + "1",
    "not": "x = " + "not " * 100_000 + "1",
    "long sum": "x = " + "+".join(["1"] * 200_000),
    "long sum of names": "x = " + "+".join(["a"] * 100_000),
    "attributes": "x = a" + ".b" * 100_000,
    "calls": "x = a" + "()" * 100_000,
    "subscripts": "x = a" + "[0]" * 100_000,
    "lambdas": "x = " + "lambda: " * 50_000 + "0",
    "ternaries": "x = " + "1 if 1 else " * 50_000 + "0",
    "comparisons": "x = " + "1 < " * 100_000 + "1",
    "deep blocks": "".join(" " * i + "if 1:\n" for i in range(200)) + " " * 200 + "x",
    "deep functions": "".join(" " * i + "def f():\n" for i in range(99)) + " " * 99 + "pass",
    "elifs": "if 0: pass\n" + "elif 0: pass\n" * 20_000,
    "huge power": "x = 9 ** 9 ** 9 ** 9",
    "huge shift": "x = 1 << 10 ** 10",
    "huge string": "x = 'a' * 10 ** 10",
    "huge tuple": "x = ((((0,) * 200,) * 200,) * 200,) * 200",
    "huge decimal": "x = " + "9" * 100_000,
    "huge hexadecimal": "x = 0x" + "f" * 1_000_000,
    "formatted width": "x = f'{1:>1000000000}'",
    "nested f-strings": "x = " + "f'{" * 3 + "1" + "}'" * 3,
    "many names": "\n".join(f"a{i} = {i}" for i in range(30_000)),
    "many arguments": f"def f({', '.join(f'a{i}' for i in range(5000))}): pass",
    "decorators": "@a\n" * 20_000 + "def f(): pass",
    "line continuation": "x = 1 + \\\n" * 50_000 + "1",
    "one long line": "x = '" + "y" * 3_000_000 + "'",
    "giant source": "x = 1\n" * 400_000,
    "unpacking": "*" + "a," * 50_000 + " = b",
    "match": "match x:\n" + " case [" * 1 + "_, " * 20_000 + "]: pass",
    "patterns": "match x:\n case " + "[" * 3000 + "]" * 3000 + ": pass",
    "escapes": "x = '" + "\\x41" * 200_000 + "'",
    "comment": "#" * 2_000_000,
    "globals": "def f():\n global " + ", ".join(f"a{i}" for i in range(10_000)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sources_blame_the_candidate(fewer_box: Box, name: str) -> None:
    box = fewer_box
    limits = {"cpu_seconds": 0.7, "memory_bytes": 256 << 20}
    source = "if 0:\n pass\n" + HOSTILE[name]
    for report in (box.run(source, **limits), *box.cases(source, [b""], **limits)):
        assert report.ended not in (Ended.CELL_LOST, Ended.STARVED)
    assert box.out("print(1)") == "1\n"


def _verdict(reports: list[Report]) -> None:
    for report in reports:
        assert report.ended in (Ended.EXITED, Ended.REJECTED)


@pytest.mark.parametrize(
    "coding", sorted({*encodings.aliases.aliases.values(), "undefined", "idna", "no.such", "oem"})
)
def test_every_source_coding_is_met(compiled_box: Box, coding: str) -> None:
    box = compiled_box
    source = f"# coding: {coding}\nx = 'é'\n".encode()
    _verdict([box.run(source), *box.cases(source, [b""])])


@settings(max_examples=40, deadline=None, database=None)
@given(
    source=st.one_of(
        st.binary(max_size=60), st.text("()[]{}:=\\'\"\n\t #@*,.ifdefr0aé\0", max_size=60).map(str.encode)
    )
)
def test_any_bytes_are_a_program_or_rejected(box: Box, source: bytes) -> None:
    _verdict([box.run(source), *box.cases(source, [b""])])


# Calls ---------------------------------------------------------------------------------------------------


def _calls(
    box: Box, source: str, *arguments: list[object], entry: str = "f", **limits: float
) -> tuple[Report, list[dict]]:
    lines = [json.dumps({"args": args, "kwargs": {}, "after": False}).encode() for args in arguments]
    report = box.run(PythonCalls(source.encode(), entry, b"\n".join(lines)), **limits)
    return report, [json.loads(line) for line in report.answers.splitlines()]


def test_calls_answer_in_order(box: Box) -> None:
    report, answers = _calls(box, "def f(x): return [x, {'y': (x,)}]", [1], ["é"], [None])
    assert report.ended is Ended.EXITED
    assert answers == [{"value": [x, {"y": {"$tuple": [x]}}]} for x in (1, "é", None)]


def test_calls_tell_exceptions_changed_arguments_and_methods(box: Box) -> None:
    source = (
        "class S:\n def m(self, x):\n  if x == [9]: raise KeyError('k')\n"
        "  x.append(1)\n  print('said')\n  return object()"
    )
    report, answers = _calls(box, source, [[9]], [[2]], entry="S.m")
    assert answers[0]["raised"] == {
        "types": ["KeyError", "LookupError", "Exception", "BaseException", "object"],
        "message": "'k'",
    }
    assert "object" in answers[1]["opaque"]
    assert answers[1]["after"] == [[2, 1]]
    assert report.stdout == b"said\n"


def test_calls_after_a_crash_are_not_answered(box: Box) -> None:
    report, answers = _calls(box, "import os\ndef f(x):\n if x: os._exit(7)\n return x", [0], [1], [0])
    assert (report.ended, report.exit_status, len(answers)) == (Ended.EXITED, 7, 1)


def test_calls_tell_a_missing_function_and_a_failing_import(box: Box) -> None:
    assert _calls(box, "g = 1", [1])[1] == [{"missing": "the program defines no f"}]
    report, answers = _calls(box, "1 / 0", [1], [2])
    assert report.exit_status == 1
    assert [list(answer) for answer in answers] == [["import"]]


def test_calls_share_a_process_and_start_without_the_main_guard(box: Box) -> None:
    _, answers = _calls(
        box, "n = 0\nif __name__ == '__main__': n = 99\ndef f():\n global n\n n += 1\n return n", [], []
    )
    assert answers == [{"value": 1}, {"value": 2}]


# Randomness ----------------------------------------------------------------------------------------------


def test_randomness_differs_between_runs_and_hashes_do_not(box: Box) -> None:
    source = "import random, os, uuid\nprint(random.random(), os.urandom(4), uuid.uuid4())\n"
    reports = [box.run(source) for _ in range(4)] + box.cases(source, [b""] * 4)
    assert len({report.stdout for report in reports}) == 8
    source = "print(hash('a'), hash(b'b'), {'q', 'w', 'e'})"
    reports = [box.run(source) for _ in range(3)] + box.cases(source, [b""] * 3)
    assert len({report.stdout for report in reports}) == 1
