# ruff: noqa: E501 (a program a line)
"""Nothing a candidate does may yield a Failure: it would leave the baseline when it cannot win. Each of these gets a
verdict, in bounded time, whatever the judge has to read. (So does each of the cheats, in test_code_cheats.py.)"""

from __future__ import annotations

import time
from typing import Any

import pytest
from code_judge import MIB, Judge, call, explain, function, outcomes, program, stdio

from basanite.v1 import tasks_pb2

LIMITS = {"cpu_seconds": 0.7, "wall_seconds": 2.0, "memory_bytes": 128 * MIB, "output_bytes": 16 * MIB}
FORGE = "import os, sys\ndef say(data):\n while data: data = data[os.write(5, data):]\n"
FLOAT = tasks_pb2.TextComparison(policy=tasks_pb2.TextComparison.POLICY_FLOAT_TOLERANCE)
LINES = tasks_pb2.TextComparison(policy=tasks_pb2.TextComparison.POLICY_UNORDERED_LINES)


def says(expression: str) -> str:
    """A candidate whose only answer is this, in bytes."""
    return f"{FORGE}say({expression} + b'\\n')\nos._exit(0)"


def of_function(source: str, *cases: dict[str, Any], **form: Any) -> tasks_pb2.CodeTask:
    return function(source, "f", *(cases or (call(1, gives=[0]), call(2, raises="ValueError"))), **form)


def unordered(source: str, expected: list[Any]) -> tasks_pb2.CodeTask:
    policy = tasks_pb2.ValueComparison(policy=tasks_pb2.ValueComparison.POLICY_UNORDERED)
    return of_function(source, call(gives=expected), comparison=policy)


def of_stdio(source: str, expected: str = "1.5", comparison: Any = FLOAT) -> tasks_pb2.CodeTask:
    return stdio(source, ("1", expected), comparison=comparison)


WAYS: dict[str, tasks_pb2.CodeTask] = {
    # Words that a message cannot carry
    "surrogate in what is opaque": of_function(says("""b'{"opaque": {"$str": [55296]}}'""")),
    "surrogate in what is missing": of_function(says("""b'{"missing": {"$str": [56000, 55296]}}'""")),
    "surrogate in a type": of_function(
        says("""b'{"raised": {"types": [{"$str": [55296]}], "message": ""}}'""")
    ),
    "surrogate in a message": of_function(
        says("""b'{"raised": {"types": [], "message": {"$str": [55296]}}}'""")
    ),
    "surrogate in a value": of_function("def f(x): return ['\\ud800', {'\\udfff': x}]"),
    "surrogate in an argument": of_function("def f(x): raise ValueError('\\ud800')", call([], gives=1)),
    "bytes on standard error": program(
        "import os\nos.write(2, b'  File \"main.py\", line 3\\n\\xff\\xfe\\0\\n')\nexit(1)"
    ),
    # Values that grow, or that are dear to read
    "floats that grow": of_function(says("b'{\"value\": [' + b'1e9,' * 1000000 + b'1]}'")),
    "floats that grow after the call": of_function(
        says("b'{\"value\": 1, \"after\": [' + b'1e9,' * 1000000 + b'1]}'")
    ),
    "integers that grow in depth": of_function(
        says("b'{\"value\": ' + b'[' * 998 + b'9007199254740993' + b']' * 998 + b'}'")
    ),
    "as deep as may be": of_function(says("b'{\"value\": ' + b'[' * 999 + b']' * 999 + b'}'")),
    "strings that look deep": of_function(says("b'{\"value\": \"' + b'[' * 1000000 + b'\"}'")),
    "quotes without end": of_function(says("b'\"' * 4000000")),
    "backslashes without end": of_function(says("b'{\"value\": \"' + b'\\\\\\\\' * 2000000 + b'\"}'")),
    "digits without end": of_function(says("b'{\"value\": ' + b'1' * 4000000 + b'}'")),
    "digits just within": of_function(says("b'{\"value\": [' + b','.join([b'1' * 100000] * 15) + b']}'")),
    "a float of many digits": of_function(says("b'{\"value\": 0.' + b'1' * 4000000 + b'}'")),
    "an exponent without end": of_function(says("b'{\"value\": 1e' + b'9' * 4000000 + b'}'")),
    "many empty lists": of_function(says("b'{\"value\": [' + b'[],' * 500000 + b'1]}'")),
    "lines by the million": of_function(says("b'\\n' * 16000000")),
    "lists that share a hash": unordered(
        "def f(): return [(2**61 - 1) * n for n in range(150000)]", [[0]] * 150_000
    ),
    "sets that share a hash": of_function("def f(x): return {(2**61 - 1) * n for n in range(3000)}"),
    "a tuple that holds much": of_function("def f(x): return {tuple(range(100000)): 1}"),
    # Tokens and lines that are dear to compare
    "a token of ones": of_stdio("print('1' * 4000000 + 'x')"),
    "a token of zeros": of_stdio("print('0' * 4000000 + 'x')"),
    "a small token of zeros": of_stdio("print('0' * 200000 + 'x')"),
    "an exponent": of_stdio("print('1e' + '9' * 4000000)"),
    "an exponent beyond all": of_stdio("print('1e999999999999999999')", "1e400"),
    "a precise number": of_stdio("print('1.' + '0' * 4000000 + '1')"),
    "tokens by the million": of_stdio("print('1 ' * 4000000)"),
    "empty lines by the million": of_stdio("print('\\n' * 16000000)", "x", LINES),
    "lines of their own by the million": of_stdio("for i in range(1000000): print(i)", "x", LINES),
    "tracebacks by the hundred thousand": of_stdio(
        "import os\nos.write(2, b'  File \"main.py\", line 1\\n' * 300000)\nexit(1)"
    ),
    # Trouble for the sandbox
    "no room left": of_stdio(
        "import os\ntry:\n while True: open(os.urandom(4).hex(), 'w').write('x' * 10**6)\nexcept OSError: pass\nwhile True: os.mkdir(os.urandom(8).hex())"
    ),
    "no working directory": of_stdio("import os\nos.chdir('/proc/self/fd')\nos._exit(1)"),
    "all processes": of_stdio(
        "import os, time\nfor _ in range(1000):\n try:\n  if os.fork() == 0: time.sleep(100); os._exit(0)\n except OSError: break\nos._exit(0)"
    ),
    "all threads": of_stdio(
        "import threading, time\ntry:\n while True: threading.Thread(target=time.sleep, args=(99,)).start()\nexcept RuntimeError: pass"
    ),
    "all files": of_stdio("import os\ntry:\n while True: os.dup(1)\nexcept OSError: pass\nwhile True: pass"),
    "an end in the middle of everything": of_stdio(
        "import os, threading\nfor _ in range(20): threading.Thread(target=os._exit, args=(1,)).start()"
    ),
    "memory while it compiles": of_stdio("x = [" + "'" + "é" * 1000 + "'," * 1 + "0," * 400_000 + "]"),
    "a source that is hard to parse": of_stdio("f(" * 99 + "a:=" * 99 + ")" * 99),
    "nothing but names": of_stdio("\n".join(f"a{n}=a{n - 1}" for n in range(1, 60_000))),
    "a signal in the way": of_stdio(
        "import signal\nfor n in range(1, 65):\n try: signal.signal(n, lambda *a: None)\n except (OSError, ValueError): pass\nwhile True: pass"
    ),
    "deaf and asleep": of_stdio(
        "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\ntime.sleep(1000)"
    ),
    "niceness": of_stdio(
        "import os\nos.nice(19)\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
    ),
    "one core": of_stdio(
        "import os\nos.sched_setaffinity(0, {0})\nfor _ in range(5): os.fork()\nwhile True: pass"
    ),
    "yielding for ever": of_stdio("import os\nwhile True: os.sched_yield()"),
    "output that nobody could read": of_stdio(
        "import os, fcntl\nfcntl.fcntl(1, 1031, 4096)\nos.set_blocking(1, False)\nwhile True:\n try: os.write(1, b'x' * 4096)\n except BlockingIOError: pass"
    ),
    "a pipe held by a child": of_stdio(
        "import os, time\nif os.fork() == 0:\n os.setsid()\n time.sleep(1000)\nos._exit(0)"
    ),
    "its own oom score": of_stdio(
        "try: open('/proc/self/oom_score_adj', 'w').write('-1000')\nexcept OSError: pass\nx = []\nwhile True: x.append(b'x' * 10**6)"
    ),
    "a death in each case": function(
        "import os\ndef f(x): os._exit(0)", "f", *[call("x" * 1000, gives=1)] * 300
    ),
    "a death in each case at the start": function("import os\nos.abort()", "f", *[call(1, gives=1)] * 300),
    "an import that comes and goes": of_function(
        FORGE + 'say(b\'{"value": 1}\\n{"import": {}}\\n\')\nos.abort()', *[call(1, gives=0)] * 20
    ),
    "memory in the middle": of_function("x = []\ndef f(n):\n while True: x.append(bytearray(b'x' * 10**6))"),
}


@pytest.mark.parametrize("way", WAYS)
def test_there_is_a_verdict(judge: Judge, way: str) -> None:
    began = time.monotonic()
    verdict = judge(WAYS[way], **LIMITS)
    assert verdict.score == 0 or not verdict.HasField("score"), explain(verdict)
    assert "PASSED" not in outcomes(verdict)
    assert verdict.ByteSize() < 4 * MIB
    assert time.monotonic() - began < 60


def test_the_judge_stays_awake_while_it_reads(judge: Judge) -> None:
    """A large answer is read in a thread: others are served meanwhile."""
    import asyncio

    async def longest_pause() -> float:
        longest, last = 0.0, time.monotonic()
        while True:
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
            if done.is_set():
                return longest

    async def both() -> float:
        clock = asyncio.create_task(longest_pause())
        await judge._judge(WAYS["floats that grow"], LIMITS)
        await judge._judge(WAYS["many empty lists"], LIMITS)
        await judge._judge(WAYS["lines of their own by the million"], LIMITS)
        done.set()
        return await clock

    done = asyncio.Event()
    assert judge.run(both()) < 5  # on a machine shared with others


LOWERED = {
    "idle class": "os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))",
    "batch class": "os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))",
    "niceness": "os.nice(19)",
    "one core": "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",
}


@pytest.mark.parametrize("how", LOWERED)
def test_a_candidate_cannot_make_itself_wait_for_a_core(judge: Judge, how: str) -> None:
    """Beside other work one of the idle class gets no core, is taken for starved, and the item is OVERLOADED. So are
    several that all choose one core."""
    source = f"""
import os
def state(): return os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0), sorted(os.sched_getaffinity(0))
before = state()
try: {LOWERED[how]}
except OSError: pass
print(state() == before)
"""
    verdict = judge(stdio(source, ("", "True")))
    assert outcomes(verdict) == ["PASSED"], explain(verdict)
