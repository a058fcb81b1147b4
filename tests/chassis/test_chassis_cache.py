"""What is kept, what is not, and what a digest depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from chassis_fakes import EchoVerifier, FakePool, item, outcome, reason, serving

from basanite.v1 import result_pb2, verifier_pb2
from basanite_sandboxes.spec import Environment, Isolation, Limits
from basanite_services.chassis.cache import Entry, VerdictCache
from basanite_services.chassis.check import CheckedItem
from basanite_services.chassis.digest import Digester
from basanite_services.chassis.served import Served, serve

BYPASS = verifier_pb2.CACHE_POLICY_BYPASS


async def test_an_identical_item_is_answered_from_the_cache(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        first = await harness.verify(item("a", {"score": 0.5}))
        second = await harness.verify(item("other id", {"score": 0.5}))
        assert len(EchoVerifier.runs) == 1
    assert (first.cached, second.cached) == (False, True)
    assert second.id == "other id"
    assert second.digest == first.digest
    assert len(first.digest) == 64
    assert second.verdict == first.verdict
    assert second.usage == first.usage
    assert second.environment_digest == first.environment_digest != ""


@pytest.mark.parametrize(
    ("order", "fields"),
    [
        ({"near_limit": True}, {}),
        ({"completed": True}, {}),
        ({}, {"cache_policy": BYPASS}),
        ({"raise": "sandbox"}, {}),
        ({"raise": "task_fault"}, {}),
    ],
)
async def test_what_may_come_out_otherwise_is_never_cached(
    order: dict[str, Any], fields: dict[str, Any], tmp_path: Path
) -> None:
    async with serving(tmp_path) as harness:
        results = [await harness.verify(item("a", order, **fields)) for _ in range(2)]
        assert len(EchoVerifier.runs) >= 2
    assert not any(result.cached for result in results)


async def test_a_run_near_its_limit_marks_the_verdict_whatever_the_verifier_says(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        marks = [
            (await harness.verify(item("a", {"near_limit": near}))).verdict.near_limit
            for near in (True, False)
        ]
    assert marks == [True, False]


async def test_bypass_neither_reads_nor_writes_the_cache(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        await harness.verify(item("a", cache_policy=BYPASS))
        assert not (await harness.verify(item("a"))).cached
        assert not (await harness.verify(item("a", cache_policy=BYPASS))).cached
        assert (await harness.verify(item("a"))).cached
        assert len(EchoVerifier.runs) == 3


async def test_the_cache_can_be_off(tmp_path: Path) -> None:
    async with serving(tmp_path, cache_bytes=0) as harness:
        results = [await harness.verify(item("a")) for _ in range(2)]
    assert not any(result.cached for result in results)


async def test_other_limits_are_another_item(tmp_path: Path) -> None:
    async with serving(tmp_path) as harness:
        default = await harness.verify(item("a"))
        other = await harness.verify(item("a", limits=verifier_pb2.Limits(cpu_seconds=3)))
        same = await harness.verify(item("a", limits=verifier_pb2.Limits(cpu_seconds=10)))
    assert not other.cached
    assert other.digest != default.digest
    # 10 s is the default: spelled out, it is the same item.
    assert same.cached


def test_the_least_recently_used_verdict_goes_first() -> None:
    cache = VerdictCache(3 * 500)
    for name in "abc":
        cache.put(name, Entry(b"x" * 100, "PASSED", result_pb2.ASSURANCE_SEPARATED))
    assert cache.get("a") is not None
    cache.put("d", Entry(b"x" * 100, "PASSED", result_pb2.ASSURANCE_SEPARATED))
    assert [cache.get(name) is not None for name in "abcd"] == [True, False, True, True]
    cache.put("large", Entry(b"x" * 2000, "PASSED", result_pb2.ASSURANCE_SEPARATED))
    assert cache.get("large") is None
    for _ in range(10):
        cache.put("a", Entry(b"x" * 900, "PASSED", result_pb2.ASSURANCE_SEPARATED))
    assert cache.used_bytes <= 1500
    assert len(cache) == 1


class _Other(EchoVerifier):
    kind: ClassVar[str] = "test.example/other"


_FULL = Isolation("process", "full", ("pid",), True, "cgroup-v2", "cgroup-v2")


def _checked(**changes: Any) -> CheckedItem:
    given: dict[str, Any] = {
        "served": serve(EchoVerifier(), FakePool()),
        "task": item("a").extension,
        "limits": Limits(),
        "environment": Environment(digest="e"),
        "require_assurance": result_pb2.ASSURANCE_SEPARATED,
        "use_cache": True,
    }
    return CheckedItem(**{**given, **changes})


@pytest.mark.parametrize(
    ("changes", "isolation"),
    [
        ({"served": serve(_Other(), FakePool())}, _FULL),
        ({"served": Served(EchoVerifier(), (("echo", "1.1"),))}, _FULL),
        ({"served": Served(EchoVerifier(), (("echo1", ".0"),))}, _FULL),
        ({"task": item("a", {"score": 0}).extension}, _FULL),
        ({"limits": Limits(cpu_seconds=10.000001)}, _FULL),
        ({"limits": Limits(output_bytes=1)}, _FULL),
        ({"environment": Environment(name="x", digest="f")}, _FULL),
        ({}, Isolation("process", "reduced", ("pid",), True, "cgroup-v2", "cgroup-v2")),
        ({}, Isolation("gvisor", "full", ("pid",), True, "cgroup-v2", "cgroup-v2")),
        ({}, Isolation("process", "full", ("pid",), True, "rlimit", "cgroup-v2")),
    ],
)
def test_the_digest_depends_on_all_that_decides_a_verdict(
    changes: dict[str, Any], isolation: Isolation
) -> None:
    assert Digester(isolation, "s").digest(_checked(**changes)) != Digester(_FULL, "s").digest(_checked())


def test_the_digest_depends_on_nothing_else() -> None:
    digester = Digester(_FULL, "s")
    one = _checked()
    other = _checked(
        environment=Environment(name="other name", digest="e"),
        require_assurance=result_pb2.ASSURANCE_GUARDED,
        use_cache=False,
    )
    assert digester.digest(one) == digester.digest(one) == digester.digest(other)


def test_the_digest_changes_with_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Digester(_FULL, "s").digest(_checked())
    monkeypatch.setattr("basanite_services.chassis.digest.SERVER_VERSION", "another")
    assert Digester(_FULL, "s").digest(_checked()) != before


async def test_an_environment_is_named_by_its_directory_and_resolved_to_a_digest(tmp_path: Path) -> None:
    numpy = tmp_path / "environments" / "numpy"
    (numpy / "numpy-2.1.3.dist-info").mkdir(parents=True)
    (numpy / "numpy-2.1.3.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: numpy\nVersion: 2.1.3\n"
    )
    (numpy / "numpy.py").write_text("pi = 3\n")
    (numpy / "preload.txt").write_text("numpy  # warm\n")
    async with serving(tmp_path, environments_dir=tmp_path / "environments") as harness:
        default = await harness.verify(item("a"))
        named = await harness.verify(item("a", environment="numpy"))
        unknown = await harness.verify(item("a", environment="torch"))
        described = await harness.stub.Describe(verifier_pb2.DescribeRequest())
    assert outcome(named) == "PASSED"
    assert not named.cached
    assert named.environment_digest != default.environment_digest
    assert reason(unknown) == "INVALID_ITEM"
    assert "'', 'numpy'" in unknown.failure.rule
    environments = {one.name: one for one in described.verifiers[0].environments}
    assert list(environments["numpy"].packages) == ["numpy 2.1.3"]
    assert environments["numpy"].digest == named.environment_digest
