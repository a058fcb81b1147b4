"""Seeds: the same for every candidate of a task, unlike for others, and known to nobody outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from chassis_fakes import ECHO, EchoVerifier, FakePool, item, outcome, serving

from basanite.v1 import tasks_pb2, verifier_pb2
from basanite.v1.result_pb2 import Verdict
from basanite_sandboxes.spec import Environment, Isolation, Limits
from basanite_services.chassis.check import CheckedItem
from basanite_services.chassis.digest import Digester
from basanite_services.chassis.seeds import Seeds
from basanite_services.chassis.served import serve
from basanite_services.chassis.verifier import Context

SECRET = "seed-secret-seed-secret"


class Sower(EchoVerifier):
    """Takes the order's length for the trusted part of a task."""

    seeded = True
    seeds: ClassVar[list[bytes]] = []

    async def verify(self, task: tasks_pb2.ExtensionTask, context: Context) -> Verdict:
        self.seeds.append(context.seed(b"%d" % len(task.payload)))
        return await super().verify(task, context)


async def seeds_of(tmp_path: Path, *orders: dict[str, Any], **settings: Any) -> list[bytes]:
    """The seeds that a server gave to items with these orders, and that nothing it said or logged holds them."""
    Sower.seeds.clear()
    async with serving(tmp_path, verifiers=[Sower], **settings) as harness:
        Sower.seeds.clear()
        said = []
        for number, order in enumerate(orders):
            results = await harness.batch(item(str(number), order, cache_policy="CACHE_POLICY_BYPASS"))
            assert outcome(results[str(number)]) == "PASSED"
            said.append(results[str(number)].SerializeToString())
        described = await harness.stub.Describe(verifier_pb2.DescribeRequest())
    told = b"".join([*said, described.SerializeToString()])
    for seed in Sower.seeds:
        assert len(seed) == 32
        assert seed not in told
        assert seed.hex().encode() not in told
    return list(Sower.seeds)


async def test_a_seed_follows_from_the_trusted_part_of_a_task(tmp_path: Path) -> None:
    one, other, longer = await seeds_of(tmp_path, {"wonder": "a"}, {"wonder": "b"}, {"wonder": "long"})
    assert one == other != longer


async def test_servers_that_share_the_secret_give_the_same_seeds(tmp_path: Path) -> None:
    (one,) = await seeds_of(tmp_path, {}, seed_secret=SECRET)
    (replica,) = await seeds_of(tmp_path, {}, seed_secret=SECRET)
    (stranger,) = await seeds_of(tmp_path, {}, seed_secret=SECRET + "2")
    (careless,) = await seeds_of(tmp_path, {})
    (forgetful,) = await seeds_of(tmp_path, {})
    assert one == replica
    assert len({one, stranger, careless, forgetful}) == 4


def test_kinds_have_seeds_of_their_own() -> None:
    seeds = Seeds(SECRET)
    assert seeds.seed("a", b"bc") != seeds.seed("ab", b"c")


def test_the_fingerprint_tells_secrets_apart_and_is_no_seed() -> None:
    assert Seeds(SECRET).fingerprint == Seeds(SECRET).fingerprint != Seeds(SECRET + "2").fingerprint
    assert Seeds().fingerprint != Seeds().fingerprint
    assert SECRET not in Seeds(SECRET).fingerprint


def test_the_digest_of_a_kind_that_uses_seeds_depends_on_the_secret() -> None:
    isolation = Isolation("process", "full", (), True, "cgroup-v2", "cgroup-v2")

    def digest(verifier: EchoVerifier, fingerprint: str) -> str:
        served = serve(verifier, FakePool())
        task = item("a").extension
        checked = CheckedItem(served, task, Limits(), Environment(), 2, True)
        return Digester(isolation, fingerprint).digest(checked)

    assert digest(Sower(), "one") != digest(Sower(), "other")
    assert digest(EchoVerifier(), "one") == digest(EchoVerifier(), "other")
    assert Sower.kind == ECHO
