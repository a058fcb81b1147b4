"""Runs trusted cocotb tests inside the simulator, and answers what came of each.

Standard input has the job, a JSON object:

    {"key": hex, "output": file, "top": module, "modules": [..], "seed": N, "run": true}

Answers go to the file `output`, a pipe, one line each: a message authentication code, a space, and JSON.

    {"tests": ["module.function", ..]}                            which there are, before the first one starts
    {"broken": message}                                           instead: a module could not be imported
    {"test": name, "outcome": "passed" or "failed" or "skipped", "message": text, "written": [..]}
    {"end": true}                                                 all have run; nothing comes after it

`written`: signals of the top to which tests have written so far and that no line has named yet. The code is
HMAC-SHA256 of the line's number, a space, and the JSON.

A design shares this process. It cannot say anything here without the key, and that is read, and standard input
closed, before the simulator loads the design.
"""

import gc
import hmac
import importlib
import json
import os
import sys

ANSWERS_FD = 5  # as in wire.py
MAX_MESSAGE = 1000
MODULES = (
    "pygpi.entry",
    *("cocotb", "cocotb._init", "cocotb.clock", "cocotb.queue", "cocotb.regression", "cocotb.simulator"),
    *("cocotb.result", "cocotb.triggers", "cocotb.types", "cocotb.utils"),
)
job = None
answers = None


def warm():
    """Import once what every run needs."""
    for name in MODULES:
        importlib.import_module(name)
    hmac.digest(b"", b"", "sha256")
    gc.collect()
    gc.freeze()


def begin():
    """Read the job, and take from the process what else it could be read or answered by."""
    global job, answers
    text = b"".join(iter(lambda: os.read(0, 1 << 16), b""))
    if not text:  # a warm tool that starts
        return
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    job = json.loads(text)
    answers = Answers(bytes.fromhex(job.pop("key")), job.pop("output"))
    os.environ["COCOTB_TOPLEVEL"] = job["top"]
    os.environ["COCOTB_RANDOM_SEED"] = str(job["seed"])
    os.environ["COCOTB_TEST_MODULES"] = ",".join(job["modules"])
    sys.path[:] = ["", *(path for path in sys.path if not path.endswith("-packages"))]


class Answers:
    def __init__(self, key, name):
        self._key = key
        self._lines = 0
        self._fd = os.open(name, os.O_WRONLY | os.O_CLOEXEC)
        os.unlink(name)
        os.close(ANSWERS_FD)

    def say(self, **what):
        text = json.dumps(what)
        code = hmac.digest(self._key, f"{self._lines} {text}".encode(), "sha256").hex()
        self._lines += 1
        data = f"{code} {text}\n".encode()
        while data:
            data = data[os.write(self._fd, data) :]


def run():
    """What the simulator calls when it starts."""
    import logging

    import cocotb._init

    logging.getLogger().setLevel(logging.ERROR)
    cocotb._init.init_package_from_simulation()
    logging.getLogger("test").setLevel(logging.ERROR)
    manager = make_manager()
    try:
        manager.discover_tests(*job["modules"])
    except BaseException as error:
        answers.say(broken=describe(error))
        leave()
    tests = [test.fullname for test in manager._test_queue]
    answers.say(tests=tests)
    if not job["run"]:
        answers.say(end=True)
        leave()
    manager.start_regression()
    import cocotb._shutdown

    cocotb._shutdown.register(manager._on_sim_end)


def leave():
    """End the process here: nothing of the design runs after the last line."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def describe(error):
    """An exception in a line or two, without what the tests look like."""
    name = type(error).__name__
    try:
        text = f"{name}: {error}" if str(error) else name
    except BaseException:  # an exception of the tests' own that cannot be said
        text = name
    text = "".join(character if character.isprintable() or character == "\n" else "?" for character in text)
    return text[:MAX_MESSAGE]


def make_manager():
    import cocotb
    import cocotb._shutdown
    import cocotb.handle
    from cocotb.clock import Clock
    from cocotb.regression import RegressionManager

    written = set()
    named = set()

    def note(handle):
        written.add(handle._path)

    def noting(original):
        def _set_value(self, value, action):
            note(self)
            return original(self, value, action)

        return _set_value

    for kind in vars(cocotb.handle).values():
        if isinstance(kind, type) and "_set_value" in vars(kind):
            kind._set_value = noting(kind._set_value)

    start = Clock.start

    def start_noting(self, *args, **kwargs):
        note(self._signal)
        return start(self, *args, **kwargs)

    Clock.start = start_noting

    def written_now():
        """Names of the top's own signals."""
        before = cocotb.top._path + "."
        names = {path.removeprefix(before).partition("[")[0] for path in written if path.startswith(before)}
        new = sorted(name for name in names - named if "." not in name)
        named.update(new)
        return new

    class Manager(RegressionManager):
        """Says what comes of each test instead of writing logs and files."""

        def _log_test_start(self):
            pass

        def _say(self, outcome, message):
            if self._regression_terminated is not None and outcome == "passed":
                outcome, message = "failed", describe(self._regression_terminated)
            answers.say(test=self._test.fullname, outcome=outcome, message=message, written=written_now())
            self.count += 1

        def _record_test_passed(self, *times, **more_times):
            self._say("passed", "")

        def _record_test_skipped(self, *, msg, **times):
            self._say("skipped", msg or "")

        def _record_test_xfail(self, *, result, msg, **times):
            self._say("passed", "")

        def _record_test_failed(self, *, result, msg, **times):
            said = ": ".join(text for text in (msg, describe(result) if result else "") if text)
            self._say("failed", said[:MAX_MESSAGE])

        def _record_test_init_failed(self):
            self._say("failed", describe(sys.exc_info()[1]))

        def _tear_down(self):
            answers.say(end=True)
            cocotb._shutdown._callbacks.clear()
            leave()

    return Manager()
