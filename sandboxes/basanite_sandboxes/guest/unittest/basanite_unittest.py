"""Runs a test suite and says what came of each test, in the interpreter that the candidate's code runs in.

`main()` reads a job, one JSON object, from standard input:

    key         hex; the lines that are written are authenticated with it
    framework   "pytest" or "unittest"
    paths       files or directories of tests, relative to the working directory, which is the root of all
    python_path directories that come first on sys.path, relative
    candidate   files that the candidate wrote or changed, relative
    selected    names of tests to run, all if null
    allowed     changes of what decides that are no sign of cheating: trusted code makes them, too
    trusted     true: nothing of a candidate's runs; such changes are told, not held against it
    canaries    hex, from which follow how many tests of ours run among the others, and where
    run         false: only say which tests there are
    isolated    null, or what the tests import from the candidate, which is in another sandbox: {"modules": {name: is it
                a package}, "classes": ["module.Class"]}. Then nothing of the candidate's is in this process.

and writes lines to descriptor 5, `LINE MAC`, LINE being JSON:

    {"collected": [name..]}       in the order in which they run
    {"broken": path, ..}          a file that cannot be imported, with the keys of a test
    {"test": name, "status": .., "seconds": .., "message": .., "file": .., "line": ..}
    {"changed": [what..]}         of a trusted run: changes of what decides
    {"tampered": why}             somebody reached for what decides
    {"gone": why}                 isolated: there is nobody to ask any more; the tests that follow are not run
    {"end": true}                 nothing follows

The MAC is keyed by two halves of the key that this process holds as states of SHA-256 alone, and covers the line's
number. All that is used once the candidate's code is imported is bound before. None of it is out of reach in one
interpreter: docs/threat-model.md says what gets through. Written for Python 3.6 and later, and pytest 4 and later: the
interpreter may be that of an old image.
"""

import builtins
import hashlib
import json
import os
import random
import sys
import time
import types
import unittest

try:  # in a cell of ours
    import modules
    import proxies
except ImportError:  # in an image
    modules = proxies = None

ANSWERS_FD = 5
MAX_TEXT = 2000
MAX_BROKEN = 200
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
_clock, _write, _getpid, _exit = time.perf_counter, os.write, os.getpid, os._exit
_BaseException, _str, _type = BaseException, str, type
_abspath, _relpath, _realpath, _root = os.path.abspath, os.path.relpath, os.path.realpath, ""


def main():
    _exit(run(read_job()))


def read_job():
    parts = []
    while True:
        data = os.read(0, 1 << 20)
        if not data:
            break
        parts.append(data)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    return json.loads(b"".join(parts).decode())


def run(job):
    """-> exit status, which says nothing."""
    global _root
    _root = os.getcwd()
    say = channel(bytes.fromhex(job.pop("key")))
    sys.dont_write_bytecode = True
    for name in list(os.environ):
        if name.startswith(("PYTEST_", "PYTHON")) and name != "PYTHONHASHSEED":
            del os.environ[name]
    os.environ.update(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0")
    random.seed(0)
    here = [_abspath(os.path.join(_root, path)) for path in job["python_path"]]
    plugins = environment_plugins() if job["framework"] == "pytest" else []
    sys.path[:] = here + [path for path in sys.path if path not in ("", "/tmp") and path not in here]
    sys.argv[:] = [job["framework"]]
    if job["isolated"]:
        job["channel"] = proxies.Channel()
        job["channel"].on_first_question = int
        modules.install(job["channel"], job["isolated"]["modules"], job["isolated"]["classes"])
    if here:
        os.environ["PYTHONPATH"] = os.pathsep.join(here)
    (run_pytest if job["framework"] == "pytest" else run_unittest)(job, say, plugins)
    say({"end": True})
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except _BaseException:
            pass
    return 0


def channel(key):
    """-> a function that says one thing."""
    inner, outer = hashlib.sha256(key[:32]), hashlib.sha256(key[32:])
    fd = os.dup(ANSWERS_FD)
    os.close(ANSWERS_FD)
    own = _getpid()
    counter = [0]
    write, getpid, encode = _write, _getpid, _ENCODE

    def say(what):
        if getpid() != own:  # a test has forked, and its child goes on here
            return
        line = encode(what).encode()
        state, mac = inner.copy(), outer.copy()
        state.update(b"%d " % counter[0] + line)
        mac.update(state.digest())
        counter[0] += 1
        data = line + b" " + mac.hexdigest().encode() + b"\n"
        while data:
            data = data[write(fd, data) :]

    return say


# Exceptions and places -------------------------------------------------------------------------------------


def describe(error):
    """Type and text of an exception, in the candidate's words perhaps."""
    name = _type(error).__name__
    try:
        text = _str(error)
    except _BaseException:
        text = ""
    return (name + (": " + text if text else ""))[:MAX_TEXT]


def inner_path(name):
    """A file's path below the root, "" if it lies elsewhere."""
    try:
        path = _relpath(_realpath(_abspath(name)), _realpath(_root))
    except _BaseException:
        return ""
    return "" if path.startswith("..") else path


def frames(error):
    """(path below the root, line), outermost first."""
    found = []
    trace = error.__traceback__
    while trace is not None:
        path = inner_path(trace.tb_frame.f_code.co_filename)
        if path:
            found.append((path, trace.tb_lineno))
        trace = trace.tb_next
    return found


def told(error, candidate):
    """What is said of an exception."""
    if error is None:
        return {}
    said = {"message": describe(error)}
    found = frames(error)
    theirs = [place for place in found if place[0] in candidate]
    place = theirs[-1] if theirs else (found[-1] if found else None)
    if isinstance(error, SyntaxError) and error.filename:
        path = inner_path(error.filename)
        if path:
            place = (path, error.lineno or 0)
    if place:
        said["file"], said["line"] = place
    return said


def told_apart(error, channel):
    """Likewise, where the candidate is in another sandbox: the words of the tests stay here, but for where and what."""
    if error is None:
        return {}
    found = frames(error)
    where = " (%s, line %d)" % found[-1] if found else ""
    raised = channel.raised.get(id(error))
    if isinstance(error, (proxies.Cannot, proxies.RemoteError, SyntaxError)) or raised is not None:
        said = {"message": (describe(error) + where)[:MAX_TEXT]}
        for place in channel.places.get(id(error), ()):
            if type(place) is list and len(place) == 2 and type(place[0]) is str and type(place[1]) is int:
                said["file"], said["line"] = place[0][:MAX_TEXT], place[1]
        return said
    if isinstance(error, AssertionError):
        return {"message": "an assertion does not hold" + where}
    name = type(error).__name__
    return {
        "message": ("%s on what it gave" % name if not isinstance(error, ImportError) else describe(error))
        + where
    }


def still_there(job, say):
    """Whether the candidate can be asked, and said nothing that it was not asked for."""
    channel = job.get("channel")
    if channel is None or not channel.asked or channel.check():
        return True
    if channel.wrong == "malformed":
        say({"tampered": "it wrote to the tests what is no answer to what they asked"})
    say({"gone": channel.wrong})
    return False


def is_theirs(error, candidate):
    """Whether it came through the candidate's files."""
    return any(path in candidate for path, _ in frames(error))


# What decides, and must stay as it was ---------------------------------------------------------------------


class Seal:
    """Notes what decides how tests end, before the candidate's code is imported."""

    def __init__(self, holders):
        self.noted = []
        for holder in holders:
            for name, value in list(vars(holder).items()):
                code = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
                is_function = isinstance(code, types.FunctionType)
                is_special = name[:2] == "__" and name not in _DECIDING and not is_function
                if name in _MAY_CHANGE or is_special or not (is_function or callable(value)):
                    continue
                parts = (code, code.__code__, code.__defaults__) if is_function else None
                self.noted.append((holder, vars(holder), name, value, parts))

    def broken(self, allowed):
        """What is not as it was, but for what may be so."""
        found = []
        for holder, names, name, value, parts in self.noted:
            is_same = names.get(name) is value
            if is_same and parts is not None:
                is_same = parts[0].__code__ is parts[1] and parts[0].__defaults__ is parts[2]
            if not is_same:
                what = "%s.%s was replaced" % (getattr(holder, "__name__", "?"), name)
                if what not in allowed:
                    found.append(what)
        return found


_DECIDING = ("__import__", "__build_class__")
_MAY_CHANGE = ("_assertion_pass", "_reprcompare", "_config", "_abc_impl", "_", "_module_cleanups")
_MODULES = (
    *("operator", "json", "unittest.case", "_pytest.runner", "_pytest.reports", "_pytest.outcomes"),
    *(
        "_pytest.python_api",
        "_pytest.raises",
        "_pytest.assertion.rewrite",
        "_pytest.skipping",
        "_pytest.main",
    ),
    *("_pytest.assertion.util", "pluggy._callers", "pluggy.callers", "_pytest.unittest"),
)
_CLASSES = (
    *(("_pytest.python", "Function"), ("_pytest.nodes", "Item"), ("_pytest.config", "PytestPluginManager")),
    *(("pluggy._hooks", "HookCaller"), ("pluggy._hooks", "_HookCaller"), ("pluggy.hooks", "_HookCaller")),
    *(("pluggy._manager", "PluginManager"), ("pluggy.manager", "PluginManager")),
)


def all_that_decides():
    """Modules and classes whose contents decide."""
    modules = [sys.modules[name] for name in _MODULES if name in sys.modules]
    classes = [
        value
        for module in modules
        for value in list(vars(module).values())
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    for name, wanted in _CLASSES:
        kind = getattr(sys.modules.get(name), wanted, None)
        if isinstance(kind, type):
            classes.append(kind)
    return [builtins, *modules, *classes]


# Tests of ours that must fail ------------------------------------------------------------------------------


def _wrong_equal():
    left = [1, 2]
    assert left == [1, 3]


def _wrong_in():
    assert "x" in {"y": 1}


def _wrong_raises():
    unittest.TestCase("__init__").assertRaises(ValueError, int, "1")


def _wrong_unittest():
    unittest.TestCase("__init__").assertEqual({"a": 1}, {"a": 2})


def _wrong_type():
    assert isinstance(3, str)


def _wrong_error():
    raise KeyError("missing")


CANARIES = (_wrong_equal, _wrong_in, _wrong_raises, _wrong_unittest, _wrong_type, _wrong_error)


def canary_places(seed, count):
    """Where in a list of so many tests those of ours come: positions, ascending, and which they are."""
    chance = random.Random(seed)
    number = min(3 + count // 20, 12)
    places = sorted(chance.randint(0, count) for _ in range(number))
    return [(place, CANARIES[chance.randrange(len(CANARIES))], chance.randrange(1 << 30)) for place in places]


def disguised(function, neighbour):
    """A copy of a canary that looks like one of the suite's own."""
    code = function.__code__
    if not isinstance(neighbour, types.FunctionType):
        neighbour = None
    if hasattr(code, "replace") and neighbour is not None:
        code = code.replace(co_name=neighbour.__name__, co_filename=neighbour.__code__.co_filename)
    copy = types.FunctionType(code, dict(globals()), code.co_name)
    if neighbour is not None:
        copy.__module__ = neighbour.__module__
        copy.__qualname__ = neighbour.__qualname__
    return copy


# pytest ----------------------------------------------------------------------------------------------------


def environment_plugins():
    """Modules of the plugins that are installed. Called before any directory of the candidate's is on sys.path."""
    try:
        from importlib import metadata
    except ImportError:  # before Python 3.8
        try:
            import pkg_resources
        except ImportError:
            return []
        return [
            entry.module_name
            for entry in pkg_resources.iter_entry_points("pytest11")
            if entry.name != "xdist"
        ]
    found = []
    for distribution in metadata.distributions():
        for entry in distribution.entry_points:
            if entry.group == "pytest11" and entry.name != "xdist":
                found.append(entry.value.partition(":")[0])
    return list(dict.fromkeys(found))


def run_pytest(job, say, plugins):
    import _pytest.assertion.util
    import _pytest.skipping
    import _pytest.unittest  # noqa: F401  what decides is noted
    import pytest

    hook_up(pytest)
    watch = Watch(job, say, pytest)
    arguments = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", _root, "--tb=no"]
    for module in plugins:
        arguments += ["-p", module]
    pytest.main([*arguments, *job["paths"]], plugins=[watch])
    watch.finish()


class Watch:
    """The plugin that sees how each test ends from outside of all others, and what they report."""

    def __init__(self, job, say, pytest):
        self.job, self.say, self.pytest = job, say, pytest
        self.candidate = frozenset(job["candidate"])
        self.canaries = {}
        self.expected = self.done = self.broken = 0
        self.item = None
        self.seen = None
        self.tampered = False
        self.often = Seal([builtins, unittest.TestCase])
        self.seal = Seal(all_that_decides())

    def tamper(self, why):
        if not self.tampered:
            self.tampered = True
            self.say({"tampered": why[:MAX_TEXT]})

    def look(self, seal):
        """Whether all that decides is as it was."""
        found = seal.broken(self.job["allowed"])
        if found and not self.job["trusted"]:
            self.tamper(found[0])
        return found

    # Collection ------------------------------------------------------------------------------------------

    def pytest_make_collect_report(self, collector):
        outcome = yield
        try:
            report = outcome.get_result()
            if not report.failed or self.broken >= MAX_BROKEN:
                return
            self.broken += 1
            info = getattr(getattr(report, "call", None), "excinfo", None)
            error = info.value if info is not None else None
            cause = getattr(
                error, "__cause__", None
            )  # pytest hides a failed import behind an error of its own
            said = self.told(cause if cause is not None else error)
            if not said or cause is None:
                said["message"] = _str(report.longrepr)[-MAX_TEXT:]
            self.say(dict(said, broken=report.nodeid, status="error"))
        except Exception:
            pass

    def pytest_collection_modifyitems(self, session, config, items):
        yield
        selected = self.job["selected"]
        if selected is not None:
            items[:] = [item for item in items if is_selected(item.nodeid, selected)]
        self.say({"collected": [item.nodeid for item in items]})
        if not self.job["run"]:
            items[:] = []
        elif items and not self.job["isolated"]:
            self.plant(items)
        self.look(self.seal)

    def plant(self, items):
        for place, function, number in reversed(canary_places(self.job["canaries"], len(items))):
            neighbour = items[min(place, len(items) - 1)]
            parent = neighbour.getparent(self.pytest.Module)
            if parent is None:
                continue
            body = disguised(function, getattr(neighbour, "function", None))
            name = "%s_%d" % (neighbour.name.partition("[")[0], number % 97)
            try:
                if hasattr(self.pytest.Function, "from_parent"):
                    item = self.pytest.Function.from_parent(parent, name=name, callobj=body)
                else:
                    item = self.pytest.Function(name, parent, callobj=body)
            except Exception:  # a collector of another kind
                continue
            self.expected += 1
            self.canaries[id(item)] = item
            items.insert(place, item)

    # Tests -----------------------------------------------------------------------------------------------

    def pytest_runtest_protocol(self, item, nextitem):
        start = _clock()
        self.item, self.seen = item, {"raised": {}, "phases": {}, "failed": False}
        yield
        seen, self.item, self.seen = self.seen, None, None
        self.conclude(item, seen, _clock() - start)

    def note_raised(self, phase, item, outcome):
        if item is self.item:
            self.seen["raised"][phase] = raised_in(outcome)

    def pytest_runtest_makereport(self, item, call):
        outcome = yield
        if item is self.item:
            try:
                report = outcome.get_result()
                error = call.excinfo.value if call.excinfo is not None else None
                self.seen["phases"][call.when] = (error, report.outcome, hasattr(report, "wasxfail"))
            except Exception:
                self.seen["failed"] = True

    def pytest_runtest_logreport(self, report):
        if self.item is not None and report.nodeid == self.item.nodeid and report.failed:
            self.seen["failed"] = True

    def conclude(self, item, seen, seconds):
        if not still_there(self.job, self.say):
            item.session.shouldstop = "there is nobody to ask any more"
            return
        status, error = self.status_of(seen)
        self.look(self.often)
        if id(item) in self.canaries:
            self.done += 1
            if status in ("passed", "xpassed"):
                self.tamper("a test that must fail passed")
            return
        said = {"test": item.nodeid, "status": status, "seconds": round(seconds, 4)}
        if status != "passed":
            said.update(self.told(error))
        self.say(said)

    def told(self, error):
        channel = self.job.get("channel")
        return told(error, self.candidate) if channel is None else told_apart(error, channel)

    def status_of(self, seen):
        """-> (how it ended, the exception)"""
        for phase in ("setup", "call", "teardown"):
            error, outcome, marked = seen["phases"].get(phase, (None, "missing", False))
            raised = seen["raised"].get(phase)
            error = error if error is not None else raised
            if outcome == "skipped" and error is not None and is_theirs(error, self.candidate):
                return (
                    "failed",
                    error,
                )  # a test that the candidate wants to be skipped, or to be expected to fail
            if outcome == "skipped":
                return ("xfailed" if marked else "skipped"), error
            if outcome == "missing" or (outcome == "passed" and phase not in seen["raised"]):
                return "error", error
            if outcome != "passed" or error is not None:
                return ("failed" if phase == "call" else "error"), error
        if seen["failed"]:  # a subtest
            return "failed", None
        return ("xpassed" if seen["phases"]["call"][2] else "passed"), None

    def finish(self):
        found = self.look(self.seal)
        if self.job["trusted"]:
            self.say({"changed": found})
        if self.job["run"] and self.done < self.expected:
            self.say({"stopped": True})


def raised_in(outcome):
    info = getattr(outcome, "excinfo", None)
    if info is None:
        info = getattr(outcome, "_excinfo", None)
    return info[1] if info else None


def hook_up(pytest):
    """Put the hooks of Watch around those of all others."""
    outermost = pytest.hookimpl(hookwrapper=True, tryfirst=True)
    for name in (
        *("pytest_make_collect_report", "pytest_collection_modifyitems", "pytest_runtest_protocol"),
        "pytest_runtest_makereport",
    ):
        outermost(getattr(Watch, name))

    def noting(phase):
        def hook(self, item):
            self.note_raised(phase, item, (yield))

        return hook

    for phase in ("setup", "call", "teardown"):
        setattr(Watch, "pytest_runtest_" + phase, outermost(noting(phase)))


def is_selected(name, selected):
    return name in selected or name.partition("[")[0] in selected or name.partition("::")[0] in selected


# unittest --------------------------------------------------------------------------------------------------


def run_unittest(job, say, plugins):
    watch = Results(job, say)
    suite = unittest.TestSuite()
    for path in job["paths"]:
        try:
            suite.addTests(load(path, job["python_path"]))
        except _BaseException as error:
            say(dict(watch.told(error), broken=path, status="error"))
    tests = [
        test for test in flat(suite) if job["selected"] is None or is_selected_id(test.id(), job["selected"])
    ]
    say({"collected": [test.id() for test in tests]})
    watch.look(watch.seal)
    if not job["run"]:
        return
    planted = list(tests)
    for place, function, _ in reversed(canary_places(job["canaries"], len(tests))):
        if tests and not job["isolated"]:
            canary = unittest.FunctionTestCase(disguised(function, None))
            watch.canaries[id(canary)] = canary
            planted.insert(place, canary)
    unittest.TestSuite(planted)(watch)
    found = watch.look(watch.seal)
    if job["trusted"]:
        say({"changed": found})
    if watch.done < len(watch.canaries):
        say({"stopped": True})


def load(path, python_path):
    """The tests of a file, imported under the shortest name that sys.path allows."""
    places = sorted((place for place in python_path if path.startswith(place + "/")), key=len)
    relative = path[len(places[-1]) + 1 :] if places else path
    return unittest.TestLoader().loadTestsFromName(relative[: -len(".py")].replace("/", "."))


def flat(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            for inner in flat(test):
                yield inner
        else:
            yield test


def is_selected_id(name, selected):
    parts = name.split(".")
    return any(".".join(parts[:length]) in selected for length in range(1, len(parts) + 1))


class Results(unittest.TestResult):
    """Says how each test ended."""

    def __init__(self, job, say):
        super().__init__()
        self.job, self.say = job, say
        self.candidate = frozenset(job["candidate"])
        self.canaries = {}
        self.done = 0
        self.tampered = False
        self.often = Seal([builtins, unittest.TestCase])
        self.seal = Seal(all_that_decides())
        self.start, self.ended = 0.0, ("", None)

    tamper, look, told = Watch.tamper, Watch.look, Watch.told

    def startTest(self, test):
        super().startTest(test)
        self.start, self.ended = _clock(), ("", None)

    def note(self, status, error=None):
        if self.ended[0] in ("", "passed"):
            self.ended = (status, error)

    def addSuccess(self, test):
        self.note("passed")

    def addFailure(self, test, info):
        self.note("failed", info[1])

    def addError(self, test, info):
        self.note("error", info[1])
        if not isinstance(test, unittest.TestCase):  # of a class or a module
            self.say(dict(self.told(info[1]), broken=str(test)[:MAX_TEXT], status="error"))

    def addSkip(self, test, reason):
        caught = sys.exc_info()[1]
        if caught is not None and is_theirs(caught, self.candidate):
            self.note("failed", caught)
        else:
            self.note("skipped", unittest.SkipTest(reason))

    def addExpectedFailure(self, test, info):
        self.note("xfailed", info[1])

    def addUnexpectedSuccess(self, test):
        self.note("xpassed")

    def addSubTest(self, test, subtest, info):
        if info is not None:
            self.note("failed" if issubclass(info[0], test.failureException) else "error", info[1])

    def stopTest(self, test):
        super().stopTest(test)
        if self.shouldStop:
            return
        if not still_there(self.job, self.say):
            self.stop()
            return
        status, error = self.ended
        self.look(self.often)
        if id(test) in self.canaries:
            self.done += 1
            if status in ("passed", "xpassed"):
                self.tamper("a test that must fail passed")
            return
        said = {"test": test.id(), "status": status or "error", "seconds": round(_clock() - self.start, 4)}
        if status != "passed":
            said.update(self.told(error))
        self.say(said)


if __name__ == "__main__":
    main()
