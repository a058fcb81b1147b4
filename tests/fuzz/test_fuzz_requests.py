"""Requests as the server reads them, and whole items through its judge, whatever the sandbox reports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

from fuzzing import fuzz, mutated
from hypothesis import given
from hypothesis import strategies as st
from tagged import anything, texts
from targets import CASES, POLICIES, read_request

from basanite.v1 import result_pb2, verifier_pb2
from basanite.v1.result_pb2 import Failure, Result
from basanite_sandboxes.spec import (
    Ended,
    Environment,
    Isolation,
    Limits,
    Program,
    PythonProgram,
    Rejection,
    Report,
    Sandbox,
    SandboxPool,
)
from basanite_services.chassis import logs
from basanite_services.chassis.admission import Admission
from basanite_services.chassis.cache import VerdictCache
from basanite_services.chassis.judge import Judge
from basanite_services.chassis.metrics import Metrics
from basanite_services.chassis.scheduler import Scheduler
from basanite_services.chassis.seeds import Seeds
from basanite_services.chassis.served import serve
from basanite_services.chassis.service import _enter_all
from basanite_services.chassis.wire import BrokenItem, frame, read_batch
from basanite_services.code.verifier import CodeVerifier

_FORMS: tuple[dict[str, Any], ...] = (
    {"function": {"entry_point": "f", "cases": CASES}},
    {
        "function": {
            "entry_point": "A.f",
            "cases": CASES,
            "fresh_process": True,
            "stop_on_first_failure": True,
        }
    },
    {
        "stdio": {
            "cases": [{"stdin": "1", "expected": "2"}, {"stdin_bytes": b"\xff", "expected_bytes": b"1 2.5"}]
        }
    },
    {
        "stdio": {
            "cases": [{"stdin": "1", "expected": "2"}],
            "checker": {"language": "python", "source": "1"},
        }
    },
    {"program": {"stdin": "x", "arguments": ["-v", "é"]}},
)
ITEMS = [
    verifier_pb2.Item(id=f"i{n}", kind="code", code={"language": "python", "source": "x = 1", **form})
    for n, form in enumerate(_FORMS)
]
for one in ITEMS:
    one.limits.cpu_seconds = 1.5
TOKENS = (
    *(
        b"\x00",
        b"\xff",
        b"\x0a\x01a",
        b"\x12\x00",
        b"\x80" * 11,
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\xed\xa0\x80",
        b"\x0b",
    ),
    *(
        b"\x0a\x00",
        b"code",
        b"stdio",
        b"\xf0\x9f",
        b"\x7f",
        b'{"$set":[[]]}',
        b"\x08\x96\x01",
        b"\x0d\0\0\xc0\x7f",
    ),
)
serialized = st.sampled_from([item.SerializeToString() for item in ITEMS])
batches = st.lists(serialized, max_size=4).map(lambda items: b"".join(map(frame, items)))


@fuzz(600)
@given(mutated(batches, TOKENS) | st.binary(max_size=40))
def test_a_request_is_entries_or_malformed(message: bytes) -> None:
    read_request(message)


@fuzz(300)
@given(st.lists(serialized, max_size=3), mutated(serialized, TOKENS), st.lists(serialized, max_size=3))
def test_one_bad_item_never_spoils_the_others(before: list[bytes], bad: bytes, after: list[bytes]) -> None:
    message = b"".join(map(frame, [*before, bad, *after]))
    for kind in (verifier_pb2.VerifyBatchRequest, verifier_pb2.VerifyStreamRequest):
        entries = read_batch(message, kind)
        assert len(entries) == len(before) + 1 + len(after)
        del entries[len(before)]
        for entry, sent in zip(entries, [*before, *after], strict=True):
            assert not isinstance(entry, BrokenItem)
            assert entry == verifier_pb2.Item.FromString(sent)


def _report(draw: st.DrawFn) -> Report:
    """Anything that a sandbox may report, whose numbers are its own and whose bytes are the candidate's."""
    ended = draw(st.sampled_from(Ended).filter(lambda ended: ended is not Ended.DISMISSED))  # of pairs only
    bytes_ = st.binary(max_size=40) | st.sampled_from((b"2", b"1 2.5\n", b"1e999", b"nan", b"", b"9" * 6000))
    lines = st.lists(_answers, max_size=6).map(lambda lines: b"".join(line + b"\n" for line in lines))
    times = st.floats(0, 1e6)
    return Report(
        ended=ended,
        exit_status=draw(st.integers(0, 255)) if ended is Ended.EXITED else None,
        signal=draw(st.integers(1, 64)) if ended is Ended.SIGNALED else None,
        stdout=draw(bytes_),
        stderr=draw(bytes_ | st.just(b'  File "main.py", line 99999999999999999999\nMemoryError')),
        answers=draw(lines | bytes_),
        cpu_seconds=draw(times),
        wall_seconds=draw(times),
        peak_memory_bytes=draw(st.integers(0, 1 << 50)),
        rejection=Rejection("bad", 1, 2) if ended is Ended.REJECTED else None,
    )


_keys = st.sampled_from(("value", "raised", "after", "opaque", "missing", "import", "converted", "x"))
_answers: st.SearchStrategy[bytes] = (
    st.dictionaries(_keys, texts, max_size=3).map(
        lambda fields: b"{" + b",".join(b'"%s":%s' % (k.encode(), v) for k, v in fields.items()) + b"}"
    )
    | st.sampled_from(
        (
            *(b'{"value":[1,3],"after":[[1,3]]}', b'{"value":{"$set":[1,2]}}', b'{"value":{"$float":"nan"}}'),
            b'{"raised":{"types":["ValueError","\\ud800"],"message":"\\udfff"}}',
            b'{"raised":{"types":["ValueError",5,{"$tuple":[]}],"message":"m"}}',
            b'{"raised":{"types":{"$str":[55296]},"message":{"$str":[55296]}}}',
            b'{"opaque":{"$str":[55296,65]}}',
        )
    )
    | anything
)


class _Sandbox(Sandbox):
    def __init__(self, reports: list[Report]) -> None:
        self._reports = reports
        self._next = 0
        self.near_limit = len(reports) == 2

    def _report(self) -> Report:
        self._next += 1
        return self._reports[self._next % len(self._reports)]

    async def run(
        self,
        program: Program,
        limits: Limits,
        *,
        stdin: bytes = b"",
        files: Mapping[str, bytes] | None = None,
    ) -> Report:
        return self._report()

    async def run_cases(
        self, program: PythonProgram, limits: Limits, stdins: Sequence[bytes]
    ) -> AsyncGenerator[Report, None]:
        for _ in stdins:
            report = self._report()
            yield report
            if report.ended is Ended.REJECTED:
                return

    async def run_pair(
        self, candidate: Program, limits: Limits, tests: Program, tests_limits: Limits
    ) -> tuple[Report, Report]:
        return self._report(), self._report()


class _Pool(SandboxPool):
    isolation = Isolation("fake", "full", (), True, "none", "none")
    python_version = "3.11"
    size = 2
    in_use = 0

    def __init__(self, reports: list[Report]) -> None:
        self._reports = reports

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    @contextlib.asynccontextmanager
    async def sandbox(self, environment: Environment) -> AsyncIterator[Sandbox]:
        yield _Sandbox(self._reports)


async def _judge(message: bytes, reports: list[Report]) -> list[Result]:
    """What the server answers to a batch, the RPC itself aside."""
    entries = read_batch(message, verifier_pb2.VerifyBatchRequest)
    pool = _Pool(reports)
    log = logs.configure("error", "json")
    judge = Judge(
        pool=pool,
        environments={"": Environment()},
        max_item_bytes=1 << 20,
        cache=VerdictCache(1 << 20),
        metrics=Metrics(),
        seeds=Seeds(),
        log=log,
    )
    judge.served["code"] = serve(CodeVerifier(), pool)
    admission = Admission(100)
    admission.take(len(entries))
    call = Scheduler(judge, admission, max_in_flight=4).open(stream=False)
    _enter_all(call, entries)
    results: list[Result] = []
    while (chunk := await call.next_chunk()) is not None:
        results += verifier_pb2.VerifyBatchResponse.FromString(chunk[0]).results
        call.sent(chunk[1])
    call.close()
    assert len(results) == len(entries)
    assert sorted(result.id for result in results) == sorted(entry.id for entry in entries)
    return results


reports = st.composite(_report)()


@fuzz(100)
@given(
    st.lists(mutated(serialized, TOKENS) | serialized, min_size=1, max_size=4),
    st.lists(reports, min_size=1, max_size=3),
)
def test_only_results_come_out_of_the_judge_and_none_says_internal_error(
    items: list[bytes], reports: list[Report]
) -> None:
    for result in asyncio.run(_judge(b"".join(map(frame, items)), reports)):
        which = result.WhichOneof("outcome")
        assert which is not None
        if which == "failure":
            assert result.failure.reason in _ABOUT_THE_ITEM | {
                Failure.REASON_OVERLOADED,
                Failure.REASON_TASK_FAULT,
            }
            assert result.failure.message


_ABOUT_THE_ITEM = {Failure.REASON_INVALID_ITEM, Failure.REASON_UNSUPPORTED_KIND}


@fuzz(100)
@given(
    st.sampled_from(POLICIES),
    st.lists(reports.filter(lambda report: report.ended is not Ended.STARVED), min_size=1),
)
def test_whatever_a_candidate_does_its_item_gets_a_verdict(policy: Any, reports: list[Report]) -> None:
    items = [
        item for item in ITEMS if not item.code.stdio.HasField("checker")
    ]  # a checker's faults are the task's
    for item in items:
        if item.code.HasField("function"):
            item.code.function.comparison.policy = policy
    results = asyncio.run(_judge(b"".join(frame(item.SerializeToString()) for item in items), reports))
    for result in results:
        assert result.WhichOneof("outcome") == "verdict", result
        assert result.verdict.assurance == result_pb2.ASSURANCE_SEPARATED
