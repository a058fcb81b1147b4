# ruff: noqa: E501 (a program a line)
"""Honest programs that do something odd: each passes, alone and as one of several cases."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from code_judge import Judge, call, explain, function, outcomes, stdio
from oddities import ODDITIES

from basanite.v1 import tasks_pb2
from basanite_sandboxes.process.python import find_interpreter
from basanite_sandboxes.process.rootfs import ENVIRONMENT

LIMITS = {"memory_bytes": 512 << 20, "output_bytes": 16 << 20}
EXACT = tasks_pb2.TextComparison(policy=tasks_pb2.TextComparison.POLICY_EXACT)


def expected_of(expected: str | bytes) -> str | bytes:
    if isinstance(expected, str) and expected.startswith("@"):  # an expression, too long to write out
        before = sys.get_int_max_str_digits()
        sys.set_int_max_str_digits(0)
        try:
            return str(eval(expected[1:]))
        finally:
            sys.set_int_max_str_digits(before)
    return expected


def chunks(size: int = 10) -> list[list[str]]:
    names = list(ODDITIES)
    return [names[at : at + size] for at in range(0, len(names), size)]


@pytest.mark.parametrize("names", chunks(), ids=lambda names: names[0])
@pytest.mark.parametrize("cases", [1, 2])
def test_it_passes(judge: Judge, names: list[str], cases: int) -> None:
    tasks = []
    for name in names:
        source, stdin, expected = ODDITIES[name]
        comparison = EXACT if isinstance(expected, bytes) else None
        tasks.append(stdio(source, *[(stdin, expected_of(expected))] * cases, comparison=comparison))
    verdicts = judge.all((task, LIMITS) for task in tasks)
    bad = {
        name: explain(verdict)
        for name, verdict in zip(names, verdicts, strict=True)
        if isinstance(verdict, BaseException) or verdict.score != 1
    }
    assert not bad


@pytest.mark.parametrize("names", chunks(25), ids=lambda names: names[0])
def test_it_is_what_the_interpreter_itself_does(names: list[str], tmp_path: Path) -> None:
    """Else the table would prove nothing: the same output comes from the same interpreter outside of the sandbox."""
    for name in names:
        source, stdin, expected = ODDITIES[name]
        where = tmp_path / name.replace("/", "_")
        where.mkdir()
        (where / "main.py").write_bytes(source.encode())
        (where / "stdin").write_bytes(stdin if isinstance(stdin, bytes) else stdin.encode())
        with (where / "stdin").open("rb") as file:
            done = subprocess.run(
                [find_interpreter(None, None).executable, "-s", "main.py"],
                stdin=file,
                capture_output=True,
                cwd=where,
                env=ENVIRONMENT,
                timeout=60,
                check=False,
            )
        wanted = expected_of(expected)
        if isinstance(wanted, bytes):
            assert (name, done.stdout) == (name, wanted)
        else:
            lines = [line.rstrip() for line in done.stdout.decode().rstrip().split("\n")]
            assert (name, lines) == (name, [line.rstrip() for line in wanted.rstrip().split("\n")])
        assert (name, done.returncode) == (name, 0)


FUNCTIONS = {
    "prints": "def f(x):\n    print('debug', x)\n    return x",
    "reads nothing": "import sys\ndef f(x):\n    assert sys.stdin.read() == ''\n    return x",
    "recursion": "import sys\nsys.setrecursionlimit(10**6)\ndef g(n): return n and 1 + g(n - 1)\ndef f(x): return g(20000) and x",
    "threads": "import threading\ndef f(x):\n out = []\n t = threading.Thread(target=out.append, args=(x,))\n t.start()\n t.join()\n return out[0]",
    "threads left running": "import threading, time\ndef f(x):\n threading.Thread(target=time.sleep, args=(99,)).start()\n return x",
    "asyncio": "import asyncio\ndef f(x):\n async def g(): return x\n return asyncio.run(g())",
    "multiprocessing": "import multiprocessing\ndef f(x):\n with multiprocessing.Pool(2) as p: return sum(p.map(abs, [x]))",
    "subprocess": "import subprocess\ndef f(x): return int(subprocess.check_output(['echo', str(x)]))",
    "cache": "from functools import lru_cache\n@lru_cache(None)\ndef f(x): return x",
    "partial": "from functools import partial\nf = partial(int)",
    "builtin": "f = abs",
    "lambda": "f = lambda x: x",
    "callable object": "class F:\n def __call__(self, x): return x\nf = F()",
    "class": "class f(int): pass",
    "imported name": "from operator import pos as f",
    "defined late": "def make():\n global f\n def f(x): return x\nmake()",
    "decorated": "def twice(g):\n def h(*a): return g(*a)\n return h\n@twice\ndef f(x): return x",
    "main guard": "def f(x): return x\nif __name__ == '__main__':\n    print(f(int(input())))",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n x: int\ndef f(x): return P(x).x",
    "annotations": "from __future__ import annotations\nimport typing\nclass P: pass\ndef g(x: P): pass\ndef f(x): return typing.get_type_hints(g) == {'x': P} and x",
    "pickle": "import pickle\nclass P:\n def __init__(s, x): s.x = x\ndef f(x): return pickle.loads(pickle.dumps(P(x))).x",
    "inspect": "import inspect\ndef f(x): return inspect.getsource(f).startswith('def f(x)') and x",
    "stdout closed": "import sys\nsys.stdout.close()\nsys.stdout = None\ndef f(x): return x",
    "stdout replaced": "import sys, io\nsys.stdout = io.StringIO()\ndef f(x):\n print(x)\n return x",
    "files": "def f(x):\n open('a', 'w').write(str(x))\n return int(open('a').read())",
    "descriptors": "import os\ndef f(x):\n for _ in range(300): os.close(os.dup(1))\n r, w = os.pipe()\n os.write(w, b'%d' % x)\n return int(os.read(r, 9))",
    "json patched by a friend": "import json\nold = json.dumps\njson.dumps = lambda *a, **k: old(*a, **{**k, 'indent': 2})\ndef f(x): return x",
    "builtins shadowed": "list = dict = str = type = isinstance = None\ndef f(x): return x",
    "names of the guest": "values = json = os = answer = send = wire = None\ndef f(x): return x",
    "warnings as errors": "import warnings\nwarnings.simplefilter('error')\ndef f(x): return x",
    "exit handlers": "import atexit\natexit.register(print, 'bye')\ndef f(x): return x",
    "module getattr": "def __getattr__(name):\n if name == 'f': return lambda x: x\n raise AttributeError(name)",
    "gc off": "import gc\ngc.disable()\ngc.set_threshold(1)\ndef f(x): return x",
    "trace": "import sys\ndef f(x):\n sys.settrace(lambda *a: None)\n return x",
    "mutates its default": "def f(x, seen=[]):\n seen.append(x)\n return seen[-1]",
    "large result dropped": "def f(x):\n y = list(range(10**6))\n return y[x]",
    "digits": "import sys\nsys.set_int_max_str_digits(640)\ndef f(x): return x",
    "low recursion limit": "import sys\nsys.setrecursionlimit(50)\ndef f(x): return x",
    "signal handler": "import signal\nsignal.signal(signal.SIGALRM, lambda *a: None)\ndef f(x):\n signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\n return x",
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(judge: Judge, name: str) -> None:
    source, cases = FUNCTIONS[name], [call(n, gives=n) for n in (1, 2, 3)]
    for fresh in (False, True):
        verdict = judge(function(source, "f", *cases, fresh_process=fresh))
        assert outcomes(verdict) == ["PASSED"] * 3, explain(verdict)


def test_a_text_full_of_brackets(judge: Judge) -> None:
    text = "[" * 3000
    source = "def f(n): return '[' * n"
    assert outcomes(judge(function(source, "f", call(3000, gives=text)))) == ["PASSED"]


def test_values_and_arguments_that_are_large_together(judge: Judge) -> None:
    """Each is within its limit; both travel in one answer."""
    source = "def f(x):\n    x.append(1)\n    return x"
    made = [1] * 1_200_000
    case = call(made, gives=[*made, 1])
    assert outcomes(judge(function(source, "f", case), **LIMITS)) == ["PASSED"]
