"""A server as a process: signals, exit codes, standard input as a leash."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from basanite_sandboxes.spec import SandboxError, SandboxPool
from basanite_services.chassis import logs
from basanite_services.chassis.address import AddressError
from basanite_services.chassis.auth import AccessError
from basanite_services.chassis.environments import BadEnvironment
from basanite_services.chassis.registry import load_known
from basanite_services.chassis.server import NoVerifierWorks, Server
from basanite_services.chassis.settings import Settings, load_settings
from basanite_services.chassis.verifier import Verifier

EXIT_REFUSED = 2
"""Bad settings, an address in use, or one that would be open to others."""
EXIT_NO_VERIFIER = 3
"""No verifier works on this machine."""
EXIT_NO_SANDBOX = 4
"""This machine cannot make the sandboxes."""

PoolFactory = Callable[[Settings], SandboxPool]


def process_pool(settings: Settings) -> SandboxPool:
    """The embedded runtime."""
    from basanite_sandboxes.process import ProcessPool

    return ProcessPool(
        cells=settings.cells,
        python=settings.python,
        uid_base=settings.sandbox_uid_base,
        isolation=settings.isolation,
    )


def run(
    verifiers: Sequence[type[Verifier[Any]]] | None = None,
    argv: Sequence[str] | None = None,
    *,
    make_pool: PoolFactory = process_pool,
    prog: str = "basanite serve",
) -> int:
    """Serve until SIGTERM, SIGINT or the end of standard input (watch_stdin); drain; return the exit code.

    `verifiers`: None for all that this machine can. 0 after a drain, 128 + N if signal N came a second time
    during it, 2, 3 or 4 (see above) if it could not start.
    """
    settings = load_settings(argv, prog)
    log = logs.configure(settings.log_level, settings.log_format)
    classes = load_known(log) if verifiers is None else verifiers
    return asyncio.run(_serve(settings, classes, make_pool, log))


async def _serve(
    settings: Settings, verifiers: Sequence[type[Verifier[Any]]], make_pool: PoolFactory, log: logs.Logger
) -> int:
    stop = _Stop(log)
    stop.on_signals()
    if settings.watch_stdin:
        stop.on_end_of_input()
    try:
        server = Server(settings, verifiers, make_pool(settings), log)
        starting = asyncio.create_task(server.start())
        asked = asyncio.create_task(stop.asked.wait())
        await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            return stop.exit_code
        await starting
    except (AddressError, AccessError, BadEnvironment) as error:
        log.error("refusing to start", why=str(error))
        return EXIT_REFUSED
    except NoVerifierWorks as error:
        log.error("refusing to start", why=str(error))
        return EXIT_NO_VERIFIER
    except SandboxError as error:
        log.error("refusing to start", why=str(error))
        return EXIT_NO_SANDBOX
    await asked
    stop.again = server.hurry
    await server.drain()
    return stop.exit_code


class _Stop:
    """Whether somebody wants the server to end: once is a drain, twice is now."""

    def __init__(self, log: logs.Logger) -> None:
        self.asked = asyncio.Event()
        self.again: Callable[[], None] = lambda: None
        self.exit_code = 0
        self._log = log
        self._loop = asyncio.get_running_loop()

    def on_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._signal, number)

    def on_end_of_input(self) -> None:
        # A thread, since standard input may be a file, which an event loop cannot wait for.
        threading.Thread(target=self._watch, name="basanite-stdin", daemon=True).start()

    def _signal(self, number: signal.Signals) -> None:
        if self.asked.is_set():
            self.exit_code = 128 + number
            self._log.warning("stopping at once", signal=number.name)
            self.again()
            return
        self._log.info("asked to stop", signal=number.name)
        self.asked.set()

    def _watch(self) -> None:
        descriptor = sys.__stdin__.fileno() if sys.__stdin__ is not None else 0
        try:
            while os.read(descriptor, 4096):
                pass
        except OSError:
            pass
        self._loop.call_soon_threadsafe(self.asked.set)
