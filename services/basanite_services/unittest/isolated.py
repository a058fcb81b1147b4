"""Mode `isolated`: the tests run in a trusted process, the candidate's files in another sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from basanite_sandboxes.spec import Limits, Sandbox
from basanite_services.unittest.report import SuiteReport
from basanite_services.unittest.running import Suite


async def run_isolated(
    sandbox: Sandbox,
    suite: Suite,
    limits: Limits,
    *,
    files: Mapping[str, bytes],
    tests: Mapping[str, bytes],
    classes: Sequence[str],
    reference: Mapping[str, bytes] | None,
) -> SuiteReport:
    raise NotImplementedError
