"""One item never spoils its batch, and each failure says whose trouble it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from chassis_fakes import ECHO, EchoVerifier, item, outcome, reason, serving

from basanite.v1 import result_pb2, verifier_pb2
from basanite_services.chassis.wire import frame

Limits = verifier_pb2.Limits


def _wrong_extension() -> verifier_pb2.Item:
    one = item("bad")
    one.extension.kind = "test.example/other"
    return one


def _code_under_other_kind() -> verifier_pb2.Item:
    one = verifier_pb2.Item(id="bad", kind=ECHO)
    one.code.source = "pass"
    return one


BAD_ITEMS: dict[str, tuple[verifier_pb2.Item, str, str, str]] = {
    "empty id": (item(""), "INVALID_ITEM", "id", "1 to 256 bytes"),
    "id of 257 bytes": (item("é" * 128 + "x"), "INVALID_ITEM", "id", "1 to 256 bytes"),
    "unknown kind": (item("bad", kind="nonesuch"), "UNSUPPORTED_KIND", "", ECHO),
    "no kind": (item("bad", kind=""), "INVALID_ITEM", "kind", "must be set"),
    "no task": (verifier_pb2.Item(id="bad", kind=ECHO), "INVALID_ITEM", "extension", "must be set"),
    "kind and task differ": (_code_under_other_kind(), "INVALID_ITEM", "kind", "'code'"),
    "extension of another kind": (_wrong_extension(), "INVALID_ITEM", "extension.kind", "same as kind"),
    "negative limit": (
        item("bad", limits=Limits(cpu_seconds=-1)),
        "INVALID_ITEM",
        "limits.cpu_seconds",
        "greater than 0 and at most 60",
    ),
    "zero limit": (
        item("bad", limits=Limits(cpu_seconds=0)),
        "INVALID_ITEM",
        "limits.cpu_seconds",
        "greater than 0",
    ),
    "limit that is no number": (
        item("bad", limits=Limits(wall_seconds=float("nan"))),
        "INVALID_ITEM",
        "limits.wall_seconds",
        "at most 600",
    ),
    "infinite limit": (
        item("bad", limits=Limits(wall_seconds=float("inf"))),
        "INVALID_ITEM",
        "limits.wall_seconds",
        "at most 600",
    ),
    "limit above the ceiling": (
        item("bad", limits=Limits(memory_bytes=1 << 60)),
        "INVALID_ITEM",
        "limits.memory_bytes",
        "must be 1 to 536870912",
    ),
    "unknown environment": (item("bad", environment="moon"), "INVALID_ITEM", "environment", "''"),
    "too large": (item("bad", {"pad": "x" * 3000}), "INVALID_ITEM", "extension", "at most 2048 bytes"),
    "unknown assurance": (
        item("bad", require_assurance=9),
        "INVALID_ITEM",
        "require_assurance",
        "ASSURANCE_GUARDED",
    ),
    "unknown cache policy": (item("bad", cache_policy=9), "INVALID_ITEM", "cache_policy", "CACHE_POLICY_USE"),
    "refused by its verifier": (
        item("bad", {"raise": "invalid"}),
        "INVALID_ITEM",
        "extension.payload",
        "must be nice",
    ),
    "reference does not work": (item("bad", {"raise": "task_fault"}), "TASK_FAULT", "extension.payload", ""),
    "tool does not work": (item("bad", {"raise": "toolchain"}), "TOOLCHAIN", "", ""),
    "machine too busy": (item("bad", {"raise": "overloaded"}), "OVERLOADED", "", ""),
    "sandbox does not work": (item("bad", {"raise": "sandbox"}), "SANDBOX", "", ""),
    "verifier has a bug": (item("bad", {"raise": "bug"}), "INTERNAL", "", ""),
    "verifier cancels itself": (item("bad", {"raise": "cancelled"}), "INTERNAL", "", ""),
}


@pytest.mark.parametrize("name", BAD_ITEMS)
async def test_bad_item_does_not_spoil_its_batch(name: str, tmp_path: Path) -> None:
    bad, expected, field, rule = BAD_ITEMS[name]
    async with serving(tmp_path, max_item_bytes=2048) as harness:
        results = await harness.batch(item("before"), bad, item("after", {"score": 0.5}))
    assert outcome(results["before"]) == "PASSED"
    assert outcome(results["after"]) == "FAILED"
    failure = results[bad.id].failure
    assert reason(results[bad.id]) == expected
    assert failure.field == field
    assert rule in (failure.rule or failure.message)
    assert failure.message
    assert failure.retryable == (expected in ("SANDBOX", "OVERLOADED", "INTERNAL"))
    if expected == "INVALID_ITEM":
        assert failure.rule
    assert "secret text" not in failure.message


async def test_every_item_of_a_batch_may_be_bad(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        results = await harness.batch(*(item(f"i{n}", kind="no") for n in range(300)))
        assert len(results) == 300
        assert await harness.batch() == {}


async def test_items_that_share_an_id_are_all_invalid(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        request = verifier_pb2.VerifyBatchRequest(
            items=[item("same"), item("alone"), item("same", kind="no"), item("same")]
        )
        results = [r async for response in harness.stub.VerifyBatch(request) for r in response.results]
    same = [result for result in results if result.id == "same"]
    assert [reason(result) for result in same] == ["INVALID_ITEM"] * 3
    assert {result.failure.field for result in same} == {"id"}
    assert [outcome(result) for result in results if result.id == "alone"] == ["PASSED"]


def _code_item(item_id: bytes, *, source: bytes, stdin: bytes = b"in") -> bytes:
    one = verifier_pb2.Item(id="ID", kind="code")
    one.code.source = "SOURCE"
    one.code.stdio.cases.add(stdin="ok")
    one.code.stdio.cases.add(stdin="STDIN")
    wire = one.SerializeToString()
    # Same lengths, so that the framing stays right.
    for old, new in ((b"ID", item_id), (b"SOURCE", source), (b"STDIN", stdin)):
        assert len(new) == len(old)
        wire = wire.replace(old, new)
    return wire


async def _raw_batch(channel: grpc.aio.Channel, request: bytes) -> dict[str, result_pb2.Result]:
    call: Any = channel.unary_stream("/basanite.v1.VerifierService/VerifyBatch")
    results: dict[str, result_pb2.Result] = {}
    async for message in call(request):
        for result in verifier_pb2.VerifyBatchResponse.FromString(message).results:
            results[result.id] = result
    return results


@pytest.mark.parametrize(
    ("wire", "item_id", "field"),
    [
        (_code_item(b"a1", source=b"so\xffrce", stdin=b"STDIN"), "a1", "code.source"),
        (_code_item(b"a1", source=b"source", stdin=b"\xc3\x28abc"), "a1", "code.stdio.cases[1].stdin"),
        (_code_item(b"\xffb", source=b"source", stdin=b"STDIN"), "\ufffdb", "id"),
    ],
)
async def test_invalid_utf8_only_spoils_its_own_item(
    wire: bytes, item_id: str, field: str, tmp_path: Path
) -> None:
    good = [frame(item(name).SerializeToString()) for name in ("good", "better")]
    async with serving(tmp_path) as harness:
        results = await _raw_batch(harness.channel, good[0] + frame(wire) + good[1])
    assert outcome(results["good"]) == outcome(results["better"]) == "PASSED"
    failure = results[item_id].failure
    assert reason(results[item_id]) == "INVALID_ITEM"
    assert failure.field == field
    assert "text must be UTF-8" in failure.rule


async def test_an_item_that_is_no_message_only_spoils_itself(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        results = await _raw_batch(
            harness.channel, frame(item("good").SerializeToString()) + frame(b"\x0a\x03abc\x0a\x7f")
        )
    assert outcome(results["good"]) == "PASSED"
    assert reason(results["abc"]) == "INVALID_ITEM"


@pytest.mark.parametrize("method", ["VerifyBatch", "Verify", "VerifyStream"])
async def test_a_message_that_cannot_be_split_is_invalid_argument(method: str, tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        name = f"/basanite.v1.VerifierService/{method}"
        # On the wire all of them are streams.
        call: Any = harness.channel.stream_stream(name)(iter([b"\x0a\x7fabc"]))
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "not a valid" in await call.details()


async def test_a_single_item_with_invalid_utf8_gets_a_result(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        wire = frame(_code_item(b"a1", source=b"so\xffrce", stdin=b"STDIN"))
        answer = await harness.channel.unary_unary("/basanite.v1.VerifierService/Verify")(wire)
        result = verifier_pb2.VerifyResponse.FromString(answer).result
        assert (result.id, reason(result), result.failure.field) == ("a1", "INVALID_ITEM", "code.source")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await harness.stub.Verify(verifier_pb2.VerifyRequest())
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_batch_of_too_many_items_is_invalid_argument(tmp_path: Path) -> None:
    async with serving(tmp_path, max_batch_items=3, queue_items=10) as harness:
        assert len(await harness.batch(*(item(str(n)) for n in range(3)))) == 3
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await harness.batch(*(item(str(n)) for n in range(4)))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "at most 3" in (caught.value.details() or "")


async def test_limits_are_the_items_completed_by_the_defaults(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        await harness.verify(item("a", limits=Limits(cpu_seconds=2.5, processes=3)))
        await harness.verify(item("b", {"score": 0.5}))
    asked, default = EchoVerifier.limits_seen
    assert (asked.cpu_seconds, asked.processes) == (2.5, 3)
    assert asked.wall_seconds == EchoVerifier.default_limits.wall_seconds
    assert default == EchoVerifier.default_limits


async def test_usage_is_summed_over_the_cases(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        usage = (await harness.verify(item("a", {"cases": 4}))).usage
    assert (usage.cpu_seconds, usage.wall_seconds, usage.peak_memory_bytes) == (1.0, 2.0, 4000)
    assert 0 <= usage.queue_seconds < 5


async def test_a_sandbox_failure_is_tried_once_more(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        assert outcome(await harness.verify(item("a", {"raise": "sandbox", "times": 1}))) == "PASSED"
        assert len(EchoVerifier.runs) == 2
        failed = await harness.verify(item("b", {"raise": "sandbox"}))
        assert (reason(failed), failed.failure.message) == ("SANDBOX", "the cell is gone")
        assert len(EchoVerifier.runs) == 4


@pytest.mark.parametrize(
    "what",
    [
        "none",
        "no_outcome",
        "unknown_outcome",
        "not_run",
        "nan",
        "above_one",
        "negative",
        "full_score_failed",
        "passed_without_full_score",
        "passed_without_score",
        "scored_completed",
        "no_assurance",
        "guarded_by_nothing",
        "weightless_case",
        "failed_case",
        "case_not_run",
        "bad_usage",
        "bad_part",
    ],
)
async def test_a_verdict_that_breaks_the_contract_never_leaves(what: str, tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        assert reason(await harness.verify(item("a", {"verdict": what}))) == "INTERNAL"
        assert outcome(await harness.verify(item("b"))) == "PASSED"


async def test_less_assurance_than_required_is_invalid(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        for fields in ({}, {"require_assurance": result_pb2.ASSURANCE_SEPARATED}):
            # The second comes from the cache, and is refused all the same.
            refused = await harness.verify(item("a", {"guarded": True}, **fields))
            assert reason(refused) == "INVALID_ITEM"
            assert refused.failure.field == "require_assurance"
            assert "ASSURANCE_GUARDED" in refused.failure.rule
        accepted = await harness.verify(
            item("a", {"guarded": True}, require_assurance=result_pb2.ASSURANCE_GUARDED)
        )
        assert outcome(accepted) == "PASSED"
        assert list(accepted.verdict.guards) == ["a fence"]


async def test_captured_output_is_cut_to_what_a_message_can_carry(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        results = await harness.batch(item("a", {"cases": 100, "output": 65536}))
    cases = results["a"].verdict.cases
    assert results["a"].ByteSize() < 4 << 20
    assert [len(case.output.stdout) for case in cases[:40]] == [65536] * 40
    assert not cases[0].output.stdout_truncated
    assert cases[-1].output.stdout == b""
    assert cases[-1].output.stdout_truncated


async def test_64_mib_of_source_only_spoil_their_item(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        results = await harness.batch(item("good"), item("huge", {"source": "x" * (64 << 20)}))
    assert outcome(results["good"]) == "PASSED"
    assert reason(results["huge"]) == "INVALID_ITEM"
    assert "at most 8388608 bytes" in results["huge"].failure.rule


async def test_a_message_beyond_the_limit_is_resource_exhausted(tmp_path: Path) -> None:
    async with serving(tmp_path, max_message_bytes=1 << 16, max_item_bytes=1 << 16) as harness:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await harness.verify(item("a", {"source": "x" * (1 << 16)}))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
