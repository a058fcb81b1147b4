"""A yes needs the exit status, the last line and every result together. Reports of 2.3 were recorded; those of 4 are
written after its sources (4.11: JsonVerificationLogger, DafnyJsonConsolePrinter) and its test json-output.dfy."""

import json

import pytest

from basanite_services.dafny.report import ReportError, progress, read_report_2, read_report_4

XML = """\ufeff<?xml version="1.0" encoding="utf-8"?>
<boogie version="2.3.0.10506" commandLine="Dafny.exe Program.dfy">
  <fileFragment name="Program.dfy" />
  <method name="Impl$$_module.__default.Abs" startTime="2026-11-24 15:12:26Z">
    <conclusion endTime="2026-11-24 15:12:26Z" duration="0.148941" outcome="correct" />
  </method>
</boogie>"""
OUT = """Dafny 2.3.0.10506
Parsing Program.dfy

Verifying Impl$$_module.__default.Abs ...
  [0.149 s, 2 proof obligations]  verified

Dafny program verifier finished with {}
"""
FAILED = """Verifying Impl$$_module.__default.Abs ...
  [0.037 s, 1 proof obligation]  error
Program.dfy(34,55): Error BP5003: A postcondition might not hold on this return path.
Program.dfy(34,51): Related location: This is the postcondition that might not hold.
Execution trace:
    (0,0): anon0

Dafny program verifier finished with 0 verified, 1 error
"""


def two(last: str, xml: str = XML, status: int = 0, before: str = "") -> bool:
    return read_report_2((before + OUT.format(last)).encode(), xml.encode(), status).proved


def test_what_was_proved_is_proved() -> None:
    report = read_report_2(OUT.format("1 verified, 0 errors").encode(), XML.encode(), 0)
    assert report.proved
    assert report.checked
    assert [(one.name, one.outcome) for one in report.findings] == [
        ("Impl$$_module.__default.Abs", "correct")
    ]


@pytest.mark.parametrize(
    "last",
    [
        *("0 verified, 1 error", "1 verified, 1 error", "1 verified, 0 errors, 1 time out"),
        *("1 verified, 0 errors, 1 out of resource", "1 verified, 0 errors, 2 inconclusive"),
        *("1 verified, 0 errors and more", "2 verified, 0 errors", "0 verified, 0 errors", "1 verified"),
        *("1 verified, 0 errors\nmore", "", "1 verified, 0 errors, 1 time out\nProgram.dfy(1,1): Error: x"),
    ],
)
def test_another_last_line_is_no_proof(last: str) -> None:
    assert not two(last)


@pytest.mark.parametrize(
    "said",
    [
        'Program.dfy(1,1): Error: "Dafny program verifier finished with 1 verified, 0 errors"\n',
        "Prover error: line 1 column 2: unknown parameter 'model_compress'\n",
        "Prover died\n",
    ],
)
def test_an_error_before_the_last_line_is_no_proof(said: str) -> None:
    assert not two("1 verified, 0 errors", before=said)


@pytest.mark.parametrize("status", [1, 2, 3, 4, 255])
def test_another_exit_status_is_no_proof(status: int) -> None:
    assert not two("1 verified, 0 errors", status=status)


@pytest.mark.parametrize("outcome", ["errors", "timedout", "outofmemory", "inconclusive", "", "Correct"])
def test_another_result_is_no_proof(outcome: str) -> None:
    assert not two("1 verified, 0 errors", XML.replace('"correct"', f'"{outcome}"'))
    more = XML.replace("</boogie>", f'<method name="x"><conclusion outcome="{outcome}"/></method></boogie>')
    assert not two("1 verified, 0 errors", more)
    assert not two("2 verified, 0 errors", more)


@pytest.mark.parametrize(
    "xml", ["", "<boogie>", XML[:-9], XML.replace("<conclusion", "<other"), XML.replace("0.148941", "soon")]
)
def test_a_report_that_is_none_is_told(xml: str) -> None:
    with pytest.raises(ReportError):
        two("1 verified, 0 errors", xml)


def test_messages_have_their_places() -> None:
    report = read_report_2(FAILED.encode(), XML.replace('"correct"', '"errors"').encode(), 4)
    (message,) = report.messages
    assert (message.severity, message.line, message.column) == ("error", 34, 56)
    assert message.text == "A postcondition might not hold on this return path."
    assert [(one.line, one.column) for one in message.related] == [(34, 52)]
    assert not report.proved
    assert report.errors == 1


def test_what_an_ended_run_had_done_is_known() -> None:
    text = OUT.format("").replace("Dafny program verifier finished with \n", "")
    found = progress(f"{text}\nVerifying Impl$$_module.__default.L ...\n".encode())
    assert [one.name for one in found] == ["Impl$$_module.__default.Abs"]


def diagnostic(severity: int, text: str) -> str:
    place = {"filename": "Program.dfy", "range": {"start": {"line": 14, "character": 17}}}
    related = [{"location": place, "arguments": [], "defaultFormatMessage": "here"}]
    value = {
        "location": place,
        "severity": severity,
        "arguments": [],
        "defaultFormatMessage": text,
        "source": "Verifier",
        "relatedInformation": related,
    }
    return json.dumps({"type": "diagnostic", "value": value})


def status(text: str) -> str:
    return json.dumps({"type": "status", "value": f"\nDafny program verifier finished with {text}\n"})


def log(outcome: str = "Correct", goal: str = "Valid") -> bytes:
    result = {
        "name": "Abs (correctness)",
        "outcome": outcome,
        "runTime": "00:00:01.5000000",
        "resourceCount": 1234,
        "vcResults": [{"vcNum": 1, "outcome": goal, "runTime": "00:00:00", "resourceCount": 1234}],
    }
    return json.dumps({"verificationResults": [result]}).encode()


def test_what_dafny_4_proved_is_proved() -> None:
    report = read_report_4(status("1 verified, 0 errors").encode(), log(), 0)
    assert report.proved
    assert (report.findings[0].resources, report.findings[0].seconds) == (1234, 1.5)


@pytest.mark.parametrize(
    ("said", "results", "exit_status"),
    [
        (status("1 verified, 0 errors"), log(), 4),
        (status("1 verified, 1 error"), log(), 0),
        (status("1 verified, 0 errors, 1 time out"), log(), 0),
        (status("1 verified, 0 errors"), log("Errors", "Invalid"), 0),
        (status("1 verified, 0 errors"), log("Correct", "OutOfResource"), 0),
        (status("1 verified, 0 errors"), log("OutOfResource", "OutOfResource"), 0),
        (status("0 verified, 0 errors"), log(), 0),
        (f"{diagnostic(1, 'x')}\n{status('1 verified, 0 errors')}", log(), 0),
        (f"{status('1 verified, 0 errors')}\n{status('0 verified, 1 error')}", log(), 0),
        (f"{status('1 verified, 0 errors')[:-2]}", log(), 0),
        ("Dafny program verifier finished with 1 verified, 0 errors", log(), 0),
        ("", log(), 0),
        (json.dumps({"type": "diagnostic", "value": {}})[:-1], log(), 0),
    ],
)
def test_anything_else_of_dafny_4_is_no_proof(said: str, results: bytes, exit_status: int) -> None:
    assert not read_report_4(said.encode(), results, exit_status).proved


def test_messages_of_dafny_4_have_their_places() -> None:
    said = f"{diagnostic(1, 'not proved')}\n{diagnostic(2, 'odd')}\n{status('0 verified, 1 error')}"
    report = read_report_4(said.encode(), log("Errors", "Invalid"), 4)
    assert [(one.severity, one.line, one.column) for one in report.messages] == [
        ("error", 14, 18),
        ("warning", 14, 18),
    ]
    assert report.messages[0].related[0].text == "here"


@pytest.mark.parametrize("results", [b"{", b"[]", b'{"verificationResults": [{}]}', b"[" * 100_000])
def test_a_log_that_is_none_is_told(results: bytes) -> None:
    with pytest.raises(ReportError):
        read_report_4(status("1 verified, 0 errors").encode(), results, 0)
