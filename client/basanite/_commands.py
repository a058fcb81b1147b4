"""What each command takes, and which exit status it ends with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from basanite._errors import BasaniteError
from basanite._sync import Client

EXIT_NOT_ALL = 1
"""Something was judged otherwise than it should be, or not judged at all."""
EXIT_NO_SERVER = 3
"""There is no server, or it does not answer."""

app = typer.Typer(
    name="basanite",
    help="Trusted rewards: run what a model wrote in a sandbox, and judge it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        envvar="BASANITE_ADDRESS",
        help='A running server: "host:port" or "unix:/path". Without it, one is started here.',
    ),
]


@app.command()
def demo(address: _Address = None) -> None:
    """Judge a few hundred programs, right and wrong and cheating ones, and show what came of it."""
    from basanite.demo import run_demo

    with _connected(address) as client:
        raise typer.Exit(0 if run_demo(client, Console()) else EXIT_NOT_ALL)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def serve(context: typer.Context) -> None:
    """Serve every verifier that works on this machine (`basanite serve --help` lists the settings)."""
    try:
        from basanite_services.chassis.main import run
    except ModuleNotFoundError as error:
        _stop(f"serving needs more packages ({error.name} is missing): pip install 'basanite[server]'", 2)
    raise typer.Exit(run(None, context.args))


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="Items, one JSON object a line (docs/items.md).", exists=True)],
    output: Annotated[Path, typer.Option("-o", "--output", help="Results, one JSON object a line.")],
    address: _Address = None,
) -> None:
    """Judge the items of a file. Run again after a stop, it goes on where it stopped.

    Exit status: 0 if every item has a verdict, 1 if some could not be judged, 2 for bad usage, 3 without a server.
    """
    from basanite._verify_file import verify_file

    with _connected(address) as client:
        raise typer.Exit(0 if verify_file(client, file, output, Console(stderr=True)) else EXIT_NOT_ALL)


@app.command()
def doctor() -> None:
    """Say what this machine can do, and what to do about what it cannot."""
    try:
        from basanite._doctor import show_doctor
    except ModuleNotFoundError as error:
        _stop(f"the doctor needs more packages ({error.name} is missing): pip install 'basanite[server]'", 2)
    raise typer.Exit(0 if show_doctor(Console()) else EXIT_NOT_ALL)


class _connected:
    """A client, and one clear line instead of a traceback where there is no server."""

    def __init__(self, address: str | None) -> None:
        self._address = address

    def __enter__(self) -> Client:
        try:
            self._client = Client(self._address) if self._address else Client.local()
        except BasaniteError as error:
            _stop(str(error), EXIT_NO_SERVER)
        return self._client

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        self._client.close()
        if isinstance(error, BasaniteError):
            _stop(str(error), EXIT_NO_SERVER)
        if isinstance(error, KeyboardInterrupt):
            # Everything that was written stays; os._exit is not needed, the server is stopped.
            raise typer.Exit(130)


def _stop(message: str, status: int) -> None:
    typer.echo(f"basanite: {message}", err=True)
    raise typer.Exit(status)
