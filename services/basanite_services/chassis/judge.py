"""One item from check to answer: cache, flight, verifier, guard, digest, usage, and what each exception means."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from basanite.v1 import result_pb2
from basanite.v1.result_pb2 import Failure, Result, Verdict
from basanite_sandboxes.spec import Environment, Sandbox, SandboxError, SandboxPool
from basanite_services.chassis import failures
from basanite_services.chassis.cache import Entry, VerdictCache
from basanite_services.chassis.check import CheckedItem, UnsupportedKind, check_item
from basanite_services.chassis.digest import Digester
from basanite_services.chassis.flights import Assurance, Flights
from basanite_services.chassis.guard import fit_outputs, flaw, sum_usage
from basanite_services.chassis.logs import Logger, RateLimit, where
from basanite_services.chassis.metrics import Metrics
from basanite_services.chassis.scheduler import Answer, Job, refusal
from basanite_services.chassis.seeds import Seeds
from basanite_services.chassis.served import Served
from basanite_services.chassis.snapshots import SnapshotStore
from basanite_services.chassis.verifier import Context, InvalidItem, Overloaded, TaskFault, ToolchainError
from basanite_services.chassis.wire import frame

# Result.cached = true on the wire: field 5, varint 1.
_CACHED = b"\x28\x01"
# gRPC clients refuse messages over 4 MiB unless told otherwise.
_MAX_OUTPUT_BYTES = 3 << 20
_NOT_ASSURED = failures.invalid(
    "require_assurance",
    "must be ASSURANCE_GUARDED for this item: it can be judged only with candidate and judge in "
    "one process or simulation",
)
_OUTCOMES = {value: name.removeprefix("OUTCOME_") for name, value in result_pb2.Outcome.items()}


class _Failed(Exception):
    def __init__(self, failure: Failure) -> None:
        self.failure = failure


class Judge:
    """Judges jobs. `served` and `broken` change during the self test at start, and never after."""

    def __init__(
        self,
        *,
        pool: SandboxPool,
        environments: Mapping[str, Environment],
        max_item_bytes: int,
        cache: VerdictCache,
        metrics: Metrics,
        seeds: Seeds,
        snapshots: SnapshotStore | None = None,
        log: Logger,
        log_items: bool = False,
    ) -> None:
        self.served: dict[str, Served] = {}
        self.broken: dict[str, str] = {}
        """Kinds whose self test failed, and what to say about them."""
        self._pool = pool
        self._environments = environments
        self._max_item_bytes = max_item_bytes
        self._cache = cache
        self._seeds = seeds
        self._snapshots = snapshots
        self._flights = Flights()
        self._digester = Digester(pool.isolation, seeds.fingerprint)
        self.metrics = metrics
        self._log = log
        self._warnings = RateLimit()
        self._log_items = log_items

    async def __call__(self, job: Job) -> Answer | None:
        """The answer to a job; None if that is the business of a flight (flights.py)."""
        assert job.item is not None
        kind = job.item.kind if job.item.kind in self.served else "other"
        try:
            item = self._check(job)
        except _Failed as failed:
            return self._refuse(job, kind, failed.failure)
        digest = self._digester.digest(item)
        required = item.require_assurance
        if not item.use_cache:
            return self._answer(job, kind, required, await self._find(item, digest, job), cached=False)
        if (entry := self._cache.get(digest)) is not None:
            return self._answer(job, kind, required, entry, cached=True)
        if self._flights.join(digest, job, required):
            return None

        flight = self._flights.begin(digest, job, required)
        try:
            found = await self._find(item, digest, job)
        finally:
            self._flights.end(digest, flight)
        for waiting, required in flight.jobs.items():
            waiting.call.answered(
                waiting, self._answer(waiting, kind, required, found, cached=waiting is not job)
            )
        flight.jobs.clear()
        return None

    def _answer(
        self, job: Job, kind: str, required: Assurance, found: Entry | Failure, *, cached: bool
    ) -> Answer:
        """What was found out about a job's item, as this job's caller gets it."""
        if isinstance(found, Failure):
            return self._refuse(job, kind, found)
        if found.assurance < required:
            return self._refuse(job, kind, _NOT_ASSURED)
        self.metrics.verdict(kind, found.outcome, cached=cached)
        head = frame(job.id.encode()) + _CACHED if cached else frame(job.id.encode())
        return self._log_item(job, kind, Answer(head, found.body, found.outcome))

    def _refuse(self, job: Job, kind: str, failure: Failure) -> Answer:
        answer = refusal(job.id, failure)
        self.metrics.failure(kind, answer.outcome)
        self._warn(job.id, kind, failure)
        return self._log_item(job, kind, answer)

    def _log_item(self, job: Job, kind: str, answer: Answer) -> Answer:
        if self._log_items:
            self._log.debug("item", item=job.id, kind=kind, outcome=answer.outcome)
        return answer

    async def _find(self, item: CheckedItem, digest: str, job: Job) -> Entry | Failure:
        """Judge an item. Raises only asyncio.CancelledError."""
        try:
            return await self._judge(item, digest, job)
        except _Failed as failed:
            return failed.failure
        except Exception as error:
            return self._internal(item, job.id, type(error).__name__, error).failure

    async def _judge(self, item: CheckedItem, digest: str, job: Job) -> Entry:
        try:
            verdict, lender = await self._verify(item, job.id)
        except _Failed as failed:
            if failed.failure.reason != Failure.REASON_SANDBOX:
                raise
            # A sandbox that broke says nothing about the item: another one may well judge it.
            self._log.warning("sandbox failed, trying again", item=job.id, error=failed.failure.message)
            verdict, lender = await self._verify(item, job.id)

        if (broken_rule := flaw(verdict)) is not None:
            raise self._internal(item, job.id, f"the verifier broke a rule of the contract: {broken_rule}")
        verdict.near_limit |= lender.near_limit
        queue_seconds = max(0.0, lender.started - job.arrived)
        try:
            usage = sum_usage(verdict.cases, queue_seconds)
        except ValueError as error:
            raise self._internal(item, job.id, str(error)) from None
        self.metrics.timing(item.served.kind, queue_seconds, time.monotonic() - lender.started)
        fit_outputs(verdict, _MAX_OUTPUT_BYTES)
        body = Result(
            verdict=verdict, usage=usage, digest=digest, environment_digest=item.environment.digest
        ).SerializeToString()
        entry = Entry(body, _OUTCOMES[verdict.outcome], verdict.assurance)
        # A run that came close to its limit may end otherwise next time; one without a score judged nothing.
        if item.use_cache and not verdict.near_limit and verdict.HasField("score"):
            self._cache.put(digest, entry)
        return entry

    def _check(self, job: Job) -> CheckedItem:
        assert job.item is not None
        try:
            return check_item(job.item, self.served, self._environments, self._max_item_bytes)
        except InvalidItem as error:
            raise _Failed(failures.invalid(error.field, error.rule)) from None
        except UnsupportedKind as error:
            why = self.broken.get(job.item.kind)
            if why is not None:
                raise _Failed(failures.failure(Failure.REASON_TOOLCHAIN, why)) from None
            raise _Failed(failures.failure(Failure.REASON_UNSUPPORTED_KIND, str(error))) from None

    async def _verify(self, item: CheckedItem, item_id: str) -> tuple[Verdict, _Lender]:
        lender = _Lender(self._pool)
        context = Context(
            item.limits,
            item.environment,
            lender,
            functools.partial(self._seeds.seed, item.served.kind),
            self._snapshots,
        )
        try:
            verdict = await item.served.verifier.verify(item.task, context)
        except InvalidItem as error:
            raise _Failed(failures.invalid(error.field, error.rule)) from None
        except TaskFault as error:
            raise _Failed(
                failures.failure(Failure.REASON_TASK_FAULT, str(error), field=error.field)
            ) from None
        except ToolchainError as error:
            raise _Failed(failures.failure(Failure.REASON_TOOLCHAIN, str(error))) from None
        except Overloaded as error:
            message = str(error) or "the machine was too busy to judge this item: try again"
            raise _Failed(failures.failure(Failure.REASON_OVERLOADED, message)) from None
        except SandboxError as error:
            message = str(error) or "the sandbox failed"
            raise _Failed(failures.failure(Failure.REASON_SANDBOX, message)) from None
        if not isinstance(verdict, Verdict):
            raise self._internal(item, item_id, "the verifier did not return a Verdict")
        return verdict, lender

    def _internal(
        self, item: CheckedItem, item_id: str, what: str, error: BaseException | None = None
    ) -> _Failed:
        trace = where(error) if error is not None else None
        self._log.error("internal error", item=item_id, kind=item.served.kind, what=what, trace=trace)
        return _Failed(
            failures.failure(
                Failure.REASON_INTERNAL,
                f"internal error in the {item.served.kind!r} verifier ({what}); see its log",
            )
        )

    def _warn(self, item_id: str, kind: str, failure: Failure) -> None:
        # A thousand broken items make twenty lines and a count.
        if self._warnings.passes():
            self._log.warning(
                "item failed",
                item=item_id,
                kind=kind,
                reason=failures.reason_name(failure.reason),
                field=failure.field,
                held_back=self._warnings.take_held_back(),
            )


class _Lender:
    """Lends the pool's sandboxes to one item; notes when it got the first, and whether a limit was near."""

    def __init__(self, pool: SandboxPool) -> None:
        self._pool = pool
        # For a verifier that needs no sandbox, the start is now.
        self.started = time.monotonic()
        self._waiting = True
        self.near_limit = False

    def __call__(self, environment: Environment) -> AbstractAsyncContextManager[Sandbox]:
        return _Loan(self, self._pool.sandbox(environment))

    def lent(self) -> None:
        if self._waiting:
            self._waiting = False
            self.started = time.monotonic()

    def given_back(self, sandbox: Sandbox) -> None:
        self.near_limit |= sandbox.near_limit


class _Loan(AbstractAsyncContextManager[Sandbox]):
    def __init__(self, lender: _Lender, loan: AbstractAsyncContextManager[Sandbox]) -> None:
        self._lender = lender
        self._loan = loan

    async def __aenter__(self) -> Sandbox:
        self._sandbox = await self._loan.__aenter__()
        self._lender.lent()
        return self._sandbox

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        self._lender.given_back(self._sandbox)
        return await self._loan.__aexit__(kind, error, trace)
