"""Prometheus metrics, in a registry of the server's own, and the endpoint that shows them."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from basanite_services.chassis.address import Address

_QUEUE_BUCKETS = (0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800)
_RUN_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Metrics:
    """What is counted. Kinds that are not served count as "other": callers must not be able to add labels."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._items = Counter(
            "basanite_items", "Verdicts given.", ["kind", "outcome", "cached"], registry=self.registry
        )
        self._failures = Counter(
            "basanite_failures",
            "Items that ended with a Failure.",
            ["kind", "reason"],
            registry=self.registry,
        )
        self._queue = Histogram(
            "basanite_queue_seconds",
            "From arrival of an item to the start of its first run.",
            ["kind"],
            buckets=_QUEUE_BUCKETS,
            registry=self.registry,
        )
        self._run = Histogram(
            "basanite_run_seconds",
            "From the start of an item's first run to its verdict.",
            ["kind"],
            buckets=_RUN_BUCKETS,
            registry=self.registry,
        )
        self._gauges: dict[str, Gauge] = {}
        # Looking a child up by labels costs several times the increment.
        self._counters: dict[tuple[str, ...], Counter] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}

    def verdict(self, kind: str, outcome: str, *, cached: bool) -> None:
        self._counter(self._items, "item", kind, outcome, "true" if cached else "false").inc()

    def failure(self, kind: str, reason: str) -> None:
        self._counter(self._failures, "failure", kind, reason).inc()

    def timing(self, kind: str, queue_seconds: float, run_seconds: float) -> None:
        """Times of an item that was judged."""
        self._histogram(self._queue, "queue", kind).observe(queue_seconds)
        self._histogram(self._run, "run", kind).observe(run_seconds)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Show a number that is read when the metrics are asked for."""
        gauge = self._gauges[name] = Gauge(name, text, registry=self.registry)
        gauge.set_function(read)

    def _counter(self, counter: Counter, name: str, *labels: str) -> Counter:
        child = self._counters.get((name, *labels))
        if child is None:
            child = self._counters[(name, *labels)] = counter.labels(*labels)
        return child

    def _histogram(self, histogram: Histogram, name: str, kind: str) -> Histogram:
        child = self._histograms.get((name, kind))
        if child is None:
            child = self._histograms[(name, kind)] = histogram.labels(kind)
        return child


class Endpoint:
    """Plain HTTP, in a thread of its own. Raises OSError if the address is taken."""

    def __init__(self, metrics: Metrics, address: Address) -> None:
        self._server: WSGIServer
        self._thread: Thread
        self._server, self._thread = start_http_server(
            address.port, addr=address.host, registry=metrics.registry
        )
        self.address = address.with_port(self._server.server_port)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
