"""The server: puts the parts together, and its life from start by self test to drain."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from basanite.v1 import blob_pb2, blob_pb2_grpc, verifier_pb2
from basanite.v1.result_pb2 import Result
from basanite_sandboxes.spec import SandboxError, SandboxPool
from basanite_services.chassis.address import Address, AddressError, prepare_socket, private_files
from basanite_services.chassis.admission import Admission
from basanite_services.chassis.auth import TokenInterceptor, decide_access
from basanite_services.chassis.blobs import BlobService, BlobStore
from basanite_services.chassis.cache import VerdictCache
from basanite_services.chassis.describe import describe
from basanite_services.chassis.environments import load_environments
from basanite_services.chassis.judge import Judge
from basanite_services.chassis.logs import Logger, where
from basanite_services.chassis.metrics import Endpoint, Metrics
from basanite_services.chassis.scheduler import Job, Scheduler
from basanite_services.chassis.seeds import Seeds
from basanite_services.chassis.selftest import SelfTestError, self_test
from basanite_services.chassis.served import serve
from basanite_services.chassis.service import NAME, State, VerifierService
from basanite_services.chassis.settings import Settings
from basanite_services.chassis.snapshots import SnapshotStore
from basanite_services.chassis.verifier import ToolchainError, Verifier

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
# How long cancelled runs may take to be gone, and results on their way to be written, at the end of a drain.
_LAST_SECONDS = 2.0


class NoVerifierWorks(Exception):
    """Nothing can be served here; the log says why for each verifier."""


class Server:
    """One server. `start`, then `drain`; each once.

    `start` raises AddressError, AccessError, BadEnvironment, SandboxError or NoVerifierWorks, after which
    nothing is left running.
    """

    def __init__(
        self,
        settings: Settings,
        verifiers: Sequence[type[Verifier[Any]]],
        pool: SandboxPool,
        log: Logger,
    ) -> None:
        self.address = settings.address
        """Where it listens; with the real port once started."""
        self.metrics = Metrics()
        self.metrics_address: Address | None = None
        self.token_path: Path | None = None
        """File that a generated token was written to."""
        self._settings = settings
        self._verifiers = verifiers
        self._pool = pool
        self._log = log
        self._access = decide_access(settings)
        self._admission = Admission(settings.queue_items)
        self._hurry = asyncio.Event()
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]
        self._endpoint: Endpoint | None = None
        self._grpc: grpc.aio.Server | None = None
        self._service: VerifierService | None = None
        self._scheduler: Scheduler | None = None
        self._socket_inode: int | None = None

    async def start(self) -> None:
        """Bind, make the sandboxes ready, run the self tests, serve."""
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise

    async def drain(self) -> None:
        """Let admitted items finish for drain_seconds, answer the rest with CANCELLED, then stop.

        Every item that was read is answered before its call ends.
        """
        self._log.info("draining", items=self._admission.used, seconds=self._settings.drain_seconds)
        if self._service is not None and self._scheduler is not None:
            await self._set_health(_NOT_SERVING)
            # Streams first: their readers answer what they have read, and want to know that it is the drain.
            self._service.drain()
            self._admission.close()
            if not await self._delivered(self._settings.drain_seconds, or_hurry=True):
                self._scheduler.cancel_all()
                await self._scheduler.wait_tasks(_LAST_SECONDS)
                await self._delivered(_LAST_SECONDS)
        await self._stop()
        self._log.info("stopped")

    def hurry(self) -> None:
        """Cut a drain short: what still runs is cancelled now."""
        self._hurry.set()

    async def _start(self) -> None:
        settings = self._settings
        environments = load_environments(settings.environments_dir)
        interceptors = [] if self._access.token is None else [TokenInterceptor(self._access.token)]
        server = self._grpc = grpc.aio.server(interceptors=interceptors, options=_options(settings))
        self._bind(server)
        await self._pool.start()
        blobs = BlobStore(settings.blob_dir, settings.blob_quota_bytes, settings.blob_expiry_seconds)
        snapshots = SnapshotStore(
            settings.snapshot_dir,
            blobs,
            quota_bytes=settings.snapshot_quota_bytes,
            max_bytes=settings.snapshot_max_bytes,
            expiry_seconds=settings.blob_expiry_seconds,
        )
        snapshots.owner = self._pool.tree_owner

        secret = settings.seed_secret
        seeds = Seeds(secret.get_secret_value() if secret is not None else None)
        judge = Judge(
            pool=self._pool,
            environments=environments,
            max_item_bytes=settings.max_item_bytes,
            cache=VerdictCache(settings.cache_bytes),
            # The self tests' own: nobody asked for those items.
            metrics=Metrics(),
            seeds=seeds,
            snapshots=snapshots,
            log=self._log,
            log_items=settings.log_level == "debug",
        )
        # Twice as many as cells: the next item is checked and waits for its cell when one becomes free.
        scheduler = self._scheduler = Scheduler(judge, self._admission, max_in_flight=2 * self._pool.size)
        service = self._service = VerifierService(
            scheduler, self._admission, settings.max_batch_items, self._log
        )
        self._add_services(server, service, blobs)
        self._watch()
        await self._set_health(_NOT_SERVING)
        await server.start()
        self.token_path = self._access.write(self.address)
        await self._test(judge, scheduler)
        judge.metrics = self.metrics
        service.description = describe(
            settings, judge.served.values(), environments, self._pool.isolation, seeds.fingerprint
        ).SerializeToString()
        service.state = State.SERVING
        await self._set_health(_SERVING)
        self._log.info(
            "serving",
            address=str(self.address),
            kinds=sorted(judge.served),
            cells=self._pool.size,
            token="none" if self._access.token is None else str(self.token_path or "as given"),
            tls=settings.tls_cert is not None,
        )
        for weakness in self._pool.isolation.weaknesses:
            self._log.warning("isolation is weaker than it could be", what=weakness)

    def _bind(self, server: grpc.aio.Server) -> None:
        address = self.address
        if self._access.token is None and not address.is_unix:
            self._log.warning("whoever can connect can run programs here", address=str(address))
        elif not address.is_loopback and self._settings.tls_cert is None:
            self._log.warning("the token travels unencrypted: set tls_cert and tls_key", address=str(address))
        if address.path is not None:
            prepare_socket(address.path)
        try:
            with private_files():
                if self._settings.tls_cert is not None and self._settings.tls_key is not None:
                    credentials = _credentials(self._settings.tls_cert, self._settings.tls_key)
                    port = server.add_secure_port(str(address), credentials)
                else:
                    port = server.add_insecure_port(str(address))
        except RuntimeError as error:
            raise AddressError(f"cannot listen on {address}: it is in use or not of this machine") from error
        if address.path is not None:
            self._socket_inode = address.path.stat().st_ino
        else:
            self.address = address.with_port(port)

    def _add_services(self, server: grpc.aio.Server, service: VerifierService, store: BlobStore) -> None:
        settings = self._settings
        server.add_generic_rpc_handlers((service.handler(),))
        blobs = BlobService(store, self._log, lambda: service.state is State.DRAINING)
        blob_pb2_grpc.add_BlobServiceServicer_to_server(blobs, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if not settings.insecure:
            names = (
                NAME,
                blob_pb2.DESCRIPTOR.services_by_name["BlobService"].full_name,
                health.SERVICE_NAME,
                reflection.SERVICE_NAME,
            )
            reflection.enable_server_reflection(names, server)

    def _watch(self) -> None:
        scheduler, admission, pool = self._scheduler, self._admission, self._pool
        assert scheduler is not None
        gauges: tuple[tuple[str, str, Callable[[], float]], ...] = (
            ("basanite_cells", "Sandboxes there may be at one time.", lambda: pool.size),
            ("basanite_cells_in_use", "Sandboxes lent now.", lambda: pool.in_use),
            ("basanite_queue_items", "Items waiting, running or not yet delivered.", lambda: admission.used),
            ("basanite_running_items", "Items being judged.", lambda: scheduler.running),
            (
                "basanite_refused_batches",
                "Batches refused by a full queue.",
                lambda: admission.refused_batches,
            ),
        )
        for name, text, read in gauges:
            self.metrics.gauge(name, text, read)
        if self._settings.metrics_address is not None:
            address = self._settings.metrics_address
            try:
                self._endpoint = Endpoint(self.metrics, address)
            except OSError as error:
                raise AddressError(f"metrics_listen {address}: {error.strerror}") from None
            self.metrics_address = self._endpoint.address

    async def _test(self, judge: Judge, scheduler: Scheduler) -> None:
        """Find out which verifiers work. Raises NoVerifierWorks."""
        candidates: list[type[Verifier[Any]]] = []
        for kind in self._verifiers:
            try:
                verifier = kind()
                verifier.configure(self._settings)
                judge.served[kind.kind] = serve(verifier, self._pool)
            except ToolchainError as error:
                self._log.warning("verifier left out", kind=kind.kind, why=str(error))
                judge.broken[kind.kind] = f"this server cannot judge kind {kind.kind!r}: {error}"
            except Exception as error:
                # A bug in one verifier must not keep the others from being served.
                self._log.error("verifier left out", kind=kind.kind, why=str(error), trace=where(error))
            else:
                candidates.append(kind)
        for tested in candidates:
            started = time.monotonic()
            try:
                await self_test(tested, lambda item: _judge_alone(judge, scheduler, item))
            except SelfTestError as error:
                del judge.served[tested.kind]
                judge.broken[tested.kind] = (
                    f"the {tested.kind!r} verifier failed its self test here; see the server's log"
                )
                self._log.error("self test failed", kind=tested.kind, why=str(error))
            else:
                seconds = round(time.monotonic() - started, 3)
                self._log.info("self test passed", kind=tested.kind, seconds=seconds)
        if not judge.served:
            raise NoVerifierWorks("no verifier works on this machine; the log says why for each")

    async def _delivered(self, timeout: float, *, or_hurry: bool = False) -> bool:
        """Wait until every item is delivered; False if time ran out."""
        empty = asyncio.create_task(self._admission.wait_empty())
        hurry = asyncio.create_task(self._hurry.wait())
        wanted = {empty, hurry} if or_hurry else {empty}
        await asyncio.wait(wanted, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        empty.cancel()
        return self._admission.used == 0

    async def _set_health(self, status: health_pb2.HealthCheckResponse.ServingStatus.ValueType) -> None:
        for name in ("", NAME):
            await self._health.set(name, status)

    async def _stop(self) -> None:
        """End what is left, whatever state it is in."""
        if self._grpc is not None:
            # Calls end with their status; the grace is for those whose last message is just being written.
            await self._grpc.stop(grace=0.5)
        if self._endpoint is not None:
            await asyncio.to_thread(self._endpoint.close)
            self._endpoint = None
        try:
            await self._pool.close()
        except SandboxError as error:
            self._log.error("the sandboxes did not close cleanly", trace=where(error))
        path = self.address.path
        if path is not None and self._socket_inode is not None:
            try:
                # Only ours: another server may have taken the name meanwhile.
                if path.stat().st_ino == self._socket_inode:
                    path.unlink()
            except FileNotFoundError:
                pass
            if self._settings.watch_stdin:
                # Whoever started us may be dead, and it was for us.
                with contextlib.suppress(OSError):
                    path.parent.rmdir()


async def _judge_alone(judge: Judge, scheduler: Scheduler, item: verifier_pb2.Item) -> Result:
    alone = verifier_pb2.Item()
    alone.CopyFrom(item)
    alone.cache_policy = verifier_pb2.CACHE_POLICY_BYPASS
    call = scheduler.open(stream=False)
    try:
        answer = await judge(Job(call, item.id, alone))
        assert answer is not None
        return Result.FromString(answer.head + answer.body)
    finally:
        call.close()


def _options(settings: Settings) -> list[tuple[str, Any]]:
    return [
        ("grpc.max_receive_message_length", int(settings.max_message_bytes)),
        ("grpc.max_send_message_length", -1),
        # Without this two servers could listen on one port, each getting some of the calls.
        ("grpc.so_reuseport", 0),
        # A caller whose machine vanished must not hold cells until its deadline.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # gRPC of today goes by this one.
        ("grpc.http2.ping_timeout_ms", 10_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


def _credentials(cert: Path, key: Path) -> grpc.ServerCredentials:
    try:
        return grpc.ssl_server_credentials([(key.read_bytes(), cert.read_bytes())])
    except OSError as error:
        raise AddressError(f"cannot read {error.filename}: {error.strerror}") from None
