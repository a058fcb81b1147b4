"""Running the tests: trusted code, in a process that holds nothing of the candidate's but data and stand-ins.

What is said of them goes to the answers' descriptor, one JSON object a line:

    {"fault": reason, "case": number or null for the prelude}   the task is to blame; nothing follows
    {"asked": true}                                             from here on the candidate may have a part in it
    {"passed": true}  {"passed": false, ..}                     a case, in order; what else there is: `Run.failed`
"""

import builtins
import json
import os
import sys
import types

import faults
import proxies
import values
from wire import ANSWERS_FD

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
MAX_TEXT = 500


def run(head, prelude, cases):
    """Run the cases, until the channel is dead or, if asked for, one has failed."""
    channel = proxies.Channel()
    channel.on_first_question = lambda: say({"asked": True})
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    tests = Run(channel, module.__dict__, head)
    try:
        tests.prepare(prelude, cases)
        for number in range(len(cases)):
            if not tests.run_case(number) and (head["stop"] or channel.wrong is not None):
                break
    except Fault as fault:
        say({"fault": str(fault)[:MAX_TEXT], "case": fault.case})
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


class Fault(Exception):
    """The task is to blame."""

    def __init__(self, case, reason):
        super().__init__(reason)
        self.case = case


class Run:
    """The tests of one task in one namespace."""

    def __init__(self, channel, namespace, head):
        self.channel = channel
        self.namespace = namespace
        self.entry_points = dict.fromkeys(head["functions"], False) | dict.fromkeys(head["classes"], True)
        self.first = head["first"]
        """No candidate was asked anything before: what goes wrong now is the task's fault."""
        self.sources = {}
        self.codes = []

    def prepare(self, prelude, cases):
        """Compile everything, run the prelude, put the stand-ins in their places. Raises Fault."""
        prepared = self.compile(prelude, "prelude", None)
        self.codes = [self.compile(source, f"case {number}", number) for number, source in enumerate(cases)]
        try:
            exec(prepared, self.namespace)
        except BaseException as error:
            raise Fault(None, f"it raises {self.describe(error)}") from None
        for name, is_class in self.entry_points.items():
            self.namespace[name] = proxies.EntryPoint(self.channel, name, is_class)
        if self.first:
            fault = faults.find_fault([prelude, *cases], self.namespace, self.entry_points)
            if fault:
                number, reason = fault
                raise Fault(number - 1 if number else None, reason)

    def compile(self, source, name, case):
        self.sources[name] = source
        try:
            return compile(source, name, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise Fault(case, f"it does not compile: {error.msg} (line {error.lineno})") from None
        except (ValueError, RecursionError, MemoryError, OverflowError) as error:
            raise Fault(case, f"it does not compile: {error}") from None

    def run_case(self, number):
        """-> whether it passed. Raises Fault."""
        channel = self.channel
        channel.cannot = None
        channel.raised.clear()
        asked = channel.asked
        error = None
        try:
            exec(self.codes[number], self.namespace)
        except BaseException as raised:
            error = raised
        if self.first and not asked and not channel.asked and error is not None:
            raise Fault(number, f"it raises {self.describe(error)}, before it asks anything of the candidate")
        refused = channel.cannot
        may_be_fault = self.first and refused is not None and refused.is_theirs
        if may_be_fault and faults.is_unavoidable(refused, self.sources, self.entry_points):
            raise Fault(number, self.describe(refused))
        healthy = channel.check()
        if error is None and healthy and channel.cannot is None:
            say({"passed": True})
            return True
        say(self.failed(error or channel.cannot))
        return False

    def failed(self, error):
        """What is said of a case that did not pass. The words of the tests stay here: who reads a message may be in
        training, and they hold what is expected."""
        said = {"passed": False, "wrong": self.channel.wrong, "line": self.line_of(error)}
        if self.channel.wrong is not None:
            said["waited"] = self.channel.waited
        if error is None or isinstance(error, proxies.Gone):
            return said
        if type(error) is proxies.Cannot:
            return {**said, "error": "Cannot", "text": str(error)[:MAX_TEXT]}
        said["error"] = next(
            (kind.__name__ for kind in type(error).__mro__ if vars(builtins).get(kind.__name__) is kind),
            "Exception",
        )
        _, kinds, text = self.channel.raised.get(id(error), (None, None, None))
        if kinds is not None:
            said |= {"raised": kinds, "text": text}
        return said

    def line_of(self, error):
        """The last line of the tests that it came through."""
        line, frame = 0, error.__traceback__ if error is not None else None
        while frame is not None:
            if frame.tb_frame.f_code.co_filename in self.sources:
                line = frame.tb_lineno
            frame = frame.tb_next
        return line

    def describe(self, error):
        try:
            text = str(error)
        except BaseException:
            text = ""
        line = self.line_of(error)
        return f"{type(error).__name__}: {text[:MAX_TEXT]}" + (f" (line {line})" if line else "")


def say(answer):
    data = values.with_deep_recursion(_ENCODE, answer).encode() + b"\n"
    while data:
        data = data[os.write(ANSWERS_FD, data) :]
