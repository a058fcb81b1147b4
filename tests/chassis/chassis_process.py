"""A server process without sandboxes, for tests of signals and exit codes."""

import asyncio
import os
import sys

from chassis_fakes import EchoVerifier, FakePool, Gate

from basanite_services.chassis.main import run
from basanite_services.chassis.settings import Settings


class Gates(dict[str, Gate]):
    """Any name is a gate: "slow" opens by itself after half a second, others never."""

    def __missing__(self, name: str) -> Gate:
        gate = self[name] = Gate()
        if name == "slow":
            asyncio.get_running_loop().call_later(0.5, gate.release.set)
        return gate


EchoVerifier.gates = Gates()


def make_pool(settings: Settings) -> FakePool:
    # What a cell would inherit.
    assert not {"BASANITE_TOKEN", "BASANITE_SEED_SECRET"} & set(os.environ)
    return FakePool(settings.cells)


if __name__ == "__main__":
    sys.exit(run([EchoVerifier], sys.argv[1:], make_pool=make_pool))
