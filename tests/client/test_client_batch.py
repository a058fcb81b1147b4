"""Batches: exactly one Result an item, in order, whatever the server does."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from building import CASES, item, numbered
from fake_server import FakeServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from basanite import (
    Assurance,
    AsyncClient,
    Client,
    Comparison,
    ExtensionTask,
    FailureReason,
    FunctionCase,
    FunctionTask,
    Item,
    Limits,
    Outcome,
    ProgramTask,
    StdioCase,
    StdioTask,
)

Serve = Callable[..., FakeServer]
FIRST = FailureReason.INVALID_ITEM


def test_one_item_gets_its_verdict(client: Client, server: FakeServer) -> None:
    result = client.verify(item("fail", "mine"))
    assert result.id == "mine"
    assert result.score == 0.5
    assert result.verdict is not None
    assert result.verdict.outcome is Outcome.FAILED
    assert result.verdict.assurance is Assurance.SEPARATED
    assert result.verdict.cases[0].output is not None
    assert result.verdict.cases[0].output.stdout == b"1\n"
    assert result.usage.cpu_seconds == 0.25
    assert result.digest == "d" * 64
    assert server.calls[-1] == ("Verify", 1)


def test_results_come_in_the_order_of_the_items(client: Client) -> None:
    items = [item("slow=0.05"), item("fail"), item("slow=0.02"), item("pass")]
    assert [(r.id, r.passed) for r in client.verify_batch(items)] == [
        ("item-0", True),
        ("item-1", False),
        ("item-2", True),
        ("item-3", True),
    ]


def test_no_items_give_no_results_and_need_no_server() -> None:
    with Client("unix:/nonexistent/socket") as client:
        assert client.verify_batch([]) == []


def test_items_may_be_given_by_a_generator(client: Client) -> None:
    assert all(r.passed for r in client.verify_batch(item() for _ in range(3)))


def test_what_is_no_item_is_a_type_error(client: Client, server: FakeServer) -> None:
    with pytest.raises(TypeError, match="Item"):
        client.verify_batch([item(), "print(1)"])  # type: ignore[list-item]
    assert server.calls == []


def test_identical_items_are_sent_once_and_each_gets_a_result(client: Client, server: FakeServer) -> None:
    results = client.verify_batch([item("fail", "a"), item("pass", "b"), item("fail", "c"), item("fail")])
    assert [(r.id, r.score) for r in results] == [("a", 0.5), ("b", 1.0), ("c", 0.5), ("item-3", 0.5)]
    assert server.ids == ["a", "b"]


@pytest.mark.parametrize(
    "change",
    [
        {"limits": Limits(cpu_seconds=1)},
        {"environment": "numpy"},
        {"require_assurance": Assurance.GUARDED},
        {"task": StdioTask("pass", CASES, "exact")},
    ],
)
def test_items_that_differ_in_anything_are_sent_each(
    client: Client, server: FakeServer, change: dict[str, Any]
) -> None:
    client.verify_batch([item(), dataclasses.replace(item(), **change)])
    assert len(server.ids) == 2


def test_identical_items_that_must_be_judged_anew_are_sent_each(client: Client, server: FakeServer) -> None:
    client.verify_batch([item(cache=False), item(cache=False), item()])
    assert len(server.ids) == 3


def test_all_items_that_share_an_id_are_refused_and_the_rest_is_judged(
    client: Client, server: FakeServer
) -> None:
    results = client.verify_batch([item("pass", "x"), item("pass", "y"), item("fail", "x")])
    assert [r.id for r in results] == ["x", "y", "x"]
    assert results[1].passed
    for refused in (results[0], results[2]):
        assert refused.failure is not None
        assert refused.failure.reason is FailureReason.INVALID_ITEM
        assert refused.failure.field == "id"
        assert "unique" in refused.failure.rule
    assert server.ids == ["y"]


def test_made_up_ids_give_way_to_given_ones(client: Client) -> None:
    results = client.verify_batch(
        [item("pass"), item("fail", "item-0"), item("pass", "item-2"), item("fail")]
    )
    assert len({r.id for r in results}) == 4
    assert [r.id for r in results][1:3] == ["item-0", "item-2"]
    assert [r.passed for r in results] == [True, False, True, False]


def stdio(**change: Any) -> Item:
    return Item(dataclasses.replace(StdioTask("pass", CASES), **change))


def case(**change: Any) -> Item:
    return stdio(cases=[CASES[0], dataclasses.replace(CASES[0], **change)])


@pytest.mark.parametrize("text", ["\ud800", "x" * (64 << 20), "é" * (1 << 19) + "x"])
def test_a_candidates_text_that_cannot_be_sent_is_rejected_and_never_masks_the_candidate(
    client: Client, server: FakeServer, text: str
) -> None:
    items = [item("pass"), stdio(source=text), Item(ProgramTask(text))]
    streamed = sorted(client.stream(items), key=lambda result: result.id)
    for passed, refused, unscored in (client.verify_batch(items), streamed):
        assert passed.passed
        assert refused.score == 0.0
        assert refused.verdict is not None
        assert refused.verdict.outcome is Outcome.REJECTED
        assert refused.verdict.diagnostics[0].message.startswith("the program must be")
        assert unscored.verdict is not None
        assert unscored.verdict.score is None
    assert client.verify(stdio(source=text)).score == 0.0


def call(**change: Any) -> Item:
    return Item(FunctionTask("pass", "f", [FunctionCase(**({"args": [1], "expected": 1} | change))]))


def deep(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (stdio(source=None), "code.source"),
        (stdio(language=1), "code.language"),
        (stdio(comparison="nonsense"), "code.stdio.comparison.policy"),
        (
            stdio(comparison=Comparison("tokens", absolute_tolerance="1")),
            "code.stdio.comparison.absolute_tolerance",
        ),
        (stdio(cases=None), "item"),
        (stdio(cases=["1"]), "code.stdio.cases[0]"),
        (case(weight=0), "code.stdio.cases[1].weight"),
        (case(weight=-1), "code.stdio.cases[1].weight"),
        (case(weight=10**6 + 1), "code.stdio.cases[1].weight"),
        (case(weight=1.5), "code.stdio.cases[1].weight"),
        (case(stdin="\udfff"), "code.stdio.cases[1].stdin"),
        (case(expected=5), "code.stdio.cases[1].expected"),
        (case(comparison="equal"), "code.stdio.cases[1].comparison.policy"),
        (call(args=[object()]), "code.function.cases[0].arguments"),
        (call(args="ab"), "code.function.cases[0].arguments"),
        (call(args=[deep(1000)]), "code.function.cases[0].arguments"),
        (call(expected=deep(2000)), "code.function.cases[0].expected"),
        (call(expected=10**200_000), "code.function.cases[0].expected"),
        (call(expected="x" * (5 << 20)), "code.function.cases[0].expected"),
        (call(kwargs={1: 2}), "code.function.cases[0].keyword_arguments"),
        (call(raises="ValueError"), "code.function.cases[0].raises"),
        (call(expected_args_after=[range(2)]), "code.function.cases[0].expected_arguments_after"),
        (Item(ProgramTask("1", arguments="-v")), "code.program.arguments"),
        (Item(ProgramTask("1", arguments=["a", 1])), "code.program.arguments[1]"),  # type: ignore[list-item]
        (Item(ExtensionTask("x", "text")), "extension.payload"),  # type: ignore[arg-type]
        (Item("print(1)"), "task"),  # type: ignore[arg-type]
        (item(limits=Limits(memory_bytes=1 << 70)), "limits.memory_bytes"),
        (item(limits=Limits(memory_bytes=1.5)), "limits.memory_bytes"),  # type: ignore[arg-type]
        (item(limits=Limits(cpu_seconds="1")), "limits.cpu_seconds"),  # type: ignore[arg-type]
        (item(limits=5), "item"),
        (item(environment="\ud800"), "environment"),
        (item(require_assurance="most"), "require_assurance"),
        (item(deadline_seconds=-1), "deadline_seconds"),
        (item(deadline_seconds=float("nan")), "deadline_seconds"),
        (item(item_id="x" * 257), "id"),
        (item(item_id="\ud800"), "id"),
        (item(item_id=["x"]), "id"),  # type: ignore[arg-type]
        (item(item_id=[]), "id"),  # type: ignore[arg-type]
        (item(environment=Mock(spec=str)), "environment"),
        (item(deadline_seconds=Mock(spec=float)), "deadline_seconds"),
    ],
)
def test_a_bad_item_gets_a_failure_that_names_field_and_rule_and_the_rest_is_judged(
    client: Client, server: FakeServer, bad: Item, field: str
) -> None:
    before, refused, after = client.verify_batch([item("pass", "before"), bad, item("fail", "after")])
    assert before.passed
    assert after.score == 0.5
    assert refused.failure is not None
    assert refused.failure.reason is FailureReason.INVALID_ITEM
    assert refused.failure.field == field
    assert refused.failure.rule
    assert not refused.failure.retryable
    assert server.ids == ["before", "after"]


def test_an_item_larger_than_the_server_takes_is_not_sent(serve: Serve) -> None:
    server = serve(max_item_bytes=10_000)
    large = Item(StdioTask("pass", [StdioCase("x" * 10_000, "1")]))
    with Client(server.address) as client:
        refused, small = client.verify_batch([large, item()])
        [streamed] = client.stream([large])
        assert client.verify(large).failure == refused.failure == streamed.failure
    assert small.passed
    assert refused.failure is not None
    assert refused.failure.reason is FailureReason.INVALID_ITEM
    assert (refused.failure.field, refused.failure.rule) == ("item", "must be at most 10000 bytes")
    assert len(server.ids) == 1


def test_batches_are_split_by_the_number_that_the_server_takes(serve: Serve) -> None:
    server = serve(max_batch_items=7)
    with Client(server.address) as client:
        assert all(r.passed for r in client.verify_batch(numbered(50)))
    assert sum(items for _, items in server.calls) == 50
    assert max(items for _, items in server.calls) == 7


def test_batches_are_split_by_bytes(serve: Serve) -> None:
    server = serve(max_message_bytes=100_000)
    items = [Item(StdioTask("pass", [StdioCase("x" * 30_000, str(n))])) for n in range(20)]
    with Client(server.address) as client:
        assert all(r.passed for r in client.verify_batch(items))
    assert max(items for _, items in server.calls) == 3


def test_no_more_is_in_flight_than_the_servers_queue_holds(serve: Serve) -> None:
    server = serve(max_queued_items=16)
    with Client(server.address) as client:
        assert all(r.passed for r in client.verify_batch(numbered(100, "slow=0.005")))
    assert server.most_in_flight <= 16
    assert len([1 for method, _ in server.calls if method != "Describe"]) > 6
    assert sorted(server.ids) == sorted({f"n{n}" for n in range(100)})  # none refused, none sent twice


def test_concurrent_batches_share_the_servers_queue(serve: Serve) -> None:
    server = serve(max_queued_items=10)

    async def main() -> None:
        async with AsyncClient(server.address) as client:
            batches = [client.verify_batch(numbered(25, "slow=0.005")) for _ in range(4)]
            for results in await asyncio.gather(*batches):
                assert all(r.passed for r in results)

    asyncio.run(main())
    assert server.most_in_flight <= 10
    assert len(server.ids) == 100


def test_a_batch_that_is_full_elsewhere_is_sent_in_smaller_parts(serve: Serve) -> None:
    server = serve(max_queued_items=40)
    server.in_flight = 30  # another caller's
    with Client(server.address) as client:
        assert all(r.passed for r in client.verify_batch(numbered(40)))
    assert len(server.ids) == 40


def test_results_that_come_twice_or_from_nowhere_have_no_effect(client: Client) -> None:
    results = client.verify_batch([item("twice", "a"), item("stranger", "b"), item("fail", "c")])
    assert [(r.id, r.score) for r in results] == [("a", 1.0), ("b", 1.0), ("c", 0.5)]


def test_an_item_that_the_server_never_answers_becomes_a_failure(client: Client, server: FakeServer) -> None:
    lost, found = client.verify_batch([item("lost", "a"), item("pass", "b")])
    assert found.passed
    assert lost.failure is not None
    assert lost.failure.reason is FailureReason.INTERNAL
    assert "without a result" in lost.failure.message
    assert server.runs == {"a": 3, "b": 1}
    alone = client.verify(item("lost", "c"))
    assert alone.failure is not None
    assert alone.failure.reason is FailureReason.INTERNAL


def test_an_item_that_is_answered_in_the_end_has_its_verdict(client: Client) -> None:
    assert client.verify(item("lost lost pass")).passed


@pytest.mark.parametrize("script", ["unknown", "empty", "nan"])
def test_what_is_not_understood_becomes_a_failure_and_no_reward(client: Client, script: str) -> None:
    strange, known = client.verify_batch([item(script), item("pass")])
    assert known.passed
    assert strange.failure is not None
    assert strange.failure.reason is FailureReason.INTERNAL
    assert not strange.failure.retryable
    assert "not understood" in strange.failure.message


def test_a_run_that_nobody_judged_has_a_verdict_without_score(client: Client) -> None:
    result = client.verify(item("completed"))
    assert result.verdict is not None
    assert result.verdict.outcome is Outcome.COMPLETED
    assert result.verdict.score is None


def test_less_assurance_than_required_is_a_failure(client: Client, server: FakeServer) -> None:
    refused = client.verify(item("guarded"))
    assert refused.failure is not None
    assert refused.failure.reason is FailureReason.INVALID_ITEM
    assert refused.failure.field == "require_assurance"
    assert server.items[-1].require_assurance == 2


def test_less_assurance_is_accepted_per_item_call_or_client(server: FakeServer) -> None:
    guarded = Assurance.GUARDED
    with Client(server.address) as client:
        assert client.verify(item("guarded", require_assurance=guarded)).passed
        assert server.items[-1].require_assurance == 1
        assert client.verify(item("guarded"), require_assurance=guarded).passed
        assert all(r.passed for r in client.stream([item("guarded")], require_assurance=guarded))
        [strict] = client.verify_batch(
            [item("guarded", require_assurance=Assurance.SEPARATED)], require_assurance=guarded
        )
        assert strict.failure is not None
    with Client(server.address, require_assurance=guarded) as client:
        assert client.verify(item("guarded")).passed
        with pytest.raises(TypeError):
            client.verify(item(), require_assurance="guarded")  # type: ignore[arg-type]


def test_progress_is_told_and_ends_with_all(client: Client) -> None:
    told: list[tuple[int, int]] = []
    items = [*numbered(200), item("\ud800"), item("slow=0.02")]
    client.verify_batch(items, on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (202, 202)
    assert all(total == 202 for _, total in told)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert len(told) > 1


def test_an_error_in_the_progress_callback_ends_the_call(client: Client, server: FakeServer) -> None:
    def fail(done: int, total: int) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        client.verify_batch([item(), item("hang")], on_progress=fail)
    assert server.cancelled.wait(5)


scripts = st.sampled_from(
    [
        "pass",
        "fail",
        "sandbox pass",
        "invalid",
        "twice",
        "stranger",
        "lost fail",
        "unknown",
        "guarded",
        "\ud800",
    ]
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(st.tuples(scripts, st.sampled_from(["", "a", "b", "c", "d"])), max_size=12))
def test_whatever_happens_there_is_one_result_per_item_in_order(
    server: FakeServer, client: Client, batch: list[tuple[str, str]]
) -> None:
    server.runs.clear()
    results = client.verify_batch([item(script, item_id) for script, item_id in batch])
    assert len(results) == len(batch)
    given_ids = [item_id for _, item_id in batch]
    for result, (script, item_id) in zip(results, batch, strict=True):
        assert (result.verdict is None) != (result.failure is None)
        assert not item_id or result.id == item_id
        if script in ("pass", "twice", "stranger") and given_ids.count(item_id) <= (1 if item_id else 99):
            assert result.passed
