# ruff: noqa: E501 (a program a line)
"""Honest programs that do something odd: name -> (source, stdin, expected output). Compared byte for byte where the
name says so, else with trailing white space ignored."""

from __future__ import annotations

ODDITIES: dict[str, tuple[str, str | bytes, str | bytes]] = {
    # Output
    "no final newline": ("print(int(input()) * 2, end='')", "21", "42\n"),
    "carriage returns": ("print('1', end='\\r\\n')\nprint('2', end=' \\r\\n')", "", "1\n2\n"),
    "blank lines at the end": ("print(1)\nprint()\nprint()", "", "1"),
    "megabytes of output": (
        "print('\\n'.join(map(str, range(200_000))))",
        "",
        "\n".join(map(str, range(200_000))),
    ),
    "a million small writes": (
        "import sys\nfor i in range(100_000): sys.stdout.write('x\\n')",
        "",
        "x\n" * 100_000,
    ),
    "unbuffered writes": (
        "import os\nfor i in range(2000): os.write(1, b'%d\\n' % i)",
        "",
        "\n".join(map(str, range(2000))),
    ),
    "flush": ("for i in range(100): print(i, flush=True)", "", "\n".join(map(str, range(100)))),
    "null bytes, exactly": ("import sys\nsys.stdout.buffer.write(b'\\0\\xff\\0')", "", b"\0\xff\0"),
    "buffer and text": (
        "import sys\nprint('a', flush=True)\nsys.stdout.buffer.write(b'b\\n')\nsys.stdout.buffer.flush()\nprint('c')",
        "",
        "a\nb\nc",
    ),
    "standard error": ("import sys\nprint('debug' * 1000, file=sys.stderr)\nprint(1)", "", "1"),
    "stdout opened again": ("f = open('/dev/stdout', 'w')\nf.write('hello\\n')\nf.close()", "", "hello"),
    "stdout opened again and left open": ("f = open('/dev/stdout', 'w')\nf.write('hello\\n')", "", "hello"),
    "stdout by number": ("f = open(1, 'w', closefd=False)\nprint('hello', file=f)\nf.flush()", "", "hello"),
    "stdout by number, left open": ("f = open(1, 'wb', 10**6)\nf.write(b'hello\\n')", "", "hello"),
    "stdout replaced": (
        "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, 'utf-8', write_through=False)\nprint('é')",
        "",
        "é",
    ),
    "stdout replaced by a buffer that is printed": (
        "import io, sys\nold, sys.stdout = sys.stdout, io.StringIO()\nprint('x')\nold.write(sys.stdout.getvalue())",
        "",
        "x",
    ),
    "stdout detached": (
        "import io, sys\nout = io.TextIOWrapper(sys.stdout.detach(), 'utf-8')\nsys.stdout = out\nprint('x')",
        "",
        "x",
    ),
    "stdout reconfigured": (
        "import sys\nsys.stdout.reconfigure(line_buffering=True, encoding='latin-1', newline='\\n')\nprint('é')",
        "",
        b"\xe9\n",
    ),
    "stdout closed at the end": ("import sys\nprint('x')\nsys.stdout.close()", "", "x"),
    "stdout set to None": ("import sys\nprint('x')\nsys.stdout.flush()\nsys.stdout = None", "", "x"),
    "print replaced": (
        "import sys, functools\nprint = functools.partial(print, sep='-', end='!\\n')\nprint(1, 2)",
        "",
        "1-2!",
    ),
    "fast output": (
        "import os, sys, io\nclass W(io.IOBase):\n def __init__(s, f): s.b = io.BytesIO(); s.fd = f.fileno(); s.writable = True\n"
        " def write(s, t): return s.b.write(t.encode())\n def flush(s): os.write(s.fd, s.b.getvalue()); s.b = io.BytesIO()\n"
        "sys.stdout = W(sys.stdout)\nprint('x')\nprint('y')",
        "",
        "x\ny",
    ),
    "redirected output": (
        "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as s: print('x')\nprint(s.getvalue() * 2)",
        "",
        "x\nx",
    ),
    "atexit": ("import atexit\nout = []\natexit.register(lambda: print(*out))\nout += [1, 2]", "", "1 2"),
    "destructor": (
        "import sys\nclass A:\n def __init__(s, n): s.n = n\n def __del__(s): sys.stdout.write(s.n + SUFFIX)\nSUFFIX = '!\\n'\na = A('x')\nb = [A('y')]",
        "",
        "x!\ny!",
    ),
    "destructor at once": (
        "class A:\n def __del__(s): print('gone')\na = A()\ndel a\nprint('end')",
        "",
        "gone\nend",
    ),
    "generator left suspended": (
        "def g():\n try: yield 1\n finally: print('closed')\nx = g()\nnext(x)\nprint('end')",
        "",
        "end\nclosed",
    ),
    "finally at exit": ("import sys\ntry: sys.exit(0)\nfinally: print('x')", "", "x"),
    "surrogates escaped": ("import sys\nprint(ascii(sys.stdin.read()))", b"a\xff", "'a\\udcff'"),
    "surrogates pass through": ("import sys\nsys.stdout.write(sys.stdin.read())", b"a\xff\n", b"a\xff\n"),
    "unicode": (
        "naïve = {'ключ': '値'}\nprint(naïve['ключ'], '💥', 'é'.upper(), len('💥'))",
        "",
        "値 💥 É 1",
    ),
    "binary with struct": (
        "import struct, sys\nsys.stdout.buffer.write(struct.pack('<I', 258))",
        "",
        b"\x02\x01\x00\x00",
    ),
    # Ending
    "sys.exit(0)": ("import sys\nprint(1)\nsys.exit(0)", "", "1"),
    "sys.exit()": ("import sys\nprint(1)\nsys.exit()", "", "1"),
    "exit()": ("print(1)\nexit()", "", "1"),
    "quit()": ("print(1)\nquit(0)", "", "1"),
    "raise SystemExit": ("print(1)\nraise SystemExit", "", "1"),
    "SystemExit(False)": ("print(1)\nraise SystemExit(False)", "", "1"),
    "_exit after a flush": ("import os\nprint(1, flush=True)\nos._exit(0)", "", "1"),
    "main guard": (
        "def main():\n    print(int(input()) + 1)\nif __name__ == '__main__':\n    main()",
        "1",
        "2",
    ),
    "main guard with exit": (
        "import sys\ndef main(): print(1); return 0\nif __name__ == '__main__': sys.exit(main())",
        "",
        "1",
    ),
    "main of a module": (
        "import __main__\nx = 3\nprint(__main__.x, __name__, __main__.__name__)",
        "",
        "3 __main__ __main__",
    ),
    "exec of another program": ("import os\nos.execvp('echo', ['echo', 'hi'])", "", "hi"),
    # Input
    "input to the end": (
        "n = 0\ntry:\n while True: n += int(input())\nexcept EOFError: print(n)",
        "1\n2\n3",
        "6",
    ),
    "input without newline at the end": ("print(input() + input())", "a\nb", "ab"),
    "input with carriage returns": (
        "print(repr(input()), sum(int(x) for x in input().split()))",
        "a\r\n1 2\r\n",
        "'a\\r' 3",
    ),
    "input by read": ("import sys\nprint(len(sys.stdin.read().split()))", "1 2\n3", "3"),
    "input by lines": ("import sys\nprint([line.strip() for line in sys.stdin])", "a\nb\n", "['a', 'b']"),
    "input by readline": (
        "import sys\ninput = sys.stdin.readline\nprint(int(input()) + int(input()), repr(input()))",
        "1\n2",
        "3 ''",
    ),
    "input by readlines": ("import sys\nprint(sys.stdin.readlines())", "a\nb", "['a\\n', 'b']"),
    "input by buffer": ("import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))", "1 2 3", "6"),
    "input by os.read": ("import os\nprint(os.read(0, 10**6).decode().split())", "1 2", "['1', '2']"),
    "input by chunks": (
        "import os\ntext = b''\nwhile chunk := os.read(0, 3): text += chunk\nprint(text.decode())",
        "abcdefgh",
        "abcdefgh",
    ),
    "input by open(0)": ("print(sum(map(int, open(0).read().split())))", "1 2 3", "6"),
    "input by open(0), unpacked": ("n, *rest = map(int, open(0))\nprint(n, sum(rest))", "2\n3\n4\n", "2 7"),
    "input by /dev/stdin": ("print(open('/dev/stdin').read().upper())", "abc", "ABC"),
    "input by /proc": ("print(open('/proc/self/fd/0').read().upper())", "abc", "ABC"),
    "input by fileinput": (
        "import fileinput\nfor line in fileinput.input(): print(line.strip()[::-1])",
        "abc\ndef",
        "cba\nfed",
    ),
    "input by mmap": (
        "import mmap, sys\nm = mmap.mmap(0, 0, prot=mmap.PROT_READ)\nprint(m[:].decode().split())",
        "1 2",
        "['1', '2']",
    ),
    "input by iter": ("print(list(iter(input, 'end')))", "a\nb\nend\n", "['a', 'b']"),
    "input by select": (
        "import select, sys\nprint(bool(select.select([sys.stdin], [], [], 1)[0]), input())",
        "a",
        "True a",
    ),
    "input by numpy-like fromfile": (
        "import array\na = array.array('b')\nimport os, sys\na.frombytes(sys.stdin.buffer.read())\nprint(a.tolist())",
        "ab",
        "[97, 98]",
    ),
    "input sought": (
        "import sys\nfirst = sys.stdin.readline()\nsys.stdin.seek(0)\nprint(sys.stdin.read())",
        "a\nb",
        "a\nb",
    ),
    "input left unread": ("print(1)", "x" * 1_000_000, "1"),
    "input closed": ("import sys\nsys.stdin.close()\nprint(1)", "x", "1"),
    "fast input": (
        "import os, sys, io\nclass R(io.IOBase):\n def __init__(s, f): s.b = io.BytesIO(os.read(f.fileno(), os.fstat(f.fileno()).st_size))\n"
        " def readline(s): return s.b.readline().decode()\nsys.stdin = R(sys.stdin)\ninput = lambda: sys.stdin.readline().rstrip('\\r\\n')\nprint(int(input()) + int(input()))",
        "1\n2\n",
        "3",
    ),
    "prompt": ("name = input('name? ')\nprint('hi', name)", "bob", "name? hi bob"),
    "no input": ("import sys\nprint(repr(sys.stdin.read()), sys.stdin.isatty())", "", "'' False"),
    "megabytes of input": ("import sys\nprint(sum(map(int, sys.stdin)))", "7\n" * 300_000, "2100000"),
    "a large integer": ("import sys\nsys.set_int_max_str_digits(0)\nprint(7 ** 20000)", "", "@7**20000"),
    "a large integer read": (
        "import sys\nsys.set_int_max_str_digits(0)\nprint(int(input()) % 1000007)",
        "1" * 30_000,
        "@int('1' * 30000) % 1000007",
    ),
    # Processes and threads
    "threads": (
        "import threading\nout = [0] * 8\ndef work(i): out[i] = i * i\nts = [threading.Thread(target=work, args=(i,)) for i in range(8)]\n[t.start() for t in ts]\n[t.join() for t in ts]\nprint(out)",
        "",
        "[0, 1, 4, 9, 16, 25, 36, 49]",
    ),
    "threads that outlive the main one": (
        "import threading, time\ndef late():\n time.sleep(0.05)\n print('late')\nthreading.Thread(target=late).start()\nprint('early')",
        "",
        "early\nlate",
    ),
    "daemon threads": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(99,), daemon=True).start()\nprint(1)",
        "",
        "1",
    ),
    "everything in a large thread": (
        "import sys, threading\nsys.setrecursionlimit(10**7)\nthreading.stack_size(2**27)\ndef f(n): return n and 1 + f(n - 1)\nthreading.Thread(target=lambda: print(f(20000))).start()",
        "",
        "20000",
    ),
    "thread pool": (
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(4) as pool: print(list(pool.map(lambda x: x * x, range(5))))",
        "",
        "[0, 1, 4, 9, 16]",
    ),
    "thread pool left open": (
        "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(4)\npool.submit(print, 'x')",
        "",
        "x",
    ),
    "timer": ("import threading\nthreading.Timer(0.02, print, ['x']).start()", "", "x"),
    "asyncio": (
        "import asyncio\nasync def f(i):\n await asyncio.sleep(0.001 * (3 - i))\n return i\nasync def main(): print(await asyncio.gather(*map(f, range(3))))\nasyncio.run(main())",
        "",
        "[0, 1, 2]",
    ),
    "asyncio with threads": (
        "import asyncio\nasync def main(): print(await asyncio.to_thread(lambda: 7))\nasyncio.run(main())",
        "",
        "7",
    ),
    "asyncio with a subprocess": (
        "import asyncio\nasync def main():\n p = await asyncio.create_subprocess_exec('echo', 'x', stdout=-1)\n print((await p.communicate())[0].decode())\nasyncio.run(main())",
        "",
        "x",
    ),
    "multiprocessing": (
        "import multiprocessing as mp\ndef sq(x): return x * x\nif __name__ == '__main__':\n mp.set_start_method('fork')\n with mp.Pool(2) as p: print(p.map(sq, range(5)))",
        "",
        "[0, 1, 4, 9, 16]",
    ),
    "multiprocessing with a queue": (
        "import multiprocessing as mp\ndef work(q): q.put('x')\nq = mp.Queue()\np = mp.Process(target=work, args=(q,))\np.start()\nprint(q.get())\np.join()",
        "",
        "x",
    ),
    "process pool": (
        "from concurrent.futures import ProcessPoolExecutor\nif __name__ == '__main__':\n with ProcessPoolExecutor(2) as pool: print(list(pool.map(abs, [-1, -2])))",
        "",
        "[1, 2]",
    ),
    "fork": (
        "import os\nr, w = os.pipe()\nif os.fork() == 0:\n os.write(w, b'child')\n os._exit(0)\nos.wait()\nprint(os.read(r, 99).decode())",
        "",
        "child",
    ),
    "subprocess": (
        "import subprocess\nprint(subprocess.run(['echo', 'hi'], capture_output=True, text=True).stdout)",
        "",
        "hi",
    ),
    "subprocess of itself": (
        "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'print(1 + 1)'], capture_output=True, text=True).stdout)",
        "",
        "2",
    ),
    "shell": ("import os\nos.system('echo $((6 * 7))')", "", "42"),
    "shell reads the input": ("import os\nos.system('sort -n')", "3\n1\n2\n", "1\n2\n3"),
    "signals": (
        "import os, signal\nsignal.signal(signal.SIGUSR1, lambda *a: print('got'))\nos.kill(os.getpid(), signal.SIGUSR1)\nprint('end')",
        "",
        "got\nend",
    ),
    "alarm": (
        "import signal\ndef late(*a): raise TimeoutError\nsignal.signal(signal.SIGALRM, late)\nsignal.setitimer(signal.ITIMER_REAL, 0.02)\ntry:\n for i in range(10**12): x = i\nexcept TimeoutError: print('x')",
        "",
        "x",
    ),
    "recursion": (
        "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return n and 1 + f(n - 1)\nprint(f(50000))",
        "",
        "50000",
    ),
    "recursion limit caught": (
        "def f(): return f()\ntry: f()\nexcept RecursionError as e: print('deep', e)",
        "",
        "deep maximum recursion depth exceeded",
    ),
    "recursion limit as usual": (
        "import sys\nprint(sys.getrecursionlimit())\ndef f(n): return n and 1 + f(n - 1)\nprint(f(980))",
        "",
        "1000\n980",
    ),
    # Itself and its surroundings
    "own source": (
        "import sys\nprint(len(open(__file__).read()) > 10, __file__.endswith('.py'), sys.argv[0].endswith('.py'), len(sys.argv))",
        "",
        "True True True 1",
    ),
    "own source by inspect": (
        "import inspect\ndef f(): return 1\nprint(inspect.getsource(f))",
        "",
        "def f(): return 1",
    ),
    "a quine": (
        "import sys\nsys.stdout.write(open(sys.argv[0]).read())",
        "",
        "import sys\nsys.stdout.write(open(sys.argv[0]).read())",
    ),
    "traceback printed": (
        "import traceback\ntry: 1 / 0\nexcept ZeroDivisionError: print(traceback.format_exc().splitlines()[-1])",
        "",
        "ZeroDivisionError: division by zero",
    ),
    "docstring": ("'''what it does'''\nprint(__doc__)", "", "what it does"),
    "annotations": ("x: int = 1\nprint(__annotations__, x)", "", "{'x': <class 'int'>} 1"),
    "future annotations": (
        "from __future__ import annotations\ndef f(x: nope) -> nothing: return x\nprint(f.__annotations__)",
        "",
        "{'x': 'nope', 'return': 'nothing'}",
    ),
    "working directory": (
        "import os\nopen('made', 'w').write('x')\nprint(os.path.exists('made'), 'made' in os.listdir(os.getcwd()), os.listdir('.').count('made'))",
        "",
        "True True 1",
    ),
    "temporary files": (
        "import tempfile, os\nwith tempfile.TemporaryDirectory() as d:\n p = os.path.join(d, 'a')\n open(p, 'w').write('x')\n print(open(p).read())\nwith tempfile.TemporaryFile() as f: f.write(b'y'); f.seek(0); print(f.read().decode())",
        "",
        "x\ny",
    ),
    "environment": (
        "import os\nprint(os.environ['HOME'], os.environ.get('SECRET'), 'PATH' in os.environ)",
        "",
        "/tmp None True",
    ),
    "time zone": (
        "import time, datetime\nprint(time.tzname[0], datetime.datetime.fromtimestamp(0), time.strftime('%A', time.gmtime(0)))",
        "",
        "UTC 1970-01-01 00:00:00 Thursday",
    ),
    "locale": (
        "import locale, sys\nprint(locale.getpreferredencoding(), sys.stdout.encoding, sys.getfilesystemencoding())",
        "",
        "UTF-8 utf-8 utf-8",
    ),
    "hash seed": ("print(hash('a') == hash('a'), sorted({'b', 'a'}))", "", "True ['a', 'b']"),
    "imports a module of its own": (
        "open('helper.py', 'w').write('def f(): return 7')\nimport helper\nprint(helper.f())",
        "",
        "7",
    ),
    "a module called values": (
        "open('values.py', 'w').write('x = 7')\nimport values\nprint(values.x)",
        "",
        "7",
    ),
    "globals and locals": (
        "x = 1\ndef f():\n global x\n x += 1\nf()\nprint(globals()['x'], vars()['x'], sorted(n for n in dir() if n[0] != '_'))",
        "",
        "2 2 ['f', 'x']",
    ),
    "exec and eval": ("exec('y = 3')\nprint(eval('y + 1'), eval(compile('y * 2', 's', 'eval')))", "", "4 6"),
    "warnings": ("import warnings\nwarnings.warn('careful')\nprint(1)", "", "1"),
    "builtin shadowed": ("list = [1]\nstr = 'x'\ntype = None\nprint(list, str)", "", "[1] x"),
    # The standard library
    "dataclasses and typing": (
        "from dataclasses import dataclass, field\nfrom typing import NamedTuple\n@dataclass(order=True, slots=True)\nclass P:\n x: int\n y: list = field(default_factory=list)\nclass N(NamedTuple):\n a: int = 1\nprint(P(1) < P(2), P(1), N())",
        "",
        "True P(x=1, y=[]) N(a=1)",
    ),
    "functools": (
        "from functools import lru_cache, reduce, cmp_to_key\n@lru_cache(None)\ndef fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\nprint(fib(90), reduce(int.__mul__, range(1, 6)), sorted([1, 3, 2], key=cmp_to_key(lambda a, b: b - a)))",
        "",
        "2880067194370816120 120 [3, 2, 1]",
    ),
    "collections": (
        "from collections import Counter, deque, defaultdict, OrderedDict, ChainMap\nd = deque([1, 2], 2)\nd.append(3)\nprint(Counter('aab').most_common(1), list(d), defaultdict(int)['x'])",
        "",
        "[('a', 2)] [2, 3] 0",
    ),
    "numbers": (
        "from decimal import Decimal, getcontext\nfrom fractions import Fraction\nimport statistics, math, cmath\ngetcontext().prec = 30\nprint(Decimal(1) / 3, Fraction(1, 3) + 1, statistics.median([1, 3, 2]), math.comb(50, 25), cmath.sqrt(-1))",
        "",
        "0.333333333333333333333333333333 4/3 2 126410606437752 1j",
    ),
    "text": (
        "import re, json, csv, io, string, textwrap, unicodedata\nprint(re.sub(r'(\\w)(\\w)', r'\\2\\1', 'abcd'), json.dumps({'a': [1, None]}), next(csv.reader(io.StringIO('a,\"b,c\"'))), string.ascii_lowercase[:3], unicodedata.normalize('NFD', 'é') != 'é')",
        "",
        "badc {\"a\": [1, null]} ['a', 'b,c'] abc True",
    ),
    "algorithms": (
        "import heapq, bisect, itertools, operator, hashlib, zlib, base64\nh = [3, 1, 2]\nheapq.heapify(h)\nprint(heapq.heappop(h), bisect.bisect([1, 2, 2], 2), list(itertools.accumulate([1, 2, 3], operator.mul)), hashlib.sha256(b'').hexdigest()[:8], zlib.crc32(b'a'))",
        "",
        "1 3 [1, 2, 6] e3b0c442 3904355907",
    ),
    "random with a seed": (
        "import random\nrandom.seed(1)\nprint(random.randint(1, 100), random.Random(1).random() == random.Random(1).random())",
        "",
        "18 True",
    ),
    "random without a seed": (
        "import random, uuid, secrets, os\nprint(0 <= random.random() < 1, len(uuid.uuid4().hex), len(secrets.token_bytes(4)), len(os.urandom(5)))",
        "",
        "True 32 4 5",
    ),
    "dates": (
        "import datetime, calendar\nd = datetime.date(2024, 2, 29)\nprint(d.strftime('%d %B %Y'), calendar.monthrange(2023, 2), (d - datetime.date(2000, 1, 1)).days)",
        "",
        "29 February 2024 (2, 28) 8825",
    ),
    "classes": (
        "import abc, enum, contextlib, copy, weakref, gc\nclass A(abc.ABC):\n @abc.abstractmethod\n def f(self): ...\nclass B(A):\n def f(self): return super().__class__.__name__\nclass E(enum.Enum):\n X = enum.auto()\nprint(B().f(), E.X, copy.deepcopy([[1]]), gc.collect() >= 0)",
        "",
        "super E.X [[1]] True",
    ),
    "generators and closures": (
        "def counter():\n n = 0\n def step():\n  nonlocal n\n  n += 1\n  return n\n return step\nc = counter()\nc()\ndef gen():\n x = yield 1\n yield from (x, x + 1)\ng = gen()\nprint(c(), next(g), g.send(5), list(g))",
        "",
        "2 1 5 [6]",
    ),
    "pattern matching": ("match [1, {'a': 2}]:\n case [x, {'a': y}]: print(x + y)", "", "3"),
    "walrus, star and f-strings": (
        "print(f'{(n := 5)!r:>3} {n=}', *[1, *range(2)], sep='|')",
        "",
        "  5 n=5|1|0|1",
    ),
    "exception groups": (
        "try: raise ExceptionGroup('g', [ValueError(1)])\nexcept* ValueError as e: print(len(e.exceptions))",
        "",
        "1",
    ),
    "pickle and sqlite": (
        "import pickle, sqlite3\nclass A: x = 1\nprint(pickle.loads(pickle.dumps(A())).x)\nc = sqlite3.connect('a.db')\nc.execute('create table t (x)')\nc.execute('insert into t values (7)')\nprint(c.execute('select * from t').fetchone())",
        "",
        "1\n(7,)",
    ),
    "sockets between itself": (
        "import socket\na, b = socket.socketpair()\na.send(b'x')\nprint(b.recv(9).decode())",
        "",
        "x",
    ),
    "memory given back": ("for _ in range(20): x = bytearray(50_000_000)\nprint(len(x))", "", "50000000"),
    "source with windows line ends": ("x = 1\r\nif x:\r\n    print('''a\r\nb''')\r\n", "", "a\nb"),
    "source with a byte order mark": ("\ufeffprint('é')", "", "é"),
    "source with a cookie": ("# -*- coding: utf-8 -*-\nprint('é')", "", "é"),
    "source without a line end": ("print(1)  # end", "", "1"),
    "source with form feeds and tabs": ("\f\nif 1:\n\tprint(1)\n\f", "", "1"),
    "source that warns": ("x = 1\nprint(x is 1, '\\d')", "", "True \\d"),
    "a long line": ("x = [" + "1," * 50_000 + "]\nprint(len(x))", "", "50000"),
    "many lines": ("x = 0\n" + "x += 1\n" * 20_000 + "print(x)", "", "20000"),
}
